"""Several models in one chain: equalities with plain runs, who may learn from whom, and what is seen of all at once."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import modelcollapse as mc
from modelcollapse import observables
from modelcollapse.families import Population
from modelcollapse.regimes import Exchange

LAW = [0.4, 0.3, 0.2, 0.1]
BOTH = pytest.mark.parametrize("wide", [True, False], ids=["float64", "float32"])


def states(regime: Any, models: int | None = None, source: Any = None, **given: Any) -> mc.Run:
    """Chains of four states, of one model or of several."""
    family = mc.Discrete() if models is None else Population(mc.Discrete(), models=models)
    given = {"size": 12, "generations": 4, "chains": 6, "observe": "probabilities"} | given
    return mc.simulate(family, source or mc.categorical(LAW), regime, **given)


def alone(values: np.ndarray) -> np.ndarray:
    """``(chain, generation, model, ...)`` as chains of their own."""
    moved = np.swapaxes(values, 1, 2)
    return moved.reshape(-1, *moved.shape[2:])


@BOTH
def test_models_that_learn_from_themselves_are_chains_of_a_plain_run(wide: bool) -> None:
    with jax.enable_x64(wide):
        plain = states(mc.Mixture(1.0), chains=6)["probabilities"]
        for regime in (Exchange(np.eye(3)), mc.Replace()):
            apart = states(regime, 3, chains=2)
            np.testing.assert_array_equal(alone(apart["probabilities"]), plain)
        fresh = states(mc.FreshReal(0.25), chains=6)["probabilities"]
        same = states(Exchange(0.75 * np.eye(3), 0.25, fixed=True), 3, chains=2)["probabilities"]
        np.testing.assert_array_equal(alone(same), fresh)


@pytest.mark.parametrize("kind", ["discrete", "normal", "exact"])
def test_a_population_of_one_is_the_family(kind: str) -> None:
    family, source, observe = {
        "discrete": (mc.Discrete(), mc.categorical(LAW), "probabilities"),
        "normal": (mc.Gaussian(), mc.normal(), "mean"),
        "exact": (mc.families.Exact(mc.Discrete()), mc.categorical(LAW), "probabilities"),
    }[kind]
    given: dict[str, Any] = {"observe": observe, "size": 9, "generations": 4, "chains": 5}
    plain = mc.simulate(family, source, mc.Mixture(0.7, 0.0, 0.3), **given)[observe]
    one = mc.simulate(Population(family, models=1), source, Exchange([[0.7]], [0.3]), **given)[observe]
    assert one.shape == (*plain.shape[:2], 1, *plain.shape[2:])
    # counts are the same bit for bit, floats of two programs to the last place
    np.testing.assert_allclose(one[:, :, 0], plain, rtol=0 if kind == "discrete" else 1e-12, atol=0)


@pytest.mark.parametrize("inner", [mc.Replace(), mc.Mixture(0.7, 0.0, 0.3)], ids=["own", "shares"])
def test_models_with_too_few_items_keep_their_last_fits(inner: Any) -> None:
    """As plain chains do: in the laws of the same chains, one after another."""
    regime = mc.regimes.Detected(inner, 0.7, 0.3, refill=False)
    plain = states(regime, size=3, chains=40)["probabilities"]
    found = alone(states(regime, 2, size=3, chains=20)["probabilities"])
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-6)
    np.testing.assert_array_equal(found, plain)


def test_permuting_models_permutes_the_run() -> None:
    weights = np.array([[0.1, 0.6, 0.1], [0.3, 0.3, 0.3], [0.0, 0.2, 0.5]])
    real = 1 - weights.sum(1)
    sizes, shared, order = np.array([12, 7, 5]), np.array([4, 0, 0]), np.array([2, 0, 1])
    for family, source, observe in (
        (mc.Discrete(), mc.categorical(LAW), "probabilities"),
        (mc.GaussianMean(1.0), mc.normal(), "mean"),
    ):
        given: dict[str, Any] = {"observe": observe, "size": 12, "generations": 3, "chains": 4}
        population = Population(family, models=3)
        run = mc.simulate(population, source, Exchange(weights, real, sizes, shared=shared), **given)
        moved = Exchange(weights[np.ix_(order, order)], real[order], sizes[order], shared=shared[order], numbers=order)
        permuted = mc.simulate(population, source, moved, **given)
        np.testing.assert_array_equal(permuted[observe], run[observe][:, :, order])


def test_a_vector_with_an_entry_for_each_model_is_no_schedule() -> None:
    # as many models as generations: what might be read either way is for the models
    real = np.array([0.0, 0.2, 0.4, 0.6, 0.8])
    weights = np.diag(1 - real)
    constant = states(Exchange(weights, real), 5)
    schedule = states(Exchange([weights] * 5, [real] * 5, [[12] * 5] * 5), 5)
    np.testing.assert_array_equal(constant["probabilities"], schedule["probabilities"])
    later = states(Exchange([weights] * 3 + [np.eye(5)] * 2, [real] * 3 + [real * 0] * 2), 5)
    differs = (later["probabilities"] != constant["probabilities"]).any((0, 2, 3))
    np.testing.assert_array_equal(differs, [False, False, False, True, True])


def test_the_unused_fit_of_a_model_that_enters_later_fails_nothing() -> None:
    """One row is too few for a normal law, and nobody sees the fit of generation 0."""
    learns = np.array([np.eye(2), [[1, 0], [1, 0]], np.eye(2), np.eye(2)])
    regime = Exchange(learns, sizes=[[10, 1], [10, 10], [10, 10], [10, 10]], enters=[0, 1])
    given = {"observe": "log_variance", "size": 10, "generations": 3, "chains": 3}
    run = mc.simulate(Population(mc.Gaussian(), 2), mc.normal(), regime, **given)
    assert np.isnan(run["log_variance"][:, 0, 1]).all()
    assert np.isfinite(run["log_variance"][:, 1:]).all()


def test_a_model_enters_and_another_is_frozen() -> None:
    weights = [[0.5, 0.0, 0.0], [0.3, 0.6, 0.0], [0.4, 0.4, 0.0]]
    regime = Exchange(weights, [0.5, 0.1, 0.2], enters=[None, 0, 2], frozen=[1, None, None])
    observe = {
        "p": "probabilities", "n": "support_size", "time": observables.first_below("support_size", 2),
        "between": observables.between("mismatch"), "all": observables.union("heterozygosity"),
    }  # fmt: skip
    run = states(regime, 3, observe=observe, size=4, generations=6, chains=8)
    p, n = run["p"], run["n"]
    assert (p[:, :, 0] == p[:, :1, 0]).all()
    assert np.isnan(p[:, :2, 2]).all()
    assert (n[:, :2, 2] == 0).all()
    assert np.isfinite(p[:, 2:]).all()
    # a running observable of a model begins where it enters
    below = np.where(n < 2, np.arange(7)[None, :, None], np.inf)
    below[:, :2, 2] = np.inf
    np.testing.assert_array_equal(run["time"][:, -1], below.min(1))
    mismatch = 1 - np.einsum("cgis,cgjs->cgij", p, p)
    np.testing.assert_allclose(run["between"], mismatch, atol=1e-12)
    there = np.nanmean(p, 2)
    np.testing.assert_allclose(run["all"], 1 - (there**2).sum(-1), atol=1e-12)
    again = states(regime, 3, observe=observe, size=4, generations=3, chains=8).extend(3)
    for name, values in run.trace.items():
        np.testing.assert_array_equal(again[name], values)


def test_one_crawl_of_all_items_is_one_model() -> None:
    every = Exchange(np.full((3, 3), 0.3), 0.1, shared=12)
    p = states(every, 3)["probabilities"]
    assert (p == p[:, :, :1]).all()
    some = states(Exchange(np.full((3, 3), 0.3), 0.1, shared=[5, 5, 0]), 3)["probabilities"]
    assert (some[:, :, 0] != some[:, :, 1]).any()


def test_each_model_may_have_a_truth_of_its_own() -> None:
    source = mc.sources.separate(mc.categorical([0.5, 0.5, 0.0]), mc.categorical([0.0, 0.5, 0.5]))
    regime = Exchange([[0.2, 0.5], [0.0, 0.4]], [0.3, 0.6])
    run = states(regime, 2, source, observe=["probabilities", "lost"], size=6, generations=3, chains=40)
    p = run["probabilities"]
    assert (p[:, 0, 0, 2] == 0).all()
    assert (p[:, :, 1, 0] == 0).all()
    assert (p[:, 1:, 0, 2] > 0).any()
    assert not run["lost"][:, :, 0, 2].any()
    (prediction,) = [run.family]
    assert prediction.models == 2


def test_a_family_without_mixing_draws_from_each_source() -> None:
    source = mc.sources.separate(mc.normal(0.0), mc.normal(50.0))
    population = Population(mc.Gaussian(ddof=0), models=2)
    given: dict[str, Any] = {"observe": "mean", "size": 10, "generations": 1, "chains": 4}
    counted = mc.simulate(population, source, Exchange([[0.0, 0.2], [0.1, 0.9]], [0.8, 0.0], fixed=True), **given)
    np.testing.assert_allclose(counted["mean"][:, 1, :, 0].mean(0), [10.0, 45.0], atol=1.5)


def test_what_a_population_shows_is_seen_from_all_models() -> None:
    population = Population(mc.Gaussian(), models=2)
    observe = {
        "w2": observables.between("w2_squared"),
        "all": observables.union("variance"),
        "mean": "mean",
        "v": "variance",
    }
    run = mc.simulate(
        population, mc.normal(), Exchange([[0.5, 0.5], [0.2, 0.8]]), observe, size=9, generations=2, chains=3
    )
    mean, variance = run["mean"][..., 0], run["v"][..., 0]
    gap = (mean[..., 0] - mean[..., 1]) ** 2
    spread = (np.sqrt(variance[..., 0]) - np.sqrt(variance[..., 1])) ** 2
    np.testing.assert_allclose(run["w2"][..., 0, 1], gap + spread, atol=1e-9)
    np.testing.assert_allclose(run["all"][..., 0], variance.mean(-1) + gap / 4, atol=1e-9)
    assert run.params.mean.shape == (3, 2, 1)


def test_the_fixation_index_is_of_means_and_its_error_of_chains() -> None:
    rng = np.random.default_rng(0)
    h = rng.uniform(size=(7, 2, 3, 3))
    found = observables.fixation_index(h)
    within = h[:, :, range(3), range(3)].mean(-1)
    off = ~np.eye(3, dtype=bool)
    apart = h[:, :, off].mean(-1)
    np.testing.assert_allclose(found.value, 1 - within.mean(0) / apart.mean(0))
    left = np.array([1 - np.delete(within, c, 0).mean(0) / np.delete(apart, c, 0).mean(0) for c in range(7)])
    np.testing.assert_allclose(found.error, np.sqrt(6 / 7 * ((left - left.mean(0)) ** 2).sum(0)))
    with pytest.raises(ValueError, match=r"mismatches must have shape \(chain, generation, models, models\)"):
        observables.fixation_index(h[:1])


def test_a_population_is_saved_and_goes_on(tmp_path: Any) -> None:
    regime = Exchange(np.full((2, 2), 0.5), shared=3, frozen=[None, 4])
    run = states(regime, 2, generations=2)
    run.save(tmp_path / "run.npz")
    loaded = mc.Run.load(tmp_path / "run.npz")
    np.testing.assert_array_equal(loaded.extend(2)["probabilities"], states(regime, 2)["probabilities"])
    np.testing.assert_array_equal(
        loaded.more(2)["probabilities"], states(regime, 2, generations=2, chains=8)["probabilities"]
    )


def test_a_sweep_over_weights_is_one_trace() -> None:
    def last(share: jax.Array) -> jax.Array:
        mixing = jax.numpy.array([[1.0, 0.0], [0.0, 1.0]]) * (1 - share) + share / 2
        population = Population(mc.Discrete(), models=2)
        seen = mc.trace(
            population, mc.categorical(LAW), Exchange(mixing), "probabilities", size=5, generations=2, chains=3
        )
        return seen["probabilities"]

    swept = jax.vmap(last)(jax.numpy.array([0.0, 1.0]))
    plain = states(Exchange(np.eye(2)), 2, size=5, generations=2, chains=3)["probabilities"]
    np.testing.assert_array_equal(swept[0], plain)


REFUSED = {
    "sum": (Exchange([[0.9, 0.0], [0.5, 0.5]]), r"weights and real must sum to 1 for each model, got 0.9 for model 0 in generation 1"),
    "shape": (Exchange(np.eye(3)), r"weights must have shape \(2, 2\) for a Population of 2 models"),
    "late": (Exchange(np.eye(2), enters=[0, 9]), r"enters must be at most the last generation 4, got 9 for model 1"),
    "early": (
        Exchange([[0.5, 0.5], [1.0, 0.0]], enters=[0, 2]),
        r"in generation 1 model 0 would learn from model 1, which is first fitted in generation 2",
    ),
    "itself": (Exchange([[1.0, 0.0], [0.5, 0.5]], enters=[0, 2]), r"a schedule in which its own weight begins in generation 3"),
    "none": (Exchange(np.eye(2), enters=[1, 1]), r"enters must be 0 for at least one model"),
    "frozen": (Exchange([[1, 0], [1, 0]], enters=[0, 2], frozen=[None, 2]), r"frozen must be later than enters.*got 2 for model 1"),
    "sizes": (Exchange(np.eye(2), sizes=[5, 7]), r"size must be the largest of the regime's sizes, 7, got 12"),
    "whole, of many": (Exchange(np.full((2, 2), 0.5), fixed=True, sizes=[12, 11]), "got 0.5 of 11 items for model 1"),
    "whole": (Exchange(np.eye(2) * 0.7, 0.3, fixed=True), r"weights must be whole counts.*got 0.7 of 12 items for model 0"),
    "shared": (Exchange(np.eye(2), shared=4), r"shared needs equal rows of weights and real"),
    "more": (Exchange(np.full((2, 2), 0.5), shared=20), r"shared must be at most the sample size, 12 for model 0, got 20"),
    "schedule": (Exchange([np.eye(2)] * 3), r"the schedule Exchange.weights needs one entry for each generation 0 to 4"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_an_exchange_that_makes_no_sense_is_refused_in_one_line(name: str) -> None:
    regime, message = REFUSED[name]
    with pytest.raises(ValueError, match=message) as caught:
        states(regime, 2)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Exchange(np.eye(2)[:1]), ValueError, r"weights must have shape \(D, D\)"),
        (lambda: Exchange(np.eye(2), [0.1] * 3), ValueError, r"real must have shape .* for 2 models, got shape \(3,\)"),
        (lambda: Exchange(np.eye(2), sizes=5), ValueError, r"sizes must have shape \(2,\) or"),
        (lambda: Exchange(np.eye(2) * 2), ValueError, r"weights must lie in \[0, 1\], got 2.0 in row 0"),
        (lambda: Exchange(np.eye(2), enters=[0, 1, 2]), ValueError, r"enters must have shape \(2,\), for 2 models"),
        (lambda: Exchange(np.eye(2), numbers=[0, 2]), ValueError, r"numbers must be the numbers 0 to D - 1"),
        (lambda: Population(mc.Discrete(), models=0), ValueError, r"models must be at least 1"),
        (lambda: Population(mc.Discrete, models=2), TypeError, r"family must have"),
        (lambda: states(Exchange(np.eye(2))), TypeError, r"family must be Population\(family, models=2\) for Exchange"),
        (lambda: states(None, observe=observables.between("mismatch")), ValueError, r"'Between' sees several models"),
        (lambda: observables.between("entropy"), TypeError, r"observable must compare with a truth"),
        (lambda: observables.union("absorption_time"), TypeError, r"observable must look at one generation alone"),
        (
            lambda: states(None, 2, observe=observables.union("entropy", [1.0])),
            ValueError,
            r"weights must be one for each of 2",
        ),
        (
            lambda: states(None, 2, mc.sources.separate(*[mc.categorical(LAW)] * 3)),
            ValueError,
            r"source has 3 separate sources, so family must be Population\(family, models=3\)",
        ),
        (
            lambda: mc.sources.separate(mc.categorical(LAW), mc.normal()),
            ValueError,
            r"sources must be of one kind and shape",
        ),
    ],
)
def test_bad_arguments(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()
