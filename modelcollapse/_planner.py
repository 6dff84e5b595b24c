"""``modelcollapse plan``: one question a subcommand, answered by ``modelcollapse_theory.plan``."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

QUESTIONS: dict[str, tuple[str, str, dict[str, dict[str, Any]]]] = {}
"""Subcommand: what it asks, what its value is, and its options."""

_PROBABILITY = {
    "probability": {"type": float, "required": True, "metavar": "Q", "help": "probability of the state to keep"}
}
_FAILURE = {
    "failure": {"type": float, "required": True, "metavar": "DELTA", "help": "accepted probability of losing it"}
}
_SIZE = {"size": {"type": int, "required": True, "metavar": "M", "help": "sample size"}}
_DDOF = {"ddof": {"type": int, "default": 1, "choices": [0, 1], "help": "divisor M - ddof of the variance"}}
_KEPT = {"kept": {"type": float, "required": True, "help": "share of the diversity that is to be left for ever"}}

QUESTIONS["sample-size"] = (
    "How large must the data set be for a state to survive n fits of replacement?",
    "sample size",
    _PROBABILITY | {"fits": {"type": int, "required": True}} | _FAILURE,
)
QUESTIONS["real-share"] = (
    "Which share of fresh real data keeps a state present, in the long run or at fit n?",
    "real share",
    _PROBABILITY | _SIZE | _FAILURE | {"fits": {"type": int, "help": "at this fit (default: at stationarity)"}},
)
QUESTIONS["real-items"] = (
    "How many real items, kept for good or as the first batch of an accumulating pool, keep a state for ever?",
    "real items",
    _PROBABILITY | _FAILURE,
)
QUESTIONS["variance"] = (
    "After how many fits is a Gaussian's variance below a threshold?",
    "fits",
    {"threshold": {"type": float, "required": True, "help": "relative to the first variance"}}
    | _SIZE
    | {"confidence": {"type": float, "default": 0.5}}
    | _DDOF,
)
QUESTIONS["half-life"] = (
    "After how many fits is half of it gone?",
    "fits",
    {"of": {"required": True, "choices": ["variance", "heterozygosity", "entropy", "vocabulary"]}}
    | _SIZE
    | _DDOF
    | {
        "zipf": {"type": int, "metavar": "K", "help": "entropy, vocabulary: p_i proportional to 1/i on K states"},
        "words": {
            "nargs": "?",
            "const": "",
            "metavar": "FILE",
            "help": "entropy, vocabulary: word frequencies of a text",
        },
    },
)
QUESTIONS["growth"] = (
    "How fast must data sets grow, M t^b, to avoid collapse, and what does it cost?",
    "power b",
    _KEPT | _SIZE | {"fits": {"type": int, "default": 100, "help": "fits of the cost"}},
)
QUESTIONS["batch"] = (
    "With accumulation, which batch keeps a share of the diversity, the rest being lost for good?",
    "batch",
    _KEPT,
)
QUESTIONS["detector"] = (
    "Is a detector of synthetic data enough to keep a state, or (without --true-positive) how good must it be?",
    "",
    _PROBABILITY
    | _SIZE
    | _FAILURE
    | {
        "share": {"type": float, "required": True, "help": "real share before the detector"},
        "true-positive": {"type": float, "help": "share of the synthetic items that it removes"},
        "false-positive": {"type": float, "default": 0.0, "help": "share of the real items that it removes"},
    },
)


def add_to(commands: Any) -> None:
    """Add ``plan`` and its subcommands to an argument parser's."""
    plan = commands.add_parser("plan", help="what it takes to keep something", description=run.__doc__)
    plan.set_defaults(run=run)
    questions = plan.add_subparsers(dest="question", required=True, metavar="QUESTION")
    for name, (question, _, options) in QUESTIONS.items():
        parser = questions.add_parser(name, help=question, description=question)
        for option, settings in options.items():
            parser.add_argument(f"--{option}", **settings)
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.set_defaults(precision=64)


def run(options: argparse.Namespace) -> int:
    """Print the answer, what it achieves, what its nearest neighbour achieves instead, and under which assumptions."""
    label, answer = ask(options)
    if options.json:
        print(json.dumps({"question": options.question, "label": label} | dataclasses.asdict(answer), indent=1))
    else:
        print(text(label, answer))
    return 0


def ask(options: argparse.Namespace) -> tuple[str, Any]:
    """What the value is called, and the ``plan.Answer``."""
    from modelcollapse_theory import plan

    o, label = options, QUESTIONS[options.question][1]
    match options.question:
        case "sample-size":
            return label, plan.sample_size_to_keep(o.probability, o.fits, o.failure)
        case "real-share":
            return label, plan.share_to_keep(o.probability, o.size, o.failure, o.fits)
        case "real-items":
            return label, plan.real_items_to_keep(o.probability, o.failure)
        case "variance":
            return label, plan.variance_below(o.threshold, o.size, o.confidence, ddof=o.ddof)
        case "half-life":
            return label, _half_life(o)
        case "growth":
            return label, plan.growth_to_keep(o.kept, o.size, o.fits)
        case "batch":
            return label, plan.batch_to_keep(o.kept)
        case _ if o.true_positive is None:
            answer = plan.detector_power_to_keep(o.probability, o.size, o.failure, o.share, o.false_positive)
            return "true-positive rate", answer
        case _:
            answer = plan.detector_to_keep(o.probability, o.size, o.failure, o.share, o.true_positive, o.false_positive)
            return "real share after the detector", answer


def _half_life(options: argparse.Namespace) -> Any:
    from modelcollapse_theory import plan

    if options.of == "variance":
        return plan.variance_half_life(options.size, ddof=options.ddof)
    if options.of == "heterozygosity":
        return plan.heterozygosity_half_life(options.size)
    law = _law(options)
    return (plan.entropy_half_life if options.of == "entropy" else plan.vocabulary_half_life)(law, options.size)


def _law(options: argparse.Namespace) -> Any:
    import numpy as np

    if options.words is not None:
        from modelcollapse import datasets

        _, counts = datasets.word_counts(Path(options.words) if options.words else None)
        return counts / counts.sum()
    if options.zipf is None:
        raise ValueError(f"--zipf or --words must say which law the half-life of the {options.of} is of, got neither")
    if options.zipf < 1:
        raise ValueError(f"--zipf must be at least 1, got {options.zipf}")
    weights = 1 / np.arange(1, options.zipf + 1)
    return weights / weights.sum()


def text(label: str, answer: Any) -> str:
    """The answer for people."""
    lines = [f"{label}: {answer.value:.10g}" + ("" if answer.meets else "  (NOT ENOUGH)")]
    lines.append(f"  there:        {answer.achieved:.10g}")
    if answer.neighbour is not None:
        lines.append(f"  at {answer.neighbour:.10g}:  {answer.achieved_aside:.10g}")
    if answer.cost is not None:
        lines.append(f"  cost:         {answer.cost:.6g} draws")
    lines.append(f"  regime:       {answer.regime}")
    lines.append(f"  assumptions:  {'; '.join(answer.assumptions)}")
    lines.append(f"  exact:        {'yes' if answer.exact else 'no, a large-sample law'}")
    return "\n".join(lines)
