"""The command line: ``modelcollapse verify``, ``modelcollapse plan`` and ``modelcollapse simulate``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import modelcollapse
from modelcollapse.cli import options as _options
from modelcollapse.cli import plan as _planner
from modelcollapse.cli import simulate as _simulator
from modelcollapse.cli import verify as _verify

USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1 (a claim or chain failed), 2 (usage) or 3 (underpowered)."""
    _options.write_anywhere(sys.stdout, sys.stderr)
    options = _parser().parse_args(arguments)
    import jax

    # the command is the application, so this choice is its own to make; the library never makes it
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

    _verify.add_to(commands)
    _planner.add_to(commands)
    _simulator.add_to(commands)
    for command in (commands.choices["verify"], commands.choices["simulate"]):
        command.add_argument(
            "--precision",
            type=int,
            default=64,
            choices=[32, 64],
            help="bits of a floating-point number (default %(default)s)",
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())
