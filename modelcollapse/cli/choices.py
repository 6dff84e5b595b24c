"""Which families, regimes and sources the command line can make: found among the parts of the package, not listed here.

A family is one if it has observables of its own and needs nothing but options of the command line; so is a regime.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from modelcollapse import data, datasets, families, laws, regimes, sources
from modelcollapse.families.exponential import OfCounts
from modelcollapse.protocols import Family, InPlace, Observed, Reads, Regime, Source

LAWS = {"bernoulli": 0.5, "exponential": 1.0, "pareto": 2.0, "poisson": 1.0, "uniform": 1.0}
"""Families that go by the name of a law with one parameter in ``modelcollapse.sources``, and its usual value."""
SHORT: dict[str, type[Any]] = {"gmm": families.GaussianMixture, "kde": families.KernelDensity}
FIELDS: dict[str, dict[str, Any]] = {
    "ddof": {}, "components": {"components": 2}, "reg_covar": {}, "bandwidth": {"rule": "scott"}, "estimator": {},
}  # fmt: skip
"""Options for a field of a family, and what they stand for where they are not given."""
SHARE = 0.1
FILES = ("table", "counts", "states")


def _law(name: str, parameter: float) -> laws.Law:
    made: Callable[[float], laws.Law] = getattr(sources, name)
    return made(parameter)


def _fields(kind: type[Any]) -> dict[str, bool]:
    """Whether each field must be given."""
    missing = dataclasses.MISSING
    every = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
    return {f.name: f.default is missing and f.default_factory is missing for f in every}


def _made_of(kind: type[Any], options: Iterable[str]) -> bool:
    return all(name in options for name, must in _fields(kind).items() if must)


def _families() -> dict[str, type[Any]]:
    named = {name: type(_law(name, parameter).family) for name, parameter in LAWS.items()} | SHORT
    rest: list[type[Any]] = [getattr(families, name) for name in families.__all__]
    new = [kind for kind in rest if kind not in named.values() and _made_of(kind, FIELDS)]
    # a text, which no option gives, is read by its family
    return named | {
        kind.__name__.lower(): kind for kind in new if isinstance(kind, Observed) and not issubclass(kind, Reads)
    }


def _regimes() -> dict[str, type[Any]]:
    every = [getattr(regimes, name) for name in regimes.__all__]
    dashed = {re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower(): kind for kind in every}
    # what continues items in their places needs such a family
    return {n: kind for n, kind in dashed.items() if _made_of(kind, ("share",)) and not isinstance(kind, InPlace)}


FAMILIES = _families()
REGIMES = _regimes()


def takes(kind: type[Any], option: str) -> bool:
    """Whether an option means something for a family or regime: one of its fields, or the weights of a mixture."""
    return option in _fields(kind) or (kind is regimes.Mixture and option in ("share", "mixture"))


def refuse_foreign(option: str, kinds: Mapping[str, type[Any]], names: Iterable[str], o: argparse.Namespace) -> None:
    """Refuse an option that belongs to other choices: it would mean nothing."""
    chosen, given = getattr(o, option), vars(o)
    for name in sorted(names):
        if given[name] is not None and not takes(kinds[chosen], name):
            have = [other for other, kind in kinds.items() if takes(kind, name)]
            raise ValueError(f"--{name.replace('_', '-')} is not for --{option} {chosen}, only for {', '.join(have)}")


def family(o: argparse.Namespace) -> Family:
    """What is refitted."""
    refuse_foreign("family", FAMILIES, FIELDS, o)
    kind, given = FAMILIES[o.family], vars(o)
    values: dict[str, Any] = {}
    for name, usual in FIELDS.items():
        if takes(kind, name):
            values |= usual if given[name] is None else {name: given[name]}
    return kind(**values)


def regime(o: argparse.Namespace) -> Regime:
    """What the next generation learns from."""
    refuse_foreign("regime", REGIMES, ("share", "mixture"), o)
    kind, share = REGIMES[o.regime], SHARE if o.share is None else o.share
    if kind is not regimes.Mixture:
        return kind(**({"share": share} if takes(kind, "share") else {}))
    if o.mixture is not None and o.share is not None:
        raise ValueError("--mixture gives all three weights; leave --share out")
    return regimes.Mixture(*(o.mixture or [1 - share, 0.0, share]))


# --- what is real ----------------------------------------------------------------------------------------------------


def source(o: argparse.Namespace, fitted: Family) -> Source:
    """What is real, as the options say, or else what is usual for the family."""
    given = next((name for name in SOURCES if vars(o)[name] is not None), None)
    for name in ("columns", "header", "encoding"):
        if vars(o)[name] is not None and given not in FILES and not (name == "encoding" and o.words):
            raise ValueError(f"--{name} is about a file: give --table, --counts or --states FILE as well")
    if given is None:
        return _usual(o, fitted)
    try:
        return SOURCES[given](o, fitted)
    except (ValueError, TypeError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"--{given}: {error}") from error


def _usual(o: argparse.Namespace, fitted: Family) -> Source:
    if o.family in LAWS:
        return _law(o.family, LAWS[o.family])
    return _zipf(10) if fitted.data is data.Counts else sources.normal()


def _own(o: argparse.Namespace, fitted: Family) -> Source:
    if o.family not in LAWS:
        raise ValueError(f"not for --family {o.family}, only for {', '.join(LAWS)}")
    return _law(o.family, o.parameter)


def _normal(o: argparse.Namespace, fitted: Family) -> Source:
    if o.family in LAWS:
        raise ValueError(f"not for --family {o.family}, whose own law is --parameter")
    return sources.normal(*o.normal)


def _zipf(states: int) -> laws.Law:
    return sources.categorical(1 / np.arange(1, states + 1), normalise=True)


def _words(o: argparse.Namespace, fitted: Family) -> Source:
    _, counts = datasets.word_counts(Path(o.words) if o.words else None, o.encoding)
    return _on_states(o, fitted, sources.categorical(counts, normalise=True))


def _on_states(o: argparse.Namespace, fitted: Family, law: laws.Law) -> Source:
    """A law on the states 0, 1, ..., K - 1, which a family of counts up to a largest one may not reach."""
    highest = fitted.highest if isinstance(fitted, OfCounts) else None
    if highest is not None and law.params.size > highest + 1:
        raise ValueError(f"states must be whole numbers from 0 to {highest} for --family {o.family}")
    return law


def _read(o: argparse.Namespace, reader: Callable[..., Any], path: Path) -> Any:
    """What a reader of files returns; what it decided by itself is said."""
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        found = reader(path, o.columns, header=o.header, encoding=o.encoding)
    for note in notes:
        print(f"modelcollapse simulate: {note.message}", file=sys.stderr)
    return found


def _say(o: argparse.Namespace, what: str) -> None:
    if not o.quiet:
        print(f"modelcollapse simulate: read {what}", file=sys.stderr)


def _table(o: argparse.Namespace, fitted: Family) -> Source:
    if fitted.data is data.Counts:
        raise ValueError(
            f"rows of numbers are not for --family {o.family}; a file with a column of states is --states FILE, "
            "one of states and counts is --counts FILE, and counts may stand here: --probabilities 500,120,40,9"
        )
    rows, names = _read(o, datasets.read_table, o.table)
    _say(o, f"{len(rows)} rows of {len(names)} columns ({_some(names)}) from {o.table}")
    if not isinstance(fitted, OfCounts):
        return sources.table(rows)
    bad = np.argwhere((rows < 0) | (rows != np.floor(rows)))
    if bad.size or rows.shape[1] != 1:
        several = f"{rows.shape[1]} columns ({_some(names)})"
        got = f"{rows[tuple(bad[0])]:g} in row {bad[0][0] + 1}" if bad.size else several
        raise ValueError(f"must hold one column of whole numbers from 0 for --family {o.family}, got {got}")
    return sources.table(rows[:, 0].astype(np.int64))


def _counts(o: argparse.Namespace, fitted: Family) -> Source:
    return _counted(o, fitted, _read(o, datasets.read_counts, o.counts), o.counts)


def _states(o: argparse.Namespace, fitted: Family) -> Source:
    seen = collections.Counter(_read(o, datasets.read_states, o.states))
    return _counted(o, fitted, {state: seen[state] for state in sorted(seen)}, o.states)


def _counted(o: argparse.Namespace, fitted: Family, counts: dict[Any, int], path: Path) -> Source:
    """The law of states by their counts."""
    _say(o, f"{len(counts)} states ({_some(counts)}) and {sum(counts.values())} draws of them from {path}")
    if not isinstance(fitted, OfCounts):
        return sources.counts(counts)
    highest = fitted.highest or 10**6
    for state in counts:
        if not isinstance(state, int) or not 0 <= state <= highest:
            raise ValueError(
                f"states must be whole numbers from 0 to {highest} for --family {o.family}, got {state!r} in {path}"
            )
    law = sources.categorical([counts.get(state, 0) for state in range(max(counts) + 1)], normalise=True)
    return sources.bernoulli(float(law.params[1:].sum())) if fitted.highest == 1 else law


def _some(names: Iterable[object]) -> str:
    shown = [str(name) for name in list(names)[:5]]
    return ", ".join([*shown[:4], "..."] if len(shown) > 4 else shown)


SOURCES: dict[str, Callable[[argparse.Namespace, Family], Source]] = {
    "parameter": _own,
    "probabilities": lambda o, fitted: _on_states(o, fitted, sources.categorical(o.probabilities, normalise=True)),
    "zipf": lambda o, fitted: _on_states(o, fitted, _zipf(o.zipf)),
    "words": _words,
    "normal": _normal,
    "iris": lambda o, fitted: sources.table(datasets.iris()[0]),
    "table": _table,
    "counts": _counts,
    "states": _states,
}
"""What makes a source of each option that says what is real."""
