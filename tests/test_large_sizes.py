"""At ten million draws a generation the law is the same in float32 as in float64.

What float32 may change is stated: frequencies are rounded to 6e-8, relative, which is 2e-4 standard deviations of a
refit or less; a log chi-square is off by about 1e-6, which is 3e-3 standard deviations. Kolmogorov-Smirnov with this
many chains sees 0.05.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from scipy import special, stats

import modelcollapse as mc

SIZE = 10**7
FITS = 2
CHAINS = 6000
FALSE_ALARM = 1e-6


def agrees(sample: np.ndarray, cdf: Any) -> bool:
    return stats.kstest(sample.astype(np.float64), cdf).pvalue > FALSE_ALARM


@pytest.mark.parametrize("bits", [32, pytest.param(64, marks=pytest.mark.slow)])
def test_discrete(bits: int) -> None:
    law = np.array([1 / 3, 0.5, 1 / 6 - 1e-6, 1e-6])
    with jax.enable_x64(bits == 64):
        run = mc.simulate(
            mc.Discrete(), mc.categorical(law), observe="probabilities", size=SIZE, generations=FITS - 1, chains=CHAINS,
            record=[FITS - 1],
        )  # fmt: skip
    found = run["probabilities"][:, 0]
    assert found.dtype == np.dtype(f"float{bits}")
    # the counts themselves are integers: a float32 frequency knows them to within a half where they are below 2^23
    np.testing.assert_allclose(found[:, 3] * SIZE, np.round(found[:, 3].astype(np.float64) * SIZE), rtol=1e-6)
    np.testing.assert_allclose(found.sum(1), 1, rtol=2e-7)
    for state in range(3):
        # skewness is below 1e-3 here
        p = law[state]
        spread = np.sqrt(p * (1 - p) * -np.expm1(FITS * np.log1p(-1 / SIZE)))
        assert agrees(found[:, state], stats.norm(p, spread).cdf)
        assert not agrees(found[:, state], stats.norm(p, spread * np.sqrt(1 - 1 / FITS)).cdf)
        assert not agrees(found[:, state], stats.norm(p * (1 + 1e-4), spread).cdf)
    # ten copies expected: an integer law, with the variance of both fits
    rare = np.round(found[:, 3].astype(np.float64) * SIZE)
    mean_error = np.sqrt(10 * FITS / CHAINS)
    assert abs(rare.mean() - 10) < 5.5 * mean_error
    assert abs(rare.var() / (10 * FITS) - 1) < 5.5 * np.sqrt((2 + 1.5) / CHAINS)


@pytest.mark.parametrize("bits", [32, pytest.param(64, marks=pytest.mark.slow)])
def test_gaussian(bits: int) -> None:
    with jax.enable_x64(bits == 64):
        run = mc.simulate(
            mc.Gaussian(), mc.normal(), observe=["log_variance", "mean"], size=SIZE, generations=FITS - 1, chains=CHAINS,
            record=[FITS - 1],
        )  # fmt: skip
    found = run["log_variance"][:, 0, 0]
    assert found.dtype == np.dtype(f"float{bits}")
    half = (SIZE - 1) / 2
    mean = FITS * (special.digamma(half) - np.log(half))
    spread = np.sqrt(FITS * special.polygamma(1, half))
    assert agrees(found, stats.norm(mean, spread).cdf)
    assert not agrees(found, stats.norm(mean, spread * np.sqrt(1 - 1 / FITS)).cdf)
    assert not agrees(found, stats.norm(mean + 2e-4, spread).cdf)
    centre = run["mean"][:, 0, 0]
    assert agrees(centre, stats.norm(0, np.sqrt(FITS / SIZE)).cdf)
    assert not agrees(centre, stats.norm(0, np.sqrt((FITS - 1) / SIZE)).cdf)
