"""The first thing that people try: data as they are in place of a source. The refusal says which function wraps them."""

import numpy as np
import pytest

import modelcollapse as mc


@pytest.mark.parametrize(
    ("family", "source"),
    [(mc.Gaussian(), np.zeros((500, 2))), (mc.Discrete(), [0.5, 0.5])],
    ids=["rows", "probabilities"],
)
def test_bare_data_are_refused_with_the_call_that_wraps_them(family, source):
    with pytest.raises(TypeError, match=r"^source .*table\(rows\).*categorical\(p\)") as caught:
        mc.simulate(family, source, size=20, generations=1)
    assert len(str(caught.value)) <= 400
    assert "0.5" not in str(caught.value)
