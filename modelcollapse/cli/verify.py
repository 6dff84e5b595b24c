"""``modelcollapse verify``: the claims of the registry, put to the test and shown as one table."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from modelcollapse.cli import options as _options

if TYPE_CHECKING:
    from modelcollapse.verify.runner import Claim, Result


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``verify`` to an argument parser's commands."""
    verify = commands.add_parser("verify", help="put every claim to the test", description=run.__doc__)
    verify.set_defaults(run=run)
    verify.add_argument("claims", nargs="*", help="names of claims, or of sections by their letter (default: all)")
    verify.add_argument("--list", action="store_true", help="list the claims and stop")
    verify.add_argument(
        "--seed", type=_options.whole(0, None), default=0, help="any whole number from 0 (default %(default)s)"
    )
    verify.add_argument(
        "--chains", type=_options.whole(1), help="chains for every claim (default: each claim's own budget)"
    )
    tiers = {"quick": "the claims that fit into a minute", "extended": "all claims, each with ten times its budget"}
    tier = verify.add_mutually_exclusive_group()
    for name, text in tiers.items():
        tier.add_argument(f"--{name}", action="store_const", dest="tier", const=name, help=text)
    verify.add_argument("--json", type=Path, metavar="FILE", help="write all evidence")
    verify.add_argument("--figures", type=Path, metavar="DIR", help="draw the evidence into DIR")
    verify.add_argument("--quiet", action="store_true", help="no progress bar")


def run(options: argparse.Namespace) -> int:
    """Run the claims and print one table. The exit status is 0 only if every prediction holds and every near miss is
    rejected; 1 if a prediction is rejected, 3 if the budget was too small to reject a near miss.
    """
    from tqdm import tqdm

    from modelcollapse.claims import registry
    from modelcollapse.verify import runner

    _options.check_files(json=options.json)
    chosen = selected(options.claims, registry().values(), options.tier)
    if options.list:
        for claim in chosen:
            print(f"{claim.name:28s} {claim.section:32s} {claim.tier:9s} {claim.statement}")
        return 0
    begun = time.perf_counter()
    results: list[Result] = []
    print(runner.HEADER)
    with tqdm(total=len(chosen), disable=options.quiet or None, unit="claim", leave=False) as bar:
        times = 10 if options.tier == "extended" else 1
        for result in runner.run_claims(chosen, options.seed, chains=options.chains, times=times, done=bar.update):
            if not results or result.claim.section != results[-1].claim.section:
                bar.write(f"\n{result.claim.section}")
            bar.write(runner.to_text(result))
            results.append(result)
    if options.json:
        options.json.write_text(runner.to_json(results, options.seed))
    if options.figures:
        from modelcollapse.plot import evidence

        options.figures.mkdir(parents=True, exist_ok=True)
        figure = evidence(results).get_figure(root=True)
        assert figure is not None
        figure.savefig(options.figures / "claims.png", dpi=120)
    print(f"\n{summary(results)}; {time.perf_counter() - begun:.0f} s")
    for result in results:
        if result.verdict != runner.HELD:
            said = result.error or result.claim.statement
            print(f"{result.verdict}: {result.claim.name}: {said}", file=sys.stderr)
    return runner.exit_code(results)


def summary(results: Sequence[Result]) -> str:
    """How many claims have which verdict, and how many near misses are rejected."""
    from modelcollapse.verify.runner import HELD, RAISED, REJECTED, UNDERPOWERED

    count = {v: sum(r.verdict == v for r in results) for v in (HELD, REJECTED, UNDERPOWERED, RAISED)}
    raised = f"{count[RAISED]} raised an error, " if count[RAISED] else ""
    misses = sum(c.rejected for r in results for row in r.rows for c in row.near_misses.values())
    return (
        f"{len(results)} claims: {count[HELD]} hold, {count[REJECTED]} rejected, {raised}"
        f"{count[UNDERPOWERED]} underpowered; {misses} near misses rejected"
    )


def selected(names: Sequence[str], claims: Collection[Claim], tier: str | None = None) -> list[Claim]:
    """The claims of a tier and those before it; claims that are named run whatever their tier, unless one is given."""
    from modelcollapse.verify.runner import TIERS

    ordered = sorted(claims, key=lambda claim: claim.section)
    known = {claim.name for claim in ordered} | {claim.section.partition(".")[0] for claim in ordered}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"unknown claim {unknown[0]!r}; `modelcollapse verify --list` lists the names")
    if names:
        ordered = [c for c in ordered if c.name in names or c.section.partition(".")[0] in names]
    if tier is None and names:
        return ordered
    chosen = [c for c in ordered if TIERS.index(c.tier) <= TIERS.index(tier or "default")]
    if not chosen:
        raise ValueError(f"none of the claims named is in the tier {tier!r}; leave the tier out to run them")
    return chosen
