"""A draw from the posterior has the posterior's law, and a chain of such fits has the prior as its stationary law."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import modelcollapse as mc
from modelcollapse.data import Counts, Moments, Rows, WeightedCounts
from modelcollapse.families import Posterior, Student
from modelcollapse.families.exponential import LogMean, Total
from modelcollapse.families.student import student_rows

ACCEPT, REJECT = 1e-5, 1e-9
"""A right law falls below ACCEPT once in 1e5 comparisons, over seeds; a near miss must fall below REJECT."""
LAW = np.array([0.5, 0.3, 0.2])
DRAWS = 20_000


@functools.partial(jax.jit, static_argnums=2)
def many(family: Posterior, data: Any, bits: int) -> Any:
    keys = jax.random.split(jax.random.key(bits), DRAWS)
    return jax.vmap(lambda key: family.fit(key, data, None))(keys)


def fits(family: Posterior, data: Any, bits: int = 32) -> Any:
    """Parameters of many fits to one data set, leaves ``(DRAWS, ...)``; one program for each shape and precision."""
    with jax.enable_x64(bits == 64):
        return jax.tree.map(np.asarray, many(family, data, bits))


def p_of(draws: np.ndarray, law: Any) -> float:
    return float(stats.kstest(np.asarray(draws, float).ravel(), law.cdf).pvalue)


# --- one fit ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("strength", "bits"), [(0.0, 32), (1.5, 32), (1.5, 64)])
def test_a_discrete_fit_is_dirichlet(strength: float, bits: int) -> None:
    counts = np.array([5, 3, 0], np.int32)
    found = fits(Posterior(mc.Discrete(), strength, LAW), Counts(counts), bits)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-6)
    shape = strength * LAW + counts
    if strength == 0:
        assert (found[:, 2] == 0).all()  # a lost state stays lost
        shape = shape[:2]
    for k, a in enumerate(shape):
        assert p_of(found[:, k], stats.beta(a, shape.sum() - a)) > ACCEPT
        assert p_of(found[:, k], stats.beta(a + 0.5, shape.sum() - a + 0.5)) < REJECT  # half an item more


def test_weighted_items_count_by_their_weights() -> None:
    """5 real items that weigh 0.8 in all of 20: their mean weight is 3.2."""
    real, own = np.array([5, 0, 0], np.int32), np.array([0, 9, 6], np.int32)
    data = WeightedCounts(Counts(real), Counts(own), np.float32(0.8))
    found = fits(Posterior(mc.Discrete(), 1.5, LAW), data)
    shape = 1.5 * LAW + 20 * (0.8 * real / 5 + 0.2 * own / 15)
    for k, a in enumerate(shape):
        assert p_of(found[:, k], stats.beta(a, shape.sum() - a)) > ACCEPT
    assert p_of(found[:, 0], stats.beta(5.75, 15.75)) < REJECT  # without weights


def test_a_fit_of_a_poisson_mean_is_gamma() -> None:
    found = fits(Posterior(mc.Poisson(), 4.0, mc.poisson(2.0)), Total(np.int32(6), np.int32(30))).mean
    assert p_of(found, stats.gamma(38, scale=1 / 10)) > ACCEPT
    assert p_of(found, stats.gamma(30, scale=1 / 6)) < REJECT  # without the prior


def test_the_rate_of_a_gamma_fit_is_gamma() -> None:
    data = LogMean(np.int32(6), np.log(np.array([5.0], np.float32)))
    rates = 1.5 / np.exp(fits(Posterior(mc.Gamma(1.5), 4.0, mc.gamma(2.0, 1.5)), data).log_mean)
    assert p_of(rates, stats.gamma(1.5 * 10, scale=1 / (4 * 2 + 30))) > ACCEPT
    assert p_of(rates, stats.gamma(1.5 * 6, scale=1 / 30)) < REJECT


SCATTER = np.array([[9.0, 3.0, -1.0], [3.0, 6.0, 1.0], [-1.0, 1.0, 4.0]])
BASE = (np.array([0.5, -1.0, 2.0]), np.diag([2.0, 1.0, 0.5]))
CENTRE, ROWS = np.array([1.0, 0.0, 2.5]), 7


def moments(d: int, bits: int) -> Moments:
    lower = np.linalg.cholesky(SCATTER[:d, :d])
    pivots = np.diag(lower)
    one = np.float64 if bits == 64 else np.float32
    return Moments(np.int32(ROWS), one(CENTRE[:d]), one(lower / pivots), one(np.log(pivots)))


@pytest.mark.parametrize(("d", "strength", "bits"), [(1, 2.5, 32), (3, 0.0, 32), (3, 2.5, 32), (3, 2.5, 64)])
def test_a_normal_fit_is_normal_inverse_wishart(d: int, strength: float, bits: int) -> None:
    base = mc.normal(BASE[0][:d], BASE[1][:d, :d])
    found = fits(Posterior(mc.Gaussian(), strength, base), moments(d, bits), bits)
    gap, kappa, nu = CENTRE[:d] - BASE[0][:d], strength + ROWS, strength + ROWS - 1
    scale = SCATTER[:d, :d] + strength * BASE[1][:d, :d] + strength * ROWS / kappa * np.outer(gap, gap)
    centre = (strength * BASE[0][:d] + ROWS * CENTRE[:d]) / kappa
    factor = np.asarray(found.unit, float) * np.exp(found.log_scale)[:, None, :]
    assert (np.triu(found.unit, 1) == 0).all()
    sigma = factor @ np.swapaxes(factor, 1, 2)
    for direction in np.vstack([np.eye(d), [[1.0, -2.0, 0.5][:d]]]):
        within = direction @ scale @ direction / np.einsum("i,nij,j->n", direction, sigma, direction)
        across = np.einsum("i,nij,j->n", direction, np.linalg.inv(sigma), direction)
        across /= direction @ np.linalg.inv(scale) @ direction
        assert p_of(within, stats.chi2(nu - d + 1)) > ACCEPT
        assert p_of(across, stats.chi2(nu)) > ACCEPT
        assert p_of(within, stats.chi2(nu - d + 2)) < REJECT
        assert p_of(across, stats.chi2(nu + 1)) < REJECT
    assert p_of(np.linalg.det(scale) / np.linalg.det(sigma), Product(nu, d)) > ACCEPT
    away = found.mean - centre
    distance = np.einsum("ni,ij,nj->n", away, np.linalg.inv(scale), away) * kappa * (nu - d + 1) / d
    assert p_of(distance, stats.f(d, nu - d + 1)) > ACCEPT
    assert p_of(distance * (ROWS - 1) / ROWS, stats.f(d, nu - d + 1)) < 1e-3
    given = np.einsum("ni,nij,nj->n", away, np.linalg.inv(sigma), away) * kappa
    assert p_of(given, stats.chi2(d)) > ACCEPT


class Product:
    """The determinant of a Wishart matrix: a product of chi-squares, its distribution function from draws of NumPy."""

    def __init__(self, nu: float, d: int) -> None:
        self.draws = np.sort(np.random.default_rng(0).chisquare(nu - np.arange(d), (500_000, d)).prod(1))

    def cdf(self, x: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.draws, x) / self.draws.size


def test_pivots_may_be_apart_by_any_factor() -> None:
    """The step of every log pivot is the same whatever the pivots are, in float32 too."""
    family = Posterior(mc.Gaussian(), 0.0, mc.normal([0.0, 0.0, 0.0]))
    near = moments(3, 32)
    far = Moments(near.count, near.mean, near.unit, np.float32([3.0, -250.0, -600.0]))
    found = fits(family, near), fits(family, far)
    steps = [fit.log_scale - data.log_scale for fit, data in zip(found, (near, far), strict=True)]
    np.testing.assert_allclose(steps[1], steps[0], atol=2e-4)
    assert np.isfinite(found[1].unit).all()


@functools.cache
def smoothed() -> Any:
    def both(counts: jax.Array, strength: jax.Array) -> Any:
        data = Counts(counts)
        one = Posterior(mc.Discrete(), strength, jnp.asarray(LAW), "item")
        return one.fit(jax.random.key(0), data, None), mc.Discrete().fit(jax.random.key(0), data, None)

    return jax.jit(both)


@given(
    st.lists(st.integers(0, 1000), min_size=3, max_size=3).filter(any),
    st.floats(0, 1e6, allow_subnormal=False) | st.just(0.0),
)
def test_draws_per_item_are_additive_smoothing(counts: list[int], strength: float) -> None:
    found, plain = smoothed()(jnp.asarray(counts, jnp.int32), jnp.asarray(strength))
    exact = (np.array(counts) + strength * LAW) / (sum(counts) + strength)
    np.testing.assert_allclose(found, exact, rtol=1e-13, atol=1e-300)
    if strength == 0:
        np.testing.assert_array_equal(found, plain)


def test_normal_items_with_draws_of_their_own_are_t() -> None:
    family = Posterior(mc.Gaussian(), 2.0, mc.normal([0.5], [[2.0]]), per="item")
    x = np.array([0.3, -1.2, 2.0, 0.7, 1.1, -0.4])

    @jax.jit
    def drawn(points: jax.Array) -> tuple[Student, jax.Array]:
        params = family.fit(jax.random.key(0), Rows(points, jnp.int32(6)), None)
        return params, family.draw(jax.random.key(1), params, jnp.int32(DRAWS), DRAWS).points

    params, points = drawn(np.append(x, [np.nan, 9.0])[:, None])
    scale = ((x - x.mean()) ** 2).sum() + 2 * 2 + 2 * 6 / 8 * (x.mean() - 0.5) ** 2
    law = stats.t(7, (2 * 0.5 + x.sum()) / 8, np.sqrt(scale * 9 / (8 * 7)))
    assert p_of(points, law) > ACCEPT
    assert p_of(points, stats.norm(law.mean(), law.std())) < REJECT  # no normal law
    np.testing.assert_allclose(params.covariance, [[law.var()]], rtol=1e-9)
    np.testing.assert_allclose(np.exp(params.log_variance), [law.var()], rtol=1e-9)
    assert np.isinf(Student(params.mean, params.unit, params.log_scale, 2.0).log_variance).all()


# --- chains ----------------------------------------------------------------------------------------------------------


def test_one_step_at_the_reference_prior_is_a_ratio_of_equal_chi_squares() -> None:
    run = mc.simulate(
        Posterior(mc.Gaussian(), 0.0), mc.normal(1.0, 4.0), observe="log_variance", size=6, generations=3, chains=DRAWS
    )
    steps = np.exp(np.diff(run["log_variance"][..., 0], axis=1))
    for step in steps.T:
        assert p_of(step, stats.f(5, 5)) > ACCEPT
        assert p_of(step, stats.f(6, 6)) < REJECT**0.5
    assert abs(stats.spearmanr(steps[:, 0], steps[:, 2])[0]) < 5 / np.sqrt(DRAWS)


def test_the_stationary_law_is_the_prior() -> None:
    """After enough fits, whatever is real: here the prior is elsewhere."""
    discrete = mc.simulate(
        Posterior(mc.Discrete(), 3.0, LAW), mc.categorical([0.05, 0.05, 0.9]), observe="probabilities", size=4,
        generations=30, chains=DRAWS, record=[30],
    )["probabilities"][:, 0]  # fmt: skip
    for k, a in enumerate(3 * LAW):
        assert p_of(discrete[:, k], stats.beta(a, 3 - a)) > ACCEPT
    base = mc.normal([1.0], [[2.0]])
    run = mc.simulate(
        Posterior(mc.Gaussian(), 5.0, base), mc.normal(-3.0, 9.0), observe=["mean", "log_variance"], size=5,
        generations=30, chains=DRAWS, record=[30],
    )  # fmt: skip
    assert p_of(np.exp(run["log_variance"]), stats.invgamma(4 / 2, scale=5 * 2.0 / 2)) > ACCEPT
    assert p_of(run["mean"], stats.t(4, 1.0, np.sqrt(5 * 2.0 / (5 * 4)))) > ACCEPT
    assert p_of(run["mean"], stats.t(5, 1.0, np.sqrt(2.0 / 5))) < 0.05


def test_strength_may_be_swept_by_vmap() -> None:
    def last(strength: jax.Array) -> jax.Array:
        family = Posterior(mc.Discrete(), strength)
        run = mc.trace(family, mc.categorical(LAW), observe="heterozygosity", size=6, generations=2)
        return run["heterozygosity"][0, -1]

    assert jax.eval_shape(jax.vmap(last), jnp.zeros(3)).shape == (3,)


# --- what is refused -------------------------------------------------------------------------------------------------

PLANE = mc.normal([0.0, 0.0])
REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "no such prior": (lambda: Posterior(mc.GaussianMixture(2), 1.0), TypeError, "Discrete, Gamma, Gaussian or Poisson"),
    "no such items": (lambda: Posterior(mc.Poisson(), 1.0, per="item"), TypeError, "Discrete or Gaussian; got Poisson"),
    "negative": (lambda: Posterior(mc.Discrete(), -1.0), ValueError, "strength must be finite and not negative, got -1"),
    "another unit": (lambda: Posterior(mc.Discrete(), 1.0, per="row"), ValueError, "per must be 'fit' or 'item'"),
    "no law": (lambda: Posterior(mc.Discrete(), 1.0, [0.5, 0.4]), ValueError, "base must sum to 1"),
    "a number": (lambda: Posterior(mc.Gaussian(), 1.0, 3.0), TypeError, "base must be a source"),
    "another law": (lambda: run(mc.Gaussian(), PLANE, 1.0, LAW), TypeError, "base must be parameters such as Normal"),
    "another size": (lambda: run(mc.Discrete(), mc.categorical([0.5, 0.5]), 1.0, LAW), ValueError, r"\(2,\)"),
    "no truth": (
        lambda: run(mc.Gaussian(), mc.sampler(lambda key, n: jax.random.normal(key, (n, 1))), 1.0, None),
        ValueError, "base must be given for a Sampler",
    ),
    "too few rows": (lambda: run(mc.Gaussian(), PLANE, 0.0, None), ValueError, r"at least d \+ 1 = 3"),
    "too few items": (lambda: run(mc.Gaussian(), PLANE, 0.5, None, 1), ValueError, "more than d = 2"),
}  # fmt: skip


def run(family: Any, source: Any, strength: float, base: Any, size: int = 2) -> mc.Run:
    return mc.simulate(Posterior(family, strength, base), source, size=size, generations=1, chains=1)


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_posterior_is_refused(case: str) -> None:
    call, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        call()


def test_rows_of_few_degrees_of_freedom_are_t() -> None:
    """Where one degree more, or a scale off by a tenth, is told apart."""
    dof, n = 1.5, 100_000
    with jax.enable_x64(False):

        @jax.jit
        def drawn() -> jax.Array:
            params = Student(jnp.ones(1), jnp.ones((1, 1)), jnp.log(2 * jnp.ones(1)), jnp.asarray(dof))
            return student_rows(jax.random.key(3), params, jnp.int32(n), n).points

        points = np.asarray(drawn())
    assert p_of(points, stats.t(dof, 1, 2)) > ACCEPT
    assert p_of(points, stats.t(dof + 1, 1, 2)) < REJECT
    assert p_of(points, stats.t(dof, 1, 2.2)) < REJECT
