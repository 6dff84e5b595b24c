"""The command line: ``modelcollapse simulate``, ``plan``, ``verify``, ``explore``, ``report`` and ``info``."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence

import jax

import modelcollapse
from modelcollapse.cache import keep_programs
from modelcollapse.cli import completion, explore, info, plan, report, simulate, verify
from modelcollapse.cli import options as shared
from modelcollapse.cli.config import Parser

USAGE, STOPPED, NO_READER = 2, simulate.STOPPED, 141
COMMANDS = (verify, plan, simulate, explore, report, info)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1 (a claim or chain failed), 2 (usage), 3 (underpowered), 130
    (Ctrl-C) or 141 (nobody reads on).
    """
    shared.write_anywhere(sys.stdout, sys.stderr)
    options = _parser().parse_args(arguments)
    with shared.logged(options), _precision(options.precision):
        # the command is the application, so this choice is its own to make; the library never makes it
        keep_programs()
        try:
            status: int = options.run(options)
            sys.stdout.flush()
        except BrokenPipeError:
            # `modelcollapse verify --list | head`: what is left goes nowhere, at the end of the process too
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return NO_READER
        except KeyboardInterrupt:
            print(f"modelcollapse {options.command}: interrupted", file=sys.stderr)
            return STOPPED
        except (ValueError, TypeError, OSError, OverflowError, MemoryError, ModuleNotFoundError) as error:
            print(f"modelcollapse {options.command}: {error}", file=sys.stderr)
            return USAGE
    return status


@contextlib.contextmanager
def _precision(bits: int | None) -> Iterator[None]:
    """64 or 32 bits for a command; None leaves what JAX has."""
    with contextlib.nullcontext() if bits is None else jax.enable_x64(bits == 64):
        yield


def _parser() -> Parser:
    parser = Parser(
        prog="modelcollapse", description="Recursive training, simulated and held against its exact theory."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {modelcollapse.__version__}")
    completion.add_to(parser)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        command.add_to(commands)
    for number, one in enumerate(completion.every(parser)):
        shared.add_verbose(one, number)
    return parser


if __name__ == "__main__":
    sys.exit(main())
