"""The command line: ``modelcollapse verify``, ``modelcollapse plan`` and ``modelcollapse simulate``."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

USAGE, FAILED, UNDERPOWERED = 2, 1, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1 (a claim or chain failed), 2 (usage) or 3 (underpowered)."""
    options = _parser().parse_args(arguments)
    import jax

    # the command is the application, so this choice is its own to make; the library never makes it
    with jax.enable_x64(options.precision == 64):
        try:
            return options.run(options)
        except (ValueError, TypeError, OSError) as error:
            print(f"modelcollapse {options.command}: {error}", file=sys.stderr)
            return USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="modelcollapse", description="Recursive training, simulated and held against its exact theory."
    )
    commands = parser.add_subparsers(dest="command", required=True)

    verify = commands.add_parser("verify", help="put every claim to the test", description=_verify.__doc__)
    verify.set_defaults(run=_verify)
    verify.add_argument("claims", nargs="*", help="names of claims, or of sections by their letter (default: all)")
    verify.add_argument("--list", action="store_true", help="list the claims and stop")
    verify.add_argument("--seed", type=int, default=0)
    verify.add_argument("--chains", type=int, help="chains for every claim (default: each claim's own budget)")
    tier = verify.add_mutually_exclusive_group()
    tier.add_argument(
        "--quick", action="store_const", dest="tier", const="quick", help="the claims that fit into a minute"
    )
    tier.add_argument(
        "--extended",
        action="store_const",
        dest="tier",
        const="extended",
        help="all claims, each with ten times its budget",
    )
    verify.add_argument("--json", type=Path, metavar="FILE", help="write all evidence")
    verify.add_argument("--figures", type=Path, metavar="DIR", help="draw the evidence into DIR")
    verify.add_argument("--quiet", action="store_true", help="no progress bar")

    from modelcollapse import _planner

    _planner.add_to(commands)

    simulate = commands.add_parser("simulate", help="run one process", description=_simulate.__doc__)
    simulate.set_defaults(run=_simulate)
    simulate.add_argument("--family", default="gaussian", choices=sorted(_FAMILIES))
    simulate.add_argument("--ddof", type=int, default=1, choices=[0, 1], help="gaussian: divisor M - ddof")
    simulate.add_argument("--components", type=int, default=2, help="gmm: number of components")
    simulate.add_argument("--reg-covar", type=float, default=0.0, help="gmm: added to every variance")
    simulate.add_argument("--bandwidth", type=float, help="kde: in the unit of the rows (default: by Scott's rule)")
    simulate.add_argument(
        "--estimator",
        default="mle",
        choices=["mle", "unbiased"],
        help="uniform, pareto: of the end, or of the tail index",
    )
    source = simulate.add_mutually_exclusive_group()
    source.add_argument(
        "--probabilities", type=_numbers, metavar="P,P,...", help="categorical source (weights are normalised)"
    )
    source.add_argument("--zipf", type=int, metavar="K", help="categorical source, p_i proportional to 1/i")
    source.add_argument(
        "--words", nargs="?", const="", metavar="FILE", help="word frequencies of a text (default: Python's own help)"
    )
    source.add_argument(
        "--normal", type=_numbers, metavar="MEAN,VARIANCE", help="normal source in one dimension (default 0,1)"
    )
    source.add_argument(
        "--parameter",
        type=float,
        metavar="X",
        help="source of the family's own kind: bernoulli, its chance (default 0.5); poisson and exponential, the mean (1); "
        "uniform, the end (1); pareto, the tail index (2)",
    )
    source.add_argument("--iris", action="store_true", help="Fisher's iris measurements")
    source.add_argument("--table", type=Path, metavar="FILE.csv", help="rows of numbers, one header line allowed")
    simulate.add_argument(
        "--regime", default="replace", choices=sorted(_REGIMES), help="what the next generation learns from"
    )
    simulate.add_argument(
        "--share", type=float, default=0.1, help="real or retained share, for the regimes that have one"
    )
    simulate.add_argument("--mixture", type=_numbers, metavar="ALPHA,BETA,GAMMA", help="for --regime mixture")
    simulate.add_argument("--size", type=int, default=100, help="sample size of every generation")
    simulate.add_argument("--generations", type=int, default=50, help="number of the last generation")
    simulate.add_argument("--chains", type=int, default=1000)
    simulate.add_argument("--seed", type=int, default=0)
    simulate.add_argument("--observe", action="append", metavar="NAME", help="observable to keep (repeat for several)")
    simulate.add_argument("--plot", type=Path, metavar="FILE.png")
    simulate.add_argument("--save", type=Path, metavar="FILE.npz")
    simulate.add_argument("--quiet", action="store_true", help="no progress bar")
    for command in (verify, simulate):
        command.add_argument(
            "--precision", type=int, default=64, choices=[32, 64], help="bits of a floating-point number"
        )
    return parser


def _verify(options: argparse.Namespace) -> int:
    """Run the claims, print one table, and exit with 0 only if every prediction holds and every near miss is rejected; 1 if a
    prediction is rejected, 3 if the budget was too small to reject a near miss.
    """
    from tqdm import tqdm

    from modelcollapse.checks import claims

    registry = claims.registry()
    chosen = _selected(options.claims, registry, options.tier)
    if options.list:
        for claim in chosen:
            print(f"{claim.name:28s} {claim.section:32s} {claim.tier:9s} {claim.statement}")
        return 0
    begun = time.perf_counter()
    results = []
    print(claims.HEADER)
    section = ""
    with tqdm(total=len(chosen), disable=options.quiet or None, unit="claim", leave=False) as bar:
        times = 10 if options.tier == "extended" else 1
        for result in claims.run_claims(chosen, options.seed, chains=options.chains, times=times, done=bar.update):
            results.append(result)
            if result.claim.section != section:
                section = result.claim.section
                bar.write(f"\n{section}")
            bar.write(claims.to_text(result))
    if options.json:
        options.json.write_text(claims.to_json(results, options.seed))
    if options.figures:
        from modelcollapse.plot import evidence

        options.figures.mkdir(parents=True, exist_ok=True)
        figure: Any = evidence(results).get_figure(root=True)
        figure.savefig(options.figures / "claims.png", dpi=120)
    verdicts = (claims.HELD, claims.REJECTED, claims.UNDERPOWERED, claims.RAISED)
    count = {verdict: sum(r.verdict == verdict for r in results) for verdict in verdicts}
    raised = f"{count[claims.RAISED]} raised an error, " if count[claims.RAISED] else ""
    misses = sum(c.rejected for r in results for row in r.rows for c in row.near_misses.values())
    print(
        f"\n{len(results)} claims: {count[claims.HELD]} hold, {count[claims.REJECTED]} rejected, {raised}"
        f"{count[claims.UNDERPOWERED]} underpowered; {misses} near misses rejected; {time.perf_counter() - begun:.0f} s"
    )
    for result in results:
        if result.verdict != claims.HELD:
            said = result.error or result.claim.statement
            print(f"{result.verdict}: {result.claim.name}: {said}", file=sys.stderr)
    return claims.exit_code(results)


def _selected(names: Sequence[str], registry: dict[str, Any], tier: str | None = None) -> list[Any]:
    """The claims of a tier and those before it; claims that are named run whatever their tier, unless one is given."""
    from modelcollapse.checks.claims import TIERS

    ordered = sorted(registry.values(), key=lambda claim: claim.section)
    unknown = [n for n in names if n not in registry and not any(c.section.startswith(f"{n}.") for c in ordered)]
    if unknown:
        raise ValueError(f"unknown claim {unknown[0]!r}; `modelcollapse verify --list` lists the names")
    if names:
        ordered = [c for c in ordered if c.name in names or any(c.section.startswith(f"{n}.") for n in names)]
    if tier is None and names:
        return ordered
    chosen = [c for c in ordered if TIERS.index(c.tier) <= TIERS.index(tier or "default")]
    if not chosen:
        raise ValueError(f"none of the claims named is in the tier {tier!r}; leave the tier out to run them")
    return chosen


def _numbers(text: str) -> list[float]:
    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be numbers separated by commas, got {text!r}") from None


def _mixture(options: argparse.Namespace) -> Any:
    from modelcollapse import regimes

    weights = options.mixture or [1 - options.share, 0.0, options.share]
    if len(weights) != 3:
        raise ValueError(f"--mixture must be three numbers alpha,beta,gamma, got {weights}")
    return regimes.Mixture(*weights)


_REGIMES = {
    "replace": lambda r, o: r.Replace(),
    "mixture": lambda r, o: _mixture(o),
    "fresh-real": lambda r, o: r.FreshReal(o.share),
    "fixed-real": lambda r, o: r.FixedReal(o.share),
    "retain": lambda r, o: r.Retain(o.share),
    "accumulate": lambda r, o: r.Accumulate(),
    "accumulate-subsample": lambda r, o: r.AccumulateSubsample(),
}


_FAMILIES = {
    "bernoulli": (lambda f, o: f.Binomial(), ("bernoulli", 0.5), ["mean", "absorbed"]),
    "discrete": (lambda f, o: f.Discrete(), None, ["heterozygosity", "support_size"]),
    "exponential": (lambda f, o: f.Gamma(), ("exponential", 1.0), ["log_mean"]),
    "gaussian": (lambda f, o: f.Gaussian(ddof=o.ddof), None, ["log_variance", "w2_squared"]),
    "gmm": (lambda f, o: f.GaussianMixture(o.components, reg_covar=o.reg_covar), None, ["log_determinant"]),
    "kde": (
        lambda f, o: f.KernelDensity(rule="scott") if o.bandwidth is None else f.KernelDensity(o.bandwidth),
        None,
        ["variance", "squared_mean_error"],
    ),
    "pareto": (lambda f, o: f.Pareto(estimator=o.estimator), ("pareto", 2.0), ["log_index"]),
    "poisson": (lambda f, o: f.Poisson(), ("poisson", 1.0), ["mean", "extinct"]),
    "uniform": (lambda f, o: f.Uniform(o.estimator), ("uniform", 1.0), ["log_end"]),
}
"""The family by its options; the source of its own kind, with its usual ``--parameter``, if it has one; what is observed."""


def _simulate(options: argparse.Namespace) -> int:
    """Run one recursive training process and print a summary with the predictions beside it."""
    from modelcollapse import driver, regimes
    from modelcollapse.results import ChainFailure

    family, source = _family_and_source(options)
    observe = options.observe or _FAMILIES[options.family][2]
    for path in (options.plot, options.save):
        if path and not path.resolve().parent.is_dir():
            raise ValueError(f"the folder of {os.fspath(path)} does not exist")
    code = 0
    try:
        run = driver.simulate(
            family, source, _REGIMES[options.regime](regimes, options), observe, size=options.size,
            generations=options.generations, chains=options.chains, seed=options.seed, progress=not options.quiet,
        )  # fmt: skip
    except ChainFailure as failure:
        print(f"modelcollapse simulate: {failure}", file=sys.stderr)
        run, code = failure.run, FAILED
    print(run.summary())
    predictions = run.predict()
    print(
        "\npredictions at the last generation"
        if predictions
        else "\nno closed form is known here for these observables"
    )
    for prediction in predictions:
        print(f"  {prediction}")
    if options.save:
        run.save(options.save)
    if options.plot:
        from modelcollapse.plot import overview

        overview(run).savefig(options.plot, dpi=150)
    return code


def _family_and_source(options: argparse.Namespace) -> tuple[Any, Any]:
    import numpy as np

    from modelcollapse import datasets, families, sources

    made, own, _ = _FAMILIES[options.family]
    family: Any = made(families, options)
    if options.parameter is not None and own is None:
        raise ValueError(
            f"--parameter is not for --family {options.family}: its sources are --probabilities, --normal, ..."
        )
    if options.probabilities is not None:
        return family, sources.categorical(options.probabilities, normalise=True)
    if options.zipf is not None:
        if options.zipf < 1:
            raise ValueError(f"--zipf must be at least 1, got {options.zipf}")
        return family, sources.categorical(1 / np.arange(1, options.zipf + 1), normalise=True)
    if options.words is not None:
        _, counts = datasets.word_counts(Path(options.words) if options.words else None)
        return family, sources.categorical(counts, normalise=True)
    if options.iris:
        return family, sources.table(datasets.iris()[0])
    if options.table:
        rows = np.genfromtxt(options.table, delimiter=",", skip_header=_header_lines(options.table))
        whole = options.family in ("bernoulli", "poisson") and bool(np.all(rows == np.floor(rows)))
        return family, sources.table(rows.astype(np.int64) if whole else rows)
    if own is not None and options.normal is None:
        name, usual = own
        return family, getattr(sources, name)(usual if options.parameter is None else options.parameter)
    if options.family == "discrete":
        return family, sources.categorical(1 / np.arange(1, 11), normalise=True)
    mean, variance = (*(options.normal or [0.0, 1.0]), 1.0)[:2]
    return family, sources.normal(mean, variance)


def _header_lines(path: Path) -> int:
    with path.open() as file:
        first = file.readline().split(",")
    try:
        [float(word) for word in first]
    except ValueError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
