"""The planner's questions as sentences with blanks, and its answers and refusals as sentences."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Mapping
from typing import Any

import numpy as np

from modelcollapse import arguments, planner
from modelcollapse.explore import bounds
from modelcollapse.explore.sentences import SENTENCES, Blank
from modelcollapse.explore.settings import Setting


def described() -> list[dict[str, Any]]:
    """The questions, as the page asks them."""
    return [
        {
            "name": name,
            "label": sentence.label,
            "sentence": sentence.sentence,
            "blanks": [blank._asdict() for blank in sentence.blanks],
        }
        for name, sentence in SENTENCES.items()
    ]


def answered(question: str, values: Mapping[str, Any], setting: Setting | None) -> dict[str, Any]:
    """The answer of ``api/plan``; of ``setting`` the law is read, where the question is about one.

    Raises
    ------
    ValueError, TypeError
        For a demand that cannot be met or makes no sense, in the words of the blanks.
    """
    sentence = SENTENCES[arguments.choice("question", question, SENTENCES)]
    if not isinstance(values, Mapping):
        raise TypeError(f"values must be an object, got {values!r}")
    asked, filled = planner.QUESTIONS[sentence.question], sentence.filled(values)
    law = setting.weights.law if sentence.reads_law(filled) and setting is not None else None
    options = _options(asked, filled, law)
    command = _command(sentence.question, filled) if law is None else _source(asked, options, law)
    elsewhere = command if law is None else f"modelcollapse_theory.{asked.theorem(options)} in Python"
    bounds.check(sentence.question, filled, {blank.name: blank.label for blank in sentence.blanks}, elsewhere)
    try:
        with np.errstate(all="ignore"):  # what is not finite is refused
            answer = asked.answer(options)
        said = sentence.said(answer, filled)
    except (ValueError, TypeError) as error:
        raise type(error)(in_words(str(error), sentence.blanks)) from error
    details = [f"Regime: {answer.regime}.", f"Assumptions: {'; '.join(answer.assumptions)}."]
    if not answer.exact:
        details.append(f"The answer is not exact; it comes from {asked.inexact}.")
    return {
        "answer": said,
        "details": details,
        "theorem": asked.theorem(options),
        "command": command,
    }


def _options(asked: planner.Question, filled: Mapping[str, Any], law: np.ndarray | None) -> argparse.Namespace:
    """What the planner reads: options that no blank is for have their defaults."""
    usual = {option.replace("-", "_"): given.get("default") for option, given in asked.options.items()}
    return argparse.Namespace(**(usual | dict(filled) | {"law": law}))


def _command(name: str, filled: Mapping[str, Any]) -> str:
    """The command line that gives the same answer."""
    words = ["modelcollapse", "plan", name]
    for blank, value in filled.items():
        if value is None or value == []:
            continue
        option = f"--{blank.replace('_', '-')}"
        words += [option, *map(str, value)] if isinstance(value, list) else [option, str(value)]
    return shlex.join(words)


def _source(asked: planner.Question, options: argparse.Namespace, law: np.ndarray) -> str:
    """Python that gives the same answer, where the law is that of the page: no option of the command line is for it."""
    call = asked.asked(options)
    given = [law.tolist() if value is law else value for value in call.args]
    home, function = asked.theorem(options).split(".")
    written = ", ".join(map(repr, given))
    return f"from modelcollapse_theory import {home}; print({home}.{function}({written}))"


def in_words(message: str, blanks: tuple[Blank, ...]) -> str:
    """The planner's refusal, with its arguments under the labels of the blanks that they came from."""
    labels = {blank.name: blank.label for blank in blanks}
    labels |= {"probabilities": "the law"}
    names = "|".join(sorted((name.replace("_", "[-_]") for name in labels), key=len, reverse=True))
    found = re.sub(rf"(?<![-\w])(?:--)?({names})\b(?!\()", lambda m: f"“{labels[m[1].replace('-', '_')]}”", message)
    return found[:1].upper() + found[1:] + ("" if found.endswith(".") else ".")
