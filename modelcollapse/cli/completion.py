"""``--print-completion SHELL``: what makes a shell complete commands, options, names and files."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

from modelcollapse.observables import OBSERVABLES

SHELLS = ("bash", "zsh", "tcsh")


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add ``--print-completion`` to the command itself."""
    help = "print a script that completes this command in a shell, and stop; needs modelcollapse[completion]"
    parser.add_argument("--print-completion", action=_Print, choices=SHELLS, help=help)


class _Print(argparse.Action):
    """Prints the script and stops."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        try:
            import shtab
        except ModuleNotFoundError:
            parser.error("--print-completion needs shtab: pip install 'modelcollapse[completion]'")
        for action in [action for one in every(parser) for action in one._actions]:
            word = action.metavar if isinstance(action.metavar, str) else ""
            if word.startswith("FILE"):
                action.complete = shtab.FILE  # type: ignore[attr-defined]
            elif word == "DIR":
                action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
            elif action.dest == "observe":
                action.choices = sorted(OBSERVABLES)
        print(shtab.complete(parser, str(values)))
        parser.exit()


def every(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser and those of its subcommands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from every(inner)
