"""A detector removes, replaces or weighs less what it promises, and is nothing where it flags nothing."""

from collections.abc import Callable
from fractions import Fraction as F
from math import comb
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from toys import Origins, originals, seen

import modelcollapse as mc
from modelcollapse.data import Counts
from modelcollapse.laws import Stream
from modelcollapse.pytree import register
from modelcollapse.regimes import Detected
from modelcollapse.regimes.passing import refilled

COINS = mc.categorical([0.5, 0.3, 0.2])
IID, COUNTS = mc.Mixture(0.75, 0.0, 0.25), mc.FreshReal(0.25)
RUN = {"size": 12, "generations": 3, "chains": 4}


def laws(regime: Any, **changes: Any) -> np.ndarray:
    return mc.simulate(mc.Discrete(), COINS, regime, "probabilities", **(RUN | changes))["probabilities"]


@pytest.mark.parametrize(
    ("regime", "plain"),
    [
        (Detected(IID, 0.0, 0.0, refill=False), IID),
        (Detected(COUNTS, 0.0, 0.0, refill=False), COUNTS),
        (Detected(IID, 0.6, 0.6), IID),
        (Detected(IID, 0.8, 0.1), mc.Mixture(1 - 0.6, 0.0, 0.6)),
        (Detected(IID, 1.0, 0.3), mc.Mixture(0.0, 0.0, 1.0)),
        (Detected(mc.Replace(), 0.6, 0.1), mc.Replace()),
        (Detected(IID, 0.3, 0.0, weight=1.0), None),
    ],
    ids=[
        "nothing flagged",
        "nothing of counts",
        "as many of each",
        "another share",
        "real alone",
        "no real",
        "weight 1",
    ],
)
def test_corners_are_simpler_regimes_in_the_same_numbers(regime: Any, plain: Any) -> None:
    found = laws(regime)
    if plain is None:  # what is flagged is drawn by itself, and nothing weighs less: the sizes are what they were
        np.testing.assert_allclose(found * 12, np.rint(found * 12), atol=1e-12)
        return
    np.testing.assert_array_equal(found, laws(plain))


def test_rates_may_be_traced() -> None:
    """As in a sweep: refilled, with the numbers of the mixture that the rates come to."""

    def counts(regime: Any) -> jax.Array:
        stream = Stream(COINS, mc.Discrete(), 16)
        memory = () if isinstance(regime, Detected) else COINS.params
        return regime.next(jax.random.key(3), stream, stream, memory, jnp.int32(12), jnp.int32(1))[0].n

    found = jax.vmap(lambda t: counts(Detected(IID, t, 0.1)))(jnp.array([0.8, 0.1]))
    np.testing.assert_array_equal(found[0], counts(mc.Mixture(0.4, 0.0, 0.6)))
    np.testing.assert_array_equal(found[1], counts(IID))


def origins(regime: Any, chains: int = 2_000) -> np.ndarray:
    run = mc.simulate(Origins(), originals(), regime, observe=seen, size=10, generations=3, chains=chains)
    return run["seen"].astype(int)


def test_items_of_each_origin_pass_with_their_own_chance() -> None:
    """Of 3 real items and 7 model draws; generation 0 is never filtered."""
    counts = origins(Detected(mc.FreshReal(0.25), 0.7, 0.2, refill=False))
    np.testing.assert_array_equal(counts[:, 0].sum(-1), 10)
    for g in range(1, 4):
        assert stats.binomtest(int(counts[:, g, 0].sum()), 3 * 2_000, 0.8).pvalue > 1e-5
        assert stats.binomtest(int(counts[:, g, g].sum()), 7 * 2_000, 0.3).pvalue > 1e-5
        assert (counts[:, g].sum(-1) <= 10).all()
        # independently of one another
        assert abs(np.corrcoef(counts[:, g, 0], counts[:, g, g])[0, 1]) < 5 / np.sqrt(2_000)


def test_data_sets_refilled_from_shares_are_full() -> None:
    counts = origins(Detected(IID, 0.7, 0.2), chains=50)
    np.testing.assert_array_equal(counts.sum(-1), 10)


def first_passing(real: int, drawn: int, t: F, f: F, size: int) -> dict[int, F]:
    """The law of the number of real items among the first ``size`` that pass, pool after pool, to 1e-9."""
    states, done = {(0, 0): F(1)}, {k: F(0) for k in range(size + 1)}
    while sum(states.values()) > F(1, 10**9):
        moved: dict[tuple[int, int], F] = {}
        for (a, b), w in states.items():
            for i in range(real + 1):
                for j in range(drawn + 1):
                    p = w * comb(real, i) * (1 - f) ** i * f ** (real - i)
                    p *= comb(drawn, j) * (1 - t) ** j * t ** (drawn - j)
                    lacking = size - a - b
                    if i + j < lacking:
                        moved[a + i, b + j] = moved.get((a + i, b + j), F(0)) + p
                        continue
                    for k in range(max(0, lacking - j), min(i, lacking) + 1):
                        done[a + k] += p * F(comb(i, k) * comb(j, lacking - k), comb(i + j, lacking))
        states = moved
    return done


def test_pools_of_exact_counts_are_drawn_until_enough_items_pass() -> None:
    """Against the enumerated law; a random subset of the last pool is taken, not its real items first."""
    law = first_passing(1, 3, F(1, 2), F(1, 4), 4)
    keys = jax.random.split(jax.random.key(5), 20_000)
    pool, chances = (jnp.int32(3), jnp.int32(1)), (0.5, 0.75)
    own, fresh = jax.jit(jax.vmap(lambda key: refilled(key, pool, chances, jnp.int32(4))))(keys)
    np.testing.assert_array_equal(np.asarray(own + fresh), 4)
    found = np.bincount(np.asarray(fresh), minlength=5)
    expected = np.array([float(law[k]) for k in range(5)])
    expected *= found.sum() / expected.sum()
    kept = expected > 5
    statistic = ((found - expected) ** 2 / expected)[kept].sum()
    assert stats.chi2.sf(statistic, kept.sum() - 1) > 1e-5


def test_a_data_set_too_small_to_fit_keeps_the_fit() -> None:
    """Of a normal law, one row; nothing fails, and a chain that moves on has had two."""
    regime = Detected(IID, 0.9, 0.5, refill=False)
    run = mc.simulate(mc.Gaussian(), mc.normal(), regime, ["mean", "variance"], size=4, generations=6, chains=300)
    steps = np.diff(run["variance"][:, :, 0]) == 0
    passes = 0.25 * 0.5 + 0.75 * 0.1
    short = stats.binom.cdf(1, 4, passes)
    assert stats.binomtest(int(steps.sum()), steps.size, short).pvalue > 1e-5
    np.testing.assert_array_equal(np.diff(run["mean"][:, :, 0]) == 0, steps)
    # one state more: a single row is enough for a fit with divisor M, of variance 0
    run = mc.simulate(mc.Gaussian(ddof=0), mc.normal(), regime, "log_variance", size=4, generations=6, chains=300)
    dead = ~np.isfinite(run["log_variance"][:, :, 0])
    assert dead.any()


def test_weighted_counts_stay_integers_and_empty_sets_weigh_nothing() -> None:
    first, second = Counts(jnp.array([3, 1, 0], jnp.int32)), Counts(jnp.array([0, 0, 2], jnp.int32))
    nothing = Counts(jnp.zeros(3, jnp.int32))
    fit = lambda data: np.asarray(mc.Discrete().fit(jax.random.key(0), data, None))  # noqa: E731
    mixed = first.mixed(second, 0.25)
    assert mixed.first.n.dtype == jnp.int32
    assert int(mixed.size) == 6
    np.testing.assert_allclose(fit(mixed), [0.1875, 0.0625, 0.75])
    np.testing.assert_array_equal(fit(first.alone()), fit(first))
    for weight in (0.0, 0.5, 1.0):
        np.testing.assert_array_equal(fit(first.mixed(nothing, weight)), fit(first))
        np.testing.assert_array_equal(fit(nothing.mixed(second, weight)), fit(second))
    assert np.isnan(fit(Counts(jnp.full(3, -1, jnp.int32)).mixed(second, 0.5))).all()


def test_the_weight_of_a_share_is_plain_pooling_of_states() -> None:
    weighted, pooled = laws(mc.Weighted(0.25, 0.25)), laws(COUNTS)
    np.testing.assert_allclose(weighted, pooled, atol=1e-12)


@register(name="tests.size_of_row")
def size_of_row(points: jax.Array) -> jax.Array:
    return jnp.abs(points[:, 0])


@pytest.mark.parametrize("changes", [{"refill": False}, {"refill": True}, {"weight": 0.5}], ids=str)
def test_scores_have_their_rates_measured(changes: dict[str, Any]) -> None:
    regime = Detected(mc.FreshReal(0.5), score=size_of_row, threshold=1.0, **changes)
    run = mc.simulate(
        mc.Gaussian(), mc.normal(), regime, ["detected_rates", "variance"], size=20, generations=1, chains=400
    )
    rates = run["detected_rates"]
    assert np.isnan(rates[:, 0]).all()
    flagged = 2 * stats.norm.sf(1.0)
    spread = np.sqrt(flagged * (1 - flagged) / (10 * 400))
    assert abs(rates[:, 1, 1].mean() - flagged) < 5 * spread
    assert 0 < rates[:, 1, 0].mean() < 1
    inside = run["variance"][:, 1, 0].mean()
    assert inside < 0.5 if "weight" not in changes else 0.4 < inside < 1


def test_a_score_that_lets_nothing_pass_fails_and_names_the_generation() -> None:
    regime = Detected(mc.FreshReal(0.5), score=size_of_row, threshold=0.0, refill=True)
    with pytest.raises(RuntimeError, match="generation 1"):
        mc.simulate(mc.Gaussian(), mc.normal(), regime, "variance", size=20, generations=1, chains=2)


def test_a_detector_is_saved_extended_and_found_again(tmp_path: Path) -> None:
    for i, regime in enumerate((Detected(IID, 0.8, 0.1), Detected(COUNTS, [0.5, 0.7, 0.9], 0.1, weight=0.25))):
        whole = mc.simulate(mc.Discrete(), COINS, regime, "probabilities", **RUN)
        part = mc.simulate(mc.Discrete(), COINS, regime, "probabilities", **(RUN | {"generations": 1}))
        part.save(tmp_path / f"{i}.npz")
        back = mc.Run.load(tmp_path / f"{i}.npz").extend(2)
        np.testing.assert_array_equal(back["probabilities"], whole["probabilities"])
        assert repr(back.regime) == repr(regime)


BAD: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "a rate above 1": (lambda: Detected(IID, 1.5, 0.1), ValueError, r"true_positive must lie in \[0, 1\], got 1.5"),
    "a rate below 0": (lambda: Detected(IID, 0.5, -0.1), ValueError, r"false_positive must lie in \[0, 1\]"),
    "no rates": (lambda: Detected(IID), ValueError, "true_positive and false_positive, or score and threshold"),
    "both": (lambda: Detected(IID, 0.5, 0.1, score=len, threshold=1), ValueError, "or score and threshold"),
    "half a score": (lambda: Detected(IID, score=len), ValueError, "or score and threshold"),
    "refill beside a weight": (lambda: Detected(IID, 0.5, 0.1, True, 0.5), ValueError, "refill must be False"),
    "a weight above 1": (lambda: Detected(IID, 0.5, 0.1, weight=2.0), ValueError, r"weight must lie in \[0, 1\]"),
    "a pool that remembers": (lambda: Detected(mc.Accumulate(), 0.5, 0.1), TypeError, "regime must be one whose pools"),
    "no regime": (lambda: Detected(0.5, 0.5, 0.1), TypeError, "regime must have"),
    "older models": (lambda: laws(Detected(mc.Mixture(0.5, 0.25, 0.25), 0.5, 0.1)), ValueError, "beta = 0"),
    "nothing passes": (lambda: laws(Detected(IID, 1.0, 1.0)), ValueError, "must let something pass, got 1.0 and 1.0"),
    "too few pass to refill": (
        lambda: laws(Detected(mc.FreshReal(0.5), 0.9999, 0.9999)), ValueError, "at least 0.003 of the items pass.* 0.0001 pass",
    ),
    "no model draw passes": (lambda: laws(Detected(mc.Replace(), 1.0, 0.0)), ValueError, "must let something pass"),
    "a rate for each of four states": (
        lambda: laws(Detected(IID, [0.5] * 4, 0.1)), ValueError, "one entry for each of the 3 states, got shape"
    ),
    "rates for each state of a normal law": (
        lambda: mc.simulate(mc.Gaussian(), mc.normal(), Detected(IID, [0.5, 0.1], 0.1), **RUN),
        ValueError, "true_positive must be one number for Gaussian",
    ),
    "weights of counts that cannot be weighted": (
        lambda: mc.simulate(mc.Poisson(), mc.poisson(2.0), Detected(IID, 0.5, 0.1, weight=0.5), **RUN),
        TypeError, "Detected.weight=. needs a family whose data sets can be weighted, .*got Poisson",
    ),
    "rates that nobody measures": (
        lambda: mc.simulate(mc.Discrete(), COINS, Detected(IID, 0.5, 0.1), "detected_rates", **RUN),
        ValueError, "rates are measured under Detected",
    ),
    "scores of states without a number of states": (
        lambda: laws(Detected(IID, score=size_of_row, threshold=1)), ValueError, "needs the number of states"
    ),
    "a score of the wrong shape": (
        lambda: mc.simulate(mc.Gaussian(), mc.normal(), Detected(IID, score=jnp.abs, threshold=1), **RUN),
        ValueError, "score must give one number for each row",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_makes_no_sense_is_refused_in_one_line(name: str) -> None:
    call, error, message = BAD[name]
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
