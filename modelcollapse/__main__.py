"""The command line: ``modelcollapse verify``, ``plan``, ``simulate`` and ``explore``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import jax

import modelcollapse
from modelcollapse.cache import keep_programs
from modelcollapse.cli import explore, plan, simulate, verify
from modelcollapse.cli import options as shared

USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1 (a claim or chain failed), 2 (usage) or 3 (underpowered)."""
    shared.write_anywhere(sys.stdout, sys.stderr)
    options = _parser().parse_args(arguments)
    # the command is the application, so these choices are its own to make; the library never makes them
    keep_programs()
    with jax.enable_x64(options.precision == 64):
        try:
            return options.run(options)
        except (ValueError, TypeError, OSError, OverflowError, MemoryError, ModuleNotFoundError) as error:
            print(f"modelcollapse {options.command}: {error}", file=sys.stderr)
            return USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="modelcollapse", description="Recursive training, simulated and held against its exact theory."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {modelcollapse.__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (verify, plan, simulate, explore):
        command.add_to(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
