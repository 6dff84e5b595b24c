"""Laws for large samples are as close as they say, and bounds are bounds."""

import jax
import numpy as np
import pytest
from exact_values import Decoder
from prediction_cells import taken_down
from scipy.special import entr
from scipy.stats import binom

import modelcollapse as mc

LAW = (0.55, 0.3, 0.1, 0.05)
RARE = (0.6, 0.3999, 0.0001)
MANY = tuple((np.arange(1, 801) / np.arange(1, 801).sum()).tolist())


def expected(chances, size, fits, values):
    """sum over states of E value(X_n / M), by the binomial chain of one count, backwards from the last fit.

    ``values(x, p)`` is a list of pairs of a function of x, one for all states, and its factor.
    """
    share, p = np.arange(size + 1) / size, np.array(chances)
    later = np.stack([of_share for of_share, _ in values(share, p)], 1)
    step = binom.pmf(np.arange(size + 1)[None], size, share[:, None])
    for _ in range(fits - 1):
        later = step @ later
    mean = binom.pmf(np.arange(size + 1)[None], size, p[:, None]) @ later
    return sum((mean[:, i] * factor).sum() for i, (_, factor) in enumerate(values(share, p)))


def kept_twice(chances, size):
    """P(a state is there after two fits), for each of ``chances``."""
    counts = np.arange(size + 1)
    return np.array([1 - binom.pmf(counts, size, p) @ (1 - counts / size) ** size for p in chances])


def absorbed(share, size, fits):
    """P(one of two states is left), by powers of the transition matrix."""
    step = binom.pmf(np.arange(size + 1)[None], size, np.arange(size + 1)[:, None] / size)
    law = binom.pmf(np.arange(size + 1), size, share)
    law = law @ np.linalg.matrix_power(step, fits - 1)
    return law[0] + law[-1]


def extrapolated(share):
    return 2 * absorbed(share, 200, 200) - absorbed(share, 100, 100)


def entropy(x, p):
    return [(entr(x), 1.0)]


def kl(x, p):
    return [(-entr(x), 1.0), (x, -np.log(p))]


def tv(x, p):
    return [(np.abs(x - one) / 2, p == one) for one in p]


def discrete(law, observable, size, fits):
    return mc.predictions(
        mc.Discrete(), mc.categorical(law), None, observable, size=size, generations=fits - 1, record=[fits - 1]
    )[0]


def coin(chance, observable, size, fits):
    family, source = mc.Binomial(2), mc.binomial(2, chance)
    return mc.predictions(family, source, None, observable, size=size, generations=fits - 1, record=[fits - 1])[0]


# what is predicted, its exact value, and the relative error that the stated order leaves at this M and n
LARGE = {
    "support": (lambda: discrete(RARE, "support_size", 6000, 2), lambda: kept_twice(RARE, 6000).sum(), 1e-3),
    "lost": (lambda: discrete(RARE, "lost", 6000, 2), lambda: 1 - kept_twice(RARE, 6000), 1e-3),
    "extinct": (lambda: coin(0.0001, "extinct", 3000, 2), lambda: 1 - kept_twice([0.0001], 6000)[0], 1e-3),
    # the same time in units of M, where the chains of 100 and of 200 items say where that of infinitely many is
    "absorbed": (lambda: discrete((0.7, 0.3), "absorbed", 10_000, 10_000), lambda: extrapolated(0.3), 2e-3),
    "one side": (lambda: coin(0.3, "absorbed", 5000, 10_000), lambda: extrapolated(0.3), 2e-3),
    "entropy": (lambda: discrete(LAW, "entropy", 2400, 2), lambda: expected(LAW, 2400, 2, entropy), 1e-4),
    "kl": (lambda: discrete(LAW, "kl_divergence", 2400, 2), lambda: expected(LAW, 2400, 2, kl), 1e-2),
    "kl of many": (lambda: discrete(MANY, "kl_divergence", 2000, 10), lambda: expected(MANY, 2000, 10, kl), 1e-6),
    "tv": (lambda: discrete(LAW, "total_variation", 2400, 2), lambda: expected(LAW, 2400, 2, tv), 1e-2),
}  # fmt: skip


@pytest.mark.parametrize("case", LARGE)
def test_a_law_for_large_samples_is_as_close_as_it_says(case):
    prediction, value, error = LARGE[case]
    with taken_down():
        found = prediction()
    assert (found.order == "exact") == (case == "kl of many")
    np.testing.assert_allclose(found.values[0], value(), rtol=error, atol=1e-4 if case == "lost" else 0)


def bound(noise, size):
    family, source = Decoder((1.0,), 1, noise).make()
    return mc.predictions(family, source, None, "decoder_variance", size=size, generations=0)[0]


@pytest.mark.parametrize("bits", [64, 32])
def test_a_bound_is_below_the_exact_mean_and_says_that_it_is_one(bits):
    with jax.enable_x64(bits == 64):
        for noise, size, width in ((0.5, 4, 0.11), (0.05, 8, 1e-4)):
            found = bound(noise, size)
            exact = Decoder((1.0,), 1, noise).values(mc.Replace(), [size])["decoder_variance"]
            assert found.kind == "lower bound"
            assert ">=" in str(found)
            # one fit early it would be 1, above the exact mean
            assert np.all((exact - width < found.values) & (found.values < exact + 1e-6))
