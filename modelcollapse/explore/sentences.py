"""How the planner's questions and answers read: a sentence with blanks, and a sentence for what the planner returns."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

from modelcollapse import arguments, planner

Value: TypeAlias = "float | str | list[str] | None"
"""What stands in a blank: nothing, a number, one of some words, or several of them."""


class Blank(NamedTuple):
    """What a person fills in; ``low`` and ``high`` are for the field, the planner says what it refuses."""

    name: str
    label: str
    kind: str
    default: Any
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()
    optional: bool = False

    def filled(self, value: Value) -> Any:
        """The value as the planner takes it."""
        if value is None or value == "":
            if not self.optional:
                raise ValueError(f"“{self.label}” is empty: fill it in")
            return [] if self.kind == "choices" else None
        name = f"“{self.label}”"
        if self.kind == "whole":
            whole = int(value) if isinstance(value, float) and value.is_integer() else value
            return arguments.whole(name, whole, 0, 2**62)
        if self.kind == "number":
            return arguments.number(name, value)
        if self.kind == "choices":
            listed = arguments.listed(name, value)  # type: ignore[arg-type]
            return [arguments.choice(name, one, self.choices) for one in listed]
        return arguments.choice(name, value, self.choices)


class Sentence(NamedTuple):
    """A question of the planner: its name in a list, the sentence, its blanks, and how the answer reads."""

    question: str  # of the planner
    label: str
    sentence: str
    blanks: tuple[Blank, ...]
    answer: str
    beside: str = ""  # of the neighbour, where there is one
    fails: str = ""  # in place of the answer, where it does not meet the demand
    given: tuple[tuple[str, str], ...] = ()  # options of the planner that no blank is for

    def filled(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values for every blank. ValueError for one that is unknown, empty or makes no sense."""
        names = [blank.name for blank in self.blanks]
        for name in values:
            if name not in names:
                raise ValueError(f"{name} is no blank of this question; it has {', '.join(names)}")
        return dict(self.given) | {blank.name: blank.filled(values.get(blank.name)) for blank in self.blanks}

    def reads_law(self, filled: Mapping[str, Any]) -> bool:
        """Whether the question is about the law of the page: it needs one, and no other was named."""
        return "zipf" in filled and filled["zipf"] is None and filled.get("of") != "heterozygosity"

    def said(self, answer: planner.Answer, filled: Mapping[str, Any]) -> str:
        """The answer as a sentence or two. ValueError for one that is not finite."""
        template = self.answer if answer.meets else self.fails
        if answer.achieved_aside is not None and answer.meets and not alike(answer.achieved, answer.achieved_aside):
            template += self.beside
        found = {
            "value": answer.value,
            "achieved": answer.achieved,
            "neighbour": answer.neighbour,
            "aside": answer.achieved_aside,
        }
        read = {name: x for name, x in (dict(filled) | found).items() if isinstance(x, int | float)}
        if not all(map(math.isfinite, read.values())):
            raise ValueError("the answer is beyond the numbers of float64, about 1e308: ask for less")
        numbers = [x for name, x in read.items() if name in filled or f"{{{name}}}" in template]
        others = {"cost": answer.cost, "generation": answer.value - 1, "regime": answer.regime}
        every = {name: value for name, value in (dict(filled) | found | others).items() if value is not None}
        return template.format(**{name: shown(value, numbers) for name, value in every.items()})


def shown(value: Value, beside: Iterable[float] = ()) -> str:
    """A number for people: whole ones with commas, others with four digits, and with more where fewer would not tell
    it from the numbers ``beside``, unless rounding makes the difference.
    """
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, str) or value is None:
        return str(value)
    if math.isinf(value):
        return "more than 1e308"
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    written = (f"{value:.{digits}g}" for digits in range(4, 18))
    gap = min((abs(x - value) for x in beside if not alike(x, value)), default=math.inf)
    return next(text for text in written if abs(float(text) - value) < gap / 2)


def alike(x: float, y: float) -> bool:
    """Whether two numbers may differ by rounding alone."""
    return math.isclose(x, y, rel_tol=1e-12)


_STATE = Blank("probability", "probability of the state", "number", 0.01, 0, 1)
_RISK = Blank("failure", "accepted risk", "number", 0.05, 0, 1)
_SIZE = Blank("sample_size", "items in each data set", "whole", 100, 1)
_FITS = Blank("fits", "fits", "whole", 20, 1)
_KEPT = Blank("kept", "diversity that is left", "number", 0.9, 0, 1)
_SHARE = Blank("share", "real share of the pool", "number", 0.1, 0, 1)
_FLAGGED = Blank("true_positive", "synthetic items that it finds", "number", 0.8, 0, 1)
_WRONGLY = Blank("false_positive", "real items that it takes for synthetic", "number", 0.1, 0, 1)
_DDOF = Blank("ddof", "what is taken off the divisor", "choice", 1, choices=(0, 1))
_ZIPF = Blank("zipf", "states of a law by Zipf", "whole", None, 1, optional=True)
_LAW = "(the law: {zipf} states by Zipf; left empty, the states on this page)"
_LEADER = Blank("leader", "real items that the leader is worth", "number", 200, 1)
_POOL = Blank("pool_loss", "loss of what wrote the rest", "number", None, 0, 1, optional=True)

SENTENCES: dict[str, Sentence] = {
    "sample-size": Sentence(
        "sample-size", "How much data?",
        "How many items must each data set hold so that a state of probability {probability} survives {fits} fits of "
        "replacement, with a risk of at most {failure} of losing it?",
        (_STATE, _FITS, _RISK),
        "Each data set must hold at least {value} items: then the risk of losing the state is {achieved}.",
        " With {neighbour} items it is {aside}, too much.",
    ),
    "real-share": Sentence(
        "real-share", "How much real data?",
        "Which share of each data set must be new real data so that a state of probability {probability} is present "
        "among {sample_size} items, with a risk of at most {failure} that it is not, at fit {fits} (left empty: in "
        "the long run)?",
        (_STATE._replace(default=0.1), _SIZE, _RISK, _FITS._replace(default=None, optional=True)),
        "A share of {value} must be real: then the state is absent with probability {achieved}.",
    ),
    "real-items": Sentence(
        "real-items", "How many items to keep for ever?",
        "How many real items, kept for good, keep a state of probability {probability} in every data set, with a "
        "risk of at most {failure} that it is not among them?",
        (_STATE, _RISK),
        "Keep at least {value} real items: then the risk is {achieved}.",
        " With {neighbour} items it is {aside}, too much.",
    ),
    "variance": Sentence(
        "variance", "When is the variance gone?",
        "After how many fits of {sample_size} items is a Gaussian's variance below {threshold} of what it was, with "
        "probability {confidence}? (divisor of the variance: items minus {ddof})",
        (
            _SIZE._replace(low=2),
            Blank("threshold", "part of the variance", "number", 0.1, 0, 1),
            Blank("confidence", "probability", "number", 0.5, 0, 1),
            _DDOF,
        ),
        "After {value} fits, which is generation {generation}: the probability is then {achieved}.",
        " One fit earlier it is {aside}.",
    ),
    "variance-half-life": Sentence(
        "half-life", "When is half of the variance gone?",
        "After how many fits of {sample_size} items is half of a Gaussian's variance gone in half of the chains? "
        "(divisor of the variance: items minus {ddof})",
        (_SIZE._replace(low=2), _DDOF),
        "After {value} fits, which is generation {generation}: the median variance is then at most half of the first, "
        "and a chain has less than half with probability {achieved}.",
        " One fit earlier that is {aside}.",
        given=(("of", "variance"),),
    ),
    "half-life": Sentence(
        "half-life", "When is half of the diversity gone?",
        f"After how many fits of {{sample_size}} items is half of the {{of}} gone, on average? {_LAW}",
        (
            _SIZE,
            Blank(
                "of", "what is lost", "choice", "heterozygosity",
                choices=tuple(of for of in planner.QUESTIONS["half-life"].options["of"]["choices"] if of != "variance"),
            ),
            _ZIPF,
        ),
        "After {value} fits, which is generation {generation}: the mean over chains is then at most half of what "
        "the law has.",
    ),
    "temperature": Sentence(
        "temperature", "Which share makes up for a temperature?",
        f"Which share of new real data keeps {{effective}} effective states of a law that is sampled at temperature "
        f"{{temperature}}? {_LAW}",
        (
            Blank("effective", "effective states", "number", 3, 1),
            Blank("temperature", "temperature", "number", 0.9, 0.1, 10),
            _ZIPF,
        ),
        "A share of {value} must be real: then {achieved} effective states are left.",
    ),
    "growth": Sentence(
        "growth", "How fast must data sets grow?",
        "How fast must data sets grow, from {sample_size} items on, to keep {kept} of the diversity for ever, and "
        "what do the first {fits} fits cost?",
        (_SIZE, _KEPT, _FITS._replace(default=100)),
        "Data set number t must hold {sample_size} × t^b items with b at least {value}; the first {fits} fits then "
        "take {cost} draws.",
    ),
    "batch": Sentence(
        "batch", "How much to add if nothing is thrown away?",
        "If nothing is thrown away, how many items must each generation add to keep {kept} of the diversity for ever?",
        (_KEPT,),
        "Each generation must add at least {value} items: {achieved} of the diversity is then left for ever.",
        " With {neighbour} items it is {aside}, too little.",
    ),
    "flagged": Sentence(
        "flagged", "What to do with suspicious items?",
        "A detector finds {true_positive} of the synthetic items and takes {false_positive} of the real ones for "
        "synthetic, in a pool of real share {share}; each data set holds {sample_size} items, and more of the pool "
        "can be had: {refill}. What should be done with the items that it flags?",
        (_FLAGGED, _WRONGLY, _SHARE, _SIZE, Blank("refill", "more can be had", "choice", "yes", choices=("yes", "no"))),
        "Best: {regime}. A flagged item then weighs {value} of another one, and the loss of diversity in the long "
        "run is {achieved}.",
    ),
    "labels": Sentence(
        "labels", "What should a synthetic item weigh?",
        "Labels say what is real: each fit has {real} new real items and {synthetic} synthetic ones. What should a "
        "synthetic item weigh beside a real one, for the least error of the {of}?",
        (
            Blank("real", "real items", "whole", 10, 1), Blank("synthetic", "synthetic items", "whole", 90, 1),
            Blank("of", "what is to be kept", "choice", "loss", choices=("loss", "mean")),
        ),
        "A synthetic item should weigh {value} of a real one: the error is then {achieved}.",
        " With equal weights it is {aside}.",
    ),
    "detector": Sentence(
        "detector", "Is this detector good enough?",
        "A pool has the real share {share}. A detector removes {true_positive} of the synthetic items and "
        "{false_positive} of the real ones by mistake. Is that enough to keep a state of probability {probability} "
        "present among {sample_size} items, with a risk of at most {failure} that it is not?",
        (_SHARE, _FLAGGED, _WRONGLY, _STATE._replace(default=0.1), _SIZE, _RISK),
        "Yes: after the detector the real share is {value}, and the state is absent with probability {achieved}.",
        " A share of {neighbour} is needed.",
        "No: after the detector the real share is only {value}, and the state is absent with probability {achieved}. A "
        "share of {neighbour} is needed.",
    ),
    "detector-power": Sentence(
        "detector", "How good must a detector be?",
        "A pool has the real share {share}. A detector removes {false_positive} of the real items by mistake. How "
        "many of the synthetic ones must it remove to keep a state of probability {probability} present among "
        "{sample_size} items, with a risk of at most {failure} that it is not?",
        (_SHARE, _WRONGLY, _STATE._replace(default=0.1), _SIZE, _RISK),
        "It must remove a share of {value} of the synthetic items: then the state is absent with probability "
        "{achieved}.",
    ),
    "entrant-pool": Sentence(
        "entrant", "Can a newcomer catch up, without labels?",
        "A leader is worth {leader} real items. How many items of a pool with real share {share}, whose rest models "
        "of loss {pool_loss} wrote (left empty: the leader), make a newcomer as good?",
        (_LEADER, _SHARE, _POOL),
        "It takes {value} items of the pool: the newcomer's loss is then {achieved}.",
        " With {neighbour} items it is {aside}, too much.",
    ),
    "entrant-labels": Sentence(
        "entrant", "Can a newcomer catch up, with labels?",
        "A leader is worth {leader} real items. How many real items, beside {drawn} draws that are labelled as such, "
        "from a model of loss {pool_loss} (left empty: the leader), make a newcomer as good?",
        (_LEADER, Blank("drawn", "labelled draws", "whole", 1000, 0), _POOL),
        "It takes {value} real items: the newcomer's loss is then {achieved}.",
        " With {neighbour} items it is {aside}, too much.",
    ),
    "worth-of-draws": Sentence(
        "worth", "What is synthetic data worth?",
        "A model has the loss {lost} (1/M if it learnt from M real items). How many real items are {drawn} of its "
        "draws worth?",
        (Blank("lost", "loss of the model", "number", 0.005, 0, 1), Blank("drawn", "draws", "whole", 1000, 1)),
        "They are worth {value} real items.",
    ),
    "draws-worth": Sentence(
        "worth", "How many draws replace real items?",
        "A model has the loss {lost} (1/M if it learnt from M real items). How many of its draws are worth {real} "
        "real items?",
        (Blank("lost", "loss of the model", "number", 0.005, 0, 1), Blank("real", "real items", "number", 150, 0)),
        "It takes {value} draws.",
    ),
    "remedy": Sentence(
        "remedy", "Which remedy is best?",
        "Each fit has {sample_size} items, of which {real} are new and real. With {synthetic} model draws where more "
        "are bought, and a detector that finds {true_positive} of the synthetic items and takes {false_positive} of "
        "the real ones for synthetic: which remedy buys most per item of {per}, without {without}?",
        (
            _SIZE, Blank("real", "real items", "whole", 10, 1), Blank("synthetic", "model draws", "whole", 990, 1),
            _FLAGGED._replace(default=0.9), _WRONGLY,
            Blank("per", "unit of the price", "choice", "real", choices=("real", "compute")),
            Blank(
                "without", "what cannot be had", "choices", None, optional=True,
                choices=tuple(planner.QUESTIONS["remedy"].options["without"]["choices"]),
            ),
        ),
        "Best: {regime}. It buys the worth of {value} real items per item, and the loss of diversity is then "
        "{achieved}.",
    ),
}  # fmt: skip
"""By the name that the page asks by; several may be one question of the planner."""
