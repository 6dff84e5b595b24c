"""``modelcollapse simulate``: one process, put together from options, with its closed forms beside it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from modelcollapse import exports
from modelcollapse.arguments import MOST_STATES
from modelcollapse.cli import choices, config
from modelcollapse.cli import options as shared
from modelcollapse.failures import ChainFailure, Interrupted
from modelcollapse.observables import OBSERVABLES
from modelcollapse.run import Run, simulate

FAILED, STOPPED = 1, 130
LAYOUT = config.Layout(
    {
        "family": ("family", *choices.FIELDS),
        "regime": ("regime", "share", "mixture"),
        "source": (*choices.SOURCES, "columns", "header", "encoding"),
    },
    [("share", "mixture"), tuple(choices.SOURCES)],
)
"""Sections of a configuration file."""


def add_to(commands: shared.Commands) -> None:
    """Add ``simulate`` to an argument parser's commands."""
    usual = "; ".join(f"{name} {', '.join(k.default_observables)}" for name, k in sorted(choices.FAMILIES.items()))
    parser = commands.add_parser(
        "simulate",
        help="run one process",
        usage="modelcollapse simulate [--family FAMILY] [what is real] [--regime REGIME] [options]",
        description=run.__doc__,
        epilog=f"Observables: {', '.join(sorted(OBSERVABLES))}. Not every family has every one; a family's "
        f"own, kept by default: {usual}.",
    )
    parser.set_defaults(run=run)
    add, whole = parser.add_argument, shared.whole
    _add_family(parser)
    _add_sources(parser)
    _add_regime(parser)
    add("--size", type=whole(1), default=100, metavar="M", help="sample size of every generation (default %(default)s)")
    last = "number of the last generation; 0 is a fit to real data (default %(default)s)"
    add("--generations", type=whole(0), default=50, metavar="N", help=last)
    add("--chains", type=whole(1), default=1000, metavar="N", help="independent repetitions (default %(default)s)")
    add("--seed", type=whole(0, None), default=0, metavar="N", help="any whole number from 0 (default %(default)s)")
    add("--observe", action="append", metavar="NAME", help="observable to keep, of those below (repeat for several)")
    add("--plot", type=Path, metavar="FILE.png", help="draw what is kept over the generations")
    help = "write the run: FILE.npz for Run.load, FILE.csv or FILE.parquet as a data frame"
    add("--save", type=Path, metavar="FILE", help=help)
    add("--quiet", action="store_true", help="no progress bar, and no word on what was read from a file")
    shared.add_json(parser)
    shared.add_precision(parser)
    parser.configure(LAYOUT)


def _add_family(parser: argparse.ArgumentParser) -> None:
    add, whole, real = parser.add_argument, shared.whole, shared.real
    names = sorted(choices.FAMILIES)
    add("--family", default="gaussian", choices=names, help="what is refitted (default %(default)s)")
    add("--ddof", type=int, choices=[0, 1], help="gaussian: divisor M - ddof (default 1)")
    add("--components", type=whole(1), metavar="K", help="gmm: number of components (default 2)")
    add("--reg-covar", type=real(0), metavar="X", help="gmm: added to every variance (default 0)")
    width = "kde: in the unit of the rows (default: Scott's rule)"
    add("--bandwidth", type=real(0, above=True), metavar="X", help=width)
    estimator = "uniform, pareto: of the end, or of the tail index (default mle)"
    add("--estimator", choices=["mle", "unbiased"], help=estimator)


def _add_regime(parser: argparse.ArgumentParser) -> None:
    add, names = parser.add_argument, sorted(choices.REGIMES)
    add("--regime", default="replace", choices=names, help="what the next generation learns from (default %(default)s)")
    have = ", ".join(name for name in names if choices.takes(choices.REGIMES[name], "share"))
    help = f"{have}: real or retained share (default {choices.SHARE})"
    add("--share", type=shared.real(0, 1), metavar="X", help=help)
    form = "ALPHA,BETA,GAMMA"
    help = "mixture: weights of the newest model, the previous law and the truth"
    add("--mixture", type=shared.numbers(form), metavar=form, help=help)


def _add_sources(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is real", "one of these; a family refuses what it cannot be fitted to")
    add, numbers = group.add_mutually_exclusive_group().add_argument, shared.numbers
    help = "a law on states 0, 1, ... (weights are normalised)"
    add("--probabilities", type=numbers(), metavar="P,P,...", help=help)
    help = "a law on K states, p_i proportional to 1/i (default of discrete: 10)"
    add("--zipf", type=shared.whole(1, MOST_STATES), metavar="K", help=help)
    add(
        "--words",
        nargs="?",
        const="",
        type=shared.FILE,
        metavar="FILE",
        help="word frequencies of a text (default: Python's own help)",
    )
    form = "MEAN,VARIANCE"
    help = "a normal law in one dimension (default of gaussian, gmm, kde: 0,1); write --normal=-1,4 for a negative mean"
    add("--normal", type=numbers(form), metavar=form, help=help)
    help = (
        "a law of the family's own kind: bernoulli, its chance (default 0.5); poisson and exponential, the mean (1); "
        "uniform, the end (1); pareto, the tail index (2)"
    )
    add("--parameter", type=shared.real(), metavar="X", help=help)
    add("--iris", action="store_true", default=None, help="Fisher's iris measurements")
    help = "rows of numbers in a text file: CSV, or with semicolons, tabs or spaces"
    add("--table", type=Path, metavar="FILE", help=help)
    help = "a text file of states and their counts, or of counts alone (states 0, 1, ...)"
    add("--counts", type=Path, metavar="FILE", help=help)
    add("--states", type=Path, metavar="FILE", help="a text file with a column of states, whole numbers or text")
    # how such a file is read
    help = "columns of the file to read, by name or number from 1 (default all)"
    group.add_argument("--columns", type=shared.TEXTS, metavar="NAME,...", help=help)
    help = "whether the first line of the file names the columns (default: if it has text above numbers)"
    group.add_argument("--header", action=argparse.BooleanOptionalAction, help=help)
    help = "encoding of the file (default: UTF-8, or what its byte order mark says)"
    group.add_argument("--encoding", metavar="NAME", help=help)


def run(options: argparse.Namespace) -> int:
    """Run one recursive training process and print a summary with the predictions beside it."""
    if options.print_config:
        print(config.to_toml(options, LAYOUT))
        return 0
    family, regime = choices.family(options), choices.regime(options)
    shared.check_files(plot=options.plot, save=options.save, json=options.json)
    _check_picture(options.plot)
    if options.save:
        _check_ending(options.save)
        exports.check_file("--save", options.save)
    source = choices.source(options, family)
    # the time left is for someone who watches
    progress = not options.quiet and sys.stderr.isatty()
    code, said = 0, None
    try:
        done = simulate(
            family, source, regime, options.observe, size=options.size, generations=options.generations,
            chains=options.chains, seed=options.seed, progress=progress,
        )  # fmt: skip
    except (ChainFailure, Interrupted) as failure:
        said = str(failure)
        print(f"modelcollapse simulate: {said}", file=sys.stderr)
        done, code = failure.run, FAILED if isinstance(failure, ChainFailure) else STOPPED
    # files first: who reads what is printed may go away
    if options.save:
        exports.write(done, options.save)
    if options.plot:
        from modelcollapse.plot import overview  # matplotlib is heavy, and most runs draw nothing

        overview(done).savefig(options.plot, dpi=150)
    shared.answer(options, {"failure": said} | _content(done), lambda: _report(done))
    return code


def _check_ending(path: Path) -> None:
    """Refuse a kind of file that is none of those that hold a run."""
    kinds = (".npz", *exports.FRAMES)
    if path.suffix.lower() not in kinds:
        raise ValueError(f"--save must end in one of {', '.join(kinds)}, got {path.name!r}")


def _check_picture(path: Path | None) -> None:
    """Refuse a kind of picture that nothing here can draw, before anything runs."""
    if path is None or not path.suffix:
        return
    from matplotlib.backend_bases import FigureCanvasBase

    kinds = sorted(FigureCanvasBase.get_supported_filetypes())
    if path.suffix[1:].lower() not in kinds:
        raise ValueError(f"--plot must end in one of {', '.join(kinds)}, got {path.name!r}")


def _content(done: Run) -> dict[str, Any]:
    """What is printed, for machines: at every recorded generation."""
    summary = done.summary()
    return {
        "generations": summary.recorded,
        "summary": {"level": summary.level, "statistics": summary.statistics},
        "predictions": [
            {
                "observable": one.observable, "kind": one.kind, "values": one.values, "formula": one.formula,
                "conditions": one.conditions, "order": one.order, "theorem": one.function,
            }
            for one in done.predict()
        ],
        "profile": list(done.profile()),
        "provenance": done.provenance,
    }  # fmt: skip


def _report(done: Run) -> None:
    print(done.summary())
    predictions = done.predict()
    if predictions:
        print("\npredictions at the last generation")
    for prediction in predictions:
        print(f"  {prediction}")
    without = [name for name in done.trace if name not in predictions]
    if without:
        print(f"\nno closed form is known here for {', '.join(without)}")
    found = done.profile()
    print("\ncollapse, by definition (`run.profile()` has risks, thresholds and exact values)")
    for verdict in found:
        if verdict.holds is not None:
            print(f"  {verdict.name:8s} {verdict.title + ':':15s} {verdict.answer:4s} {verdict.words}")
    left = ", ".join(verdict.name for verdict in found if verdict.holds is None)
    print(f"  left open by this run: {left or 'none'}")
