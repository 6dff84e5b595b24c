"""Kinds of value that people pass by mistake, each with one example and a strategy for more; and kinds that are numbers
in other clothes.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from base_cases import BAD as EXAMPLES
from hypothesis import strategies as st

LETTERS = st.characters(categories=("L", "Zs", "P"))

_SMALL = st.floats(0.01, 0.99)
STRATEGIES: dict[str, st.SearchStrategy] = {
    "text": st.text(LETTERS, min_size=1, max_size=8).filter(lambda text: not text.isnumeric()),
    "number as text": st.one_of(_SMALL.map(str), st.integers(1, 9).map(str)),
    "bytes": st.binary(max_size=4),
    "nan": st.sampled_from([np.nan, np.float32(np.nan), np.array(np.nan), np.float16(np.nan)]),
    "inf": st.sampled_from([np.inf, np.float32(np.inf), np.array(np.inf)]),
    "-inf": st.sampled_from([-np.inf, np.float32(-np.inf), np.array(-np.inf)]),
    "negative": st.one_of(
        st.integers(-(2**31), -1), st.integers(-9, -1).map(np.int64), st.integers(-9, -1).map(np.array)
    ),
    "zero": st.sampled_from([0, np.int64(0), np.uint8(0), np.array(0)]),
    "fraction": st.one_of(_SMALL, _SMALL.map(np.float64), _SMALL.map(np.array)),
    "empty": st.sampled_from([[], (), np.zeros(0), np.zeros((0, 2)), np.zeros((2, 0))]),
    "cube": st.floats(0.1, 0.9).map(lambda x: np.full((2, 2, 2), x)),
    "bool": st.sampled_from([True, False, np.True_, np.False_]),
    "bool in a list": st.sampled_from([[True, 1], [0.5, False], (True, 2)]),
    "complex": st.sampled_from([1 + 0j, 0.5 + 2j, np.complex64(1), np.array([1 + 1j])]),
    "1e300": st.floats(1e298, 1e300),
    "10**30": st.integers(10**30, 10**40),
    "1e19": st.floats(1e19, 1e30),
    "uint64": st.integers(2**63, 2**64 - 1).map(np.uint64),
    "2**62": st.integers(2**62, 2**63 - 1),
    "dict": st.sampled_from([{}, {"a": "b"}, {"abc": None}]),
    "object": st.builds(object),
}
"""Many values of a kind; those without a strategy have their example alone."""


def values(kind: str) -> st.SearchStrategy:
    """Values of one kind."""
    return st.just(EXAMPLES[kind]) | STRATEGIES[kind] if kind in STRATEGIES else st.just(EXAMPLES[kind])


def forms(value: Any) -> list[Any]:
    """The same number in the types and containers that people have it in: must be taken wherever the plain one is."""
    if isinstance(value, bool):
        return [np.bool_(value), np.array(value)]
    if isinstance(value, int):
        byte = [np.uint8(value)] if 0 <= value < 256 else []
        return [np.int64(value), np.int32(value), *byte, np.array(value), jnp.asarray(value)]
    if isinstance(value, float):
        single = [np.float32(value), jnp.asarray(value)] if float(np.float32(value)) == value else []
        return [np.float64(value), np.array(value), *single]
    if isinstance(value, list) and value and np.asarray(value).dtype.kind in "if":
        return [np.array(value), tuple(value), np.array(value, dtype=object), jnp.asarray(value)]
    return []
