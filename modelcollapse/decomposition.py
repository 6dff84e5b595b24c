"""Sources of error, each switched on alone and all together: what they do not add up to is their interaction.

A process has errors that can be switched: finite samples (``Exact`` takes them away), a family that cannot say the
truth, a learner that does not find the best fit, numbers of few digits (``Rounded``). Every combination is run with the
same seed, 2^k for k errors; one whose fits see no samples is deterministic, and one chain is enough.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import arguments
from modelcollapse.protocols import SeesLaws
from modelcollapse.run import simulate

if TYPE_CHECKING:
    import xarray

__all__ = ["Decomposition", "decompose"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Decomposition:
    """One observable under every combination of errors; what ``decompose`` returns. Printing shows the table.

    Attributes
    ----------
    observable
        Its name.
    errors
        Names of the errors.
    recorded
        The recorded generations ``(generations,)``.
    values
        The traces by the set of errors that are on, ``(chain, generations)``; one chain where nothing is random.
    predicted
        The closed form of the mean by the same sets, ``(generations,)``, or None.
    """

    observable: str
    errors: tuple[str, ...]
    recorded: np.ndarray
    values: dict[frozenset[str], np.ndarray]
    predicted: dict[frozenset[str], np.ndarray | None]

    def mean(self, *on: str) -> np.ndarray:
        """Mean over chains with the errors ``on`` and no other, ``(generations,)``."""
        return self.values[self._known(on)].mean(0)

    def prediction(self, *on: str) -> np.ndarray | None:
        """The closed form of ``mean(*on)``, or None."""
        return self.predicted[self._known(on)]

    def effect(self, *on: str) -> np.ndarray:
        """What the errors ``on`` do together: ``mean(*on) - mean()``, ``(generations,)``."""
        return self._sum([(1, self._known(on)), (-1, frozenset())])[0]

    def interaction(self, *on: str) -> np.ndarray:
        r"""What the errors ``on`` do together beyond what all smaller sets of them do, ``(generations,)``.

        .. math:: I(S) = \sum_{T \subseteq S} (-1)^{|S \setminus T|}\,m(T)

        so that the effect of a set is the sum of the interactions of its subsets. The interaction of one error is its
        effect alone; 0 for all larger sets means that errors add.
        """
        return self._sum(self._terms(on))[0]

    def standard_error(self, *on: str) -> np.ndarray:
        """Standard error of ``interaction(*on)``, ``(generations,)``, from chains that share their draws."""
        return self._sum(self._terms(on))[1]

    @property
    def sets(self) -> list[tuple[str, ...]]:
        """All sets of errors, smaller ones first."""
        return [on for k in range(len(self.errors) + 1) for on in itertools.combinations(self.errors, k)]

    def table(self, generation: int | None = None) -> str:
        """The table at one recorded generation, by default the last.

        A row is a set of errors: the mean with these on, its closed form, and what this set adds beyond its subsets.
        """
        generation = None if generation is None else arguments.whole("generation", generation)
        if generation is not None and generation not in self.recorded:
            raise ValueError(f"generation {generation} was not recorded; recorded are {self.recorded.tolist()}")
        at = -1 if generation is None else int(np.flatnonzero(self.recorded == generation)[0])
        width = max(24, *(len(" + ".join(on)) for on in self.sets))
        head = f"{'theory':>12s} {'mean':>12s}   {'std. error':>10s} {'this set adds':>14s}"
        lines = [f"{self.observable} at generation {self.recorded[at]}", f"{'errors that are on':{width}s} {head}"]
        for on in self.sets:
            values, theory = self.values[frozenset(on)][:, at], self.predicted[frozenset(on)]
            shown = "-" if theory is None else f"{theory[at]:.6g}"
            error = f"{values.std(ddof=1) / np.sqrt(values.size):.2g}" if values.size > 1 else "exact"
            added = f"{self.interaction(*on)[at]:14.6g}" if on else ""
            lines.append(
                f"{' + '.join(on) or 'none':{width}s} {shown:>12s} {values.mean():12.6g}   {error:>10s} {added}"
            )
        total, parts = self.effect(*self.errors)[at], sum(self.effect(e)[at] for e in self.errors)
        lines.append(f"each alone, summed {parts:.6g}; all together {total:.6g}; the difference is interaction")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.table()

    def to_dataset(self) -> xarray.Dataset:
        """Means, their standard errors and predictions (NaN where there is none) as an ``xarray.Dataset``.

        Dimensions are ``generation`` and one for each error, with coordinates False and True. This needs
        ``modelcollapse[xarray]``.
        """
        try:
            import xarray
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("to_dataset needs xarray: pip install 'modelcollapse[xarray]'") from error
        shape = (*(2,) * len(self.errors), self.recorded.size)
        mean, spread, theory = (np.full(shape, np.nan) for _ in range(3))
        for on, values in self.values.items():
            at = tuple(int(error in on) for error in self.errors)
            mean[at], theory[at] = values.mean(0), np.nan if self.predicted[on] is None else self.predicted[on]
            spread[at] = values.std(0, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
        dims = (*self.errors, "generation")
        return xarray.Dataset(
            {self.observable: (dims, mean), "standard_error": (dims, spread), "prediction": (dims, theory)},
            coords={error: [False, True] for error in self.errors} | {"generation": self.recorded},
        )

    def _known(self, on: tuple[str, ...]) -> frozenset[str]:
        unknown = [error for error in on if not isinstance(error, str) or error not in self.errors]
        if unknown:
            raise KeyError(f"unknown errors {unknown}; the errors are {', '.join(self.errors)}")
        return frozenset(on)

    def _terms(self, on: tuple[str, ...]) -> list[tuple[int, frozenset[str]]]:
        """All subsets of ``on`` with the signs that they have in its interaction."""
        known = sorted(self._known(on))
        sizes = range(len(known) + 1)
        return [((-1) ** (len(known) - k), frozenset(t)) for k in sizes for t in itertools.combinations(known, k)]

    def _sum(self, terms: list[tuple[int, frozenset[str]]]) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard error of a sum of sets with signs, from its values in each chain."""
        total = sum((sign * self.values[on] for sign, on in terms), np.zeros((1, self.recorded.size)))
        error = total.std(0, ddof=1) / np.sqrt(len(total)) if len(total) > 1 else np.zeros(self.recorded.size)
        return total.mean(0), error


def decompose(
    build: Callable[[frozenset[str]], Mapping[str, Any]],
    errors: Iterable[str],
    *,
    theory: Callable[[frozenset[str]], ArrayLike | None] | None = None,
    chains: int,
    **common: Any,
) -> Decomposition:
    """Run a process under every combination of its errors, on and off.

    Parameters
    ----------
    build
        A function from the names of the errors that are on to a dictionary of arguments of ``simulate``: ``family``,
        ``source`` and whatever else depends on them. Wrap the family in ``Exact`` where finite samples are off.
    errors
        The names of all errors, at most 6; k of them take 2^k runs.
    theory
        A function from the same names to the closed form of the mean at the recorded generations ``(generations,)``, or
        None. By default, and where it gives None, the closed form that ``Run.predict`` knows; bounds are left out.
    chains
        Number of chains where anything is random.
    common
        The other arguments of ``simulate``: ``observe`` (one observable, which is one number), ``size``, and so on.

    Returns
    -------
    Decomposition
        Printing it shows the table at the last generation.

    Raises
    ------
    ValueError
        For names of errors that are not different, for more than 6, and for an observable that is not one number, or
        has two names.
    TypeError
        If ``errors`` are not names (a single text included), or ``build`` or ``theory`` is not a function.
    """
    names = tuple(arguments.listed("errors", errors))
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"errors must be names, got {names!r}")
    if not 1 <= len(names) <= 6 or len(set(names)) < len(names):
        raise ValueError(f"errors must be one to six different names, got {names!r}")
    for argument, function in {"build": build, **({} if theory is None else {"theory": theory})}.items():
        if not callable(function):
            raise TypeError(f"{argument} must be a function of the set of errors that are on, got {function!r}")
    chains = arguments.count("chains", chains)
    values, predicted, seen = {}, {}, set()
    for bits in itertools.product((False, True), repeat=len(names)):
        on = frozenset(itertools.compress(names, bits))
        given = common | dict(build(on))
        family = given["family"]
        run = simulate(**given, chains=1 if isinstance(family, SeesLaws) and family.deterministic else chains)
        seen |= set(run.trace)
        if len(seen) != 1:
            raise ValueError(f"observe must be one observable of one name, got {', '.join(sorted(seen))}")
        (name,) = seen
        values[on] = _one_number(name, run[name])
        known = theory(on) if theory is not None else None
        if known is None:
            known = next((p.values for p in run.predict() if p.kind == "mean"), None)
        predicted[on] = None if known is None else np.broadcast_to(np.ravel(known), run.recorded.shape)
        recorded = run.recorded
    return Decomposition(name, names, recorded, values, predicted)


def _one_number(name: str, trace: np.ndarray) -> np.ndarray:
    flat = trace.reshape(*trace.shape[:2], -1).astype(np.float64)
    if flat.shape[2] != 1:
        raise ValueError(
            f"observe must be one number per chain and generation, got {name!r} of shape {trace.shape[2:]}"
        )
    return flat[:, :, 0]
