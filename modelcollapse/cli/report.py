"""``modelcollapse report``: a saved run as one HTML page."""

from __future__ import annotations

import argparse
from pathlib import Path

from modelcollapse.cli import options as shared
from modelcollapse.run import Run


def add_to(commands: shared.Commands) -> None:
    """Add ``report`` to an argument parser's commands."""
    parser = commands.add_parser("report", help="write a saved run as one HTML page", description=run.__doc__)
    # a page is written in the precision of its run
    parser.set_defaults(run=run, precision=None)
    parser.add_argument("file", type=Path, metavar="FILE.npz", help="a file that `run.save` or `simulate --save` wrote")
    help = "the page (default: beside the run, with its name); - writes it to standard output"
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.html", help=help)
    parser.add_argument("--cite", action="store_true", help="print what to cite, as BibTeX, and write no page")
    shared.add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Write a saved run as one self-contained HTML page: setting, figures, predictions, profile, references."""
    to_output = options.output == Path("-")
    if to_output and options.json == shared.STDOUT:
        raise ValueError("-o - prints the page, and --json would print something else: choose one")
    if options.cite and options.output is not None:
        raise ValueError(f"--cite writes no page: omit -o {options.output}")
    output = options.file.with_suffix(".html") if options.output is None else options.output
    written = None if to_output or options.cite else output
    shared.check_files({"the run": options.file}, output=written, json=options.json)
    done = Run.load(options.file)
    cited = done.cite()
    references = [{"key": one.key, "for": list(one.uses), "bibtex": one.bibtex} for one in cited]
    if options.cite:
        shared.answer(options, {"references": references}, lambda: print(cited))
        return 0
    from modelcollapse import report  # matplotlib is heavy

    if to_output:
        page = report.page(done)
        shared.answer(options, {"page": None, "references": references}, lambda: print(page, end=""))
        return 0
    report.write(done, output)
    shared.answer(options, {"page": str(output), "references": references}, lambda: print(f"wrote {output}"))
    return 0
