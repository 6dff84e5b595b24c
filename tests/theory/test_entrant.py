"""The worth of draws and the fate of entrants, against tiny chains in exact fractions."""

from fractions import Fraction as F
from math import comb

import numpy as np
import pytest

from modelcollapse_theory import NotCovered, entrant, populations, workflows

Q = F(2, 5)
H0 = 2 * Q * (1 - Q)


def binomial(n, p):
    return [comb(n, x) * p**x * (1 - p) ** (n - x) for x in range(n + 1)]


def loss(law):
    """Of the law of a frequency: {frequency: chance}."""
    return 1 - sum(chance * 2 * x * (1 - x) for x, chance in law.items()) / H0


def fit(law, size, share, memory=None):
    """A fit to items that are real with chance ``share``, else a draw from the frequency."""
    new = {}
    for x, chance in law.items():
        for count, drawn in enumerate(binomial(size, share * Q + (1 - share) * x)):
            new[F(count, size)] = new.get(F(count, size), 0) + chance * drawn
    return new


def test_draws_beside_real_items():
    """Leader on 3 real items, 4 draws from it and 2 real items, every weight of the real ones."""
    leader = fit({Q: 1}, 3, 1)

    def enumerated(weight):
        total = 0
        for x, chance in leader.items():
            for y, drawn in enumerate(binomial(4, x)):
                for z, real in enumerate(binomial(2, Q)):
                    p = weight * F(z, 2) + (1 - weight) * F(y, 4)
                    total += chance * drawn * real * (p - Q) ** 2
        return total * 2 / H0

    value, weight = entrant.best_pooled_loss(2, 4, 1 / 3)
    best = F(2, 1) / (2 + F(3 * 4, 4 + 3 - 1))
    assert weight == pytest.approx(float(best), rel=1e-14)
    assert value == pytest.approx(float(enumerated(best)), rel=1e-14)
    assert enumerated(best + F(1, 100)) > enumerated(best) < enumerated(best - F(1, 100))
    worth = entrant.synthetic_worth(4, 1 / 3)
    assert value == pytest.approx(1 / (2 + worth), rel=1e-14)


def test_no_number_of_draws_is_worth_the_leaders_items():
    worth = entrant.synthetic_worth([0, 1, 10, 10**9, 2**62], 1 / 50)
    assert np.allclose(worth, [0, 1, 50 * 10 / 59, 50, 50])
    assert (np.diff(worth) >= 0).all()
    assert (worth <= 50).all()
    assert entrant.synthetic_worth(7, 0.0) == 7  # the truth itself
    assert entrant.synthetic_worth(7, 1.0) == 1
    assert np.array_equal(entrant.best_pooled_loss([3, 3], [0, 5], 0.5)[1][:1], [1.0])


def test_a_frozen_model_is_a_new_truth():
    """A on 3 real items, frozen; B on 4 items, each from A with chance 2/5, else B's own, four fits; B's first from A
    alone."""
    a = fit({Q: 1}, 3, 1)
    states = {}
    for x, chance in a.items():
        for count, drawn in enumerate(binomial(4, x)):
            states[x, F(count, 4)] = chance * drawn
    lost_a = 1 / 3
    for n in range(1, 5):
        b = {}
        for (_, y), chance in states.items():
            b[y] = b.get(y, 0) + chance
        inner = workflows.random_mixing(4, n, 0.4)
        assert entrant.composed_loss(lost_a, inner) == pytest.approx(float(loss(b)), rel=1e-14)
        # the same by the matrix
        weights = [[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [0.4, 0.6]]
        schedule = np.array([weights[0], weights[0], *[weights[1]] * 4])
        matrix = populations.losses(schedule, 0, [3, 4], n + 1, enters=[1, 2], frozen=[1, np.inf])
        assert matrix[1, 1] == pytest.approx(float(loss(b)), rel=1e-14)
        assert matrix[0, 1] == pytest.approx(lost_a, rel=1e-14)
        new = {}
        for (x, y), chance in states.items():
            for count, drawn in enumerate(binomial(4, F(2, 5) * x + F(3, 5) * y)):
                new[x, F(count, 4)] = new.get((x, F(count, 4)), 0) + chance * drawn
        states = new


def test_an_entrant_by_shares_and_by_counts():
    pool = fit(fit({Q: 1}, 3, 1), 4, F(1, 4))
    lost = float(loss(pool))
    for size, share in ((5, F(1, 4)), (3, F(1, 2)), (1, F(0))):
        found = entrant.entrant_loss(size, float(share), lost)
        assert found == pytest.approx(float(loss(fit(pool, size, share))), rel=1e-14)
    counted = {}
    for x, chance in pool.items():
        for a, real in enumerate(binomial(2, Q)):
            for b, drawn in enumerate(binomial(3, x)):
                counted[F(a + b, 5)] = counted.get(F(a + b, 5), 0) + chance * real * drawn
    assert entrant.entrant_loss_by_counts(5, 2, lost) == pytest.approx(float(loss(counted)), rel=1e-14)


def test_the_matching_size_matches():
    size = entrant.matching_size(1 / 200, 0.1, 1 / 200)
    assert size == pytest.approx(1048.368, abs=1e-3)
    floor = 0.81 / 200
    assert floor + (1 - floor) / size == pytest.approx(1 / 200, rel=1e-13)
    assert entrant.matching_real_items(200, 0.1) == pytest.approx(0.1 * size, rel=1e-13)
    assert entrant.matching_real_items(200, 1) == 200
    # between half and all of the leader's data
    needed = entrant.matching_real_items(10**6, np.linspace(1e-6, 1, 50)) / 10**6
    assert (needed > 0.5 - 1e-6).all()
    assert (np.diff(needed) > 0).all()
    with pytest.raises(NotCovered, match=r"share must be above 1 - sqrt\(leader_loss/pool_loss\)"):
        entrant.matching_size(0.01, 0.1, 0.02)
    with pytest.raises(NotCovered, match="share must be positive"):
        entrant.matching_real_items(200, 0)


def test_labels_save_real_items():
    for drawn in (0, 1, 30, 10**6):
        real = entrant.real_items_with_provenance(1 / 200, drawn, 1 / 200)
        assert real == pytest.approx(200 * 199 / (drawn + 199), rel=1e-9)
        if real == int(real):
            assert entrant.best_pooled_loss(int(real), drawn, 1 / 200)[0] == pytest.approx(1 / 200)
    assert entrant.real_items_with_provenance(1 / 200, 10**6, 1 / 400) == 0  # the pool knows more


def test_the_first_movers_table():
    ratios = entrant.first_mover_ratio(1000, 0.05, [1, 2, 5, 20, 10**6])
    assert np.allclose(ratios, [1.90, 2.71, 4.70, 9.01, 10.16], atol=0.006)
    late = entrant.first_mover_ratio(1000, [0.05, 0.1, 0.3, 0.5], 10**6)
    assert np.allclose(late, [10.16, 5.24, 1.96, 1.33], atol=0.006)
    assert np.allclose(late, 1000 * workflows.random_mixing_limit(1000, [0.05, 0.1, 0.3, 0.5]))
    free = entrant.first_mover_ratio(1000, [0.05, 0.1, 0.3, 0.5], 10**6, unlimited=True)
    assert np.allclose(free, [9.17, 4.25, 0.96, 0.33], atol=0.006)
    # by the matrix: the entrant takes part in fit 3 of the pool
    weights = np.full((3, 2, 2), [[0.9, 0.0], [0.9, 0.0]])
    matrix = populations.losses(weights, 0.1, [20, 20], 3, enters=[1, 3])
    assert matrix[1, 1] * 20 == pytest.approx(float(entrant.first_mover_ratio(20, 0.1, 2)), rel=1e-13)
