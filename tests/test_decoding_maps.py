"""The decodings of the package are the maps that the theory iterates: what is idempotent stands still, the rest does
not.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from modelcollapse.families import Greedy, Sampled
from modelcollapse.families.decoding import Past
from modelcollapse_theory import decoding as theory

ZIPF = 1 / np.arange(1, 41) / np.sum(1 / np.arange(1, 41))
PAST = Past(jax.random.key(0), None, jnp.int32(-1), jnp.int32(0))
NAMES = {"temperature": "temperature", "top_k": "top_k", "top_p": "mass", "min_p": "ratio", "epsilon": "epsilon"}
ONCE = [{"top_k": 7}, {"min_p": 0.11}, {"epsilon": 0.023}, {"top_k": 12, "min_p": 0.09, "epsilon": 0.01}]
ON = [{"temperature": 0.9}, {"top_p": 0.83}, {"temperature": 1.2, "top_k": 20, "top_p": 0.9, "min_p": 0.02}]


def iterated(setting: dict, generations: int, law: np.ndarray = ZIPF) -> np.ndarray:
    """The law of models that are fitted exactly to their predecessor's decoded output."""
    decoding, p = Sampled(**setting), jnp.asarray(law)
    for _ in range(generations):
        p = jax.nn.softmax(decoding.scores(jnp.log(p), PAST))
    return np.asarray(p)


@pytest.mark.parametrize("setting", ONCE + ON)
def test_sampled_is_the_map_of_the_theory(setting):
    for generations in (1, 2, 4):
        exact = theory.decoded(ZIPF, generations, **{NAMES[k]: v for k, v in setting.items()})
        np.testing.assert_allclose(iterated(setting, generations), exact, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("setting", ONCE)
def test_cuts_stand_still_after_one_generation(setting):
    once = iterated(setting, 1)
    assert np.array_equal(iterated(setting, 5) > 0, once > 0)
    np.testing.assert_allclose(iterated(setting, 5), once, rtol=1e-12)


@pytest.mark.parametrize("setting", ON)
def test_the_others_go_on(setting):
    assert np.abs(iterated(setting, 2) - iterated(setting, 1)).max() > 1e-3


def test_top_p_goes_down_to_its_nucleus():
    sizes, covered = theory.nucleus(ZIPF, 0.83, [1, 2, 3, 60])
    for n, size, mass in zip((1, 2, 3), sizes, covered, strict=False):
        left = iterated({"top_p": 0.83}, n) > 0
        assert left.sum() == size
        assert ZIPF[left].sum() == pytest.approx(mass)


def test_ties_stay_together_and_greedy_takes_the_first():
    flat = np.array([0.4, 0.2, 0.2, 0.1, 0.1])
    np.testing.assert_allclose(iterated({"top_k": 2}, 1, flat), theory.decoded(flat, 1, top_k=2), rtol=1e-12)
    scores = Greedy().scores(jnp.log(jnp.asarray([0.2, 0.4, 0.4])), PAST)
    assert int(Greedy().pick(PAST.key, scores, PAST)) == np.argmax(theory.greedy([0.2, 0.4, 0.4]))
