"""What XLA is told about lanes and readers changes no value, no derivative and no bit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelcollapse import sampling
from modelcollapse.sampling import keys


def scaled(x, y):
    """``(d, lanes)`` and ``(lanes,)``."""
    return x * jnp.sin(y)[None], jnp.cumsum(x, axis=0)


def plain(x, y):
    return x * jnp.sin(y), jnp.cumsum(x)


AXES = [(0, None), (None, 0), (0, 0), (-1, 0)]


@pytest.mark.parametrize("axes", AXES)
def test_a_kernel_over_lanes_is_the_same_function(axes):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 5) if axes[0] is not None else 5)
    y = rng.normal(size=5 if axes[1] is not None else ())
    ours = jax.jit(jax.vmap(sampling.over_lanes(scaled), axes))(x, y)
    for a, b in zip(ours, jax.vmap(plain, axes)(x, y), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)


def test_without_a_batch_and_with_two():
    x, y = jnp.arange(12.0).reshape(2, 3, 2), jnp.arange(3.0)
    kernel = sampling.over_lanes(scaled)
    np.testing.assert_allclose(kernel(x[0, 0], y[1])[0], plain(x[0, 0], y[1])[0])
    twice = jax.vmap(jax.vmap(kernel), (0, None))(x, y)
    for a, b in zip(twice, jax.vmap(jax.vmap(plain), (0, None))(x, y), strict=True):
        np.testing.assert_allclose(a, b)


@pytest.mark.parametrize("function", [sampling.over_lanes(scaled), lambda x, y: sampling.materialise(plain(x, y))])
def test_derivatives(function):
    x, y = jnp.arange(1.0, 7.0).reshape(3, 2), jnp.arange(3.0)

    def total(f):
        return lambda x, y: sum(leaf.sum() for leaf in jax.vmap(f)(x * y[:, None], y))

    for got, expected in zip(
        jax.jit(jax.grad(total(function), (0, 1)))(x, y), jax.grad(total(plain), (0, 1))(x, y), strict=True
    ):
        np.testing.assert_allclose(got, expected)
    np.testing.assert_allclose(jax.grad(lambda y: function(x[0], y)[0].sum())(0.3), x[0].sum() * np.cos(0.3))


@given(st.lists(st.integers(0, 2**32 - 1), min_size=3, max_size=3), st.integers(0, 2**32 - 1))
def test_words_keep_their_bits(words, other):
    # infinities, quiet and signalling NaN among them
    first = np.array([*words, 0x7F800001, 0xFFC00000, 0x7F800000, 0x80000000], np.uint32)
    second = np.full_like(first, other)
    for got, given_ in zip(_pair(first, second), (first, second), strict=True):
        np.testing.assert_array_equal(got, given_)


_pair = jax.jit(sampling.materialise_pair)


def test_pairs_of_reals_and_nothing_at_all():
    x = jnp.array([1.0, -0.0, jnp.nan, jnp.inf])
    np.testing.assert_array_equal(np.stack(sampling.materialise_pair(x, 2 * x)), np.stack([x, 2 * x]))
    assert sampling.materialise(()) == ()
    assert sampling.materialise([jnp.int32(3)]) == [3]


def test_where_the_chains_are_put():
    assert sampling.axis_of_chains((10, 10)) == -1
    assert sampling.axis_of_chains(()) == -1
    assert sampling.axis_of_chains((1000,)) == 0
    for shape in ((3,), (1000,)):
        x = jnp.arange(2.0 * np.prod(shape)).reshape(2, *shape)
        np.testing.assert_array_equal(jax.jit(jax.vmap(sampling.materialise))(x), x)


def test_words_of_settled_keys_are_those_of_the_keys():
    key = sampling.key(9)
    for shape in ((), (7,), (2, 3)):
        for a, b in zip(keys.words(key, shape, 5), keys.words(keys.materialised(key), shape, 5), strict=True):
            np.testing.assert_array_equal(a, b)
    batch = jax.random.split(key, 4)
    lanes = keys.materialised(batch)
    assert keys.lanes(lanes) == (4,)
    laned = keys.words(keys.Address(*lanes), (3,), 2)
    apart = jax.vmap(lambda key: keys.words(key, (3,), 2), out_axes=-1)(batch)
    np.testing.assert_array_equal(np.stack(laned), np.stack(apart))
    stored = keys.materialise_keys(batch)
    np.testing.assert_array_equal(jax.random.key_data(stored), jax.random.key_data(batch))
    folded = jax.random.key_data(keys.fold(key, 3))
    np.testing.assert_array_equal(np.stack(keys.fold(keys.materialised(key), 3)), folded)
