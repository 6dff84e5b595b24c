"""Means of functions of one count of an n-gram model, many n-grams at once: those with one chain share its matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._binomial_rows import chain_means
from ._domain import Array, whole, within
from .lineages import LARGEST

Counts: TypeAlias = NDArray[np.int64]
Model: TypeAlias = Callable[[Array], Array]
STEPS = 10_000
"""The most fits, each of which costs a product with a matrix."""


def ngram_means(
    probability: ArrayLike,
    sample_size: ArrayLike,
    fits: ArrayLike,
    mutation: ArrayLike,
    background: ArrayLike,
    function: Callable[[Array], Array],
) -> Array:
    """E f(p_n) of the fitted probability p_n of each n-gram, ``fits.shape + entries.shape``."""
    q, size = within("probability", probability, 0, 1), whole("sample_size", sample_size, 1, most=LARGEST)
    g, u = within("mutation", mutation, 0, 1), within("background", background, 0, 1)
    wanted = whole("fits", fits, 1, most=STEPS)

    def means(items: int, model: Model, starts: np.ndarray, steps: Counts) -> Array:
        values = function(model(np.arange(items + 1) / items))[:, None]
        return chain_means(items, starts, model, values, steps)[:, :, 0]

    return by_chain(q, size, g, u, wanted, means)


def by_chain(
    starts: np.ndarray,
    sizes: Counts,
    mutation: Array,
    background: Array,
    fits: Counts,
    means: Callable[[int, Model, np.ndarray, Counts], Array],
) -> Array:
    """What ``means(size, model, starts, fits)`` ``(F, R)`` gives for each kind of chain: fits by entries.

    Entries of one sample size and one fitted probability p = (1 - g) X/M + g u, ``model`` of X/M, are one call, with
    their different starts and numbers of fits in ascending order.
    """
    starts, sizes, mutation, background = np.broadcast_arrays(starts, sizes, mutation, background)
    steps, back = np.unique(fits, return_inverse=True)
    table = np.stack([sizes.ravel(), mutation.ravel(), np.where(mutation == 0, 0.0, background).ravel()])
    kinds, kind = np.unique(table, axis=1, return_inverse=True)
    found = np.empty((steps.size, starts.size))
    for i, (size, mutated, towards) in enumerate(kinds.T.tolist()):
        members = np.flatnonzero(np.ravel(kind) == i)
        different, which = np.unique(starts.ravel()[members], return_inverse=True)

        def model(frequency: Array, mutated: float = mutated, towards: float = towards) -> Array:
            return (1 - mutated) * frequency + mutated * towards

        found[:, members] = means(int(size), model, different, steps)[:, np.ravel(which)]
    return found[np.ravel(back)].reshape(np.shape(fits) + starts.shape)
