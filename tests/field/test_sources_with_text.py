"""A number given as text is refused, by the name of the argument."""

import pytest

import modelcollapse as mc


@pytest.mark.parametrize("text", ["abc", "0.5"])
@pytest.mark.parametrize(
    ("name", "build"),
    [("weights", mc.categorical), ("mean", mc.normal), ("covariance", lambda v: mc.normal(0.0, v))],
)
def test_text_is_refused_by_the_name_of_the_argument(name, build, text):
    with pytest.raises(TypeError, match=f"^{name} "):
        build(text)
