"""One definition of collapse, held against a run."""

from __future__ import annotations

import dataclasses

from modelcollapse.predict.prediction import shown

ERRORS = 3.0
"""Standard errors by which a measured mean must miss a threshold to decide."""

TITLES = {
    "P1": "catastrophic", "P2": "any increase", "P3": "divergence", "P4": "variance gone", "P5": "scaling law",
    "P6": "modes lost", "P7": "tails lost", "P8": "new mass",
}  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Verdict:
    """One definition, held against a run.

    Attributes
    ----------
    name
        ``"P1"`` to ``"P8"``; where mean and single runs may disagree, ``"P4 mean"`` and ``"P4 run"``.
    definition
        The predicate.
    risk
        What it was judged by.
    measured, exact, threshold
        Numbers; None where there is none.
    holds
        True, False, or None where the run cannot decide.
    words
        The verdict in words.
    """

    name: str
    definition: str
    risk: str
    measured: float | None
    exact: float | None
    threshold: float | None
    holds: bool | None
    words: str

    @property
    def title(self) -> str:
        """What the definition is about, in a word or two."""
        return TITLES[self.name[:2]]

    @property
    def answer(self) -> str:
        """``yes``, ``no`` or ``open``."""
        return "open" if self.holds is None else "yes" if self.holds else "no"

    def __str__(self) -> str:
        return f"{self.name:8s} {self.answer:5s} {self.definition}: {self.words}" + (
            f" ({self.risk})" if self.risk else ""
        )

    __repr__ = __str__

    def cells(self) -> tuple[str, ...]:
        """Its row of a table."""
        numbers = ("" if x is None else shown(x) for x in (self.measured, self.exact, self.threshold))
        return self.name, self.definition, self.risk, *numbers, f"{self.answer}: {self.words}"


def nothing(name: str, definition: str, why: str) -> Verdict:
    """No verdict, and why."""
    return Verdict(name, definition, "", None, None, None, None, why)


def decided(value: float, error: float, threshold: float, exact: float | None = None) -> bool | None:
    """Whether a mean is at least a threshold: by its exact value, or where it misses the threshold by enough errors."""
    if exact is not None:
        return bool(exact >= threshold)
    if value - ERRORS * error >= threshold:
        return True
    return False if value + ERRORS * error < threshold else None
