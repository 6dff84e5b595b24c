"""Each regime gives the next generation exactly the items that its documentation promises."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from toys import Noise, Origins, originals, seen

import modelcollapse as mc
from modelcollapse.families.wrapping import Wrapper
from modelcollapse.laws import Stream
from modelcollapse.portions import traced_portion
from modelcollapse.process import prepare
from modelcollapse.pytree import part
from modelcollapse.regimes import common

SIZE, LAST, CHAINS = 10, 5, 6


def origins(regime: Any, *, size: Any = SIZE, chains: int = CHAINS) -> np.ndarray:
    """Items by origin, ``(chain, generation, label)``: label 0 is real, g what is new in data set g."""
    run = mc.simulate(Origins(), originals(), regime, observe=seen, size=size, generations=LAST, chains=chains)
    return run["seen"].astype(int)


def newest(counts: np.ndarray) -> np.ndarray:
    """``(chain, generation)``: items of the newest model, for the generations from 1."""
    return np.stack([counts[:, g, g] for g in range(1, LAST + 1)], 1)


def expected(rows: list[list[int]]) -> np.ndarray:
    table = np.zeros((LAST + 1, 8), int)
    for g, row in enumerate(rows):
        table[g, : len(row)] = row
    return table


@pytest.mark.parametrize(
    ("regime", "rows"),
    [
        (mc.Replace(), [[10], [0, 10], [0, 0, 10], [0, 0, 0, 10], [0, 0, 0, 0, 10], [0, 0, 0, 0, 0, 10]]),
        (mc.FreshReal(0.25), [[10], [3, 7], [3, 0, 7], [3, 0, 0, 7], [3, 0, 0, 0, 7], [3, 0, 0, 0, 0, 7]]),
        (
            mc.FreshReal(np.array([0.9, 0.1, 0.2, 0.3, 0.4, 1.0])),
            [[10], [1, 9], [2, 0, 8], [3, 0, 0, 7], [4, 0, 0, 0, 6], [10]],
        ),
        (mc.FixedReal(0.2), [[10], [2, 8], [2, 0, 8], [2, 0, 0, 8], [2, 0, 0, 0, 8], [2, 0, 0, 0, 0, 8]]),
        (
            mc.Accumulate(),
            [[10], [10, 10], [10, 10, 10], [10, 10, 10, 10], [10, 10, 10, 10, 10], [10, 10, 10, 10, 10, 10]],
        ),
        (mc.Switch(mc.Replace(), mc.FreshReal(1.0), 3), [[10], [0, 10], [0, 0, 10], [10], [10], [10]]),
        (
            mc.Switch(mc.FreshReal(0.5), mc.Accumulate(), 2),
            [[10], [5, 5], [10, 0, 10], [10, 0, 10, 10], [10, 0, 10, 10, 10], [10, 0, 10, 10, 10, 10]],
        ),
    ],
    ids=["replace", "fresh", "fresh schedule", "fixed", "accumulate", "healing", "switch to accumulate"],
)
def test_the_items_of_every_data_set(regime: Any, rows: list[list[int]]) -> None:
    counts = origins(regime)
    np.testing.assert_array_equal(counts, np.broadcast_to(expected(rows), counts.shape))
    smallest = min(number for row in rows for number in row if number)
    assert common.plan(regime, np.full(LAST + 1, SIZE)).least == (0 if isinstance(regime, mc.FixedReal) else smallest)


def test_the_shorter_way_to_draw_is_taken_where_every_draw_is_large() -> None:
    def many(regime: Any, size: Any, family: Any = None, source: Any = None) -> bool:
        source = mc.normal([0.0, 0.0]) if source is None else source
        return prepare(mc.Gaussian() if family is None else family, source, regime, None, size, 3).process.many

    assert many(mc.Replace(), 14)
    assert not many(mc.Replace(), 13)
    assert not many(mc.Replace(), [20, 20, 13, 20])
    assert many(mc.FreshReal(0.5), 28)
    assert not many(mc.FreshReal(0.1), 100)
    assert not many(mc.FixedReal(0.5), 100)
    assert many(mc.Switch(mc.Accumulate(), mc.FreshReal(0.0), 2), 14)
    assert many(mc.Replace(), 14, mc.Damped(mc.Gaussian(), 0.5))
    assert not many(mc.Replace(), 100, mc.KernelDensity())
    rows = np.random.default_rng(0).normal(size=(50, 2))
    assert many(mc.Replace(), 14, source=mc.table(rows))
    # a law of another family with the same kind of data set must agree
    assert not many(mc.Replace(), 100, mc.GaussianMean(), mc.Law(Plain(), mc.normal([0.0, 0.0]).params))


@part
class Plain(Wrapper):
    """A normal law without a shorter way."""

    family: Any = mc.Gaussian()


def test_sample_sizes_follow_their_schedule() -> None:
    sizes = np.array([4, 9, 2, 16, 1, 30])
    counts = origins(mc.Replace(), size=sizes)
    np.testing.assert_array_equal(counts.sum(-1), np.broadcast_to(sizes, (CHAINS, LAST + 1)))
    np.testing.assert_array_equal(newest(counts), np.broadcast_to(sizes[1:], (CHAINS, LAST)))
    pooled = origins(mc.Accumulate(), size=sizes)
    np.testing.assert_array_equal(pooled[:, -1, :6], np.broadcast_to(sizes, (CHAINS, 6)))
    fixed = origins(mc.FixedReal(0.5), size=sizes + 3)  # half of 7 is 3.5, and halves go up
    np.testing.assert_array_equal(fixed[:, 1:, 0], 4)
    np.testing.assert_array_equal(fixed.sum(-1)[0], sizes + 3)


def test_retained_items_come_from_the_data_set_before() -> None:
    counts = origins(mc.Retain(0.4, fresh=0.2))
    np.testing.assert_array_equal(counts.sum(-1), SIZE)
    np.testing.assert_array_equal(newest(counts), 4)
    for g in range(1, LAST + 1):
        kept = counts[:, g].copy()
        kept[:, g] = 0
        kept[:, 0] -= 2
        np.testing.assert_array_equal(kept.sum(-1), 4)
        assert (kept >= 0).all()
        assert (kept <= counts[:, g - 1]).all()
    # the items are chosen anew in every chain
    assert len({tuple(row) for row in counts[:, -1]}) > 1


def test_a_schedule_of_retained_shares() -> None:
    shares = np.array([0.0, 1.0, 0.0, 0.5, 0.0, 0.3])
    counts = origins(mc.Retain(shares))
    np.testing.assert_array_equal(newest(counts), np.broadcast_to(SIZE - shares[1:] * SIZE, (CHAINS, LAST)))
    np.testing.assert_array_equal(counts[:, 1, 0], SIZE)


@pytest.mark.parametrize("budget", [None, 6])
def test_a_subsample_of_everything(budget: int | None) -> None:
    counts = origins(mc.AccumulateSubsample(budget), chains=400)
    n = SIZE if budget is None else budget
    np.testing.assert_array_equal(counts.sum(-1), n)
    for g in range(LAST + 1):
        np.testing.assert_array_equal(counts[:, g, g + 1 :], 0)
    # all origins are equally likely; a draw without replacement is narrower than a binomial one by (N - n) / (N - 1)
    total, narrower = counts[:, LAST, : LAST + 1].sum(0), (60 - n) / 59
    assert stats.chi2.sf(((total - total.mean()) ** 2).sum() / (total.mean() * narrower), LAST) > 1e-6
    spread = counts[:, 1, 0].var(ddof=1) / (n / 4)
    error = np.sqrt(2 / 399)
    assert abs(spread / ((20 - n) / 19) - 1) < 5.5 * error
    assert abs(spread - 1) > 3 * error


def mixed(alpha: Any, beta: Any, gamma: Any) -> mc.Run:
    """With schedules, so that all mixtures here share one compilation."""
    weights = (np.broadcast_to(np.asarray(w, float), (LAST + 1,)) for w in (alpha, beta, gamma))
    return mc.simulate(Origins(), originals(), mc.Mixture(*weights), seen, size=SIZE, generations=LAST, chains=400)


def test_a_mixture_is_drawn_from_all_past_models() -> None:
    counts = mixed(0.5, 0.3, 0.2)["seen"].astype(int)
    np.testing.assert_array_equal(counts.sum(-1), SIZE)

    def pvalue(alpha: float, beta: float, gamma: float) -> float:
        weights, worst = np.eye(1, LAST + 1)[0], 1.0
        for g in range(1, LAST + 1):
            weights = beta * weights
            weights[[0, g]] += gamma, alpha
            there = weights > 0
            observed = counts[:, g, : LAST + 1].sum(0)[there]
            worst = min(worst, stats.chisquare(observed, counts[:, g].sum() * weights[there]).pvalue)
        return worst

    assert pvalue(0.5, 0.3, 0.2) > 1e-7 > pvalue(0.5, 0.25, 0.25)
    # from the last model alone, as if p_i were no mixture itself, nothing this old would come
    assert counts[:, LAST, 1 : LAST - 1].sum() > 0
    # counts for each source are multinomial, not rounded shares
    spread = counts[:, 1, 1].var(ddof=1) / (SIZE * 0.25)
    assert abs(spread - 1) < 5.5 * np.sqrt(2 / 399)


def test_the_memory_of_a_mixture_is_its_past_fits() -> None:
    alpha, beta = np.array([0, 0.6, 0.5, 0.3, 0.2, 0.4]), np.array([0, 0.3, 0.3, 0.6, 0.7, 0.5])
    run = mixed(alpha, beta, 1 - alpha - beta)
    past = run.state.memory
    weights = [alpha[g] * beta[g + 1 :].prod() for g in range(LAST, 0, -1)]
    np.testing.assert_allclose(past.weights, np.broadcast_to(weights, (400, LAST)), rtol=1e-14)
    np.testing.assert_allclose(past.real, 1 - sum(weights), rtol=1e-13)
    np.testing.assert_array_equal(past.models.label, np.broadcast_to([5, 4, 3, 2, 1], (400, LAST)))
    np.testing.assert_array_equal(past.models.seen, run["seen"][:, LAST - 1 :: -1])


def test_the_law_of_a_discrete_mixture_follows_its_recursion() -> None:
    alpha, beta, gamma = 0.5, 0.3, 0.2
    p = np.array([0.4, 0.3, 0.2, 0.1, 0.0])
    run = mc.simulate(
        mc.Discrete(), mc.categorical(p), mc.Mixture(alpha, beta, gamma), observe="probabilities",
        size=12, generations=4, chains=5,
    )  # fmt: skip
    law = np.broadcast_to(p, (5, 5))
    for g in range(4):
        law = alpha * run["probabilities"][:, g] + beta * law + gamma * p
    np.testing.assert_allclose(run.state.memory, law, rtol=1e-14)
    assert (law[:, :4] > 0).all()


def test_the_depth_of_the_memory_is_what_the_run_needs() -> None:
    def depth(beta: float, generations: int) -> int | None:
        sizes = np.full(generations + 1, SIZE)
        return mc.Mixture(1 - beta, beta).prepared(Origins(), originals(), sizes).depth

    assert depth(0.0, 50) == 1
    assert depth(1.0, 50) == 50
    n = depth(0.5, 100)
    assert n is not None
    assert 0.5**n * SIZE * 101 <= 1e-12 < 0.5 ** (n - 1) * SIZE * 101
    closed = mc.Mixture(0.1, 0.9).prepared(mc.Discrete(), mc.categorical([0.5, 0.5]), np.full(9999, 5))
    assert closed.depth is None


def test_fixed_real_items_are_the_same_for_good() -> None:
    p = np.full(30, 1 / 30)
    run = mc.simulate(
        mc.Discrete(), mc.categorical(p), mc.FixedReal(0.25), "probabilities", size=40, generations=6, chains=4
    )
    kept = np.asarray(run.state.memory.n)
    np.testing.assert_array_equal(kept.sum(1), 10)
    counts = np.rint(run["probabilities"] * 40)
    assert (counts >= kept[:, None]).all()
    # ten other items would not be there in each generation
    assert (counts < np.roll(kept, 1, axis=0)[:, None]).any()


@pytest.mark.parametrize(
    ("share", "size", "count"),
    [(0.5, 5, 3), (0.25, 10, 3), (0.29, 100, 29), (0.07, 100, 7), (0.1, 4, 0), (0.3, 9, 3), (1.0, 7, 7)],
)
def test_shares_round_to_the_nearest_count_and_halves_go_up(share: float, size: int, count: int) -> None:
    assert int(traced_portion(share, jnp.int32(size))) == count
    with jax.enable_x64(False):
        assert int(traced_portion(share, jnp.int32(size))) == count


def test_the_default_regime_is_replacement() -> None:
    run = mc.simulate(Origins(), originals(), observe=seen, size=SIZE, generations=LAST, chains=CHAINS)
    np.testing.assert_array_equal(run["seen"], origins(mc.Replace()))


# --- corners: the same numbers by another way -------------------------------------------------------------------------

SETTINGS = {  # family, real law, and a model whose draws cannot be mistaken for real ones
    "discrete": (mc.Discrete(), mc.categorical([0.5, 0.25, 0.15, 0.1]), mc.categorical([0.1, 0.2, 0.3, 0.4])),
    "gaussian": (mc.Gaussian(), mc.normal([1.0, -2.0], [[2.0, 0.9], [0.9, 1.0]]), mc.normal([0.0, 0.0])),
    "mixture": (
        mc.GaussianMixture(2), mc.normal_mixture([0.5, 0.5], [-2.0, 2.0], [1.0, 1.0]),
        mc.normal_mixture([0.3, 0.7], [-1.0, 5.0], [1.0, 2.0]),
    ),
}  # fmt: skip


@functools.cache
def maker(name: str, regime: type) -> Any:
    """The data set that a regime of this class makes for generation 1, always of the same model, real law and keys."""
    family, source, fitted = SETTINGS[name]

    @jax.jit
    def data(regime: Any) -> Any:
        model, real = (Stream(law, family, 20, regime.needs_items) for law in (fitted, source))
        size = jnp.int32(20)
        _, memory = regime.start(jax.random.key(1), real, size)
        return regime.next(jax.random.key(2), model, real, memory, size, jnp.int32(1))[0]

    return data


def assert_same_data(name: str, *regimes: Any) -> None:
    first, *others = (maker(name, type(regime))(regime) for regime in regimes)
    for other in others:
        for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(other), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-14 if jnp.issubdtype(a.dtype, jnp.floating) else 0)


@pytest.mark.parametrize("name", ["discrete", "gaussian", pytest.param("mixture", marks=pytest.mark.slow)])
def test_corners_of_a_mixture_are_the_simpler_regimes(name: str) -> None:
    depth = None if name == "discrete" else 1
    assert_same_data(name, mc.Replace(), mc.FreshReal(0.0), mc.Mixture(1.0, 0.0, 0.0, depth))
    assert_same_data(name, mc.FreshReal(1.0), mc.Mixture(0.0, 0.0, 1.0, depth))
    with pytest.raises(AssertionError, match="Not equal"):
        assert_same_data(name, mc.Replace(), mc.FreshReal(1.0))


def test_corners_of_the_other_regimes() -> None:
    def healing(generation: int) -> mc.Switch:
        return mc.Switch(mc.Replace(), mc.FreshReal(1.0), generation)

    assert_same_data("discrete", mc.Replace(), mc.FixedReal(0.0), mc.Retain(0.0), healing(2))
    assert_same_data("discrete", mc.FreshReal(1.0), mc.Retain(0.0, fresh=1.0), healing(1))
    assert_same_data("gaussian", mc.Replace(), mc.FixedReal(0.0))


@pytest.mark.slow
def test_whole_runs_at_the_corners_have_the_same_numbers() -> None:
    family, source, _ = SETTINGS["discrete"]

    def run(regime: Any) -> np.ndarray:
        return mc.simulate(family, source, regime, "probabilities", size=20, generations=4, chains=5)["probabilities"]

    np.testing.assert_array_equal(run(mc.Replace()), run(mc.Mixture(1.0, 0.0, 0.0)))
    np.testing.assert_array_equal(run(mc.FreshReal(1.0)), run(mc.Mixture(0.0, 0.0, 1.0)))


def test_a_regime_that_needs_items_turns_moments_into_rows_of_the_same_law() -> None:
    family, source, _ = SETTINGS["gaussian"]
    moments, rows = (
        mc.simulate(family, source, regime, "log_determinant", size=10, generations=3, chains=2000)["log_determinant"]
        for regime in (mc.Replace(), mc.Retain(0.0))
    )
    assert (moments != rows).all()
    for g in range(4):
        assert stats.ks_2samp(moments[:, g], rows[:, g]).pvalue > 1e-7
    assert stats.ks_2samp(moments[:, 2], rows[:, 1]).pvalue < 1e-7


@pytest.mark.parametrize(
    "regime",
    [mc.FreshReal(0.5), mc.FixedReal(0.5), mc.Retain(0.25, 0.25), mc.Mixture(0.4, 0.3, 0.3, 2)],
    ids=lambda regime: type(regime).__name__,
)
def test_no_two_items_of_a_data_set_are_drawn_with_one_key(regime: Any) -> None:
    @jax.jit
    def made(regime: Any) -> Any:
        model, real = (Stream(mc.Law(Noise(), jnp.zeros(())), Noise(), 40, regime.needs_items) for _ in range(2))
        size = jnp.int32(40)
        _, memory = regime.start(jax.random.key(1), real, size)
        _, memory = regime.next(jax.random.key(2), model, real, memory, size, jnp.int32(1))
        return regime.next(jax.random.key(3), model, real, memory, size, jnp.int32(2))[0]

    data = made(regime)
    items = np.asarray(data.points)[np.asarray(data.present), 0]
    assert items.size == int(data.size) >= 40
    assert np.unique(items).size == items.size
