"""Rows that span no volume fail before anything is compiled, and the column at fault is named."""

import numpy as np
import pytest

import modelcollapse as mc


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.random.default_rng(0).normal(size=(50, 3)) * [1, 0, 1] + [0, 7, 0], "column 1 is constant"),
        ([[1.0, 2.0]], "single row"),
        (np.full((10, 1), 3.5), "rows of this table are equal"),
    ],
    ids=["constant column", "one row", "equal rows"],
)
def test_degenerate_rows_are_refused_at_the_door(rows, message):
    with pytest.raises(ValueError, match=message):
        mc.simulate(mc.Gaussian(), mc.table(rows), observe="log_variance", size=20, generations=1, chains=2)
