"""One legal call of every public callable of the simulator, with every argument that it has."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gzip
import io
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import matplotlib.pyplot as plt
import numpy as np

import modelcollapse as mc
from modelcollapse import ancestry, datasets, families, plot, tables, transport
from modelcollapse.observables import images as image_observables
from tests.fuzz import marks, parts, texts
from tests.fuzz.parts import LAW, SIZE, Case, mean_of, values

FOLDER = Path(tempfile.mkdtemp(prefix="fuzz"))


def _written(name: str, text: str) -> Path:
    path = FOLDER / name
    path.write_text(text)
    return path


def _idx_files() -> Path:
    """One picture and its label, in the format of MNIST."""
    for name, shape in (("images-idx3", (1, 2, 2)), ("labels-idx1", (1,))):
        header = np.array([0x800 + len(shape), *shape], ">u4").tobytes()
        (FOLDER / f"t10k-{name}-ubyte.gz").write_bytes(gzip.compress(header + bytes(np.prod(shape))))
    return FOLDER


class Model:
    """A normal law, as an object with ``fit`` and ``sample``."""

    def fit(self, rows: Any) -> Model:
        self.mean, self.spread = rows.mean(0), rows.std(0)
        return self

    def sample(self, n: int, rng: Any) -> Any:
        return rng.normal(self.mean, self.spread, (n, self.mean.size))


def _build(on: frozenset[str]) -> dict[str, Any]:
    family = mc.Discrete() if "samples" in on else mc.Exact(mc.Discrete())
    return {"family": family, "source": mc.categorical(LAW), **SIZE, "observe": "heterozygosity"}


STORE = FOLDER / "sweep.zarr"


@functools.wraps(mc.sweep)
def _swept(make: Any, axes: Any, *, store: Any, **options: Any) -> Any:
    """A sweep whose folder, unless it is what is wrong, is a new one each time."""
    store = tempfile.mkdtemp(dir=FOLDER) if store is STORE else store
    return mc.sweep(make, axes, store=store, **options)


def _cell(replicate: int) -> dict[str, Any]:
    return {"family": mc.Discrete(), "source": mc.categorical(LAW), "observe": "heterozygosity", **SIZE, "chains": 2}


def _sweeping() -> dict[str, Case]:
    options = {"executor": None, "seed": 0, "until": None, "on_error": "raise", "retries": 1}
    switches = dict.fromkeys(("traces", "predict", "pad", "retry_failed", "progress"), False)
    given = {"make": _cell, "axes": {"replicate": [1, 2]}, "store": STORE, **options, **switches}
    return {"sweep": Case(_swept, given, lambda d: d.heterozygosity.values, raises=(OSError,))}


def _train(data: np.ndarray) -> np.ndarray:
    return data


def _sample(model: np.ndarray, n: int) -> np.ndarray:
    return model[:n]


def _runs() -> dict[str, Case]:
    coins, line = mc.categorical(LAW), mc.normal()
    several = {**SIZE, "chains": 2, "seed": 0, "record": None}
    process = {"family": mc.Discrete(), "source": coins, "regime": mc.Replace(), "observe": "heterozygosity"}
    run = _states()
    saved = FOLDER / f"run{jax.config.jax_enable_x64}.npz"
    run.save(saved)
    extend = {
        "generations": 1, "record": None, "size": None, "regime": None, "batch_size": None, "progress": False, "mesh": None,
        "workers": None,
    }  # fmt: skip
    thresholds = {"risk": "heterozygosity", "factor": 2.0, "kept": 0.5}
    split = mc.decompose(_build, ["samples"], chains=2)
    return {
        "simulate": Case(
            mc.simulate,
            {**process, **several, "batch_size": None, "progress": False, "mesh": None, "workers": None},
            _traced,
        ),
        "simulate (schedule)": Case(
            mc.simulate, {**process, "size": [8, 8, 8], "generations": 2, "chains": 2}, _traced
        ),
        "trace": Case(mc.trace, {**process, **SIZE, "chains": 2, "seed": 0}),
        "predictions": Case(mc.predictions, {**process, **SIZE, "record": None}, values),
        "simulate_models": Case(
            mc.simulate_models,
            {
                "make_model": Model,
                "source": line,
                "regime": mc.Replace(),
                "observe": "mean",
                **several,
                "progress": False,
            },
            _traced,
        ),
        "decompose": Case(
            mc.decompose,
            {"build": _build, "errors": ["samples"], "theory": None, "chains": 2},
            lambda d: list(d.values.values()),
        ),
        "Decomposition.mean": Case(lambda on: split.mean(on), {"on": "samples"}, raises=(KeyError,)),
        "Decomposition.prediction": Case(lambda on: split.prediction(on), {"on": "samples"}, raises=(KeyError,)),
        "Decomposition.effect": Case(lambda on: split.effect(on), {"on": "samples"}, raises=(KeyError,)),
        "Decomposition.interaction": Case(lambda on: split.interaction(on), {"on": "samples"}, raises=(KeyError,)),
        "Decomposition.standard_error": Case(
            lambda on: split.standard_error(on), {"on": "samples"}, raises=(KeyError,)
        ),
        "Decomposition.table": Case(split.table, {"generation": 1}),
        "Decomposition.to_dataset": Case(split.to_dataset, {}, lambda answer: None),
        "Run.extend": Case(run.extend, extend, _traced),
        "Run.more": Case(
            run.more, {"chains": 2, "batch_size": 2, "progress": False, "mesh": None, "workers": 2}, _traced
        ),
        "Run.save": Case(_saved, {"path": FOLDER / "saved.npz"}, raises=(OSError,)),
        "keep_programs": Case(_kept, {"folder": FOLDER / "programs"}, lambda answer: None, raises=(OSError,)),
        "show_versions": Case(mc.show_versions, {"file": io.StringIO()}, lambda answer: None),
        "Run.load": Case(mc.Run.load, {"path": saved}, _traced, raises=(OSError,)),
        "Run.summary": Case(run.summary, {"level": 0.5}, lambda s: list(s.statistics.values())),
        "Run.predict": Case(run.predict, {}, values),
        "Run.profile": Case(run.profile, thresholds, _measured, raises=(KeyError,)),
        "profile": Case(mc.profile, {"runs": [run, run], **thresholds}, _measured, raises=(KeyError,)),
        "Run.to_dataframe": Case(
            run.to_dataframe, {"name": "heterozygosity"}, lambda table: table["heterozygosity"], raises=(KeyError,)
        ),
        "adapters.frames": Case(
            mc.adapters.frames,
            {"make": Model, "columns": ["a", "b"], "dtypes": {"a": "int64"}, "table": "t", "seed": setattr},
            lambda made: None,
        ),
        "adapters.functions": Case(
            mc.adapters.functions,
            {"train": _train, "sample": _sample, "save": setattr, "load": _train},
            lambda made: None,
        ),
        "Run.to_dataset": Case(run.to_dataset, {}, lambda answer: None),
        "Run.sizes": Case(run.sizes, {"generations": 2}),
        "Run.__getitem__": Case(run.__getitem__, {"name": "heterozygosity"}, raises=(KeyError,)),
        "Summary.__getitem__": Case(run.summary().__getitem__, {"name": "heterozygosity"}, raises=(KeyError,)),
        "Predictions.__getitem__": Case(
            run.predict().__getitem__, {"index": "heterozygosity"}, lambda p: p.values, raises=(KeyError, IndexError)
        ),
    }


def _kept(folder: Any) -> None:
    """Programs are kept in a folder, for the time of the call."""
    settings = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: jax.config.values[name] for name in settings}
    try:
        mc.keep_programs(folder)
    finally:
        for name, value in before.items():
            jax.config.update(name, value)


def _saved(path: Any) -> None:
    """A relative path leads to a folder of its own."""
    (FOLDER / "saved").mkdir(exist_ok=True)
    with contextlib.chdir(FOLDER / "saved"):
        _states().save(path)


def _measured(found: Any) -> list[Any]:
    return [verdict.measured for verdict in found if verdict.measured is not None]


def _traced(run: Any) -> Any:
    return run.trace


@functools.cache
def _run(precision: bool, family: Any, source: Any, observe: tuple[str, ...]) -> Any:
    return mc.simulate(family(), source(), observe=list(observe), **SIZE, chains=2)


def _states() -> Any:
    observe = ("heterozygosity", "probabilities", "support_size")
    return _run(jax.config.jax_enable_x64, mc.Discrete, functools.partial(mc.categorical, tuple(LAW)), observe)


def _numbers() -> Any:
    return _run(jax.config.jax_enable_x64, mc.Gaussian, mc.normal, ("log_variance", "w2_squared"))


def _plots() -> dict[str, Case]:
    run, line = _states(), _numbers()
    look = {"level": 0.5, "show": 1, "color": None, "run_name": None}
    chains = {
        "run": run, "name": "heterozygosity", "ax": None, "prediction": None, "component": None, "centre": "median", **look,
        "until": None, "scale": 1.0, "label": None,
    }  # fmt: skip
    compare = {
        "runs": {"a": run}, "name": "heterozygosity", "ax": None, "prediction": True, "component": None, "points": 3, "log": True,
        "scale": 1.0, "label": None,
    }  # fmt: skip
    ridge = {
        "run": run, "name": "probabilities", "ax": None, "generations": [0, 1], "component": 0, "bins": 3, "scale": None, "label": None,
    }  # fmt: skip
    both = {
        "run": line, "axes": None, "log_variance": None, "w2": None, "component": 0, **look, "w2_until": None,
    }  # fmt: skip
    bars = {"run": run, "ax": None, "chain": 0, "generations": [0, 1], "states": ["a", "b", "c"]}
    prediction = SimpleNamespace(z=0.5)
    row = SimpleNamespace(what="", prediction=prediction, near_misses={})
    result = SimpleNamespace(claim=SimpleNamespace(name="claim"), rows=[row])
    calls = {
        "chains": (plot.chains, chains),
        "compare": (plot.compare, compare),
        "distribution": (plot.distribution, ridge),
        "evidence": (plot.evidence, {"results": [result], "ax": None}),
        "overview": (plot.overview, {"run": run, "most": 2}),
        "probabilities": (plot.probabilities, bars),
        "surviving_states": (plot.surviving_states, {"run": run, "ax": None, "prediction": None, **look}),
        "variance_and_w2": (plot.variance_and_w2, both),
    }
    return {f"plot.{name}": Case(call, kept, _closed) for name, (call, kept) in calls.items()}


def _closed(drawn: Any) -> None:
    """A figure is drawn, as what it cannot draw fails there, and closed."""
    figure = drawn if hasattr(drawn, "savefig") else np.ravel(np.asarray(drawn, object))[0].get_figure()
    figure.draw_without_rendering()


@functools.cache
def file_cases() -> dict[str, Case]:
    """Readers of files, and small files for them."""
    rows = _written("rows.csv", "x,y\n1,2\n3,4\n5,6.5\n")
    states = _written("states.csv", "s\na\nb\na\n")
    counted = _written("counts.csv", "state,count\na,3\nb,4\n")
    read = {"header": True, "encoding": "utf-8"}
    missing = (OSError,)
    return {
        "datasets.word_counts": Case(
            datasets.word_counts, {"text": _written("words.txt", "a b c a"), "encoding": "utf-8"}, _none, missing
        ),
        "datasets.read_table": Case(datasets.read_table, {"path": rows, "columns": ["x"], **read}, _none, missing),
        "datasets.read_states": Case(datasets.read_states, {"path": states, "columns": ["s"], **read}, _none, missing),
        "datasets.read_counts": Case(
            datasets.read_counts, {"path": counted, "columns": ["state", "count"], **read}, _none, missing
        ),
        "datasets.iris": Case(datasets.iris, {"species": "setosa"}, _none),
        "datasets.mnist_digits": Case(datasets.mnist_digits, {}, _none, (ModuleNotFoundError,)),
        "datasets.fashion_mnist": Case(
            datasets.fashion_mnist, {"part": "test", "folder": _idx_files()}, _none, missing
        ),
        "tables.read": Case(tables.read, {"path": rows, "columns": ["x"], **read, "index": True}, _none, missing),
        "tables.read_text": Case(tables.read_text, {"path": rows, "encoding": "utf-8"}, _none, missing),
    }


def _none(answer: Any) -> None:
    """Its numbers are those of the file."""


def _numeric() -> dict[str, Case]:
    key, eye = jax.random.key(0), np.eye(2)
    walk = {"key": key, "probabilities": LAW, "sample_size": 8}
    shares = {"share": None, "real": None, "kept": None}
    other = ([0.5, 0.5], [[0.0], [1.0]], [[[1.0]], [[2.0]]])
    mixtures = dict(zip(("weights", "means", "covariances"), other, strict=True), other=other)
    return {
        "ancestry.coalescence": Case(ancestry.coalescence, {"key": key, "sample_size": 8, "chains": 2}),
        "ancestry.final_counts": Case(ancestry.final_counts, {**walk, "fits": 3, "chains": 2, **shares}),
        "ancestry.final_counts (share)": Case(
            ancestry.final_counts, {**walk, "fits": 3, "chains": 2, **shares, "share": 0.25}
        ),
        "ancestry.final_counts (real)": Case(
            ancestry.final_counts, {**walk, "fits": 3, "chains": 2, **shares, "real": 2}
        ),
        "ancestry.fixation": Case(ancestry.fixation, {**walk, "chains": 2}),
        "ancestry.stationary_counts": Case(
            ancestry.stationary_counts, {**walk, "share": 0.25, "chains": 2, "real": None}
        ),
        "transport.bures": Case(transport.bures, {"first": eye, "second": 2 * eye}),
        "transport.gaussian_w2": Case(
            transport.gaussian_w2,
            {"mean": [0.0, 1.0], "factor": eye, "other_mean": [1.0, 1.0], "other_factor": 2 * eye},
        ),
        "transport.sample_w2": Case(transport.sample_w2, {"first": [0.0, 1.0], "second": [0.5, 1.5, 2.0]}),
        "transport.mixture_l2": Case(transport.mixture_l2, mixtures),
    }


def _extension() -> dict[str, Case]:
    def part(name: Any = None, formerly: Any = ()) -> Any:
        return mc.part(type("Field", (), {}), name=name, formerly=formerly)

    return {
        "part": Case(part, {"name": None, "formerly": ()}, _none),
        "register": Case(mc.register, {"function": mean_of, "name": None, "formerly": ()}, _none),
        "schedule": Case(mc.schedule, {"default": 1}, _none),
        "static": Case(mc.static, {"default": 1}, _none),
    }


@functools.cache
def _all(precision: bool) -> dict[str, Case]:
    made = *parts.ALL, _runs, _sweeping, _plots, file_cases, texts.text_cases, marks.mark_cases, _numeric, _extension
    return {name: case for part in made for name, case in part().items()}


def cases() -> dict[str, Case]:
    """All base cases, in the precision in force."""
    return _all(jax.config.jax_enable_x64)


RECORDS = {
    "ChainFailure": "raised with a run, never made by a user",
    "Interrupted": "raised with a run, never made by a user",
    "Decomposition": "what decompose returns",
    "Prediction": "what predictions holds",
    "Predictions": "what predictions returns",
    "Run": "what simulate returns",
    "Verdict": "what profile holds",
    "Run.replaced": "a run of the same, for code that keeps it whole",
    "Normal": "parameters, held by a Law, which is checked",
    "Student": "parameters, held by a Law, which is checked",
    "image_observables.Classifier": "what train_classifier returns",
    "adapters.FromFrames": "what frames returns",
    "adapters.FromFunctions": "what functions returns",
    "tables.Table": "what read returns",
    "text.Split": "what split returns",
    "text.Tokenizer": "a protocol",
    "text.WordClasses": "what word_classes returns",
    "tables.number": "the number that one cell of a file says, or None",
    "tables.mostly_numbers": "about cells of a file",
    "plot.Curve": "a type",
}
"""Public names that a user is given, and does not call."""


def public() -> set[str]:
    """Every public callable of the simulator: names of ``modelcollapse`` and its namespaces alone, others with their
    module.
    """
    listed = (mc, families, mc.sources, mc.regimes, mc.predict, mc.decomposition)
    found = {name for module in listed for name in module.__all__ if callable(getattr(module, name))}
    found |= {"absorption_time", "excess_log_loss", "of", "tail_mass"}
    text = tuple(f"modelcollapse.observables.{name}" for name in ("language", "ngrams", "texts"))
    seen = {name: getattr(mc.observables, name) for name in mc.observables.__all__}
    found |= {f"observables.{name}" for name, made in seen.items() if getattr(made, "__module__", "") in text}
    found |= {
        f"{m.__name__.split('.')[-1]}.{name}"
        for m in (plot, ancestry, mc.text, mc.adapters)
        for name in m.__all__
        if callable(getattr(m, name))
    }
    for module in (datasets, tables, image_observables, transport):
        names = [n for n, v in vars(module).items() if callable(v) and getattr(v, "__module__", "") == module.__name__]
        home = "image_observables" if module is image_observables else module.__name__.split(".")[-1]
        found |= {f"{home}.{name}" for name in names if not name.startswith("_")}
    for owner in (mc.Run, mc.Decomposition):
        kept = [n for n, v in vars(owner).items() if not n.startswith("_") and callable(getattr(owner, n, None))]
        found |= {f"{owner.__name__}.{name}" for name in kept if name not in dataclasses_fields(owner)}
    return found


def dataclasses_fields(owner: Any) -> set[str]:
    return {field.name for field in dataclasses.fields(owner)}


def plain_name(case: str) -> str:
    """The public name of a case: without what is said of its arguments."""
    return case.split(" (")[0]


plt.switch_backend("agg")
