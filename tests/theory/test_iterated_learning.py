"""Posterior sampling of counts against all paths of tiny chains, in exact fractions, and whole transition matrices."""

import functools
import itertools
import math
from fractions import Fraction as F

import numpy as np
import pytest
from scipy.stats import betabinom
from wright_fisher import count_vectors, multinomial

from modelcollapse_theory import NotCovered
from modelcollapse_theory import iterated_learning as theory

TRUTH, BASE = [F(1, 2), F(3, 8), F(1, 8)], [F(1, 4), F(1, 4), F(1, 2)]
ALPHA, SIZE = F(3, 2), 4


def rising(x, n):
    return math.prod((x + i for i in range(n)), start=F(1))


@functools.cache
def polya(counts, urn):
    """P(counts) of draws from the urn with these numbers of balls, each put back with another: a posterior's data."""
    ways, chance = math.factorial(sum(counts)), 1 / rising(sum(urn), sum(counts))
    for n, balls in zip(counts, urn, strict=True):
        ways //= math.factorial(n)
        chance *= rising(balls, n)
    return ways * chance


def urn(counts, base, alpha):
    return tuple(alpha * b + n for b, n in zip(base, counts, strict=True))


def data_sets(base, alpha, sizes, per, truth=TRUTH):
    """The law of each data set: the first one real, later ones of the posterior given the one before."""
    law = {x: multinomial(x, truth) for x in count_vectors(sizes[0], len(truth))}
    yield law
    for size in sizes[1:]:
        new = dict.fromkeys(count_vectors(size, len(truth)), F(0))
        for x, weight in law.items():
            balls = urn(x, base, alpha)
            smoothed = [n / sum(balls) for n in balls]
            for y in new:
                new[y] += weight * (polya(y, balls) if per == "fit" else multinomial(y, smoothed))
        law = new
        yield law


def moments(law, base, alpha, per):
    """E p_i and E p_i^2 of the parameters that follow the data sets of this law."""
    first, second = np.zeros((2, len(base)), dtype=object)
    for x, weight in law.items():
        balls = np.array(urn(x, base, alpha), dtype=object)
        total = balls.sum()
        first = first + weight * balls / total
        second = second + weight * balls * ((balls + 1) / (total + 1) if per == "fit" else balls / total) / total
    return first, second


@pytest.mark.parametrize("per", ["fit", "item"])
@pytest.mark.parametrize(("base", "alpha", "sizes"), [(BASE, ALPHA, (4, 4, 4)), (BASE, F(1, 2), (2, 4, 3))])
def test_two_moments_of_every_state(base, alpha, sizes, per):
    exact = [moments(law, base, alpha, per) for law in data_sets(base, alpha, sizes, per)]
    law = [float(p) for p in TRUTH]
    found = theory.second_moments(law, [float(b) for b in base], sizes, float(alpha), per=per)
    assert np.allclose(found[0][1:], np.array([m for m, _ in exact], float), 1e-14)
    assert np.allclose(found[1][1:], np.array([s for _, s in exact], float), 1e-14)
    assert np.array_equal(found[0][0], law)
    assert np.array_equal(found[1][0], np.square(law))


def loss(law, alpha, per="fit", members=1):
    """1 - E H/H_0, exactly, with the prior's base at the truth."""
    of = [1 - moments(law, TRUTH, alpha, kind)[1].sum() for kind in ("fit", "item")]
    whole = {"fit": of[0], "item": of[1]}[per] if members == 1 else (of[0] + (members - 1) * of[1]) / members
    return 1 - whole / (1 - sum(p**2 for p in TRUTH))


@pytest.mark.parametrize("alpha", [F(0), ALPHA, F(7)])
def test_loss_with_the_prior_at_the_truth(alpha):
    for per, of, limit in (
        ("fit", theory.posterior, theory.posterior_limit),
        ("item", theory.smoothing, theory.smoothing_limit),
    ):
        exact = [float(loss(law, alpha, per)) for law in data_sets(TRUTH, alpha, [SIZE] * 4, per)]
        assert of(SIZE, [1, 2, 3, 4], float(alpha)) == pytest.approx(exact, rel=1e-13)
        assert of(SIZE, 0, float(alpha)) == 0
        assert of(SIZE, 10_000, float(alpha)) == pytest.approx(float(limit(SIZE, float(alpha))), rel=1e-12)
    stationary = float(1 / (1 + alpha))
    assert theory.posterior_limit([1, 50], float(alpha)) == pytest.approx(stationary)  # whatever the sample size


def test_without_a_prior_it_is_lost_twice_as_fast():
    assert 1 - theory.posterior(10, 4, 0.0) == pytest.approx((9 / 11) ** 4)
    assert theory.smoothing(10, 4, 0.0) == pytest.approx(1 - 0.9**4)


def pairs(total, chance):
    """Every number of successes of ``total`` with its chance."""
    return [(k, math.comb(total, k) * chance**k * (1 - chance) ** (total - k)) for k in range(total + 1)]


def two(counts, balls):
    """P(this many of ``counts`` draws are of the first kind) in Polya's urn."""
    return [(k, polya((k, counts - k), balls)) for k in range(counts + 1)]


@pytest.mark.parametrize(("members", "share"), [(1, F(1, 4)), (2, F(1, 4)), (3, F(0))])
def test_mixtures_of_posterior_draws_and_real_items(members, share):
    """Each item is real, or a draw of one of the members, whose posteriors are independent given the last data set."""
    q, base = F(1, 3), [F(1, 3), F(2, 3)]
    law = dict(pairs(SIZE, q))
    seen = []
    for _ in range(3):
        of_fit, of_mean = F(0), F(0)
        for x, weight in law.items():
            p, again = (ALPHA * q + x) / (ALPHA + SIZE), (ALPHA * q + x + 1) / (ALPHA + SIZE + 1)
            of_fit += weight * 2 * p * (1 - again)
            of_mean += weight * 2 * p * (1 - p)
        seen.append(1 - (of_fit + (members - 1) * of_mean) / members / (2 * q * (1 - q)))
        new = dict.fromkeys(law, F(0))
        for x, weight in law.items():
            balls = urn((x, SIZE - x), base, ALPHA)
            for real, chance in pairs(SIZE, share):
                if not chance:
                    continue
                parts = dict(pairs(real, q))
                for split in count_vectors(SIZE - real, members):
                    among = multinomial(split, [F(1, members)] * members)
                    drawn = parts
                    for n in split:
                        after = {}
                        for (a, left), (b, right) in itertools.product(drawn.items(), two(n, balls)):
                            after[a + b] = after.get(a + b, 0) + left * right
                        drawn = after
                    for k, c in drawn.items():
                        new[k] += weight * chance * among * c
        law = new
    found = theory.posterior_ensemble(SIZE, [1, 2, 3], float(ALPHA), members, float(share))
    assert found == pytest.approx([float(v) for v in seen], rel=1e-13)
    if members == 1:
        assert np.allclose(found, theory.posterior(SIZE, [1, 2, 3], float(ALPHA), float(share)), 1e-14)
    limit = theory.posterior_ensemble_limit(SIZE, float(ALPHA), members, float(share))
    assert limit == pytest.approx(float(theory.posterior_ensemble(SIZE, 10_000, float(ALPHA), members, float(share))))


def test_a_mixture_of_very_many_posterior_draws_is_smoothing():
    assert theory.posterior_ensemble(7, 3, 1.5, 10**12) == pytest.approx(float(theory.smoothing(7, 3, 1.5)), rel=1e-10)
    assert theory.posterior_limit(40, 0.0, 0.1) == pytest.approx(1 / (1 + 39 * 0.19 / 2))


def chain(size, q, alpha):
    """Transition matrix of the number of items of one of two states."""
    x = np.arange(size + 1)
    return betabinom.pmf(x[None], size, alpha * q + x[:, None], alpha * (1 - q) + size - x[:, None])


@pytest.mark.parametrize(("size", "q", "alpha"), [(6, 0.3, 1.5), (5, 0.5, 0.2), (12, 0.1, 8.0)])
def test_spectrum_and_stationary_law(size, q, alpha):
    matrix = chain(size, q, alpha)
    found = np.sort(np.linalg.eigvals(matrix).real)[::-1]
    assert theory.eigenvalues(size, alpha) == pytest.approx(found, abs=1e-12)
    system = matrix.T - np.eye(size + 1)
    system[-1] = 1
    law, x = np.linalg.solve(system, np.eye(size + 1)[-1]), np.arange(size + 1)
    assert theory.absent(q, size, alpha) == pytest.approx(law[0], rel=1e-10)
    total = [np.prod((alpha * q + x[:, None] + np.arange(m)) / (alpha + size + np.arange(m)), axis=1) for m in range(5)]
    assert theory.stationary_moments(q, alpha, 4) == pytest.approx([law @ moment for moment in total], rel=1e-10)
    # given the data set between them, the fit before it and the fit after it have the same law, the posterior
    gap = (alpha * q + x) / (alpha + size) - q
    covariance = [law * gap @ np.linalg.matrix_power(matrix, k - 1) @ gap for k in (1, 2, 3)]
    variance = theory.stationary_moments(q, alpha, 2)[2] - q**2
    assert theory.correlation(size, alpha, [1, 2, 3]) * variance == pytest.approx(covariance, rel=1e-10)


def test_what_is_refused():
    for call in (
        lambda: theory.stationary_moments(0.2, 0.0, 2),
        lambda: theory.correlation(10, 0.0, 1),
        lambda: theory.absent(0.2, 10, 0.0),
    ):
        with pytest.raises(NotCovered, match="strength must be positive"):
            call()
    with pytest.raises(ValueError, match="base must have as many states as probabilities, got 3 and 2"):
        theory.second_moments([0.5, 0.5], [0.2, 0.3, 0.5], [10], 1.0)
    with pytest.raises(ValueError, match="per must be one of"):
        theory.second_moments([0.5, 0.5], [0.5, 0.5], [10], 1.0, per="row")
