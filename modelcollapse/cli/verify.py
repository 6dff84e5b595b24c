"""``modelcollapse verify``: every claim put to the test."""

from __future__ import annotations

import argparse
import collections
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from modelcollapse.cli import options as shared
from modelcollapse.verify import runner


def add_to(commands: shared.Commands) -> None:
    """Add ``verify`` to an argument parser's commands."""
    parser = commands.add_parser("verify", help="put every claim to the test", description=run.__doc__)
    parser.set_defaults(run=run)
    add = parser.add_argument
    add("claims", nargs="*", help="names of claims, or of sections by their letter (default: all)")
    add("--list", action="store_true", help="list the claims and stop")
    add("--seed", type=shared.whole(0, None), default=0, help="any whole number from 0 (default %(default)s)")
    add("--chains", type=shared.whole(1), help="chains for every claim (default: each claim's own budget)")
    tier = parser.add_mutually_exclusive_group()
    quick, extended = "the claims that fit into a minute", "all claims, each with ten times its budget"
    tier.add_argument("--quick", action="store_const", dest="tier", const="quick", help=quick)
    tier.add_argument("--extended", action="store_const", dest="tier", const="extended", help=extended)
    shared.add_json(parser)
    add("--figures", type=Path, metavar="DIR", help="draw the evidence into DIR")
    add("--quiet", action="store_true", help="no progress bar")
    shared.add_precision(parser)


def run(options: argparse.Namespace) -> int:
    """Run the claims, print one table, and exit with 0 only if every prediction holds and every near miss is rejected;
    1 if a prediction is rejected, 3 if the budget was too small to reject a near miss.
    """
    # here, as claims make their sources when they are imported, in the precision that was asked for
    from modelcollapse.claims import registry

    shared.check_files(json=options.json)
    _check_not_a_claim(options.json, registry())
    chosen = _selected(options.claims, registry(), options.tier)
    if options.list:
        shared.answer(options, {"claims": [_listed(claim) for claim in chosen]}, lambda: _list(chosen))
        return 0
    begun = time.perf_counter()
    results = _run(chosen, options)
    if options.figures:
        from modelcollapse.plot import evidence  # matplotlib is heavy, and most runs draw nothing

        options.figures.mkdir(parents=True, exist_ok=True)
        figure = evidence(results).get_figure(root=True)
        assert figure is not None
        figure.savefig(options.figures / "claims.png", dpi=120)
    seconds = time.perf_counter() - begun
    shared.answer(
        options, runner.content(results, options.seed), lambda: print(f"\n{_counted(results)}; {seconds:.0f} s")
    )
    for result in results:
        if result.verdict != runner.HELD:
            said = result.error or result.claim.statement
            print(f"{result.verdict}: {result.claim.name}: {said}", file=sys.stderr)
    return runner.exit_code(results)


def _list(chosen: Sequence[runner.Claim]) -> None:
    for claim in chosen:
        print(f"{claim.name:28s} {claim.section:32s} {claim.tier:9s} {claim.statement}")


def _listed(claim: runner.Claim) -> dict[str, Any]:
    return {name: value for name, value in vars(claim).items() if name != "function"}


def _check_not_a_claim(file: str | None, claims: Mapping[str, runner.Claim]) -> None:
    """A claim after ``--json`` would be taken for its file, and all claims would run."""
    if file in claims or any(claim.section.startswith(f"{file}.") for claim in claims.values()):
        raise ValueError(f"--json {file}: that names claims, not a file; write the claims before --json")


def _run(chosen: Sequence[runner.Claim], options: argparse.Namespace) -> list[runner.Result]:
    """Run the claims and print a line for each, under the header of its section."""
    results: list[runner.Result] = []
    say = options.json != shared.STDOUT
    if say:
        print(runner.HEADER)
    times = 10 if options.tier == "extended" else 1
    with tqdm(total=len(chosen), disable=options.quiet or None, unit="claim", leave=False) as bar:
        for result in runner.run_claims(
            chosen, options.seed, chains=options.chains, times=times, done=bar.update
        ):  # fmt: skip
            results.append(result)
            if not say:
                continue
            if len(results) == 1 or result.claim.section != results[-2].claim.section:
                bar.write(f"\n{result.claim.section}")
            bar.write(runner.to_text(result))
    return results


def _counted(results: Sequence[runner.Result]) -> str:
    count = collections.Counter(result.verdict for result in results)
    raised = f"{count[runner.RAISED]} raised an error, " if count[runner.RAISED] else ""
    misses = sum(miss.rejected for r in results for row in r.rows for miss in row.near_misses.values())
    return (
        f"{len(results)} claims: {count[runner.HELD]} hold, {count[runner.REJECTED]} rejected, {raised}"
        f"{count[runner.UNDERPOWERED]} underpowered; {misses} near misses rejected"
    )


def _selected(names: Sequence[str], claims: dict[str, runner.Claim], tier: str | None) -> list[runner.Claim]:
    """The claims of a tier and those before it; claims that are named run whatever their tier, unless one is given."""
    ordered = sorted(claims.values(), key=lambda claim: claim.section)
    unknown = [n for n in names if n not in claims and not any(c.section.startswith(f"{n}.") for c in ordered)]
    if unknown:
        raise ValueError(f"unknown claim {unknown[0]!r}; `modelcollapse verify --list` lists the names")
    if names:
        ordered = [c for c in ordered if c.name in names or any(c.section.startswith(f"{n}.") for n in names)]
    if tier is None and names:
        return ordered
    chosen = [c for c in ordered if runner.TIERS.index(c.tier) <= runner.TIERS.index(tier or "default")]
    if not chosen:
        raise ValueError(f"none of the claims named is in the tier {tier!r}; leave the tier out to run them")
    return chosen
