"""The false-alarm rate, where it can be seen: all predictions under many seeds at 1e-2 to 1e-4, counted against the promise.

``python -m modelcollapse.claims.pages.calibration`` writes ``docs/calibration.md``. The rate of the registry, 1e-6 over all
comparisons, cannot be seen in any number of runs; it follows from the same construction. Claims run at a reduced budget,
which changes nothing for statistics that bound their rate by construction and is the harder case for nominal ones.
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

PAGE = Path(__file__).parents[3] / "docs" / "calibration.md"
RATES = (1e-2, 1e-3, 1e-4)


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
    for kinds in counts.values():
        for count in kinds:
            if count.certain == certain:
                out.comparisons += count.comparisons
                out.alarms = out.alarms + count.alarms
    return out


def text(counts: dict[str, list[Count]], seeds: int, chains: int) -> str:
    """The report."""
    head = " | ".join(f"at {rate:g}: seen / promised" for rate in RATES)
    lines = [
        "# Calibration of the false-alarm rate",
        "",
        f"Written by `python -m modelcollapse.claims.pages.calibration --seeds {seeds} --chains {chains}`. Every prediction of the suite",
        f"was put to the test under {seeds} seeds at {chains} chains, and its false alarms counted at rates that can be seen.",
        "",
        "*By construction*: exact binomial tails, betting martingales and Chernoff bounds, whose rate is a bound, so that counts",
        "should not exceed the promise. *Nominal*: a studentised mean, whose rate is that of the normal law only as far as the",
        "central limit theorem reaches; the reduced budget is the harder case for it, and the reason why it is marked in every",
        "table. Claims that share a run are not independent, so a single unlucky seed shows in several rows. `p` is the",
        "probability of so many alarms or more at exactly the promised rates; an asterisk marks p < 1e-3. Predictions with a",
        "stated error (slack) are marked `~`: they alarm less than promised.",
        "",
        "## All together",
        "",
        f"| evidence | comparisons | {head} | p |",
        "|---|---|" + "---|" * (len(RATES) + 1),
    ]

    def cells(count: Count) -> str:
        excess = count.excess()
        seen = " | ".join(
            f"{alarms} / {count.comparisons * rate:.3g}" for alarms, rate in zip(count.alarms, RATES, strict=True)
        )
        return f"{count.comparisons} | {seen} | {', '.join(f'{p:.2g}' for p in excess)}{' *' if excess.min() < 1e-3 else ''}"

    for certain, name in ((True, "by construction"), (False, "nominal")):
        lines.append(f"| {name} | {cells(total(counts, certain))} |")
    lines += [
        "",
        "## Claim by claim",
        "",
        f"| claim | evidence | comparisons | {head} | p |",
        "|---|---|---|" + "---|" * (len(RATES) + 1),
    ]
    for name, kinds in counts.items():
        for count in kinds:
            kind = ("by construction" if count.certain else "nominal") + (" ~" if count.slack else "")
            lines.append(f"| `{name}` | {kind} | {cells(count)} |")
    upper = [1 - 0.05 ** (1 / max(count.comparisons, 1)) for count in (total(counts, True), total(counts, False))]
    lines += [
        "",
        "## What this can and cannot show",
        "",
        f"A rate of which no alarm was seen is below {upper[0]:.1g} (by construction) or {upper[1]:.1g} (nominal) with 95 %",
        "confidence, if all comparisons of a class share it. For one claim the same bound is 3 divided by its comparisons. The",
        "promise at 1e-6 rests on the construction, not on this page.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m modelcollapse.claims.pages.calibration", description="Count false alarms over seeds."
    )
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--chains", type=int, default=2000)
    options = parser.parse_args()
    with jax.enable_x64(True):
        chosen = sorted((c for c in registry().values() if c.name not in SKIPPED), key=lambda c: c.section)
        counts = calibrate(chosen, range(1000, 1000 + options.seeds), options.chains)
    PAGE.write_text(text(counts, options.seeds, options.chains), encoding="utf-8")


SKIPPED = ("wasserstein_variance",)
"""Claims whose nominal statistic needs millions of chains before it is near the normal law."""


if __name__ == "__main__":
    main()
