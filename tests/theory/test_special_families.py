"""Gamma, uniform and Pareto walks, against quadrature over the law of the estimator itself."""

from itertools import pairwise

import mpmath
import numpy as np
import pytest
from scipy import integrate, stats

from modelcollapse_theory import special_families as sf


def log_moments(law, function):
    """Mean and variance of log(function(x)) under a scipy law."""
    cuts = law.ppf([1e-18, 1e-6, 0.1, 0.9, 1 - 1e-6, 1 - 1e-15])

    def integral(power, centre):
        return sum(
            integrate.quad(lambda x: (np.log(function(x)) - centre) ** power * law.pdf(x), a, b, epsabs=1e-12)[0]
            for a, b in pairwise(cuts)
        )

    mean = integral(1, 0.0)
    return mean, integral(2, mean)


@pytest.mark.parametrize(("shape", "size"), [(1.0, 3), (0.5, 8), (4.0, 25)])
def test_gamma_mean(shape, size):
    law = stats.gamma(shape * size)
    mean, variance = log_moments(law, lambda x: x / (shape * size))
    found = sf.gamma_log_mean(size, 7, shape=shape)
    assert found[0] == pytest.approx(7 * mean, rel=1e-7)
    assert found[1] == pytest.approx(7 * variance, rel=1e-7)
    moment = integrate.quad(lambda x: (x / (shape * size)) ** 1.7 * law.pdf(x), 0, np.inf)[0]
    assert np.exp(sf.gamma_mean_cgf(1.7, size, 1, shape=shape)) == pytest.approx(moment, rel=1e-7)
    assert sf.gamma_mean_cgf(1.0, size, 9, shape=shape) == pytest.approx(0, abs=1e-14)
    assert np.isposinf(sf.gamma_mean_cgf(-shape * size, size, 1, shape=shape))


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("size", [1, 4, 60])
def test_uniform_end(size, unbiased):
    """The maximum of M uniforms is Beta(M, 1)."""
    scale = (size + 1) / size if unbiased else 1.0
    mean, variance = log_moments(stats.beta(size, 1), lambda x: scale * x)
    found = sf.uniform_log_end(size, 5, unbiased=unbiased)
    assert found[0] == pytest.approx(5 * mean, rel=1e-6)
    assert found[1] == pytest.approx(5 * variance, rel=1e-6)
    x = np.array([-2.0, -0.5, -0.01, 0.3])
    one = stats.beta.cdf(np.exp(x) / scale, size, 1)
    assert sf.uniform_end_cdf(x, size, 1, unbiased=unbiased) == pytest.approx(one, rel=1e-12)
    # P(Y1 Y2 <= r) for two maxima, each with distribution function y^M
    r = np.minimum(np.exp(x) / scale**2, 1.0)
    two = r**size * (1 - size * np.log(r))
    assert sf.uniform_end_cdf(x, size, 2, unbiased=unbiased) == pytest.approx(two, rel=1e-12)


@pytest.mark.parametrize(("unbiased", "size"), [(False, 1), (False, 5), (True, 2), (True, 5), (True, 40)])
def test_pareto_index(size, unbiased):
    """The logarithms are exponential, so their sum is Gamma(M) over the index."""
    top = size - 1 if unbiased else size
    mean, variance = log_moments(stats.gamma(size), lambda g: top / g)
    found = sf.pareto_log_index(size, 3, unbiased=unbiased)
    assert found[0] == pytest.approx(3 * mean, rel=1e-6)
    assert found[1] == pytest.approx(3 * variance, rel=1e-6)
    assert (found[0] < 0) == unbiased
    moment = integrate.quad(lambda g: (top / g) ** 0.6 * stats.gamma.pdf(g, size), 0, np.inf, limit=200)[0]
    assert np.exp(sf.pareto_index_cgf(0.6, size, 1, unbiased=unbiased)) == pytest.approx(moment, rel=1e-5)
    if unbiased:
        assert sf.pareto_index_cgf(1.0, size, 6, unbiased=True) == pytest.approx(0, abs=1e-13)
    assert np.isposinf(sf.pareto_index_cgf(size, size, 1, unbiased=unbiased))


def test_a_billion_draws_keep_their_digits():
    size, fits = 10**9, 10**6
    with mpmath.workdps(50):
        m = mpmath.mpf(size)
        gamma = float(fits * (mpmath.digamma(m) - mpmath.log(m)))
        uniform = float(fits * (mpmath.log(1 + 1 / m) - 1 / m))
        pareto = float(fits * (mpmath.log(m - 1) - mpmath.digamma(m)))
    assert sf.gamma_log_mean(size, fits)[0] == pytest.approx(gamma, rel=1e-13)
    assert sf.uniform_log_end(size, fits, unbiased=True)[0] == pytest.approx(uniform, rel=1e-13)
    assert sf.pareto_log_index(size, fits, unbiased=True)[0] == pytest.approx(pareto, rel=1e-13)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sf.gamma_log_mean(0, 1), "sample_size must be at least 1"),
        (lambda: sf.gamma_log_mean(3, 1, shape=-1.0), "shape must be positive"),
        (lambda: sf.pareto_log_index(1, 1, unbiased=True), "sample_size must be at least 2"),
        (lambda: sf.uniform_end_cdf(0.0, 3, 0), "fits must be at least 1"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
