"""First passage of the exact log chi-square walk, solved as a linear system on a fine grid."""

import numpy as np
import pytest
from scipy import special, stats

from modelcollapse_theory import gaussian, hitting


def passage(threshold, size, ddof, fits):
    """Mean, variance and P(T <= fits) of the walk of the log variance, discretised at 0.08 of its step."""
    law = stats.chi2(size - 1)
    sd = np.sqrt(float(gaussian.variance_log_variance(size, 1)))
    depth = -np.log(threshold)
    top = 14.0  # the walk's excursions above 0 are exponential with mean s^2/(2 m), about 1
    cells = int(np.ceil((depth + top) / (0.08 * sd)))
    edges = np.linspace(-depth, top, cells + 1)
    centres = (edges[1:] + edges[:-1]) / 2
    ends = law.cdf((size - ddof) * np.exp(edges[None, :] - centres[:, None]))
    step = np.diff(ends)
    step[:, -1] += 1 - ends[:, -1]  # the top cell keeps what would leave it
    start = np.diff(law.cdf((size - ddof) * np.exp(edges)))
    ones = np.ones(cells)
    system = np.linalg.inv(np.eye(cells) - step)
    mean = system @ ones
    second = system @ (ones + 2 * step @ mean)  # E T^2 = E (1 + T')^2
    first = start @ mean
    alive = start.copy()
    for _ in range(fits - 1):
        alive = alive @ step
    mean_time = 1 + first
    return mean_time, 1 + 2 * first + start @ second - mean_time**2, 1 - alive.sum()


@pytest.mark.parametrize(("size", "ddof", "threshold"), [(20, 1, 0.01), (60, 1, 0.1), (60, 0, 0.01)])
def test_hitting_time_against_the_walk_itself(size, ddof, threshold):
    middle = int(hitting.expected_hitting_time(threshold, size, ddof=ddof))
    mean, variance, chance = passage(threshold, size, ddof, middle)
    found = hitting.expected_hitting_time(threshold, size, ddof=ddof)
    assert found == pytest.approx(mean, abs=2)
    drift, sd = -gaussian.expected_log_variance(size, 1, ddof=ddof), np.sqrt(gaussian.variance_log_variance(size, 1))
    uncorrected = -np.log(threshold) / drift
    assert uncorrected < mean
    assert abs(found - mean) < 0.35 * abs(uncorrected - mean)
    doubled = found + hitting.SIEGMUND * sd / drift
    assert abs(found - mean) < 0.35 * abs(doubled - mean)
    assert hitting.variance_hitting_time(threshold, size, ddof=ddof) == pytest.approx(variance, rel=0.06)
    assert hitting.hitting_time_cdf(middle, threshold, size, ddof=ddof) == pytest.approx(chance, abs=0.01)
    assert hitting.hitting_time_cdf(middle, threshold, size, ddof=ddof) > gaussian.log_variance_cdf(
        np.log(threshold), size, middle, ddof=ddof
    )


def test_siegmund_constant_is_a_zeta_value():
    """-zeta(1/2)/sqrt(2 pi), the zeta value by its alternating series."""
    terms = np.arange(1, 200_001, dtype=float) ** -0.5
    alternating = np.cumsum(terms * (-1) ** np.arange(200_000))
    eta = (alternating[-1] + alternating[-2]) / 2
    zeta = eta / (1 - np.sqrt(2))
    assert pytest.approx(-zeta / np.sqrt(2 * np.pi), abs=1e-8) == hitting.SIEGMUND


@pytest.mark.parametrize("ddof", [0, 1])
def test_the_median_is_a_half_after_one_half_life(ddof):
    for size in (10, 200):
        life = hitting.half_life(size, ddof=ddof)
        fits = round(float(life) * 6)
        below = gaussian.log_variance_cdf(-np.log(2) * fits / life, size, fits, ddof=ddof)
        assert below == pytest.approx(0.5, abs=0.03)
        exact = np.log(2) / (np.log((size - ddof) / 2) - special.psi((size - 1) / 2))
        assert life == pytest.approx(exact, rel=1e-10)
    assert hitting.half_life(10**6) == pytest.approx((10**6 - 1) * np.log(2), rel=1e-5)


@pytest.mark.parametrize("threshold", [0.0, 1.0, -1.0, 2.0])
def test_refusals(threshold):
    with pytest.raises(ValueError, match="threshold must lie in"):
        hitting.expected_hitting_time(threshold, 10)
