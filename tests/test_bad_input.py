"""What makes no sense is refused at the boundary, with the argument, its value and what would be right."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toys import Origins, Walk, origin, originals, place, seen

import modelcollapse as mc
from modelcollapse import families, observables, regimes

COINS = mc.categorical([0.5, 0.5])
PLANE = mc.normal([0.0, 0.0])
LINE = mc.normal()


def simulate(family: Any = None, source: Any = None, regime: Any = None, observe: Any = None, **options: Any) -> mc.Run:
    family = mc.Discrete() if family is None else family
    observe = ("entropy" if isinstance(family, mc.Discrete) else "mean") if observe is None else observe
    return mc.simulate(
        family, COINS if source is None else source, regime, observe, **({"size": 10, "generations": 4} | options)
    )


class Bare(mc.Gaussian):
    """A subclass that nobody registered as a PyTree."""


class BareRegime(mc.Replace):
    """Another one."""


def column(points: jax.Array) -> jax.Array:
    return points[:, 0]


def uniform(key: jax.Array, n: int) -> jax.Array:
    return jax.random.uniform(key, (n, 1))


def names(key: jax.Array, n: int) -> jax.Array:
    return jax.random.randint(key, (n,), 0, 3, jnp.int32)


END = "the end of the message"
"""The part before it is the last: no advice follows."""

CASES: dict[str, tuple[Callable[[], Any], type[Exception], tuple[str, ...]]] = {
    # sizes and counts
    "size 0": (lambda: simulate(size=0), ValueError, ("size", "at least 1", "got 0")),
    "size -3": (lambda: simulate(size=-3), ValueError, ("size", "at least 1", "got -3")),
    "size 10.0": (lambda: simulate(size=10.0), TypeError, ("size", "whole number", "10.0")),
    "size True": (lambda: simulate(size=True), TypeError, ("size", "whole number", "True")),
    "size beyond 31 bits": (lambda: simulate(size=2**31), ValueError, ("size", "2**31 - 1", "2147483648")),
    "size schedule too short": (
        lambda: simulate(size=[10, 10]), ValueError, ("size", "generation 0 to 4 (5 numbers)", "(2,)")),
    "size schedule with a 0": (lambda: simulate(size=[10, 9, 0, 8, 9]), ValueError, ("size", "at least 1", "got 0")),
    "size schedule of floats": (lambda: simulate(size=np.ones(5)), TypeError, ("size", "whole number")),
    "generations -1": (lambda: simulate(generations=-1), ValueError, ("generations", "at least 0", "-1")),
    "generations 2.5": (lambda: simulate(generations=2.5), TypeError, ("generations", "whole number", "2.5")),
    "chains 0": (lambda: simulate(chains=0), ValueError, ("chains", "at least 1", "0")),
    "batch size 0": (lambda: simulate(batch_size=0), ValueError, ("batch_size", "at least 1", "0")),
    "seed -1": (lambda: simulate(seed=-1), ValueError, ("seed", "negative", "-1")),
    "seed in words": (lambda: simulate(seed="one"), TypeError, ("seed", "integer or a JAX key", "'one'")),
    "seeds of unequal length": (lambda: simulate(seed=[[1], [1, 2]]), TypeError, ("seed", "integer or a JAX key", "[1]")),
    "seed of 5001 digits": (lambda: simulate(seed=10**5000), ValueError, ("seed", "at most 2**4096 - 1", "too long to print")),
    "record beyond the end": (lambda: simulate(record=[1, 5]), ValueError, ("record", "between 0 and 4", "[1, 5]")),
    "record not increasing": (lambda: simulate(record=[2, 2]), ValueError, ("record", "increasing", "[2, 2]")),
    "record of floats": (lambda: simulate(record=[0.5]), TypeError, ("record", "generations", "[0.5]")),
    "a pool beyond 31 bits": (
        lambda: simulate(regime=mc.Accumulate(), size=10**9), ValueError, ("5000000000", "2**31 - 1")),
    # parts that JAX cannot look into
    "a family that is no PyTree": (lambda: simulate(Bare(), LINE), TypeError, ("family", "Bare", "modelcollapse.part")),
    "a regime that is no PyTree": (
        lambda: simulate(regime=BareRegime()), TypeError, ("regime", "BareRegime", "modelcollapse.part")),
    # a variance needs rows
    "one row for a variance": (lambda: simulate(mc.Gaussian(), LINE, size=1), ValueError,
        ("size", "at least d + 1 = 2", "variance", "got 1")),
    "three rows in three dimensions": (lambda: simulate(mc.Gaussian(1), mc.normal(np.zeros(3)), size=3), ValueError,
        ("size", "at least d + 1 = 4", "3 dimensions", "got 3")),
    "a schedule with too few rows": (lambda: simulate(mc.Gaussian(), PLANE, size=[9, 9, 2, 9, 9]), ValueError,
        ("size", "at least d + 1 = 3", "got 2")),
    "too few rows behind damping": (lambda: simulate(mc.Damped(mc.Gaussian(), 0.5), PLANE, size=2), ValueError,
        ("size", "at least d + 1 = 3", "got 2")),
    "too few rows of a table": (lambda: simulate(mc.Gaussian(), mc.table(np.eye(5)), size=5), ValueError,
        ("size", "at least d + 1 = 6", "got 5")),
    "a budget with too few rows": (
        lambda: simulate(mc.Gaussian(), PLANE, mc.AccumulateSubsample(2)), ValueError, ("at least d + 1 = 3", "got 2")),
    "a mixture with fewer rows than components": (
        lambda: simulate(mc.GaussianMixture(5, reg_covar=1e-3), LINE, size=4), ValueError,
        ("size", "number of components 5", "got 4")),
    "a mixture with too few rows for full rank": (lambda: simulate(mc.GaussianMixture(3), PLANE, size=8), ValueError,
        ("size", "components * (d + 1) = 9", "got 8", "reg_covar > 0")),
    # laws
    "negative probability": (lambda: mc.categorical([1.2, -0.2]), ValueError, ("weights", "negative", "-0.2", "state 1")),
    "NaN probability": (lambda: mc.categorical([0.5, np.nan]), ValueError, ("weights", "finite", "nan", "state 1")),
    "probabilities that sum to 0.9": (
        lambda: mc.categorical([0.5, 0.4]), ValueError, ("weights", "sum to 1", "0.9", "normalise=True")),
    "counts without normalise": (lambda: mc.categorical([5, 4]), ValueError, ("weights", "sum of 9", "normalise=True")),
    "weights of zero": (lambda: mc.categorical([0, 0], normalise=True), ValueError, ("weights", "all be zero")),
    "no states": (lambda: mc.categorical([]), ValueError, ("weights", "(0,)")),
    "a table of weights": (lambda: mc.categorical(np.eye(2)), ValueError, ("weights", "vector", "(2, 2)")),
    "variance 0": (lambda: mc.normal(0.0, 0.0), ValueError, ("covariance", "positive definite", "[0.]")),
    "negative variance": (lambda: mc.normal(0.0, -1.0), ValueError, ("covariance", "positive definite", "[-1.]")),
    "singular covariance": (
        lambda: mc.normal([0.0, 0.0], [[1.0, 1.0], [1.0, 1.0]]), ValueError, ("covariance", "positive definite")),
    "asymmetric covariance": (
        lambda: mc.normal([0.0, 0.0], [[1.0, 0.3], [0.2, 1.0]]), ValueError, ("covariance", "symmetric", "0.3")),
    "NaN covariance": (lambda: mc.normal(0.0, np.nan), ValueError, ("covariance", "finite", "nan")),
    "infinite mean": (lambda: mc.normal(np.inf), ValueError, ("mean", "finite", "inf")),
    "a covariance of another shape": (lambda: mc.normal(np.zeros(3), np.eye(2)), ValueError,
        ("covariance", "(3, 3)", "(2, 2)")),
    "a matrix of means": (lambda: mc.normal(np.eye(2)), ValueError, ("mean", "vector", "(2, 2)")),
    "mixture weights": (
        lambda: mc.normal_mixture([0.5, 0.6], [0.0, 1.0], [1.0, 1.0]), ValueError, ("weights", "sum to 1", "1.1")),
    "mixture means": (lambda: mc.normal_mixture([0.5, 0.5], [0.0], [1.0, 1.0]), ValueError, ("means", "(k, d)", "(1,)")),
    "mixture covariances": (
        lambda: mc.normal_mixture([0.5, 0.5], [0.0, 1.0], [1.0]), ValueError, ("covariances", "(2, 1, 1)", "(1,)")),
    "a singular component": (
        lambda: mc.normal_mixture([0.5, 0.5], [0.0, 1.0], [1.0, 0.0]), ValueError, ("covariances[1]", "positive definite")),
    # laws to be drawn towards, and shares: only what has the option advises normalise=True
    "a normal base of states": (lambda: families.Posterior(mc.Discrete(), 1.0, base=LINE), ValueError,
        ("base", "a law on states that Discrete can have", "got a normal law")),
    "a base of states for a normal family": (lambda: families.Posterior(mc.Gaussian(), 1.0, base=COINS), ValueError,
        ("base", "a normal law that Gaussian can have", "got a law on states")),
    "a base of states for counts": (lambda: families.Posterior(families.Poisson(), 1.0, base=COINS), ValueError,
        ("base", "a law that Poisson can have", "got a law on states")),
    "a sampler as a base": (lambda: families.Posterior(mc.Discrete(), 1.0, base=mc.sampler(names)), ValueError,
        ("base", "a law on states", "a Sampler, of which no such law is known")),
    "a law to shrink to": (lambda: families.Shrunk(mc.Discrete(), [0.5, 0.6], 0.1), ValueError,
        ("to must sum to 1", "got a sum of 1.1", END)),
    "shares of rewards": (
        lambda: families.Curated(mc.Discrete(), [[0.0, 1.0], [1.0, 0.0]], shares=[0.5, 0.6]), ValueError,
        ("shares must sum to 1", "got a sum of 1.1", END)),
    "weights of a union": (lambda: observables.union("heterozygosity", weights=[0.5, 0.6]), ValueError,
        ("weights must sum to 1", "got a sum of 1.1", END)),
    "a half generation": (lambda: regimes.Exchange(np.eye(2), frozen=[None, 2.5]), TypeError,
        ("frozen", "whole numbers (or None)", "got [None, 2.5]")),
    "a generation in words": (lambda: regimes.Exchange(np.eye(2), enters=[None, "two"]), TypeError,
        ("enters", "whole numbers (or None)", "got [None, 'two']")),
    # tables and samplers
    "empty table": (lambda: mc.table([]), ValueError, ("table", "at least one row", "(0,)")),
    "table without columns": (lambda: mc.table(np.zeros((4, 0))), ValueError, ("table", "at least one row", "(4, 0)")),
    "NaN row": (lambda: mc.table([[1.0, 2.0], [np.nan, 0.0]]), ValueError, ("rows", "finite", "nan", "row 1")),
    "a table of one number": (lambda: mc.table(3.0), ValueError, ("(N, d)", "()")),
    "a cube": (lambda: mc.table(np.zeros((2, 2, 2))), ValueError, ("(N, d)", "(2, 2, 2)")),
    "a table of words": (lambda: mc.table(["cat", "dog"]), TypeError, ("numbers", "<U3", "labels(values)")),
    "negative state": (lambda: mc.table([0, -1]), ValueError, ("states", "0 or more", "-1", "row 1")),
    "a table smaller than the data sets": (
        lambda: simulate(mc.Gaussian(), mc.table(np.zeros((5, 1)), replace=False)), ValueError,
        ("size 10", "5 rows", "replace=True")),
    "a sampler that is no function": (lambda: mc.sampler(3), TypeError, ("draw", "(key, n)", "3")),
    "a sampler of the wrong shape": (
        lambda: simulate(mc.Gaussian(), mc.sampler(lambda key, n: jnp.zeros((3, 1)))), ValueError, ("(n, d)", "(3, 1)")),
    # family and source that do not fit together
    "states from a normal law": (lambda: simulate(source=LINE), TypeError, ("source", "integers", "Discrete", "float64")),
    "states from rows": (
        lambda: simulate(mc.Discrete(3), mc.table([[0.0]])), TypeError, ("source", "integers", "table of integers")),
    "states of unknown number": (lambda: simulate(source=mc.table([0, 1])), ValueError, ("states", "Discrete(states=K)")),
    "sampled states of unknown number": (
        lambda: simulate(source=mc.sampler(names)), ValueError, ("states", "Discrete(states=K)")),
    "a state too many": (
        lambda: simulate(mc.Discrete(2), mc.table([0, 2])), ValueError, ("states", "at least 3", "got 2")),
    "another number of states": (lambda: simulate(mc.Discrete(3)), ValueError, ("states", "must be 2", "got 3")),
    "a normal law of states": (lambda: simulate(mc.Gaussian(), COINS), TypeError, ("source", "(n, d)", "Gaussian", "int32")),
    "a mixture of states": (
        lambda: simulate(mc.GaussianMixture(2), mc.table([1, 2])), TypeError, ("source", "(n, d)", "GaussianMixture")),
    # parameters of families
    "ddof 2": (lambda: mc.Gaussian(2), ValueError, ("ddof", "0 or 1", "2")),
    "states 0": (lambda: mc.Discrete(0), ValueError, ("states", "at least 1", "0")),
    "half a component": (lambda: mc.GaussianMixture(0.5), TypeError, ("components", "whole number", "0.5")),
    "no EM step": (lambda: mc.GaussianMixture(1, max_iter=0), ValueError, ("max_iter", "at least 1", "0")),
    "negative ridge": (lambda: mc.GaussianMixture(1, reg_covar=-1.0), ValueError, ("reg_covar", "not negative", "-1.0")),
    "NaN tolerance": (lambda: mc.GaussianMixture(1, tol=float("nan")), ValueError, ("tol", "finite", "nan")),
    "another start": (lambda: mc.GaussianMixture(1, init="random"), ValueError, ("init", "'parent', 'k-means++' or 'k-means'", "random")),
    "rate 1.5": (lambda: mc.Damped(mc.Gaussian(), 1.5), ValueError, ("rate", "[0, 1]", "1.5")),
    "a damped mixture": (
        lambda: mc.Damped(mc.GaussianMixture(2), 0.5), TypeError, ("GaussianMixture", "blend", "Gaussian or Discrete")),
    # what a model gives out
    "temperature 0": (lambda: families.Tempered(mc.Discrete(), 0), ValueError, ("temperature", "positive", "0")),
    "a tempered mixture": (
        lambda: families.Tempered(mc.GaussianMixture(2), 0.9), TypeError, ("family", "Discrete, Gaussian", "GaussianMixture", "p^(1/temperature)")),
    "tempered kernels": (lambda: families.Tempered(mc.KernelDensity(), 0.9), TypeError, ("family", "KernelDensity")),
    "a tempered network": (lambda: families.Tempered(mc.VAE(2), 0.9), TypeError, ("family", "VAE")),
    "no cut": (lambda: families.Truncated(mc.Discrete()), ValueError, ("top_k or top_p", "Discrete", "None")),
    "a width of states": (lambda: families.Truncated(mc.Discrete(), within=2.0), ValueError, ("top_k or top_p", "within=2.0")),
    "the likeliest rows": (lambda: families.Truncated(mc.Gaussian(), top_k=2), ValueError, ("within", "Gaussian", "top_k=2")),
    "a width of a plane": (
        lambda: simulate(families.Truncated(mc.Gaussian(), within=2.0), PLANE), ValueError, ("source", "one column", "2 columns")),
    "a reward too short": (
        lambda: simulate(families.Curated(mc.Discrete(), [1.0])), ValueError, ("reward", "each of the 2 states", "(1,)")),
    "rewards without shares": (
        lambda: families.Curated(mc.Discrete(), [[0.0, 1.0], [1.0, 0.0]]), ValueError, ("shares", "(R, K)", "(2, 2)", "None")),
    "shares of other rewards": (
        lambda: families.Curated(mc.Discrete(), [[0.0, 1.0]], shares=[0.5, 0.5]), ValueError, ("shares", "1 rewards", "(2,)")),
    "rewards too far apart": (
        lambda: families.Curated(mc.Discrete(), [0.0, 100.0]), ValueError, ("reward", "at most 80", "100", "pick='best'")),
    "the best of all": (
        lambda: families.Curated(mc.Discrete(), [0.0, 1.0], math.inf, "best"), ValueError, ("choices", "finite", "inf")),
    "all rows at once": (
        lambda: families.Curated(mc.Gaussian(), column, math.inf), ValueError, ("choices", "Exact", "inf")),
    "a reward of rows for states": (
        lambda: families.Curated(mc.Discrete(), column), TypeError, ("reward", "vector", "Discrete", "column")),
    "a reward by state for rows": (
        lambda: families.Curated(mc.Gaussian(), [1.0, 2.0]), TypeError, ("reward", "function of rows", "[1.0, 2.0]")),
    "a reward of the whole": (
        lambda: simulate(families.Curated(mc.Gaussian(), lambda rows: rows.sum()), LINE), ValueError, ("reward", "shape (3,)", "()")),
    "no verifier": (lambda: families.Verified(mc.Discrete()), ValueError, ("accept", "correct, right and wrong", "none of them")),
    "half a verifier": (
        lambda: families.Verified(mc.Discrete(), correct=[1, 0], right=0.9), ValueError, ("accept", "correct, right and wrong", "correct, right")),
    "a verifier that accepts nothing": (
        lambda: families.Verified(mc.Discrete(), [0.0, 0.0]), ValueError, ("accept", "something pass", "[0. 0.]")),
    "a verifier that knows nothing right": (
        lambda: families.Verified(mc.Discrete(), correct=[0, 0], right=0.9, wrong=0.0), ValueError,
        ("right and wrong", "something pass", "wrong=0.0")),
    "a chance of 1.5": (lambda: families.Verified(mc.Discrete(), [0.5, 1.5]), ValueError, ("accept", "[0, 1]", "1.5", "place 1")),
    "a verifier of other states": (
        lambda: simulate(families.Verified(mc.Discrete(), [1.0, 0.5, 0.2])), ValueError, ("accept", "each of the 2 states", "(3,)")),
    "a right rate of 2": (
        lambda: families.Verified(mc.Discrete(), correct=[1, 0], right=2.0, wrong=0.1), ValueError, ("right", "[0, 1]", "2.0")),
    "several rows for one": (
        lambda: families.Verified(families.Oversampled(mc.Gaussian(), 2), column), TypeError, ("family", "one row", "Oversampled(Gaussian)")),
    "noise on states": (lambda: families.Noisy(mc.Discrete(), 0.1), TypeError, ("family", "real numbers", "Discrete", "states")),
    "noise on labels": (
        lambda: families.Noisy(mc.Conditional(mc.Gaussian(), 2), 0.1), TypeError, ("family", "Conditional", "labels")),
    "noise on counts": (
        lambda: simulate(families.Noisy(mc.Poisson(), 0.1), mc.poisson(2.0)), TypeError, ("source", "real numbers", "int32")),
    # parameters of regimes
    "share 1.2": (lambda: simulate(regime=mc.FreshReal(1.2)), ValueError, ("share", "[0, 1]", "1.2")),
    "share NaN": (lambda: simulate(regime=mc.FreshReal(float("nan"))), ValueError, ("share", "[0, 1]", "nan")),
    "share in words": (lambda: simulate(regime=mc.FreshReal("half")), TypeError, ("share", "number", "half")),
    "a share in a schedule": (
        lambda: simulate(regime=mc.FreshReal(np.array([0, 0, 0, -0.1, 0]))), ValueError, ("share", "[0, 1]", "-0.1")),
    "a schedule of shares too short": (
        lambda: simulate(regime=mc.FreshReal(np.zeros(4))), ValueError, ("FreshReal.share", "0 to 4 (5 numbers)", "got 4")),
    "a fixed share in a schedule": (
        lambda: simulate(regime=mc.FixedReal(np.zeros(5))), ValueError, ("share", "one number", "(5,)")),
    "more fixed rows than a data set": (
        lambda: simulate(regime=mc.FixedReal(0.5), size=[10, 9, 4, 9, 9]), ValueError, ("share", "5 real rows", "4")),
    "share and fresh beyond 1": (
        lambda: simulate(regime=mc.Retain(0.6, fresh=0.5)), ValueError, ("share + fresh", "at most 1", "1.1")),
    "retaining more than there was": (
        lambda: simulate(regime=mc.Retain(1.0), size=[5, 6, 6, 6, 6]), ValueError, ("share", "6 items", "only 5")),
    "mixture weights that sum to 0.9": (
        lambda: simulate(regime=mc.Mixture(0.5, 0.2, 0.2)), ValueError, ("alpha + beta + gamma", "must be 1", "0.9")),
    "a negative mixture weight": (
        lambda: simulate(regime=mc.Mixture(1.2, -0.2, 0.0)), ValueError, ("alpha", "[0, 1]", "1.2")),
    "a memory too deep": (lambda: simulate(mc.Gaussian(), LINE, mc.Mixture(0.1, 0.9), generations=5000), ValueError,
        ("beta = 0.9", "more than 256", "smaller beta")),
    "a budget of 0": (lambda: simulate(regime=mc.AccumulateSubsample(0)), ValueError, ("budget", "at least 1", "got 0")),
    "a budget beyond the first set": (
        lambda: simulate(regime=mc.AccumulateSubsample(11)), ValueError, ("budget", "first sample size 10", "got 11")),
    "a switch at generation 0": (
        lambda: simulate(regime=mc.Switch(mc.Replace(), mc.Replace(), 0)), ValueError, ("generation", "at least 1", "got 0")),
    "a switch to a bad share": (
        lambda: simulate(regime=mc.Switch(mc.Replace(), mc.FreshReal(2.0), 2)), ValueError, ("share", "[0, 1]", "2.0")),
    # observables
    "an unknown observable": (lambda: simulate(observe="entropi"), ValueError, ("'entropi'", "the names are", "entropy")),
    "no observable": (lambda: simulate(observe=[]), ValueError, ("observe", "at least one")),
    "a number as observable": (lambda: simulate(observe=[3]), TypeError, ("observable", "name, a function", "3")),
    "a function of nothing": (lambda: simulate(observe={"x": lambda: 1}), TypeError, ("observable", "(params) or (params, truth)")),
    "an observable twice": (lambda: simulate(observe=["entropy", "entropy"]), ValueError, ("names of their own", "'entropy'")),
    "an anonymous function": (lambda: simulate(observe=lambda p: p), ValueError, ("names of their own", "dictionary")),
    "the log determinant of states": (
        lambda: simulate(observe="log_determinant"), ValueError, ("'log_determinant'", "Discrete")),
    "the entropy of a normal law": (
        lambda: simulate(mc.Gaussian(), LINE, observe="entropy"), ValueError, ("'entropy'", "Gaussian")),
    "an unknown truth": (lambda: simulate(mc.Gaussian(), mc.sampler(uniform), observe="w2_squared"), ValueError,
        ("'w2_squared'", "truth", "Sampler", "not known")),
    "a threshold of a vector": (lambda: simulate(observe={"x": mc.first_below("probabilities", 0.1)}), ValueError,
        ("one number", "(2,)")),
    "tails twice": (lambda: mc.tail_mass([1], below=0.1), ValueError, ("states or below", "[1]", "0.1")),
    # classes, and things that are no parts
    "a class of families": (
        lambda: simulate(mc.Gaussian, LINE), TypeError, ("family", "Gaussian", "give an instance, not the class")),
    "a class of regimes": (
        lambda: simulate(regime=mc.Replace), TypeError, ("regime", "Replace", "give an instance, not the class")),
    "a list as source": (lambda: simulate(source=[0.5, 0.5]), TypeError, ("source", "list", "categorical(p)")),
    "a name as regime": (lambda: simulate(regime="replace"), TypeError, ("regime", "'replace'", "next")),
    "family and source in the wrong order": (lambda: simulate(COINS, mc.Discrete(), observe="entropy"), TypeError,
        ("family", "fit")),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_bad_input(case: str) -> None:
    call, kind, parts = CASES[case]
    with pytest.raises(kind) as caught:
        call()
    assert caught.type is kind
    for part in parts:
        if part is END:
            assert str(caught.value).endswith(parts[-2])
            continue
        assert part in str(caught.value), f"{part!r} is not in: {caught.value}"


def test_traced_sizes_are_refused() -> None:
    with pytest.raises(TypeError, match="size must be concrete"):
        jax.vmap(lambda size: mc.trace(Walk(), origin(), observe=place, size=size, generations=2)["place"])(
            jnp.array([3, 4])
        )


def test_a_sweep_over_a_mixture_of_models_needs_its_depth() -> None:
    def run(beta: Any) -> jax.Array:
        regime = mc.Mixture(1 - beta, beta, 0.0)
        return mc.trace(Origins(), originals(), regime, seen, size=4, generations=2)["seen"]

    with pytest.raises(ValueError, match=r"needs its depth: Mixture\(alpha, beta, gamma, depth=D\)"):
        jax.vmap(run)(jnp.array([0.1, 0.2]))


def test_bad_values_under_a_transformation_give_nan() -> None:
    def run(alpha: Any) -> jax.Array:
        regime = mc.Mixture(alpha, 0.0, 1 - alpha)
        return mc.trace(mc.Discrete(), COINS, regime, "entropy", size=10, generations=2, chains=2)["entropy"]

    good, bad = jax.vmap(run)(jnp.array([0.5, jnp.nan]))
    assert np.isfinite(good).all()
    assert np.isfinite(bad[:, 0]).all()  # generation 0 is real
    assert np.isnan(bad[:, 1:]).all()
