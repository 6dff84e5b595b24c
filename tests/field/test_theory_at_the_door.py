"""What strangers gave the theory: a law in float32, text for a number, whole numbers beyond 63 bits, a large planning
question.
"""

import jax
import numpy as np
import pytest

import modelcollapse as mc
from modelcollapse_theory import plan, replacement, workflows


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize("law", [np.full(10, 0.1, np.float32), np.float32([0.7, 0.2, 0.1]), np.full(10, 0.1)])
def test_a_law_that_the_simulator_takes_is_a_law_for_the_theory(law, x64):
    """Ten times float32(0.1) is 1.0000000149."""
    with jax.enable_x64(x64):
        mc.categorical(law)
        rounded = np.asarray(law, dtype=np.float64) / np.sum(law, dtype=np.float64)
        expected = (1 - np.sum(rounded**2)) * 0.99**10
        assert float(replacement.expected_heterozygosity(law, 100, 10)) == pytest.approx(expected, rel=1e-12)
        for refuse in (mc.categorical, replacement.heterozygosity):
            with pytest.raises(ValueError, match="sum to 1"):
                refuse(1.001 * law)


@pytest.mark.parametrize("value", ["abc", "0.5"])
def test_text_is_no_number(value):
    with pytest.raises((TypeError, ValueError), match="share must be a number.*" + value):
        workflows.random_mixing(10, 3, value)
    with pytest.raises((TypeError, ValueError), match="probability must be a number.*" + value):
        plan.real_items_to_keep(value, 0.1)


@pytest.mark.parametrize(
    ("size", "fits", "name"),
    [(10, 1e19, "fits"), (10, 1e300, "fits"), (1e19, 10, "sample_size"), (np.uint64(2**63 + 5), 10, "sample_size")],
)
def test_a_whole_number_never_wraps_round(size, fits, name):
    with pytest.raises(ValueError, match=rf"{name} must be below 2\*\*63"):
        workflows.replace(size, fits)


@pytest.mark.parametrize("fits", [21, None])
def test_one_word_in_ten_thousand_through_twenty_generations_of_fifty_thousand(fits):
    """A Poisson branching process with immigration has P(absent at fit 21) = 0.05 at the share 0.20799."""
    answer = plan.share_to_keep(1e-4, 50_000, 0.05, fits)
    assert answer.value == pytest.approx(0.208, abs=1e-3)
    assert not answer.exact
