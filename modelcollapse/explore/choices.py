"""What a person may choose in the explorer: regimes in words, laws to begin with, and ladders of numbers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

from modelcollapse import datasets, regimes
from modelcollapse.portions import portion
from modelcollapse.protocols import Regime

SIZES = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
"""Sample sizes: a ladder, so that few programs are compiled, and these ahead of time."""
SHARES = (0.0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
TEMPERATURES = (0.7, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2, 1.5)
SEEDS = {"low": 0, "high": 2**32 - 1}
GENERATIONS = {"low": 1, "high": 200, "default": 50}
CHAINS = 200
"""Chains of each answer."""
DRAWN = 6
"""Chains that an answer holds one by one."""
BAND = 0.9
"""The share of chains in the band between ``low`` and ``high``."""
STATES = 500
"""The most states of a law."""
SHOWN = 40
"""Beyond so many states the rest is shown as one."""
DIGITS = 5
"""Significant digits of the numbers that are sent."""
TRUE_POSITIVE, FALSE_POSITIVE = 0.8, 0.1


class Choice(NamedTuple):
    """A regime in words, made of a share (where ``shared``) here and in Python source.

    ``share_label`` says what the share is of; where ``counted``, it stands for a whole number of items.
    """

    name: str
    label: str
    words: str
    shared: bool
    make: Callable[[float], Regime]
    code: Callable[[float], str]
    share_label: str = ""
    counted: bool = False

    def described(self) -> dict[str, object]:
        """As the page reads it."""
        return {
            "name": self.name, "label": self.label, "words": self.words, "share": self.shared,
            "share_label": self.share_label, "counted": self.counted,
        }  # fmt: skip


def _rest(share: float) -> float:
    """``1 - share`` without the noise of binary fractions."""
    return round(1 - share, 12)


REGIMES = {
    choice.name: choice
    for choice in (
        Choice(
            "replace", "Only the newest model",
            "Each generation learns from what the generation before wrote, and from nothing else.",
            False, lambda share: regimes.Replace(), lambda share: "mc.Replace()",
        ),
        Choice(
            "mixture", "Some real items, by chance",
            "Each item is real and new with the chance that you set; otherwise the newest model wrote it.",
            True, lambda share: regimes.Mixture(_rest(share), 0.0, share),
            lambda share: f"mc.Mixture({_rest(share)!r}, 0.0, {share!r})",
            "Chance that an item is real",
        ),
        Choice(
            "fresh", "A fixed number of new real items",
            "The share that you set is real and newly collected each generation; the newest model wrote the rest.",
            True, regimes.FreshReal, lambda share: f"mc.FreshReal({share!r})",
            "Share of new real data", True,
        ),
        Choice(
            "fixed", "The same real items each time",
            "Real items are collected once and stay in every data set; the newest model wrote the rest.",
            True, regimes.FixedReal, lambda share: f"mc.regimes.FixedReal({share!r})",
            "Share of the same real data", True,
        ),
        Choice(
            "retain", "Part of the last data set stays",
            "The share that you set stays from the data set before, real or not; the newest model wrote the rest.",
            True, regimes.Retain, lambda share: f"mc.regimes.Retain({share!r})",
            "Share kept of the last data set", True,
        ),
        Choice(
            "accumulate", "Keep everything",
            "Nothing is thrown away: each generation learns from all real and all written items so far.",
            False, lambda share: regimes.Accumulate(), lambda share: "mc.Accumulate()",
        ),
        Choice(
            "subsample", "Keep everything, learn from a part",
            "Nothing is thrown away, but each generation learns from a random part of it, always equally large.",
            False, lambda share: regimes.AccumulateSubsample(), lambda share: "mc.regimes.AccumulateSubsample()",
        ),
        Choice(
            "detected", "A detector removes what models wrote",
            "Each item is real by chance; a detector removes 80% of what the model wrote, and 10% of the real items by "
            "mistake; others take their place.",
            True,
            lambda share: regimes.Detected(
                regimes.Mixture(_rest(share), 0.0, share), TRUE_POSITIVE, FALSE_POSITIVE, refill=True
            ),
            lambda share: (
                f"mc.regimes.Detected(mc.Mixture({_rest(share)!r}, 0.0, {share!r}), {TRUE_POSITIVE}, {FALSE_POSITIVE}, "
                "refill=True)"
            ),
            "Share of real data before the detector",
        ),
    )
}  # fmt: skip

OBSERVABLES = {
    "heterozygosity": ("Diversity", "", "The chance that two draws differ."),
    "support_size": ("States alive", "states", "How many different states the model can still produce."),
    "entropy": ("Entropy", "nats", "How surprising a draw is on average."),
    "tail": (
        "The rare states",
        "probability",
        "What the rarest states hold, which hold at most a tenth together.",
    ),
}
"""Label, unit and a sentence for each curve."""


class Preset(NamedTuple):
    """A law to begin with: states and their weights."""

    label: str
    words: str
    states: tuple[str, ...]
    weights: tuple[float, ...]


@functools.cache
def presets() -> dict[str, Preset]:
    """Laws by name; letters and words are counted in the help texts of this Python."""
    words, counts = datasets.word_counts()
    letters = {chr(ordinal): 0 for ordinal in range(ord("a"), ord("z") + 1)}
    for word, count in zip(words, counts.tolist(), strict=True):
        for letter in word:
            if letter in letters:
                letters[letter] += count
    ranked = sorted(letters, key=lambda letter: -letters[letter])
    return {
        "rare": Preset(
            "Common to very rare", "Four kinds, each ten times rarer than the one before.",
            ("common", "uncommon", "rare", "very rare"), (1000, 100, 10, 1),
        ),
        "zipf": Preset(
            "Ten words by Zipf's law",
            "The second word is half as frequent as the first, the third a third, and so on.",
            tuple(f"word {i}" for i in range(1, 11)), tuple(2520 // i for i in range(1, 11)),
        ),
        "die": Preset("A fair die", "Six faces, equally likely.", tuple("123456"), (1,) * 6),
        "letters": Preset(
            "Letters of English", "How often each letter occurs in the help texts of Python.",
            tuple(ranked), tuple(letters[letter] for letter in ranked),
        ),
        "words": Preset(
            "A hundred English words", "The hundred most frequent words of the help texts of Python.",
            tuple(words[:100]), tuple(counts[:100].tolist()),
        ),
    }  # fmt: skip


def items(shares: tuple[float, ...], sizes: tuple[int, ...]) -> list[list[int]]:
    """How many items each share, a row, comes to in a data set of each size, where the regime counts them."""
    return [[portion(share, size) for size in sizes] for share in shares]


def ladder(choice: Choice, shares: tuple[float, ...] = SHARES) -> tuple[float, ...]:
    """The shares that a regime may have: one stands for all where it has none."""
    return shares if choice.shared else (0.0,)


DEFAULT = {
    "source": {"preset": "zipf"}, "regime": "replace", "share": 0.1, "temperature": 1.0, "size": 100, "generations": 50,
    "seed": 0,
}  # fmt: skip
"""The setting that the page begins with."""
LIMITS = {"body": 2 * 2**20, "states": STATES, "text": 400_000}
"""Bytes of a request, states of a law, characters of a text for the text tab."""
