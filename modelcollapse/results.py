"""A run is its trace, everything needed to go on, and a record of where it came from."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from modelcollapse import serial
from modelcollapse.observables import LABELS

if TYPE_CHECKING:
    import xarray

    from modelcollapse.predict import Predictions

FORMAT = 1


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
        if name not in self.trace:
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
        last = self.generations if generations is None else generations
        return np.broadcast_to(self.size, (last + 1,)) if self.size.ndim == 0 else self.size[: last + 1]

    def replaced(self, **changes: Any) -> Run:
        return dataclasses.replace(self, **changes)

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

        ``size`` and ``regime`` are needed only where they hold schedules: give them in full, from generation 0 to the new end. Their past
        is not run again; new sizes beyond all that were run need longer arrays of draws, which may then hold other numbers than those of
        one long run, of the same law. ``mesh`` as for ``simulate``; a run may go on on other devices than it began on.

        Raises
        ------
        ValueError
            If a schedule ends too early, or its past is not what was run.
        """
        from modelcollapse import devices, driver

        devices.check(mesh)
        generations = driver._integer("generations", generations, 1)
        last = self.generations + generations
        size = self.size if size is None else np.asarray(size)
        if np.ndim(size) and not np.array_equal(driver._sizes(size, last)[: self.generations + 1], self.sizes()):
            raise ValueError("size must begin with the sample sizes that were run")
        regime = self.regime if regime is None else regime
        process, _ = driver.placed(self.family, self.source, regime, self.observables, size, last, about=self.location)
        recorded = driver._recorded(record, self.generations + 1, last)
        key = driver.restored_key(self.key, self.key_impl)
        return driver.drive(
            self.replaced(regime=regime, size=np.asarray(size)),
            process,
            key,
            self.chains,
            recorded,
            last,
            batch_size=batch_size,
            progress=progress,
            mesh=mesh,
        )

    def summary(self, level: float = 0.95) -> Summary:
        """Mean, its standard error and interval, median and central band over chains, at each recorded generation.

        The interval of the mean is normal, and worthless where the mean rests on rare chains (the variance under the unbiased
        estimator, W2 at late generations); the median and the band do not have that weakness.
        """
        if not 0 < level < 1:
            raise ValueError(f"level must lie strictly between 0 and 1, got {level}")
        return Summary(level, self.recorded, {name: _summarise(values, level) for name, values in self.trace.items()})

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
            units, dims = LABELS.get(name, ("", ()))
            extra = dims if len(dims) == values.ndim - 2 else tuple(f"{name}_{i}" for i in range(values.ndim - 2))
            attributes = {"units": units} if units else {}
            variables[name] = (("chain", "generation", *extra), values, attributes)
        return xarray.Dataset(
            variables,
            coords={"chain": np.arange(self.chains), "generation": self.recorded},
            attrs={"provenance": json.dumps(self.provenance)},
        )

    def save(self, path: str | os.PathLike) -> None:
        """Write everything to one file, which ``load`` reads back without loss. A failure leaves the old file whole."""
        arrays: dict[str, np.ndarray] = {}
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        serial.write(path, {"format": FORMAT, "run": serial.encode(fields, arrays)}, arrays)

    @staticmethod
    def load(path: str | os.PathLike) -> Run:
        """Read what ``save`` wrote. Only classes of this package, and parts that are already imported, are built.

        Raises
        ------
        ValueError
            If the file is no saved run, or was written by a later version, or names a part that is not imported.
        """
        spec, arrays = serial.read(path)
        if spec.get("format") != FORMAT:
            raise ValueError(f"{os.fspath(path)} has format {spec.get('format')!r}, this version reads {FORMAT}")
        return Run(**serial.decode(spec["run"], arrays))


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
        return self.statistics[name]

    def __str__(self) -> str:
        share = f"{100 * self.level:g}%"
        lines = [
            f"{'generation ' + str(self.recorded[-1]):28s} {'mean':>12s} {'std. error':>11s} {'median':>12s}   {share} of chains"
        ]
        for name, s in self.statistics.items():
            last = {key: np.asarray(values[-1]) for key, values in s.items()}
            for index in np.ndindex(last["mean"].shape if last["mean"].size <= 8 else (0,)):
                label = name + (f"[{', '.join(map(str, index))}]" if index else "")
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
