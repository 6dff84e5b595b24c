"""``codes.max() + 1`` is an integer of NumPy, and it counts states, components, trials and classes as well as one of
Python.
"""

import numpy as np
import pytest
from runs import walk

import modelcollapse as mc

THREE = np.array([0, 1, 2, 0]).max() + 1


@pytest.mark.parametrize(
    "make",
    [
        mc.Discrete,
        mc.GaussianMixture,
        mc.Binomial,
        mc.PPCA,
        mc.AccumulateSubsample,
        lambda n: mc.Conditional(mc.Gaussian(), n),
    ],
)
def test_an_integer_of_numpy_is_a_whole_number(make):
    assert repr(make(THREE)) == repr(make(3))


def test_a_whole_run_from_numbers_of_numpy():
    def run(one, two, four, seven):
        return walk(seven, generations=one, size=four, chains=two)["place"]

    plain = run(1, 2, 4, 7)
    for kind in (np.int64, np.uint8, np.array):
        np.testing.assert_array_equal(run(kind(1), kind(2), kind(4), kind(7)), plain)
