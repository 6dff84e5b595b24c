"""Models that learn from one another, against every path of tiny chains in exact fractions."""

import itertools
from fractions import Fraction as F
from math import comb

import numpy as np
import pytest

from modelcollapse_theory import NotCovered, fresh_gaussian, population_limits, populations, workflows

W = ((F(3, 5), F(1, 5)), (F(3, 10), F(7, 10)))
G = (F(1, 5), F(0))
SIZES = (2, 3)
Q = (F(2, 5), F(2, 5))
OWN = (F(2, 5), F(9, 10))


def binomial(n, p):
    return [comb(n, x) * p**x * (1 - p) ** (n - x) for x in range(n + 1)]


def pools(x, sizes, weights, real, truth):
    """The chance of the first state in each model's pool, given the counts of the fits."""
    return [
        g * q + sum(w * F(c, m) for w, c, m in zip(row, x, sizes, strict=True))
        for row, g, q in zip(weights, real, truth, strict=True)
    ]


def start(sizes, truth):
    laws = [binomial(m, q) for m, q in zip(sizes, truth, strict=True)]
    return {
        x: np.prod([law[c] for law, c in zip(laws, x, strict=True)])
        for x in itertools.product(*(range(m + 1) for m in sizes))
    }


def advance(states, sizes, weights, real, truth):
    """Every model draws its items independently, given the fits."""
    new = dict.fromkeys(states, F(0))
    for x, chance in states.items():
        laws = [binomial(m, p) for m, p in zip(sizes, pools(x, sizes, weights, real, truth), strict=True)]
        for y in new:
            new[y] += chance * laws[0][y[0]] * laws[1][y[1]]
    return new


def added(*laws):
    """The law of a sum of independent counts."""
    total = [F(1)]
    for law in laws:
        total = [
            sum(total[k] * law[n - k] for k in range(len(total)) if 0 <= n - k < len(law))
            for n in range(len(total) + len(law) - 1)
        ]
    return total


def advance_counts(states, sizes, counts, real, truth):
    new = dict.fromkeys(states, F(0))
    for x, chance in states.items():
        frequencies = [F(c, m) for c, m in zip(x, sizes, strict=True)]
        laws = [
            added(binomial(r, q), *(binomial(c, p) for c, p in zip(row, frequencies, strict=True)))
            for row, r, q in zip(counts, real, truth, strict=True)
        ]
        for y in new:
            new[y] += chance * laws[0][y[0]] * laws[1][y[1]]
    return new


def means(states, sizes):
    return [float(sum(c * F(x[i], sizes[i]) for x, c in states.items())) for i in (0, 1)]


def products(states, sizes):
    """E sum_x p_i(x) p_j(x) of the fits."""

    def one(x, i, j):
        a, b = F(x[i], sizes[i]), F(x[j], sizes[j])
        return a * b + (1 - a) * (1 - b)

    return np.array([[float(sum(c * one(x, i, j) for x, c in states.items())) for j in (0, 1)] for i in (0, 1)])


def lost(states, sizes):
    h0 = float(2 * Q[0] * (1 - Q[0]))
    return 1 - (1 - products(states, sizes)) / h0


def floats(table):
    return np.array(table, dtype=float)


def close(found, expected):
    assert np.allclose(found, expected, rtol=0, atol=2e-14)


def test_losses_are_those_of_the_enumerated_chain():
    states = start(SIZES, Q)
    found = populations.losses(floats(W), floats(G), SIZES, np.arange(5))
    close(found[0], 0)
    for n in range(1, 5):
        close(found[n], lost(states, SIZES))
        states = advance(states, SIZES, W, G, Q)


def test_losses_by_counts_are_those_of_the_enumerated_chain():
    counts, real = ((1, 0), (1, 2)), (1, 0)
    states = start(SIZES, Q)
    for n in range(1, 5):
        close(populations.losses_by_counts(counts, real, n), lost(states, SIZES))
        states = advance_counts(states, SIZES, counts, real, Q)


def test_models_with_truths_of_their_own():
    states = start(SIZES, OWN)
    laws = [[float(q), 1 - float(q)] for q in OWN]
    for n in range(1, 5):
        found = populations.mean_laws(floats(W), floats(G), laws, n)
        close(found[:, 0], means(states, SIZES))
        close(populations.overlaps(floats(W), floats(G), SIZES, laws, n), products(states, SIZES))
        states = advance(states, SIZES, W, G, OWN)


def test_models_with_truths_of_their_own_by_counts():
    counts, real = ((1, 0), (1, 1)), (1, 1)
    laws = [[float(q), 1 - float(q)] for q in OWN]
    states = start(SIZES, OWN)
    for n in range(1, 5):
        close(populations.overlaps_by_counts(counts, real, laws, n), products(states, SIZES))
        states = advance_counts(states, SIZES, counts, real, OWN)


def test_truths_that_move():
    moving = (OWN, (F(1, 2), F(1, 10)), (F(1), F(1, 4)))
    laws = [[[float(q), 1 - float(q)] for q in now] for now in moving]
    states = start(SIZES, moving[0])
    for n in range(1, 4):
        close(populations.overlaps(floats(W), floats(G), SIZES, laws, n), products(states, SIZES))
        close(populations.mean_laws(floats(W), floats(G), laws, n)[:, 0], means(states, SIZES))
        if n < 3:
            states = advance(states, SIZES, W, G, moving[n])


def test_a_late_entrant_and_a_frozen_model():
    """Model 1 is refitted up to fit 2; model 2 enters at fit 3 and learns from it, from itself once it is there."""
    first = ((F(4, 5), F(0)), (F(0), F(0)))
    later = ((F(4, 5), F(0)), (F(1, 2), F(1, 4)))
    at_entry = ((F(4, 5), F(0)), (F(3, 4), F(0)))
    real = (F(1, 5), F(1, 4))
    weights = floats([first, first, at_entry, later, later])
    found = populations.losses(weights, floats(real), SIZES, np.arange(1, 6), enters=[1, 3], frozen=[2, np.inf])
    alone = workflows.random_mixing(2, [1, 2], 0.2)
    close(found[:2, 0, 0], alone)
    assert np.isnan(found[:2, 1]).all()
    assert np.isnan(found[:2, :, 1]).all()
    states = {}
    for x in range(3):  # the leader's two fits, then the entrant's first
        for y, chance in enumerate(binomial(2, Q[0])):
            two = binomial(2, real[0] * Q[0] + first[0][0] * F(y, 2))[x] * chance
            for z, drawn in enumerate(binomial(3, real[1] * Q[0] + at_entry[1][0] * F(x, 2))):
                states[x, z] = states.get((x, z), 0) + two * drawn
    for n in (3, 4, 5):
        close(found[n - 1], lost(states, SIZES))
        new = dict.fromkeys(states, F(0))
        for (x, z), chance in states.items():
            for y, drawn in enumerate(binomial(3, pools((x, z), SIZES, later, real, Q)[1])):
                new[x, y] += chance * drawn
        states = new


def test_items_in_common():
    """Two data sets of 2 and 3 items share their first one, which came from the one source that both have."""
    row, real = (F(3, 5), F(1, 5)), F(1, 5)
    weights, shares = floats([row, row]), [float(real)] * 2

    def both(p):
        law = {}
        for x, a, b in itertools.product(range(2), range(2), range(3)):
            chance = binomial(1, p)[x] * binomial(1, p)[a] * binomial(2, p)[b]
            law[x + a, x + b] = law.get((x + a, x + b), 0) + chance
        return law

    states = both(Q[0])
    for n in range(1, 5):
        close(populations.losses(weights, shares, SIZES, n, shared=[[0, 1], [1, 0]]), lost(states, SIZES))
        close(populations.losses(weights, shares, SIZES, n, shared=1), lost(states, SIZES))
        new = {}
        for x, chance in states.items():
            for y, drawn in both(pools(x, SIZES, (row, row), (real, real), Q)[0]).items():
                new[y] = new.get(y, 0) + chance * drawn
        states = new


def outcomes(truth, fits, row, real):
    """Values and chances of one item: each source as the two points that have its mean and variance."""
    mean, spread = truth
    values = [mean - spread, mean + spread]
    for m, s in fits:
        values += [m - np.sqrt(s), m + np.sqrt(s)]
    return np.array(values, dtype=object), np.repeat([real, *row], 2) / 2


def fitted(items, ddof):
    """Mean and variance of all pairs of the items, and the chances of the pairs."""
    values, chances = items
    first, second = np.meshgrid(np.arange(len(chances)), np.arange(len(chances)), indexing="ij")
    a, b = (np.array([np.broadcast_to(v, values[-1].shape) for v in values])[at.ravel()] for at in (first, second))
    centre = (a + b) / 2
    return centre, ((a - centre) ** 2 + (b - centre) ** 2) / (2 - ddof), (chances[first] * chances[second]).ravel()


@pytest.mark.parametrize("ddof", [0, 1])
def test_gaussian_moments_are_those_of_every_path(ddof):
    """Two models of two items, three fits; only means and variances of the draws matter, so two points stand for a
    normal law."""
    weights, real = [[0.6, 0.2], [0.3, 0.7]], [0.2, 0.0]
    truths = [(0.5, 1.5), (-1.0, 0.5)]
    found = populations.gaussian_moments(
        weights, real, 2, [1, 2, 3], ddof=ddof, means=[0.5, -1.0], variances=[2.25, 0.25]
    )
    state = [np.zeros(1)] * 4
    chance = np.ones(1)
    for n in range(3):
        fits = [(state[0], state[1]), (state[2], state[3])]
        new = []
        for i in (0, 1):
            row, share = ([0, 0], 1) if n == 0 else (weights[i], real[i])
            new.append(fitted(outcomes(truths[i], fits, row, share), ddof))
        mean = [(chance * (m * p[:, None]).sum(axis=0)).sum() for m, _, p in new]
        square = [(chance * (m**2 * p[:, None]).sum(axis=0)).sum() for m, _, p in new]
        spread = [(chance * (s * p[:, None]).sum(axis=0)).sum() for _, s, p in new]
        cross = (chance * np.prod([(m * p[:, None]).sum(axis=0) for m, _, p in new], axis=0)).sum()
        assert np.allclose(found[0][n], mean, rtol=1e-12)
        assert np.allclose(found[1][n], [[square[0], cross], [cross, square[1]]], rtol=1e-12)
        assert np.allclose(found[2][n], spread, rtol=1e-12)
        if n < 2:
            state, chance = spread_out(new, chance)


@pytest.mark.parametrize("ddof", [0, 1])
def test_gaussian_moments_by_counts_are_those_of_every_path(ddof):
    """Model 1 has a real item and one of its own, model 2 one of each model."""
    sources = [(2, 0), (0, 1)]  # of the two items: the models' numbers, and 2 for real
    truths = [(0.5, 1.5), (-1.0, 0.5)]
    found = populations.gaussian_moments_by_counts(
        [[1, 0], [1, 1]], [1, 0], [1, 2, 3], ddof=ddof, means=[0.5, -1.0], variances=[2.25, 0.25]
    )
    state, chance = [np.zeros(1)] * 4, np.ones(1)
    for n in range(3):
        new = []
        for i in (0, 1):
            points = []
            for source in (2, 2) if n == 0 else sources[i]:
                mean, spread = truths[i] if source == 2 else (state[2 * source], np.sqrt(state[2 * source + 1]))
                points.append([np.broadcast_to(mean + sign * spread, chance.shape) for sign in (-1, 1)])
            a, b = (np.array([points[k][at[k]] for at in itertools.product((0, 1), repeat=2)]) for k in (0, 1))
            centre = (a + b) / 2
            new.append((centre, ((a - centre) ** 2 + (b - centre) ** 2) / (2 - ddof), np.full(4, 0.25)))
        for i, (m, s, _) in enumerate(new):
            assert found[0][n, i] == pytest.approx((m.mean(0) * chance).sum(), rel=1e-12)
            assert found[1][n, i, i] == pytest.approx(((m**2).mean(0) * chance).sum(), rel=1e-12)
            assert found[2][n, i] == pytest.approx((s.mean(0) * chance).sum(), rel=1e-12)
        cross = (new[0][0].mean(0) * new[1][0].mean(0) * chance).sum()
        assert found[1][n, 0, 1] == pytest.approx(cross, rel=1e-12)
        state, chance = spread_out(new, chance)


@pytest.mark.parametrize("ddof", [0, 1])
def test_one_gaussian_by_counts_is_that_of_fresh_data(ddof):
    found = populations.gaussian_moments_by_counts([[5]], [3], [1, 2, 9], ddof=ddof, variances=2.0)
    for n, fits in enumerate((1, 2, 9)):
        error, variance = fresh_gaussian.mean_error_and_variance(8, 3, fits, ddof=ddof)
        assert found[1][n, 0, 0] == pytest.approx(2 * float(error), rel=1e-12)
        assert found[2][n, 0] == pytest.approx(2 * float(variance), rel=1e-12)


def test_gaussians_on_one_crawl_are_one():
    _, products, variances = populations.gaussian_moments(np.full((2, 2), 0.4), 0.2, 6, 5, shared=6, means=1.0)
    alone = populations.gaussian_moments([[0.8]], 0.2, 6, 5, means=1.0)
    assert np.allclose(products, alone[1])
    assert np.allclose(variances, alone[2])
    with pytest.raises(NotCovered, match="different laws"):
        populations.gaussian_moments(np.full((2, 2), 0.5), 0, 5, 3, shared=1, variances=[1.0, 2.0])


def spread_out(new, chance):
    """The product of both models' outcomes, those of no chance left out."""
    (m1, s1, p1), (m2, s2, p2) = ([part[p > 0] for part in (m, s, p)] for m, s, p in new)
    shape = (len(p1), len(p2), chance.size)
    weights = p1[:, None, None] * p2[None, :, None] * chance
    columns = (m1[:, None], s1[:, None], m2[None], s2[None])
    return [np.broadcast_to(column, shape).ravel().astype(float) for column in columns], weights.ravel()


def test_one_model_is_the_plain_workflow():
    fits = np.arange(9)
    assert np.allclose(populations.losses([[0.7]], 0.3, 6, fits)[:, 0, 0], workflows.random_mixing(6, fits, 0.3))
    assert np.allclose(populations.losses_by_counts([[4]], 2, fits)[:, 0, 0], workflows.fresh_counts(6, fits, 2))
    assert np.allclose(
        populations.losses([[1]], 0, [[3], [5], [2]], [3])[:, 0, 0], workflows.replace_sizes([3, 5, 2])[3]
    )
    spread, error = (populations.gaussian_moments([[1]], 0, 6, 8)[i] for i in (2, 1))
    assert np.allclose([spread[0], error[0, 0]], [1, 8 / 6])  # the unbiased variance is a martingale


def test_models_on_one_crawl_are_one_model():
    weights = np.full((3, 3), 0.3)
    found = populations.losses(weights, 0.1, 7, [1, 2, 6], shared=7)
    close(found, np.broadcast_to(workflows.random_mixing(7, [1, 2, 6], 0.1)[:, None, None], (3, 3, 3)))


def test_real_items_in_common_by_counts():
    """The one real item of each is the same one; the first fits have all their real items but one apart."""
    weights = ((1, 0), (1, 1))
    states = {}
    for c, a, b in itertools.product(range(2), range(2), range(3)):
        chance = binomial(1, Q[0])[c] * binomial(1, Q[0])[a] * binomial(2, Q[0])[b]
        states[c + a, c + b] = states.get((c + a, c + b), 0) + chance
    for n in range(1, 4):
        close(populations.losses_by_counts(weights, [1, 1], n, shared=1), lost(states, SIZES))
        new = {}
        for x, chance in states.items():
            p = [F(x[0], 2), F(x[1], 3)]
            for c, a, b1, b2 in itertools.product(range(2), repeat=4):
                drawn = binomial(1, Q[0])[c] * binomial(1, p[0])[a] * binomial(1, p[0])[b1] * binomial(1, p[1])[b2]
                y = (c + a, c + b1 + b2)
                new[y] = new.get(y, 0) + chance * drawn
        states = new


def test_what_the_matrix_says():
    matrix = populations.losses(floats(W), floats(G), SIZES, [2, 6])
    own, between = np.diagonal(matrix, axis1=1, axis2=2), matrix[:, 0, 1]
    assert np.allclose(populations.union_loss(matrix, [0.25, 0.75]), own @ [0.0625, 0.5625] + 0.375 * between)
    assert np.allclose(populations.squared_distances(matrix)[:, 0, 1], own.sum(axis=1) - 2 * between)
    assert np.allclose(populations.differentiation(matrix), 1 - (1 - own.mean(axis=1)) / (1 - between))
    assert populations.differentiation([[1, 0], [0, 1]]) == 1
    with pytest.raises(NotCovered, match="lost must be below 1"):
        populations.differentiation(np.ones((2, 2)))


def test_the_union_and_distances_of_the_enumerated_chain():
    states = advance(start(SIZES, Q), SIZES, W, G, Q)
    h0 = 2 * Q[0] * (1 - Q[0])
    matrix = populations.losses(floats(W), floats(G), SIZES, 2)
    apart = sum(c * 2 * (F(x, 2) - F(y, 3)) ** 2 for (x, y), c in states.items()) / h0
    pooled = [(c, F(x, 2) / 4 + F(y, 3) * 3 / 4) for (x, y), c in states.items()]
    union = 1 - sum(c * 2 * p * (1 - p) for c, p in pooled) / h0
    assert populations.squared_distances(matrix)[0, 1] == pytest.approx(float(apart), rel=1e-13)
    assert populations.union_loss(matrix, [0.25, 0.75]) == pytest.approx(float(union), rel=1e-13)


def test_the_mean_law_settles_at_everybodys_truth():
    laws = [[0.9, 0.1], [0.2, 0.8]]
    weights, real = np.array([[0.6, 0.2], [0.3, 0.6]]), np.array([0.2, 0.1])
    ends = population_limits.mean_laws_limit(weights, real, laws)
    assert np.allclose(populations.mean_laws(weights, real, laws, 1000), ends)
    # by hand: m_1 = .2 q_1 + .6 m_1 + .2 m_2 and m_2 = .1 q_2 + .3 m_1 + .6 m_2
    assert np.allclose(ends[0], (0.08 * np.array(laws[0]) + 0.02 * np.array(laws[1])) / 0.1)
    with pytest.raises(NotCovered, match="real must reach every model"):
        population_limits.mean_laws_limit([[1, 0], [0, 0.5]], [0, 0.5], laws)


REFUSED = {
    "weights and real must sum to 1 .* got 1.1 for model 1": {"weights": [[0.5, 0.5], [0.5, 0.6]], "real": 0},
    "weights must lie in": {"weights": [[1.5, -0.5], [0, 1]], "real": 0},
    "weights must be a matrix": {"weights": [0.5, 0.5], "real": 0},
    "real must be one number, one for each of the 2 models": {"real": [0, 0, 0]},
    "sizes must be one number": {"sizes": [5, 5, 5]},
    "sizes must be at least 1": {"sizes": [5, 0]},
    "weights must be 0 from models that have no fit yet, got 0.5 from model 1, which enters at fit 3, to model 0 at fit 2": {
        "enters": [1, 3]
    },
    "enters must have one entry for each": {"enters": 1},
    "frozen must not come before enters": {"enters": [1, 3], "frozen": [2, 2], "weights": [[1, 0], [1, 0]]},
    "shared must be 0 between models that learn from different": {"shared": 2},
    "shared must not exceed sizes": {"shared": 6},
    "shared must be one number or a symmetric": {"shared": [[0, 1], [2, 0]]},
    "fits must be at most 2, the length of the schedule sizes": {"sizes": [[5, 5], [4, 4]]},
    "weights and real must be schedules of equally many fits": {
        "weights": np.full((2, 2, 2), 0.5), "real": np.zeros((3, 2)),
    },
}  # fmt: skip


@pytest.mark.parametrize("message", REFUSED)
def test_what_makes_no_sense_is_refused(message):
    good = {"weights": [[0.5, 0.5], [0.25, 0.75]], "real": 0, "sizes": 5, "fits": 4}
    with pytest.raises(ValueError, match=message):
        populations.losses(**{**good, **REFUSED[message]})


def test_refusals_of_the_others():
    with pytest.raises(ValueError, match="counts and real must give each model at least one item"):
        populations.losses_by_counts([[1, 0], [0, 0]], 0, 3)
    with pytest.raises(ValueError, match="shared must not exceed real"):
        populations.losses_by_counts([[3, 0], [0, 3]], 1, 3, shared=2)
    with pytest.raises(NotCovered, match="sizes must give each model at least 2 items where ddof = 1"):
        populations.gaussian_moments([[1]], 0, 1, 3)
    with pytest.raises(NotCovered, match="different laws"):
        populations.overlaps(np.full((2, 2), 0.5), 0, 5, [[0.5, 0.5], [0.4, 0.6]], 3, shared=1)
    with pytest.raises(ValueError, match="laws must be a law"):
        populations.mean_laws([[1]], 0, [[0.5, 0.5], [0.4, 0.6]], 3)
    with pytest.raises(ValueError, match="mixture must have one entry for each of the 2"):
        populations.union_loss(np.zeros((2, 2)), [1.0])


def test_an_entrant_is_seen_after_a_long_rest():
    """Nothing changes while the leader is frozen and nobody is there to learn from it."""
    found = populations.losses([[1, 0], [0.5, 0]], [0, 0.5], [3, 4], [4, 5, 9], enters=[1, 5], frozen=[1, np.inf])
    assert np.allclose(found[:, 0, 0], 1 / 3)
    assert np.isnan(found[0, 1, 1])
    assert np.allclose(found[1:, 1, 1], 1 / 4 + 3 / 4 * 0.25 / 3)
    assert np.allclose(found[1:, 0, 1], 0.5 / 3)
