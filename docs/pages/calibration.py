"""The false-alarm rate, where it can be seen: all predictions under many seeds, counted against the promise.

``python -m docs.pages.calibration`` writes the tables of ``docs/calibration.md``. The rate of the
registry, 1e-6 over all comparisons, cannot be seen in any number of runs; it follows from the same construction. Claims
run at a reduced budget, which changes nothing for statistics that bound their rate by construction and is harder for
nominal ones.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterable
from pathlib import Path

import jax
import numpy as np
from scipy.stats import binom
from tqdm import tqdm

from modelcollapse.claims import registry
from modelcollapse.verify.evidence import Evidence
from modelcollapse.verify.runner import Claim, given_by

PAGE = Path(__file__).parents[2] / "docs" / "calibration.md"
RATES = (1e-2, 1e-3, 1e-4)
FOUND = "## What was found\n"


@dataclasses.dataclass
class Count:
    """False alarms of the predictions of one claim, or of several, at each of ``RATES``."""

    certain: bool
    comparisons: int = 0
    alarms: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(len(RATES), int))
    slack: bool = False

    def add(self, evidence: Evidence) -> None:
        self.comparisons += 1
        self.slack |= evidence.slack > 0
        self.alarms += [evidence.observed.log_p(evidence.nearest, rate) < np.log(rate) for rate in RATES]

    def excess(self) -> np.ndarray:
        """For each rate, the probability of so many alarms or more if the promise were kept to the letter."""
        return binom.sf(self.alarms - 1, self.comparisons, RATES)


def calibrate(
    chosen: Iterable[Claim], seeds: Iterable[int], chains: int, *, progress: bool = True
) -> dict[str, list[Count]]:
    """False alarms of every claim, its certain and its nominal evidence apart."""
    counts: dict[str, list[Count]] = {}
    chosen = list(chosen)
    for seed in tqdm(list(seeds), disable=not progress, unit="seed"):
        for claim in chosen:
            for evidence in given_by(claim, seed, chains):
                kinds = counts.setdefault(claim.name, [])
                certain = evidence.observed.certain
                if not any(count.certain == certain for count in kinds):
                    kinds.append(Count(certain))
                next(count for count in kinds if count.certain == certain).add(evidence)
    return counts


def total(counts: dict[str, list[Count]], certain: bool) -> Count:
    out = Count(certain)
    for count in (count for kinds in counts.values() for count in kinds if count.certain == certain):
        out.comparisons += count.comparisons
        out.alarms = out.alarms + count.alarms
    return out


def cells(count: Count) -> str:
    """What was seen and promised at each rate, and how improbable so many alarms are."""
    excess, promised = count.excess(), [f"{count.comparisons * rate:.3g}" for rate in RATES]
    seen = " | ".join(f"{alarms} / {mean}" for alarms, mean in zip(count.alarms, promised, strict=True))
    mark = " *" if excess.min() < 1e-3 else ""
    return f"{count.comparisons} | {seen} | {', '.join(f'{p:.2g}' for p in excess)}{mark}"


def text(counts: dict[str, list[Count]], seeds: int, chains: int) -> str:
    """What the page says behind ``FOUND``: both tables, and the rates that they bound."""
    head = " | ".join(f"at {rate:g}: seen / promised" for rate in RATES)
    rule, kinds = "---|" * (len(RATES) + 1), ("by construction", "nominal")
    both = [total(counts, certain) for certain in (True, False)]
    upper = [1 - 0.05 ** (1 / max(count.comparisons, 1)) for count in both]
    lines = [
        f"Counted by `python -m docs.pages.calibration --seeds {seeds} --chains {chains}`.",
        "",
        f"| evidence | comparisons | {head} | p |",
        f"|---|---|{rule}",
        *(f"| {name} | {cells(count)} |" for name, count in zip(kinds, both, strict=True)),
        "",
        f"A rate of which no alarm was seen is below {upper[0]:.1g} ({kinds[0]}) or {upper[1]:.1g} ({kinds[1]}) with",
        "95 % confidence, if all comparisons of a class share it. For one claim that bound is 3 divided by its "
        "comparisons.",
        "",
        f"| claim | evidence | comparisons | {head} | p |",
        f"|---|---|---|{rule}",
    ]
    for name, found in counts.items():
        for count in found:
            kind = kinds[0 if count.certain else 1] + (" ~" if count.slack else "")
            lines.append(f"| `{name}` | {kind} | {cells(count)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m docs.pages.calibration", description="Count false alarms over seeds."
    )
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--chains", type=int, default=2000)
    options = parser.parse_args()
    with jax.enable_x64(True):
        chosen = sorted((c for c in registry().values() if c.name not in SKIPPED), key=lambda c: c.section)
        counts = calibrate(chosen, range(1000, 1000 + options.seeds), options.chains)
    said = PAGE.read_text(encoding="utf-8").partition(FOUND)[0]
    PAGE.write_text(f"{said}{FOUND}\n{text(counts, options.seeds, options.chains)}", encoding="utf-8")


SKIPPED = ("wasserstein_variance",)
"""Claims whose nominal statistic needs millions of chains before it is near the normal law."""


if __name__ == "__main__":
    main()
