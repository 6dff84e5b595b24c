"""Models that learn from one another, against every path of tiny chains in exact fractions."""

import itertools
from fractions import Fraction as F
from math import comb

import numpy as np

from modelcollapse_theory import populations, workflows

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
