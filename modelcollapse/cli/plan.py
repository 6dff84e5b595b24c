"""``modelcollapse plan``: one question a subcommand, answered by ``modelcollapse.planner``."""

from __future__ import annotations

import argparse
import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from modelcollapse.cli import options as shared
from modelcollapse.planner import QUESTIONS
from modelcollapse_theory import plan

COUNTING = (
    "Fits are counted from 1, on real data; generation g of a run is fit g + 1, so that 20 generations are --fits 21."
)

TYPES: dict[type, shared.Argument] = {float: shared.real(finite=False), int: shared.whole(None, None)}
"""Types of arguments whose bounds are the planner's."""
_ALIASES = {"sample-size": ("--sample-size", "--size")}  # --size as in `modelcollapse simulate`


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
                checked = settings | ({"type": TYPES[settings["type"]]} if "type" in settings else {})
                parser.add_argument(*_ALIASES.get(option, (f"--{option}",)), action=_Typed, **checked)
        shared.add_json(parser)
        parser.set_defaults(precision=64, typed={})


def _add_fits(parser: argparse.ArgumentParser, settings: dict[str, Any]) -> None:
    """``--fits N``, or the same as ``--generations N - 1``."""
    group = parser.add_mutually_exclusive_group(required=settings.get("required", False))
    group.add_argument(
        "--fits", type=TYPES[int], action=_Typed, metavar="N", help=settings["help"], default=settings.get("default")
    )
    group.add_argument(
        "--generations",
        type=TYPES[int],
        action=_Typed,
        metavar="G",
        help="the same as --fits G + 1: generation 0 is fit 1",
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


def _label(o: argparse.Namespace) -> str:
    """What the value is called."""
    label = QUESTIONS[o.question].label
    return label if isinstance(label, str) else label(o)


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
