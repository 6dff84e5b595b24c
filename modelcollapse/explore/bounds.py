"""How large the numbers of a question may be, so that the page has its answer in seconds and in little memory.

The command line and Python have no such bounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class Bound(NamedTuple):
    """The most that a blank may hold, by the option of the planner that it fills."""

    name: str
    most: int


STATES = Bound("zipf", 1000)
FITS = Bound("fits", 10_000)
OF_HALF = {"entropy": Bound("sample_size", 1000), "vocabulary": Bound("sample_size", 3000)}
"""An exact law of M items takes about M^3 steps for the entropy, M^2 for the vocabulary."""
STATIONARY = Bound("sample_size", 5000)
AT_A_FIT = Bound("sample_size", 500)


def bounds(question: str, filled: Mapping[str, Any]) -> Iterator[Bound]:
    """The bounds of a question of the planner with these values."""
    if filled.get("zipf") is not None:
        yield STATES
    if question == "half-life" and filled["of"] in OF_HALF:
        yield OF_HALF[filled["of"]]
    if question == "detector" or (question == "real-share" and filled["fits"] is None):
        yield STATIONARY
    if question == "real-share" and filled["fits"] is not None:
        yield AT_A_FIT
        yield FITS


def check(question: str, filled: Mapping[str, Any], labels: Mapping[str, str], command: str) -> None:
    """ValueError for a number beyond the bounds, with the ``command`` that answers without them."""
    for name, most in bounds(question, filled):
        if filled[name] > most:
            raise ValueError(
                f"“{labels[name]}” may be {most:,} at most on this page, so that the answer comes in seconds, got "
                f"{filled[name]:,}; without this bound: {command}."
            )
