"""The table of prices: its numbers by recursions written out here, its order, and what the planner makes of it."""

from fractions import Fraction as F

import pytest

from modelcollapse_theory import remedies


def table(**changed):
    given = {"sample_size": 100, "real": 10, "synthetic": 990, **changed}
    return {row.remedy: row for row in remedies.price_table(**given)}


def iterated(step, fits, first=F(1, 100)):
    v = first
    for _ in range(fits - 1):
        v = step(v)
    return float(v)


M, R = F(100), F(10)


def weighed(real, synthetic, weight):
    w, r, s = F(weight), F(real), F(synthetic)
    return lambda v: w**2 / r + (1 - w) ** 2 * (v + (1 - v) / s)


def mixed(share):
    g = F(share)
    return lambda v: 1 / M + (1 - 1 / M) * (1 - g) ** 2 * v


# each data set from the last, in fractions; both weights are the fixed point's, to float64
STEPS = {
    "replace": lambda v: v + (1 - v) / M,
    "10 x synthetic sample": lambda v: v + (1 - v) / (10 * M),
    "10 refits, mixed": lambda v: v + (1 - v) / (10 * M),
    "slow update, rate 0.3": lambda v: v + F(3, 10) ** 2 * (1 - v) / M,
    "stratified sampling": lambda v: v,
    "10 fresh real, no synthetic": lambda v: 1 / R,
    "10 fresh real + 90 synthetic, pooled": lambda v: (M + 90 * 89 * v) / M**2,
    "10 fresh real + 990 synthetic, pooled": lambda v: (1000 + 990 * 989 * v) / F(1000) ** 2,
    "10 fresh real + 90 synthetic, best weight 0.279": weighed(10, 90, 0.27905193959814634),
    "10 fresh real + 990 synthetic, best weight 0.0951": weighed(10, 990, 0.09514706957149057),
    "detector t = 0.9, f = 0.1, refilled to a real share 0.5": mixed(F(1, 2)),
}
POSTERIORS = {
    "posterior sampling, no prior": lambda v: (200 + 9900 * v) / (M * (M + 1)),
    "posterior sampling, prior worth 10": lambda v: (210 + 9900 * v) / (F(110) * 111),
}
# of the catalogue of this table, worked out elsewhere: keep half, accumulate, a kept set
KNOWN = {
    "keep 50 of the last data set": (0.316, 1),
    "accumulate everything": (0.0162, 0.0164),
    "10 real kept for ever": (0.140, 0.141),
    "smoothing, prior worth 10": (0.0550 / 1.21, 0.0550 / 1.21),  # the smoothed law has (10/11)^2 of its data's loss
}


@pytest.mark.parametrize("fits", [1, 2, 50])
def test_losses_by_recursion(fits):
    rows = table(fits=fits)
    for remedy, step in STEPS.items():
        assert rows[remedy].loss == pytest.approx(iterated(step, fits), rel=1e-11), remedy
        limit = rows[remedy].limit
        assert float(step(F(limit))) == pytest.approx(limit, rel=1e-13), remedy
    for remedy, step in POSTERIORS.items():
        assert rows[remedy].loss == pytest.approx(iterated(step, fits, step(F(0))), rel=1e-11), remedy


def test_losses_that_were_known():
    rows = table()
    for remedy, (loss, limit) in KNOWN.items():
        assert (rows[remedy].loss, rows[remedy].limit) == pytest.approx((loss, limit), rel=4e-3), remedy
    # a pool without refill, by the two binomials; the losses are next to their limits
    assert rows["detector t = 0.9, f = 0.1, removed"].limit == pytest.approx(0.0764, abs=5e-5)
    assert set(rows) == {*STEPS, *POSTERIORS, *KNOWN, *(r for r in rows if "removed" in r or "flagged" in r)}


def test_prices():
    rows = table()
    assert [rows["10 x synthetic sample"].drawn, rows["10 x synthetic sample"].trained] == [1000, 1000]
    assert rows["accumulate everything"].trained == 5000
    assert rows["accumulate everything"].memory == 4900
    refilled = rows["detector t = 0.9, f = 0.1, refilled to a real share 0.5"]
    assert (refilled.real, refilled.drawn) == pytest.approx((10 / 0.18, 90 / 0.18))  # a pool 5.6 times as large
    assert {row.needs for row in rows.values()} == {"", *remedies.NEEDS}
    assert rows["10 real kept for ever"].once == 10
    assert rows["10 fresh real, no synthetic"].compute == 10
    with_labels = [row for row in rows.values() if row.needs == "labels"]
    assert all(row.real == 10 for row in with_labels)


def test_the_order_of_the_remedies():
    rows = table()
    replaced = rows["replace"].loss
    worse = [remedy for remedy, row in rows.items() if row.loss > replaced]
    assert worse == ["posterior sampling, no prior"]
    without = rows["10 fresh real + 90 synthetic, pooled"].limit
    assert rows["detector t = 0.9, f = 0.1, removed"].limit > without  # removal without refill hurts
    assert rows["10 fresh real + 90 synthetic, best weight 0.279"].limit < without


def test_what_buys_most():
    best = remedies.best_remedy(100, 10, 990)
    assert best.regime == "10 fresh real + 990 synthetic, best weight 0.0951"
    assert best.value == pytest.approx((1 / 0.009514706957149 - 1) / 10)
    assert best.neighbour == pytest.approx((1 / 0.02790519395981 - 1) / 10)
    assert "next best: 10 fresh real + 90 synthetic, best weight 0.279" in best.assumptions
    unlabelled = remedies.best_remedy(100, 10, 990, without=["labels", "detector"])
    assert unlabelled.regime == "10 fresh real + 990 synthetic, pooled"
    cheap = remedies.best_remedy(100, 10, 990, per="compute", without=["labels"])
    assert cheap.regime == "stratified sampling"
    assert cheap.value == pytest.approx(99 / 200)
    late, early = (remedies.best_remedy(100, 10, 990, fits=n, per="compute", without=remedies.NEEDS) for n in (50, 10))
    assert late.regime == "10 fresh real + 90 synthetic, pooled"
    assert late.value == pytest.approx((1 / table()[late.regime].loss - 1 / table()["replace"].loss) / 190)
    assert early.regime == "slow update, rate 0.3"  # while little is lost, it is cheapest to lose slowly


def test_what_is_refused():
    with pytest.raises(ValueError, match="real must be below sample_size = 100, got 100"):
        remedies.price_table(100, 100, 10)
    with pytest.raises(TypeError, match="without must be a list of names, got 'law'"):
        remedies.best_remedy(100, 10, 990, without="law")
    with pytest.raises(ValueError, match="without must be one of"):
        remedies.best_remedy(100, 10, 990, without=["money"])
