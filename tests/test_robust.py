"""Robust fits are what SciPy finds, move and stretch with the rows, and do not look at what fills a data set."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

import modelcollapse as mc
from modelcollapse.data import Rows
from modelcollapse.families import MedianMAD, StudentT

CAPACITY = 12
rows = st.lists(st.integers(-(10**6), 10**6), min_size=3, max_size=CAPACITY, unique=True)


@functools.cache
def fitter(family: type, bits: int) -> Callable[..., tuple[float, float]]:
    def fit(points: jax.Array, count: Any, dof: Any) -> tuple[jax.Array, jax.Array]:
        one = MedianMAD() if family is MedianMAD else StudentT(dof)
        params = one.fit(jax.random.key(0), Rows(points, count), None)
        return params.mean[0], params.log_scale[0]

    compiled = jax.jit(fit)

    def found(values: Any, dof: float = 3.0) -> tuple[float, float]:
        points = np.append(values, np.full(CAPACITY - len(values), np.nan)).astype(f"float{bits}")[:, None]
        with jax.enable_x64(bits == 64):
            location, log_scale = compiled(points, np.int32(len(values)), np.asarray(dof, f"float{bits}"))
        return float(location), float(log_scale)

    return found


@given(rows, st.sampled_from([32, 64]))
def test_median_and_deviation_are_those_of_scipy(values: list[int], bits: int) -> None:
    location, log_scale = fitter(MedianMAD, bits)(values)
    eps = float(np.finfo(f"float{bits}").eps)
    assert location == pytest.approx(np.median(values), rel=2 * eps, abs=2 * eps)
    mad = stats.median_abs_deviation(values, scale="normal")
    assert np.exp(log_scale) == pytest.approx(mad, rel=30 * eps)


@pytest.mark.parametrize(("bits", "tolerance"), [(64, 1e-6), (32, 1e-5)])
@pytest.mark.parametrize("dof", [1.0, 3.0, 30.0])
def test_a_t_fit_has_the_largest_likelihood(dof: float, bits: int, tolerance: float) -> None:
    rng = np.random.default_rng(1)
    for size in (3, 8, 12):
        x = rng.standard_t(2, size)

        def loss(at: np.ndarray, x: np.ndarray = x) -> float:
            return -stats.t.logpdf(x, dof, at[0], np.exp(at[1])).sum()

        location, log_scale = fitter(StudentT, bits)(x, dof)
        best = min(
            (optimize.minimize(loss, [start, np.log(x.std())], method="BFGS") for start in (np.median(x), x.mean())),
            key=lambda one: one.fun,
        )
        assert loss(np.array([location, log_scale])) <= best.fun + tolerance
    assert loss(np.array([x.mean(), np.log(x.std())])) > best.fun + tolerance


def test_one_wild_row_hardly_moves_it() -> None:
    x = np.linspace(-1, 1, 11)
    for family in (MedianMAD, StudentT):
        before, after = fitter(family, 64)(x), fitter(family, 64)(np.append(x, 1e6))
        assert abs(after[0] - before[0]) < 0.2
        assert abs(after[1] - before[1]) < 0.4


@given(rows, st.integers(-3, 3), st.integers(-1000, 1000))
def test_fits_move_and_stretch_with_the_rows(values: list[int], octaves: int, by: int) -> None:
    x = np.array(values) / 1024
    for family in (MedianMAD, StudentT):
        location, log_scale = fitter(family, 64)(x)
        moved = fitter(family, 64)(x * 2.0**octaves + by)
        assert moved[0] == pytest.approx(location * 2.0**octaves + by, rel=1e-9, abs=1e-8)
        assert moved[1] == pytest.approx(log_scale + octaves * np.log(2), abs=1e-8)


def test_the_logarithm_of_the_scale_walks_by_independent_steps() -> None:
    """Whatever the scale is: the steps of two fits have one law and no correlation; a plain fit's are smaller."""
    chains = 4000
    spread = {}
    for family in (MedianMAD(), StudentT(4.0), mc.Gaussian()):
        run = mc.simulate(family, mc.normal(0.0, 9.0), observe="log_pivots", size=9, generations=5, chains=chains)
        steps = np.diff(run["log_pivots"][..., 0], axis=1)[:, 1:]
        assert stats.ks_2samp(steps[:, 0], steps[:, -1]).pvalue > 1e-5
        assert abs(stats.spearmanr(steps[:, 0], steps[:, -1])[0]) < 5 / np.sqrt(chains)
        assert steps.mean() < -12 * steps.std() / np.sqrt(steps.size)  # robust or not, it collapses
        spread[type(family)] = steps.std()
    assert spread[MedianMAD] > 1.2 * spread[mc.Gaussian]


def test_t_rows_have_the_law_of_the_model() -> None:
    family = StudentT(3.0)
    points = jax.jit(lambda: family.draw(jax.random.key(0), family.law(1.0, 2.0), jnp.int32(20_000), 20_000).points)()
    assert stats.kstest(np.ravel(points), stats.t(3, 1, 2).cdf).pvalue > 1e-5
    assert stats.kstest(np.ravel(points), stats.t(4, 1, 2).cdf).pvalue < 1e-3


def test_a_run_is_saved_and_goes_on(tmp_path: Path) -> None:
    settings: Any = {"size": 9, "chains": 4}
    source = mc.Law(StudentT(3.0), StudentT(3.0).law(0.0, 1.0))
    short = mc.simulate(StudentT(3.0), source, generations=2, **settings)
    short.save(tmp_path / "run.npz")
    long = mc.simulate(StudentT(3.0), source, generations=4, **settings)
    again = mc.Run.load(tmp_path / "run.npz").extend(2)
    for name in ("mean", "log_pivots"):
        np.testing.assert_array_equal(again[name], long[name])


def test_what_cannot_be_fitted_is_refused() -> None:
    cases: list[tuple[Any, Any, int, str]] = [
        (MedianMAD(), mc.normal([0.0, 0.0]), 9, "one column"),
        (MedianMAD(), mc.normal(), 1, "size must be at least 2 for a scale fitted by MedianMAD, got 1"),
        (StudentT(1.0), mc.normal(), 2, r"size must be more than 1 \+ 1/dof = 2 for StudentT, got 2"),
        (StudentT(0.5), mc.normal(), 3, "more than"),
        (StudentT(3.0), mc.table([[1.0], [1.0]]), 5, "equal"),
    ]
    for family, source, size, message in cases:
        with pytest.raises(ValueError, match=message):
            mc.simulate(family, source, size=size, generations=1)
    with pytest.raises(ValueError, match="dof must be finite and positive, got 0"):
        StudentT(0.0)
