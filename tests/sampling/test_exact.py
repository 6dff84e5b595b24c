"""Elementary functions in float64, against more digits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from modelcollapse.sampling import exact as kernel


def ulps(found, exact):
    return np.abs((found - exact) / np.spacing(np.abs(exact).astype(np.float64)))


@pytest.fixture(scope="module")
def near_one():
    rng = np.random.default_rng(0)
    return np.exp(rng.uniform(-40, -1, 20_000)) * rng.choice([-1, 1], 20_000)


def test_log(near_one):
    rng = np.random.default_rng(1)
    x = np.concatenate([np.exp(rng.uniform(-708, 709, 50_000)), rng.random(50_000), 1 + near_one])
    exact = np.log(x.astype(np.longdouble))
    here = exact != 0
    assert ulps(np.asarray(jax.jit(kernel.log)(x))[here], exact[here]).max() < 2
    assert kernel.log(jnp.array(1.0)) == 0
    # a series of two terms less would be seen
    m = np.sqrt(2) - 1e-9
    r = np.longdouble(m - 1) / np.longdouble(m + 1)
    short = sum(2 * r ** (2 * k + 1) / (2 * k + 1) for k in range(9))
    assert ulps(np.array(short), np.log(np.longdouble(m))) > 2


def test_log1p(near_one):
    rng = np.random.default_rng(2)
    x = np.concatenate([np.exp(rng.uniform(-700, 700, 50_000)), -rng.random(50_000), near_one])
    exact = np.log1p(x.astype(np.longdouble))
    assert ulps(np.asarray(jax.jit(kernel.log1p)(x)), exact).max() < 3
    # as log(1 + x) would be
    assert ulps(np.log(1 + x), exact).max() > 1e6
