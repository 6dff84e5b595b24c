"""The mass of a tail is a probability of states that exist, each counted once."""

import numpy as np
import pytest

import modelcollapse as mc


@pytest.mark.parametrize(
    "given",
    [{"states": s} for s in ([7], [-1], [0.7], [0, 0], [True], [], "0", [[0]])]
    + [{"below": b} for b in (np.nan, -1.0, 0.0, 1j, "0.1")],
    ids=repr,
)
def test_states_that_make_no_sense_are_refused(given):
    name = next(iter(given))
    with pytest.raises((ValueError, TypeError), match=f"{name} must"):
        mc.simulate(
            mc.Discrete(), mc.categorical([0.5, 0.3, 0.2]), observe={"x": mc.tail_mass(**given)}, size=50, generations=2
        )


def test_the_mass_of_the_states_that_are_given():
    observe = {
        "list": mc.tail_mass([0, 2]),
        "array": mc.tail_mass(np.array([0, 2])),
        "rare": mc.tail_mass(below=0.25),
        "law": "probabilities",
    }
    run = mc.simulate(mc.Discrete(), mc.categorical([0.5, 0.3, 0.2]), observe=observe, size=50, generations=2, chains=3)
    np.testing.assert_allclose(run["list"], run["law"][..., [0, 2]].sum(-1))
    np.testing.assert_array_equal(run["array"], run["list"])
    np.testing.assert_array_equal(run["rare"], run["law"][..., 2])
