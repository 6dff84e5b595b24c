"""The profile of collapse: each kind of definition in use as a predicate, held against a run, with its verdict.

P1 to P8 are our names (``modelcollapse_theory.definitions``). Where the mean over chains and the typical run may
disagree, both have a line. A verdict follows the exact value where one is known; a measured one decides where it lies
three standard errors from the threshold. What a run cannot decide is left open, and says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import SupportsIndex, overload

import numpy as np

from modelcollapse import arguments, families, notebook, numeric, observables, regimes
from modelcollapse.forks import computes
from modelcollapse.predict.measures import LOSS, Judged, Look, Risk, look, risk
from modelcollapse.predict.prediction import as_text
from modelcollapse.predict.tails import modes, tails
from modelcollapse.predict.verdict import ERRORS, Verdict, decided, nothing
from modelcollapse.summary import Traces
from modelcollapse_theory import NotCovered, definitions, gaussian

HEADER = ("", "definition", "judged by", "measured", "exact", "threshold", "verdict")
SLOWER = 0.1
"""By how much an exponent must fall for P5: at finite M those of equal laws differ a little."""
BOUNDED = ("total_variation", LOSS)
"""Risks that no law on finitely many states can drive above a constant."""
BOUNDED_WITHIN = ("chi_square", "kl_divergence")
"""Those that no law can that has only states of the truth."""


class Verdicts(list[Verdict]):
    """Verdicts on one run or several, which print as a table; ``profile["P1"]`` is one of them.

    ``print`` shows a line for each; ``repr``, and a notebook, a table.
    """

    @overload
    def __getitem__(self, index: str | SupportsIndex) -> Verdict: ...
    @overload
    def __getitem__(self, index: slice) -> Verdicts: ...
    def __getitem__(self, index: str | SupportsIndex | slice) -> Verdict | Verdicts:
        if isinstance(index, slice):
            return Verdicts(super().__getitem__(index))
        if not isinstance(index, str):
            return super().__getitem__(index)
        for verdict in self:
            if verdict.name == index:
                return verdict
        raise KeyError(f"no definition is called {index!r}; the names are {', '.join(v.name for v in self)}")

    def __str__(self) -> str:
        return "\n".join(map(str, self))

    def __repr__(self) -> str:
        return as_text(self._rows())

    def _repr_html_(self) -> str:
        return notebook.table(self._rows())

    def _rows(self) -> list[tuple[str, ...]]:
        return [HEADER, *(v.cells() for v in self)]


@computes
def profile(
    runs: Judged | Sequence[Judged], *, risk: str | None = None, factor: float = 10.0, kept: float = 0.01
) -> Verdicts:
    """Which of eight kinds of definition of collapse a run meets, and what each was judged by.

    Parameters
    ----------
    runs
        A run, or several that differ in sample size: P5, an exponent in M, needs at least two. All others are judged by
        the run with the largest data sets.
    risk
        The observable of the run that P1, P2, P3 and P5 judge by: one number for each chain and generation. Default
        ``chi_square``, ``squared_mean_error``, ``excess_risk`` or another that was kept, or what follows from the
        heterozygosity, the probabilities, the mean or the coefficients.
    factor
        P1 calls a run catastrophic where R_n >= factor R_1.
    kept
        P4 calls the variance, or the diversity, gone where less than this share of it is left.

    Returns
    -------
    Verdicts
        A list of ``Verdict``, one for each of P1, P2, P3, P4 in the mean and per run, P5, P6, and P7 and P8 in the mean
        and per run. Generation g is fit n = g + 1, so that R_1 is the risk of generation 0.

    Raises
    ------
    KeyError, ValueError, TypeError
        For a risk that was not kept or is an array, for thresholds out of range, and for what is not a run.
    """
    several = list(runs) if isinstance(runs, Sequence) else [runs]
    if not several or not all(isinstance(one, Traces) for one in several):
        raise TypeError(f"runs must be a run, or a list of runs, got {numeric.shown(runs)}")
    if any(isinstance(one.family, families.Population) for one in several):
        raise TypeError("runs must be of one model for each chain, got one of a Population: its models have no profile")
    factor = arguments.number("factor", factor, 1, np.inf)
    kept = arguments.number("kept", kept, 0, 1, open_low=True, open_high=True)
    looks = sorted((look(one) for one in several), key=lambda seen: int(seen.run.sizes()[-1]))
    seen, found = looks[-1], [_risk(one, risk) for one in looks]
    out = Verdicts([*_ratios(seen, found[-1], factor), _divergence(seen, found[-1]), *_variance(seen, kept)])
    out.append(_exponent(looks, found))
    out.extend(modes(seen))
    out.extend(tails(seen))
    return out


def _risk(seen: Look, name: str | None) -> Risk | None:
    return risk(seen, name) if seen.run.recorded.size and seen.chains else None


# --- P1 and P2: ratios to the risk of the first fit ------------------------------------------------------------------


def _ratios(seen: Look, by: Risk | None, factor: float) -> list[Verdict]:
    """P1 and P2."""
    one = f"R_n >= {factor:g} R_1 at generation {seen.last}"
    any_ = "R_n > R_1 for some n"
    if by is None or seen.run.recorded[0] != 0 or seen.run.recorded.size < 2:
        why = "no risk was kept" if by is None else "generation 0, the first fit, is not recorded beside a later one"
        return [nothing("P1", one, why), nothing("P2", any_, why)]
    generations = seen.run.recorded[1:]
    value, error = _times(by.values)
    exact = None if by.exact is None or not by.exact[0] > 0 else by.exact[1:] / by.exact[0]
    known = None if exact is None else float(exact[-1])
    catastrophic = decided(value[-1], error[-1], factor, known)
    words = f"{value[-1]:.3g} times the risk of the first fit in generation {generations[-1]}"
    first = Verdict("P1", one, by.name, float(value[-1]), known, factor, catastrophic, words)
    top = int(np.argmax(exact if exact is not None else np.nan_to_num(value - ERRORS * error, nan=-np.inf)))
    known = None if exact is None else float(exact[top])
    rises = decided(value[top], error[top], np.nextafter(1.0, 2), known)
    words = f"the mean risk rises to {value[top]:.3g} R_1 in generation {generations[top]}"
    if not rises:
        words = (
            f"up to generation {generations[-1]} no rise of more than three standard errors was seen (largest mean "
            f"{value[top]:.3g} R_1); whether one comes later is open"
        )
        rises = None
    return [first, Verdict("P2", any_, by.name, float(value[top]), known, 1.0, rises, words)]


def _times(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of each later generation over that of the first, and its standard error, ``(G - 1,)``."""
    with np.errstate(invalid="ignore", divide="ignore"):
        start = values[:, 0].mean()
        ratio = values[:, 1:].mean(0) / start
        gap = values[:, 1:] - ratio[None] * values[:, :1]
        spread = gap.std(0, ddof=1) if values.shape[0] > 1 else np.full(ratio.shape, np.inf)
        return ratio, spread / np.sqrt(values.shape[0]) / start


# --- P3: a supremum --------------------------------------------------------------------------------------------------


def _divergence(seen: Look, by: Risk | None) -> Verdict:
    what = "sup R_n is infinite"
    if by is None:
        return nothing("P3", what, "no risk was kept")
    with np.errstate(invalid="ignore"):
        highest = float(by.values.mean(0).max())
    if np.isinf(highest):
        words = "the mean over these chains is infinite"
        return Verdict("P3", what, by.name, highest, None, np.inf, True, words)
    if _bounded(seen, by.name):
        words = "this risk is bounded on finitely many states, whatever the workflow"
        return Verdict("P3", what, by.name, highest, None, np.inf, False, words)
    if grows := _grows(seen, by.name):
        words = f"the mean grows without bound: {grows}"
        return Verdict("P3", what, by.name, highest, np.inf, np.inf, True, words)
    words = f"no run decides a supremum; the largest mean up to generation {seen.last} is {highest:.3g}"
    return Verdict("P3", what, by.name, highest, None, np.inf, None, words)


def _bounded(seen: Look, name: str) -> bool:
    """Whether no workflow drives a risk above a constant."""
    if not isinstance(seen.family, families.Discrete):
        return False
    law = seen.law()
    # a prior, an archive or noise may give mass to states that the truth does not have
    within = seen.run.family is seen.family or (law is not None and bool(np.all(law > 0)))
    return name in BOUNDED or (name in BOUNDED_WITHIN and within)


def _grows(seen: Look, name: str) -> str:
    """By what law the mean risk is known to grow without bound, for normal refits of constant size; else nothing."""
    family = seen.run.family
    if type(family) is not families.Gaussian or type(seen.setting.regime) is not regimes.Replace:
        return ""
    if not seen.setting.constant:
        return ""
    if name == "squared_mean_error" and family.ddof == 1:
        return "E |mu_n - mu_0|^2 = tr Sigma_0 n/M"
    if isinstance(seen.run.observables.get(name), observables.ExcessLogLoss):
        return "E KL(N_0 || N_n) grows like ((M - ddof)/(M - 3))^n"
    return ""


# --- P4: variance ----------------------------------------------------------------------------------------------------


def _variance(seen: Look, kept: float) -> list[Verdict]:
    """P4 in the mean and per run."""
    law, states = seen.law(), seen.states()
    moments, normal = seen.moments(), seen.normal()
    if law is not None and states is not None:
        name, whole = "heterozygosity", float((law * (1 - law)).sum())
        left = (states * (1 - states)).sum(1)
    elif moments is not None and normal is not None:
        name, whole, left = "total_variance", float(moments[1].sum()), np.exp(normal[1]).sum(1)
    else:
        name, whole, left = "", 0.0, np.zeros(0)
    what = f"less than {kept:g} of the variance is left"
    if not whole > 0 or not left.size:
        why = "the variance of the last fits, or of the truth, is not known here"
        return [nothing("P4 mean", what, why), nothing("P4 run", what, why)]
    left = left / whole
    exact = seen.at_the_end(name)
    known = None if exact is None else float(exact) / whole
    value, error = float(left.mean()), _error(left)
    there = decided(value, error, kept, known)
    theory = "" if known is None else f", {known:.3g} by theory"
    words = f"{value:.3g} of it is left in the mean over these chains{theory}; its limit is not seen by one run"
    mean = Verdict("P4 mean", what, name, value, known, kept, None if there is None else not there, words)
    gone, chance = float((left < kept).mean()), _gone(seen, kept)
    words = f"in {100 * gone:.3g} % of the runs; the median run has {np.median(left):.3g} of it"
    most = (gone if chance is None else chance) > 0.5
    return [mean, Verdict("P4 run", what + " in most runs", name, gone, chance, 0.5, most, words)]


def _gone(seen: Look, kept: float) -> float | None:
    """The exact chance that less than ``kept`` of the variance is left, for normal refits on one coordinate."""
    family, normal = seen.run.family, seen.normal()
    if type(family) is not families.Gaussian or type(seen.setting.regime) is not regimes.Replace or normal is None:
        return None
    if seen.setting.drawn_from is not families.Gaussian or not seen.setting.constant or normal[0].shape[1] != 1:
        return None
    size, fits = int(seen.setting.sizes[0]), seen.last + 1
    try:
        return float(gaussian.log_variance_cdf(np.log(kept), size, fits, ddof=int(family.ddof)))
    except NotCovered:
        return None


def _error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(values.size)) if values.size > 1 else np.inf


# --- P5: an exponent in the sample size ------------------------------------------------------------------------------


def _exponent(looks: Sequence[Look], risks: Sequence[Risk | None]) -> Verdict:
    what = f"-d ln R_n / d ln M is below that of R_1 by {SLOWER:g} or more"
    sizes = [int(seen.run.sizes()[-1]) for seen in looks]
    if len(set(sizes)) < 2:
        return nothing("P5", what, "an exponent in M needs runs at several M: mc.profile([run, run, ...])")
    kept = [by for by in risks if by is not None]
    started = all(seen.run.recorded.size and seen.run.recorded[0] == 0 for seen in looks)
    if len(kept) < len(looks) or len({by.name for by in kept}) > 1 or not started:
        return nothing("P5", what, "the runs need one risk in common, with generation 0 recorded")
    try:
        slopes = [_slope(sizes, [by.values[:, at] for by in kept]) for at in (0, -1)]
        exact = [by.exact for by in kept]
        known = None
        if all(one is not None for one in exact):
            first, last = (definitions.exponent(sizes, [one[at] for one in exact if one is not None]) for at in (0, -1))
            known = last - first
    except (NotCovered, ValueError):
        return nothing("P5", what, "a mean risk is 0 or not finite")
    (start, start_error), (end, end_error) = slopes
    lag, error = start - end, float(np.hypot(start_error, end_error))
    known = None if known is None else -known
    words = (
        f"exponent {end:.3g} at the last generation, {start:.3g} for the first fit, M from {sizes[0]} to "
        f"{sizes[-1]}; a law in M is a limit; all other lines judge the run of M = {sizes[-1]}"
    )
    return Verdict("P5", what, kept[-1].name, lag, known, SLOWER, decided(lag, error, SLOWER, known), words)


def _slope(sizes: Sequence[int], values: Sequence[np.ndarray]) -> tuple[float, float]:
    """The exponent of mean risks, and its standard error by the delta method."""
    means = np.array([one.mean() for one in values])
    gap = np.log(sizes) - np.mean(np.log(sizes))
    errors = np.array([_error(one) for one in values]) / means
    return definitions.exponent(sizes, means), float(np.sqrt(gap**2 @ errors**2) / (gap @ gap))
