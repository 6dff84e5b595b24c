"""Multinomial and multivariate hypergeometric counts: exact totals, no revival, the exact joint law."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sampling_laws import ACCEPT, REJECT, cells_p, chi_square_p
from scipy import stats

from modelcollapse import sampling

DRAWS = 40_000


def compositions(n, k):
    return [c for c in itertools.product(range(n + 1), repeat=k) if sum(c) == n]


@jax.jit
def split_draws(key, n, p):
    return jax.vmap(lambda key: sampling.multinomial(key, n, p))(jax.random.split(key, DRAWS))


@jax.jit
def item_draws(key, n, p):
    return jax.vmap(lambda key: sampling.multinomial(key, n, p, capacity=20))(jax.random.split(key, DRAWS))


@pytest.mark.parametrize("draw", [split_draws, item_draws])
def test_joint_law(draw):
    n, p = 4, np.array([0.5, 0.0, 0.2, 0.3])
    cells = [tuple(row) for row in np.asarray(draw(sampling.key(0), n, jnp.asarray(p * 7))).tolist()]
    law = {c: stats.multinomial.pmf(c, n, p) for c in compositions(n, 4)}
    assert cells_p(cells, law) > ACCEPT
    miss = np.array([0.48, 0.0, 0.21, 0.31])
    assert cells_p(cells, {c: stats.multinomial.pmf(c, n, miss) for c in law}) < REJECT
    assert cells_p(cells, {c: stats.multinomial.pmf(c, n + 1, p) for c in compositions(n + 1, 4)}) == 0.0


def test_few_states_item_by_item():
    """Several turns of the loop over items, the last of them in part, and a capacity beyond the size."""
    p, n = np.array([0.3, 0.25, 0.2, 0.15, 0.0, 0.1]), 199
    keys = jax.random.split(sampling.key(8), 30_000)
    items, split = (
        np.asarray(jax.jit(jax.vmap(lambda key, c=c: sampling.multinomial(key, n, jnp.asarray(p), c)))(keys))
        for c in (256, None)
    )
    # the capacity alone decides that these are items
    assert (items != split).any()
    for counts in (items, split):
        assert (counts.sum(1) == n).all()
        assert not counts[:, 4].any()
        for state in (0, 3, 5):
            seen, support = counts[:, state], np.arange(n + 3)
            assert chi_square_p(seen, stats.binom(n, p[state]).pmf, support) > ACCEPT
            assert chi_square_p(seen, stats.binom(n, p[state] + 0.003).pmf, support) < REJECT
        # an item too many, where it shows most
        assert chi_square_p(n - counts[:, 5], stats.binom(n + 1, 1 - p[5]).pmf, np.arange(n + 3)) < REJECT
        both = counts[:, 0] + counts[:, 1]
        assert chi_square_p(both, stats.binom(n, p[0] + p[1]).pmf, np.arange(n + 3)) > ACCEPT


@pytest.mark.parametrize("capacity", [None, 300])
def test_marginals_with_many_states(capacity):
    weights = 1.0 / np.arange(1, 101)
    weights[::7] = 0.0
    p = weights / weights.sum()
    draw = jax.jit(jax.vmap(lambda key, n: sampling.multinomial(key, n, jnp.asarray(weights), capacity), (0, None)))
    counts = np.asarray(draw(jax.random.split(sampling.key(1), 20_000), 250))
    assert (counts.sum(axis=1) == 250).all()
    assert not counts[:, weights == 0].any()
    for state in (1, 2, 50, 99):
        assert (
            chi_square_p(counts[:, state], lambda k, state=state: stats.binom.pmf(k, 250, p[state]), np.arange(251))
            > ACCEPT
        )
    assert chi_square_p(counts[:, 1], lambda k: stats.binom.pmf(k, 250, p[1] + 0.002), np.arange(251)) < REJECT
    covariance = (counts[:, 1] * counts[:, 2]).mean() - counts[:, 1].mean() * counts[:, 2].mean()
    error = np.sqrt(250 * p[1] * 250 * p[2] / 20_000)
    assert abs(covariance + 250 * p[1] * p[2]) < 5 * error


@pytest.mark.parametrize("x64", [pytest.param(True, marks=pytest.mark.slow), False])
@pytest.mark.parametrize(("n", "capacity"), [(10**5, 10**5), (2**31 - 1, None)])
def test_nothing_extinct_revives(x64, n, capacity):
    """A million float32 weights, half of them zero: where cumulated float32 weights would go wrong."""
    rng = np.random.default_rng(0)
    weights = rng.random(10**6).astype(np.float32) * (rng.random(10**6) < 0.5)
    weights[-5:] = 0.0
    weights = weights.astype(np.float32)
    with jax.enable_x64(x64):
        draw = jax.jit(lambda key, p: sampling.multinomial(key, n, p, capacity))
        counts = np.asarray(draw(sampling.key(5), jnp.asarray(weights)))
    assert counts.dtype == np.int32
    assert counts.sum(dtype=np.int64) == n
    assert (counts >= 0).all()
    assert not counts[weights == 0].any()
    p = weights.astype(np.float64) / weights.sum(dtype=np.float64)
    block = np.arange(10**6) // 10_000
    expected = np.bincount(block, p * n)
    statistic = ((np.bincount(block, counts) - expected) ** 2 / expected).sum()
    assert ACCEPT < stats.chi2.sf(statistic, 99) < 1 - ACCEPT


def test_a_rounded_remainder_would_revive():
    """The near miss: float32 cumulated weights give a dead state a probability, which the test above must notice."""
    rng = np.random.default_rng(0)
    weights = jnp.asarray((rng.random(10**6) * (rng.random(10**6) < 0.5)).astype(np.float32))
    cumulated = np.asarray(jnp.cumsum(weights))
    dead = np.asarray(weights) == 0
    share = np.diff(cumulated, prepend=np.float32(0))
    assert (share[dead] != 0).any()


def test_marginals_where_each_chain_goes_at_its_own_pace():
    """Means from 3 to 3000: some states are summed up and some rejected, so that chains of a batch are at different
    states.
    """
    p, sizes = np.array([0.4, 0.0, 0.3, 0.001, 0.1, 0.199]), np.array([40, 3000, 7001])
    which = np.arange(90_000) % 3
    draw = jax.jit(jax.vmap(lambda key, n: sampling.multinomial(key, n, jnp.asarray(p))))
    keys = jax.random.split(sampling.key(6), which.size)
    counts = np.asarray(draw(keys, jnp.asarray(sizes)[which]))
    assert (counts.sum(1) == sizes[which]).all()
    for i, n in enumerate(sizes):
        mine = counts[which == i]
        for state, chance in enumerate(p):
            support = np.arange(n + 1)
            assert chi_square_p(mine[:, state], stats.binom(n, chance).pmf, support) > ACCEPT
            if chance * n > 1000:
                for wrong in (stats.binom(n + 40, chance), stats.binom(n, chance + 0.005)):
                    assert chi_square_p(mine[:, state], wrong.pmf, support) < REJECT
        # and jointly: what the third state takes, given the first, is binomial too
        left = n - mine[:, 0]
        uniform = stats.binom.cdf(mine[:, 2] - 1, left, 0.5) + stats.binom.pmf(
            mine[:, 2], left, 0.5
        ) * np.random.default_rng(i).random(len(mine))
        assert stats.kstest(uniform, "uniform").pvalue > ACCEPT
    few = np.flatnonzero(which == 1)[:5]
    alone = [sampling.multinomial(keys[i], sizes[1], jnp.asarray(p)) for i in few]
    np.testing.assert_array_equal(alone, counts[few])


@pytest.mark.parametrize("capacity", [None, pytest.param(60, marks=pytest.mark.slow)])
def test_vmap_over_everything(capacity):
    batch = jax.random.split(sampling.key(2), 6)
    n = jnp.array([0, 1, 5, 20, 59, 60])
    p = jax.random.uniform(jax.random.key(0), (6, 5)).at[:, 3].set(0.0)
    together = jax.jit(jax.vmap(lambda *a: sampling.multinomial(*a, capacity)))(batch, n, p)
    apart = [sampling.multinomial(*a, capacity).tolist() for a in zip(batch, n, p, strict=True)]
    assert together.tolist() == apart
    assert together.sum(axis=1).tolist() == n.tolist()
    # one key for all, and one size or one law
    one = jax.vmap(lambda n: sampling.multinomial(batch[0], n, p[0], capacity))(n)
    assert one.tolist() == [sampling.multinomial(batch[0], k, p[0], capacity).tolist() for k in n]
    one = jax.vmap(lambda p: sampling.multinomial(batch[0], 60, p, capacity))(p)
    assert one.tolist() == [sampling.multinomial(batch[0], 60, row, capacity).tolist() for row in p]


def test_extreme_weights():
    key = sampling.key(0)
    assert sampling.multinomial(key, 9, jnp.array([0.0, 1e-300, 0.0])).tolist() == [0, 9, 0]
    assert sampling.multinomial(key, 9, jnp.array([1e300, 1e-300, 0.0]), 9).tolist() == [9, 0, 0]
    assert sampling.multinomial(key, 2**31 - 1, jnp.array([1])).tolist() == [2**31 - 1]
    assert sampling.multinomial(key, 9, jnp.array([0, 3, 2**62])).sum() == 9
    for bad in ([0.0, 0.0, 0.0], [1.0, -0.5, 1.0], [1.0, np.nan, 1.0], [np.inf, 1.0, 1.0]):
        assert sampling.multinomial(key, 9, jnp.array(bad)).tolist() == [-1, -1, -1]
    # a sum that overflows makes no sense either, however many states there are
    for many in (3, 100):
        assert (sampling.multinomial(key, 9, jnp.zeros(many).at[:2].set(1e308)) == -1).all()


@pytest.mark.parametrize("capacity", [None, 10])
def test_the_smallest_weights_are_shares_too(capacity):
    keys = jax.random.split(sampling.key(0), 2000)
    tiny = jnp.array([1e-300, 3e-300])
    first = jax.vmap(lambda key: sampling.multinomial(key, 10, tiny, capacity))(keys)[:, 0]
    counts = np.bincount(first, minlength=11)
    law = stats.binom(10, np.array([0.25, 0.28])[:, None]).pmf(np.arange(11))
    # cells of the tail together
    cells = lambda x: np.append(x[:6], x[6:].sum())  # noqa: E731
    right, near = (stats.chisquare(cells(counts), 2000 * cells(p)).pvalue for p in law)
    assert right > ACCEPT
    assert near < REJECT


def test_refusals():
    key = sampling.key(0)
    with pytest.raises(ValueError, match="p must be a vector"):
        sampling.multinomial(key, 3, jnp.ones((2, 2)))
    with pytest.raises(ValueError, match="between 0 and capacity=5, got 6"):
        sampling.multinomial(key, 6, jnp.ones(2), capacity=5)
    with pytest.raises(TypeError, match="n must be an integer scalar"):
        sampling.multinomial(key, 3.0, jnp.ones(2))
    with pytest.raises(TypeError, match="counts must have an integer type"):
        sampling.multivariate_hypergeometric(key, jnp.ones(2), 1)


@given(st.lists(st.integers(0, 40), min_size=5, max_size=5).filter(any), st.integers(0, 300), st.integers(0, 2**31))
def test_conservation(weights, n, seed):
    key, weights = sampling.key(seed), np.array(weights)
    for counts in map(np.asarray, (_split(key, n, weights), _items(key, n, weights))):
        assert counts.sum() == n
        assert not counts[weights == 0].any()
    subset = np.asarray(_subset(key, weights, n))
    assert subset.sum() == min(n, weights.sum())
    assert ((subset >= 0) & (subset <= weights)).all()


_split = jax.jit(sampling.multinomial)
_items = jax.jit(lambda key, n, p: sampling.multinomial(key, n, p, capacity=150 * 2))
_subset = jax.jit(sampling.multivariate_hypergeometric)


def test_subset_joint_law():
    counts, n = (3, 0, 4, 2), 4
    keys = jax.random.split(sampling.key(4), DRAWS)
    draw = jax.jit(jax.vmap(lambda key: sampling.multivariate_hypergeometric(key, jnp.array(counts), n)))
    cells = [tuple(row) for row in np.asarray(draw(keys)).tolist()]
    ways = {c: math.prod(math.comb(m, x) for m, x in zip(counts, c, strict=True)) for c in compositions(n, 4)}
    assert cells_p(cells, {c: w / math.comb(sum(counts), n) for c, w in ways.items()}) > ACCEPT
    p = np.array(counts) / sum(counts)
    assert cells_p(cells, {c: stats.multinomial.pmf(c, n, p) for c in ways}) < REJECT
