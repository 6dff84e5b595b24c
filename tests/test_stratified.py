"""Stratified draws hold every state the floor or the ceiling of its expected number of times, and the rest is chance."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import modelcollapse as mc
from modelcollapse.data import Rows
from modelcollapse.families import Oversampled, Stratified
from modelcollapse.families.stratified import at_offset, in_random_order, systematic

ACCEPT, REJECT = 1e-5, 1e-9
"""A right law falls below ACCEPT once in 1e5 comparisons, over seeds; a near miss must fall below REJECT."""
FAMILY = Stratified(mc.Discrete())
LAW = np.array([0.47, 0.3, 0.2, 0.03])


@functools.cache
def sampler(bits: int) -> Callable[..., np.ndarray]:
    drawn = jax.jit(at_offset)

    def counts(offset: int, n: int, law: Any) -> np.ndarray:
        with jax.enable_x64(bits == 64):
            return np.asarray(drawn(np.uint32(offset), np.int32(n), np.asarray(law, f"float{bits}")))

    return counts


offsets = st.sampled_from([0, 1, 2**31, 2**32 - 1]) | st.integers(0, 2**32 - 1)
weights = st.lists(st.integers(0, 2**20), min_size=5, max_size=5).filter(any)


@given(weights, st.integers(1, 2**22), offsets, st.sampled_from([32, 64]))
def test_every_count_is_the_floor_or_the_ceiling(weights: list[int], n: int, offset: int, bits: int) -> None:
    law = np.asarray(np.array(weights) / sum(weights), f"float{bits}")
    counts = sampler(bits)(offset, n, law)
    assert counts.sum() == n
    expected = n * law.astype(float) / law.astype(float).sum()
    rounding = 4 * n * np.finfo(law.dtype).eps
    assert (np.abs(counts - expected) < 1 + rounding).all()
    assert (counts[law == 0] == 0).all()


@given(weights, offsets, st.sampled_from([32, 64]))
def test_a_law_of_whole_items_comes_back_exactly(counts: list[int], offset: int, bits: int) -> None:
    """Frequencies of n items, refitted to n items: the same counts, whatever the offset, in float32 too."""
    n = sum(counts)
    found = sampler(bits)(offset, n, np.array(counts) / np.asarray(n, f"float{bits}"))
    np.testing.assert_array_equal(found, counts)


@given(st.integers(2**22, 2**31 - 1), offsets)
def test_totals_are_exact_at_any_size(n: int, offset: int) -> None:
    assert sampler(32)(offset, n, [0.3, 0.2, 0.1, 0.15, 0.25]).sum() == n


@functools.cache
def many() -> np.ndarray:
    """Counts of 7 items, in float32, of 20,000 samples."""
    keys = jax.random.split(jax.random.key(3), 20_000)
    return np.asarray(jax.jit(jax.vmap(lambda key: systematic(key, 7, jnp.asarray(LAW, jnp.float32))))(keys))


def test_the_part_beyond_whole_items_is_the_chance_of_one_more() -> None:
    expected = 7 * LAW
    more = (many() - np.floor(expected)).sum(0).astype(int)
    for successes, chance in zip(more, expected - np.floor(expected), strict=True):
        assert stats.binomtest(int(successes), 20_000, chance).pvalue > ACCEPT
    assert stats.binomtest(int(more[0]), 20_000, 0.5).pvalue < REJECT  # a fair rounding
    # E sum p'^2 = sum p^2 + sum f (1 - f) / M^2, by the marginals alone
    part = expected % 1
    repeats = ((many() / 7) ** 2).sum(1)
    exact = (LAW**2).sum() + (part * (1 - part)).sum() / 49
    error = repeats.std() / np.sqrt(20_000)
    assert abs(repeats.mean() - exact) < 5 * error
    assert abs(repeats.mean() - (1 - (1 - (LAW**2).sum()) * 6 / 7)) > 50 * error  # multinomial


def test_items_come_in_random_order() -> None:
    counts = jnp.array([2, 0, 3], jnp.int32)

    @jax.jit
    def ordered(keys: jax.Array) -> Rows:
        return jax.vmap(lambda key: in_random_order(key, counts, 8))(keys)

    rows = ordered(jax.random.split(jax.random.key(0), 5000))
    assert (rows.count == 5).all()
    points = np.asarray(rows.points)[:, :5]
    np.testing.assert_array_equal((points == 2).sum(1), 3)
    for place in points.T:
        assert stats.binomtest(int((place == 2).sum()), 5000, 0.6).pvalue > ACCEPT
    both = int(((points[:, 0] == 2) & (points[:, 1] == 2)).sum())
    assert stats.binomtest(both, 5000, 0.3).pvalue > ACCEPT
    assert stats.binomtest(both, 5000, 0.36).pvalue < REJECT  # with replacement


@pytest.mark.parametrize("bits", [32, 64])
def test_nothing_is_lost_after_the_first_fit(bits: int) -> None:
    with jax.enable_x64(bits == 64):
        run = mc.simulate(FAMILY, mc.categorical(LAW), observe="probabilities", size=37, generations=20, chains=50)
    laws = run["probabilities"]
    np.testing.assert_array_equal(laws, np.broadcast_to(laws[:, :1], laws.shape))
    assert np.unique(laws[:, 0], axis=0).shape[0] > 10  # the first is a multinomial sample


def test_real_items_stay_independent() -> None:
    """Of the mixture's items as many are real as chance will have it, and each of these is an independent draw."""
    source, regime = mc.categorical([0.5, 0.5]), mc.Mixture(0.5, 0, 0.5)
    start = mc.simulate(FAMILY, source, regime, "probabilities", size=20, generations=1, chains=20_000)["probabilities"]
    first, second = 20 * start[:, 0, 0], 20 * start[:, 1, 0]
    change = second - first  # given the first: s p rounded one way or the other, and a binomial of the r real ones
    real = stats.binom(20, 0.5)
    r = np.arange(21)[:, None]
    share = first[None] / 20
    part = ((20 - r) * share) % 1
    variance = real.pmf(r) * (part * (1 - part) + r / 4 + (r * (0.5 - share)) ** 2)
    exact = variance.sum(0) - (real.pmf(r) * r * (0.5 - share)).sum(0) ** 2
    left = change - 10 * (0.5 - share[0])
    error = (left**2 - exact).std() / np.sqrt(20_000)
    assert abs((left**2 - exact).mean()) < 5 * error
    assert abs((left**2).mean() - 20 / 4) > 20 * error  # multinomial throughout


def test_classes_keep_their_shares() -> None:
    rng = np.random.default_rng(0)
    rows = mc.table(np.column_stack([rng.normal(size=40), np.arange(40) % 3]))
    run = mc.simulate(
        Stratified(mc.Conditional(mc.Gaussian(), 3)), rows,
        observe={"shares": lambda params: params.frequencies, "means": lambda params: params.models.mean},
        size=30, generations=4, chains=5,
    )  # fmt: skip
    np.testing.assert_array_equal(run["shares"], np.broadcast_to(run["shares"][:, :1], run["shares"].shape))
    assert (np.diff(run["means"], axis=1) != 0).all()  # what a class looks like is still drawn


def test_a_run_is_saved_and_goes_on(tmp_path: Path) -> None:
    settings: Any = {"observe": "heterozygosity", "size": 9, "chains": 4}
    regime = mc.FreshReal(0.5)
    short = mc.simulate(FAMILY, mc.categorical(LAW), regime, generations=2, **settings)
    short.save(tmp_path / "run.npz")
    long = mc.simulate(FAMILY, mc.categorical(LAW), regime, generations=4, **settings)
    np.testing.assert_array_equal(mc.Run.load(tmp_path / "run.npz").extend(2)["heterozygosity"], long["heterozygosity"])


@pytest.mark.parametrize(
    "regime", [mc.Mixture(0.5, 0.25, 0.25), mc.Retain(0.5), mc.AccumulateSubsample(), mc.FixedReal(0.3)]
)
def test_every_regime_takes_it(regime: Any) -> None:
    def read() -> jax.Array:
        return mc.trace(FAMILY, mc.categorical(LAW), regime, "heterozygosity", size=9, generations=2)["heterozygosity"]

    assert jax.eval_shape(read).shape == (1, 3)


def test_what_has_no_states_is_refused() -> None:
    for family in (mc.Gaussian(), Oversampled(mc.Discrete(), 2), mc.Exact(mc.Discrete())):
        with pytest.raises(TypeError, match="Stratified needs a family of counts, such as Discrete"):
            Stratified(family)
    assert (sampler(64)(0, 5, [np.nan, 0.5, 0, 0, 0]) == -1).all()
    assert (sampler(64)(0, 5, [-0.5, 1.5, 0, 0, 0]) == -1).all()
