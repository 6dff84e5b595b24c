"""The decoder against its layers written out in NumPy, place by place."""

from __future__ import annotations

import math
from typing import Any

import jax
import numpy as np

from modelcollapse.families import Transformer

NETWORK = Transformer(5, width=6, layers=2, heads=2, length=4)


def normed(x: np.ndarray, gain: np.ndarray) -> np.ndarray:
    return x / np.sqrt((x**2).mean() + 1e-6) * gain


def gelu(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def written_out(weights: Any, text: list[int]) -> np.ndarray:
    """Logits ``(t, V)``."""
    lines = [weights["embed"][token] + weights["place"][i] for i, token in enumerate(text)]
    for layer in range(NETWORK.layers):
        block = {name: leaf[layer] for name, leaf in weights["blocks"].items()}
        three = [(normed(x, block["gain_attention"]) @ block["attention"]).reshape(3, 2, 3) for x in lines]
        after = []
        for i, x in enumerate(lines):
            seen = []
            for head in range(2):
                query = three[i][0, head]
                grade = np.exp([query @ three[j][1, head] / math.sqrt(3) for j in range(i + 1)])
                seen.append(sum(g * three[j][2, head] for j, g in enumerate(grade / grade.sum())))
            x = x + np.concatenate(seen) @ block["join"]
            after.append(x + gelu(normed(x, block["gain_dense"]) @ block["up"]) @ block["down"])
        lines = after
    return np.array([normed(x, weights["gain"]) @ weights["embed"].T for x in lines])


def test_logits_are_those_of_the_layers_written_out() -> None:
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(NETWORK.init, jax.random.key(0))
    weights = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape), shapes)
    text = rng.integers(0, 5, (3, 4), np.int32)
    right = [written_out(weights, one) for one in text.tolist()]
    np.testing.assert_allclose(jax.jit(NETWORK)(weights, text), right, rtol=1e-10, atol=1e-10)


def test_a_vocabulary_of_1024_and_the_defaults_make_935_040_parameters() -> None:
    shapes = jax.eval_shape(Transformer(1024).init, jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 935_040


def test_weights_begin_with_the_spreads_that_are_said() -> None:
    weights = jax.jit(Transformer(64, width=32, layers=2, heads=4, length=64).init)(jax.random.key(1))
    spreads = {name: np.std(leaf) for name, leaf in weights["blocks"].items()}
    for name, spread in {"attention": 0.02, "up": 0.02, "join": 0.01, "down": 0.01}.items():
        np.testing.assert_allclose(spreads[name], spread, rtol=0.1)
    np.testing.assert_allclose([np.std(weights["embed"]), np.std(weights["place"])], 0.02, rtol=0.1)
    assert all((weights["blocks"][name] == 1).all() for name in ("gain_attention", "gain_dense"))
