"""The reference is complete by construction: a page for each public module, found by walking through the packages.

An object is documented once, in the module that defines it; where that module is private, in the first that gives it a
public name. A package also lists the names that it gives to objects of its modules.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sphinx.util.inspect
from sphinx.ext.napoleon.docstring import GoogleDocstring

PACKAGES = ("modelcollapse", "modelcollapse_theory")
FOLDER = Path(__file__).parents[1] / "reference"

SUBJECTS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "everyday": ("Everyday names", "What ``import modelcollapse as mc`` gives.", ("modelcollapse",)),
    "runs": (
        "Runs",
        "The verb: a run begun, continued, saved and read.",
        ("run", "summary", "decomposition", "ancestry", "transport", "cache", "failures", "together"),
    ),
    "sources": ("Sources and data", "What is real.", ("sources", "laws", "data", "datasets", "tables", "names")),
    "families": ("Families", "What is refitted each generation.", ("families",)),
    "regimes": ("Regimes", "Which data the next generation learns from.", ("regimes",)),
    "observables": ("Observables", "What is kept of each generation.", ("observables",)),
    "text": ("Text", "Tokens, corpora and what language models share.", ("text",)),
    "other-libraries": (
        "Other libraries",
        "Objects with ``fit`` and ``sample``, and models of transformers.",
        ("host", "adapters"),
    ),
    "predictions": ("Predictions", "Which theorem applies to a run, and its numbers.", ("predict",)),
    "sweeps": ("Sweeps", "Many runs, one store.", ("sweeps", "grids", "cells", "stores")),
    "pictures": ("Pictures, reports, explorer", "What a person looks at.", ("plot", "report", "explore")),
    "theory": ("Theory", "The theorems, in NumPy and SciPy alone.", ("modelcollapse_theory",)),
    "claims": ("Claims", "Theory against simulation, and who judges.", ("verify", "claims", "checks")),
    "command-line": ("Command line", "The command ``modelcollapse``.", ("cli",)),
    "seams": (
        "Seams",
        "What a part must have, and the helpers of its author.",
        ("protocols", "declarations", "pytree", "arguments", "addresses", "numeric"),
    ),
    "beneath": ("Beneath", "The engine, the random kernels, and what saves and loads.", ()),
}
"""The pages of the reference, in the order of their contents: title, sentence, modules. The last takes what is left."""

ALIASES = ("ArrayLike", "Carry", "Count", "DTypeLike", "Memory", "Number", "Observe", "One", "Params", "Seed", "Truth")
"""Types that signatures show by their names, not by what they stand for."""

OUTSIDE = [
    # other libraries: their pages are on other hosts
    (r"py:.*", r"(np|numpy|jax|jnp|jaxlib|optax|scipy|matplotlib|pandas|xarray|torch|transformers|PIL|zarr)(\..*)?"),
    # the standard library
    (
        r"py:.*",
        r"(abc|argparse|ast|collections|concurrent|contextlib|dataclasses|datetime|enum|fractions|functools)\..*",
    ),
    (r"py:.*", r"(http|io|logging|multiprocessing|os|pathlib|re|types|typing|threading|string)\..*"),
    # names of types that their modules import for the checker alone, and type variables
    (r"py:(class|data|obj)", r"(.*\.)?[A-Z]"),
    (r"py:class", r"Array|Axes|BaseWatermarkingConfig|Executor|Figure|Path|PreTrainedModel|PreTrainedTokenizerBase"),
    (
        r"py:class",
        r"modelcollapse\.sampling\._.*|modelcollapse_theory\._.*|Curve|Given|Guard|Key|Recorded|Weights|(.*\.)?Function|shared\.Commands",
    ),
    (r"py:class", "|".join(ALIASES)),
    (r"py:class", r"text\.Words|(.*\.)?(Function|Commands)|(tuple|dict)\[.*"),
]


@functools.cache
def public_modules() -> tuple[str, ...]:
    """Every module whose path has no private name."""
    found = list(PACKAGES)
    for package in PACKAGES:
        path = importlib.import_module(package).__path__
        found += [m.name for m in pkgutil.walk_packages(path, f"{package}.")]
    return tuple(sorted(n for n in found if not any(part.startswith("_") for part in n.split("."))))


def subject(module: str) -> str:
    """The page of the reference that lists a module."""
    inner = module.removeprefix("modelcollapse.")
    for page, (_, _, heads) in SUBJECTS.items():
        if any(inner == head or inner.startswith(f"{head}.") for head in heads):
            return page
    return list(SUBJECTS)[-1]


def names(module: types.ModuleType) -> Iterator[tuple[str, Any]]:
    """The public names of a module: those that it lists, or all without an underscore."""
    for name in getattr(module, "__all__", [name for name in vars(module) if not name.startswith("_")]):
        value = getattr(module, name)
        if not inspect.ismodule(value):
            yield name, value


@functools.cache
def homes() -> dict[tuple[str, str], tuple[str, str]]:
    """Where an object that a private module defines is documented: the first package that lists it."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for module in public_modules():
        loaded = importlib.import_module(module)
        for name, value in names(loaded) if "__all__" in vars(loaded) else ():
            origin = getattr(value, "__module__", None) or ""
            if origin.startswith(PACKAGES) and origin not in public_modules():
                found.setdefault((origin, name), (module, name))
    return found


def first_sentence(value: object) -> str:
    """Of a docstring."""
    line = " ".join((inspect.getdoc(value) or "").partition("\n\n")[0].split())
    return re.split(r"(?<=[^ ]\.) (?=[A-Z`])", line)[0]


def heading(text: str) -> str:
    """A title of a page."""
    return f"{text}\n{'=' * len(text)}\n\n"


def lent(module: types.ModuleType) -> Iterator[tuple[str, str, str]]:
    """Names that a module lists and another one defines: name, where it is documented, what it is."""
    if "__all__" not in vars(module):
        return
    for name, value in names(module):
        origin = getattr(value, "__module__", None) or module.__name__
        home = origin if origin in public_modules() else homes().get((origin, name), (module.__name__, ""))[0]
        if home != module.__name__ and (inspect.isclass(value) or inspect.isroutine(value)):
            yield name, f"{home}.{value.__name__}", first_sentence(value)


def module_page(name: str) -> str:
    """The page of a module."""
    module = importlib.import_module(name)
    page = subject(name)
    text = f":orphan:\n\n:doc:`Reference </docs/reference/index>` / :doc:`/docs/reference/subjects/{page}`\n\n"
    text += heading(name) + f".. automodule:: {name}\n"
    for (origin, inner), (home, public) in homes().items():
        if home == name:
            value = getattr(importlib.import_module(origin), inner, None)
            kind = "class" if inspect.isclass(value) else "function"
            text += f"\n.. auto{kind}:: {name}.{public}\n"
    rows = list(lent(module))
    if rows:
        text += "\n.. rubric:: Names of objects that other modules define\n\n.. list-table::\n   :widths: 25 75\n\n"
        for inner, target, said in rows:
            text += f"   * - :py:obj:`{inner} <{target}>`\n     - {said}\n"
    return text


def subject_page(page: str) -> str:
    """The list of the modules of a subject."""
    title, sentence, _ = SUBJECTS[page]
    text = heading(title) + f"{sentence}\n\n.. list-table::\n   :widths: 35 65\n\n"
    for name in public_modules():
        if subject(name) == page:
            said = first_sentence(importlib.import_module(name))
            text += f"   * - :doc:`{name} </docs/reference/modules/{name}>`\n     - {said}\n"
    return text


def keep(path: Path, text: str) -> None:
    """Write what has changed, so that what has not is not read again."""
    if not path.exists() or path.read_text("utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def write(app: Any) -> None:
    """Write all pages of the reference, and remove those of modules that are gone."""
    pages = {FOLDER / "modules" / f"{name}.rst": module_page(name) for name in public_modules()}
    pages |= {FOLDER / "subjects" / f"{page}.rst": subject_page(page) for page in SUBJECTS}
    for path, text in pages.items():
        keep(path, text)
    for path in {*FOLDER.glob("modules/*.rst"), *FOLDER.glob("subjects/*.rst")} - set(pages):
        path.unlink()


@functools.cache
def declared() -> dict[str, list[type]]:
    """Protocols of the packages by the names of what they declare."""
    found: dict[str, list[type]] = {}
    for name in public_modules():
        for value in vars(importlib.import_module(name)).values():
            if inspect.isclass(value) and getattr(value, "_is_protocol", False) and value.__module__ == name:
                for member in members(value):
                    found.setdefault(member, []).append(value)
    return found


def members(protocol: type) -> list[str]:
    """Public names of the methods and attributes that a protocol declares."""
    return [
        name for name in {**vars(protocol), **vars(protocol).get("__annotations__", {})} if not name.startswith("_")
    ]


def seam(owner: type, method: str) -> type | None:
    """The protocol that declares a method of a class: the largest of those whose names the class has."""
    has = {*dir(owner), *vars(owner).get("__annotations__", {})}
    fitting = [p for p in declared().get(method, ()) if all(name in has for name in members(p)) and p != owner]
    return max(fitting, key=lambda p: len(members(p)), default=None)


def not_skipped(app: Any, what: str, name: str, value: object, skip: bool, options: Any) -> bool | None:
    """A method of a seam is shown although it leaves its docstring to the protocol that declares it.

    A field of a named tuple is in its signature, and what Python writes of it says nothing.
    """
    if (getattr(value, "__doc__", None) or "").startswith("Alias for field number"):
        return True
    method = inspect.isfunction(value) or isinstance(value, property | staticmethod | classmethod)
    if what == "class" and method and not name.startswith("_"):
        return False
    return None


def plain(app: Any, what: str, name: str, value: object, options: Any, lines: list[str]) -> None:
    """Docstrings are prose with formulas, where a bar is a bar: ``|x|`` asks for no substitution."""
    text = "\n".join(lines)
    kept = r"``.*?``|:[a-z:]+:`.*?`|`[^`]*`|^ *\.\. .*$|^(?:    |>>>).*$"
    pieces = re.split(f"({kept})", text, flags=re.MULTILINE | re.DOTALL)
    text = "".join(piece if i % 2 else piece.replace("|", "\\|") for i, piece in enumerate(pieces))
    lines[:] = text.split("\n")


def untyped(docstring: GoogleDocstring) -> tuple[str, list[str]]:
    """The docstring of an attribute is a sentence: napoleon takes what stands before its first colon for a type."""
    rest = docstring._dedent(docstring._consume_to_end())
    return "", docstring.__class__(rest, docstring._config).lines()


def named(alias: sphinx.util.inspect.TypeAliasForwardRef, name: str) -> None:
    """A type that is shown by its name, within another too: Sphinx prints ``tuple[TypeAliasForwardRef('Count')]``."""
    alias.name = alias.__name__ = alias.__qualname__ = name
    alias.__module__ = "builtins"


def described(app: Any, what: str, name: str, value: object, options: Any, lines: list[str]) -> None:
    """Say which protocol declares a method that has no docstring."""
    if what not in ("method", "property") or any(lines):
        return
    module, _, path = next(
        (m, ".", name.removeprefix(f"{m}.")) for m in reversed(public_modules()) if name.startswith(f"{m}.")
    )
    owner_path, _, method = path.rpartition(".")
    owner = functools.reduce(getattr, owner_path.split("."), importlib.import_module(module))
    protocol = seam(owner, method) if inspect.isclass(owner) else None
    if protocol is not None:
        lines[:] = [f"As :py:class:`~{protocol.__module__}.{protocol.__qualname__}` declares it.", ""]


def setup(app: Any) -> None:
    """Write the pages before Sphinx looks for them."""
    app.connect("builder-inited", write)
    app.connect("autodoc-skip-member", not_skipped)
    app.connect("autodoc-process-docstring", plain, priority=100)
    app.connect("autodoc-process-docstring", described)
    sphinx.util.inspect.TypeAliasForwardRef.__init__ = named
    GoogleDocstring._consume_inline_attribute = untyped
