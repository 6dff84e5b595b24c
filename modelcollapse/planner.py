"""The questions of the planner, who answers them, and what they need: for the command line and for the explorer.

A question has the form "the least sample, share, number of fits or growth such that ..."; ``modelcollapse_theory``
answers. Where a demand cannot be met it refuses, by a ValueError that says what can be had.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from modelcollapse import arguments, datasets
from modelcollapse_theory import entrant, flag_weights, plan, remedies, temperature, weights
from modelcollapse_theory.plan import Answer as Answer

Asked: TypeAlias = "functools.partial[plan.Answer]"
"""A function of the theory with its arguments."""

_PROBABILITY = {
    "probability": {"type": float, "required": True, "metavar": "Q", "help": "probability of the state to keep"}
}
_FAILURE = {
    "failure": {"type": float, "required": True, "metavar": "DELTA", "help": "accepted probability of losing it"}
}
_SIZE = {"sample-size": {"type": int, "required": True, "metavar": "M", "help": "sample size of every generation"}}
_DDOF = {"ddof": {"type": int, "default": 1, "choices": [0, 1], "help": "divisor M - ddof of the variance"}}
_KEPT = {"kept": {"type": float, "required": True, "help": "fraction of the diversity to be left in the end"}}


class Question(NamedTuple):
    """What it asks, what its value is called, what that value achieves, its options, who is asked, and with which law
    the answer is given where it is not exact.
    """

    asks: str
    label: str | Callable[[argparse.Namespace], str]
    achieved: str
    options: dict[str, dict[str, Any]]
    asked: Callable[[argparse.Namespace], Asked]
    inexact: str = "a large-sample law"

    def answer(self, o: argparse.Namespace) -> plan.Answer:
        """The planner's answer. Raises ValueError or TypeError for a demand that cannot be met, or makes no sense."""
        return self.asked(o)()

    def theorem(self, o: argparse.Namespace) -> str:
        """The function of the theory that answers, as ``module.name``."""
        function = self.asked(o).func
        return f"{function.__module__.rpartition('.')[2]}.{function.__name__}"


QUESTIONS: dict[str, Question] = {
    "sample-size": Question(
        "How large must the data set be for a state to survive n fits of replacement?",
        "sample size",
        "P(lost)",
        _PROBABILITY | {"fits": {"required": True, "help": "it must survive this many fits"}} | _FAILURE,
        lambda o: functools.partial(plan.sample_size_to_keep, o.probability, _fits(o), o.failure),
    ),
    "real-share": Question(
        "Which share of fresh real data keeps a state present, in the long run or at fit n?",
        "real share",
        "P(absent)",
        _PROBABILITY | _SIZE | _FAILURE | {"fits": {"help": "present at this fit (default: in the long run)"}},
        lambda o: functools.partial(plan.share_to_keep, o.probability, o.sample_size, o.failure, _fits(o)),
    ),
    "real-items": Question(
        "How many real items, kept throughout or as the first batch of a growing pool, keep a state in every fit?",
        "real items",
        "P(lost)",
        _PROBABILITY | _FAILURE,
        lambda o: functools.partial(plan.real_items_to_keep, o.probability, o.failure),
    ),
    "variance": Question(
        "After how many fits is a Gaussian's variance below a threshold?",
        "fits",
        "P(below)",
        {"threshold": {"type": float, "required": True, "help": "relative to the first variance"}}
        | _SIZE
        | {"confidence": {"type": float, "default": 0.5, "help": "with this probability (default 0.5)"}}
        | _DDOF,
        lambda o: functools.partial(plan.variance_below, o.threshold, o.sample_size, o.confidence, ddof=o.ddof),
    ),
    "half-life": Question(
        "After how many fits is half of it gone?",
        "fits",
        "left",
        {
            "of": {
                "required": True, "choices": ["variance", "heterozygosity", "entropy", "vocabulary"],
                "help": "what is lost: of the variance the median over chains, of the others the mean",
            },
        }
        | _SIZE
        | _DDOF
        | {
            "zipf": {"type": int, "metavar": "K", "help": "entropy, vocabulary: p_i proportional to 1/i on K states"},
            "words": {
                "nargs": "?", "const": "", "metavar": "FILE", "help": "entropy, vocabulary: word frequencies of a text",
            },
        },
        lambda o: _half_life(o),
    ),
    "temperature": Question(
        "Which share of fresh real data keeps so many effective words of a vocabulary sampled at a temperature?",
        "real share",
        "effective words",
        {
            "temperature": {"type": float, "required": True, "metavar": "TAU", "help": "p^(1/TAU) at every fit"},
            "effective": {"type": float, "required": True, "metavar": "W", "help": "exp(entropy) to be left"},
            "zipf": {"type": int, "metavar": "K", "help": "p_i proportional to 1/i on K states"},
            "words": {"nargs": "?", "const": "", "metavar": "FILE", "help": "word frequencies of a text"},
        },
        lambda o: functools.partial(temperature.share_to_keep_words, _law(o), o.temperature, o.effective),
        "the law of infinite data",
    ),
    "growth": Question(
        "How fast must data sets grow, M t^b, to avoid collapse, and what does it cost?",
        "power b",
        "kept",
        _KEPT | _SIZE | {"fits": {"default": 100, "help": "fits of the cost (default 100)"}},
        lambda o: functools.partial(plan.growth_to_keep, o.kept, o.sample_size, _fits(o)),
    ),
    "batch": Question(
        "With accumulation, which batch keeps a given fraction of the diversity in the end?",
        "batch",
        "kept",
        _KEPT,
        lambda o: functools.partial(plan.batch_to_keep, o.kept),
    ),
    "flagged": Question(
        "Remove what a detector flags, refill, or let it weigh less?",
        "weight of a flagged item",
        "loss",
        _SIZE
        | {
            "share": {"type": float, "required": True, "help": "real share before the detector"},
            "true-positive": {"type": float, "required": True, "help": "share of the synthetic items that it flags"},
            "false-positive": {"type": float, "default": 0.0, "help": "share of the real items that it flags"},
            "refill": {"choices": ["yes", "no"], "default": "yes", "help": "whether more of the pool can be had"},
        },
        lambda o: functools.partial(
            flag_weights.best_treatment,
            *(o.sample_size, o.share, o.true_positive, o.false_positive),
            refill=o.refill == "yes",
        ),
    ),
    "labels": Question(
        "What should a synthetic item weigh beside a real one, where labels are known?",
        "weight of a synthetic item",
        "loss",
        {
            "real": {"type": int, "required": True, "metavar": "R", "help": "fresh real items a fit"},
            "synthetic": {"type": int, "required": True, "metavar": "S", "help": "model draws a fit"},
            "of": {"choices": ["loss", "mean"], "default": "loss", "help": "the loss of diversity, or a mean's error"},
        },
        lambda o: functools.partial(weights.label_weight, o.real, o.synthetic, o.of),
    ),
    "detector": Question(
        "Is a detector of synthetic data enough to keep a state, or (without --true-positive) how good must it be?",
        lambda o: "true-positive rate" if o.true_positive is None else "real share after the detector",
        "P(absent)",
        _PROBABILITY
        | _SIZE
        | _FAILURE
        | {
            "share": {"type": float, "required": True, "help": "real share before the detector"},
            "true-positive": {"type": float, "help": "share of the synthetic items that it removes"},
            "false-positive": {"type": float, "default": 0.0, "help": "share of the real items that it removes"},
        },
        lambda o: _detector(o),
    ),
    "entrant": Question(
        "How many items of a polluted pool (--share), or real ones beside labelled draws (--drawn), make a late "
        "entrant the leader's match?",
        lambda o: "items of the pool" if o.drawn is None else "real items",
        "loss",
        {
            "leader": {"type": float, "required": True, "metavar": "M0", "help": "real items the leader is worth"},
            "share": {"type": float, "help": "real share of the pool, whose items bear no labels"},
            "drawn": {"type": int, "metavar": "S", "help": "labelled draws that the entrant takes beside real items"},
            "pool-loss": {"type": float, "metavar": "V", "help": "loss of what drew the rest (default: the leader)"},
        },
        lambda o: _entrant(o),
    ),
    "worth": Question(
        "What are draws from a model worth in real items (--drawn), or how many are worth so many (--real)?",
        lambda o: "real items" if o.real is None else "draws",
        "loss alone",
        {
            "lost": {"type": float, "required": True, "metavar": "V", "help": "the model's loss: 1/M for M real items"},
            "drawn": {"type": int, "metavar": "S", "help": "so many draws"},
            "real": {"type": float, "metavar": "R", "help": "so many real items"},
        },
        lambda o: _worth(o),
    ),
    "remedy": Question(
        "Which remedy buys most for each real item, or for each item drawn and trained on?",
        lambda o: f"worth bought for each {'real item' if o.per == 'real' else 'item of compute'}",
        "loss of diversity",
        _SIZE
        | {
            "real": {"type": int, "required": True, "metavar": "R", "help": "fresh real items for each fit"},
            "synthetic": {"type": int, "required": True, "metavar": "S", "help": "model draws where more are bought"},
            "true-positive": {"type": float, "default": 0.9, "help": "share of the synthetic items a detector flags"},
            "false-positive": {"type": float, "default": 0.1, "help": "share of the real items that it flags"},
            "fits": {"help": "bought after so many fits (default: for ever)"},
            "per": {"default": "real", "choices": ["real", "compute"], "help": "unit of the price (default real)"},
            "without": {
                "nargs": "*", "default": [], "choices": list(remedies.NEEDS), "help": "what cannot be had",
            },
        },
        lambda o: functools.partial(
            remedies.best_remedy, o.sample_size, o.real, o.synthetic, o.true_positive, o.false_positive,
            fits=_fits(o), per=o.per, without=o.without,
        ),
    ),
}  # fmt: skip


def _detector(o: argparse.Namespace) -> Asked:
    given = (o.probability, o.sample_size, o.failure, o.share)
    if o.true_positive is None:
        return functools.partial(plan.detector_power_to_keep, *given, o.false_positive)
    return functools.partial(plan.detector_to_keep, *given, o.true_positive, o.false_positive)


def _entrant(o: argparse.Namespace) -> Asked:
    _one_of(o, "share", "drawn")
    if not 1 <= o.leader < np.inf:
        raise ValueError(f"--leader must be finite and at least 1, got {o.leader}")
    if o.drawn is None:
        return functools.partial(entrant.pool_to_match, 1 / o.leader, o.share, o.pool_loss)
    return functools.partial(entrant.real_items_to_match, 1 / o.leader, o.drawn, o.pool_loss)


def _worth(o: argparse.Namespace) -> Asked:
    _one_of(o, "drawn", "real")
    if o.real is None:
        return functools.partial(entrant.worth_of_draws, o.drawn, o.lost)
    return functools.partial(entrant.draws_worth, o.real, o.lost)


def _one_of(o: argparse.Namespace, first: str, second: str) -> None:
    """Two options of which exactly one is given."""
    given = [name for name in (first, second) if vars(o)[name] is not None]
    if len(given) != 1:
        raise ValueError(f"give one of --{first} and --{second}, got {'both' if given else 'neither'}")


def _fits(options: argparse.Namespace) -> Any:
    generations = vars(options).get("generations")
    if generations is None:
        return vars(options).get("fits")
    if not 0 <= generations < 2**63 - 1:
        raise ValueError(f"--generations must be at least 0 and below 2**63 - 1, got {generations}")
    return generations + 1


def _half_life(options: argparse.Namespace) -> Asked:
    if options.of == "variance":
        return functools.partial(plan.variance_half_life, options.sample_size, ddof=options.ddof)
    if options.of == "heterozygosity":
        return functools.partial(plan.heterozygosity_half_life, options.sample_size)
    law = _law(options)
    asked = plan.entropy_half_life if options.of == "entropy" else plan.vocabulary_half_life
    return functools.partial(asked, law, options.sample_size)


def _law(options: argparse.Namespace) -> np.ndarray:
    given: np.ndarray | None = vars(options).get("law")
    if given is not None:
        return given
    if options.words is not None:
        _, counts = datasets.word_counts(Path(options.words) if options.words else None)
        return counts / counts.sum()
    if options.zipf is None:
        raise ValueError("--zipf or --words must say which law the question is about, got neither")
    if not 1 <= options.zipf <= arguments.MOST_STATES:
        raise ValueError(f"--zipf must be at least 1 and at most {arguments.MOST_STATES}, got {options.zipf}")
    weights = 1 / np.arange(1, options.zipf + 1)
    return weights / weights.sum()
