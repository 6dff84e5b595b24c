"""Weights whose sum overflows are a law all the same, once they are normalised."""

import jax
import numpy as np
import pytest

import modelcollapse as mc


@pytest.mark.parametrize("double", [False, True])
def test_weights_of_any_size_are_normalised(double):
    with jax.enable_x64(double):
        np.testing.assert_array_equal(mc.categorical([1e308, 1e308], normalise=True).params, [0.5, 0.5])
