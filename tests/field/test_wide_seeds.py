"""The seeds 0 and 2**32 give different runs, in both precisions."""

import jax
import pytest
from toys import Walk, origin, place

import modelcollapse as mc


@pytest.mark.parametrize("double", [False, True])
def test_the_upper_word_of_a_seed_counts(double):
    with jax.enable_x64(double):
        runs = [
            mc.simulate(Walk(), origin(), observe=place, size=3, generations=3, chains=4, seed=seed)["place"]
            for seed in (0, 2**32, 2**33)
        ]
    assert len({run.tobytes() for run in runs}) == 3
