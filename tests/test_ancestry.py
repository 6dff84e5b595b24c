"""The backward sampler has the law of the forward chain: by enumeration where it can be enumerated, by moments beyond."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from modelcollapse import ancestry, sampling

# Right samplers fall below ACCEPT once in ten thousand comparisons, over seeds; near misses must fall below REJECT.
ACCEPT, REJECT = 1e-4, 1e-9
DRAWS = 20_000


def compositions(n, k):
    return [c for c in itertools.product(range(n + 1), repeat=k) if sum(c) == n]


def multinomial_law(size, p):
    return {c: stats.multinomial.pmf(c, size, p) for c in compositions(size, len(p))}


def pooled(first, second):
    law: dict = {}
    for (a, wa), (b, wb) in itertools.product(first.items(), second.items()):
        total = tuple(np.add(a, b).tolist())
        law[total] = law.get(total, 0.0) + wa * wb
    return law


def kept_law(counts, kept):
    subsets = itertools.product(*(range(c + 1) for c in counts))
    ways = {x: math.prod(map(math.comb, counts, x)) for x in subsets if sum(x) == kept}
    return {x: way / math.comb(sum(counts), kept) for x, way in ways.items()}


def forward(p, sizes, *, share=0.0, real=0, kept=0):
    """Law of the counts of the last data set, by summing over every path of the forward chain."""
    p = np.asarray(p)
    law = multinomial_law(sizes[0], p)
    for size in sizes[1:]:
        following: dict = {}
        for counts, weight in law.items():
            model = share * p + (1 - share) * np.array(counts) / sum(counts)
            step = multinomial_law(size - real - kept, model)
            if real:
                step = pooled(step, multinomial_law(real, p))
            if kept:
                step = pooled(step, kept_law(counts, kept))
            for after, chance in step.items():
                following[after] = following.get(after, 0.0) + weight * chance
        law = following
    return law


def fits(draws, law):
    """P-value of outcomes (rows of integers) against exact probabilities, rare outcomes pooled."""
    rows, seen = np.unique(np.asarray(draws), axis=0, return_counts=True)
    count = {tuple(row): int(n) for row, n in zip(rows.tolist(), seen, strict=True)}
    if any(law.get(cell, 0.0) == 0.0 for cell in count):
        return 0.0
    expected = np.array(list(law.values())) * len(draws)
    observed = np.array([count.get(cell, 0) for cell in law])
    rare = expected < 10
    e, o = np.append(expected[~rare], expected[rare].sum()), np.append(observed[~rare], observed[rare].sum())
    e, o = e[e > 0], o[e > 0]
    return stats.chi2.sf(((o - e) ** 2 / e).sum(), len(e) - 1)


P = (0.5, 0.3, 0.2, 0.0)
REGIMES = [{}, {"share": 0.3}, {"real": 2}, {"kept": 2}, {"share": 0.0}, {"kept": 5}, {"real": 5}]


@pytest.mark.parametrize(
    ("regime", "n"),
    [
        *((regime, 3) for regime in REGIMES[:4]),
        *(pytest.param(regime, 3, marks=pytest.mark.slow) for regime in REGIMES[4:]),
        *(pytest.param(regime, 1, marks=pytest.mark.slow) for regime in REGIMES),
    ],
    ids=str,
)
def test_joint_law_of_the_counts(regime, n):
    draws = ancestry.final_counts(sampling.key(1), P, 5, n, DRAWS, **regime)
    assert (draws.shape, draws.dtype) == ((DRAWS, 4), jnp.int32)
    assert fits(draws, forward(P, [5] * n, **regime)) > ACCEPT


def test_joint_law_with_varying_sizes():
    sizes = [3, 6, 2, 4]
    draws = ancestry.final_counts(sampling.key(2), P, sizes, 4, DRAWS)
    assert fits(draws, forward(P, sizes)) > ACCEPT
    assert fits(draws, forward(P, [3, 6, 4, 4])) < REJECT


def test_near_misses_fail():
    draws = ancestry.final_counts(sampling.key(3), P, 5, 3, DRAWS)
    for miss in (forward(P, [5] * 2), forward(P, [5] * 4), forward(P, [6, 6, 5]), forward(P, [5] * 3, share=0.1)):
        assert fits(draws, miss) < REJECT
    mixed = ancestry.final_counts(sampling.key(3), P, 5, 3, DRAWS, share=0.4)
    assert fits(mixed, forward(P, [5] * 3, real=2)) < REJECT


@pytest.mark.parametrize(
    "regime",
    [{"share": 0.3}, *(pytest.param(r, marks=pytest.mark.slow) for r in ({"real": 1}, {"share": 1.0}))],
    ids=str,
)
def test_stationary_law(regime):
    """After forty fits the forward law is stationary to 1e-6."""
    p = (0.6, 0.4)
    draws = ancestry.stationary_counts(sampling.key(4), p, 6, chains=DRAWS, **regime)
    assert fits(draws, forward(p, [6] * 40, **regime)) > ACCEPT
    assert fits(draws, forward(p, [6] * 2, **{**regime, **({"share": 0.35} if "share" in regime else {})})) < (
        REJECT if regime.get("share") != 1.0 else 1.0
    )


def fixation_law(p, size, horizon):
    """P(time, winner) of the forward chain, from the law of the counts fit by fit."""
    law, before, joint = None, np.zeros(len(p)), {}
    for n in range(1, horizon + 1):
        law = forward(p, [size] * n) if law is None else advance(law, size)
        now = np.array([law.get(tuple(size * (i == j) for j in range(len(p))), 0.0) for i in range(len(p))])
        joint.update({(n, i): now[i] - before[i] for i in range(len(p)) if p[i] > 0})
        before = now
    return joint


def advance(law, size):
    following: dict = {}
    for counts, weight in law.items():
        for after, chance in multinomial_law(size, np.array(counts) / size).items():
            following[after] = following.get(after, 0.0) + weight * chance
    return following


def test_joint_law_of_fixation():
    p, size = (0.6, 0.3, 0.1), 4
    time, winner = ancestry.fixation(sampling.key(5), p, size, DRAWS)
    law = fixation_law(p, size, 100)
    assert sum(law.values()) > 1 - 1e-9
    draws = np.stack([time, winner], axis=1)
    assert fits(draws, law) > ACCEPT
    assert fits(draws, fixation_law(p, size + 1, 120)) < REJECT
    assert fits(np.add(draws, [[1, 0]]), law) < REJECT
    # the lineage walk alone times the single ancestor, which comes later
    ancestor = np.asarray(ancestry.coalescence(sampling.key(5), size, DRAWS))
    assert ancestor.mean() > np.asarray(time).mean() + 1


def test_time_to_one_ancestor():
    """Exact law by powers of the occupancy matrix."""
    size = 6
    occupancy = np.zeros((size + 1, size + 1))
    occupancy[0, 0] = 1.0
    for k in range(size):
        for j in range(size + 1):
            occupancy[k + 1, j] = occupancy[k, j] * j / size
            if j:
                occupancy[k + 1, j] += occupancy[k, j - 1] * (1 - (j - 1) / size)
    row, law, before = np.eye(size + 1)[size], {}, 0.0
    for n in range(2, 200):
        row = row @ occupancy
        law[(n,)], before = row[1] - before, row[1]
    time = np.asarray(ancestry.coalescence(sampling.key(6), size, DRAWS))
    assert fits(time[:, None], law) > ACCEPT
    assert fits(time[:, None] + 1, law) < REJECT


@pytest.mark.slow
def test_walking_and_waiting_agree_in_the_large():
    """A size at which buffers shrink before meetings are waited for: E H = H0 (1 - 1/M)^n, exactly."""
    size, n, chains, p = 6000, 4000, 400, np.array([0.4, 0.3, 0.2, 0.1])
    counts = np.asarray(ancestry.final_counts(sampling.key(7), p, size, n, chains))
    assert (counts.sum(axis=1) == size).all()
    h = 1 - ((counts / size) ** 2).sum(axis=1)
    h0 = 1 - (p**2).sum()
    assert abs(h.mean() - h0 * (1 - 1 / size) ** n) < 4 * h.std() / np.sqrt(chains)
    assert abs(h.mean() - h0 * (1 - 2 / size) ** n) > 6 * h.std() / np.sqrt(chains)


@pytest.mark.slow
def test_stationary_heterozygosity_in_the_large():
    size, share, chains, p = 9000, 0.001, 300, np.array([0.7, 0.3])
    counts = np.asarray(ancestry.stationary_counts(sampling.key(8), p, size, share, chains))
    h = 1 - ((counts / size) ** 2).sum(axis=1)
    theta = (size - 1) * share * (2 - share)
    error = h.std() / np.sqrt(chains)
    assert abs(h.mean() - 0.42 * theta / (1 + theta)) < 4 * error


@pytest.mark.slow
def test_fixation_time_of_two_equal_states():
    """Mean 1383.5 for M = 1000 by the linear solve over two-allele states; the single ancestor takes 1997."""
    time, winner = (np.asarray(a) for a in ancestry.fixation(sampling.key(9), [0.5, 0.5], 1000, 4000))
    assert abs(time.mean() - 1383.5) < 4 * time.std() / np.sqrt(4000)
    assert stats.binomtest(int(winner.sum()), 4000, 0.5).pvalue > ACCEPT
    ancestor = np.asarray(ancestry.coalescence(sampling.key(9), 1000, 4000))
    assert abs(ancestor.mean() - 1997.0) < 4 * ancestor.std() / np.sqrt(4000)


@pytest.mark.parametrize(("size", "n"), [(420, 30), pytest.param(4200, 300, marks=pytest.mark.slow)])
def test_a_chain_does_not_depend_on_how_many_run(size, n):
    many = ancestry.final_counts(sampling.key(10), [0.5, 0.5], size, n, 7)
    few = ancestry.final_counts(sampling.key(10), [0.5, 0.5], size, n, 3)
    assert (many[:3] == few).all()
    assert len({tuple(row) for row in many.tolist()}) > 4


def test_works_without_x64():
    wide = ancestry.final_counts(sampling.key(11), [0.5, 0.25, 0.25], 40, 7, 9)
    times = ancestry.fixation(sampling.key(11), [0.5, 0.25, 0.25], 40, 9)
    with jax.enable_x64(False):
        narrow = ancestry.final_counts(sampling.key(11), [0.5, 0.25, 0.25], 40, 7, 9)
        again = ancestry.fixation(sampling.key(11), [0.5, 0.25, 0.25], 40, 9)
    assert narrow.dtype == jnp.int32
    assert (narrow == wide).all()
    assert (again[0] == times[0]).all()
    assert (again[1] == times[1]).all()


def test_extremes():
    key = sampling.key(12)
    assert ancestry.final_counts(key, [1.0], 5, 9).tolist() == [[5]]
    assert ancestry.final_counts(key, [0.0, 2.0], 1, 3).tolist() == [[0, 1]]
    assert [a.tolist() for a in ancestry.fixation(key, [0.0, 1.0], 50, 2)] == [[1, 1], [1, 1]]
    assert [a.tolist() for a in ancestry.fixation(key, [0.0, 1.0], 1)] == [[1], [1]]
    assert ancestry.coalescence(key, 1, 2).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda key: ancestry.final_counts(key, [0.5, 0.5], 0, 3), "sample_size must be at least 1"),
        (lambda key: ancestry.final_counts(key, [0.5, 0.5], [5, 5], 3), "fits=3 of them"),
        (lambda key: ancestry.final_counts(key, [0.5, 0.5], 5, 0), "fits must be at least 1"),
        (lambda key: ancestry.final_counts(key, [0.5, -0.5], 5, 1), "probabilities must not be negative"),
        (lambda key: ancestry.final_counts(key, [[0.5]], 5, 1), "probabilities must be a vector"),
        (lambda key: ancestry.final_counts(key, [1.0], 5, 1, share=0.1, kept=2), "at most one of"),
        (lambda key: ancestry.final_counts(key, [1.0], 5, 1, kept=6), "kept must be at most 5"),
        (lambda key: ancestry.stationary_counts(key, [1.0], 5, 0.0), "a stationary law needs"),
        (lambda key: ancestry.stationary_counts(key, [1.0], 5, 1.5), r"share must lie in \[0, 1\]"),
        (lambda key: ancestry.fixation(key, [1.0], 2**30), "sample_size must be at most"),
        (lambda key: ancestry.fixation(key, [1.0], 5, 0), "chains must be at least 1"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call(sampling.key(0))
