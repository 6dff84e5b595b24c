"""Posterior sampling of normal, Poisson and gamma laws against quadrature, whole chains of counts, and plain draws."""

import math

import numpy as np
import pytest
from scipy import integrate, special, stats

from modelcollapse_theory import NotCovered
from modelcollapse_theory import iterated_families as theory


def of_ratio(function, top, bottom):
    """E function(x) of x ~ F(top, bottom), by quadrature over its logarithm."""

    def integrand(t):
        x = math.exp(t)
        return function(x) * stats.f.pdf(x, top, bottom) * x

    return integrate.quad(integrand, -40, 40, epsabs=1e-12, limit=800, points=[0.0])[0]


@pytest.mark.parametrize("size", [4, 12])
def test_reference_prior_of_a_variance(size):
    nu = size - 1
    mean, spread = theory.reference_log_variance(size, [0, 1, 3])
    assert mean == pytest.approx([0, 0, 0])
    assert of_ratio(math.log, nu, nu) == pytest.approx(0, abs=1e-9)
    assert spread == pytest.approx([0, 1, 3] * np.array(of_ratio(lambda x: math.log(x) ** 2, nu, nu)), rel=1e-8)
    for order in (0.5, 1.0, -1.0):
        moment = of_ratio(lambda x, order=order: x**order, nu, nu)
        assert theory.reference_variance_moment(order, size, [0, 1, 4]) == pytest.approx(
            [1, moment, moment**4], rel=1e-7
        )
    assert theory.reference_variance_moment(1.0, size, 5) == pytest.approx((nu / (nu - 2)) ** 5)
    assert np.isinf(theory.reference_variance_moment(nu / 2, size, 1))
    assert theory.reference_variance_moment(nu / 2, size, 0) == 1


def test_the_ratio_is_that_of_the_posterior():
    """P(sigma'^2 < x) under data of variance 1: scatter S ~ chi2_nu, then S/chi2_nu, by quadrature over S."""
    nu = 5
    for x in (0.3, 1.0, 2.5):
        chance = integrate.quad(lambda s, x=x: stats.chi2.pdf(s, nu) * stats.chi2.sf(s / x, nu), 0, 80)[0]
        assert chance == pytest.approx(stats.f.cdf(x, nu, nu), rel=1e-9)


CHAINS = 60_000


def wishart_roots(rng, degrees, d):
    """Lower Bartlett factors of CHAINS Wishart matrices."""
    root = np.tril(rng.standard_normal((CHAINS, d, d)), -1)
    root[:, np.arange(d), np.arange(d)] = np.sqrt(rng.chisquare(degrees - np.arange(d), (CHAINS, d)))
    return root


def posterior_step(rng, mu, sigma, base, size, a, per):
    """One data set of ``size`` rows a chain, and a draw from the posterior, all by plain NumPy."""
    d = mu.shape[1]
    root = np.linalg.cholesky(sigma)
    average = mu + np.einsum("cij,cj->ci", root, rng.standard_normal((CHAINS, d))) / math.sqrt(size)
    half = root @ wishart_roots(rng, size - 1, d)
    off = average - base[0]
    total = a + size
    scale = a * base[1] + half @ half.swapaxes(1, 2) + (a * size / total) * off[:, :, None] * off[:, None, :]
    centre = (a * base[0] + size * average) / total
    # inverse Wishart: L (W^-1) L^T with scale = L L^T and W standard of a + M - 1 degrees of freedom
    inner = np.linalg.inv(wishart_roots(rng, total - 1, d))
    outer = np.linalg.cholesky(scale) @ inner.swapaxes(1, 2)
    new = outer @ outer.swapaxes(1, 2)
    noise = np.einsum("cij,cj->ci", np.linalg.cholesky(new), rng.standard_normal((CHAINS, d))) / math.sqrt(total)
    return centre + noise, new, centre, scale


def near(seen, exact, sigmas=5.0):
    error = seen.std(0) / math.sqrt(len(seen))
    return np.all(np.abs(seen.mean(0) - exact) <= sigmas * error + 1e-12)


MU, SIGMA = np.array([1.0, -0.5]), np.array([[2.0, 0.5], [0.5, 1.0]])
AT = np.array([0.4, 0.0]), np.array([[1.0, 0.3], [0.3, 2.0]])


def test_normal_inverse_wishart_against_plain_draws():
    rng = np.random.default_rng(3)
    mu, sigma = np.broadcast_to(MU, (CHAINS, 2)), np.broadcast_to(SIGMA, (CHAINS, 2, 2))
    for fits in (1, 2):
        mu, sigma, _, _ = posterior_step(rng, mu, sigma, AT, 12, 3.5, "fit")
        mean, error, spread = theory.normal_moments(MU, SIGMA, *AT, [12] * fits, 3.5)
        early = theory.normal_moments(MU, SIGMA, *AT, [12] * (fits - 1), 3.5)
        larger = theory.normal_moments(MU, SIGMA, *AT, [14] * fits, 3.5)
        off = mu - MU
        assert near(mu, mean[-1])
        assert near(sigma, spread[-1])
        assert near(off[:, :, None] * off[:, None, :], error[-1])
        for near_miss in (early, larger):
            assert not near(off[:, :, None] * off[:, None, :], near_miss[1][-1])


def test_normal_items_of_their_own_posterior():
    """Each item a Student t: fitted by the posterior's mean and scale, of which an item has (A + 1)/(A (A - d - 2))."""
    rng, size, a = np.random.default_rng(4), 10, 2.0
    total = a + size
    mu, sigma = np.broadcast_to(MU, (CHAINS, 2)), np.broadcast_to(SIGMA, (CHAINS, 2, 2))
    _, _, centre, scale = posterior_step(rng, mu, sigma, AT, size, a, "item")
    for fits in (1, 2):
        mean, error, spread = theory.normal_moments(MU, SIGMA, *AT, [size] * fits, a, per="item")
        item = scale * (total + 1) / (total * (total - 4))
        off = centre - MU
        assert near(centre, mean[-1])
        assert near(item, spread[-1])
        assert near(off[:, :, None] * off[:, None, :], error[-1])
        rows = []
        for _ in range(size):  # each row with its own parameters
            inner = np.linalg.inv(wishart_roots(rng, total - 1, 2))
            root = np.linalg.cholesky(scale) @ inner.swapaxes(1, 2)
            root = np.linalg.cholesky(root @ root.swapaxes(1, 2)) * math.sqrt(1 + 1 / total)
            rows.append(centre + np.einsum("cij,cj->ci", root, rng.standard_normal((CHAINS, 2))))
        data = np.stack(rows, 1)
        average = data.mean(1)
        scatter = np.einsum("cni,cnj->cij", data - average[:, None], data - average[:, None])
        gap = average - AT[0]
        scale = a * AT[1] + scatter + (a * size / total) * gap[:, :, None] * gap[:, None, :]
        centre = (a * AT[0] + size * average) / total


def test_pivots_under_the_reference_prior():
    rng, size, d = np.random.default_rng(5), 7, 3
    sigma = np.broadcast_to(np.eye(d), (CHAINS, d, d))
    _, new, _, _ = posterior_step(rng, np.zeros((CHAINS, d)), sigma, (np.zeros(d), np.eye(d)), size, 0.0, "fit")
    logs = 2 * np.log(np.diagonal(np.linalg.cholesky(new), axis1=1, axis2=2))
    drift, spread = theory.reference_pivots(size, d)
    assert near(logs, drift)
    assert not near(logs, drift[::-1])
    assert drift.sum() == pytest.approx(0, abs=1e-14)
    whole = logs.sum(1)
    assert near((whole**2)[:, None], spread)
    assert theory.reference_pivots(12, 1) == (pytest.approx([0.0]), pytest.approx(2 * special.polygamma(1, 5.5)))


@pytest.mark.parametrize("per", ["fit", "item"])
@pytest.mark.parametrize("d", [1, 3])
def test_where_the_normal_moments_settle(d, per):
    a = 7.5
    spread, error = theory.normal_limit(20, d, a, per=per)
    base = np.zeros(d), np.eye(d)
    path = theory.normal_moments(np.full(d, 3.0), 5 * np.eye(d), *base, [20] * 3000, a, per=per)
    about = path[1][-1] + np.outer(path[0][-1] - 3, np.full(d, 3.0)) + 3 * np.outer(np.ones(d), path[0][-1])
    assert path[2][-1] == pytest.approx(spread * np.eye(d), rel=1e-8, abs=1e-8)
    assert about == pytest.approx(error * np.eye(d), rel=1e-7, abs=1e-7)
    if per == "fit":
        assert (spread, error) == pytest.approx((a / (a - d - 2), 1 / (a - d - 2)))
        assert theory.normal_limit(500, d, a) == pytest.approx((spread, error))  # the prior's, whatever M
        assert theory.normal_limit(20, d, d + 2.0) == (np.inf, np.inf)


def test_the_reference_prior_grows():
    _, error, spread = theory.normal_moments([0.0], [[1.0]], [0.0], [[1.0]], [12] * 4, 0.0)
    grown = (11 / 9) ** np.arange(5)
    assert spread.ravel() == pytest.approx(grown)
    assert error.ravel() == pytest.approx([0, *np.cumsum((grown[1:] + grown[:-1]) / 12)])
    items = theory.normal_moments([0.0], [[1.0]], [0.0], [[1.0]], [20] * 2, 0.0, per="item")[2]
    assert items.ravel() == pytest.approx([1, 1.173529, 1.173529**2], rel=1e-6)  # (1 + 1/M) nu/(nu - 2)


@pytest.mark.parametrize("per", ["fit", "item"])
def test_poisson_by_the_whole_chain_of_totals(per):
    m0, base, a, sizes = 1.5, 0.75, 2.5, [3, 2, 4]
    law = stats.poisson.pmf(np.arange(250), sizes[0] * m0)
    seen, total = [], np.arange(250)
    for size, then in zip(sizes, [*sizes[1:], 1], strict=True):
        shape, rate = a * base + total, a + size
        mean = shape / rate
        second = mean**2 + (shape / rate**2 if per == "fit" else 0)
        seen.append((law @ mean, law @ (second - 2 * m0 * mean + m0**2)))
        # a total of items with one mean, or of items that have one each: negative binomial both ways
        number, chance = (shape, rate / (rate + then)) if per == "fit" else (then * shape, rate / (rate + 1))
        law = law @ stats.nbinom.pmf(total[None], number[:, None], chance)
    found = theory.poisson_moments(m0, base, sizes, a, per=per)
    assert np.allclose(np.column_stack(found)[1:], seen, 1e-9)
    assert (found[0][0], found[1][0]) == (m0, 0)


def test_poisson_settles_at_the_prior_or_walks_twice_as_fast():
    mean, error = theory.poisson_moments(4.0, 2.0, [5] * 400, 3.0)
    assert (mean[-1], error[-1] - 4) == pytest.approx((2, 2 / 3))  # Gamma(a m, rate a): variance m/a
    assert theory.poisson_moments(4.0, 2.0, [5] * 3, 0.0)[1] == pytest.approx(2 * np.arange(4) * 4 / 5)


def test_gamma_by_quadrature_over_data_and_posterior():
    k, m0, base, a, size = 2.0, 1.5, 0.75, 1.5, 3
    degrees = k * (a + size)

    def exact(mean, order):
        """E m'^order given a fit of this mean: the posterior's own moment, over all totals."""
        inverse = math.exp(special.gammaln(degrees - order) - special.gammaln(degrees))
        law = stats.gamma(k * size, scale=mean / k)
        return integrate.quad(lambda t: (k * (a * base + t)) ** order * inverse * law.pdf(t), 0, 200)[0]

    first = theory.gamma_moments(k, m0, base, [size], a)
    assert first[0][1] == pytest.approx(exact(m0, 1), rel=1e-8)
    assert first[1][1] == pytest.approx(exact(m0, 2) - 2 * m0 * exact(m0, 1) + m0**2, rel=1e-8)
    # E m'^2 is a quadratic function of m: three of its values are the step
    step = np.polyfit([1, 2, 3], [exact(m, 2) for m in (1, 2, 3)], 2)
    line = np.polyfit([1, 2], [exact(m, 1) for m in (1, 2)], 1)
    second = first[1][1] + 2 * m0 * first[0][1] - m0**2
    after = step @ [second, first[0][1], 1]
    then = theory.gamma_moments(k, m0, base, [size, size], a)
    assert then[0][2] == pytest.approx(line @ [first[0][1], 1], rel=1e-8)
    assert then[1][2] == pytest.approx(after - 2 * m0 * then[0][2] + m0**2, rel=1e-8)


def test_gamma_settles_at_the_prior_or_walks_without_drift():
    mean, error = theory.gamma_moments(2.0, 1.0, 1.5, [4] * 600, 3.0)
    stationary = 2 * 3 * 1.5 / 5
    spread = (2 * 3 * 1.5) ** 2 / (5**2 * 4)  # an inverse gamma of shape k a
    assert (mean[-1], error[-1]) == pytest.approx((stationary, spread + (stationary - 1) ** 2))
    drift, grown = theory.gamma_log_mean(1.5, 3, [1, 2])
    assert drift == pytest.approx([0, 0])
    assert grown == pytest.approx([1, 2] * np.array(of_ratio(lambda x: math.log(x) ** 2, 9, 9)), rel=1e-8)
    assert theory.gamma_moments(1.5, 1.0, 1.0, [3], 0.0)[0][1] == pytest.approx(of_ratio(lambda x: x, 9, 9), rel=1e-8)
    assert np.isinf(theory.gamma_moments(0.25, 1.0, 1.0, [3], 0.5)[0][1])


def test_what_is_refused():
    with pytest.raises(NotCovered, match="strength must be positive"):
        theory.normal_limit(10, 1, 0.0)
    with pytest.raises(ValueError, match=r"covariance must be \(d, d\)"):
        theory.normal_moments([0.0], [1.0], [0.0], [[1.0]], [10], 1.0)
    with pytest.raises(ValueError, match="base_mean must have the length of mean, got 2 and 1"):
        theory.normal_moments([0.0], [[1.0]], [0.0, 0.0], np.eye(2), [10], 1.0)
