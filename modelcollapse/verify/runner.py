"""A claim returns evidence; the runner decides, at one false-alarm rate for the whole registry."""

from __future__ import annotations

import dataclasses
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np
import scipy

from modelcollapse.verify.evidence import Evidence

RATE = 1e-6
"""Probability that any prediction of the registry is rejected although all are true."""

HELD, REJECTED, UNDERPOWERED, RAISED = "holds", "REJECTED", "underpowered", "RAISED"

TIERS = ("quick", "default", "extended")
"""A tier is run with those before it: within a minute, within minutes, and with time to spare."""

Function: TypeAlias = Callable[[int, int], Evidence | Iterable[Evidence]]
"""What puts a claim to the test: of the seed and the number of chains."""

F = TypeVar("F", bound=Function)


@dataclasses.dataclass(frozen=True)
class Claim:
    name: str
    statement: str
    source: str
    section: str
    chains: int
    function: Function
    theorems: tuple[str, ...] = ()
    tier: str = "default"


REGISTRY: dict[str, Claim] = {}
"""Every claim registered so far. ``modelcollapse.claims.registry()`` has those of this package too."""


def claim(
    statement: str,
    *,
    source: str,
    section: str = "user",
    chains: int = 10_000,
    theorems: Iterable[str] = (),
    tier: str = "default",
) -> Callable[[F], F]:
    """Register ``function(seed, chains) -> Evidence`` (or several) under its own name.

    Parameters
    ----------
    statement
        The claim in one line.
    source
        Where it is proven, or comes from.
    chains
        The default budget: sized so that each near miss lies 12 standard errors or more away.
    theorems
        The functions of ``modelcollapse_theory`` that it puts to the test, as ``module.function``.
    tier
        ``"quick"``, ``"default"`` or ``"extended"``: the shortest kind of ``modelcollapse verify`` that includes it.
    """
    if tier not in TIERS:
        raise ValueError(f"tier must be one of {TIERS}, got {tier!r}")

    def register(function: F) -> F:
        name = function.__name__
        if name in REGISTRY and REGISTRY[name].function is not function:
            raise ValueError(f"a claim named {name!r} is registered already")
        REGISTRY[name] = Claim(name, statement, source, section, chains, function, tuple(theorems), tier)
        return function

    return register


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One value held against one statistic."""

    value: float
    z: float
    log_p: float
    rejected: bool


@dataclasses.dataclass(frozen=True)
class Row:
    """The verdict on one piece of evidence."""

    what: str
    estimate: float
    standard_error: float
    certain: bool
    level: float
    prediction: Comparison
    near_misses: dict[str, Comparison]
    resolution: float  # smallest relative error of the prediction that would have been detected, slack included
    slack: float = 0.0  # the stated error of the prediction

    @property
    def verdict(self) -> str:
        if self.prediction.rejected:
            return REJECTED
        return HELD if all(c.rejected for c in self.near_misses.values()) else UNDERPOWERED


@dataclasses.dataclass(frozen=True)
class Result:
    claim: Claim
    chains: int
    seconds: float
    rows: tuple[Row, ...]
    error: str = ""  # what the claim raised in place of evidence

    @property
    def verdict(self) -> str:
        if self.error:
            return RAISED
        verdicts = {row.verdict for row in self.rows}
        return next(v for v in (REJECTED, UNDERPOWERED, HELD) if v in verdicts)


def level(claims: int, comparisons: int, rate: float = RATE) -> float:
    """False-alarm rate of one comparison: ``rate`` shared equally by all registered claims, then by a claim's evidence.

    It counts what is registered, not what is selected, so a claim is judged alike whichever others are run.
    """
    return rate / claims / comparisons


def given_by(claim: Claim, seed: int, chains: int) -> list[Evidence]:
    """The evidence that a claim returns, as a list."""
    found = claim.function(seed, chains)
    return [found] if isinstance(found, Evidence) else list(found)


def run_claim(claim: Claim, seed: int, chains: int | None = None, rate: float = RATE) -> Result:
    """Put one claim to the test with a stream of its own."""
    begun = time.perf_counter()
    budget = claim.chains if chains is None else chains
    if budget < 2:
        raise ValueError(f"chains must be at least 2, got {budget}")
    evidence = given_by(claim, seed, budget)
    allowed = level(max(len(REGISTRY), 1), len(evidence), rate)
    rows = tuple(judge(e, allowed) for e in evidence)
    return Result(claim, budget, time.perf_counter() - begun, rows)


def run_claims(
    chosen: Sequence[Claim],
    seed: int,
    *,
    chains: int | None = None,
    times: int = 1,
    done: Callable[[], Any] = lambda: None,
) -> Iterator[Result]:
    """Run several claims in the given order.

    ``times`` multiplies every claim's own budget. ``done`` is called after each claim. A claim that raises does not end
    the others: its result has the verdict ``RAISED``, and ``error`` says what it raised.
    """
    if chains is not None and chains < 2:
        raise ValueError(f"chains must be at least 2, got {chains}")
    for claim in chosen:
        budget, begun = claim.chains * times if chains is None else chains, time.perf_counter()
        try:
            result = run_claim(claim, seed, budget)
        except Exception as error:
            result = Result(claim, budget, time.perf_counter() - begun, (), f"{type(error).__name__}: {error}")
        yield result
        done()


def stream(seed: int, name: str) -> int:
    """A seed for the runs called ``name``: claims with different names see independent randomness."""
    return (int(seed) << 32) ^ zlib.crc32(name.encode())


def exit_code(results: Iterable[Result]) -> int:
    """0: all holds; 1: a prediction is rejected, or a claim raised; 3: a near miss is not rejected."""
    verdicts = {result.verdict for result in results}
    return 1 if verdicts & {REJECTED, RAISED} else 3 if UNDERPOWERED in verdicts else 0


def judge(evidence: Evidence, level: float) -> Row:
    """The verdict at a false-alarm rate of ``level``."""
    observed = evidence.observed

    def compare(value: float) -> Comparison:
        log_p = observed.log_p(value, level)
        return Comparison(value, evidence.z(value), log_p, bool(log_p < np.log(level)))

    threshold = -scipy.special.ndtri_exp(np.log(level / 2))
    scale = abs(evidence.predicted)
    return Row(
        evidence.what,
        observed.estimate,
        observed.standard_error,
        observed.certain,
        level,
        dataclasses.replace(compare(evidence.nearest), value=evidence.predicted),
        {name: compare(value) for name, value in evidence.wrong.items()},
        float((threshold * observed.standard_error + evidence.slack) / scale) if scale else np.inf,
        evidence.slack,
    )


def content(results: Sequence[Result], seed: int) -> dict[str, Any]:
    """All evidence, for machines."""

    def plain(row: Row) -> dict[str, Any]:
        return dataclasses.asdict(row) | {"verdict": row.verdict}

    claims = [
        {
            "claim": r.claim.name,
            "statement": r.claim.statement,
            "source": r.claim.source,
            "section": r.claim.section,
            "chains": r.chains,
            "seconds": round(r.seconds, 3),
            "verdict": r.verdict,
            **({"error": r.error} if r.error else {}),
            "evidence": [plain(row) for row in r.rows],
        }
        for r in results
    ]
    return {"seed": seed, "rate": RATE, "claims": claims}


def to_text(result: Result) -> str:
    """The rows of one claim in the table."""
    lines = [f"{result.claim.name}: {result.claim.statement}"]
    if result.error:
        lines.append(f"  {RAISED} {result.error}")
    for row in result.rows:
        notes = "" if row.certain else "  (nominal)"
        if row.slack:
            notes += f"  (up to {row.slack:.2g})"
        label = row.what or "prediction"
        detects = f"{100 * row.resolution:.2g}%" if np.isfinite(row.resolution) else "-"
        lines.append(
            f"  {label:44.44s} {row.prediction.value:12.6g} {row.estimate:12.6g} ± {row.standard_error:8.2g} "
            f"{row.prediction.z:+8.1f} {detects:>8s}  {row.verdict}{notes}"
        )
        for name, miss in row.near_misses.items():
            fate = "rejected" if miss.rejected else "NOT REJECTED"
            lines.append(f"    not: {name:37.37s} {miss.value:12.6g} {'':12s}   {'':8s} {miss.z:+8.1f} {'':8s}  {fate}")
    return "\n".join(lines)


HEADER = (
    "z: distance from the simulation in standard errors; "
    "detects: the smallest relative error of the prediction that would have shown\n"
    f"{'':46s} {'value':>12s} {'simulation':>12s}   {'std. err':>8s} {'z':>8s} {'detects':>8s}"
)
