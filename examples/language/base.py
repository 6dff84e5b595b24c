"""The base of the language-model experiment, as it was trained: a decoder of 935,040 parameters on Wikipedia.

Reads the extract of the English Wikipedia that gensim carries (CC BY-SA), trains a byte-level BPE of 1024 tokens and a
``Transformer`` on its pre-training part, and writes ``base.npz`` (float16) and ``base.json`` (the tokenizer). The best
weights by the loss of validation articles are kept. Some 30 CPU-minutes; ``pip install "modelcollapse[text]"``.
"""

import argparse
import hashlib
import json
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from modelcollapse import text
from modelcollapse.families.transformer import Transformer

LENGTH, BATCH, WINDOW = 128, 32, 200


def corpus():
    """Parts of the extract that share no article: pre-training, training, validation, test."""
    return text.wikipedia().parts(0.7, 0.1, 0.1, 0.1)


def loss(network, weights, tokens):
    """Mean loss of tokens ``(n, L)`` in nats; the first of each row is not predicted."""
    logp = jax.nn.log_softmax(network(weights, tokens[:, :-1]))
    return -jnp.take_along_axis(logp, tokens[:, 1:, None], -1).mean()


def train(stream, held_out, steps, seed=0):
    """Weights with the least loss on blocks ``held_out``, that loss, and the table of losses on the way."""
    network = Transformer(1024, length=LENGTH)
    schedule = optax.warmup_cosine_decay_schedule(0.0, 3e-3, 100, steps, 1e-4)
    method = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule, b2=0.98, weight_decay=0.1))

    @jax.jit
    def window(carry, key):
        def step(carry, key):
            weights, state = carry
            starts = jax.random.randint(key, (BATCH, 1), 0, stream.size - LENGTH)
            value, slope = jax.value_and_grad(lambda w: loss(network, w, stream[starts + jnp.arange(LENGTH + 1)]))(
                weights
            )
            move, state = method.update(slope, state, weights)
            return (optax.apply_updates(weights, move), state), value

        carry, values = jax.lax.scan(step, carry, jax.random.split(key, WINDOW))
        return carry, values.mean(), loss(network, carry[0], held_out)

    weights = network.init(jax.random.key(seed))
    carry, best, table = (weights, method.init(weights)), (np.inf, weights), []
    begun = time.process_time()
    for done in range(WINDOW, steps + 1, WINDOW):
        carry, mean, value = window(carry, jax.random.fold_in(jax.random.key(seed + 1), done))
        if value < best[0]:
            best = float(value), carry[0]
        table.append([done, round(float(mean), 4), round(float(value), 4), round(time.process_time() - begun)])
        print("step {}  loss {}  on validation {}  CPU-seconds {}".format(*table[-1]), flush=True)
    return *best[::-1], table


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1] / "output")
    chosen = parser.parse_args()
    chosen.output.mkdir(parents=True, exist_ok=True)
    whole, (pretraining, _, validation, _) = text.wikipedia(), corpus()
    tokenizer = text.BPE.train(pretraining.text, vocabulary=1024)
    stream, held_out = tokenizer.encode(pretraining.text), text.blocks(tokenizer.encode(validation.text), LENGTH)[:256]
    print(f"{stream.size} tokens to train on, {held_out.size} for validation", flush=True)
    weights, value, table = train(jnp.asarray(stream), jnp.asarray(held_out), chosen.steps)
    about = {
        "corpus": whole.source, "licence": whole.licence, "attribution": whole.attribution,
        "sha256 of the articles": whole.digest, "sha256 of the tokens": hashlib.sha256(stream.tobytes()).hexdigest(),
        "tokens": int(stream.size), "steps": chosen.steps, "batch": BATCH, "length": LENGTH,
        "validation loss, nats a token": round(value, 4), "jax": jax.__version__, "table": table,
    }  # fmt: skip
    flat = {
        ".".join(key.key for key in path): np.asarray(leaf, np.float16)
        for path, leaf in jax.tree.leaves_with_path(weights)
    }
    np.savez_compressed(chosen.output / "base.npz", about=json.dumps(about), **flat)
    (chosen.output / "base.json").write_text(tokenizer.content.rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
