"""A language model fine-tuned ten times on its own text: the experiment of Shumailov et al. (2024) at a CPU's scale.

Each generation fine-tunes the same base (935,040 parameters, trained on Wikipedia) on 256 blocks of 64 tokens. They are
real at generation 0; from then on each real block is replaced by what the newest model writes after it, as in the
paper, or kept. A run is written as soon as it ends, and the command goes on where it was stopped.

    python examples/language/collapse.py                  every condition: some 100 minutes on two cores
    python examples/language/collapse.py --small          two conditions, two seeds, two generations: two minutes
    python examples/language/collapse.py --full           blocks, epochs and batches of the paper: days on a CPU
    python examples/language/collapse.py --report         the tables and figures of the runs that there are

Needs ``pip install "modelcollapse[text]"``.
"""

import argparse
import concurrent.futures
import csv
import multiprocessing
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
HERE = Path(__file__).parent
LENGTH = 64
CLASSES = ((1, 1), (2, 5), (6, 20))
READ = (0, 1, 2, 3, 5, 10)  # generations of which blocks are kept to read

CONDITIONS = {
    "none": "none kept, beam search of width 5",
    "ten": "10 % of the blocks kept",
    "sampled": "none kept, pure sampling in place of beam search",
    "real": "control: the real blocks every time, trained on from the parent",
    "twenty": "20 % of the blocks kept",
    "penalty": "none kept, repetition penalty 2",
    "filtered": "a pool half real, half marked; what the detector flags is removed and replaced",
}
SEEDS = dict.fromkeys(("none", "ten", "sampled", "real"), 5) | dict.fromkeys(("twenty", "penalty", "filtered"), 3)


@dataclass(frozen=True)
class Size:
    """Blocks to learn from and to test on, generations, epochs of each, blocks in a batch, learning rate."""

    blocks: int = 256
    test: int = 256
    generations: int = 10
    epochs: int = 5
    batch: int = 16
    rate: float = 1e-3
    seeds: int = 5
    conditions: tuple = tuple(CONDITIONS)


SIZES = {
    "default": Size(),
    "small": Size(blocks=64, test=64, generations=2, epochs=2, seeds=2, conditions=("none", "sampled")),
    # blocks as many as WikiText-2 has, in place of the 1,500 of this extract: a text of one's own is needed
    "full": Size(blocks=37_000, test=4_000, batch=128, rate=2e-5),
}


def parts(name):
    """The regime of a condition, and what differs in its model."""
    import modelcollapse as mc

    share, options = 0.0, {}
    if name == "sampled":
        options = {"decoding": mc.families.Sampled()}
    elif name == "penalty":
        options = {"decoding": mc.families.Beam(5, penalty=2.0)}
    elif name == "real":
        share, options = 1.0, {"start": "warm"}
    elif name in ("ten", "twenty"):
        share = {"ten": 0.1, "twenty": 0.2}[name]
    return mc.regimes.Rewrite(share), options
