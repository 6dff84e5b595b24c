"""Where a refusal says to pass an argument, the function has it."""

import numpy as np
import pytest

import modelcollapse as mc


def test_a_mixture_takes_the_advice_that_it_gives():
    with pytest.raises(ValueError, match="normalise=True"):
        mc.normal_mixture([3, 1], [0.0, 5.0], [1.0, 1.0])
    law = mc.normal_mixture([3, 1], [0.0, 5.0], [1.0, 1.0], normalise=True)
    np.testing.assert_array_equal(law.params.weights, [0.75, 0.25])
