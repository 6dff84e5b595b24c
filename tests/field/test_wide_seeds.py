"""The seeds 0 and 2**32 give different runs, in both precisions."""

import jax
import pytest
from runs import walk


@pytest.mark.parametrize("double", [False, True])
def test_the_upper_word_of_a_seed_counts(double):
    with jax.enable_x64(double):
        runs = [walk(seed)["place"] for seed in (0, 2**32, 2**33)]
    assert len({run.tobytes() for run in runs}) == 3
