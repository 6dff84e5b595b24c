"""Detectors that look at the item, against enumerated laws, iterated maps, and binomial sums in fractions."""

from fractions import Fraction as F
from math import comb

import numpy as np
import pytest

from modelcollapse_theory import NotCovered, screening, selection

P, FALSE, TRUE = (F(1, 2), F(3, 10), F(1, 5)), (F(1, 10), F(0), F(1, 4)), (F(1, 2), F(7, 10), F(9, 10))


def floats(values):
    return np.array(values, float)


def step(p, share, true, false):
    """What passes a detector, state by state, and real or synthetic, listed one by one."""
    passed = [share * a * (1 - f) + (1 - share) * b * (1 - t) for a, b, f, t in zip(P, p, false, true, strict=True)]
    return [x / sum(passed) for x in passed]


def test_with_a_constant_true_positive_rate_the_law_is_a_mixture_with_the_screened_one():
    law = screening.screened_law(floats(P), floats(FALSE))
    mean = sum(a * f for a, f in zip(P, FALSE, strict=True))
    np.testing.assert_allclose(
        law, floats([a * (1 - f) / (1 - mean) for a, f in zip(P, FALSE, strict=True)]), rtol=1e-14
    )
    share, t = F(1, 5), F(4, 5)
    kept = share * (1 - mean) / (share * (1 - mean) + (1 - share) * (1 - t))
    assert selection.detected_share(0.2, 0.8, float(mean)) == pytest.approx(float(kept))
    for p in ((F(1, 4), F(1, 4), F(1, 2)), (F(1), F(0), F(0))):
        exact = floats(step(p, share, (t,) * 3, FALSE))
        np.testing.assert_allclose(exact, float(kept) * law + (1 - float(kept)) * floats(p), rtol=1e-13)
    # so the screened law is where it ends, and the bias does not compound
    np.testing.assert_allclose(screening.screened_limit(floats(P), 0.2, 0.8, floats(FALSE)), law, rtol=1e-12)


def test_the_floor_is_the_chi_square_distance():
    law = screening.screened_law(floats(P), floats(FALSE))
    distance = ((law - floats(P)) ** 2 / floats(P)).sum()
    assert screening.screened_floor(floats(P), floats(FALSE)) == pytest.approx(distance, rel=1e-13)


@pytest.mark.parametrize("share", [F(1, 5), F(1, 100), F(9, 10)])
def test_laws_their_limit_and_their_rate_are_those_of_the_iterated_map(share):
    laws = screening.screened_laws(floats(P), float(share), floats(TRUE), floats(FALSE), 5)
    p = list(P)
    for seen in laws:
        np.testing.assert_allclose(seen, floats(p), rtol=1e-13)
        p = step(p, share, TRUE, FALSE)
    late = screening.screened_laws(floats(P), float(share), floats(TRUE), floats(FALSE), 4_000)
    limit = screening.screened_limit(floats(P), float(share), floats(TRUE), floats(FALSE))
    np.testing.assert_allclose(late[-1], limit, rtol=1e-10)
    gaps = np.abs(late - limit).sum(1)
    far = int(np.flatnonzero(gaps < 1e-9)[0])
    rate = screening.screened_rate(floats(P), float(share), floats(TRUE), floats(FALSE))
    assert gaps[far] / gaps[far - 1] == pytest.approx(rate, rel=0.02)


def test_the_limit_is_the_perron_vector():
    share = 0.2
    a = share * floats(P) * (1 - floats(FALSE))
    matrix = np.diag((1 - share) * (1 - floats(TRUE))) + np.outer(a, np.ones(3))
    values, vectors = np.linalg.eig(matrix)
    top = vectors[:, values.real.argmax()].real
    limit = screening.screened_limit(floats(P), share, floats(TRUE), floats(FALSE))
    np.testing.assert_allclose(limit, top / top.sum(), rtol=1e-12)
    ordered = np.sort(np.abs(values))
    assert screening.screened_rate(floats(P), share, floats(TRUE), floats(FALSE)) == pytest.approx(
        ordered[-2] / ordered[-1], rel=1e-12
    )


def test_without_real_data_the_least_flagged_states_take_everything():
    limit = screening.screened_limit([0.5, 0.3, 0.2], 0.0, [0.5, 0.2, 0.2], 0.0)
    np.testing.assert_allclose(limit, [0, 0.6, 0.4])
    with pytest.raises(NotCovered, match="false_positive must be below 1"):
        screening.screened_limit([0.5, 0.5], 0.2, 0.5, [1.0, 0.0])
    with pytest.raises(ValueError, match="must let something pass"):
        screening.screened_laws([0.5, 0.5], 0.2, 1.0, 1.0, 2)
    with pytest.raises(ValueError, match="have one for each of the 2 states"):
        screening.screened_law([0.5, 0.5], [0.1, 0.2, 0.3])


def test_watermarks_by_their_definition():
    green, shift = 0.25, 2.0
    odds = np.exp(shift) * green / (1 - green)  # even logits: softmax over green and other tokens
    marked = screening.green_rate(green, shift)
    assert marked == pytest.approx(odds / (1 + odds), rel=1e-14)

    def tail(length, count, p):
        return float(sum(comb(length, k) * F(p) ** k * (1 - F(p)) ** (length - k) for k in range(count, length + 1)))

    t, f = screening.watermark_rates(20, 12, green, shift)
    assert t == pytest.approx(tail(20, 12, float(marked)), rel=1e-10)
    assert f == pytest.approx(tail(20, 12, green), rel=1e-10)
    assert screening.watermark_length(0.9, 0.001, green, shift) == pytest.approx(17.3, abs=0.05)
    length, count = screening.watermark_least(0.9, 0.001, green, shift)
    assert (length, count) == (20, 12)
    shorter = [
        (tail(n, c, float(marked)) >= 0.9) & (tail(n, c, green) <= 0.001)
        for n in range(1, length)
        for c in range(n + 1)
    ]
    assert not any(shorter)


def test_refits_dilute_a_watermark_and_so_show_the_real_share():
    """Two refits of a law on green and other tokens, real data even."""
    green, share, rate = F(1, 4), F(3, 10), F(7, 10)
    rates = [rate]
    for _ in range(2):
        rates.append(share * green + (1 - share) * rates[-1])
    assert screening.diluted_rate(0.7, 0.25, 0.3, 2) == pytest.approx(float(rates[-1]), rel=1e-13)
    found = screening.real_share_from_rates(float(rates[1]), float(rates[2]), 0.25)
    assert found == pytest.approx(0.3, rel=1e-12)
    with pytest.raises(ValueError, match="rate must differ from green"):
        screening.real_share_from_rates(0.25, 0.25, 0.25)
    with pytest.raises(NotCovered, match="later must lie between"):
        screening.real_share_from_rates(0.5, 0.6, 0.25)
