"""Every workflow's loss against its own Markov chain, enumerated in exact fractions over all count vectors."""

import itertools
from fractions import Fraction
from math import comb, factorial, prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from modelcollapse_theory import workflows

LAW = (Fraction(1, 2), Fraction(1, 3), Fraction(1, 6))


def vectors(total, states):
    if states == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in vectors(total - first, states - 1):
            yield (first, *rest)


def draws(total, p):
    """The multinomial law, exactly."""
    for x in vectors(total, len(p)):
        weight = Fraction(factorial(total), prod(map(factorial, x))) * prod(q**n for q, n in zip(p, x, strict=True))
        if weight:
            yield x, weight


def subsets(total, x):
    """The multivariate hypergeometric law, exactly."""
    for part in itertools.product(*(range(n + 1) for n in x)):
        if sum(part) == total:
            yield part, Fraction(prod(comb(n, k) for n, k in zip(x, part, strict=True)), comb(sum(x), total))


def add(x, y):
    return tuple(a + b for a, b in zip(x, y, strict=True))


def advance(states, kernel):
    result = {}
    for state, weight in states.items():
        for new, chance in kernel(state):
            result[new] = result.get(new, 0) + weight * chance
    return result


def loss(states, read=lambda state: state):
    """1 - E H / H0 of the fit to counts, as a fraction."""
    first = 1 - sum(q * q for q in LAW)
    diversity = 0
    for state, weight in states.items():
        x = read(state)
        diversity += weight * (1 - sum(Fraction(n, sum(x)) ** 2 for n in x))
    return 1 - diversity / first


def frequencies(x):
    return [Fraction(n, sum(x)) for n in x]


def trajectory(size, fits, kernel):
    states, values = dict(draws(size, LAW)), [Fraction(0)]
    for _ in range(fits):
        values.append(loss(states))
        states = advance(states, kernel)
    return [float(v) for v in values]


def pool(*laws):
    """Counts of independent groups, added."""
    result = {(0,) * len(LAW): Fraction(1)}
    for group in laws:
        group = list(group)
        result = advance(result, lambda x, group=group: ((add(x, y), w) for y, w in group))
    return result.items()


@pytest.mark.parametrize("size", [1, 2, 4])
def test_replace(size):
    exact = trajectory(size, 4, lambda x: draws(size, frequencies(x)))
    assert workflows.replace(size, np.arange(5)) == pytest.approx(exact, rel=1e-13)


def test_replace_with_sizes():
    states, values = {(1, 0, 0): Fraction(0)}, [0.0]
    for i, size in enumerate((3, 2, 4, 1)):
        states = dict(draws(size, LAW)) if i == 0 else advance(states, lambda x, m=size: draws(m, frequencies(x)))
        values.append(float(loss(states)))
    assert workflows.replace_sizes([3, 2, 4, 1]) == pytest.approx(values, rel=1e-13)


@pytest.mark.parametrize("share", [Fraction(0), Fraction(1, 5), Fraction(1)])
def test_random_mixing(share):
    def kernel(x):
        return draws(3, [(1 - share) * f + share * q for f, q in zip(frequencies(x), LAW, strict=True)])

    assert workflows.random_mixing(3, np.arange(5), float(share)) == pytest.approx(trajectory(3, 4, kernel), rel=1e-13)


@pytest.mark.parametrize(("size", "fresh"), [(3, 1), (4, 3), (3, 0), (3, 3), (1, 1), (1, 0)])
def test_fresh_counts(size, fresh):
    def kernel(x):
        return pool(draws(size - fresh, frequencies(x)), draws(fresh, LAW))

    exact = trajectory(size, 4, kernel)
    assert workflows.fresh_counts(size, np.arange(5), fresh) == pytest.approx(exact, rel=1e-13)
    if 0 < fresh < size:  # the near miss: a random count of the same mean loses more
        assert abs(workflows.random_mixing(size, 4, fresh / size) - exact[4]) > 0.01


@pytest.mark.parametrize(("size", "kept"), [(3, 1), (3, 2), (4, 2), (3, 3), (1, 1)])
def test_fixed_set(size, kept):
    states = {
        (k, add(k, x)): w * u for k, w in draws(kept, LAW) for x, u in draws(size - kept, LAW)
    }  # (kept counts, all counts)
    values = [0.0]
    for _ in range(4):
        values.append(float(loss(states, lambda state: state[1])))
        states = advance(
            states, lambda s: (((s[0], add(s[0], x)), w) for x, w in draws(size - kept, frequencies(s[1])))
        )
    assert workflows.fixed_set(size, np.arange(5), kept) == pytest.approx(values, rel=1e-13)


@pytest.mark.parametrize(
    ("size", "retained", "fresh"),
    [(3, 0, 0), (3, 1, 0), (3, 2, 0), (4, 3, 0), (3, 3, 0), (4, 2, 1), (3, 1, 2), (1, 1, 0)],
)
def test_retain(size, retained, fresh):
    def kernel(x):
        return pool(subsets(retained, x), draws(size - retained - fresh, frequencies(x)), draws(fresh, LAW))

    exact = trajectory(size, 4, kernel)
    assert workflows.retain(size, np.arange(5), retained, fresh) == pytest.approx(exact, rel=1e-13)


def test_conserved_quantities_under_replace():
    """The other readings of v: chi-square, squared distance and the covariance of the mean of a score."""
    states = dict(draws(3, LAW))
    for _ in range(2):
        states = advance(states, lambda x: draws(3, frequencies(x)))
    lost, law = workflows.replace(3, 3), [float(q) for q in LAW]
    score = [Fraction(0), Fraction(1), Fraction(5)]
    mean = sum(q * s for q, s in zip(LAW, score, strict=True))
    variance = sum(q * (s - mean) ** 2 for q, s in zip(LAW, score, strict=True))

    def average(function):
        return float(sum(w * function(frequencies(x)) for x, w in states.items()))

    def spread(p):
        m = sum(a * s for a, s in zip(p, score, strict=True))
        return sum(a * (s - m) ** 2 for a, s in zip(p, score, strict=True))

    assert workflows.expected_chi_square(3, lost) == pytest.approx(
        average(lambda p: sum((a - q) ** 2 / q for a, q in zip(p, LAW, strict=True)))
    )
    assert workflows.expected_squared_distance(law, lost) == pytest.approx(
        average(lambda p: sum((a - q) ** 2 for a, q in zip(p, LAW, strict=True)))
    )
    assert workflows.expected_heterozygosity(law, lost) == pytest.approx(average(lambda p: 1 - sum(a * a for a in p)))
    within, between = workflows.expected_covariance(float(variance), lost)
    assert within == pytest.approx(average(spread))
    assert between == pytest.approx(average(lambda p: (sum(a * s for a, s in zip(p, score, strict=True)) - mean) ** 2))
    matrix = np.array([[2.0, 0.5], [0.5, 1.0]])
    assert np.allclose(sum(workflows.expected_covariance(matrix, lost)), matrix)


@given(st.integers(2, 40), st.data())
def test_every_row_is_one_line_of_pooled(size, data):
    """Each recursion, taken again from the general statement for a data set of groups."""
    b = data.draw(st.integers(0, size))
    r = data.draw(st.integers(0, size - b))
    a = size - b - r
    v, link = 1 / size, 1 / size  # link: a model draw and a random kept item of the fixed set
    fixed = 1 / size
    for n in range(1, 8):
        assert workflows.retain(size, n, b, r) == pytest.approx(v, rel=1e-11)
        pair = (size * v - 1) / (size - 1)
        v = float(workflows.pooled([b, r, a], [[max(pair, 0), 0, v], [0, 0, 0], [v, 0, v]]))
        if r:
            s = size - r
            assert workflows.fixed_set(size, n, r) == pytest.approx(fixed, rel=1e-10)
            fixed = float(workflows.pooled([r, s], [[0, link], [link, fixed]]))
            link = 1 / size + s / size * link


@given(st.integers(1, 30), st.data())
def test_limits_are_where_the_recursions_end(size, data):
    kept = data.draw(st.integers(1, size))
    share = data.draw(st.floats(0.05, 1))
    retained = data.draw(st.integers(0, size - kept))
    late = 200_000
    assert workflows.random_mixing(size, late, share) == pytest.approx(workflows.random_mixing_limit(size, share))
    assert workflows.fresh_counts(size, late, kept) == pytest.approx(workflows.fresh_counts_limit(size, kept))
    assert workflows.fixed_set(size, late, kept) == pytest.approx(workflows.fixed_set_limit(size, kept))
    assert workflows.fixed_set_limit(size, kept) >= 1 / kept - 1e-12
    assert workflows.retain(size, late, retained, kept) == pytest.approx(workflows.retain_limit(size, retained, kept))


def test_retain_without_fresh_items_is_moran_and_wright_fisher():
    step = (1 - workflows.retain(20, 6, 19)) / (1 - workflows.retain(20, 5, 19))
    assert step == pytest.approx(1 - 2 / 400, rel=1e-12)
    assert workflows.retain(20, 7, 0) == pytest.approx(workflows.replace(20, 7), rel=1e-13)
    assert workflows.retain_limit(20, 5) == pytest.approx(1.0)
    assert workflows.retain_limit(20, 20) == pytest.approx(1 / 20)


@pytest.mark.parametrize(("real", "synthetic", "weight"), [(1, 2, 0.7), (2, 1, 0.25), (2, 2, 0.5)])
def test_weights_by_exact_laws_of_two_states(real, synthetic, weight):
    """The share x of one state is a Markov chain on few values: x' = w R/r + (1-w) S/s, R and S binomial."""
    p, size = 0.3, real + synthetic
    law = {k / size: stats.binom.pmf(k, size, p) for k in range(size + 1)}
    for fits in (1, 2, 3):
        left = sum(chance * x * (1 - x) for x, chance in law.items()) / (p * (1 - p))
        assert 1 - workflows.weighted(size, fits, real, weight) == pytest.approx(left, rel=1e-12)
        new: dict[float, float] = {}
        for x, chance in law.items():
            for i in range(real + 1):
                for j in range(synthetic + 1):
                    y = weight * i / real + (1 - weight) * j / synthetic
                    step = stats.binom.pmf(i, real, p) * stats.binom.pmf(j, synthetic, x)
                    new[y] = new.get(y, 0) + chance * step
        law = new
    path = workflows.weighted(size, [1, 2, 200], real, weight)
    assert path[-1] == pytest.approx(workflows.weighted_limit(size, real, weight), rel=1e-12)
    if weight == real / size:
        assert path == pytest.approx(workflows.fresh_counts(size, [1, 2, 200], real), rel=1e-12)
    assert workflows.weighted_limit(size, real, 0.0) == pytest.approx(1.0)


def test_huge_and_long_keep_their_digits():
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(60):
        size, fits = mpmath.mpf(10**9), 10**6
        replaced = 1 - (1 - 1 / size) ** fits
        share = mpmath.mpf(1e-7)
        factor = (1 - 1 / size) * (1 - share) ** 2
        mixed = (1 - factor**fits) / (size * (1 - factor))
        r = 1000
        s = size - r
        top, ratio, limit = s * (s - 1) / size**2, s / size, (size + 2 * s) / (size**2 - s * (s - 1))
        fixed = limit * (1 - top**fits) - 2 / mpmath.mpf(r + 1) * (ratio**fits - top**fits)
    assert workflows.replace(10**9, fits) == pytest.approx(float(replaced), rel=1e-13)
    assert workflows.replace(10**9, 1) == pytest.approx(1e-9, rel=1e-15)
    assert workflows.random_mixing(10**9, fits, 1e-7) == pytest.approx(float(mixed), rel=1e-12)
    assert workflows.fixed_set(10**9, fits, r) == pytest.approx(float(fixed), rel=1e-11)


def test_arguments_broadcast_and_bad_ones_are_named():
    assert workflows.random_mixing([[5], [10]], [0, 1, 2], 0.1).shape == (2, 3)
    assert workflows.retain([5, 10], 3, [1, 2]).shape == (2,)
    for call, name in [
        (lambda: workflows.replace(0, 3), "sample_size"),
        (lambda: workflows.replace(2.5, 3), "sample_size"),
        (lambda: workflows.replace(2, -1), "fits"),
        (lambda: workflows.replace_sizes([[1, 2]]), "sizes"),
        (lambda: workflows.random_mixing(2, 1, 1.1), "share"),
        (lambda: workflows.fresh_counts(4, 1, 5), "real"),
        (lambda: workflows.fixed_set(4, 1, 0), "kept"),
        (lambda: workflows.retain(4, 1, 3, 2), "retained"),
        (lambda: workflows.weighted(4, 1, 4, 0.5), "real"),
        (lambda: workflows.weighted(4, 1, 2, 1.5), "weight"),
        (lambda: workflows.pooled([1, 2], [[0, 0.1], [0.2, 0]]), "symmetric"),
        (lambda: workflows.pooled([0, 0], [[0, 0], [0, 0]]), "sizes"),
        (lambda: workflows.pooled([1, 2], [0, 1]), "shared"),
        (lambda: workflows.expected_heterozygosity([0.5, 0.6], 0.1), "probabilities"),
        (lambda: workflows.expected_chi_square(3, 1.5), "lost"),
    ]:
        with pytest.raises(ValueError, match=name):
            call()


def test_the_mean_is_conserved():
    np.testing.assert_array_equal(workflows.conserved_mean([0.5, 0.3, 0.2], [1, 7]), [[0.5, 0.3, 0.2]] * 2)
    assert workflows.conserved_mean(2.0, 3).shape == ()
    with pytest.raises(ValueError, match="mean must be finite"):
        workflows.conserved_mean([np.nan], 1)
