"""A share of a size is one whole number, wherever it is asked for: the decimal that the share prints as, halves up,
exact at any size.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toys import Labelled, Origins, originals

import modelcollapse as mc
from modelcollapse.portions import traced_portion, whole
from modelcollapse.pytree import part

TABLE = [
    # share, size, items
    (0.29, 50, 15), (0.57, 50, 29), (0.145, 100, 15), (0.285, 100, 29), (0.565, 100, 57), (0.575, 100, 58),  # halves that binary misses
    (0.5, 3, 2), (0.5, 1, 1), (0.49, 1, 0), (0.0, 7, 0), (1.0, 7, 7),
    (1 / 6, 3, 1), (5 / 6, 3, 3), (1 / 3, 3, 1), (2 / 3, 3, 2), (1 / 7, 7, 1),  # fractions
    (0.1, 10**7, 10**6), (1.0, 10**7, 10**7), (0.1, 10**8, 10**7), (1.0, 10**8, 10**8), (0.3, 10**9, 3 * 10**8),  # beyond 2^24
    (1e-4, 5000, 1), (1e-4, 4999, 0), (0.123456789, 10**9, 123456789),
]  # fmt: skip
SHARES, SIZES, ITEMS = (np.array(column) for column in zip(*TABLE, strict=True))


def real(params: Labelled) -> jax.Array:
    return params.seen[0]


def schedules() -> tuple[np.ndarray, np.ndarray]:
    """The table as schedules, whose first generation is all real."""
    return np.append(0.0, SHARES), np.append(10**9, SIZES)


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("make", [mc.FreshReal, lambda s: mc.Switch(mc.Replace(), mc.FreshReal(s), 1)])
def test_a_run_takes_the_counts_of_the_table(make: Any, bits: int) -> None:
    shares, sizes = schedules()
    with jax.enable_x64(bits == 64):
        run = mc.simulate(Origins(), originals(), make(shares), real, size=sizes, generations=len(TABLE))
        asked = run["real"][0, 1:]
        # as a share that was kept in single precision
        narrow = make(shares.astype(np.float32))
        again = mc.simulate(Origins(), originals(), narrow, real, size=sizes, generations=len(TABLE))["real"][0, 1:]
    known = SHARES != 0.123456789  # which single precision does not hold
    np.testing.assert_array_equal(asked, ITEMS.astype(f"float{bits}"))
    np.testing.assert_array_equal(again[known], ITEMS[known].astype(f"float{bits}"))
    assert repr(run.regime) == repr(make(shares)), "the run keeps what it was given"


@pytest.mark.parametrize("bits", [32, 64])
def test_a_constant_share_of_a_constant_size(bits: int) -> None:
    with jax.enable_x64(bits == 64):
        for share, size, items in [(0.29, 50, 15), (1.0, 10**8, 10**8), (0.1, 10**7, 10**6)]:
            for regime in (mc.FreshReal(share), mc.FixedReal(share)):
                run = mc.simulate(Origins(), originals(), regime, real, size=size, generations=2)
                assert run["real"][0].tolist() == [size, items, items]


def test_a_sweep_over_traced_shares_takes_the_same_counts() -> None:
    """Also of shares in single precision, at sizes where one ulp is many items."""
    known = SHARES != 0.123456789
    for dtype in (np.float32, np.float64):
        rounded = jax.jit(jax.vmap(traced_portion))
        found = rounded(jnp.asarray(SHARES, dtype), jnp.asarray(SIZES, jnp.int32))
        assert found.dtype == jnp.int32
        chosen = known if dtype == np.float32 else slice(None)
        np.testing.assert_array_equal(found[chosen], ITEMS[chosen])

    def one(share: Any) -> jax.Array:
        return mc.trace(Origins(), originals(), mc.FreshReal(share), real, size=50, generations=1)["real"][0, 1]

    shares = [0.29, 0.57, 0.5, 0.01, 1.0]
    for bits in (32, 64):
        with jax.enable_x64(bits == 64):
            assert jax.vmap(one)(jnp.array(shares)).tolist() == [15, 29, 25, 1, 50]


def test_random_shares_round_alike_on_the_host_and_in_a_sweep() -> None:
    draws = np.random.default_rng(0)
    shares = np.concatenate([draws.integers(0, 10**4, 40) / 1e4, draws.random(40)])
    sizes = draws.integers(1, 10**8, 80)
    run = mc.simulate(
        Origins(), originals(), mc.FreshReal(np.append(0, shares)), real, size=np.append(10**8, sizes), generations=80
    )
    swept = jax.jit(jax.vmap(traced_portion))(jnp.asarray(shares), jnp.asarray(sizes, jnp.int32))
    np.testing.assert_array_equal(run["real"][0, 1:], swept)
    assert (np.abs(np.asarray(swept) - shares * sizes) <= 0.5 + 1e-6).all()


def test_the_traced_rounding_stays_within_the_size_and_refuses_what_is_no_share() -> None:
    found = jax.jit(jax.vmap(traced_portion))(jnp.array([1.0, 1.5, -0.1, jnp.nan]), jnp.full(4, 2**31 - 1, jnp.int32))
    assert found.tolist() == [2**31 - 1, -1, -1, -1]


def test_what_is_kept_and_what_is_fresh_never_exceed_the_size() -> None:
    """A half of 5 is 3, twice: 3 are kept, and 2 are left for fresh ones."""

    def one(share: Any) -> jax.Array:
        retain = mc.Retain(share, 0.5)
        return mc.trace(Origins(), originals(), retain, origins, size=5, generations=3, chains=2)["origins"]

    for found in (jax.vmap(one)(jnp.array([0.5, 0.3])), one(0.5)[None]):
        assert (found.sum(-1) == 5).all()
        assert (found[0, ..., 1:] == 0).all(), "no model output is left"


def origins(params: Labelled) -> jax.Array:
    return params.seen


def test_argument_checks_round_as_the_run_does() -> None:
    # 14.5 of 50 are 15
    with pytest.raises(ValueError, match=r"share keeps 15 real rows for good, more than the smallest sample size 14"):
        mc.simulate(mc.Discrete(), mc.categorical([1.0]), mc.FixedReal(0.29), "entropy", size=[50, 14], generations=1)
    with pytest.raises(ValueError, match=r"share keeps 15 items of a data set that had only 14"):
        mc.simulate(mc.Discrete(), mc.categorical([1.0]), mc.Retain(0.29), "entropy", size=[14, 50], generations=1)
    with pytest.raises(ValueError, match="at least one real and one synthetic row"):
        mc.simulate(mc.Gaussian(), mc.normal(), mc.Weighted(0.5, 0.249), "mean", size=2, generations=1)
    mc.Weighted(0.5, 0.25).check(np.array([2, 2]))


@part
class Zeros:
    """A sampler of zeros."""

    def draw_rows(self, key: jax.Array, n: Any, capacity: int) -> Any:
        from modelcollapse.data import Rows

        return Rows(jnp.zeros((capacity, 1)), n)

    def moments(self) -> None:
        return None


class Ones:
    """A model of ones."""

    def fit(self, X: np.ndarray) -> None:
        self.zeros = int((X == 0).sum())

    def sample(self, n: int) -> np.ndarray:
        return np.ones((n, 1))


def test_models_on_the_host_get_the_same_counts() -> None:
    observe = {"real": lambda fitted: fitted.model.zeros}
    shares, sizes = np.append(0.0, SHARES[SIZES <= 100]), np.append(100, SIZES[SIZES <= 100])
    for regime in (mc.FreshReal(shares), mc.Switch(mc.Replace(), mc.FreshReal(shares), 1)):
        run = mc.simulate_models(Ones, Zeros(), regime, observe, size=sizes, generations=len(sizes) - 1)
        assert run["real"][0, 1:].tolist() == ITEMS[SIZES <= 100].tolist()


@pytest.mark.parametrize(
    ("share", "size", "found"),
    [
        (0.5, 500_001, False), (0.5, 500_002, True), (0.5, 2**31 - 1, False), (0.3, 10, True), (1 - 0.7, 10, True), (1 / 3, 300, True),
        (float(np.float32(1 / 3)), 300_000, True), (float(np.float32(0.3)), 500_000, True), (1 / 3, 10, False), (0.0, 7, True),
        (1.0, 2**31 - 1, True), (0.999999, 10**6, True), (0.9999995, 10**6, False),
    ],
)  # fmt: skip
def test_a_whole_number_of_items_is_told_from_half_an_item(share: float, size: int, found: bool) -> None:
    assert whole(share, size) == found
