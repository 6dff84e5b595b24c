"""``modelcollapse simulate``: one process, put together from options, with its closed forms beside it."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from modelcollapse import datasets, families, regimes, sources
from modelcollapse.cli import options as _options
from modelcollapse.observables import OBSERVABLES
from modelcollapse.run import ChainFailure, Run, simulate

FAILED = 1
FILES = ("table", "counts", "states")


@dataclasses.dataclass(frozen=True)
class Choice:
    """A value of ``--family`` or ``--regime``."""

    make: Callable[[argparse.Namespace], Any]
    sources: tuple[str, ...] = ()
    """Options that say what is real; without any of them it is ``usual``."""
    usual: Callable[[argparse.Namespace], Any] | None = None
    observe: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    """Options that only some choices have."""


def _parameter(make: Callable[[float], Any], usual: float) -> Callable[[argparse.Namespace], Any]:
    return lambda o: make(usual if o.parameter is None else o.parameter)


def _kde(o: argparse.Namespace) -> Any:
    return families.KernelDensity(rule="scott") if o.bandwidth is None else families.KernelDensity(o.bandwidth)


def _standard_normal(o: argparse.Namespace) -> Any:
    return sources.normal(0.0, 1.0)


ROWS = ("normal", "iris", "table")
FAMILIES = {
    "bernoulli": Choice(
        lambda o: families.Binomial(),
        ("parameter", "table", "counts", "states"),
        _parameter(sources.bernoulli, 0.5),
        ("mean", "absorbed"),
    ),
    "discrete": Choice(
        lambda o: families.Discrete(),
        ("probabilities", "zipf", "words", "counts", "states"),
        lambda o: _zipf(10),
        ("heterozygosity", "support_size"),
    ),
    "exponential": Choice(
        lambda o: families.Gamma(), ("parameter", "table"), _parameter(sources.exponential, 1.0), ("log_mean",)
    ),
    "gaussian": Choice(
        lambda o: families.Gaussian(ddof=1 if o.ddof is None else o.ddof),
        ROWS,
        _standard_normal,
        ("log_variance", "w2_squared"),
        ("ddof",),
    ),
    "gmm": Choice(
        lambda o: families.GaussianMixture(o.components or 2, reg_covar=o.reg_covar or 0.0),
        ROWS,
        _standard_normal,
        ("log_determinant",),
        ("components", "reg_covar"),
    ),
    "kde": Choice(_kde, ROWS, _standard_normal, ("variance", "squared_mean_error"), ("bandwidth",)),
    "pareto": Choice(
        lambda o: families.Pareto(estimator=o.estimator or "mle"),
        ("parameter", "table"),
        _parameter(sources.pareto, 2.0),
        ("log_index",),
        ("estimator",),
    ),
    "poisson": Choice(
        lambda o: families.Poisson(),
        ("parameter", "probabilities", "zipf", "table", "counts", "states"),
        _parameter(sources.poisson, 1.0),
        ("mean", "extinct"),
    ),
    "uniform": Choice(
        lambda o: families.Uniform(o.estimator or "mle"),
        ("parameter", "table"),
        _parameter(sources.uniform, 1.0),
        ("log_end",),
        ("estimator",),
    ),
}


def _share(o: argparse.Namespace) -> float:
    return 0.1 if o.share is None else o.share


def _mixture(o: argparse.Namespace) -> Any:
    if o.mixture is not None and o.share is not None:
        raise ValueError("--mixture says all three shares; leave --share out")
    return regimes.Mixture(*(o.mixture or [1 - _share(o), 0.0, _share(o)]))


REGIMES = {
    "replace": Choice(lambda o: regimes.Replace()),
    "mixture": Choice(_mixture, options=("share", "mixture")),
    "fresh-real": Choice(lambda o: regimes.FreshReal(_share(o)), options=("share",)),
    "fixed-real": Choice(lambda o: regimes.FixedReal(_share(o)), options=("share",)),
    "retain": Choice(lambda o: regimes.Retain(_share(o)), options=("share",)),
    "accumulate": Choice(lambda o: regimes.Accumulate()),
    "accumulate-subsample": Choice(lambda o: regimes.AccumulateSubsample()),
}


def add_to(commands: Any) -> None:
    """Add ``simulate`` to an argument parser's commands."""
    usual = "; ".join(f"{name} {', '.join(choice.observe)}" for name, choice in sorted(FAMILIES.items()))
    parser = commands.add_parser(
        "simulate",
        help="run one process",
        usage="modelcollapse simulate [--family FAMILY] [what is real] [--regime REGIME] [options]",
        description=run.__doc__,
        epilog=f"Observables: {', '.join(sorted(OBSERVABLES))}. Not every family has every one; a family's own, kept by default: {usual}.",
    )
    parser.set_defaults(run=run)
    add, whole, real = parser.add_argument, _options.whole, _options.real
    add("--family", default="gaussian", choices=sorted(FAMILIES), help="what is refitted (default %(default)s)")
    add("--ddof", type=int, choices=[0, 1], help="gaussian: divisor M - ddof (default 1)")
    add("--components", type=whole(1), metavar="K", help="gmm: number of components (default 2)")
    add("--reg-covar", type=real(0), metavar="X", help="gmm: added to every variance (default 0)")
    add(
        "--bandwidth",
        type=real(0, above=True),
        metavar="X",
        help="kde: in the unit of the rows (default: Scott's rule)",
    )
    add(
        "--estimator",
        choices=["mle", "unbiased"],
        help="uniform, pareto: of the end, or of the tail index (default mle)",
    )
    _add_sources(parser)
    _add_regime(parser)
    add("--size", type=whole(1), default=100, metavar="M", help="sample size of every generation (default %(default)s)")
    add(
        "--generations",
        type=whole(0),
        default=50,
        metavar="N",
        help="number of the last generation; 0 is a fit to real data (default %(default)s)",
    )
    add("--chains", type=whole(1), default=1000, metavar="N", help="independent repetitions (default %(default)s)")
    add("--seed", type=whole(0, None), default=0, metavar="N", help="any whole number from 0 (default %(default)s)")
    add("--observe", action="append", metavar="NAME", help="observable to keep, of those below (repeat for several)")
    add("--plot", type=Path, metavar="FILE.png", help="draw what is kept over the generations")
    add("--save", type=Path, metavar="FILE.npz", help="write the run, for Run.load")
    add("--quiet", action="store_true", help="no progress bar, and no word on what was read from a file")


def _add_regime(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--regime",
        default="replace",
        choices=sorted(REGIMES),
        help="what the next generation learns from (default %(default)s)",
    )
    have = ", ".join(name for name, choice in REGIMES.items() if "share" in choice.options)
    add("--share", type=_options.real(0, 1), metavar="X", help=f"{have}: real or retained share (default 0.1)")
    form = "ALPHA,BETA,GAMMA"
    add(
        "--mixture",
        type=_options.numbers(form),
        metavar=form,
        help="mixture: shares of the newest model, the previous law and the truth",
    )


def _add_sources(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "what is real", "one of these; which ones a family takes, it says where another is given"
    )
    add = group.add_mutually_exclusive_group().add_argument
    add(
        "--probabilities",
        type=_options.numbers(),
        metavar="P,P,...",
        help="a law on states 0, 1, ... (weights are normalised)",
    )
    add(
        "--zipf",
        type=_options.whole(1, _options.MOST_STATES),
        metavar="K",
        help="a law on K states, p_i proportional to 1/i (default of discrete: 10)",
    )
    add("--words", nargs="?", const="", metavar="FILE", help="word frequencies of a text (default: Python's own help)")
    form = "MEAN,VARIANCE"
    add(
        "--normal",
        type=_options.numbers(form),
        metavar=form,
        help="a normal law in one dimension (default of gaussian, gmm, kde: 0,1); write --normal=-1,4 for a negative mean",
    )
    add(
        "--parameter",
        type=_options.real(),
        metavar="X",
        help="a law of the family's own kind: bernoulli, its chance (default 0.5); poisson and exponential, the mean (1); uniform, the end (1); pareto, the tail index (2)",
    )
    add("--iris", action="store_true", default=None, help="Fisher's iris measurements")
    add(
        "--table",
        type=Path,
        metavar="FILE",
        help="rows of numbers in a text file: CSV, or with semicolons, tabs or spaces",
    )
    add(
        "--counts",
        type=Path,
        metavar="FILE",
        help="a text file of states and their counts, or of counts alone (states 0, 1, ...)",
    )
    add("--states", type=Path, metavar="FILE", help="a text file with a column of states, whole numbers or text")
    _add_reading(group)


def _add_reading(group: Any) -> None:
    """How a file of ``FILES`` is read."""
    group.add_argument(
        "--columns",
        type=lambda text: text.split(","),
        metavar="NAME,...",
        help="columns of the file to read, by name or number from 1 (default all)",
    )
    group.add_argument(
        "--header",
        action=argparse.BooleanOptionalAction,
        help="whether the first line of the file names the columns (default: if it has text above numbers)",
    )
    group.add_argument(
        "--encoding", metavar="NAME", help="of the file (default: UTF-8, or what its byte order mark says)"
    )


def run(options: argparse.Namespace) -> int:
    """Run one recursive training process and print a summary with the predictions beside it."""
    family, regime = FAMILIES[options.family], REGIMES[options.regime]
    _refuse_foreign("family", FAMILIES, options)
    _refuse_foreign("regime", REGIMES, options)
    _options.check_files(plot=options.plot, save=options.save)
    _check_picture(options.plot)
    source = _source(family, options)
    code = 0
    try:
        done = simulate(
            family.make(options), source, regime.make(options), options.observe or list(family.observe), size=options.size,
            generations=options.generations, chains=options.chains, seed=options.seed, progress=not options.quiet,
        )  # fmt: skip
    except ChainFailure as failure:
        print(f"modelcollapse simulate: {failure}", file=sys.stderr)
        done, code = failure.run, FAILED
    _report(done)
    if options.save:
        done.save(options.save)
    if options.plot:
        from modelcollapse.plot import overview

        overview(done).savefig(options.plot, dpi=150)
    return code


def _check_picture(path: Path | None) -> None:
    """Refuse a kind of picture that nothing here can draw, before anything runs."""
    if path is None or not path.suffix:
        return
    from matplotlib.backend_bases import FigureCanvasBase

    kinds = sorted(FigureCanvasBase.get_supported_filetypes())
    if path.suffix[1:].lower() not in kinds:
        raise ValueError(f"--plot must end in one of {', '.join(kinds)}, got {path.name!r}")


def _report(done: Run) -> None:
    print(done.summary())
    predictions = done.predict()
    if predictions:
        print("\npredictions at the last generation")
    for prediction in predictions:
        print(f"  {prediction}")
    without = [name for name in done.trace if name not in {prediction.observable for prediction in predictions}]
    if without:
        print(f"\nno closed form is known here for {', '.join(without)}")


def _refuse_foreign(option: str, choices: dict[str, Choice], options: argparse.Namespace) -> None:
    """Refuse an option that belongs to other choices: it would mean nothing."""
    chosen = getattr(options, option)
    for name in sorted({name for choice in choices.values() for name in choice.options}):
        if getattr(options, name) is not None and name not in choices[chosen].options:
            have = [other for other, choice in choices.items() if name in choice.options]
            raise ValueError(f"--{name.replace('_', '-')} is not for --{option} {chosen}, only for {', '.join(have)}")


def _source(family: Choice, options: argparse.Namespace) -> Any:
    every = {name for choice in FAMILIES.values() for name in choice.sources}
    given = next((name for name in every if getattr(options, name) is not None), None)
    if given is not None and given not in family.sources:
        takes = ", ".join(f"--{name}" for name in family.sources)
        raise ValueError(
            f"--{given} is not for --family {options.family}, which takes {takes}{_advice(given, options.family)}"
        )
    for name in ("columns", "header", "encoding"):
        if getattr(options, name) is not None and given not in FILES and not (name == "encoding" and options.words):
            raise ValueError(f"--{name} is about a file: give --table, --counts or --states FILE as well")
    assert family.usual is not None
    make = family.usual if given in (None, "parameter") else _SOURCES[given]
    try:
        return make(options)
    except (ValueError, TypeError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"--{given}: {error}") from error


def _advice(given: str, family: str) -> str:
    if (given, family) != ("table", "discrete"):
        return ""
    return (
        "; a file with a column of states is --states FILE, one of states and counts is --counts FILE, and counts may stand here: "
        "--probabilities 500,120,40,9"
    )


def _zipf(states: int) -> Any:
    return sources.categorical(1 / np.arange(1, states + 1), normalise=True)


def _words(options: argparse.Namespace) -> Any:
    _, counts = datasets.word_counts(Path(options.words) if options.words else None, options.encoding)
    return sources.categorical(counts, normalise=True)


def _read(options: argparse.Namespace, reader: Callable[..., Any], path: Path) -> Any:
    """What a reader of files returns; what it decided by itself is said."""
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        found = reader(path, options.columns, header=options.header, encoding=options.encoding)
    for note in notes:
        print(f"modelcollapse simulate: {note.message}", file=sys.stderr)
    return found


def _say(options: argparse.Namespace, what: str) -> None:
    if not options.quiet:
        print(f"modelcollapse simulate: read {what}", file=sys.stderr)


def _table(options: argparse.Namespace) -> Any:
    rows, names = _read(options, datasets.read_table, options.table)
    _say(options, f"{len(rows)} rows of {len(names)} columns ({_some(names)}) from {options.table}")
    if options.family not in ("bernoulli", "poisson"):
        return sources.table(rows)
    bad = np.argwhere((rows < 0) | (rows != np.floor(rows)))
    if bad.size or rows.shape[1] != 1:
        got = (
            f"{rows[tuple(bad[0])]:g} in row {bad[0][0] + 1}"
            if bad.size
            else f"{rows.shape[1]} columns ({_some(names)})"
        )
        raise ValueError(
            f"--table must hold one column of whole numbers from 0 for --family {options.family}, got {got}"
        )
    return sources.table(rows[:, 0].astype(np.int64))


def _counted(options: argparse.Namespace) -> Any:
    """The law of states that are given with their counts, or one by one."""
    if options.states:
        path = options.states
        seen = collections.Counter(_read(options, datasets.read_states, path))
        counts = {state: seen[state] for state in sorted(seen)}
    else:
        path = options.counts
        counts = _read(options, datasets.read_counts, path)
    _say(options, f"{len(counts)} states ({_some(counts)}) and {sum(counts.values())} draws of them from {path}")
    if options.family == "discrete":
        return sources.counts(counts)
    highest = 1 if options.family == "bernoulli" else 10**6
    for state in counts:
        if not isinstance(state, int) or not 0 <= state <= highest:
            raise ValueError(
                f"states must be whole numbers from 0 to {highest} for --family {options.family}, got {state!r} in {path}"
            )
    law = sources.categorical([counts.get(state, 0) for state in range(max(counts) + 1)], normalise=True)
    return law if options.family == "poisson" else sources.bernoulli(float(law.params[1:].sum()))


def _some(names: Any) -> str:
    shown = [str(name) for name in list(names)[:4]]
    return ", ".join(shown + ["..."] * (len(names) > 4))


_SOURCES: dict[str, Callable[[argparse.Namespace], Any]] = {
    "probabilities": lambda o: sources.categorical(o.probabilities, normalise=True),
    "zipf": lambda o: _zipf(o.zipf),
    "words": _words,
    "normal": lambda o: sources.normal(*o.normal),
    "iris": lambda o: sources.table(datasets.iris()[0]),
    "table": _table,
    "counts": _counted,
    "states": _counted,
}
