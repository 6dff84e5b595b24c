"""The atlas: one table of every theorem, generated from the code, with the claims that test each by simulation."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from pathlib import Path

import modelcollapse_theory
from modelcollapse.claims import registry
from modelcollapse_theory._register import THEOREMS, Theorem

PAGE = Path(__file__).parents[2] / "theory" / "README.md"

GROUPS = {
    "The organising theorem, and what each workflow makes of it": (
        "workflows",
        "mixture",
        "fresh",
        "fresh_limits",
        "accumulation",
    ),
    "Several models, one pool": ("populations", "population_limits", "islands", "entrant"),
    "Replacement: the discrete chain": (
        "lineages",
        "lineage_limits",
        "replacement",
        "support",
        "fixation",
        "fixation_diffusion",
        "moments",
        "divergence",
        "rare",
    ),
    "Gaussians": ("gaussian", "hitting", "collapse", "wasserstein", "wishart", "fresh_gaussian"),
    "Other families": ("exponential_families", "special_families", "kde", "ppca"),
    "Regression, tails": ("regression", "tails"),
    "Selection": (
        "selection",
        "two_states",
        "curation",
        "verification",
        "temperature",
        "truncation",
        "best_of",
    ),
    "Detectors, watermarks, weights": (
        "detectors",
        "flag_weights",
        "screening",
        "weights",
        "watermarks",
        "exponential_minimum",
    ),
    "Language models": ("language", "text_losses", "rewriting", "decoding"),
    "Remedies and their price": ("iterated_learning", "iterated_families", "sampling_designs", "robust", "remedies"),
    "Sources of error": ("errors", "precision"),
    "What is called collapse": ("definitions",),
}


def modules() -> dict[str, str]:
    """Public modules of the theory with the first line of their docstring."""
    names = [m.name for m in pkgutil.iter_modules(modelcollapse_theory.__path__) if not m.name.startswith("_")]
    found = {name: importlib.import_module(f"modelcollapse_theory.{name}") for name in names}
    return {name: (module.__doc__ or "").splitlines()[0] for name, module in found.items()}


def claims_of(function: str) -> list[str]:
    """Names of the claims of this package that put ``function`` to the test."""
    own = (c for c in registry().values() if c.function.__module__.startswith("modelcollapse.claims."))
    return sorted(c.name for c in own if function in c.theorems)


def row(theorem: Theorem) -> str:
    """One line of the table."""
    cells = (theorem.statement, theorem.conditions, theorem.order, _linked(theorem.source))
    claims = ", ".join(f"`{name}`" for name in claims_of(theorem.function)) or "-"
    plain = " | ".join(cell if cell is cells[3] else _escaped(cell) for cell in cells)
    return f"| {plain} | `{theorem.function}` | {claims} |"


def text() -> str:
    """The whole page: what it says before the first table stays as it is written there, the rest is made here."""
    lines = [PAGE.read_text(encoding="utf-8").partition("\n## ")[0]]
    summaries = modules()
    for group, names in GROUPS.items():
        lines.append(f"## {group}\n")
        for name in names:
            lines.append(f"### `{name}`\n\n{_escaped(summaries[name])}\n")
            lines.append(
                "| statement | conditions | exact or order | source | function | claim |\n|---|---|---|---|---|---|"
            )
            lines += [row(t) for t in THEOREMS.values() if t.function.startswith(f"{name}.")]
            also = [f"`{f}`" for f in functions(name) if f"{name}.{f}" not in THEOREMS]
            lines.append(f"\nAlso here: {', '.join(also)}.\n" if also else "")
    lines.append("## The planner\n")
    lines.append(f"`plan`: {_escaped(summaries['plan'])} See [docs/planner.md](../docs/planner.md).\n")
    lines.append("Its answers: " + ", ".join(f"`{f}`" for f in functions("plan")) + ".")
    return "\n".join(lines) + "\n"


def functions(module: str) -> list[str]:
    """Public functions that a module defines."""
    found = vars(importlib.import_module(f"modelcollapse_theory.{module}"))
    own = [(n, f) for n, f in found.items() if inspect.isfunction(f) and f.__module__.endswith(f".{module}")]
    return [n for n, _ in own if not n.startswith("_")]


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("_", "\\_").replace("*", "\\*").replace("<", "&lt;").replace("](", "] (")


def _linked(source: str) -> str:
    """A source with its derivation pages as links."""
    words = []
    for word in source.split(" "):
        bare = word.rstrip(".;,")
        if bare.startswith("theory/derivations/"):
            page = bare.removeprefix("theory/")
            words.append(f"[{page.removeprefix('derivations/')}]({page}){word[len(bare) :]}")
        else:
            words.append(_escaped(word))
    return " ".join(words)


def write() -> None:
    PAGE.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    write()
