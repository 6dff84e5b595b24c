"""Theory never meets the simulator it judges, and importing the package does no work."""

import ast
import dataclasses
import importlib.util
import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import modelcollapse as mc
from modelcollapse.protocols import Family, Regime

BOTH_SIDES = {"predict", "verify", "claims", "cli", "__main__"}


def modules(package: str) -> Iterator[tuple[str, ast.AST]]:
    """Every module of an installed package by its path within, and its syntax tree."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    (root,) = spec.submodule_search_locations or ()
    for path in sorted(Path(root).rglob("*.py")):
        yield path.relative_to(root).as_posix(), ast.parse(path.read_text())


def imported(tree: ast.AST) -> set[str]:
    """The top-level packages that a module imports, anywhere in it."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0] if not node.level else "." * node.level)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in (
            "import_module", "__import__",
        ):  # fmt: skip
            names |= {str(a.value).partition(".")[0] for a in node.args if isinstance(a, ast.Constant)}
    return names


def test_the_walk_sees_imports_wherever_they_hide() -> None:
    source = (
        "def f():\n  import jax.numpy as jnp\n  from modelcollapse_theory import x\n  importlib.import_module('a.b')"
    )
    assert imported(ast.parse(source)) == {"jax", "modelcollapse_theory", "a"}


def test_theory_imports_numpy_and_scipy_alone() -> None:
    found = dict(modules("modelcollapse_theory"))
    assert len(found) > 10
    for path, tree in found.items():
        assert imported(tree) <= {"numpy", "scipy", "modelcollapse_theory", "."} | sys.stdlib_module_names, path


def test_simulators_do_not_import_theory() -> None:
    found = dict(modules("modelcollapse"))
    assert {"loop.py", "process.py", "families/gaussian.py"} <= set(found)
    judges = [path for path, tree in found.items() if "modelcollapse_theory" in imported(tree)]
    assert {path.partition("/")[0].removesuffix(".py") for path in judges} <= BOTH_SIDES
    assert judges  # the claims at least must meet both sides


@pytest.fixture(scope="module")
def fresh() -> str:
    """What a new interpreter says about itself after importing the package."""
    code = """
import sys
import modelcollapse
from jax._src import xla_bridge
print("backend", xla_bridge.backends_are_initialized())
print("x64", __import__("jax").config.jax_enable_x64)
print("theory", any(name.startswith("modelcollapse_theory") for name in sys.modules))
print("heavy", sorted({"matplotlib", "xarray", "sklearn"} & set(sys.modules)))
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    environment.pop("JAX_ENABLE_X64", None)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_importing_initialises_no_backend(fresh: str) -> None:
    assert "backend False" in fresh


def test_importing_changes_no_setting_and_loads_nothing_heavy(fresh: str) -> None:
    assert "x64 False" in fresh
    assert "theory False" in fresh
    assert "heavy []" in fresh


NAMESPACES = (
    "families",
    "sources",
    "regimes",
    "observables",
    "text",
    "predict",
    "plot",
    "ancestry",
    "sampling",
    "verify",
)
# what stood at the top when everything did
OLD = [
    "PPCA", "VAE", "Accumulate", "AccumulateSubsample", "Binomial", "ChainFailure", "Conditional", "Damped", "Decomposition",
    "Design", "Discrete", "Exact", "FixedReal", "FreshReal", "Gamma", "Gaussian", "GaussianMean", "GaussianMixture", "KernelDensity",
    "Law", "Mixture", "NegativeBinomial", "Pareto", "Poisson", "Prediction", "Predictions", "Regression", "Replace", "Retain",
    "Rounded", "Run", "Switch", "Uniform", "Weighted", "absorption_time", "bernoulli", "binomial", "categorical", "counts",
    "decompose", "excess_log_loss", "exponential", "first_below", "gamma", "images", "labels", "linear", "negative_binomial",
    "normal", "normal_mixture", "of", "pareto", "part", "poisson", "predictions", "register", "sampler", "simulate",
    "simulate_models", "static", "table", "tail_mass", "trace", "uniform", "image_observables", "__version__",
]  # fmt: skip


def test_the_names_at_the_top_are_few_and_all_there() -> None:
    listed = mc.__all__
    assert 25 <= len(listed) <= 40
    assert set(dir(mc)) == {*listed, "__version__"}
    assert {"families", "sources", "regimes", "observables", "simulate", "part", "static", "schedule"} <= set(listed)


@pytest.mark.parametrize("name", OLD)
def test_names_that_stood_at_the_top_are_found_there(name: str) -> None:
    found = getattr(mc, name)
    homes = [home for home in NAMESPACES[:4] if name in getattr(mc, home).__all__]
    assert all(getattr(getattr(mc, home), name) is found for home in homes)


def test_no_other_name_is_found_at_the_top() -> None:
    for name in ("entropy", "Rows", "nonsense"):
        with pytest.raises(AttributeError, match=f"module 'modelcollapse' has no attribute '{name}'"):
            getattr(mc, name)


@pytest.mark.parametrize("module", ["", *NAMESPACES])
def test_every_listed_name_exists_and_none_differs_by_case_alone(module: str) -> None:
    home = importlib.import_module(f"modelcollapse.{module}".rstrip("."))
    names = home.__all__
    assert all(hasattr(home, name) for name in names)
    # their order is checked by the linter, which puts constants and acronyms first
    assert len({name.lower() for name in names}) == len(names)


def test_what_is_needed_to_write_a_call_is_in_its_namespace() -> None:
    assert {"Design", "NormalRows", "MLP", "Convolutional"} <= set(mc.families.__all__)
    # all parts of a module that draws, fits or decides are listed
    for home, methods in ((mc.families, Family), (mc.regimes, Regime)):
        inside = [
            thing
            for name, module in sys.modules.items()
            if name.startswith(home.__name__ + ".")
            for word, thing in vars(module).items()
            if not word.startswith("_")
            and isinstance(thing, type)
            and thing.__module__ == name
            and dataclasses.is_dataclass(thing)
        ]
        parts = {
            thing.__name__
            for thing in inside
            if all(hasattr(thing, method) for method in vars(methods) if method in ("fit", "draw", "next"))
        }
        assert parts
        assert parts <= set(home.__all__)
    made = {name for name, thing in vars(mc.sources).items() if inspect.isfunction(thing) and returns_source(thing)}
    assert made == set(mc.sources.__all__) - {"Law"}


def returns_source(function: object) -> bool:
    home = getattr(function, "__module__", "") in (
        "modelcollapse.sources",
        "modelcollapse.together",
        "modelcollapse.text.source",
    )
    own = home and not function.__name__.startswith("_")
    return own and function.__annotations__.get("return") in ("Law", "Separate", "Table", "Tokens", "Sampler")


def test_the_command_line_imports_no_claim_before_its_precision_is_set() -> None:
    """Claims make their sources when they are imported: in float32 where 64 bits were asked for, if that is too early."""
    code = "import sys, modelcollapse.__main__; print(sorted(m for m in sys.modules if m.startswith('modelcollapse.claims')))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("family", "source", "observe", "needed"),
    [
        ("mc.Gaussian()", "mc.normal()", ["log_variance", "w2_squared"], ["scipy.special"]),  # the digamma function
        ("mc.Discrete()", "mc.categorical([0.5, 0.5])", ["heterozygosity", "support_size"], []),
    ],
)
def test_the_first_result_imports_what_it_needs(
    family: str, source: str, observe: list[str], needed: list[str]
) -> None:
    """Each part of SciPy takes a tenth of a second to half of one to import."""
    code = (
        f"import sys, modelcollapse as mc; run = mc.simulate({family}, {source}, observe={observe}, size=50, "
        "generations=3, chains=4); print(run.summary(), len(run.predict()));"
        "print([name for name in sys.modules if name in ('scipy.special', 'scipy.stats', 'scipy.optimize',"
        "'scipy.interpolate', 'scipy.integrate', 'matplotlib', 'optax', 'pandas')])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.rstrip().endswith(str(needed)), shown
