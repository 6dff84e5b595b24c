"""``modelcollapse plan``: one question a subcommand, answered by ``modelcollapse_theory.plan``."""

from __future__ import annotations

import argparse
import dataclasses
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from modelcollapse import datasets
from modelcollapse.cli import options as shared
from modelcollapse_theory import entrant, flag_weights, plan, remedies, temperature, weights

COUNTING = (
    "Fits are counted from 1, on real data; generation g of a run is fit g + 1, so that 20 generations are --fits 21."
)

NUMBER, WHOLE = shared.real(finite=False), shared.whole(None, None)
"""Types of arguments whose bounds are the planner's."""

_PROBABILITY = {
    "probability": {"type": NUMBER, "required": True, "metavar": "Q", "help": "probability of the state to keep"}
}
_FAILURE = {
    "failure": {"type": NUMBER, "required": True, "metavar": "DELTA", "help": "accepted probability of losing it"}
}
_SIZE = {"sample-size": {"type": WHOLE, "required": True, "metavar": "M", "help": "sample size of every generation"}}
_DDOF = {"ddof": {"type": WHOLE, "default": 1, "choices": [0, 1], "help": "divisor M - ddof of the variance"}}
_KEPT = {"kept": {"type": NUMBER, "required": True, "help": "fraction of the diversity to be left in the end"}}
_ALIASES = {"sample-size": ("--sample-size", "--size")}  # --size as in `modelcollapse simulate`


class Question(NamedTuple):
    """What it asks, what its value is called, what that value achieves, its options, who answers, and with which law
    where the answer is not exact.
    """

    asks: str
    label: str | Callable[[argparse.Namespace], str]
    achieved: str
    options: dict[str, dict[str, Any]]
    answer: Callable[[argparse.Namespace], plan.Answer]
    inexact: str = "a large-sample law"


QUESTIONS: dict[str, Question] = {
    "sample-size": Question(
        "How large must the data set be for a state to survive n fits of replacement?",
        "sample size",
        "P(lost)",
        _PROBABILITY | {"fits": {"required": True, "help": "it must survive this many fits"}} | _FAILURE,
        lambda o: plan.sample_size_to_keep(o.probability, _fits(o), o.failure),
    ),
    "real-share": Question(
        "Which share of fresh real data keeps a state present, in the long run or at fit n?",
        "real share",
        "P(absent)",
        _PROBABILITY | _SIZE | _FAILURE | {"fits": {"help": "present at this fit (default: in the long run)"}},
        lambda o: plan.share_to_keep(o.probability, o.sample_size, o.failure, _fits(o)),
    ),
    "real-items": Question(
        "How many real items, kept throughout or as the first batch of a growing pool, keep a state in every fit?",
        "real items",
        "P(lost)",
        _PROBABILITY | _FAILURE,
        lambda o: plan.real_items_to_keep(o.probability, o.failure),
    ),
    "variance": Question(
        "After how many fits is a Gaussian's variance below a threshold?",
        "fits",
        "P(below)",
        {"threshold": {"type": NUMBER, "required": True, "help": "relative to the first variance"}}
        | _SIZE
        | {"confidence": {"type": NUMBER, "default": 0.5, "help": "with this probability (default 0.5)"}}
        | _DDOF,
        lambda o: plan.variance_below(o.threshold, o.sample_size, o.confidence, ddof=o.ddof),
    ),
    "half-life": Question(
        "After how many fits is half of it gone?",
        "fits",
        "left",
        {"of": {"required": True, "choices": ["variance", "heterozygosity", "entropy", "vocabulary"]}}
        | _SIZE
        | _DDOF
        | {
            "zipf": {"type": WHOLE, "metavar": "K", "help": "entropy, vocabulary: p_i proportional to 1/i on K states"},
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
            "temperature": {"type": NUMBER, "required": True, "metavar": "TAU", "help": "p^(1/TAU) at every fit"},
            "effective": {"type": NUMBER, "required": True, "metavar": "W", "help": "exp(entropy) to be left"},
            "zipf": {"type": WHOLE, "metavar": "K", "help": "p_i proportional to 1/i on K states"},
            "words": {"nargs": "?", "const": "", "metavar": "FILE", "help": "word frequencies of a text"},
        },
        lambda o: temperature.share_to_keep_words(_law(o), o.temperature, o.effective),
        "the law of infinite data",
    ),
    "growth": Question(
        "How fast must data sets grow, M t^b, to avoid collapse, and what does it cost?",
        "power b",
        "kept",
        _KEPT | _SIZE | {"fits": {"default": 100, "help": "fits of the cost (default 100)"}},
        lambda o: plan.growth_to_keep(o.kept, o.sample_size, _fits(o)),
    ),
    "batch": Question(
        "With accumulation, which batch keeps a given fraction of the diversity in the end?",
        "batch",
        "kept",
        _KEPT,
        lambda o: plan.batch_to_keep(o.kept),
    ),
    "flagged": Question(
        "Remove what a detector flags, refill, or let it weigh less?",
        "weight of a flagged item",
        "loss",
        _SIZE
        | {
            "share": {"type": NUMBER, "required": True, "help": "real share before the detector"},
            "true-positive": {"type": NUMBER, "required": True, "help": "share of the synthetic items that it flags"},
            "false-positive": {"type": NUMBER, "default": 0.0, "help": "share of the real items that it flags"},
            "refill": {"choices": ["yes", "no"], "default": "yes", "help": "whether more of the pool can be had"},
        },
        lambda o: flag_weights.best_treatment(
            o.sample_size, o.share, o.true_positive, o.false_positive, refill=o.refill == "yes"
        ),
    ),
    "labels": Question(
        "What should a synthetic item weigh beside a real one, where labels are known?",
        "weight of a synthetic item",
        "loss",
        {
            "real": {"type": WHOLE, "required": True, "metavar": "R", "help": "fresh real items a fit"},
            "synthetic": {"type": WHOLE, "required": True, "metavar": "S", "help": "model draws a fit"},
            "of": {"choices": ["loss", "mean"], "default": "loss", "help": "the loss of diversity, or a mean's error"},
        },
        lambda o: weights.label_weight(o.real, o.synthetic, o.of),
    ),
    "detector": Question(
        "Is a detector of synthetic data enough to keep a state, or (without --true-positive) how good must it be?",
        lambda o: "true-positive rate" if o.true_positive is None else "real share after the detector",
        "P(absent)",
        _PROBABILITY
        | _SIZE
        | _FAILURE
        | {
            "share": {"type": NUMBER, "required": True, "help": "real share before the detector"},
            "true-positive": {"type": NUMBER, "help": "share of the synthetic items that it removes"},
            "false-positive": {"type": NUMBER, "default": 0.0, "help": "share of the real items that it removes"},
        },
        lambda o: _detector(o),
    ),
    "entrant": Question(
        "How many items of a polluted pool (--share), or real ones beside labelled draws (--drawn), make a late "
        "entrant the leader's match?",
        lambda o: "items of the pool" if o.drawn is None else "real items",
        "loss",
        {
            "leader": {"type": NUMBER, "required": True, "metavar": "M0", "help": "real items the leader is worth"},
            "share": {"type": NUMBER, "help": "real share of the pool, whose items bear no labels"},
            "drawn": {"type": WHOLE, "metavar": "S", "help": "labelled draws that the entrant takes beside real items"},
            "pool-loss": {"type": NUMBER, "metavar": "V", "help": "loss of what drew the rest (default: the leader)"},
        },
        lambda o: _entrant(o),
    ),
    "worth": Question(
        "What are draws from a model worth in real items (--drawn), or how many are worth so many (--real)?",
        lambda o: "real items" if o.real is None else "draws",
        "loss alone",
        {
            "lost": {"type": NUMBER, "required": True, "metavar": "V", "help": "the model's loss: 1/M for M items"},
            "drawn": {"type": WHOLE, "metavar": "S", "help": "so many draws"},
            "real": {"type": NUMBER, "metavar": "R", "help": "so many real items"},
        },
        lambda o: _worth(o),
    ),
    "remedy": Question(
        "Which remedy buys most for each real item, or for each item drawn and trained on?",
        lambda o: f"worth bought for each {'real item' if o.per == 'real' else 'item of compute'}",
        "loss of diversity",
        _SIZE
        | {
            "real": {"type": WHOLE, "required": True, "metavar": "R", "help": "fresh real items for each fit"},
            "synthetic": {"type": WHOLE, "required": True, "metavar": "S", "help": "model draws where more are bought"},
            "true-positive": {"type": NUMBER, "default": 0.9, "help": "share of the synthetic items a detector flags"},
            "false-positive": {"type": NUMBER, "default": 0.1, "help": "share of the real items that it flags"},
            "fits": {"help": "bought after so many fits (default: for ever)"},
            "per": {"default": "real", "choices": ["real", "compute"], "help": "unit of the price (default real)"},
            "without": {
                "nargs": "*", "default": [], "choices": list(remedies.NEEDS), "help": "what cannot be had",
            },
        },
        lambda o: remedies.best_remedy(
            o.sample_size, o.real, o.synthetic, o.true_positive, o.false_positive,
            fits=_fits(o), per=o.per, without=o.without,
        ),
    ),
}  # fmt: skip


class _Typed(argparse.Action):
    """Stores a value, and how the user spelt its option: errors speak of that."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        setattr(namespace, self.dest, values)
        namespace.typed = namespace.typed | {self.dest: option_string}


def add_to(commands: shared.Commands) -> None:
    """Add ``plan`` and its subcommands to an argument parser's."""
    asked = commands.add_parser(
        "plan", help="what it takes to keep something", description=run.__doc__, epilog=COUNTING
    )
    asked.set_defaults(run=run)
    questions = asked.add_subparsers(dest="question", required=True, metavar="QUESTION")
    for name, question in QUESTIONS.items():
        counts = COUNTING if question.label == "fits" or "fits" in question.options else None
        parser = questions.add_parser(name, help=question.asks, description=question.asks, epilog=counts)
        for option, settings in question.options.items():
            if option == "fits":
                _add_fits(parser, settings)
            else:
                parser.add_argument(*_ALIASES.get(option, (f"--{option}",)), action=_Typed, **settings)
        shared.add_json(parser)
        parser.set_defaults(precision=64, typed={})


def _add_fits(parser: argparse.ArgumentParser, settings: dict[str, Any]) -> None:
    """``--fits N``, or the same as ``--generations N - 1``."""
    group = parser.add_mutually_exclusive_group(required=settings.get("required", False))
    group.add_argument(
        "--fits", type=WHOLE, action=_Typed, metavar="N", help=settings["help"], default=settings.get("default")
    )
    group.add_argument(
        "--generations", type=WHOLE, action=_Typed, metavar="G", help="the same as --fits G + 1: generation 0 is fit 1"
    )


def run(options: argparse.Namespace) -> int:
    """Print the answer, what it achieves, what its nearest neighbour achieves instead, and under which assumptions."""
    shared.check_files(json=options.json)
    try:
        answer = QUESTIONS[options.question].answer(options)
    except (ValueError, TypeError) as error:
        raise type(error)(_as_typed(str(error), options)) from error
    label, question = _label(options), QUESTIONS[options.question]
    content = {"question": options.question, "label": label} | dataclasses.asdict(answer)
    shared.answer(options, content, lambda: print(text(label, answer, question.achieved, question.inexact)))
    return 0


def _as_typed(message: str, options: argparse.Namespace) -> str:
    """The library's message, with its arguments under the names of the options that they came from."""
    names = {option.replace("-", "_"): f"--{option}" for option in QUESTIONS[options.question].options} | options.typed
    if "probabilities" not in names:
        names["probabilities"] = options.typed.get("zipf") or "--words"
    return re.sub(r"(?<![-\w])(" + "|".join(names) + r")\b(?!\()", lambda found: names[found[1]], message)


def _detector(o: argparse.Namespace) -> plan.Answer:
    given = (o.probability, o.sample_size, o.failure, o.share)
    if o.true_positive is None:
        return plan.detector_power_to_keep(*given, o.false_positive)
    return plan.detector_to_keep(*given, o.true_positive, o.false_positive)


def _entrant(o: argparse.Namespace) -> plan.Answer:
    _one_of(o, "share", "drawn")
    if not 1 <= o.leader < np.inf:
        raise ValueError(f"--leader must be finite and at least 1, got {o.leader}")
    if o.drawn is None:
        return entrant.pool_to_match(1 / o.leader, o.share, o.pool_loss)
    return entrant.real_items_to_match(1 / o.leader, o.drawn, o.pool_loss)


def _worth(o: argparse.Namespace) -> plan.Answer:
    _one_of(o, "drawn", "real")
    return entrant.worth_of_draws(o.drawn, o.lost) if o.real is None else entrant.draws_worth(o.real, o.lost)


def _one_of(o: argparse.Namespace, first: str, second: str) -> None:
    """Two options of which exactly one is given."""
    given = [name for name in (first, second) if vars(o)[name] is not None]
    if len(given) != 1:
        raise ValueError(f"give one of --{first} and --{second}, got {'both' if given else 'neither'}")


def _label(o: argparse.Namespace) -> str:
    """What the value is called."""
    label = QUESTIONS[o.question].label
    return label if isinstance(label, str) else label(o)


def _fits(options: argparse.Namespace) -> Any:
    generations = vars(options).get("generations")
    if generations is None:
        return vars(options).get("fits")
    if not 0 <= generations < 2**63 - 1:
        raise ValueError(f"--generations must be at least 0 and below 2**63 - 1, got {generations}")
    return generations + 1


def _half_life(options: argparse.Namespace) -> plan.Answer:
    if options.of == "variance":
        return plan.variance_half_life(options.sample_size, ddof=options.ddof)
    if options.of == "heterozygosity":
        return plan.heterozygosity_half_life(options.sample_size)
    law = _law(options)
    return (plan.entropy_half_life if options.of == "entropy" else plan.vocabulary_half_life)(law, options.sample_size)


def _law(options: argparse.Namespace) -> np.ndarray:
    if options.words is not None:
        _, counts = datasets.word_counts(Path(options.words) if options.words else None)
        return counts / counts.sum()
    if options.zipf is None:
        raise ValueError("--zipf or --words must say which law the question is about, got neither")
    if not 1 <= options.zipf <= shared.MOST_STATES:
        raise ValueError(f"--zipf must be at least 1 and at most {shared.MOST_STATES}, got {options.zipf}")
    weights = 1 / np.arange(1, options.zipf + 1)
    return weights / weights.sum()


def text(label: str, answer: plan.Answer, achieved: str, inexact: str) -> str:
    """The answer for people."""
    value = f"{answer.value:.10g}" + (
        f" (generation {answer.value - 1:.10g})" if label == "fits" and answer.value else ""
    )
    lines = [(f"{label}:", value + ("" if answer.meets else "  (NOT ENOUGH)"))]
    lines.append((f"  {achieved}:", f"{answer.achieved:.10g}"))
    if answer.neighbour is not None:
        beside = "needed" if label == "real share after the detector" else "at"
        beside = "next best" if label.startswith("worth") else beside
        lines.append((f"  {beside} {answer.neighbour:.10g}:", f"{answer.achieved_aside:.10g}"))
    if answer.cost is not None:
        lines.append(("  cost:", f"{answer.cost:.6g} draws"))
    lines.append(("  regime:", answer.regime))
    lines.append(("  assumptions:", "; ".join(answer.assumptions)))
    lines.append(("  exact:", "yes" if answer.exact else f"no, {inexact}"))
    return "\n".join([" ".join(lines[0]), *(f"{name:<15} {what}" for name, what in lines[1:])])
