"""With ddof=0 a normal law may be fitted to fewer rows than a full rank needs: its rank is M - 1, and nothing fails."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import modelcollapse as mc
from modelcollapse.data import Rows
from modelcollapse.families.gaussian import Normal

MEAN, COVARIANCE = np.array([1.0, -2.0, 0.5]), np.array([[2.0, 0.9, 0.1], [0.9, 1.0, 0.2], [0.1, 0.2, 3.0]])
SPACE = mc.normal(MEAN, COVARIANCE)
FITS, CHAINS = 3, 6000
OBSERVED = [
    "squared_mean_error", "total_variance", "w2_squared", "log_determinant", "determinant", "log_variance", "log_pivots",
    "standard_deviation",
]  # fmt: skip


def root(matrices: np.ndarray) -> np.ndarray:
    values, axes = np.linalg.eigh(matrices)
    return axes * np.sqrt(np.maximum(values, 0))[..., None, :] @ np.swapaxes(axes, -1, -2)


def by_hand(size: int, divisor: int, seed: int) -> np.ndarray:
    """Squared error of the mean, trace and squared W2 of ``FITS`` fits to raw rows in NumPy, ``(3, FITS, CHAINS)``."""
    rng, out = np.random.default_rng(seed), []
    mean, covariance = np.broadcast_to(MEAN, (CHAINS, 3)), np.broadcast_to(COVARIANCE, (CHAINS, 3, 3))
    for _ in range(FITS):
        rows = mean[:, None] + rng.normal(size=(CHAINS, size, 3)) @ root(covariance)
        mean = rows.mean(1)
        centred = rows - mean[:, None]
        covariance = np.swapaxes(centred, 1, 2) @ centred / divisor
        error, trace = ((mean - MEAN) ** 2).sum(1), np.trace(covariance, axis1=1, axis2=2)
        cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root(COVARIANCE) @ covariance @ root(COVARIANCE)), 0)).sum(1)
        out.append((error, trace, error + np.trace(COVARIANCE) + trace - 2 * cross))
    return np.swapaxes(np.array(out), 0, 1)


def z_score(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (first.mean(-1) - second.mean(-1)) / np.sqrt((first.var(-1) + second.var(-1)) / CHAINS)


@pytest.mark.parametrize("size", [2, 3])
def test_fits_of_lower_rank_are_those_of_raw_rows(size: int) -> None:
    run = mc.simulate(mc.Gaussian(0), SPACE, observe=OBSERVED, size=size, generations=FITS - 1, chains=CHAINS)
    assert (run.state.status == 0).all()
    assert (run["log_determinant"] == -np.inf).all()
    assert (run["determinant"] == 0).all()
    for name in OBSERVED:
        assert not np.isnan(run[name]).any(), name
    np.testing.assert_array_equal(
        np.isneginf(run["log_pivots"]), np.broadcast_to(np.arange(3) >= size - 1, (CHAINS, FITS, 3))
    )
    found = np.array([run[name].T for name in OBSERVED[:3]])
    assert np.abs(z_score(found, by_hand(size, size, 1))).max() < 5
    # one row more, or the other divisor, is seen
    assert np.abs(z_score(found, by_hand(size + 1, size + 1, 2))).max() > 12
    assert np.abs(z_score(found, by_hand(size, size - 1, 3))).max() > 12
    # and so the run's own predictions hold, of any rank
    known = {p.observable: p for p in run.predict() if p.kind == "mean"}
    assert {"squared_mean_error", "total_variance", "log_variance", "standard_deviation", "determinant"} <= set(known)
    assert "log_pivots" not in known
    fits = np.arange(1, FITS + 1)
    trace = np.trace(COVARIANCE) * (1 - 1 / size) ** fits
    np.testing.assert_allclose(known["total_variance"].values, trace, rtol=1e-12)
    np.testing.assert_allclose(known["squared_mean_error"].values, np.trace(COVARIANCE) - trace, rtol=1e-12)
    for name in ("squared_mean_error", "total_variance"):
        spread = run[name].std(0) / np.sqrt(CHAINS)
        assert (np.abs(run[name].mean(0) - known[name].values) < 5 * spread).all()


def test_real_rows_give_the_exact_rank() -> None:
    """The rounding of rows is no direction: by QR alone, the last pivots would be some 1e-17."""
    family, rows = mc.Gaussian(0), np.random.default_rng(0).normal(size=(3, 4)) + 5

    @jax.jit
    def fitted(points: jax.Array, count: jax.Array) -> tuple[Normal, jax.Array]:
        params = family.fit(jax.random.key(0), family.summarise(Rows(points, count)), None)
        return params, family.valid(params)

    for count in (1, 2, 3):
        params, valid = fitted(jnp.asarray(rows), jnp.int32(count))
        assert bool(valid)
        np.testing.assert_array_equal(np.isfinite(params.log_scale), np.arange(4) < count - 1)
        np.testing.assert_allclose(params.covariance, np.cov(rows[:count].T, ddof=0), atol=1e-14)
        assert np.isfinite(params.log_variance).all() == (count > 1)
    # a coordinate that does not vary, before one that does, is no rank that the factor can hold
    still = rows.copy()
    still[:, 0] = 0.1
    assert not bool(fitted(jnp.asarray(still), jnp.int32(3))[1])
    for bad in (
        {"mean": jnp.full(4, jnp.nan)},
        {"log_scale": jnp.full(4, jnp.inf)},
        {"unit": jnp.full((4, 4), jnp.nan)},
    ):
        params = fitted(jnp.asarray(rows), jnp.int32(3))[0]
        assert not bool(
            family.valid(Normal(**({"mean": params.mean, "unit": params.unit, "log_scale": params.log_scale} | bad)))
        )


@pytest.mark.parametrize(
    ("family", "regime"),
    [
        (mc.Gaussian(0), mc.FreshReal(0.5)), (mc.Gaussian(0), mc.Accumulate()), (mc.Gaussian(0), mc.Retain(0.5)),
        (mc.Damped(mc.Gaussian(0), 0.5), mc.Replace()), (mc.Damped(mc.Gaussian(0), 0.0), mc.FreshReal(1.0)),
    ],
    ids=["fresh", "accumulate", "retain", "damped", "frozen"],
)  # fmt: skip
def test_no_regime_turns_them_into_nan(family: Any, regime: Any) -> None:
    observe = ["total_variance", "w2_squared", "squared_mean_error"]
    run = mc.simulate(family, SPACE, regime, observe, size=2, generations=3, chains=50)
    assert (run.state.status == 0).all()
    for name in observe:
        assert np.isfinite(run[name]).all()
    assert (run["total_variance"] > 0).all()


def test_a_single_row_is_a_point() -> None:
    run = mc.simulate(mc.Gaussian(0), SPACE, observe=["mean", "total_variance"], size=1, generations=2, chains=3)
    assert (run["total_variance"] == 0).all()
    np.testing.assert_array_equal(run["mean"], np.broadcast_to(run["mean"][:, :1], run["mean"].shape))


def test_what_is_still_refused() -> None:
    given: dict[str, Any] = {"observe": "mean", "generations": 1}
    with pytest.raises(
        ValueError, match=r"size must be at least d \+ 1 = 4 .* or give ddof=0, which allows fits of lower rank"
    ):
        mc.simulate(mc.Gaussian(), SPACE, size=3, **given)
    with pytest.raises(ValueError, match="linearly dependent"):
        mc.simulate(mc.Gaussian(0), mc.table([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]), size=3, **given)
    flat = Normal(jnp.zeros(2), jnp.eye(2), jnp.array([0.0, -jnp.inf]))
    with pytest.raises(ValueError, match="full rank for Gaussian, got a normal law of rank 1 in 2 dimensions"):
        mc.simulate(mc.Gaussian(0), mc.Law(mc.Gaussian(0), flat), size=3, **given)
