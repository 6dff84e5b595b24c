"""The command line: ``modelcollapse verify``, ``modelcollapse plan`` and ``modelcollapse simulate``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import modelcollapse
from modelcollapse.cli import options as _options
from modelcollapse.cli import plan as _planner
from modelcollapse.cli import simulate as _simulator

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

    verify = commands.add_parser("verify", help="put every claim to the test", description=_verify.__doc__)
    verify.set_defaults(run=_verify)
    verify.add_argument("claims", nargs="*", help="names of claims, or of sections by their letter (default: all)")
    verify.add_argument("--list", action="store_true", help="list the claims and stop")
    verify.add_argument(
        "--seed", type=_options.whole(0, None), default=0, help="any whole number from 0 (default %(default)s)"
    )
    verify.add_argument(
        "--chains", type=_options.whole(1), help="chains for every claim (default: each claim's own budget)"
    )
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

    _planner.add_to(commands)
    _simulator.add_to(commands)
    for command in (verify, commands.choices["simulate"]):
        command.add_argument(
            "--precision",
            type=int,
            default=64,
            choices=[32, 64],
            help="bits of a floating-point number (default %(default)s)",
        )
    return parser


def _verify(options: argparse.Namespace) -> int:
    """Run the claims, print one table, and exit with 0 only if every prediction holds and every near miss is rejected; 1 if a
    prediction is rejected, 3 if the budget was too small to reject a near miss.
    """
    from tqdm import tqdm

    from modelcollapse.claims import registry
    from modelcollapse.verify import runner as claims

    _options.check_files(json=options.json)
    chosen = _selected(options.claims, registry(), options.tier)
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
    from modelcollapse.verify.runner import TIERS

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


if __name__ == "__main__":
    sys.exit(main())
