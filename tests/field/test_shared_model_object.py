"""One model object in every generation: its older draws would change under the loop's hands, so it is refused or right."""

import numpy as np
import pytest

import modelcollapse as mc


class Numbered:
    """Its draws are the number of its last fit."""

    fits = 0

    def fit(self, X):
        Numbered.fits += 1
        self.number = Numbered.fits

    def sample(self, n):
        return np.full((n, 1), float(self.number))


def tags(make):
    Numbered.fits = 0
    mixture = mc.Mixture(0.5, 0.5, 0.0)
    observe = {"rows": lambda fitted: fitted.rows[:, 0]}
    rows = mc.simulate_models(make, mc.normal(), mixture, observe, size=400, generations=3)["rows"][0, 3]
    return {1, 2, 3} & set(rows.tolist())


def test_a_mixture_draws_from_all_earlier_models_and_one_object_cannot_be_all_of_them():
    assert tags(Numbered) == {1, 2, 3}  # each is missing with probability below 1e-20
    shared = Numbered()
    with pytest.raises(TypeError, match="same Numbered twice"):
        tags(lambda: shared)
