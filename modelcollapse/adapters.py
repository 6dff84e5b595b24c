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
        Names of the columns, where the source has none of its own: a law or a ``table``. Default ``x0``, ``x1``, ...
        A data frame as source names its columns, and the names that are given here must be those; the model sees them
        in this order.
    dtypes
        Types of some columns as the model shall see them, by name: ``{"age": "int64", "group": "category"}``. Whole
        numbers and truth values are refused where rows hold others.
    table
        Name of the table for models that take and give ``{table: frame}``, as those of SDV 2.0.
    seed
        ``seed(model, number)`` seeds a model in a way of its own, before each fit and each draw, with a whole number
        below 2^32.

    Returns
    -------
    FromFrames
        What makes the models. An observable sees them as ``fitted.model``; ``fitted.rows`` and ``fitted.sample`` are
        data frames if the source is one, arrays otherwise.

    Raises
    ------
    TypeError, ValueError
        For an argument that makes no sense. During a run: for columns that are missing, unknown or of another number,
        for rows that a type cannot hold, and for text, dates and gaps drawn where the source has numbers alone: columns
        of other kinds need a data frame as source.

    Notes
    -----
    **Seeds.** Every fit and every draw has a number of its own, by chain and generation. It goes, in this order of
    preference, to ``seed``; to a method ``set_random_state`` of the model, or to ``_set_random_state`` before a draw
    (synthesizers of SDV, which otherwise all draw with the same seed); or to an attribute ``random_state`` that holds a
    generator of NumPy, which is replaced by a new one, or None or an integer (scikit-learn's contract), which is set. A
    parameter ``rng`` or ``random_state`` of ``fit`` or ``sample`` is given besides. For models with none of these the
    shared generators of NumPy, of Python and, once it has been imported, of torch begin with the number, and afterwards
    go on as if nothing had been drawn. So runs can be repeated, as long as a model has no generator that it hides.

    **Columns** of numbers, truth values, text, categories and dates, with gaps or without, pass through every regime
    as ``simulate_models`` says of data frames.

    ``save`` and ``load`` of the models are used where they have them.
    """
    arguments.function("make", make)
    names = None if columns is None else tuple(arguments.texts("columns", columns))
    if names is not None and (not names or len(set(names)) < len(names)):
        raise ValueError(f"columns must be at least one name, each once, got {list(names)}")
    kinds = () if dtypes is None else _kinds(dtypes)
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
        generation 0), for a warm start; it must leave that model as it is and return another, such as a
        ``copy.deepcopy``, since regimes may draw from older models.
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
        returns the model of the previous generation, or None.

    Notes
    -----
    A parameter ``seed`` or ``random_state`` of either function is given a whole number below 2^32, one of its own for
    each chain, generation and role; a parameter ``rng`` a NumPy generator. Besides, the shared generators of NumPy, of
    Python and, once it has been imported, of torch begin with that number in each call, and go on afterwards as if
    nothing had been drawn.
    """
    for name, function in {"train": train, "sample": sample}.items():
        used(arguments.function(name, function))
    if (save is None) != (load is None):
        given, lacking = ("load", "save") if save is None else ("save", "load")
        raise ValueError(f"{given} needs {lacking} beside it: what one writes the other reads")
    if save is not None and load is not None:
        used(arguments.function("save", save))
        used(arguments.function("load", load))
    return FromFunctions(train, sample, save, load)


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
