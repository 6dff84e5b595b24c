"""The pre-trained decoder that comes with the package: a base to fine-tune, of 935,040 parameters."""

from __future__ import annotations

import importlib.resources
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax.numpy as jnp
import numpy as np

from modelcollapse.families.transformer import Transformer, Weights
from modelcollapse.text.bpe import BPE


@dataclass(frozen=True)
class PretrainedNetwork:
    """A network, its weights in float32, and where they are from."""

    network: Transformer
    weights: Weights
    about: dict[str, Any]  # corpus, licence, steps, losses on the way

    @cached_property
    def tokenizer(self) -> BPE:
        """Its tokenizer, byte-level BPE of 1024 tokens; needs the extra ``text``."""
        with importlib.resources.as_file(_file("base.json")) as path:
            return BPE.load(path)


def pretrained() -> PretrainedNetwork:
    """The decoder that ``examples/language/base.py`` trained on articles of the English Wikipedia (CC BY-SA 3.0).

    Four layers of width 128, blocks of at most 128 tokens. It is *small*: it writes words and grammar, not sense. The
    weights are stored in float16. It has read the first of ``wikipedia().parts(0.7, 0.1, 0.1, 0.1)``: articles of the
    other three are new to it.
    """
    with _file("base.npz").open("rb") as file, np.load(file) as stored:
        about = json.loads(str(stored["about"]))
        weights: Weights = {"blocks": {}}
        for name in set(stored.files) - {"about"}:
            block, _, last = name.rpartition(".")
            (weights[block] if block else weights)[last] = jnp.asarray(stored[name], jnp.float32)
    return PretrainedNetwork(Transformer(weights["embed"].shape[0], length=weights["place"].shape[0]), weights, about)


def _file(name: str) -> Any:
    return importlib.resources.files("modelcollapse") / "data_files" / name
