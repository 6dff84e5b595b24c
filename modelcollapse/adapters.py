"""Models that are called in ways of their own, as ``simulate_models`` calls them: data frames, and pairs of functions.

    >>> import numpy as np
    >>> import modelcollapse as mc
    >>> def train(data):
    ...     return data.mean(0), data.std(0)
    >>> def sample(model, n, seed):
    ...     return np.random.default_rng(seed).normal(*model, (n, len(model[0])))
    >>> make = mc.adapters.functions(train, sample)
    >>> run = mc.simulate_models(make, mc.normal([0.0, 1.0]), size=20, generations=5)
    >>> run["mean"].shape
    (1, 6, 2)

What needs pandas, torch or a package of models imports it itself; nothing is imported here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from modelcollapse import arguments
from modelcollapse.host.adapted import FromFrames, FromFunctions, Trained
from modelcollapse.host.foreign import Model
from modelcollapse.pytree import used

Kind: TypeAlias = Any
"""A type of pandas, or its name."""

__all__ = ["FromFrames", "FromFunctions", "frames", "functions"]


def frames(
    make: Callable[..., Model],
    columns: Iterable[str] | None = None,
    dtypes: Mapping[str, Kind] | None = None,
    *,
    table: str | None = None,
    seed: Callable[[Trained, int], object] | None = None,
) -> FromFrames:
    """``make_model`` of ``simulate_models`` for models that are fitted to data frames of pandas and draw such frames.

    Parameters
    ----------
    make
        A class, or a function that makes a new, unfitted model with ``fit(frame)`` and ``sample(n)``. If it has one
        required argument, it gets the model of the previous generation (None at generation 0), for a warm start.
    columns
        Names of the columns, where the source, a law or a ``table``, has none: default ``x0``, ``x1``, ... Of a data
        frame as source all its columns, in the order in which the model shall see them.
    dtypes
        Types of some columns as the model shall see them, by name: ``{"age": "int64", "group": "category"}``. Whole
        numbers and truth values are refused where rows hold others.
    table
        Name of the table for models that take and give ``{table: frame}``, as those of SDV 2.0.
    seed
        ``seed(model, number)`` seeds a model in a way of its own, before each fit and draw, by a number below 2^32.

    Returns
    -------
    FromFrames
        What makes the models. An observable sees them as ``fitted.model``; ``fitted.rows`` and ``fitted.sample`` are
        data frames if the source is one, arrays otherwise.

    Raises
    ------
    TypeError, ValueError
        For an argument that makes no sense. During a run: for columns that are missing or unknown, values that a type
        or a file cannot hold, and other draws than numbers where the source has numbers alone.

    Notes
    -----
    The randomness of a fit or a draw has an address of 64 bits, by chain and generation. A parameter ``rng`` of ``fit``
    or ``sample`` has all of it, as do generators of NumPy that a model holds as ``random_state``. A whole number has 32
    bits: for ``seed``, ``set_random_state``, ``random_state`` and the generators that the process shares (see
    ``functions``). The page "In and out" of the documentation has their order. Columns of numbers, truth values, text,
    categories of these, and dates pass through every regime, with gaps or without.
    """
    arguments.function("make", make)
    names, kinds = _names(columns), () if dtypes is None else _kinds(dtypes)
    unknown = [name for name, _ in kinds if names is not None and name not in names]
    if unknown:
        raise ValueError(f"dtypes must name columns, {', '.join(names or ())}, got {unknown[0]!r}")
    table = None if table is None else arguments.text("table", table)
    if seed is not None:
        used(arguments.function("seed", seed))
    used(make)
    return FromFrames(make, names, kinds, table, seed)


def functions(
    train: Callable[..., Trained],
    sample: Callable[..., Trained],
    *,
    save: Callable[[Trained, Path], object] | None = None,
    load: Callable[[Path], Trained] | None = None,
) -> FromFunctions:
    """``make_model`` of ``simulate_models`` for two functions: one trains a model, the other draws from it.

    Parameters
    ----------
    train
        ``train(data)`` returns a trained model: any object. ``data`` are rows ``(n, d)`` in float64, or a data frame if
        the source is one. With a parameter ``previous`` it gets the model of the previous generation (None at
        generation 0), for a warm start. Regimes may draw from older models, so it must leave them as they are and
        return another, such as a ``copy.deepcopy``.
    sample
        ``sample(model, n)`` returns ``n`` rows as an array, a data frame or a tensor of torch, on whatever device. With
        a parameter ``given``, it continues rows where a regime gives them.
    save, load
        ``save(model, path)`` writes a file or a folder at ``path``, and ``load(path)`` returns the model; needed by
        ``run.save`` and ``checkpoint=`` alone.

    Returns
    -------
    FromFunctions
        What makes the models. An observable sees what ``train`` returned as ``fitted.model``; ``fitted.mean`` and
        ``fitted.covariance`` are those of ``fitted.sample``.

    Raises
    ------
    TypeError, ValueError
        For what are not functions; for one of ``save`` and ``load`` without the other. During a run: if ``train``
        returns None, or its ``previous`` where that could change.
    RuntimeError
        During a run: if a call is the first to import torch, and draws from its generator, which has no seed then.

    Notes
    -----
    The randomness of each call has an address of 64 bits, by chain, generation and role. A parameter ``rng`` is given a
    NumPy generator with all of it; ``seed`` or ``random_state`` a whole number below 2^32, which two of many thousand
    calls may share. The shared generators of NumPy, Python and, once imported, torch (of the CPU, CUDA and MPS) begin
    each call with that number, and go on afterwards as if nothing had been drawn.
    """
    files = {name: function for name, function in (("save", save), ("load", load)) if function is not None}
    for name, function in {"train": train, "sample": sample, **files}.items():
        used(arguments.function(name, function))
    if len(files) == 1:
        given, lacking = ("load", "save") if save is None else ("save", "load")
        raise ValueError(f"{given} needs {lacking} beside it: what one writes the other reads")
    return FromFunctions(train, sample, save, load)


def _names(columns: Iterable[str] | None) -> tuple[str, ...] | None:
    if columns is None:
        return None
    names = tuple(arguments.texts("columns", columns))
    if not names or len(set(names)) < len(names):
        raise ValueError(f"columns must be at least one name, each once, got {list(names)}")
    return names


def _kinds(dtypes: Mapping[str, Kind]) -> tuple[tuple[str, str], ...]:
    """Types by their names in pandas."""
    from pandas.api.types import pandas_dtype

    if not isinstance(dtypes, Mapping):
        raise TypeError(f"dtypes must be a mapping from columns to types, got {dtypes!r}")
    found = []
    for name, dtype in dtypes.items():
        try:
            kind = "" if dtype is None else str(pandas_dtype(dtype))  # which takes None for a float
        except TypeError:
            kind = ""
        if not kind:
            raise TypeError(f"dtypes[{name!r}] must be a type of pandas, such as 'int64', got {dtype!r}") from None
        found.append((arguments.text("a column of dtypes", name), kind))
    return tuple(found)
