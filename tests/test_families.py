"""Direct draws agree in law with fits to raw rows, and each family does what its documentation says."""

import contextlib
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

import modelcollapse as mc
from modelcollapse.data import Counts, Rows
from modelcollapse.families.gaussian import lower_product, normal_params
from modelcollapse.families.mixture import NormalMixture

DRAWS, SIZE = 20_000, 8
RATE = 1e-6 / 10  # false alarms a comparison: about ten in this file


@functools.cache
def fits(way: str, size: int, ddof: int) -> np.ndarray:
    """Mean, log pivots and slope of ``DRAWS`` fits of a correlated normal law in two dimensions, ``(5, DRAWS)``."""
    law, family = mc.normal([1.0, -2.0], [[2.0, 0.9], [0.9, 1.0]]).params, mc.Gaussian(ddof)

    def one(key: jax.Array) -> jax.Array:
        n = jnp.int32(size)
        data = (
            family.draw(key, law, n) if way == "direct" else family.summarise(family.draw_rows(key, law, n, size + 2))
        )
        params = family.fit(key, data, None)
        return jnp.concatenate([params.mean, params.log_scale, params.unit[1, :1]])

    return np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(len(way)), DRAWS))).T


def test_gaussian_moments_have_the_law_of_those_of_rows() -> None:
    direct, rows = fits("direct", SIZE, 1), fits("rows", SIZE, 1)
    for a, b in zip(direct, rows, strict=True):
        assert stats.ks_2samp(a, b).pvalue > RATE
    # squared distances from the mean see joint laws: the mean is independent of the scatter
    assert stats.ks_2samp(direct[0] * direct[2], rows[0] * rows[2]).pvalue > RATE


@pytest.mark.parametrize(("size", "ddof"), [(SIZE + 1, 1), (SIZE, 0)], ids=["one row more", "other divisor"])
def test_the_same_draws_reject_near_misses(size: int, ddof: int) -> None:
    wrong = fits("rows", size, ddof)
    assert min(stats.ks_2samp(a, b).pvalue for a, b in zip(fits("direct", SIZE, 1), wrong, strict=True)) < RATE


def test_discrete_counts_have_the_law_of_those_of_rows() -> None:
    p, family = jnp.array([0.5, 0.0, 0.3, 0.2]), mc.Discrete(states=4)

    def outcomes(way: str, p: jax.Array) -> np.ndarray:
        def one(key: jax.Array) -> jax.Array:
            n = jnp.int32(4)
            data = family.draw(key, p, n, 8) if way == "direct" else family.summarise(family.draw_rows(key, p, n, 6))
            return data.n @ jnp.array([125, 25, 5, 1], jnp.int32)

        return np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(len(way)), DRAWS)))

    def pvalue(a: np.ndarray, b: np.ndarray) -> float:
        names = np.union1d(a, b)
        return stats.chi2_contingency([[np.sum(x == name) for name in names] for x in (a, b)]).pvalue

    direct = outcomes("direct", p)
    assert np.unique(direct).size == 15  # every composition of 4 items over the three states with mass
    assert pvalue(direct, outcomes("rows", p)) > RATE
    assert pvalue(direct, outcomes("rows", jnp.array([0.48, 0.0, 0.32, 0.2]))) < RATE
    assert pvalue(direct, outcomes("rows", jnp.array([0.5, 0.0, 0.2, 0.3]))) < RATE


def test_rows_of_a_discrete_law_never_show_a_state_without_mass() -> None:
    p = jnp.array([0.0, 1e-300, 0.3, 0.0, 0.7, 0.0])
    rows = mc.Discrete().draw_rows(jax.random.key(0), p, jnp.int32(5000), 5000)
    assert set(np.asarray(rows.points).tolist()) <= {2, 4}


def test_states_out_of_range_make_the_fit_fail() -> None:
    family = mc.Discrete(states=3)
    for bad in (3, -1):
        rows = Rows(jnp.array([0, bad, 2], jnp.int32), jnp.int32(3))
        assert np.isnan(family.fit(jax.random.key(0), family.summarise(rows), None)).all()
        absent = Rows(rows.points[jnp.array([0, 2, 1])], jnp.int32(2))
        np.testing.assert_array_equal(family.summarise(absent).n, [1, 0, 1])


def test_gaussian_fit_is_the_sample_covariance() -> None:
    points = np.random.default_rng(0).normal(size=(9, 3)) @ [[1, 2, 0], [0, 1, 1], [0, 0, 3]]
    for ddof in (0, 1):
        family = mc.Gaussian(ddof)
        data = family.summarise(Rows(jnp.asarray(points), jnp.int32(9)))
        fitted = family.fit(jax.random.key(0), data, None)
        np.testing.assert_allclose(fitted.covariance, np.cov(points.T, ddof=ddof), rtol=1e-12)
        np.testing.assert_allclose(fitted.mean, points.mean(0), rtol=1e-13)


def test_a_normal_law_projects_to_mean_and_covariance_of_any_source() -> None:
    mixture = mc.normal_mixture([0.25, 0.75], [-3.0, 1.0], [1.0, 4.0])
    truth = mc.Gaussian().project(mixture)
    assert float(truth.mean[0]) == pytest.approx(0.0, abs=1e-15)
    assert float(truth.covariance[0, 0]) == pytest.approx(0.25 * (1 + 9) + 0.75 * (4 + 1), rel=1e-14)
    rows = np.random.default_rng(1).normal(size=(30, 2))
    truth = mc.Gaussian().project(mc.table(rows))
    np.testing.assert_allclose(truth.covariance, np.cov(rows.T, ddof=0), rtol=1e-12)
    assert mc.Gaussian().project(mc.sampler(lambda key, n: jax.random.normal(key, (n, 1)))) is None


def refits(damped: mc.Damped) -> tuple[Any, Any, Any]:
    """Parameters before, a full fit, and the damped one."""
    before = normal_params(jnp.array([0.0, 1.0]), jnp.array([[2.0, 0.5], [0.5, 1.0]]))
    points = np.random.default_rng(2).normal(size=(7, 2))
    data = damped.summarise(Rows(jnp.asarray(points), jnp.int32(7)))
    return before, damped.fit(jax.random.key(0), data, None), damped.fit(jax.random.key(0), data, before)


def test_damping_moves_by_its_rate() -> None:
    before, full, moved = refits(mc.Damped(mc.Gaussian(), 0.25))
    for old, new, between in zip(*map(jax.tree.leaves, (before, full, moved)), strict=True):
        np.testing.assert_allclose(between, 0.75 * old + 0.25 * new, rtol=1e-13, atol=1e-15)
    before, _, frozen = refits(mc.Damped(mc.Gaussian(), 0.0))
    for old, still in zip(jax.tree.leaves(before), jax.tree.leaves(frozen), strict=True):
        np.testing.assert_array_equal(old, still)
    _, full, moved = refits(mc.Damped(mc.Gaussian(), 1.0))
    for new, same in zip(jax.tree.leaves(full), jax.tree.leaves(moved), strict=True):
        np.testing.assert_allclose(same, new, rtol=1e-14, atol=1e-15)


def test_a_damped_discrete_law_keeps_what_it_has_lost_in_one_draw() -> None:
    damped = mc.Damped(mc.Discrete(), 0.5)
    run = mc.simulate(damped, mc.categorical([0.9, 0.1]), observe="probabilities", size=1, generations=3, chains=6)
    p = run["probabilities"]
    # one draw names one state: half of the way to a corner each time, after a full first fit
    assert np.isin(p[:, 0], [0, 1]).all()
    np.testing.assert_allclose(p.sum(-1), 1)
    frozen = mc.simulate(
        mc.Damped(mc.Discrete(), 0.0),
        mc.categorical([0.5, 0.5]),
        observe="probabilities",
        size=9,
        generations=4,
        chains=3,
    )["probabilities"]
    np.testing.assert_array_equal(frozen, np.broadcast_to(frozen[:, :1], frozen.shape))
    assert (frozen[:, 0] != 0.5).all()


# --- mixtures ---------------------------------------------------------------------------------------------------------


def two_clusters(n: int = 60) -> np.ndarray:
    rng = np.random.default_rng(3)
    return np.concatenate([rng.normal([-4, 0], [1, 0.5], (n // 2, 2)), rng.normal([3, 1], [0.7, 2], (n - n // 2, 2))])


POINTS = two_clusters()
PARENT = NormalMixture(
    jnp.array([0.3, 0.7]), jnp.array([[-2.0, 0.0], [2.0, 0.0]]), jnp.stack([2 * jnp.eye(2), jnp.eye(2)])
)


refit = jax.jit(lambda family, key, rows, previous: family.fit(key, rows, previous))


def fit(family: mc.GaussianMixture, previous: NormalMixture | None = PARENT, seed: int = 0) -> NormalMixture:
    filled = np.vstack([POINTS, np.full((4, 2), 1e6)])  # room, which must not be seen
    rows = Rows(jnp.asarray(filled), jnp.int32(len(POINTS)))
    return refit(family, jax.random.key(seed), rows, previous)


@pytest.mark.parametrize(("steps", "ridge"), [(1, 0.0), (100, 0.0), (100, 0.3)])
def test_warm_em_is_that_of_scikit_learn(steps: int, ridge: float) -> None:
    found = fit(mc.GaussianMixture(2, reg_covar=ridge, tol=1e-6, max_iter=steps))
    precisions = np.linalg.inv(np.asarray(PARENT.covariances))
    peer = pytest.importorskip("sklearn.mixture").GaussianMixture(
        2, reg_covar=ridge, tol=1e-6, max_iter=steps, weights_init=PARENT.weights, means_init=PARENT.means,
        precisions_init=precisions,
    )  # fmt: skip
    # one step does not converge, and scikit-learn says so
    with pytest.warns(match="converge") if steps == 1 else contextlib.nullcontext():
        peer.fit(POINTS)
    np.testing.assert_allclose(found.weights, peer.weights_, rtol=1e-9)
    np.testing.assert_allclose(found.means, peer.means_, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.covariances, peer.covariances_, rtol=1e-8, atol=1e-9)


def test_log_density_of_a_mixture() -> None:
    expected = special.logsumexp(
        [
            np.log(w) + stats.multivariate_normal(m, c).logpdf(POINTS)
            for w, m, c in zip(PARENT.weights, PARENT.means, PARENT.covariances, strict=True)
        ],
        axis=0,
    )
    np.testing.assert_allclose(PARENT.log_density(jnp.asarray(POINTS)), expected, rtol=1e-12)


def test_a_warm_start_begins_at_the_parent_and_a_fresh_one_forgets_it() -> None:
    one_step, fresh = mc.GaussianMixture(2, max_iter=1), mc.GaussianMixture(2, max_iter=1, init="k-means++")
    warm = fit(one_step)
    elsewhere = NormalMixture(PARENT.weights, PARENT.means + 1, PARENT.factors)
    assert abs(fit(one_step, elsewhere).means - warm.means).max() > 1e-3
    for leaf, other, cold in zip(
        *map(jax.tree.leaves, (fit(fresh), fit(fresh, elsewhere), fit(one_step, None))), strict=True
    ):
        np.testing.assert_array_equal(leaf, other)
        np.testing.assert_array_equal(leaf, cold)


def test_fresh_seeds_lie_in_different_clusters() -> None:
    # by squared distance: a second seed in the first one's cluster has probability below 1 in 10 here, uniform: 1 in 2
    family = mc.GaussianMixture(2, max_iter=1, reg_covar=1e-6)
    rows = Rows(jnp.asarray(POINTS), jnp.int32(len(POINTS)))
    keys = jax.random.split(jax.random.key(5), 300)
    means = jax.jit(jax.vmap(lambda key: family.fit(key, rows, None).means))(keys)
    apart = np.abs(means[:, 0, 0] - means[:, 1, 0]) > 4
    assert stats.binomtest(int(apart.sum()), 300, 0.8, alternative="less").pvalue > 1e-6


def test_one_component_is_the_sample_covariance_plus_the_ridge() -> None:
    found = fit(mc.GaussianMixture(1, reg_covar=0.5), None)
    np.testing.assert_allclose(found.covariances[0], np.cov(POINTS.T, ddof=0) + 0.5 * np.eye(2), rtol=1e-12)


def test_an_empty_component_keeps_its_place_with_weight_zero() -> None:
    far = NormalMixture(PARENT.weights, PARENT.means.at[1].set(1e4), PARENT.factors)
    family = mc.GaussianMixture(2)
    found = fit(family, far)
    np.testing.assert_array_equal(found.weights, [1, 0])
    np.testing.assert_array_equal(found.means[1], far.means[1])
    np.testing.assert_array_equal(found.factors[1], far.factors[1])
    np.testing.assert_allclose(found.means[0], POINTS.mean(0), rtol=1e-12)
    np.testing.assert_array_equal(fit(family, found).weights, [1, 0])
    drawn = family.draw_rows(jax.random.key(0), found, jnp.int32(500), 500).points
    assert np.abs(drawn).max() < 100


def test_a_component_on_too_few_rows_is_not_finite_without_a_ridge() -> None:
    points = np.concatenate([POINTS[:58], [[50.0, 50.0], [60.0, 50.0]], np.zeros((4, 2))])
    rows = Rows(jnp.asarray(points), jnp.int32(60))
    near = NormalMixture(PARENT.weights, PARENT.means.at[1].set(55.0), jnp.stack([jnp.eye(2), 5 * jnp.eye(2)]))
    assert np.isnan(refit(mc.GaussianMixture(2), jax.random.key(0), rows, near).factors).any()
    assert np.isfinite(refit(mc.GaussianMixture(2, reg_covar=1e-6), jax.random.key(0), rows, near).factors).all()


def test_mixture_projections_are_mixtures() -> None:
    source = mc.normal_mixture([0.5, 0.5], [-1.0, 1.0], [1.0, 2.0])
    assert mc.GaussianMixture(3).project(source) is source.params
    one = mc.GaussianMixture(2).project(mc.normal([1.0, 2.0], [[2.0, 0.3], [0.3, 1.0]]))
    np.testing.assert_allclose(one.covariances[0], [[2.0, 0.3], [0.3, 1.0]], rtol=1e-14)
    np.testing.assert_array_equal(one.weights, [1.0])


@pytest.mark.parametrize("bits", [32, 64])
def test_a_state_that_is_left_alone_has_probability_one_exactly(bits: int) -> None:
    """49 * (1 / 49) is not 1 in float64, nor is 41 * (1 / 41) in float32; a chain that is absorbed must stay so bit for
    bit.
    """
    with jax.enable_x64(bits == 64):
        counts = np.stack([np.arange(1, 200), np.zeros(199)], axis=1).astype(np.int32)
        fit = jax.jit(jax.vmap(lambda n: mc.Discrete().fit(jax.random.key(0), Counts(n), None)))
        np.testing.assert_array_equal(fit(counts), np.broadcast_to([1.0, 0.0], (199, 2)))


def test_the_product_of_two_triangles_is_that_of_their_matrices() -> None:
    """In the three ways in which it is computed: few rows, two halves of some, many."""
    rng = np.random.default_rng(0)
    for d in (1, 3, 5, 10, 17):
        units = np.tril(rng.normal(size=(2, 7, d, d)), -1) + np.eye(d)
        scales = rng.normal(size=(2, 7, d))
        laned = [jnp.asarray(np.moveaxis(a, 0, -1)) for a in (units[0], scales[0], units[1], scales[1])]
        unit, log_scale = (np.moveaxis(np.asarray(a), -1, 0) for a in jax.jit(lower_product)(*laned))
        first, second = units * np.exp(scales)[:, :, None, :]
        np.testing.assert_allclose(unit * np.exp(log_scale)[:, None, :], first @ second, rtol=1e-10, atol=1e-12)
        assert np.array_equal(np.triu(unit), np.broadcast_to(np.eye(d), unit.shape))
