"""Programs are compiled before they are asked for: those of the sizes and regimes beside the last setting."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import threading
from collections.abc import Hashable, Iterator

import jax

from modelcollapse.explore import choices, engine
from modelcollapse.explore.settings import Setting

QUIET = 0.6
"""Seconds without a question after which the next program is compiled."""
MOST = 150
"""Settings whose programs are kept. The programs of one hold some 125 memory maps; Linux allows a process 65,530."""


class Warmer:
    """A thread that runs settings nobody has asked for yet, nearest first, while no question waits."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="warm", daemon=True)
        self._setting: Setting | None = None
        self._busy = 0
        self._over = False
        self._running = False
        self._done: set[Hashable] = set()

    def start(self, setting: Setting) -> None:
        """Begin with the ladder of a setting."""
        with self._changed:
            self._setting = self._setting or setting
            if not self._over:
                self._thread.start()

    def next(self, setting: Setting) -> None:
        """Go on with the ladder of this setting, which is run elsewhere."""
        with self._changed:
            self._setting = setting

    def room(self, key: Hashable) -> None:
        """Make room for the programs that ``key`` stands for: drop all where there are too many.

        For use while no other question runs a program; one that is being compiled ahead is waited for.
        """
        with self._changed:
            if key not in self._done and len(self._done) >= MOST:
                self._changed.wait_for(lambda: not self._running)
                self._done.clear()
                jax.clear_caches()
                gc.collect()
            self._done.add(key)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Begin no program in this block, nor shortly after."""
        with self._changed:
            self._busy += 1
        try:
            yield
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()

    def end(self) -> None:
        """Stop after the program that is being compiled."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while (setting := self._following()) is not None:
            with contextlib.suppress(Exception):  # who asks for it is told
                engine.run_of(setting)
            with self._changed:
                self._running = False
                self._changed.notify_all()

    def _following(self) -> Setting | None:
        """The next setting to run, once it is quiet; None at the end."""
        with self._changed:
            while not self._over:
                # each turn waits, so that the lock is free for those who ask
                if self._busy:
                    self._changed.wait()
                elif not self._changed.wait(QUIET) and not self._busy and not self._over:
                    wanted = self._wanted()
                    if wanted is not None:
                        self._done.add(program(wanted))
                        self._running = True
                        return wanted
                    self._changed.wait()
        return None

    def _wanted(self) -> Setting | None:
        now = self._setting
        if now is None:
            return None
        return next((each for each in around(now) if program(each) not in self._done), None)


def program(setting: Setting) -> tuple[object, ...]:
    """What decides which programs a setting needs."""
    return (
        setting.regime, setting.size, len(setting.weights.states), len(setting.weights.rarest),
        setting.temperature == 1, setting.generations,
    )  # fmt: skip


def around(setting: Setting) -> Iterator[Setting]:
    """The settings of the same ladder, nearest sizes first; then the other regimes at this size."""
    at = choices.SIZES.index(setting.size)
    for size in sorted(choices.SIZES, key=lambda size: abs(choices.SIZES.index(size) - at)):
        yield dataclasses.replace(setting, size=size)
    for name in choices.REGIMES:
        yield dataclasses.replace(setting, regime=name)
