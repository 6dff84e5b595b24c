"""Every question of the page and its answer; what cannot be answered is refused in a sentence."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import threading
from collections.abc import Callable, Hashable
from typing import Any

from modelcollapse import failures, provenance
from modelcollapse.explore import choices, engine, own, questions, texts
from modelcollapse.explore.settings import Body, Setting, fields
from modelcollapse.explore.warm import Warmer, program

KEPT = 64
"""Answers that are kept, for those who drag a slider back."""
REFUSED = (ValueError, TypeError, OverflowError, MemoryError, failures.ChainFailure)


COMPUTED = ("simulate", "text")
"""Questions that JAX answers."""


class Refusal(Exception):
    """A question without an answer; ``answer`` says why."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(answer["refused"])
        self.answer = answer


class Explorer:
    """Answers questions; those that call JAX one at a time.

    The setting that the page begins with is run while the browser opens. While no question waits, a thread of its own
    compiles the programs of sizes that may be asked next. Programs of discrete laws may run beside it, as they call
    nothing of LAPACK, which two threads must not.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: collections.OrderedDict[Hashable, dict[str, Any]] = collections.OrderedDict()
        self._warmer = Warmer()
        self._opening = threading.Thread(target=self._open, name="open", daemon=True)
        self._answers: dict[str, Callable[[Body], dict[str, Any]]] = {
            "start": self._start,
            "simulate": self._simulate,
            "read": self._read,
            "plan": self._plan,
            "text": self._text,
        }

    @property
    def names(self) -> tuple[str, ...]:
        """What can be asked."""
        return tuple(self._answers)

    def begin(self) -> None:
        """Answer what the page will ask first, and compile ahead from then on."""
        self._opening.start()

    def end(self) -> None:
        """Let the program that is being compiled finish, and the answer that is being made."""
        self._warmer.end()
        if self._opening.is_alive():
            self._opening.join()
        with self._lock:
            pass

    def _open(self) -> None:
        with contextlib.suppress(*REFUSED), self._lock:
            self._simulate(choices.DEFAULT)
        self._warmer.start(Setting.checked(choices.DEFAULT))

    def answer(self, name: str, asked: Body) -> dict[str, Any]:
        """The answer to a question. Raises Refusal, with a sentence, where there is none."""
        alone = self._lock if name in COMPUTED else contextlib.nullcontext()
        try:
            with self._warmer.paused(), alone:
                return self._answers[name](asked)
        except REFUSED as error:
            found = {"columns": error.columns} if isinstance(error, own.SeveralColumns) else {}
            raise Refusal({"refused": str(error)} | found) from error

    def _start(self, asked: Body) -> dict[str, Any]:
        fields(asked)
        return start()

    def _simulate(self, asked: Body) -> dict[str, Any]:
        setting = Setting.checked(asked)
        self._warmer.next(setting)
        return self._once(setting, program(setting), lambda: engine.simulated(setting))

    def _read(self, asked: Body) -> dict[str, Any]:
        return own.read(*fields(asked, "text", "kind", "column"))

    def _plan(self, asked: Body) -> dict[str, Any]:
        question, values, setting = fields(asked, "question", "values", "setting")
        return questions.answered(question, values, None if setting is None else Setting.checked(setting))

    def _text(self, asked: Body) -> dict[str, Any]:
        setting = texts.Setting.checked(asked)
        programs = dataclasses.replace(setting, seed=0, share=0.0)
        return self._once(setting, programs, lambda: texts.written(setting))

    def _once(self, key: Hashable, programs: Hashable, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """An answer that was given lately, or a new one."""
        if key not in self._kept:
            self._warmer.room(programs)
            self._kept[key] = make()
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


def start() -> dict[str, Any]:
    """The answer of ``api/start``."""
    return {
        "version": provenance.version(),
        "live": True,
        "regimes": [choice.described() for choice in choices.REGIMES.values()],
        "presets": [{"name": name} | preset._asdict() for name, preset in choices.presets().items()],
        "sizes": choices.SIZES,
        "shares": choices.SHARES,
        "items": choices.items(choices.SHARES, choices.SIZES),
        "temperatures": choices.TEMPERATURES,
        "generations": choices.GENERATIONS,
        "observables": [
            {"name": name, "label": label, "unit": unit, "words": words}
            for name, (label, unit, words) in choices.OBSERVABLES.items()
        ],
        "band": choices.BAND,
        "chains": choices.CHAINS,
        "default": choices.DEFAULT,
        "texts": texts.described(),
        "text": texts.CHOICES,
        "default_text": texts.DEFAULT,
        "questions": questions.described(),
        "limits": choices.LIMITS,
    }
