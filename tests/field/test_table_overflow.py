"""A finite row does not become infinite in a table of 32 bits."""

import jax
import numpy as np
import pytest

import modelcollapse as mc


@pytest.mark.parametrize("large", [1e39, 1e300])
def test_a_row_beyond_float32_is_refused_there_and_kept_in_64_bits(large):
    rows = [[large], [1.0], [2.0]]
    with jax.enable_x64(False), pytest.raises(ValueError, match=r"row 0, column 0"):
        mc.table(rows)
    with jax.enable_x64(True):
        np.testing.assert_array_equal(mc.table(rows).points, rows)
