"""A stationary law from ``numpy.linalg.eig`` is complex: no imaginary part is dropped in silence."""

import numpy as np
import pytest

import modelcollapse as mc


def test_complex_weights_are_refused_by_name():
    _, vectors = np.linalg.eig(np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]]))
    assert np.iscomplexobj(vectors)
    for weights in (vectors[:, 0] / vectors[:, 0].sum(), np.array([0.5 + 3j, 0.5])):
        with pytest.raises(TypeError, match="weights"):
            mc.categorical(weights)
