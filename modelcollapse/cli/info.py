"""``modelcollapse info``: what a report of an error should say of the machine."""

from __future__ import annotations

import argparse

from modelcollapse import environment
from modelcollapse.cli import options as shared


def add_to(commands: shared.Commands) -> None:
    """Add ``info`` to an argument parser's commands."""
    parser = commands.add_parser("info", help="versions, extras, devices, cache and threads", description=run.__doc__)
    # the precision that JAX has here is part of the answer
    parser.set_defaults(run=run, precision=None)
    shared.add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print the versions of everything, what each extra has and lacks, devices, cache and threads."""
    shared.check_files(json=options.json)
    found = environment.environment()
    shared.answer(options, found, lambda: print(environment.text(found)))
    return 0
