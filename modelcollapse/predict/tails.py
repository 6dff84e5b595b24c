"""Lost modes and tails: what the last fits of a run give to rare states, or beyond three true deviations."""

from __future__ import annotations

import math

import numpy as np

from modelcollapse import families, regimes
from modelcollapse.portions import portion
from modelcollapse.predict.measures import Look
from modelcollapse.predict.verdict import Verdict, decided, nothing
from modelcollapse_theory import definitions

DEVIATIONS = 3.0
"""Where the tails of a normal law begin, in true deviations."""
RARE = 0.05
"""The rarest states of a discrete law that hold at most this much of it together are its tail."""
THIN = 0.5
"""A tail is lost where less than this much of the true one is left."""


def modes(seen: Look) -> list[Verdict]:
    """P6: states that the last fit has no chance for."""
    what = "a state of the truth is absent"
    law, states = seen.law(), seen.states()
    if law is None or states is None or not states.size:
        return [nothing("P6", what, "only a law on states whose truth is known has modes to lose")]
    there = law > 0
    value = float((states[:, there] == 0).mean())
    exact = seen.at_the_end("support_size")
    known = None if exact is None else max(0.0, 1 - float(exact) / int(there.sum()))
    words = f"{100 * value:.3g} % of the states are absent in the mean over chains"
    rarest = float(law[there].min())
    ever = _for_good(seen, rarest)
    if ever is not None:
        words += f"; one of q = {rarest:.3g} is lost for good with chance {ever:.3g}"
    holds = bool(value > 0 or (known is not None and known > 0))
    return [Verdict("P6", what, "share of states", value, known, 0.0, holds, words)]


def _for_good(seen: Look, q: float) -> float | None:
    """The chance that a state of probability q is lost for good, where the workflow has one."""
    regime, sizes = seen.setting.regime, seen.setting.sizes
    if not seen.setting.constant or seen.setting.rows is not None or seen.run.family is not seen.family:
        return None
    if type(regime) is regimes.Replace:
        return 1 - q
    if type(regime) is regimes.FixedReal:
        return float(definitions.lost_for_good(q, int(portion(regime.share, sizes[0]))))
    if type(regime) in (regimes.Accumulate, regimes.AccumulateSubsample):
        return float(definitions.lost_for_good(q, int(sizes[0])))
    return 0.0 if type(regime) is regimes.FreshReal else None


def tails(seen: Look) -> list[Verdict]:
    """P7 and P8, in the mean and per run."""
    law, states = seen.law(), seen.states()
    if law is not None and states is not None and states.size:
        return _rare(seen, law, states)
    moments, normal = seen.moments(), seen.normal()
    if moments is not None and normal is not None and normal[0].size and np.all(moments[1] > 0):
        return _normal(seen, *moments, *normal)
    why = "tails are read from laws on states and from normal laws, beside a truth that is known"
    lost, new = "the tail has less than half of its true mass", "mass where the truth has (almost) none"
    return [nothing(name, lost if "7" in name else new, why) for name in ("P7 mean", "P7 run", "P8 mean", "P8 run")]


def _rare(seen: Look, law: np.ndarray, states: np.ndarray) -> list[Verdict]:
    there = np.flatnonzero(law > 0)
    order = there[np.argsort(law[there], kind="stable")]
    rare = order[: max(1, int((np.cumsum(law[order]) <= RARE).sum()))]
    ratio = states[:, rare].sum(1) / law[rare].sum()
    exact = seen.at_the_end("probabilities")
    known = None if exact is None else float(exact[rare].sum() / law[rare].sum())
    which = f"{rare.size} rarest states" if rare.size > 1 else "rarest state"
    by = f"mass of the {which} over the truth's"
    return [*_lost(ratio, known, None, by), *_new(seen, exact, states[:, law == 0].sum(1), law == 0)]


def _new(seen: Look, exact: np.ndarray | None, mass: np.ndarray, absent: np.ndarray) -> list[Verdict]:
    """P8 for states that the truth does not have, of which the fits give ``mass`` ``(chain,)``."""
    what, value = "mass on states that the truth does not have", float(mass.mean())
    plain = seen.run.family is seen.family  # fits to draws, whatever the workflow
    known = 0.0 if plain else None if exact is None else float(exact[absent].sum())
    words = "a fit to draws has only states that were drawn" if plain else f"{value:.3g} in the mean over chains"
    share = float((mass > 0).mean())
    each = words if plain else f"in {100 * share:.3g} % of the runs"
    return [
        Verdict("P8 mean", what, "mass", value, known, 0.0, value > 0, words),
        Verdict(
            "P8 run", what + " in most runs", "share of runs", share, 0.0 if plain else None, 0.5, share > 0.5, each
        ),
    ]


def _normal(seen: Look, mean: np.ndarray, variance: np.ndarray, means: np.ndarray, logs: np.ndarray) -> list[Verdict]:
    truth = math.erfc(DEVIATIONS / math.sqrt(2))
    shift = (means - mean[None]) / np.sqrt(variance)[None]
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        width = np.exp(0.5 * (logs - np.log(variance)[None]))
        mass = _beyond((DEVIATIONS - shift) / width) + _beyond((DEVIATIONS + shift) / width)
    ratio = mass.mean(1) / truth
    known, chance = _first(seen) if means.shape[1] == 1 else (None, None)
    known = None if known is None else known / truth
    by = f"mass beyond {DEVIATIONS:g} true deviations over the truth's"
    return [*_lost(ratio, known, chance, by), *_more(ratio, known, by)]


def _first(seen: Look) -> tuple[float | None, float | None]:
    """The exact mean tail mass of a first fit on one coordinate, and the chance that it is thin."""
    family, size = seen.run.family, int(seen.setting.sizes[-1])
    if type(family) is not families.Gaussian or seen.setting.drawn_from is not families.Gaussian:
        return None, None
    if seen.last > 0 or size < 4:
        return None, None
    ddof = int(family.ddof)
    chance = definitions.thin_tail_probability(size, DEVIATIONS, THIN, ddof=ddof)
    return definitions.first_tail_mass(size, DEVIATIONS, ddof=ddof), chance


def _beyond(x: np.ndarray) -> np.ndarray:
    """The chance that a standard normal passes x; 0 and 1 at the infinities."""
    return np.vectorize(math.erfc, otypes=[np.float64])(x / math.sqrt(2)) / 2


def _lost(ratio: np.ndarray, exact: float | None, chance: float | None, by: str) -> list[Verdict]:
    what = f"the tail has less than {THIN:g} of its true mass"
    value, error = _mean(ratio)
    enough = decided(value, error, THIN, exact)
    words = f"{value:.3g} times the truth's in the mean over chains"
    mean = Verdict("P7 mean", what, by, value, exact, THIN, None if enough is None else not enough, words)
    thin = float((ratio < THIN).mean())
    words = f"in {100 * thin:.3g} % of the runs; the median run has {np.median(ratio):.3g} of it"
    most = (thin if chance is None else chance) > 0.5
    return [mean, Verdict("P7 run", what + " in most runs", by, thin, chance, 0.5, most, words)]


def _more(ratio: np.ndarray, exact: float | None, by: str) -> list[Verdict]:
    what = "the tail has more than its true mass"
    value, error = _mean(ratio)
    words = f"{value:.3g} times the truth's in the mean over chains"
    holds = decided(value, error, np.nextafter(1.0, 2), exact)
    mean = Verdict("P8 mean", what, by, value, exact, 1.0, holds, words)
    share = float((ratio > 1).mean())
    words = f"in {100 * share:.3g} % of the runs"
    return [mean, Verdict("P8 run", what + " in most runs", by, share, None, 0.5, share > 0.5, words)]


def _mean(values: np.ndarray) -> tuple[float, float]:
    error = values.std(ddof=1) / np.sqrt(values.size) if values.size > 1 else np.inf
    return float(values.mean()), float(error)
