"""Normal draws are finite and the same compiled or not, however few are drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from modelcollapse import sampling


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_few_draws_are_finite_and_the_same_compiled(dtype):
    key = sampling.key(3)
    for size in (1, 2, 3):
        drawn = [sampling.normal(key, (size,), dtype), jax.jit(lambda k, n=size: sampling.normal(k, (n,), dtype))(key)]
        np.testing.assert_allclose(drawn[0], drawn[1], rtol=1e-5)
