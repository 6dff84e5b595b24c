"""``modelcollapse report``: a saved run as one HTML page."""

from __future__ import annotations

import argparse
from pathlib import Path

from modelcollapse.cli import options as shared
from modelcollapse.run import Run


def add_to(commands: shared.Commands) -> None:
    """Add ``report`` to an argument parser's commands."""
    parser = commands.add_parser("report", help="write a saved run as one HTML page", description=run.__doc__)
    parser.set_defaults(run=run, precision=64)
    parser.add_argument("file", type=Path, metavar="run.npz", help="a file that `run.save` or `simulate --save` wrote")
    help = "the page (default: beside the run, with its name); - writes it to standard output"
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.html", help=help)
    parser.add_argument("--cite", action="store_true", help="print what to cite, as BibTeX, and write no page")


def run(options: argparse.Namespace) -> int:
    """Write a saved run as one self-contained HTML page: setting, figures, predictions, profile, references."""
    done = Run.load(options.file)
    if options.cite:
        print(done.cite())
        return 0
    from modelcollapse import report  # matplotlib is heavy

    if options.output == Path("-"):
        print(report.page(done), end="")
        return 0
    output = options.file.with_suffix(".html") if options.output is None else options.output
    shared.check_files(output=output)
    report.write(done, output)
    print(f"wrote {output}")
    return 0
