"""Means of functions of one count of an n-gram model, many n-grams at once: those with one chain share its matrix."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from ._binomial_rows import chain_means
from ._domain import Array, whole, within
from .lineages import LARGEST

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
    q, size, g, u = np.broadcast_arrays(q, size, g, u)
    steps, back = np.unique(wanted, return_inverse=True)
    kinds, kind = np.unique(
        np.stack([size.ravel(), g.ravel(), np.where(g == 0, 0.0, u).ravel()]), axis=1, return_inverse=True
    )
    found = np.empty((steps.size, q.size))
    for i, (items, mutated, towards) in enumerate(kinds.T.tolist()):
        members = np.flatnonzero(np.ravel(kind) == i)
        chances, which = np.unique(q.ravel()[members], return_inverse=True)

        def fitted(frequency: Array, mutated: float = mutated, towards: float = towards) -> Array:
            return (1 - mutated) * frequency + mutated * towards

        values = function(fitted(np.arange(items + 1) / items))[:, None]
        means = chain_means(int(items), chances, fitted, values, steps)
        found[:, members] = means[:, np.ravel(which), 0]
    return found[np.ravel(back)].reshape(wanted.shape + q.shape)
