"""Large finite weights become a law as long as their sum is a number; beyond, they are refused by name."""

import jax
import numpy as np
import pytest

import modelcollapse as mc


@pytest.mark.parametrize("double", [False, True])
def test_large_weights_are_a_law_or_refused(double):
    with jax.enable_x64(double):
        np.testing.assert_array_equal(mc.categorical([8e307, 8e307], normalise=True).params, [0.5, 0.5])
        with pytest.raises(ValueError, match=r"weights must have a finite sum, got inf .*largest is 1e\+308.*divide"):
            mc.categorical([1e308, 1e308], normalise=True)
