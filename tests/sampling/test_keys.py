"""The unrolled keys give the numbers of JAX's own, bit for bit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from modelcollapse import sampling
from modelcollapse.sampling import keys

# Known answers for threefry2x32, 20 rounds, of Random123 (kat_vectors): counter, key, output.
KNOWN = [
    ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
]


def same(ours, stock):
    """Compared on the host, where a comparison is not a program of its own for each shape."""
    return np.array_equal(np.asarray(ours), np.asarray(stock))


def words(key):
    return np.asarray(jax.random.key_data(key))


@pytest.mark.parametrize(("counter", "key", "output"), KNOWN)
def test_known_answers(counter, key, output):
    assert tuple(int(word) for word in keys.threefry2x32(*map(jnp.uint32, (*key, *counter)))) == output


@pytest.mark.parametrize("seed", [0, 1, -1, 2**31 + 5, 2**40 + 3])
def test_same_key_from_a_seed(seed):
    ours, stock = sampling.key(seed), jax.random.key(seed, impl="threefry2x32")
    assert jax.random.key_impl(ours) == keys.unrolled()
    assert same(words(ours), words(stock))
    by_impl = jax.random.key(seed, impl=keys.unrolled())
    assert same(words(by_impl), words(stock))


def test_same_stream_as_jax():
    ours, stock = sampling.key(1), jax.random.key(1, impl="threefry2x32")
    for shape in [(), (0,), (2, 1, 129)]:
        for dtype in (jnp.uint8, jnp.uint16, jnp.uint32, jnp.uint64):
            assert same(jax.random.bits(ours, shape, dtype), jax.random.bits(stock, shape, dtype))
        assert same(*(words(jax.random.split(key, shape)) for key in (ours, stock)))
    for data in (0, 1, 2**31, 2**32 - 1):
        assert same(*(words(jax.random.fold_in(key, data)) for key in (ours, stock)))
    for draw in (jax.random.uniform, jax.random.normal):
        assert same(draw(ours, (9,), jnp.float32), draw(stock, (9,), jnp.float32))


def test_same_stream_under_transformations():
    stock = jax.random.split(jax.random.key(3, impl="threefry2x32"), 4)
    ours = sampling.wrap(stock)

    @jax.jit
    def draw(batch):
        def step(total, index):
            fresh = jax.vmap(lambda key: jax.random.bits(jax.random.fold_in(key, index), (5,), jnp.uint32))(batch)
            return total ^ fresh, None

        return jax.lax.scan(step, jnp.zeros((4, 5), jnp.uint32), jnp.arange(3))[0]

    assert same(draw(ours), draw(stock))


def test_fold_is_fold_in():
    ours, stock = sampling.key(5), jax.random.key(5, impl="threefry2x32")
    expected = jax.random.fold_in(jax.random.fold_in(stock, 7), 2)
    assert same(words(sampling.fold(ours, 7, 2)), words(expected))
    assert same(words(sampling.fold(ours)), words(ours))
    batch = jax.jit(jax.vmap(lambda index: sampling.fold(ours, index, 2)))(jnp.arange(9, dtype=jnp.int32))
    assert same(words(batch)[7], words(expected))


def test_words_are_the_words_of_bits():
    key = sampling.key(11)
    high, low = np.asarray(keys.words(key, (4, 3)))
    assert same(high ^ low, jax.random.bits(key, (4, 3), jnp.uint32))
    other = np.asarray(keys.words(key, (4, 3), stream=1))
    assert not (high == other[0]).any()
    assert not (high == low).any()


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg", "unsafe_rbg"])
def test_any_typed_key_works(impl):
    key = jax.random.key(0, impl=impl)
    assert jax.eval_shape(lambda: sampling.binomial(key, 10, 0.5)).dtype == jnp.int32
    assert sampling.normal(sampling.fold(key, 3), (2,)).shape == (2,)
    assert jax.eval_shape(lambda: sampling.multinomial(key, 9, jnp.ones(3))).shape == (3,)


def test_raw_keys_work_and_round_trip():
    raw = jax.random.key_data(sampling.key(8))
    assert sampling.binomial(raw, 1000, 0.5) == sampling.binomial(sampling.key(8), 1000, 0.5)
    assert sampling.binomial(np.asarray(raw), 1000, 0.5) == sampling.binomial(sampling.key(8), 1000, 0.5)
    assert same(words(sampling.wrap(keys.raw(sampling.key(8)))), raw)


@pytest.mark.parametrize("bad", [3, jnp.zeros(2), jnp.zeros(3, jnp.uint32), None])
def test_refuses_what_is_no_key(bad):
    with pytest.raises(TypeError, match="key must be"):
        sampling.wrap(bad)
