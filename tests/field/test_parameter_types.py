"""A parameter out of range is refused whatever type of number it comes in, and one in range means the same."""

import jax.numpy as jnp
import numpy as np
import pytest

import modelcollapse as mc

BAD = {
    "rate": (lambda v: mc.Damped(mc.Gaussian(), v), 1.5),
    "noise": (lambda v: mc.PPCA(1, noise=v), -1.0),
    "bandwidth": (mc.KernelDensity, -1.0),
    "reg_covar": (lambda v: mc.GaussianMixture(1, reg_covar=v), -1.0),
}


@pytest.mark.parametrize("kind", [float, np.float32, np.float64, np.array, jnp.asarray])
@pytest.mark.parametrize("name", BAD)
def test_a_bad_parameter_is_refused_in_every_type(name, kind):
    make, bad = BAD[name]
    with pytest.raises(ValueError, match=f"{name} must .* got {bad}"):
        make(kind(bad))


@pytest.mark.parametrize(
    ("name", "bad"),
    [(name, bad) for name in BAD for bad in ("abc", "0.5", 0.5 + 1j, None, {}) if (name, bad) != ("noise", None)],
)
def test_what_is_not_a_number_is_refused_where_it_is_given(name, bad):
    """A noise of None is one that is fitted."""
    with pytest.raises(TypeError, match=f"{name} must be a number"):
        BAD[name][0](bad)


def test_numbers_of_all_types_run_alike_under_strict_promotion():
    def run(rate):
        return mc.simulate(
            mc.Damped(mc.Gaussian(), rate), mc.normal(), observe="log_variance", size=8, generations=2, chains=2
        )

    plain = run(0.5)["log_variance"]
    for kind in (np.float32, np.array, jnp.float32):
        np.testing.assert_array_equal(run(kind(0.5))["log_variance"], plain)
