"""Distances: against independent arithmetic, where it is easy and where it is hard."""

import itertools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from scipy import integrate, linalg, stats

from modelcollapse.transport import bures, gaussian_w2, mixture_l2, sample_w2

bures_jit = jax.jit(bures)


def covariances(rng: np.random.Generator, d: int, scales: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A factor with the given scales along random axes, and its covariance."""
    axes = linalg.qr(rng.normal(size=(d, d)))[0]
    covariance = axes @ np.diag(scales**2) @ axes.T
    return np.linalg.cholesky(covariance), covariance


def test_bures_is_the_distance_of_the_textbook() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, first = covariances(rng, 3, rng.uniform(0.1, 3, 3))
        b, second = covariances(rng, 3, rng.uniform(0.1, 3, 3))
        root = linalg.sqrtm(first)
        expected = np.trace(first + second - 2 * linalg.sqrtm(root @ second @ root).real)
        np.testing.assert_allclose(bures_jit(a, b), expected, rtol=1e-9, atol=1e-12)
        # neither the distance of the factors nor the formula for commuting covariances
        assert abs(((a - b) ** 2).sum() / expected - 1) > 1e-3
        assert abs(np.linalg.norm(root - linalg.sqrtm(second)) ** 2 / expected - 1) > 1e-4


def exact_bures(a: np.ndarray, b: np.ndarray) -> float:
    """tr AA' + tr BB' - 2 sum of singular values of B'A, in 60 digits."""
    with mpmath.workdps(60):
        first, second = mpmath.matrix(a.tolist()), mpmath.matrix(b.tolist())
        values = mpmath.svd_r(second.T * first, compute_uv=False)
        total = sum(x**2 for x in first) + sum(x**2 for x in second) - 2 * sum(values)
        return float(total)


@pytest.mark.parametrize("thin", [1e-3, 1e-12, 1e-40])
def test_bures_of_nearly_singular_covariances(thin: float) -> None:
    rng = np.random.default_rng(1)
    lower = np.tril(rng.normal(size=(3, 3)), -1)
    a = (np.eye(3) + lower) * [1.0, 0.5, thin]
    other = (np.eye(3) + np.tril(rng.normal(size=(3, 3)), -1)) * [0.8, thin, 3 * thin]
    assert float(bures_jit(a, other)) == pytest.approx(exact_bures(a, other), rel=1e-13)
    # only the thin direction differs: the whole distance is far below the rounding of the traces
    flat = (np.eye(3) + lower) * [1.0, 0.5, 3 * thin]
    exact = exact_bures(a, flat)
    assert float(bures_jit(a, flat)) == pytest.approx(exact, rel=1e-6, abs=1e-30)
    assert exact < 1e-4


@pytest.mark.parametrize("change", [1e-3, 1e-7, 1e-11])
def test_w2_near_zero_does_not_cancel(change: float) -> None:
    a = np.linalg.cholesky(np.array([[2.0, 0.7, 0.1], [0.7, 1.0, -0.3], [0.1, -0.3, 0.5]]))
    b = a @ (np.eye(3) + change * np.array([[0.3, 0, 0], [0.5, -1, 0], [1, 2, 0.7]]))
    mean, moved = jnp.zeros(3), jnp.array([change, 0, 0])
    found = float(gaussian_w2(mean, a, moved, b))
    assert found == pytest.approx(exact_bures(a, b) + change**2, rel=1e-14 / change)
    # one line shows what the usual difference of traces would leave of it
    naive = np.trace(a @ a.T + b @ b.T) - 2 * np.linalg.svd(b.T @ a, compute_uv=False).sum()
    if change < 1e-7:
        assert abs(naive + change**2 - found) > found


def test_w2_of_normal_laws_on_the_line() -> None:
    def factor(x: float) -> jax.Array:
        return jnp.array([[x]])

    found = gaussian_w2(jnp.array([1.0]), factor(2.0), jnp.array([-0.5]), factor(0.25))
    assert float(found) == pytest.approx(1.5**2 + 1.75**2, rel=1e-15)
    assert float(gaussian_w2(jnp.zeros(1), factor(1.0), jnp.zeros(1), factor(0.0))) == 1.0


def brute_force_w2(x: np.ndarray, y: np.ndarray) -> float:
    """Both samples repeated to a common length, then matched in order."""
    n = np.lcm(len(x), len(y))
    return float(((np.repeat(np.sort(x), n // len(x)) - np.repeat(np.sort(y), n // len(y))) ** 2).mean())


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 4), (4, 6), (6, 4), (5, 7), (5, 5)])
def test_sample_w2_against_brute_force(n: int, m: int) -> None:
    rng = np.random.default_rng(10 * n + m)
    x, y = rng.normal(size=n), 1 + 2 * rng.normal(size=m)
    found = float(sample_w2(jnp.asarray(x), jnp.asarray(y)))
    assert found == pytest.approx(brute_force_w2(x, y), rel=1e-12)
    if n == m:
        # the best of all assignments, not just the sorted one
        best = min(((x[list(p)] - y) ** 2).mean() for p in itertools.permutations(range(n)))
        assert found == pytest.approx(best, rel=1e-12)


def test_sample_w2_where_the_steps_exceed_32_bits() -> None:
    with jax.enable_x64(False):
        n, m = 50_000, 50_001
        x, y = np.zeros(n, np.float32), np.ones(m, np.float32)
        assert float(sample_w2(jnp.asarray(x), jnp.asarray(y))) == pytest.approx(1.0, rel=1e-4)


def test_sample_w2_refuses_what_is_no_sample() -> None:
    with pytest.raises(ValueError, match="vectors with at least one value"):
        sample_w2(jnp.zeros(0), jnp.zeros(3))
    with pytest.raises(ValueError, match=r"\(2, 2\)"):
        sample_w2(jnp.zeros((2, 2)), jnp.zeros(3))


def test_mixture_l2_against_quadrature() -> None:
    w, m, v = np.array([0.3, 0.7]), np.array([-1.0, 2.0]), np.array([0.5, 2.0])
    u, k, c = np.array([0.2, 0.5, 0.3]), np.array([-1.5, 0.0, 2.0]), np.array([0.4, 1.0, 0.1])

    def difference(x: float) -> float:
        return float(w @ stats.norm.pdf(x, m, v**0.5) - u @ stats.norm.pdf(x, k, c**0.5)) ** 2

    expected = integrate.quad(difference, -12, 12, points=[-1, 0, 2], limit=200, epsabs=1e-13)[0]

    def law(weights: np.ndarray, means: np.ndarray, variances: np.ndarray) -> tuple[jax.Array, ...]:
        return jnp.asarray(weights), jnp.asarray(means)[:, None], jnp.asarray(variances)[:, None, None]

    found = mixture_l2(*law(w, m, v), law(u, k, c))
    assert float(found) == pytest.approx(expected, rel=1e-9)
    assert float(mixture_l2(*law(w, m, v), law(w[::-1], m[::-1], v[::-1]))) == pytest.approx(0, abs=1e-15)


def test_mixture_l2_in_two_dimensions() -> None:
    covariance = np.array([[1.0, 0.6], [0.6, 2.0]])
    first = (jnp.ones(1), jnp.zeros((1, 2)), jnp.asarray(covariance)[None])
    second = (jnp.ones(1), jnp.array([[1.0, -1.0]]), jnp.eye(2)[None])
    x = np.linspace(-12, 12, 601)
    grid = np.stack(np.meshgrid(x, x, indexing="ij"), -1)
    p = stats.multivariate_normal([0, 0], covariance).pdf(grid)
    q = stats.multivariate_normal([1, -1], np.eye(2)).pdf(grid)
    expected = ((p - q) ** 2).sum() * (x[1] - x[0]) ** 2
    assert float(mixture_l2(*first, second)) == pytest.approx(expected, rel=1e-9)
