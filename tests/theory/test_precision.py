"""Rounded normals by their Fourier series, ridged chains by integrals, two rounded rows by plain double sums."""

import numpy as np
import pytest
from scipy import integrate, special, stats

from modelcollapse_theory import gaussian, precision


def test_spacing_is_that_of_the_floating_types():
    values = np.array([1.0, 1.5, 1.999, -3.0, 0.1, 1e4])
    for dtype, known in (("float64", np.float64), ("float32", np.float32), ("float16", np.float16)):
        # NumPy's spacing of a number rounded up to the next power of two is that of the binade above
        expected = [float(np.spacing(known(np.exp2(np.floor(np.log2(abs(v))))))) for v in values]
        assert precision.spacing(values, dtype).tolist() == expected
    assert precision.spacing(1.0, "bfloat16") == 2.0**-7


def fourier(mean, s, terms=40):
    """Mean and variance of a normal rounded to whole numbers, by Poisson summation."""
    k = np.arange(1, terms)
    q = (-1.0) ** k * np.exp(-2 * (np.pi * k * s) ** 2)
    shift = (q * np.sin(2 * np.pi * k * mean) / (np.pi * k)).sum()
    second = (q * np.cos(2 * np.pi * k * mean) * (4 * s**2 + 1 / (np.pi * k) ** 2)).sum()
    return mean + shift, s**2 + 1 / 12 + second - shift**2


@pytest.mark.parametrize("mean", [0.0, 0.5, 0.2, -7.3])
@pytest.mark.parametrize("s", [0.2, 0.5, 1.0, 3.0])
def test_rounded_moments_by_their_fourier_series(mean, s):
    found = precision.rounded_moments(mean, s, 1.0)
    assert found == pytest.approx(fourier(mean, s), abs=1e-12)
    scaled = precision.rounded_moments(mean / 8, s / 8, 1 / 8)
    assert scaled == pytest.approx((found[0] / 8, found[1] / 64), abs=1e-13)
    if s >= 0.5:
        assert abs(found[1] - s**2 - 1 / 12) <= (4 * s**2 + 1) * np.exp(-2 * (np.pi * s) ** 2) + 1e-13


def test_a_point_is_rounded_to_a_point():
    assert precision.rounded_moments([0.3, 0.6], 0.0, 1.0)[0].tolist() == [0.0, 1.0]
    assert precision.rounded_moments([0.3, 0.6], 0.0, 1.0)[1].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("ddof", [0, 1])
def test_fed_variance_by_iteration(ddof):
    v, kept = 2.0, (9 - 1) / (9 - ddof)
    for n in range(6):
        assert precision.fed_variance(2.0, 0.3, 9, n, ddof=ddof) == pytest.approx(v, rel=1e-14)
        v = kept * (v + 0.3)


@pytest.mark.parametrize("ddof", [0, 1])
def test_two_fits_of_the_ridged_law_by_an_integral(ddof):
    size, start, ridge = 12, 2.0, 0.5
    law, divisor = stats.chi2(size - 1), size - ddof
    for level in (0.5, 1.5, 4.0):
        assert precision.fed_variance_cdf(level, start, ridge, size, 1, ddof=ddof) == pytest.approx(
            law.cdf(divisor * level / (start + ridge)), abs=1e-6
        )

        def then(g, level=level):
            before = level * divisor / g - ridge
            return law.pdf(g) * law.cdf(divisor * before / (start + ridge)) if before > 0 else 0.0

        exact = integrate.quad(then, 0, divisor * level / ridge, limit=200, epsabs=1e-10)[0]
        assert precision.fed_variance_cdf(level, start, ridge, size, 2, ddof=ddof) == pytest.approx(exact, abs=1e-6)


def test_without_a_ridge_worth_the_name_it_is_the_free_walk():
    for level in (0.4, 1.0):
        found = precision.fed_variance_cdf(level, 1.0, 1e-9, 30, 10)
        assert found == pytest.approx(gaussian.log_variance_cdf(np.log(level), 30, 10), abs=1e-5)


@pytest.mark.parametrize("ddof", [0, 1])
def test_the_settled_law(ddof):
    """Its mean, the identity at rest, and the inverse gamma law of large samples."""
    ridge, size = 1 / 12, 40
    levels = np.geomspace(1e-3, 1e7, 40_001)
    settled = precision.fed_variance_cdf(levels, 3.0, ridge, size, 1500, ddof=ddof)
    # E f(v) = f(inf) - int f' F
    slope = -1 / levels / (levels / ridge + 1)  # of log(1 + ridge/v)
    found = -np.trapezoid(slope * settled * levels, np.log(levels))
    assert found == pytest.approx(np.log((size - ddof) / 2) - special.digamma((size - 1) / 2), rel=1e-4)
    if ddof == 0:
        mean = np.trapezoid((1 - settled) * levels, np.log(levels))
        assert mean == pytest.approx(precision.fed_variance(3.0, ridge, size, 1500, ddof=0), rel=1e-3)
    large = 1000
    limit = stats.invgamma(2 - ddof, scale=large * ridge)
    far = limit.ppf([0.1, 0.5, 0.9])
    found = precision.fed_variance_cdf(far, large * ridge, ridge, large, 20 * large, ddof=ddof)
    assert found == pytest.approx([0.1, 0.5, 0.9], abs=1 / large)


def test_two_rows_by_double_sums():
    def pair(sd):
        k = np.arange(-300, 301)
        p = stats.norm.cdf((k + 0.5) / sd) - stats.norm.cdf((k - 0.5) / sd)
        both = np.outer(p, p)
        return np.array([both.trace(d) + (both.trace(-d) if d else 0) for d in range(61)])

    law = pair(2.0)
    expected = [law[0]]
    for _ in range(2):
        law = law[0] * np.eye(61)[0] + sum(law[d] * pair(d / np.sqrt(2)) for d in range(1, 61))
        expected.append(law[0])
    found = precision.pair_absorbed(0.5, 0.25, np.array([1, 2, 3]))
    assert found == pytest.approx(expected, abs=1e-10)


def test_resolution_is_lost_when_the_note_says():
    """72 M, 33 M and 15 M fits, half of that by maximum likelihood; at most the overshoot above Wald's bound."""
    for dtype, factor in (("float64", 72.6), ("float32", 32.9), ("float16", 15.1), ("bfloat16", 11.0)):
        h = precision.spacing(1.0, dtype)
        assert precision.resolution_time(1.0, h, 100) / 100 == pytest.approx(factor, abs=0.1)
        assert precision.resolution_time(1.0, h, 100, ddof=0) / 100 == pytest.approx(factor / 2, rel=0.02)
        least = 2 * np.log(2 / h) / -gaussian.expected_log_variance(100, 1)
        assert least < precision.resolution_time(1.0, h, 100) < least + 10


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: precision.spacing(0.0, "float32"), r"\|value\| must be positive"),
        (lambda: precision.spacing(1.0, "float8"), "dtype must be one of"),
        (lambda: precision.rounded_moments(0.0, -1.0, 1.0), "deviation must lie in"),
        (lambda: precision.rounded_moments(0.0, 1.0, 0.0), "spacing must be positive"),
        (lambda: precision.fed_variance(1.0, -1.0, 5, 1), "ridge must lie in"),
        (lambda: precision.fed_variance_cdf(1.0, 1.0, 0.1, 5000, 1), "sample_size must be at most 2000"),
        (lambda: precision.fed_variance_cdf(1.0, 1.0, 0.0, 50, 1), "ridge must be positive"),
        (lambda: precision.fed_variance_cdf(1.0, 1.0, 0.1, 50, 1, ddof=2), "ddof must be one of"),
        (lambda: precision.pair_absorbed(101.0, 1.0, 2), "deviation / spacing must lie in"),
        (lambda: precision.pair_absorbed(1.0, 1.0, 0), "fits must be at least 1"),
        (lambda: precision.resolution_time(1.0, 3.0, 10), r"spacing / \(2 deviation\) must lie in"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
