"""Detectors and weights: removal hurts, refill and weights help, and a bias of the detector does not compound."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from modelcollapse.families import Discrete, Gaussian, GaussianMean
from modelcollapse.protocols import Regime
from modelcollapse.regimes import Detected, FreshReal, Mixture, Weighted
from modelcollapse.sources import categorical, normal
from modelcollapse.verify import BoundedMean, Evidence, Formula, Lab, NominalMean, Proportion, Section
from modelcollapse_theory import detectors, flag_weights, screening, selection, weights, workflows

D = Section("J. detectors and weights", source="theory/derivations/detectors.md", chains=20_000)
EVEN = (0.5, 0.5)
FOUND, MISTAKEN, SHARE = 0.8, 0.1, 0.2
SIZE, FITS = 20, 9


def mixture(share: float = SHARE) -> Mixture:
    """A pool with a share of fresh real data; the rest is of the last fit."""
    return Mixture(1 - share, 0.0, share)


def kept(lab: Lab, name: str, regime: Regime, size: int, fits: int) -> BoundedMean:
    """H_n / H_0 of two even states, whose mean is 1 - v_n."""
    seen = lab.last(name, Discrete(), categorical(EVEN), regime, "heterozygosity", size=size, fits=fits)
    return BoundedMean(2 * seen, 0, 1)


def left(v: np.ndarray | float) -> float:
    """1 - v."""
    return 1 - float(v)


@D.claim(detectors.removed, detectors.refilled, tier="quick")
def removal_without_refill(lab: Lab) -> Evidence:
    """flagged items that are not replaced cost v' = P0 v + e + (1 - P0 - e)(1-g')^2 v, e = E[1/N; N >= 1]"""
    args = (SIZE, FITS, SHARE, FOUND, MISTAKEN)
    exact = Formula(detectors.removed, *args, read=left)
    passes = SHARE * (1 - MISTAKEN) + (1 - SHARE) * (1 - FOUND)
    wrong = {
        "refilled": left(detectors.refilled(*args)),
        "no detector": left(workflows.random_mixing(SIZE, FITS, SHARE)),
        "Ms for the random size": left(detectors.refilled(round(SIZE * passes), *args[1:])),
    }
    regime = Detected(mixture(), FOUND, MISTAKEN, refill=False)
    return exact.against(kept(lab, "removal", regime, SIZE, FITS), f"H_n / H_0, {FITS} fits", wrong)


@D.claim(detectors.removed_counts)
def removal_from_exact_counts(lab: Lab) -> Evidence:
    """of r real items and M - r model draws, flagged ones removed: v' = P0 v + E[1/N] + E[S(S-1)/N^2] v"""
    size, fits, real = 8, 6, 2
    exact = Formula(detectors.removed_counts, size, fits, real, FOUND, MISTAKEN, read=left)
    wrong = {
        "each item real with probability r/M": left(detectors.removed(size, fits, real / size, FOUND, MISTAKEN)),
        "one real item fewer": exact(real=real - 1),
        "a set of one item keeps the old fit": exact(fewest=2),
        "no detector": left(workflows.fresh_counts(size, fits, real)),
    }
    regime = Detected(FreshReal(real / size), FOUND, MISTAKEN, refill=False)
    return exact.against(kept(lab, "removal from counts", regime, size, fits), f"H_n / H_0, {fits} fits", wrong)


@D.claim(detectors.removed_limit, detectors.removal_ratio, detectors.removal_theta)
def removal_hurts(lab: Lab) -> Iterator[Evidence]:
    """a better detector makes pure sampling loss worse if nothing is refilled, and better if it is"""
    size, fits, share = 40, 120, 0.1  # by fit 120 the start is forgotten to 1e-11
    none = left(workflows.random_mixing_limit(size, share))
    for found, mistaken in ((0.5, 0.05), (1.0, 0.0)):
        exact = left(detectors.removed_limit(size, share, found, mistaken))
        refilled = left(detectors.refilled(size, fits, share, found, mistaken))
        wrong = {"no detector": none, "refilled": refilled}
        what = f"stationary H / H_0, t = {found}, f = {mistaken}"
        for refill, value, other in ((False, exact, wrong), (True, refilled, {"no detector": none, "removed": exact})):
            if refill and found == 1:
                continue  # nothing but real data is left
            regime = Detected(mixture(share), found, mistaken, refill=refill)
            seen = kept(lab, f"{found} {refill}", regime, size, fits)
            yield Evidence(seen, value, other, f"{what}, {'refilled' if refill else 'not refilled'}")


@D.claim(detectors.removed_unbiased, chains=400_000)
def removal_of_rows(lab: Lab) -> Iterator[Evidence]:
    """with the unbiased variance too, data sets of fewer than d + 1 rows keep the last fit"""
    size, fits, found, mistaken, share = 6, 3, 0.5, 0.2, 0.4
    args = (size, fits, share, found, mistaken)
    regime = Detected(mixture(share), found, mistaken, refill=False)
    run = lab.run("rows", Gaussian(), normal(), regime, ["variance", "squared_mean_error"], size=size, fits=fits)
    variance, error = (values[-1] for values in detectors.removed_unbiased(*args, 2))
    before = detectors.removed_unbiased(size, fits - 1, share, found, mistaken, 2)
    wider = detectors.removed_unbiased(*args, 3)
    plain = 1 - float(detectors.removed(*args, 2))
    seen = NominalMean(run["squared_mean_error"][:, -1])
    yield Evidence(
        seen, error, {"one fit early": before[1][-1], "three rows needed": wider[1][-1], "ddof = 0": 1 - plain},
        "squared error of the mean",
    )  # fmt: skip
    yield Evidence(NominalMean(run["variance"][:, -1, 0]), variance, {"ddof = 0": plain}, "variance")


@D.claim(screening.screened_law, screening.screened_laws, screening.screened_floor)
def false_positives_by_state(lab: Lab) -> Iterator[Evidence]:
    """real items flagged by their state shift the law once, to p0 (1 - f): the bias does not compound"""
    p, mistaken, found, fits = np.array([0.5, 0.3, 0.2]), np.array([0.5, 0.0, 0.0]), 0.6, 40
    regime = Detected(mixture(0.3), found, mistaken)
    observe = ["probabilities", "heterozygosity"]
    run = lab.run("states", Discrete(), categorical(p), regime, observe, size=SIZE, fits=fits)
    law = screening.screened_law(p, mistaken)
    twice = screening.screened_law(law, mistaken)
    yield Evidence(
        BoundedMean(run["probabilities"][:, -1, 0], 0, 1), law[0], {"the real law": p[0], "twice": twice[0]},
        "the state that is flagged",
    )  # fmt: skip
    mean = float(p @ mistaken)
    share = float(selection.detected_share(0.3, found, mean))
    loss = float(workflows.random_mixing_limit(SIZE, share))
    spread = 1 - float(law @ law)
    yield Evidence(
        BoundedMean(run["heterozygosity"][:, -1], 0, 2 / 3),
        (1 - loss) * spread,
        {
            "H of the real law": (1 - loss) * (1 - float(p @ p)),
            "the share before the detector": (1 - float(workflows.random_mixing_limit(SIZE, 0.3))) * spread,
        },
        "every result on mixtures holds, with p0~ for p0",
    )
    # E |p* - p_0|^2 / p_0 of the fit: the floor, and the noise about it
    floor = screening.screened_floor(p, mistaken)
    chi = ((run["probabilities"][:, -1] - p[None]) ** 2 / p[None]).sum(1)
    noise = loss * float((law * (1 - law) / p).sum())
    yield Evidence(
        BoundedMean(chi, 0, 1 / p.min() - 1), floor + noise, {"no floor": noise, "no noise": floor}, "chi-square"
    )


@D.claim(
    flag_weights.weighted_flags,
    flag_weights.weighted_flags_limit,
    flag_weights.best_flag_weight,
    flag_weights.weighted_theta,
)
def weights_beat_removal(lab: Lab) -> Iterator[Evidence]:
    """a flagged item that weighs omega costs v' = E[Q/T^2] + E[(A1^2 - A2)/T^2] v; the best omega beats 0 and 1"""
    size, share, found, mistaken, fits = 100, 0.1, 0.9, 0.1, 80
    best = round(flag_weights.best_flag_weight(share, found, mistaken), 2)
    value = {
        1.0: left(workflows.random_mixing_limit(size, share)),
        best: left(flag_weights.weighted_flags_limit(size, share, found, mistaken, best)),
        0.0: left(detectors.removed_limit(size, share, found, mistaken)),
    }
    for weight, exact in value.items():
        regime = Detected(mixture(share), found, mistaken, refill=False, weight=weight)
        seen = kept(lab, f"weight {weight}", regime, size, fits)
        yield Evidence(seen, exact, {f"omega = {w}": v for w, v in value.items() if w != weight}, f"omega = {weight}")


@D.claim(flag_weights.weighted_flag_counts, chains=60_000)
def weights_of_exact_counts(lab: Lab) -> Iterator[Evidence]:
    """the same for a pool of exactly r real items, of states and of rows"""
    size, fits, real, weight = 12, 6, 2, 0.35
    exact = Formula(flag_weights.weighted_flag_counts, size, fits, real, FOUND, MISTAKEN, weight, read=left)
    removed = {"removed": left(detectors.removed_counts(size, fits, real, FOUND, MISTAKEN))}
    wrong = removed | {
        "each item real with probability r/M": left(
            flag_weights.weighted_flags(size, fits, real / size, FOUND, MISTAKEN, weight)
        ),
        "no detector": left(workflows.fresh_counts(size, fits, real)),
    }
    regime = Detected(FreshReal(real / size), FOUND, MISTAKEN, weight=weight)
    yield exact.against(kept(lab, "weights of counts", regime, size, fits), "H_n / H_0", wrong)
    rows = lab.last("weights of rows", Gaussian(ddof=0), normal(), regime, "variance", size=size, fits=fits)
    yield exact.against(NominalMean(rows[:, 0]), "variance of rows", removed)


@D.claim(weights.best, weights.best_loss, weights.best_path, chains=10_000, tier="quick")
def square_root_law(lab: Lab) -> Iterator[Evidence]:
    """at the best weight, r real and s synthetic items a fit are worth about sqrt(r s), more than pooled or r alone"""
    real, drawn, fits, early = 10, 90, 60, 3
    size = real + drawn
    best = float(weights.best(real, drawn))
    wrong = {
        "pooled": left(workflows.fresh_counts_limit(size, real)),
        "removed": 1 - 1 / real,
        "1/sqrt(r s)": 1 - (real * drawn) ** -0.5,
    }
    seen = kept(lab, "stationary", Weighted(best, real / size), size, fits)
    yield Evidence(seen, left(weights.best_loss(real, drawn)), wrong, f"H / H_0 at r = {real}, s = {drawn}")
    path = weights.best_path(real, drawn, early)
    schedule = Weighted(weights.best(real, drawn, early), real / size)
    wrong = {"one fit early": left(path[-2]), "real alone": 1 - 1 / real}
    yield Evidence(kept(lab, "schedule", schedule, size, early), left(path[-1]), wrong, f"H / H_0, {early} fits")


@D.claim(
    weights.kalman_error, weights.kalman_gain, weights.moving_mean_error, weights.moving_mean_limit,
    source="golden ratio: arXiv 2502.18049; theory/derivations/detectors.md", chains=60_000,
)  # fmt: skip
def kalman_filter(lab: Lab) -> Iterator[Evidence]:
    """for a mean, the best weight is the gain of a Kalman filter whose process noise is 1/s plus the truth's own"""
    real, drawn, fits = 10, 90, 120
    size, gain = real + drawn, float(weights.best(real, drawn, of="mean"))
    values = lab.last(
        "still", GaussianMean(), normal(), Weighted(gain, real / size), "squared_mean_error", size=size, fits=fits
    )
    exact = float(weights.kalman_error(real, drawn))
    pooled = float(weights.moving_mean_limit(real, drawn, real / size))
    yield Evidence(NominalMean(values), exact, {"pooled": pooled, "real alone": 1 / real}, "a truth that stands still")
    # the library has no truth that moves: the same steps in NumPy
    drift, random = 0.02, lab.random("moving")
    gain = float(weights.kalman_gain(real, drawn, drift))
    error = np.zeros(lab.chains)
    for _ in range(30):
        error = error + random.normal(size=lab.chains) * np.sqrt(drift + 1 / drawn)
        error = (1 - gain) * error + gain * random.normal(size=lab.chains) / np.sqrt(real)
    wrong = {"no drift": exact, "drift beside the noise": float(weights.kalman_error(real, drawn)) + drift}
    moved = float(weights.moving_mean_error(real, drawn, gain, drift, 0.0, 30))
    yield Evidence(NominalMean(error**2), moved, wrong, "a truth that moves")


@D.claim(
    screening.green_rate, screening.watermark_rates, screening.diluted_rate, screening.real_share_from_rates,
    source="scheme of Kirchenbauer et al., arXiv 2301.10226; theory/derivations/detectors.md", chains=100_000,
)  # fmt: skip
def watermarks(lab: Lab) -> Iterator[Evidence]:
    """green tokens: the rates of a detector are binomial tails, and each refit leaves 1 - g of the excess"""
    green, shift, length, count = 0.25, 2.0, 20, 12
    marked = float(screening.green_rate(green, shift))
    random = lab.random("tokens")
    found, _ = screening.watermark_rates(length, count, green, shift)
    seen = (random.random((lab.chains, length)) < marked).sum(1) >= count
    wrong = {
        "above the threshold alone": screening.watermark_rates(length, count + 1, green, shift)[0],
        "green + shift": screening.watermark_rates(length, count, green, np.log1p(shift))[0],
    }
    yield Evidence(Proportion.of(seen), found, wrong, "true positives")
    seen = (random.random((lab.chains, length)) < green).sum(1) >= count - 4
    others = [screening.watermark_rates(length, c, green, shift)[1] for c in (count - 4, count - 3, count - 5)]
    yield Evidence(Proportion.of(seen), others[0], {"one more": others[1], "one less": others[2]}, "false positives")
    size, share, fits = 50, 0.3, 3
    rate = random.binomial(size, marked, size=lab.chains) / size
    for _ in range(fits):
        rate = random.binomial(size, share * green + (1 - share) * rate) / size
    exact = Formula(screening.diluted_rate, marked, green, share, fits)
    yield exact.against(
        BoundedMean(rate, 0, 1), "rate after refits", {"real share exchanged": exact(share=1 - share)}, early=1, late=1
    )
