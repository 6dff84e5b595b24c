"""Logistic and Poisson regression: the optimum of an optimiser of its own, labels by the law, and fits that fail by name."""

from __future__ import annotations

import types
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, special

import modelcollapse as mc
from modelcollapse import families, sampling, sources
from modelcollapse.data import Rows
from modelcollapse.families.regression import Linear

KINDS = {"logistic": families.LogisticRegression, "poisson": families.PoissonRegression}
PLANE = families.NormalRows(np.eye(2))
ROOM = 400
fit = jax.jit(lambda family, data: family.fit(sampling.key(0), data, None).weights)


def rows(points: np.ndarray, dtype: Any = np.float64) -> Rows:
    """In room for 400, of which the rest must never be seen."""
    padded = np.concatenate([points, np.full((ROOM - len(points), points.shape[1]), np.nan)])
    return Rows(jnp.asarray(padded, dtype), jnp.int32(len(points)))


def labelled(kind: str, n: int, seed: int = 0, weights: Any = (0.4, -0.9)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2)) + np.array([1.0, 0.0])
    eta = x @ weights
    y = rng.random(n) < special.expit(eta) if kind == "logistic" else rng.poisson(np.exp(eta))
    return np.concatenate([x, y[:, None]], 1)


def optimum(kind: str, points: np.ndarray, penalty: float) -> np.ndarray:
    """By a quasi-Newton method of SciPy from another start, in float64, and two plain Newton steps to the last digit."""
    x, y = points[:, :-1], points[:, -1]

    def loss(w: np.ndarray) -> float:
        eta = x @ w
        each = np.logaddexp(0, eta) - y * eta if kind == "logistic" else np.exp(eta) - y * eta
        return float(each.mean() + penalty / 2 * w @ w)

    def mean(w: np.ndarray) -> np.ndarray:
        return special.expit(x @ w) if kind == "logistic" else np.exp(x @ w)

    def gradient(w: np.ndarray) -> np.ndarray:
        return (mean(w) - y) @ x / len(y) + penalty * w

    w = optimize.minimize(loss, np.full(x.shape[1], 0.2), jac=gradient, method="BFGS", options={"gtol": 1e-8}).x
    for _ in range(2):
        variance = mean(w) * (1 - mean(w)) if kind == "logistic" else mean(w)
        w = w - np.linalg.solve(x.T @ (variance[:, None] * x) / len(y) + penalty * np.eye(w.size), gradient(w))
    return w


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_is_the_optimum(kind: str, dtype: Any) -> None:
    points = labelled(kind, 60)
    with jax.enable_x64(dtype == np.float64):
        for penalty in (0.0, 0.1):
            found = fit(KINDS[kind](PLANE, penalty), rows(points, dtype))
            assert found.dtype == dtype
            np.testing.assert_allclose(found, optimum(kind, points, penalty), rtol=0, atol=30 * np.finfo(dtype).eps)


@pytest.mark.parametrize(("kind", "scale"), [("logistic", 8.0), ("poisson", 2.5)])
def test_large_weights_are_reached(kind: str, scale: float) -> None:
    """Where plain Newton steps from 0 would pass the optimum, or take long to come near."""
    points = labelled(kind, 400, weights=(scale, -scale / 2))
    found = fit(KINDS[kind](PLANE), rows(points))
    np.testing.assert_allclose(found, optimum(kind, points, 0.0), rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_data_without_an_optimum_have_no_fit(dtype: Any) -> None:
    x = np.random.default_rng(1).normal(size=(30, 2))
    side = x @ [1.0, 2.0] > 0
    touching = np.concatenate([x, [[2.0, -1.0], [2.0, -1.0]]])  # two labels on the dividing line itself
    cases = {
        "divided": ("logistic", x, side),
        "divided, with a tie": ("logistic", touching, np.append(side, [True, False])),
        "one label": ("logistic", np.abs(x), np.ones(30)),
        "no counts": ("poisson", np.abs(x), np.zeros(30)),
    }
    with jax.enable_x64(dtype == np.float64):
        for name, (kind, points, y) in cases.items():
            data = rows(np.concatenate([points, np.asarray(y, float)[:, None]], 1), dtype)
            assert np.isnan(fit(KINDS[kind](PLANE), data)).all(), name
            assert np.isfinite(fit(KINDS[kind](PLANE, 0.01), data)).all(), name


def test_a_chain_that_fails_says_which_data_have_no_fit() -> None:
    source = sources.logistic([6.0, -8.0])
    family = families.Damped(source.family, 0.5)
    with pytest.raises(mc.ChainFailure, match=r"in chain .* separable labels.*give more rows or penalty > 0"):
        mc.simulate(family, source, size=6, generations=1, chains=4)
    other = types.SimpleNamespace(state=types.SimpleNamespace(status=np.array([2])), family=mc.GaussianMixture(1))
    assert str(mc.ChainFailure(other)).endswith("see the `run` of this exception")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_labels_follow_their_law(kind: str) -> None:
    n, eta = 20_000, np.array([-6.0, -1.0, 0.0, 2.0])
    family = KINDS[kind](families.Design(np.repeat(eta, n)[:, None]))
    draw = jax.jit(lambda key: family.draw_rows(key, Linear(jnp.ones(1)), 4 * n, 4 * n).points)
    points = np.asarray(draw(sampling.key(3)), np.float64)
    np.testing.assert_array_equal(points[:, 0], np.repeat(eta, n))
    y = points[:, 1].reshape(4, n)
    mean = special.expit(eta) if kind == "logistic" else np.exp(eta)
    variance = mean * (1 - mean) if kind == "logistic" else mean
    assert (np.abs(y.mean(1) - mean) < 5 * np.sqrt(variance / n)).all()
    assert (np.abs(y.var(1) / variance - 1) < 5 * np.sqrt((2 + 1 / variance) / n)).all()
    assert abs(np.corrcoef(y[1], y[2])[0, 1]) < 5 / n**0.5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "regime", [mc.FreshReal(0.5), mc.Mixture(0.5, 0, 0.5), mc.Accumulate(), mc.regimes.AccumulateSubsample()],
    ids=lambda r: type(r).__name__,
)  # fmt: skip
def test_every_kind_of_regime_takes_them(kind: str, regime: Any) -> None:
    source = getattr(sources, {"logistic": "logistic", "poisson": "log_linear"}[kind])([0.5, -0.5])
    trace = lambda: mc.trace(source.family, source, regime, "squared_error", size=20, generations=2, chains=2)  # noqa: E731
    assert jax.eval_shape(trace)["squared_error"].shape == (2, 3)


def test_a_run_begins_at_the_truth_and_real_data_keep_it_there() -> None:
    """The first fit has the error of maximum likelihood, the inverse information over n; later ones have more."""
    design = np.array([[1.0, -1.0], [1.0, 1.0]] * 100)
    source = sources.logistic([0.5, 0.3], design=design)
    run = mc.simulate(source.family, source, observe="squared_error", size=200, generations=3, chains=400)
    weight = special.expit(design @ [0.5, 0.3]) * special.expit(-design @ [0.5, 0.3])
    exact = np.trace(np.linalg.inv(design.T @ (weight[:, None] * design)))
    errors = run["squared_error"].mean(0)
    assert abs(errors[0] / exact - 1) < 0.25
    # four independent steps of about that size
    assert abs(errors[3] / errors[0] - 4) < 1


def test_a_penalty_is_a_leaf_so_that_a_sweep_is_one_program() -> None:
    points = labelled("poisson", 60)
    data = rows(points)
    sweep = jax.vmap(lambda penalty: fit(families.PoissonRegression(PLANE, penalty), data))
    found = sweep(jnp.array([0.0, 0.3, 10.0]))
    for weights, penalty in zip(found, [0.0, 0.3, 10.0], strict=True):
        np.testing.assert_allclose(weights, optimum("poisson", points, penalty), atol=1e-13)


def test_the_truth_of_a_table_is_the_fit_to_all_of_it() -> None:
    points = labelled("logistic", 300)
    family = families.LogisticRegression(PLANE, penalty=0.5)
    truth = family.project(mc.table(points))
    np.testing.assert_allclose(truth.weights, optimum("logistic", points, 0.0), rtol=1e-6)
    square = points[:, :2].T @ points[:, :2] / 300
    np.testing.assert_allclose(truth.factor @ truth.factor.T, square, rtol=1e-6)
    law = sources.logistic([1.0, 2.0])
    np.testing.assert_array_equal(law.family.project(law).weights, [1.0, 2.0])


def simulate(family: Any, source: Any, size: int = 10) -> Any:
    return mc.simulate(family, source, size=size, generations=1)


LOGISTIC, POISSON = sources.logistic([1.0, -1.0]), sources.log_linear([1.0, -1.0])
REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "labels that are counts": (
        lambda: simulate(LOGISTIC.family, mc.table([[1.0, 2.0, 0.0], [2.0, 1.0, 2.0]])), ValueError,
        "labels must be 0 or 1 for LogisticRegression, got 2 in row 1"),
    "negative counts": (
        lambda: simulate(POISSON.family, mc.table([[1.0, 2.0, -1.0], [2.0, 1.0, 2.0]])), ValueError,
        r"labels must be counts 0, 1, 2, \.\.\. for PoissonRegression, got -1 in row 0"),
    "labels of another law": (
        lambda: simulate(LOGISTIC.family, POISSON), TypeError, "labels that are 0 or 1, .*law of PoissonRegression"),
    "rows of another width": (
        lambda: simulate(LOGISTIC.family, mc.normal([0.0, 0.0])), TypeError, "rows of 2 covariates and a label"),
    "too few rows": (lambda: simulate(LOGISTIC.family, LOGISTIC, 2), ValueError, "size must be at least d \\+ 1 = 3"),
    "more rows than the design has": (
        lambda: simulate((s := sources.logistic([1.0], design=[[1.0], [2.0]])).family, s, 3), ValueError,
        "size must be at most the 2 rows of the design, got 3"),
    "dependent columns": (
        lambda: simulate((s := sources.logistic([1.0, 1.0], design=np.ones((9, 2)))).family, s, 9), ValueError,
        "design has rank 1 with 2 covariates"),
    "a negative penalty": (lambda: families.LogisticRegression(PLANE, -1.0), ValueError, "penalty must be finite and not negative, got -1"),
    "no steps": (lambda: families.PoissonRegression(PLANE, steps=0), ValueError, "steps must be at least 1"),
    "a design of another width": (
        lambda: sources.log_linear([1.0], design=[[1.0, 2.0]]), ValueError, "design must have 1 columns"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_refused(name: str) -> None:
    call, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        call()
