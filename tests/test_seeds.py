"""Different seeds are different runs, in both precisions; the record of a run says how to repeat it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from runs import walk
from toys import Walk, origin, place

import modelcollapse as mc

WORDS = {
    0: [0, 0],
    1: [0, 1],
    2**32 - 1: [0, 2**32 - 1],
    2**32: [1, 0],
    2**63 + 5: [2**31, 5],
    2**64 - 1: [2**32 - 1] * 2,
}
"""The two words of a key; those below 2^32 are the seeds of all runs made so far."""
SEEDS: list[Any] = [
    *WORDS, 2**64, 2**96, 2**200 + 1, [5], [5, 0], [0, 5], [2**32], [2**32, 0], [0, 1], (5, 0, 0), np.random.SeedSequence(5),
    np.random.SeedSequence(5, spawn_key=(1,)), np.random.SeedSequence([5, 6]),
]  # fmt: skip


@pytest.mark.parametrize("bits", [32, 64])
def test_no_two_seeds_give_one_run(bits: int) -> None:
    with jax.enable_x64(bits == 64):
        runs = [walk(seed) for seed in SEEDS]
    keys = {tuple(run.provenance["key"]) for run in runs}
    assert len(keys) == len(SEEDS)
    assert len({run["place"].tobytes() for run in runs}) == len(SEEDS)
    for seed, words in WORDS.items():
        assert runs[SEEDS.index(seed)].provenance["key"] == words


def test_the_key_of_a_seed_is_the_same_in_both_precisions() -> None:
    wide = [walk(seed).provenance["key"] for seed in SEEDS]
    with jax.enable_x64(False):
        assert [walk(seed).provenance["key"] for seed in SEEDS] == wide


def test_the_words_are_those_of_jax_in_64_bits() -> None:
    for seed in (0, 7, 2**32 + 3, 2**63 - 1):
        np.testing.assert_array_equal(walk(seed).key, jax.random.key_data(jax.random.key(seed)))


def test_a_seed_comes_in_any_type() -> None:
    right = walk(5)["place"]
    for seed in (
        np.int64(5),
        np.uint8(5),
        np.array(5),
        jnp.asarray(5, jnp.int32),
        jax.random.key(5),
        np.array([0, 5], np.uint32),
    ):
        np.testing.assert_array_equal(walk(seed)["place"], right)
    for seed in ((1, 2), np.array([1, 2])):
        np.testing.assert_array_equal(walk(seed)["place"], walk([1, 2])["place"])
    numpy = np.random.SeedSequence(5, spawn_key=(1,))
    assert walk(numpy).provenance["key"] == numpy.generate_state(2).tolist()


def test_the_record_repeats_a_run_whose_seed_nobody_chose() -> None:
    first, second = walk(None), walk(None)
    assert first.provenance["seed"] != second.provenance["seed"]
    again = walk(first.provenance["seed"])
    np.testing.assert_array_equal(again["place"], first["place"])
    assert again.provenance["key"] == first.provenance["key"]


@pytest.mark.parametrize("seed", [5, 2**40, 2**70, [1, 2**70], np.random.SeedSequence([3, 4], spawn_key=(1,)), None])
def test_a_seed_survives_the_file(seed: Any, tmp_path: Any) -> None:
    run = walk(seed)
    run.save(tmp_path / "run")
    loaded = mc.Run.load(tmp_path / "run")
    assert loaded.provenance == run.provenance
    record = loaded.provenance["seed"]
    recorded = np.random.SeedSequence(**record) if isinstance(record, dict) else record
    np.testing.assert_array_equal(walk(recorded)["place"], run["place"])


def test_the_pure_function_takes_the_same_seeds() -> None:
    for seed in (2**40, [1, 2], np.random.SeedSequence(3)):
        pure = mc.trace(Walk(), origin(), observe=place, size=3, generations=3, chains=4, seed=seed)
        np.testing.assert_array_equal(pure["place"], walk(seed)["place"])
