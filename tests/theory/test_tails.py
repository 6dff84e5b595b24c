"""Power-law constants against the sums they stand for, and n fits against the exact lineage law."""

import numpy as np
import pytest
from scipy.special import zeta

from modelcollapse_theory import lineages, tails


def sums(exponent, sample_size, drawn=None, terms=400_000):
    """Unseen mass and distinct states by summation, the tail of the series to second order."""
    drawn = exponent if drawn is None else drawn
    i = np.arange(1, terms + 1.0)
    p, q = i**-exponent / zeta(exponent), i**-drawn / zeta(drawn)
    missed = np.exp(sample_size * np.log1p(-q))
    beyond = zeta(exponent, terms + 1.0) / zeta(exponent)
    cross = zeta(exponent + drawn, terms + 1.0) / zeta(exponent) / zeta(drawn)
    seen = sample_size * zeta(drawn, terms + 1.0) / zeta(drawn)
    seen -= sample_size * (sample_size - 1) / 2 * zeta(2 * drawn, terms + 1.0) / zeta(drawn) ** 2
    return (p * missed).sum() + beyond - sample_size * cross, (1 - missed).sum() + seen


@pytest.mark.parametrize("exponent", [1.3, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("size", [1_000, 10_000])
def test_one_sample(exponent, size):
    unseen, distinct = sums(exponent, size)
    # c (1 - c)/(2 T) is what the binomial adds to the Poisson sum, with c = 1 - 1/b; b = 3 has c = 2/3
    assert tails.unseen_mass(exponent, size) == pytest.approx(unseen, rel=0.7 / size)
    assert tails.distinct_states(exponent, size) == pytest.approx(
        distinct, abs=2 * size ** (1 / exponent - 1) / exponent
    )


@pytest.mark.parametrize(("exponent", "drawn"), [(1.3, 1.5), (1.5, 3.0), (2.0, 2.5)])
def test_a_narrowed_sampler(exponent, drawn):
    size = 5_000
    assert tails.unseen_mass(exponent, size, drawn) == pytest.approx(sums(exponent, size, drawn)[0], rel=1 / size)
    assert tails.unseen_mass(exponent, size, drawn) > tails.unseen_mass(exponent, size)


def test_rank_cut_and_cut_law():
    i = np.arange(1, 21)
    assert tails.tail_mass(1.7, 20) == pytest.approx(1 - (i**-1.7).sum() / zeta(1.7), rel=1e-12)
    assert tails.tail_mass(2.0, 10**6) == pytest.approx(1e-6 / zeta(2.0), rel=1e-6)
    law = tails.zipf(1.0, 4)
    assert law == pytest.approx(np.array([12, 6, 4, 3]) / 25)


@pytest.mark.parametrize("fits", [1, 2, 8, 20])
def test_after_some_fits(fits):
    """Against E over the exact number of ancestors A_n at M = 2000."""
    size, exponent = 2_000, 1.5
    law = lineages.lineage_law(size, fits)
    ancestors = np.flatnonzero(law > 1e-9)
    grid = np.linspace(ancestors[0], ancestors[-1], 9)
    unseen, distinct = np.array([sums(exponent, a, terms=60_000) for a in grid]).T
    weight = law[ancestors] / law[ancestors].sum()
    exact_unseen = weight @ np.interp(ancestors, grid, unseen)
    exact_distinct = weight @ np.interp(ancestors, grid, distinct)
    assert tails.lost_mass(exponent, size, fits) == pytest.approx(exact_unseen, rel=0.2 * fits / size + 1e-3)
    assert tails.surviving_states(exponent, size, fits) == pytest.approx(exact_distinct, rel=0.2 * fits / size + 1e-3)


def test_loss_grows_slower_than_the_number_of_fits():
    grown = tails.lost_mass(1.5, 10**9, [1_000, 8_000])
    assert grown[1] / grown[0] == pytest.approx(2, rel=5e-3)  # 8^(1/3), not 8
    assert tails.effective_sample(100, [1, 2]) == pytest.approx([100, 100 * (1 - np.exp(-1))])
    late = 2 / (1_000 + np.log(1_000) / 3 + 0.79825)  # its known expansion
    assert tails.effective_sample(1.0, 1_000) == pytest.approx(late, rel=1e-5)
    assert tails.effective_sample(20_000, 5) == pytest.approx(float(lineages.expected_lineages(20_000, 5)), rel=1e-4)


def test_bad_arguments_are_named():
    for call, name in [
        (lambda: tails.unseen_mass(1.0, 10), "exponent"),
        (lambda: tails.unseen_mass(1.5, 10, 1.2), "drawn_exponent"),
        (lambda: tails.effective_sample(10, 0), "fits"),
        (lambda: tails.distinct_states(1.5, 0), "sample_size"),
        (lambda: tails.zipf(1.0, 0), "states"),
    ]:
        with pytest.raises(ValueError, match=name):
            call()
