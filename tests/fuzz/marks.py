"""One legal call of every watermark and of its detector's score, with every argument that it has."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse import families
from modelcollapse.families.decoding import Past
from tests.fuzz.parts import Case

BLOCKS = np.array([[0, 1, 2, 1], [3, 3, 0, 2]], np.int32)


def _scores(decoding: Any) -> Any:
    """The scores of tokens of one law after tokens 1 and 2."""
    past = Past(jax.random.key(0), None, jnp.array([1, 2], jnp.int32), jnp.int32(0))
    return decoding.scores(jnp.log(jnp.full((2, 4), 0.25)), past)


def mark_cases() -> dict[str, Case]:
    marked = {"decoding": families.Sampled(), "share": 0.25, "delta": 1.0, "key": 3}
    return {
        "Watermarked": Case(families.Watermarked, marked, _scores),
        "Gumbel": Case(families.Gumbel, {"decoding": families.Sampled(), "key": 3, "per": "place"}, _scores),
        "GreenScore": Case(
            families.GreenScore, {"vocabulary": 4, "share": 0.25, "key": 3}, lambda score: score(BLOCKS)
        ),
        "GumbelScore": Case(
            families.GumbelScore, {"vocabulary": 4, "key": 3, "per": "place"}, lambda score: score(BLOCKS)
        ),
        "GreenScore.threshold": Case(families.GreenScore.threshold, {"rate": 0.25}),
    }
