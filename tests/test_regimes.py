"""Each regime gives the next generation exactly the items that its documentation promises."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from toys import Origins, originals, seen

import modelcollapse as mc
from modelcollapse.regimes import whole

SIZE, LAST, CHAINS = 10, 5, 6


def origins(regime: Any, *, size: Any = SIZE, chains: int = CHAINS) -> np.ndarray:
    """Items by origin, ``(chain, generation, label)``: label 0 is real, label g the model that data set g is new from."""
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
    counts = origins(mc.AccumulateSubsample(budget), chains=200)
    np.testing.assert_array_equal(counts.sum(-1), SIZE if budget is None else budget)
    for g in range(LAST + 1):
        assert (counts[:, g] <= 10).all()
        np.testing.assert_array_equal(counts[:, g, g + 1 :], 0)
    # all origins are equally likely; hypergeometric counts are narrower than multinomial ones by (N - n) / (N - 1)
    total, n = counts[:, LAST, : LAST + 1].sum(0), counts[0, 0].sum()
    narrower = (60 - n) / 59
    assert stats.chi2.sf(((total - total.mean()) ** 2).sum() / (total.mean() * narrower), LAST) > 1e-6
    rest = counts[:, LAST, 0].var(ddof=1) / (n * 5 / 36)
    assert abs(rest / narrower - 1) < 5.5 * np.sqrt(2 / 199) < abs(rest / 1.9 - 1)


def test_a_mixture_is_drawn_from_all_past_models() -> None:
    alpha, beta, gamma, chains = 0.5, 0.3, 0.2, 400
    counts = origins(mc.Mixture(alpha, beta, gamma), chains=chains)
    np.testing.assert_array_equal(counts.sum(-1), SIZE)
    weights = np.zeros((LAST + 1, LAST + 1))
    weights[0, 0] = 1
    for g in range(1, LAST + 1):
        weights[g] = beta * weights[g - 1]
        weights[g, 0] += gamma
        weights[g, g] += alpha

    def pvalue(g: int, share: np.ndarray) -> float:
        there = share > 0
        return stats.chisquare(counts[:, g, : LAST + 1].sum(0)[there], chains * SIZE * share[there]).pvalue

    assert all(pvalue(g, weights[g]) > 1e-7 for g in range(1, LAST + 1))
    # near miss: beta of the last model only, as if p_i were no mixture itself
    short = np.zeros(LAST + 1)
    short[[LAST, LAST - 1, 0]] = alpha, beta, gamma
    assert pvalue(LAST, weights[LAST - 1] if weights[LAST - 1][LAST] else weights[LAST][::-1]) < 1e-7
    assert counts[:, LAST, 1 : LAST - 1].sum() > 0
    spread = counts[:, 1, 1].var(ddof=1) / (SIZE * alpha * (1 - alpha))
    # the counts are multinomial, not rounded shares
    assert abs(spread - 1) < 5.5 * np.sqrt(2 / (chains - 1))


def test_the_memory_of_a_gaussian_mixture_is_its_past_fits() -> None:
    alpha, beta, gamma = np.array([[9, 0.6, 0.5, 0.3], [9, 0.3, 0.3, 0.6], [9, 0.1, 0.2, 0.1]])
    run = mc.simulate(
        Origins(), originals(), mc.Mixture(alpha, beta, gamma), observe=seen, size=SIZE, generations=3, chains=4
    )
    past = run.state.memory
    assert past.weights.shape == (4, 3)
    w = [0.3, 0.6 * 0.5, 0.6 * 0.3 * 0.6]
    np.testing.assert_allclose(past.weights, np.broadcast_to(w, (4, 3)), rtol=1e-14)
    np.testing.assert_allclose(past.real, 1 - sum(w), rtol=1e-14)
    np.testing.assert_array_equal(past.models.label, np.broadcast_to([3, 2, 1], (4, 3)))
    np.testing.assert_array_equal(past.models.seen, run["seen"][:, [2, 1, 0]])


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
    short, long = (
        mc.simulate(
            mc.Discrete(), mc.categorical(p), mc.FixedReal(0.25), observe="probabilities", size=40, generations=n, chains=4
        )
        for n in (1, 6)
    )
    kept = np.asarray(long.state.memory.n)
    np.testing.assert_array_equal(kept, short.state.memory.n)
    np.testing.assert_array_equal(kept.sum(1), 10)
    counts = np.rint(long["probabilities"] * 40)
    assert (counts >= kept[:, None]).all()


@pytest.mark.parametrize(
    ("share", "size", "count"), [(0.5, 5, 3), (0.25, 10, 3), (0.29, 100, 29), (0.07, 100, 7), (0.1, 4, 0), (1.0, 7, 7)]
)
def test_shares_round_to_the_nearest_count_and_halves_go_up(share: float, size: int, count: int) -> None:
    assert int(whole(share, jnp.int32(size))) == count
    with jax.enable_x64(False):
        assert int(whole(share, jnp.int32(size))) == count


def test_the_default_regime_is_replacement() -> None:
    run = mc.simulate(Origins(), originals(), observe=seen, size=SIZE, generations=LAST, chains=CHAINS)
    np.testing.assert_array_equal(run["seen"], origins(mc.Replace()))


# --- corners: the same numbers by another way ---------------------------------------------------------------------------

GAUSSIAN = (mc.Gaussian(), mc.normal([1.0, -2.0], [[2.0, 0.9], [0.9, 1.0]]), ["mean", "log_pivots"], 10)
DISCRETE = (mc.Discrete(), mc.categorical([0.5, 0.25, 0.15, 0.1]), ["probabilities"], 20)
BLOBS = (
    mc.GaussianMixture(2, reg_covar=1e-2), mc.normal_mixture([0.5, 0.5], [-2.0, 2.0], [1.0, 1.0]), ["mean", "log_variance"], 20,
)  # fmt: skip


def numbers(setting: tuple, regime: Any) -> dict[str, np.ndarray]:
    family, source, observe, size = setting
    return mc.simulate(family, source, regime, observe, size=size, generations=4, chains=3).trace


def assert_same_numbers(setting: tuple, *regimes: Any) -> None:
    first, *others = (numbers(setting, regime) for regime in regimes)
    for other in others:
        for name, values in first.items():
            if setting[0].data is mc.Discrete.data:
                np.testing.assert_array_equal(values, other[name])
            else:
                np.testing.assert_allclose(values, other[name], rtol=1e-12, atol=1e-12)
    # the numbers vary, so that their agreement says something
    assert all(np.std(values[:, -1]) > 0 for values in first.values())


@pytest.mark.parametrize("setting", [DISCRETE, BLOBS], ids=["discrete", "mixture"])
def test_corners_of_every_regime_are_replacement(setting: tuple) -> None:
    assert_same_numbers(
        setting, mc.Replace(), mc.Mixture(1.0, 0.0, 0.0), mc.FreshReal(0.0), mc.FixedReal(0.0), mc.Retain(0.0),
        mc.Switch(mc.Replace(), mc.FreshReal(1.0), 99),
    )  # fmt: skip


@pytest.mark.parametrize("setting", [DISCRETE, BLOBS], ids=["discrete", "mixture"])
def test_corners_where_all_is_real(setting: tuple) -> None:
    assert_same_numbers(setting, mc.FreshReal(1.0), mc.Mixture(0.0, 0.0, 1.0), mc.Retain(0.0, fresh=1.0))


def test_corners_for_moments() -> None:
    assert_same_numbers(GAUSSIAN, mc.Replace(), mc.Mixture(1.0, 0.0, 0.0), mc.FreshReal(0.0), mc.FixedReal(0.0))
    assert_same_numbers(GAUSSIAN, mc.FreshReal(1.0), mc.Mixture(0.0, 0.0, 1.0))


def test_a_regime_that_needs_items_turns_moments_into_rows_of_the_same_law() -> None:
    family, source, _, size = GAUSSIAN
    settings = {"observe": ["log_determinant"], "size": size, "generations": 4, "chains": 3000}
    moments, rows = (
        mc.simulate(family, source, regime, **settings)["log_determinant"] for regime in (mc.Replace(), mc.Retain(0.0))
    )
    assert moments.shape == rows.shape
    assert (moments != rows).all()
    assert stats.ks_2samp(moments[:, 4], rows[:, 4]).pvalue > 1e-6
    # one generation more or less, or one retained row in ten, would show
    assert stats.ks_2samp(moments[:, 4], rows[:, 3]).pvalue < 1e-6
