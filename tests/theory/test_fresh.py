"""Fresh real data against the transition matrix of two states, its stationary vector and its eigenvalues."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import beta, binom

from modelcollapse_theory import fresh, lineages, workflows


def matrix(size, share, q):
    x = np.arange(size + 1)
    p = (1 - share) * x / size + share * q
    return binom.pmf(x[None], size, p[:, None])


def stationary(size, share, q):
    system = matrix(size, share, q).T - np.eye(size + 1)
    system[-1] = 1
    return np.linalg.solve(system, np.eye(size + 1)[-1])


CASES = [(1, 0.3, 0.2), (2, 0.5, 0.9), (6, 0.1, 0.3), (30, 0.05, 0.02), (30, 1.0, 0.1)]


@pytest.mark.parametrize(("size", "share", "q"), CASES)
def test_stationary_absence(size, share, q):
    law = stationary(size, share, q)
    assert fresh.absent(q, size, share) == pytest.approx(law[0], rel=1e-10)
    assert fresh.present(q, size, share) == pytest.approx(law[1:].sum(), rel=1e-10)
    both = fresh.expected_support([q, 1 - q], size, share)
    assert both == pytest.approx(2 - law[0] - law[-1], rel=1e-10)


@pytest.mark.parametrize(("size", "share", "q"), [*CASES, (6, 0.0, 0.3)])
@pytest.mark.parametrize("fits", [1, 2, 7])
def test_absence_after_some_fits(size, share, q, fits):
    start = binom.pmf(np.arange(size + 1), size, q)
    law = start @ np.linalg.matrix_power(matrix(size, share, q), fits - 1)
    assert fresh.absent(q, size, share, fits) == pytest.approx(law[0], rel=1e-11)
    assert fresh.present(q, size, share, fits) == pytest.approx(law[1:].sum(), rel=1e-11)
    assert fresh.expected_support([q, 1 - q], size, share, fits) == pytest.approx(2 - law[0] - law[-1], rel=1e-11)


def test_without_real_data_it_is_the_lineage_law():
    got = fresh.absent([0.1, 0.4], 25, 0.0, 12)
    assert got == pytest.approx(lineages.lineage_generating(25, 12, np.array([0.9, 0.6])), rel=1e-11)


def test_absence_grows_towards_the_stationary_value_and_begins_with_the_truth():
    path = [float(fresh.absent(0.1, 20, 0.2, n)) for n in range(1, 60)]
    assert np.all(np.diff(path) >= 0)
    assert path[-1] == pytest.approx(fresh.absent(0.1, 20, 0.2), rel=1e-6)
    assert (fresh.absent(0.1, 20, 0.2, 0), fresh.present(0.1, 20, 0.2, 0), fresh.present(0.0, 20, 0.2, 0)) == (0, 1, 0)
    assert (float(fresh.present(0.0, 20, 0.2)), float(fresh.present(1.0, 20, 0.2))) == pytest.approx((0, 1))


@pytest.mark.parametrize(("size", "share", "q"), CASES)
def test_stationary_moments(size, share, q):
    law, x = stationary(size, share, q), np.arange(size + 1) / size
    exact = [law @ x**m for m in range(9)]
    assert fresh.stationary_moments(q, size, share, 8) == pytest.approx(exact, rel=1e-10)


def test_two_moments_are_those_of_the_dirichlet_and_of_the_loss():
    q, size, share = 0.3, 40, 0.03
    a, b = fresh.stationary_dirichlet([q, 1 - q], size, share)
    moments = fresh.stationary_moments(q, size, share, 2)
    assert (moments[1], moments[2]) == pytest.approx((beta.mean(a, b), beta.var(a, b) + beta.mean(a, b) ** 2))
    assert 2 * (moments[1] - moments[2]) == pytest.approx(
        workflows.expected_heterozygosity([q, 1 - q], workflows.random_mixing_limit(size, share))
    )
    # the diffusion's 2 M g is the near miss
    assert fresh.theta(size, share) < 0.97 * 2 * size * share


def test_spectrum_and_memory():
    size, share, q = 8, 0.15, 0.3
    found = np.sort(np.linalg.eigvals(matrix(size, share, q)).real)[::-1]
    assert found == pytest.approx(fresh.eigenvalues(size, share), abs=1e-9)
    law, x = stationary(size, share, q), np.arange(size + 1)
    later = np.linalg.matrix_power(matrix(size, share, q), 5) @ x
    mean = law @ x
    assert (law * x) @ later - mean**2 == pytest.approx(fresh.correlation(share, 5) * (law @ x**2 - mean**2), rel=1e-9)


@pytest.mark.parametrize(("size", "share"), [(3, 0.25), (20, 0.1)])
def test_founders(size, share):
    """A state so rare that two founders of it are impossible is present with probability q times their number."""
    founders = fresh.expected_founders(size, share)
    assert fresh.present(1e-12, size, share) == pytest.approx(1e-12 * founders, rel=1e-9)
    ewens = sum(2 * size * share / (2 * size * share + i) for i in range(size))
    assert founders > ewens


def test_founders_of_two_items_by_hand():
    g = Fraction(1, 4)
    # both real: two; one real: one and what one item has, always one; none real: merge or remain two
    both, one, none = g * g, 2 * g * (1 - g), (1 - g) ** 2
    exact = (2 * both + 2 * one + none / 2) / (1 - none / 2)
    assert fresh.expected_founders(2, 0.25) == pytest.approx(float(exact), rel=1e-14)


def test_tiny_shares_and_probabilities_keep_their_digits():
    mpmath = pytest.importorskip("mpmath")
    size, share, q = 4, mpmath.mpf(1e-9), mpmath.mpf(1e-8)
    with mpmath.workdps(60):
        p = [(1 - share) * mpmath.mpf(x) / size + share * q for x in range(size + 1)]
        t = mpmath.matrix(size + 1, size + 1)
        for x in range(size + 1):
            for y in range(size + 1):
                t[y, x] = mpmath.binomial(size, y) * p[x] ** y * (1 - p[x]) ** (size - y) - (x == y)
        for x in range(size + 1):
            t[size, x] = 1
        law = mpmath.lu_solve(t, mpmath.matrix([0] * size + [1]))
        exact = float(sum(law[1:]))
    assert fresh.present(1e-8, 4, 1e-9) == pytest.approx(exact, rel=1e-13)


def test_branching_total_against_plain_summation():
    for share in (1.0, 0.3, 0.02, 2e-4):
        b, terms = 1.0, []
        while b > 1e-18:
            terms.append(b)
            b = -np.expm1(-(1 - share) * b)
        assert fresh.branching_total(share) == pytest.approx(sum(terms), abs=1e-4)
    assert 2000 * 0.02 * fresh.branching_total(0.02) == pytest.approx(fresh.expected_founders(2000, 0.02), rel=2e-3)


def test_approximations_of_absence():
    """Errors at M = 400, g = 0.02, q = 0.005: the branching one is 1/M small, the Beta one is not."""
    exact = float(fresh.absent(0.005, 400, 0.02))
    assert fresh.absent_branching(0.005, 400, 0.02) == pytest.approx(exact, abs=0.003)
    assert fresh.absent_branching(0.00125, 1600, 0.02) == pytest.approx(fresh.absent(0.00125, 1600, 0.02), abs=0.001)
    assert 0.008 < fresh.absent_beta(0.005, 400, 0.02) - exact < 0.011
    theta = 2 * 400 * 0.02
    x = np.linspace(0, 1, 2_000_001)[1:-1]
    weight = x ** (theta * 0.2 - 1) * (1 - x) ** (theta * 0.8 - 1)
    assert fresh.absent_beta(0.2, 400, 0.02) == pytest.approx((weight * (1 - x) ** 400).sum() / weight.sum(), rel=1e-3)


@pytest.mark.parametrize(("size", "q", "failure"), [(40, 0.1, 0.2), (400, 0.05, 0.1), (40, 0.1, 0.0148)])
def test_minimal_share(size, q, failure):
    share = fresh.minimal_share(q, size, failure)
    assert stationary(size, share, q)[0] == pytest.approx(failure, rel=1e-6)
    assert fresh.absent(q, size, share * 0.99) > failure
    naive = np.log(1 / failure) / (size * q)
    assert share < naive


def test_minimal_share_at_the_ends():
    assert fresh.minimal_share(0.3, 10, 0.7) == 0
    assert fresh.minimal_share(0.3, 10, 0.7**10) == pytest.approx(1.0)
    with pytest.raises(ValueError, match=r"failure.*0\.0282"):
        fresh.minimal_share(0.3, 10, 0.02)


def test_bad_arguments_are_named():
    for call, name in [
        (lambda: fresh.absent(0.1, 10, 0.0), "share"),
        (lambda: fresh.absent(0.1, 10**6, 0.1), "sample_size"),
        (lambda: fresh.absent(1.1, 10, 0.1), "probability"),
        (lambda: fresh.theta(10, 2), "share"),
        (lambda: fresh.branching_total(0), "share"),
        (lambda: fresh.correlation(0.5, -1), "lag"),
        (lambda: fresh.stationary_moments(0.5, 5, 0.1, 1.5), "order"),
    ]:
        with pytest.raises(ValueError, match=name):
            call()


def test_many_fits_at_once_are_those_fits_one_by_one():
    fits, q = np.array([[0, 1], [7, 3]]), [0.0, 0.02, 0.3]
    for function in (fresh.absent, fresh.present):
        together = function(q, 12, 0.1, fits)
        assert together.shape == (2, 2, 3)
        alone = [[function(one, 12, 0.1, int(n)) for one in q] for n in fits.ravel()]
        assert together.reshape(4, 3) == pytest.approx(np.array(alone), rel=1e-13)
    law = [0.5, 0.3, 0.2]
    alive = fresh.expected_support(law, 12, 0.1, fits)
    assert alive == pytest.approx(fresh.present(law, 12, 0.1, fits).sum(-1), rel=1e-13)
    assert alive[0, 0] == 3
    assert isinstance(fresh.expected_support(law, 12, 0.1, 4), float)
    with pytest.raises(ValueError, match="fits"):
        fresh.expected_support(law, 12, 0.1, [1, -1])
