"""A schedule given as a list, a tuple or a column of a data frame means what the array of the same numbers means."""

import numpy as np
import pytest
from toys import Origins, originals, seen

import modelcollapse as mc

SHARES = [0.1, 0.1, 0.2, 0.2]


def run(share):
    return mc.simulate(Origins(), originals(), mc.FreshReal(share), seen, size=20, generations=3)["seen"]


def test_every_sequence_is_a_schedule():
    right = run(np.array(SHARES))
    others = [SHARES, tuple(SHARES)]
    try:
        import pandas
    except ModuleNotFoundError:
        pass
    else:
        others.append(pandas.Series(SHARES))
    for share in others:
        np.testing.assert_array_equal(run(share), right)


@pytest.mark.parametrize("kind", [list, tuple, np.array])
def test_a_schedule_of_another_length_is_refused(kind):
    with pytest.raises(
        ValueError, match=r"FreshReal.share needs one entry for each generation 0 to 3 \(4 numbers\), got 2"
    ):
        run(kind([0.1, 0.2]))


def test_sizes_and_generations_to_record_too():
    def sizes(size, record):
        return mc.simulate(Origins(), originals(), None, seen, size=size, generations=3, record=record)["seen"]

    right = sizes(np.array([9, 8, 7, 6]), np.array([0, 3]))
    for kind in (list, tuple):
        np.testing.assert_array_equal(sizes(kind([9, 8, 7, 6]), kind([0, 3])), right)
