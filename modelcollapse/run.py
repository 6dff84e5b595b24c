"""A run is its trace, everything needed to go on, and a record of where it came from."""

from __future__ import annotations

import dataclasses
import json
import os
import warnings
from typing import TYPE_CHECKING, Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import arguments, files, provenance, serial
from modelcollapse.forks import computes
from modelcollapse.names import coordinate
from modelcollapse.observables import labelled
from modelcollapse.protocols import GoesOn

if TYPE_CHECKING:
    import xarray

    from modelcollapse.predict import Predictions

FORMAT = 2


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """What ``simulate`` returns.

    Attributes
    ----------
    trace
        Each observable by name: ``(chain, generation, ...)``, one entry for each recorded generation.
    recorded
        The recorded generations.
    state
        The final state of every chain: parameters, memory of the regime, carries of the observables. Rows in it, and the
        parameters, are about ``location``, if there is one.
    location
        ``(d,)`` float64: what was taken off every real row before the run, because the rows lie far from 0 (see
        ``modelcollapse.location``); None if nothing was. ``trace`` and ``params`` have it again, in float64.
    provenance
        Versions, dtype, device, seed, and repr and content hash of every part.
    """

    family: Any
    source: Any
    regime: Any
    observables: dict[str, Any]
    size: np.ndarray
    recorded: np.ndarray
    trace: dict[str, np.ndarray]
    state: Any
    key: np.ndarray
    key_impl: str
    provenance: dict[str, Any]
    location: np.ndarray | None = None

    def __getitem__(self, name: str) -> np.ndarray:
        """The trace of one observable, ``(chain, generation, ...)``."""
        if not isinstance(name, str) or name not in self.trace:
            raise KeyError(f"{name!r} was not observed; the observables are {', '.join(self.trace)}")
        return self.trace[name]

    def __repr__(self) -> str:
        return (
            f"Run({type(self.family).__name__}, {type(self.regime).__name__}, size={self.size}, chains={self.chains}, "
            f"generations={self.generations}, observables={list(self.trace)})"
        )

    @property
    def chains(self) -> int:
        return int(np.shape(self.state.status)[0])

    @property
    def generations(self) -> int:
        """The last generation of the run."""
        return int(np.max(self.state.generation))

    @property
    def params(self) -> Any:
        """Final parameters of the family, with the chain as first axis of every leaf."""
        kept = self.state.params
        if self.location is not None:
            return kept.moved(self.location)  # in NumPy, which has float64 whatever JAX has
        # a closed chain keeps its law as items, counts or a list of survivors
        return jax.tree.map(np.array, jax.vmap(lambda one: one.law())(kept)) if hasattr(kept, "law") else kept

    def sizes(self, generations: int | None = None) -> np.ndarray:
        """Sample size of the data set of each generation 0, ..., ``generations``."""
        last = self.generations if generations is None else arguments.whole("generations", generations)
        if self.size.ndim and last >= self.size.size:
            raise ValueError(
                f"generations must be below {self.size.size}, where the schedule of sizes ends, got {last}"
            )
        return np.broadcast_to(self.size, (last + 1,)) if self.size.ndim == 0 else self.size[: last + 1]

    def replaced(self, **changes: Any) -> Run:
        return dataclasses.replace(self, **changes)

    @computes
    def extend(
        self,
        generations: int,
        *,
        record: Any = None,
        size: Any = None,
        regime: Any = None,
        batch_size: int | None = None,
        progress: bool = False,
        mesh: Any = None,
    ) -> Run:
        """Go on for ``generations`` more, as if the run had never stopped; a new ``Run``.

        The past is never run again, and never rewritten. ``size`` may be a number for the new generations alone. A schedule, of sizes or
        within ``regime``, must reach from generation 0 to the new end and begin with what was run; ``regime`` is needed only for that.
        New sizes beyond all that were run need longer arrays of draws, which may then hold other numbers than those of
        one long run, of the same law. ``mesh`` as for ``simulate``; a run may be continued on other devices.
        ``provenance["extended"]`` has a record of each extension.

        Raises
        ------
        ValueError
            If a schedule ends too early, or its past is not what was run; if the regime is another one; if the precision or the random
            generator here is not that of the run, so that other numbers would follow. Other versions of this package or of JAX are a
            UserWarning.
        """
        from modelcollapse.engine import devices
        from modelcollapse.engine import drive as driver

        devices.check(mesh)
        generations, progress = arguments.count("generations", generations), arguments.flag("progress", progress)
        now, last = self.generations, self.generations + generations
        sizes = self._sizes_until(last, size)
        regime = self.regime if regime is None else regime
        _check_past(self.regime, regime, now)
        recorded = arguments.recorded(record, now + 1, last)
        key = driver.restored_key(self.key, self.key_impl)
        given = {} if regime is self.regime else {"regime": regime}
        # before anything is traced, as arrays of another precision would be
        host = isinstance(self.family, GoesOn)
        with jax.enable_x64(host or jnp.result_type(float) == jnp.float64):  # models on the host run in float64
            history = provenance.extended(self.provenance, key, now + 1, last, **given)
        if isinstance(self.family, GoesOn):
            run = self.replaced(regime=regime, size=sizes, provenance=history)
            return self.family.go_on(run, key, recorded, last, progress)
        process, _ = driver.placed(self.family, self.source, regime, self.observables, sizes, last, about=self.location)
        run = self.replaced(regime=regime, size=sizes, provenance=history)
        options: dict[str, Any] = {"batch_size": batch_size, "progress": progress, "mesh": mesh}
        return driver.drive(run, process, key, self.chains, recorded, last, **options)

    def _sizes_until(self, last: int, size: Any) -> np.ndarray:
        """``size`` of ``extend`` as one number for the whole run, or as one for each generation; the past is what was run."""
        past = self.sizes()
        if size is None:
            return self.size
        if arguments.whole_array("size", size).ndim == 0:
            new = arguments.sizes(size, last)
            return self.size if self.size.ndim == 0 and new[0] == past[0] else np.append(past, new[past.size :])
        sizes = arguments.sizes(size, last)
        if not np.array_equal(sizes[: past.size], past):
            differs = int(np.argmax(sizes[: past.size] != past))
            raise ValueError(
                f"size must begin with the sample sizes that were run: {past[differs]} at generation {differs}, got {sizes[differs]}"
            )
        return sizes

    def summary(self, level: float = 0.95) -> Summary:
        """Mean, its standard error and interval, median and central band over chains, at each recorded generation.

        The interval of the mean is normal, and worthless where the mean rests on rare chains (the variance under the unbiased
        estimator, W2 at late generations); the median and the band do not have that weakness.
        """
        level = arguments.number("level", level, 0, 1, open_low=True, open_high=True)
        return Summary(level, self.recorded, {name: _summarise(values, level) for name, values in self.trace.items()})

    @computes
    def predict(self) -> Predictions:
        """Every closed form that applies to this run, one for each observable that has one, with its conditions; or an empty list."""
        from modelcollapse.predict import of_run

        return of_run(self)

    def to_dataset(self) -> xarray.Dataset:
        """The trace as an ``xarray.Dataset`` with named dimensions, units and the provenance. Needs ``modelcollapse[xarray]``."""
        try:
            import xarray
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("to_dataset needs xarray: pip install 'modelcollapse[xarray]'") from error
        variables = {}
        for name, values in self.trace.items():
            units, dims = labelled(self.observables[name])
            extra = dims if len(dims) == values.ndim - 2 else tuple(f"{name}_{i}" for i in range(values.ndim - 2))
            attributes = {"units": units} if units else {}
            variables[name] = (("chain", "generation", *extra), values, attributes)
        coords = {"chain": np.arange(self.chains), "generation": self.recorded}
        names = getattr(self.source, "names", None)
        # rows have columns, everything else that has names has states
        dim = "dimension" if np.ndim(getattr(self.source, "points", ())) == 2 else "state"
        if names and any(
            dict(zip(dims, v.shape, strict=True)).get(dim) == len(names) for dims, v, _ in variables.values()
        ):
            coords[dim] = coordinate(names)
        return xarray.Dataset(
            variables,
            coords=coords,
            attrs={"provenance": json.dumps(self.provenance)},
        )

    def save(self, path: str | os.PathLike) -> None:
        """Write everything to one file, which ``load`` reads back without loss. A failure leaves the old file whole.

        A symbolic link is followed, and an existing file keeps its mode.

        Raises
        ------
        ValueError
            If the path leads to a directory, a device, a pipe or anything else that is not a regular file.
        TypeError
            If a part holds what no file can.

        Warns
        -----
        UserWarning
            If a part or function will not be found by another process that loads the run.
        """
        path = arguments.path("path", path)
        arrays: dict[str, np.ndarray] = {}
        lost: set[str] = set()
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        spec = serial.encode(fields, arrays, lost)
        if lost:
            warnings.warn(
                f"another process that loads this run will not find {', '.join(sorted(lost))}: define it at the top of a module, "
                "or give it a name with modelcollapse.part(name=...) or modelcollapse.register(name=...)",
                stacklevel=2,
            )
        files.write(path, {"format": FORMAT, "run": spec}, arrays)

    @staticmethod
    @computes
    def load(path: str | os.PathLike) -> Run:
        """Read what ``save`` wrote. Nothing that the file names is called, and it may name only parts and functions that are
        registered here: those of this package, those of modules that are imported, and functions of runs of this process.

        A function that is not registered stands for itself until it is used; the numbers of the run can be read without it.

        Raises
        ------
        ValueError
            If the file is not a whole saved run, or one of another format, or names a part that is not registered.
        OSError
            If it cannot be opened.
        """
        spec, arrays = files.read(arguments.path("path", path))
        name = os.fspath(path)
        found = spec.get("format") if isinstance(spec, dict) else None
        if found == 1:
            raise ValueError(
                f"{name} has format 1, which early copies of modelcollapse 0.1 wrote, and this version reads format {FORMAT}: read it with the "
                "version that wrote it, or make the run again"
            )
        if found != FORMAT:
            raise ValueError(f"{name} has format {found!r}, this version reads {FORMAT}")
        try:
            # arrays keep the precision that they were saved in, whatever it is here
            with jax.enable_x64(True):
                return _whole(serial.decode(spec["run"], arrays))
        except Exception as error:  # parts check their fields as they please
            raise ValueError(f"{name} cannot be loaded: {error}") from error


def _whole(fields: dict[str, Any]) -> Run:
    """A run of the ``fields`` of a file, if they fit together."""
    kinds = {
        "size": np.ndarray, "recorded": np.ndarray, "key": np.ndarray, "observables": dict, "trace": dict, "provenance": dict,
        "key_impl": str,
    }  # fmt: skip
    needed = [f.name for f in dataclasses.fields(Run) if f.default is dataclasses.MISSING]
    lacking = [name for name in needed if name not in fields]
    wrong = [name for name, kind in kinds.items() if name not in lacking and not isinstance(fields[name], kind)]
    if lacking or wrong:
        raise ValueError(f"the record of the run lacks {', '.join(lacking + wrong)}")
    run = Run(**fields)
    shape = (run.chains, run.recorded.size)
    if set(run.trace) != set(run.observables) or any(np.shape(v)[:2] != shape for v in run.trace.values()):
        raise ValueError(f"the trace does not hold {shape[0]} chains and {shape[1]} generations of each observable")
    return run


def _check_past(run: Any, given: Any, generation: int) -> None:
    """Refuse a regime that until ``generation`` is not the one that was run."""
    if given is run:
        return
    old, new = (jax.tree_util.tree_leaves_with_path(regime) for regime in (run, given))
    kind, other = (cast(Any, jax.tree.structure(regime)) for regime in (run, given))
    if kind != other:
        raise ValueError(
            f"regime must be the one that was run, {run!r}, got {given!r}; a process that changes its regime at generation g is "
            "Switch(before, after, g), simulated from the start"
        )
    for (path, was), (_, now) in zip(old, new, strict=True):
        if not _same_past(np.asarray(was), np.asarray(now), generation + 1):
            raise ValueError(
                f"regime must begin as the one that was run: {type(run).__name__}{jax.tree_util.keystr(path)} was {was!r} "
                f"in generations 0 to {generation}, got {now!r}"
            )


def _same_past(was: np.ndarray, now: np.ndarray, entries: int) -> bool:
    if was.shape != now.shape:  # a number, or a schedule of another length
        was, now = (leaf[:entries] if leaf.ndim == 1 else leaf for leaf in (was, now))
        if was.ndim == now.ndim == 1 and was.size != now.size:
            return False
    return bool(np.all(was == now))


class ChainFailure(RuntimeError):
    """A fit was not finite: training diverged, a covariance became singular. The run is in ``run``, NaN from the failure on."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.chains = np.flatnonzero(run.state.status)
        self.generations = np.asarray(run.state.status)[self.chains] - 1
        first = ", ".join(
            f"chain {c} at generation {g}" for c, g in zip(self.chains[:5], self.generations[:5], strict=True)
        )
        more = f" and {self.chains.size - 5} more" if self.chains.size > 5 else ""
        super().__init__(
            f"the fit of {type(run.family).__name__} was not finite in {first}{more}; "
            "these chains stopped there, the others went on: see the `run` of this exception"
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Summary:
    """Statistics over chains by observable: ``mean``, ``standard_error``, ``low``, ``high``, ``median``, ``lower``, ``upper``,
    each ``(generation, ...)``; printing shows the last recorded generation.
    """

    level: float
    recorded: np.ndarray
    statistics: dict[str, dict[str, np.ndarray]]

    def __getitem__(self, name: str) -> dict[str, np.ndarray]:
        if not isinstance(name, str) or name not in self.statistics:
            raise KeyError(f"{name!r} was not observed; the observables are {', '.join(self.statistics)}")
        return self.statistics[name]

    def __str__(self) -> str:
        share = f"{100 * self.level:g}%"
        lines = [
            f"{'generation ' + str(self.recorded[-1]):28s} {'mean':>12s} {'std. error':>11s} {'median':>12s}   {share} of chains"
        ]
        for name, s in self.statistics.items():
            last = {key: np.asarray(values[-1]) for key, values in s.items()}
            for index in np.ndindex(last["mean"].shape if last["mean"].size <= 8 else (0,)):
                label = name + (f"[{', '.join(map(str, index))}]" if last["mean"].size > 1 else "")
                v = {key: float(values[index]) for key, values in last.items()}
                band = f"[{v['lower']:.6g}, {v['upper']:.6g}]"
                lines.append(f"{label:28s} {v['mean']:12.6g} {v['standard_error']:11.2g} {v['median']:12.6g}   {band}")
            if last["mean"].size > 8:
                lines.append(f"{name:28s} {'array of shape ' + str(last['mean'].shape)}")
        return "\n".join(lines)


def _summarise(values: np.ndarray, level: float) -> dict[str, np.ndarray]:
    from scipy.special import ndtri

    values = values.astype(np.float64)
    chains = values.shape[0]
    tail = (1 - level) / 2
    with np.errstate(invalid="ignore"):
        mean = values.mean(0)
        spread = values.std(0, ddof=1) if chains > 1 else np.full(mean.shape, np.nan)
    error = spread / np.sqrt(chains)
    width = ndtri(1 - tail) * error
    # order statistics, not interpolation: times may be infinite
    lower, median, upper = np.quantile(values, [tail, 0.5, 1 - tail], axis=0, method="inverted_cdf")
    return {
        "mean": mean, "standard_error": error, "low": mean - width, "high": mean + width,
        "median": median, "lower": lower, "upper": upper,
    }  # fmt: skip
