"""Shrunk fits, more items, several refits and other divisors: each is what it says, and the family where it is neutral."""

import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

import modelcollapse as mc
from modelcollapse.data import Moments
from modelcollapse.families import Ensemble, Oversampled, Posterior, Shrunk
from modelcollapse.families.corrections import log_mean_deviation, mean_log_variance
from modelcollapse.families.gaussian import normal_params
from modelcollapse.families.shrunk import between

SIGMAS = 5
"""Standard errors: 6e-7 for each comparison with a mean, over seeds."""
LAW = mc.categorical([0.5, 0.3, 0.2])
H0 = 0.62
CHAINS = 8000


def near(values: np.ndarray, exact: Any, sigmas: float = SIGMAS) -> bool:
    error = values.std(0) / np.sqrt(len(values))
    return bool((np.abs(values.mean(0) - exact) < sigmas * error).all())


def diversity(
    family: Any, regime: Any = None, size: Any = 10, generations: int = 4, chains: int = CHAINS
) -> np.ndarray:
    found = mc.simulate(family, LAW, regime, "heterozygosity", size=size, generations=generations, chains=chains)
    return found["heterozygosity"]


# --- divisors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [32, 64])
def test_corrections_for_any_number_of_rows(bits: int) -> None:
    k = np.concatenate([np.arange(1, 200), 10.0 ** np.arange(3, 9), [2**31 - 1]]).astype(np.int32)
    x = k.astype(float) / 2
    # beyond some thousands SciPy's differences lose more than the series
    small = k < 5000
    deviation = special.gammaln(x + 0.5) - special.gammaln(x) - np.log(x) / 2
    with jax.enable_x64(bits == 64):
        dtype = jnp.result_type(float)
        found = [np.asarray(f(k, dtype), float) for f in (log_mean_deviation, mean_log_variance)]
        eps = float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(found[0][small], deviation[small], rtol=4 * eps, atol=1e-12)
    np.testing.assert_allclose(found[1][small], special.psi(x[small]) - np.log(x[small]), rtol=4 * eps, atol=1e-12)
    np.testing.assert_allclose(found[0][~small] * k[~small], -0.25, rtol=1e-6)
    np.testing.assert_allclose(found[1][~small] * k[~small], -1, rtol=1e-3)
    assert np.isneginf(log_mean_deviation(jnp.int32(0), jnp.float32))


@pytest.mark.parametrize(
    ("divisor", "right", "wrong"),
    [
        ("unbiased_deviation", "standard_deviation", "log_variance"),
        ("log_unbiased", "log_variance", "standard_deviation"),
    ],
)
def test_what_is_unbiased_does_not_drift(divisor: str, right: str, wrong: str) -> None:
    """In every coordinate of two, also where the sizes change."""
    run = mc.simulate(
        mc.Gaussian(divisor=divisor), mc.normal([0.0, 0.0], [[1.0, 0.6], [0.6, 1.0]]),
        observe=["standard_deviation", "log_variance", "log_determinant"], size=[6, 4, 9, 6], generations=3, chains=CHAINS,
    )  # fmt: skip
    start = {"standard_deviation": 1.0, "log_variance": 0.0}
    assert near(run[right], start[right])
    assert not near(run[wrong][:, -1], start[wrong], 12)
    assert not near(run["log_determinant"][:, -1], np.log(0.64), 12)  # which one divisor cannot keep


def test_a_divisor_excludes_ddof_0() -> None:
    with pytest.raises(ValueError, match="divisor must be None with ddof=0, got 'log_unbiased'"):
        mc.Gaussian(0, "log_unbiased")
    with pytest.raises(ValueError, match="'unbiased_deviation' or 'log_unbiased'"):
        mc.Gaussian(divisor="c4")


# --- shrunk ----------------------------------------------------------------------------------------------------------


@functools.cache
def midway() -> Any:
    def between_laws(fitted: Any, to: Any, weight: Any) -> Any:
        law = between(mc.Gaussian(), normal_params(*fitted), normal_params(*to), weight)
        return law.mean, law.covariance, law.log_scale

    return jax.jit(between_laws)


numbers = st.floats(-3, 3).map(lambda x: round(x, 3))


@given(st.lists(numbers, min_size=12, max_size=12), st.sampled_from([0.0, 1.0]) | st.floats(0, 1))
def test_between_two_normal_laws_is_linear_in_mean_and_covariance(entries: list[float], weight: float) -> None:
    laws = []
    for part in np.reshape(entries, (2, 6)):
        lower = np.array([[1 + abs(part[2]), 0, 0], [part[3], 1, 0], [part[4], part[5], 0.5]])
        laws.append((np.array([part[0], part[1], 1.0]), lower @ lower.T))
    mean, covariance, _ = midway()(*laws, weight)
    for found, (one, other) in zip((mean, covariance), zip(*laws, strict=True), strict=True):
        np.testing.assert_allclose(found, (1 - weight) * one + weight * other, rtol=1e-9, atol=1e-9)
    if weight in (0, 1):  # bit for bit at no weight
        whole = normal_params(*laws[int(weight)])
        np.testing.assert_allclose(midway()(*laws, weight)[2], whole.log_scale, rtol=0 if weight == 0 else 1e-12)


def test_scales_apart_by_any_factor_stay_apart() -> None:
    with jax.enable_x64(False):
        unit = jnp.eye(2)
        small = mc.families.Normal(jnp.zeros(2), unit, jnp.array([0.0, -300.0]))
        smaller = mc.families.Normal(jnp.zeros(2), unit, jnp.array([-200.0, -310.0]))
        found = between(mc.Gaussian(), small, smaller, 0.5).log_scale
        np.testing.assert_allclose(found, np.array([0, -300]) + 0.5 * np.log(0.5), rtol=1e-6)


def test_a_shrunk_variance_settles() -> None:
    """E v = S0 at every fit, and Var v' = b'^2 (2/k) + b'^2 (1 + 2/k) Var v, b' = 1 - b, k = M - 1; the mean is AR(1)."""
    run = mc.simulate(
        Shrunk(mc.Gaussian(), mc.normal(1.0, 4.0), 0.5), mc.normal(1.0, 4.0), observe=["log_variance", "mean"], size=20,
        generations=6, chains=CHAINS,
    )  # fmt: skip
    variance = np.exp(run["log_variance"][..., 0]) / 4
    assert near(variance, 1.0)
    exact = [0.0]
    for _ in range(7):
        exact.append(0.25 * (2 / 19 + (1 + 2 / 19) * exact[-1]))
    assert near((variance - 1) ** 2, exact[1:])
    assert not near(((variance - 1) ** 2)[:, -1], 2 / 19, 12)  # that of one plain fit
    error = (run["mean"][..., 0] - 1) ** 2 / 4
    assert near(error, np.cumsum(0.25 ** np.arange(1, 8)) / 20)


def test_a_shrunk_law_keeps_its_part_of_what_it_is_drawn_to() -> None:
    """h = 1 - |p|^2 of p' = (1 - b) q + b p0: with F = E|p|^2, F' = (1-b)^2 (F + (1 - F)/M) + (1 - (1-b)^2) F0."""
    found = diversity(Shrunk(mc.Discrete(), None, 0.25))
    exact, repeats = [], 1 - H0
    for _ in range(5):
        repeats = 0.5625 * (repeats + (1 - repeats) / 10) + 0.4375 * (1 - H0)
        exact.append(1 - repeats)
    assert near(found, exact)
    assert not near(found, H0 * 0.9 ** np.arange(1, 6), 12)


def test_neutral_parts_fit_as_the_family_does() -> None:
    """Bit for bit: no weight, one refit; and refits to one data set are that refit."""
    family, to = mc.Gaussian(), mc.normal([5.0, 0.0], [[9.0, 1.0], [1.0, 1.0]])

    @jax.jit
    def fits(data: Any) -> Any:
        neutral = family, Shrunk(family, to, 0.0), Ensemble(family, 1), Ensemble(family, 3, "one")
        return [one.fit(jax.random.key(0), data, None) for one in neutral]

    unit = np.array([[1.0, 0.0], [0.3, 1.0]])
    plain, *others, three = fits(Moments(np.int32(7), np.array([1.0, 2.0]), unit, np.array([0.1, -30.0])))
    for one in others:
        jax.tree.map(np.testing.assert_array_equal, one, plain)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-14), three, plain)


def test_endless_data_go_inside() -> None:
    run = mc.simulate(
        Shrunk(mc.Exact(mc.Gaussian()), mc.normal(0.0, 2.0), 0.5), mc.normal(), observe="variance", size=5,
        generations=3, chains=1,
    )  # fmt: skip
    np.testing.assert_allclose(run["variance"][0, :, 0], 2 - 0.5 ** np.arange(1, 5), rtol=1e-12)
    with pytest.raises(TypeError, match="Exact cannot have it"):
        mc.Exact(Shrunk(mc.Gaussian(), None, 0.5))


# --- more items ------------------------------------------------------------------------------------------------------


def test_more_items_are_those_of_a_larger_size() -> None:
    """In the same numbers: five synthetic items for one, beside the real ones."""
    found = diversity(Oversampled(mc.Discrete(), 5), mc.FreshReal(0.5), chains=50)
    same = diversity(mc.Discrete(), mc.FreshReal(5 / 30), [10, 30, 30, 30, 30], chains=50)
    np.testing.assert_array_equal(found, same)


def test_parts_of_a_mixture_are_drawn_before_they_are_multiplied() -> None:
    """r ~ Bin(M, g) are real and 3 (M - r) are not: the mean share of real ones is E r/(3 M - 2 r), not g."""
    point = mc.categorical([1.0, 0.0])
    family = Shrunk(mc.Discrete(), [0.0, 1.0], 1.0)  # a model that gives out the other state
    run = mc.simulate(
        Oversampled(family, 3),
        point,
        mc.Mixture(0.5, 0, 0.5),
        {"real": Fraction()},
        size=6,
        generations=1,
        chains=CHAINS,
    )
    r = np.arange(7)
    exact = (special.binom(6, r) / 64 * r / (18 - 2 * r)).sum()
    assert near(run["real"][:, 1], exact)
    assert not near(run["real"][:, 1], 0.5, 12)


@mc.part
class Fraction:
    """The share of state 0 in the data set."""

    needs_data = True

    def start(self, truth: Any, first: Any) -> jax.Array:
        return self.read(None, first, truth)

    def update(self, carry: jax.Array, state: Any, truth: Any) -> jax.Array:
        return self.read(None, state, truth)

    def read(self, carry: Any, state: Any, truth: Any) -> jax.Array:
        return state.data.n[0] / state.data.size


@pytest.mark.parametrize("regime", [mc.Replace(), mc.Retain(0.5), mc.Accumulate(), mc.AccumulateSubsample()])
def test_rows_find_room(regime: Any) -> None:
    for family in (Oversampled(mc.KernelDensity(), 3), mc.Damped(Oversampled(mc.GaussianMean(), 2), 0.5)):

        def read(family: Any = family) -> jax.Array:
            return mc.trace(family, mc.normal(), regime, "mean", size=9, generations=2)["mean"]

        assert jax.eval_shape(read).shape == (1, 3, 1)


def test_rows_that_stay_are_all_there() -> None:
    """A pool of 9 real rows and three times 9 at each of two fits."""
    family = Oversampled(mc.KernelDensity(), 3)
    run = mc.simulate(family, mc.normal(), mc.Accumulate(), "mean", size=9, generations=2, chains=2)
    np.testing.assert_array_equal(run.params.count, 9 + 27 + 27)
    assert np.isfinite(run.params.points[:, :63]).all()


# --- several refits --------------------------------------------------------------------------------------------------


def test_refits_to_samples_of_their_own_lose_as_one_refit_to_all() -> None:
    found = diversity(Ensemble(mc.Discrete(), 5))
    assert near(found, H0 * 0.9 * 0.98 ** np.arange(5))
    assert not near(found, H0 * 0.9 ** np.arange(1, 6), 12)


def test_refits_to_one_sample_help_only_where_fits_are_random() -> None:
    """Posterior noise takes the part 1/(k (M + 1)) of what sampling leaves; plain fits are the same k times."""
    found = diversity(Ensemble(Posterior(mc.Discrete(), 0.0), 3, "one"))
    assert near(found, H0 * (0.9 * (1 - 1 / (3 * 11))) ** np.arange(1, 6))


def test_the_mean_of_variances_drifts_less() -> None:
    """By psi(k nu/2) - ln(k nu/2) with k of them; real rows are the same for all."""
    run = mc.simulate(
        Ensemble(mc.Gaussian(), 4), mc.normal(), observe=["log_variance", "mean"], size=6, generations=3, chains=CHAINS
    )
    step = np.diff(run["log_variance"][..., 0], axis=1)
    assert near(step, special.psi(10) - np.log(10))
    assert not near(step[:, 0], special.psi(2.5) - np.log(2.5), 12)
    jump = np.diff(run["mean"][..., 0], axis=1) ** 2 / np.exp(run["log_variance"][:, :-1, 0])
    assert near(jump, 1 / 24)


def test_refits_and_real_data() -> None:
    """s synthetic items for each of k refits beside r real ones for all: 1 - h of the mean fit, term by term."""
    found = diversity(Ensemble(mc.Discrete(), 3), mc.FreshReal(0.4))
    loss, exact = 0.1, [0.9]
    for _ in range(4):  # v' = (r/M)^2 / r + (s/M)^2 (v + (1 - v)/(k s))
        loss = 0.16 / 4 + 0.36 * (loss + (1 - loss) / 18)
        exact.append(1 - loss)
    assert near(found, H0 * np.array(exact))


# --- all of them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", [Oversampled(Ensemble(mc.Discrete(), 2), 2), Shrunk(mc.Discrete(), None, 0.25)])
def test_a_run_is_saved_and_goes_on(family: Any, tmp_path: Path) -> None:
    settings: Any = {"observe": "heterozygosity", "size": 6, "chains": 4}
    short = mc.simulate(family, LAW, generations=2, **settings)
    short.save(tmp_path / "run.npz")
    long = mc.simulate(family, LAW, generations=4, **settings)
    np.testing.assert_array_equal(mc.Run.load(tmp_path / "run.npz").extend(2)["heterozygosity"], long["heterozygosity"])


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "nothing between": (lambda: Shrunk(mc.GaussianMixture(2), None, 0.5), TypeError, "got GaussianMixture"),
    "a weight beyond 1": (lambda: Shrunk(mc.Gaussian(), None, 1.5), ValueError, r"weight must lie in \[0, 1\], got 1.5"),
    "another size": (
        lambda: mc.simulate(Shrunk(mc.Discrete(), [0.5, 0.5], 0.5), LAW, size=3, generations=1), ValueError, "to must have"),
    "no truth": (
        lambda: mc.simulate(
            Shrunk(mc.Gaussian(), None, 0.5), mc.sampler(lambda key, n: jax.random.normal(key, (n, 1))), size=3, generations=1
        ), ValueError, "to must be given for a Sampler"),
    "no items": (lambda: Oversampled(mc.Discrete(), 0), ValueError, "times must be at least 1, got 0"),
    "items of a law": (lambda: Oversampled(mc.Exact(mc.Gaussian()), 2), TypeError, r"Exact\(Gaussian\) is fitted to laws"),
    "no mean": (lambda: Ensemble(mc.GaussianMixture(2), 2), TypeError, "several laws have a mean; got GaussianMixture"),
    "t laws have none": (lambda: Ensemble(Posterior(mc.Gaussian(), 1.0, per="item"), 2), TypeError, "got Posterior"),
    "no refit": (lambda: Ensemble(mc.Discrete(), 0), ValueError, "refits must be at least 1, got 0"),
    "other samples": (lambda: Ensemble(mc.Discrete(), 2, "all"), ValueError, "samples must be 'own' or 'one', got 'all'"),
    "subsets": (
        lambda: mc.simulate(Ensemble(mc.Gaussian(), 2), mc.normal(), mc.Retain(0.5), size=4, generations=1), TypeError,
        "asks for rows or for subsets"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_remedy_is_refused(case: str) -> None:
    call, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        call()
