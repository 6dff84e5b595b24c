"""The long run of several models, against whole transition matrices and against many fits of the recursion."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from modelcollapse_theory import NotCovered, fresh, population_limits, populations, workflows

W = np.array([[0.9, 0.1], [0.6, 0.4]])
MIXED, REAL = np.array([[0.6, 0.2], [0.3, 0.7]]), np.array([0.2, 0.0])


def chain(weights, real, sizes, probability):
    """All pairs of counts of one state, and the transition matrix between them."""
    states = np.array(list(itertools.product(*(range(m + 1) for m in sizes))))
    pool = np.asarray(real) * probability + (states / sizes) @ np.asarray(weights).T
    step = np.ones((len(states), len(states)))
    for i, m in enumerate(sizes):
        step *= binom.pmf(states[:, i], m, pool[:, i : i + 1])
    return states, step


def test_the_rate_is_the_largest_eigenvalue_of_the_chain_below_one():
    _, step = chain(W, [0, 0], [4, 6], 0.5)
    eigenvalues = np.sort(np.abs(np.linalg.eigvals(step)))
    assert eigenvalues[-2] == pytest.approx(1, abs=1e-10)  # two states at which it ends
    assert population_limits.decay(W, 0, [4, 6]) == pytest.approx(eigenvalues[-3], rel=1e-10)
    assert population_limits.effective_size(W, [4, 6]) == pytest.approx(1 / (1 - eigenvalues[-3]), rel=1e-8)


def test_the_rate_with_real_data_is_that_of_the_recursion():
    matrix = populations.losses(MIXED, REAL, [4, 6], [30, 31, 32])
    limit = population_limits.losses_limit(MIXED, REAL, [4, 6])
    ratios = (limit - matrix[1:]) / (limit - matrix[:-1])
    assert np.allclose(ratios, population_limits.decay(MIXED, REAL, [4, 6]), rtol=1e-4)
    assert population_limits.decay([[0.7]], 0.3, 8) == pytest.approx(7 / 8 * 0.49)


def test_large_data_sets_mix_before_they_coalesce():
    value = population_limits.survivor(W, np.eye(2))
    assert np.allclose(value @ W, value)
    for size in (20, 200, 2000):
        exact = population_limits.effective_size(W, [size, 2 * size])
        assert population_limits.strong_mixing_size(W, [size, 2 * size]) == pytest.approx(exact, abs=0.4)
    # best where models count by their sizes
    even = [[1 / 3, 2 / 3], [1 / 3, 2 / 3]]
    assert population_limits.strong_mixing_size(even, [50, 100]) == pytest.approx(150)
    assert population_limits.strong_mixing_size(W, [50, 100]) < 150


def test_who_survives_in_the_whole_chain():
    states, step = chain(W, [0, 0], [4, 6], 0.5)
    end = np.linalg.matrix_power(step, 4096)[:, -1]  # all at the state
    for at in (7, 17, 30):
        laws = np.stack([states[at] / [4, 6], 1 - states[at] / [4, 6]], axis=1)
        assert population_limits.survivor(W, laws)[0] == pytest.approx(end[at], abs=1e-12)


def test_absence_is_that_of_the_stationary_chain():
    sizes, q = [3, 4], 0.3
    states, step = chain(MIXED, REAL, sizes, q)
    stationary = np.linalg.matrix_power(step, 4096)[0]
    first = np.prod([binom.pmf(states[:, i], m, q) for i, m in enumerate(sizes)], axis=0)
    for fits, law in ((None, stationary), (1, first), (4, first @ np.linalg.matrix_power(step, 3))):
        single, joint = population_limits.absent(q, MIXED, REAL, sizes, fits)
        assert single == pytest.approx([law[states[:, i] == 0].sum() for i in (0, 1)], rel=1e-12)
        assert joint == pytest.approx(law[0], rel=1e-12)


def test_absence_in_one_model_is_that_of_fresh_data():
    assert population_limits.absent(0.2, [[0.7]], [0.3], [9])[1] == pytest.approx(fresh.absent(0.2, 9, 0.3), rel=1e-12)
    assert population_limits.absent(0.2, [[0.7]], [0.3], [9], 0) == (np.zeros(1), 0.0)


def test_the_limit_is_that_of_many_fits():
    shared = ([[0.5, 0.3, 0.2], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], 0, [4, 5, 6])  # two sources that never meet
    for setting in ((MIXED, REAL, [2, 3]), (W, 0, [4, 6]), shared):
        assert np.allclose(population_limits.losses_limit(*setting), populations.losses(*setting, 5000), atol=1e-12)
    counts = ([[1, 0, 2], [1, 1, 0], [0, 0, 3]], [1, 0, 0])
    limit = population_limits.losses_limit_by_counts(*counts)
    assert np.allclose(limit, populations.losses_by_counts(*counts, 5000), atol=1e-12)
    assert population_limits.losses_limit([[0.8]], 0.2, 9) == pytest.approx(workflows.random_mixing_limit(9, 0.2))


@given(
    st.lists(st.integers(0, 15), min_size=4, max_size=4), st.lists(st.sampled_from([0, 0, 1]), min_size=4, max_size=4)
)
@settings(max_examples=60, deadline=None)
def test_collapse_is_decided_by_the_graph(sources, real):
    """Against 400 fits of the recursion: model i learns evenly from the models of its bits, and from real data."""
    links = np.array([[bits >> j & 1 for j in range(4)] for bits in sources], dtype=float)
    share = np.array(real, dtype=float)
    share[links.sum(axis=1) + share == 0] = 1
    total = links.sum(axis=1) + share
    setting = (links / total[:, None], share / total, [2, 2, 3, 1])
    late = np.diagonal(populations.losses(*setting, 400))
    assert np.array_equal(population_limits.collapses(*setting), late > 1 - 1e-6)
    assert np.allclose(population_limits.losses_limit(*setting), populations.losses(*setting, 400), atol=1e-6)


def test_two_that_only_swap_are_two_sources():
    swap = [[0, 1, 0], [1, 0, 0], [0.5, 0.5, 0]]
    assert population_limits.collapses(swap, 0, 5).tolist() == [True, True, False]
    assert population_limits.losses_limit(swap, 0, 5)[2, 2] == pytest.approx(1 - (1 - 1 / 5) * (1 - 0.5))
    with pytest.raises(NotCovered, match="irreducible and aperiodic"):
        population_limits.survivor([[0, 1], [1, 0]], np.eye(2))


def test_refusals():
    schedule = np.stack([W, W])
    with pytest.raises(NotCovered, match="a schedule has no long run"):
        population_limits.losses_limit(schedule, 0, 5)
    with pytest.raises(NotCovered, match="at most 40 models"):
        population_limits.decay(np.eye(41), 0, 5)
    with pytest.raises(NotCovered, match="real must reach every model"):
        population_limits.absent(0.2, W, 0, [3, 3])
    with pytest.raises(NotCovered, match="sizes must be smaller"):
        population_limits.absent(0.2, W, 0, [100, 100])
    with pytest.raises(ValueError, match="laws must have one law for each of the 2"):
        population_limits.survivor(W, [0.5, 0.5])
