"""Chi-square and normal draws against their quantiles, and Bartlett's factor against matrices of normals."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from sampling_laws import ACCEPT, REJECT
from scipy import special, stats

from modelcollapse import sampling
from modelcollapse.sampling import _chi_square, _normal, _quantiles

DRAWS = 200_000
DIMENSIONS = 4

draws_of = jax.jit(lambda key, dof, dtype: sampling.chi_square(key, jnp.full(DRAWS, dof), dtype), static_argnums=2)
factors = jax.jit(jax.vmap(lambda key, dof: sampling.wishart_factor(key, dof, DIMENSIONS), (0, None)))


def quantile(z, dof):
    lower, upper = special.gammaincinv(dof / 2, special.ndtr(z)), special.gammainccinv(dof / 2, special.ndtr(-z))
    return 2 * np.where(z < 0, lower, upper)


@pytest.mark.parametrize("dof", [1, 2, 3, 7, 11, 12, 13, 15, 20, 40, 99, 1000, 100_000])
def test_error_of_the_polynomial(dof):
    """The draw is a function of the normal draw of the same key: compare it with the exact quantile, draw by draw."""
    key = sampling.key(dof)
    z = np.asarray(sampling.normal(key, (DRAWS,), jnp.float64))
    draws = np.asarray(sampling.chi_square(key, jnp.full(DRAWS, dof), jnp.float64))
    assert np.abs(draws / quantile(z, dof) - 1).max() < error(dof)
    single = np.asarray(sampling.log_chi_square(key, jnp.full(DRAWS, dof), jnp.float32, per_dof=True))
    z = np.asarray(sampling.normal(key, (DRAWS,), jnp.float32)).astype(float)
    wrong = np.abs(single - np.log(quantile(z, dof) / dof))
    assert (wrong < 1.5e-6 * np.maximum(np.abs(single), 1)).all()


def error(dof):
    """What the documentation of ``log_chi_square`` says."""
    return 1e-7 if dof == 1 else 1e-9 if dof < 12 else 2e-9


def test_far_tails_are_monotone():
    z = np.linspace(-8.25, 8.25, 4001)
    for dof in (1, 2, 3, 5, 8, 11, 12, 16, 30, 300, 2**31 - 1):
        draws = np.asarray(_chi_square.per_dof_from(jnp.asarray(z), jnp.full(z.size, dof)))
        assert (np.diff(draws) > 0).all()
        if dof < 1000:
            assert np.abs(np.exp(draws) * dof / quantile(z, dof) - 1).max() < error(dof)


def test_the_coefficients_in_the_package_are_those_of_the_fit():
    """To the rounding of a linear solve, on the values: on single coefficients it differs between builds of LAPACK."""
    held, again = _chi_square.coefficients(), _quantiles.fitted()
    assert held.keys() == again.keys()
    for name in ("single", "double"):
        far, (terms, orders) = _quantiles.RANGE[name], _quantiles.TERMS[name]
        z, e = (x.ravel() for x in np.meshgrid(np.linspace(-far, far, 101), np.linspace(0, 12**-0.5, 51)))
        basis = z[:, None, None] ** np.arange(terms)[:, None] * e[:, None, None] ** np.arange(1, orders + 1)
        assert np.abs(np.einsum("nij,ij->n", basis, held[name] - again[name])).max() < 1e-11
        assert np.abs(np.einsum("nij,ij->n", basis, held[name] * (1 + 1e-9) - again[name])).max() > 1e-11
    assert np.abs(held["few"] - again["few"]).max() < 1e-11


def test_a_first_draw_imports_nothing_from_scipy():
    code = (
        "import sys, jax.numpy as jnp; from modelcollapse import sampling;"
        "sampling.chi_square(sampling.key(0), jnp.array([3, 99])); print('scipy' in sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_many_degrees_of_freedom_are_the_same_numbers_in_less_code(dtype):
    key, dof = sampling.key(5), jnp.asarray([-1, 0, 12, 13, 50, 10**6], jnp.int32)
    plain, shorter = (sampling.log_chi_square(key, dof, dtype, many=many) for many in (False, True))
    np.testing.assert_allclose(plain, shorter, rtol=4 * jnp.finfo(dtype).eps)
    assert np.isnan(sampling.log_chi_square(key, jnp.asarray([1, 11], jnp.int32), dtype, many=True)).all()


def test_largest_dof():
    """At 2**31 - 1 SciPy's quantiles are off by 6e-6; the Cornish-Fisher series is not."""
    z, dof = np.linspace(-8, 8, 101), 2**31 - 1
    deviation = np.expm1(np.asarray(_chi_square.per_dof_from(jnp.asarray(z), jnp.full(z.size, dof))))
    s = np.sqrt(2 / dof)
    expected = s * z + s**2 * (z**2 - 1) / 3 + s**3 * (z**3 - 7 * z) / 36
    assert np.abs(deviation - expected).max() / s < 1e-7


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize("dof", [1, 2, 3, 7, 10, 11, 12, 50])
def test_law(dof, dtype):
    draws = np.asarray(draws_of(sampling.key(dof), dof, dtype))
    assert draws.dtype == dtype
    assert stats.kstest(draws, stats.chi2(dof).cdf).pvalue > ACCEPT
    assert stats.kstest(draws, stats.chi2(dof + 1).cdf).pvalue < REJECT
    for level in (1e-3, 1e-4):
        below, above = (draws < stats.chi2.ppf(level, dof)).sum(), (draws > stats.chi2.isf(level, dof)).sum()
        assert stats.binomtest(int(below), DRAWS, level).pvalue > ACCEPT
        assert stats.binomtest(int(above), DRAWS, level).pvalue > ACCEPT


@pytest.mark.parametrize("dof", [1, 4, 12, 200])
def test_log_moments(dof):
    log = np.asarray(sampling.log_chi_square(sampling.key(dof), jnp.full(DRAWS, dof)))
    mean, variance = float(mpmath.digamma(dof / 2) + mpmath.log(2)), float(mpmath.psi(1, dof / 2))
    assert abs(log.mean() - mean) < 4 * np.sqrt(variance / DRAWS)
    per_dof = np.asarray(sampling.log_chi_square(sampling.key(dof), jnp.full(DRAWS, dof), per_dof=True))
    assert np.allclose(per_dof, log - np.log(dof), rtol=0, atol=1e-13)


def test_no_degrees_of_freedom():
    dof = jnp.array([-5, 0, 1, 12])
    assert sampling.chi_square(sampling.key(0), dof)[:2].tolist() == [0.0, 0.0]
    assert sampling.log_chi_square(sampling.key(0), dof)[:2].tolist() == [-np.inf, -np.inf]
    assert (sampling.chi_square(sampling.key(0), dof)[2:] > 0).all()
    with pytest.raises(TypeError, match="dof must have an integer type"):
        sampling.chi_square(sampling.key(0), 3.0)


def test_batched_dof_and_no_x64():
    keys, dof = jax.random.split(sampling.key(1), 40), jnp.arange(40, dtype=jnp.int32) - 3
    batched = jax.jit(jax.vmap(sampling.log_chi_square))(keys, dof)
    apart = jnp.stack([sampling.log_chi_square(key, k) for key, k in zip(keys, dof, strict=True)])
    assert np.allclose(batched, apart, rtol=1e-13)
    with jax.enable_x64(False):
        narrow = jax.jit(jax.vmap(sampling.log_chi_square))(keys, dof)
        assert narrow.dtype == jnp.float32
        # as everywhere in JAX, float64 means float32 there
        assert sampling.wishart_factor(keys[0], 3, 2, jnp.float64)[1].dtype == jnp.float32
    assert np.isfinite(narrow[4:]).all()


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_normal(dtype):
    draws = np.asarray(sampling.normal(sampling.key(3), (1000, 1000), dtype)).ravel()
    assert draws.dtype == dtype
    assert stats.kstest(draws, "norm").pvalue > ACCEPT
    for level in (3.0, 4.0):
        assert stats.binomtest(int((np.abs(draws) > level).sum()), draws.size, 2 * special.ndtr(-level)).pvalue > ACCEPT
    other = np.asarray(sampling.normal(sampling.key(3), (1000, 1000), dtype, stream=1)).ravel()
    assert abs(np.corrcoef(draws, other)[0, 1]) < 5e-3


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_polar_form(dtype):
    """Against Box and Muller's formula in mpmath, into the corners of both uniforms and all eighths of the circle."""
    tiny = 2.0**-33 if dtype == jnp.float32 else 2.0**-53
    grid = np.array([(u, o) for u in (tiny, 1e-5, 0.3, 1 - 1e-4) for o in (tiny, 0.1, 0.5, 1 - 1e-4)], dtype)
    near, across = [], []
    for u, octave in grid.astype(float):
        radius, angle = mpmath.sqrt(-2 * mpmath.log(u)), mpmath.pi / 4 * mpmath.mpf(octave)
        near.append(float(radius * mpmath.cos(angle)))
        across.append(float(radius * mpmath.sin(angle)))
    for bits in range(8):
        x, y = _normal._polar(*jnp.asarray(grid.T), jnp.full(len(grid), 40 + bits, jnp.uint32))
        first, second = (near, across) if bits & 1 else (across, near)
        for drawn, size, flipped in ((x, first, bits & 2), (y, second, bits & 4)):
            np.testing.assert_allclose(drawn, -np.array(size) if flipped else size, rtol=8 * jnp.finfo(dtype).eps)


def test_normals_fill_the_plane_evenly():
    pair = np.asarray(sampling.normal(sampling.key(4), (2, DRAWS), jnp.float32), float)
    angle, radius = np.arctan2(pair[0], pair[1]), (pair**2).sum(0)
    assert stats.kstest(angle, stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > ACCEPT
    assert stats.kstest(radius, stats.chi2(2).cdf).pvalue > ACCEPT
    assert stats.kstest(radius, stats.chi2(2.1).cdf).pvalue < REJECT
    assert abs(np.corrcoef(angle, radius)[0, 1]) < 4 / DRAWS**0.5
    assert pair.max() > 4


@pytest.mark.parametrize("dof", [1, 2, 4, 9, 40])
def test_wishart_factor(dof):
    d, draws = DIMENSIONS, 20_000
    unit, log_pivots = (np.asarray(a) for a in factors(jax.random.split(sampling.key(dof), draws), dof))
    rank = min(dof, d)
    assert np.array_equal(np.triu(unit), np.broadcast_to(np.eye(d), unit.shape))
    assert np.isfinite(log_pivots[:, :rank]).all()
    assert (log_pivots[:, rank:] == -np.inf).all()
    assert not np.tril(unit, -1)[:, :, rank:].any()
    factor = unit * np.exp(log_pivots)[:, None, :]
    wishart = factor @ factor.transpose(0, 2, 1)
    rng = np.random.default_rng(dof)
    rows = rng.standard_normal((draws, dof, d))
    direct = rows.transpose(0, 2, 1) @ rows
    trace = np.trace(wishart, axis1=1, axis2=2)
    assert stats.kstest(trace, stats.chi2(dof * d).cdf).pvalue > ACCEPT
    assert stats.kstest(trace, stats.chi2(dof * d + 1).cdf).pvalue < REJECT or dof > 9
    for i in range(d):
        assert stats.kstest(wishart[:, i, i], stats.chi2(dof).cdf).pvalue > ACCEPT
        for j in range(i):
            assert stats.ks_2samp(wishart[:, i, j], direct[:, i, j]).pvalue > ACCEPT
    for statistic in (lambda w: np.linalg.eigvalsh(w)[:, -1], lambda w: (w[:, 3] * w[:, 2]).sum(axis=1)):
        assert stats.ks_2samp(statistic(wishart), statistic(direct)).pvalue > ACCEPT


def test_wishart_without_rows():
    unit, log_pivots = sampling.wishart_factor(sampling.key(0), 0, 3)
    assert np.array_equal(unit, np.eye(3))
    assert (log_pivots == -np.inf).all()
    with pytest.raises(ValueError, match="d must be at least 1"):
        sampling.wishart_factor(sampling.key(0), 3, 0)
