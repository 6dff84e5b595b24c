"""Triangles drawn in law, estimates alone and least squares on rows are one family; weights and designs mean what they
say.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import modelcollapse as mc
from modelcollapse import sampling
from modelcollapse.data import Moments, Rows
from modelcollapse.families import NormalRows
from modelcollapse.families.regression import Estimate, Linear, LinearSystem

RATE = 1e-6 / 20  # false alarms a comparison
W = [1.0, -2.0, 0.5]
S = np.array([[2.0, 0.6, 0.1], [0.6, 1.0, -0.3], [0.1, -0.3, 0.5]])
SOURCE = mc.linear(W, S, noise=0.7)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(11, 3))
Y = X @ [0.3, 1.0, -1.0] + RNG.normal(size=11)


def rows(x: np.ndarray, y: np.ndarray, room: int = 3) -> Rows:
    points = np.concatenate([x, y[:, None]], 1)
    filled = np.concatenate([points, np.full((room, points.shape[1]), 1e6)])  # room, which must not be seen
    return Rows(jnp.asarray(filled), jnp.int32(len(points)))


def fit(family: mc.Regression, data: Any) -> np.ndarray:
    return np.asarray(family.fit(sampling.key(0), data, None).weights)


@functools.cache
def fits(way: str, size: int, noise: float = 0.7) -> np.ndarray:
    """Weights of 20,000 fits, ``(3, 20000)``."""
    family = dataclasses.replace(SOURCE.family, alone=way == "alone", noise=noise)

    def one(key: jax.Array) -> jax.Array:
        n = jnp.int32(size)
        if way == "rows":
            data = family.summarise(family.draw_rows(key, SOURCE.params, n, size + 2))
        else:
            data = family.draw(key, SOURCE.params, n)
        return family.fit(key, data, None).weights

    return np.asarray(jax.jit(jax.vmap(one))(jax.random.split(sampling.key(len(way)), 20_000))).T


@pytest.mark.parametrize(("way", "size"), [("rows", 6), ("alone", 6), ("alone", 4)])
def test_three_ways_of_drawing_have_one_law(way: str, size: int) -> None:
    triangles, other = fits("triangles", size), fits(way, size)
    for a, b in zip(triangles, other, strict=True):
        assert stats.ks_2samp(a, b).pvalue > RATE
    # joint law: the risk, and a direction across all weights
    gaps = [np.einsum("ic,ij,jc->c", e, S, e) for e in (v - np.array(W)[:, None] for v in (triangles, other))]
    assert stats.ks_2samp(*gaps).pvalue > RATE
    level = (size - 2) / (3 * 0.49)
    assert stats.kstest(gaps[1] * level, stats.f(3, size - 2).cdf).pvalue > RATE
    for wrong in (fits(way, size + 1), fits(way, size, 0.84)):
        assert min(stats.ks_2samp(a, b).pvalue for a, b in zip(triangles, wrong, strict=True)) < RATE


def test_a_fit_is_least_squares_ridge_or_the_shortest_solution() -> None:
    family, data = SOURCE.family, SOURCE.family.summarise(rows(X, Y))
    np.testing.assert_allclose(fit(family, data), np.linalg.lstsq(X, Y)[0], rtol=1e-12)
    ridge = np.linalg.solve(X.T @ X / 11 + 0.3 * np.eye(3), X.T @ Y / 11)
    np.testing.assert_allclose(fit(dataclasses.replace(family, penalty=0.3), data), ridge, rtol=1e-12)
    shortest = dataclasses.replace(family, minimum_norm=True)
    np.testing.assert_allclose(fit(shortest, data), np.linalg.lstsq(X, Y)[0], rtol=1e-11)
    few = family.summarise(rows(X[:2], Y[:2]))
    np.testing.assert_allclose(fit(shortest, few), np.linalg.pinv(X[:2]) @ Y[:2], rtol=1e-11)
    twice = np.stack([X[:, 0], X[:, 0], X[:, 1]], 1)
    same = family.summarise(rows(twice, Y))
    np.testing.assert_allclose(fit(shortest, same), np.linalg.pinv(twice) @ Y, rtol=1e-9)
    assert np.isnan(fit(family, same)).all()
    assert np.isnan(fit(family, few)).all()


@pytest.mark.parametrize("cut", [0, 1, 2, 5, 11])
def test_pooling_is_fitting_to_all_rows(cut: int) -> None:
    family = SOURCE.family
    a, b = (family.summarise(rows(X[s], Y[s], 14 - len(X[s]))) for s in (slice(None, cut), slice(cut, None)))
    both = a | b
    assert int(both.size) == 11
    np.testing.assert_allclose(fit(family, both), np.linalg.lstsq(X, Y)[0], rtol=1e-11)
    if cut in (0, 11):
        one, nothing = (b, a) if cut == 0 else (a, b)
        np.testing.assert_array_equal(both.rows, one.rows)
        empty = family.draw(sampling.key(0), Linear(jnp.zeros(3)), 0)
        assert int(nothing.size) == int(empty.size) == 0
        np.testing.assert_array_equal((empty | one).rows, one.rows)


def test_an_ill_conditioned_design_keeps_its_digits() -> None:
    x = np.stack([X[:, 0], X[:, 0] + 1e-7 * X[:, 1], X[:, 2]], 1)  # two columns all but equal
    y = x @ np.array(W)
    found = fit(SOURCE.family, SOURCE.family.summarise(rows(x, y)))
    np.testing.assert_allclose(found, W, rtol=1e-7)
    assert np.abs(np.linalg.solve(x.T @ x, x.T @ y) - W).max() > 1e-2, "by X'X the digits are gone"


def test_weights_on_two_data_sets() -> None:
    family, weight = SOURCE.family, 0.8
    a, b = family.summarise(rows(X[:4], Y[:4], 10)), family.summarise(rows(X[4:], Y[4:], 7))
    each = np.repeat([weight / 4, (1 - weight) / 7], [4, 7]) * 11
    expected = np.linalg.solve((X * each[:, None]).T @ X, (X * each[:, None]).T @ Y)
    np.testing.assert_allclose(fit(family, a.mixed(b, weight)), expected, rtol=1e-11)
    np.testing.assert_allclose(fit(family, a.mixed(b, 4 / 11)), np.linalg.lstsq(X, Y)[0], rtol=1e-11)
    ridge = np.linalg.solve((X * each[:, None]).T @ X / 11 + 0.3 * np.eye(3), (X * each[:, None]).T @ Y / 11)
    np.testing.assert_allclose(fit(dataclasses.replace(family, penalty=0.3), a.mixed(b, weight)), ridge, rtol=1e-11)


@pytest.mark.parametrize("weight", [0.0, 4 / 11, 0.8, 1.0])
def test_weights_on_two_sets_of_moments(weight: float) -> None:
    gaussian = mc.Gaussian(ddof=0)
    a, b = (gaussian.summarise(Rows(jnp.asarray(x), jnp.int32(len(x)))) for x in (X[:4], X[4:]))
    mixed: Moments = a.mixed(b, weight)
    each = np.repeat([weight / 4, (1 - weight) / 7], [4, 7])
    mean = each @ X
    np.testing.assert_allclose(mixed.mean, mean, rtol=1e-12, atol=1e-14)
    expected = ((X - mean) * each[:, None]).T @ (X - mean)
    np.testing.assert_allclose(gaussian.fit(sampling.key(0), mixed, None).covariance, expected, rtol=1e-11, atol=1e-13)
    assert int(mixed.size) == 11
    if weight == 4 / 11:
        np.testing.assert_allclose((a | b).log_scale, mixed.log_scale, rtol=1e-12)


def test_a_design_is_labelled_row_by_row() -> None:
    source = mc.linear(W, design=X, noise=0.0)
    drawn = source.family.draw_rows(sampling.key(0), source.params, jnp.int32(5), 8)
    np.testing.assert_allclose(drawn.points[:5, :3], X[:5])
    np.testing.assert_allclose(drawn.points[:5, 3], X[:5] @ W, rtol=1e-13)
    for n in (5, 11):
        corner = np.asarray(source.family.draw(sampling.key(0), source.params, jnp.int32(n)).rows)
        np.testing.assert_allclose(corner[:, :3].T @ corner[:, :3], X[:n].T @ X[:n], rtol=1e-12)
        np.testing.assert_allclose(corner[:, 3], corner[:, :3] @ W, rtol=1e-12)
    assert np.isnan(source.family.draw(sampling.key(0), source.params, jnp.int32(12)).rows).all()
    # labels of the design have the law of labels of its rows, correlations between weights included
    family = mc.linear(W, design=X, noise=0.7).family

    def both(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        n = jnp.int32(11)
        raw = family.summarise(family.draw_rows(key, source.params, n, 11))
        return tuple(family.fit(key, data, None).weights for data in (family.draw(key, source.params, n), raw))  # type: ignore[return-value]

    for found in jax.jit(jax.vmap(both))(jax.random.split(sampling.key(1), 20_000)):
        white = (np.asarray(found) - W) @ np.linalg.cholesky(X.T @ X) / 0.7
        assert np.abs(np.cov(white.T) - np.eye(3)).max() < 6 * (2 / 20_000) ** 0.5
        assert stats.kstest((white**2).sum(1), stats.chi2(3).cdf).pvalue > RATE


REGIMES = [
    mc.Accumulate(),
    mc.Mixture(0.6, 0.2, 0.2),
    mc.Weighted(0.7, 0.25),
    *(
        pytest.param(regime, marks=pytest.mark.slow)
        for regime in (
            mc.Replace(), mc.FreshReal(0.5), mc.FixedReal(0.5), mc.Retain(0.5), mc.AccumulateSubsample(),
            mc.Switch(mc.Accumulate(), mc.FreshReal(0.5), 2),
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize("regime", REGIMES, ids=lambda r: type(r).__name__)
def test_every_regime_runs(regime: Any) -> None:
    run = mc.simulate(
        SOURCE.family, SOURCE, regime, ["coefficients", "excess_risk", "squared_error"],
        size=8, generations=3, chains=2,
    )  # fmt: skip
    gap = run["coefficients"] - W
    np.testing.assert_allclose(run["squared_error"], (gap**2).sum(-1), rtol=1e-12)
    np.testing.assert_allclose(run["excess_risk"], np.einsum("cgi,ij,cgj->cg", gap, S, gap), rtol=1e-11)
    assert np.unique(run["coefficients"]).size == gap.size


CASES = [
    (SOURCE, mc.Replace(), {}, 30),
    *(
        pytest.param(*case, marks=pytest.mark.slow)
        for case in (
            (SOURCE, mc.Replace(), {"alone": True, "noise": 1.4}, 30),
            (SOURCE, mc.Accumulate(), {}, 12),
            (mc.linear(W), mc.FreshReal(0.25), {}, 16),
            (mc.linear(np.ones(9)), mc.Replace(), {"minimum_norm": True}, 3),
            (mc.linear(W, design=X), mc.Replace(), {}, 11),
            (mc.linear(W, S, design=X), mc.Accumulate(), {}, 9),
        )
    ),
]


@pytest.mark.parametrize(("source", "regime", "changes", "size"), CASES)
def test_predictions_are_the_means_of_a_run(source: Any, regime: Any, changes: Any, size: int) -> None:
    family = dataclasses.replace(source.family, **changes)
    run = mc.simulate(family, source, regime, "excess_risk", size=size, generations=2, chains=4000)
    (p,) = run.predict()
    values = run["excess_risk"]
    error = values.std(0, ddof=1) / np.sqrt(4000)
    assert np.abs((values.mean(0) - p.values) / error).max() < 6
    assert ((values.mean(0)[1:] - p.values[:-1]) / error[1:]).max() > 6, "one generation early would pass"


@pytest.mark.parametrize(
    ("family", "source", "regime"),
    [
        (dataclasses.replace(SOURCE.family, penalty=0.1), SOURCE, mc.Replace()),
        (SOURCE.family, SOURCE, mc.FreshReal(0.5)),  # rows that are not isotropic
        (SOURCE.family, mc.linear(W), mc.Replace()),  # other covariates than the source's
        (SOURCE.family, SOURCE, mc.Weighted(0.5)),
    ],
)
def test_no_prediction_where_its_conditions_fail(family: Any, source: Any, regime: Any) -> None:
    assert mc.predictions(family, source, regime, "excess_risk", size=12, generations=1) == []


def test_real_rows_are_fitted_and_judged_by_their_own_projection() -> None:
    table = mc.table(np.concatenate([X, Y[:, None]], 1))
    family = mc.Regression(mc.Design(X), noise=0.5)
    run = mc.simulate(family, table, observe=["coefficients", "excess_risk"], size=11, generations=2, chains=3)
    target = family.project(table)
    assert target is not None
    np.testing.assert_allclose(target.weights, np.linalg.lstsq(X, Y)[0], rtol=1e-10)
    gap = run["coefficients"] - np.asarray(target.weights)
    np.testing.assert_allclose(run["excess_risk"], (np.einsum("ti,cgi->cgt", X, gap) ** 2).mean(-1), rtol=1e-9)
    joint = mc.Regression(NormalRows(jnp.eye(1))).project(mc.normal([1.0, 2.0], [[2.0, 0.5], [0.5, 1.0]]))
    assert joint is not None
    np.testing.assert_allclose(joint.weights, [2.5 / 3.0], rtol=1e-12)  # E x y / E x^2, through the origin


def test_damping_moves_part_of_the_way() -> None:
    still = mc.simulate(mc.Damped(SOURCE.family, 0.0), SOURCE, observe="coefficients", size=8, generations=2)
    np.testing.assert_array_equal(still["coefficients"][0, 0], still["coefficients"][0, 2])


def test_single_precision_and_a_sweep() -> None:
    with jax.enable_x64(False):
        source = mc.linear(W, design=X)
        run = mc.simulate(source.family, source, mc.Weighted(0.6), "excess_risk", size=11, generations=1)
        assert run["excess_risk"].dtype == np.float32
        assert np.isfinite(run["excess_risk"]).all()
    source = mc.linear(W, design=X)

    def error(penalty: Any) -> jax.Array:
        family = dataclasses.replace(source.family, penalty=penalty)
        return mc.trace(family, source, observe="squared_error", size=11, generations=1)["squared_error"]

    swept = jax.vmap(error)(jnp.array([0.0, 100.0]))
    np.testing.assert_allclose(swept[0], error(0.0), rtol=1e-10)
    np.testing.assert_allclose(swept[1], np.sum(np.square(W)), rtol=0.2)


def run_of(source: Any = SOURCE, size: Any = 8, regime: Any = None, **changes: Any) -> mc.Run:
    family = dataclasses.replace(getattr(source, "family", SOURCE.family), **changes)
    return mc.simulate(family, source, regime, observe="coefficients", size=size, generations=1)


TWINS = np.stack([X[:, 0], X[:, 1], X[:, 0]], 1)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: run_of(size=3), ValueError, r"size must be at least d \+ 1 = 4 for least squares with 3 covariates, got 3"),
        (lambda: run_of(mc.linear(W, design=TWINS)), ValueError, "the design has rank 2 with 3 covariates"),
        (lambda: run_of(mc.linear(W, design=X), size=12), ValueError, "size must be at most the 11 rows of the source's"),
        (lambda: run_of(rows=mc.Design(X), size=12), ValueError, "size must be at most the 11 rows of the family's"),
        (lambda: run_of(penalty=-0.1), ValueError, "penalty must be finite and not negative, got -0.1"),
        (lambda: run_of(penalty=np.float64("nan")), ValueError, "penalty must be finite"),
        (lambda: run_of(noise=float("inf")), ValueError, "noise must be finite and not negative"),
        (lambda: run_of(penalty=0.1, minimum_norm=True), ValueError, "penalty must be 0 for the shortest solution"),
        (lambda: run_of(alone=True, minimum_norm=True), ValueError, "alone=True needs least squares"),
        (lambda: run_of(alone=True, regime=mc.Accumulate()), TypeError, "cannot be pooled"),
        (lambda: mc.simulate(SOURCE.family, mc.normal([0.0] * 3), size=9, generations=1), TypeError, "3 covariates and a label"),
        (
            lambda: mc.simulate(SOURCE.family, mc.table(np.c_[TWINS, Y]), observe="coefficients", size=9, generations=1),
            ValueError,
            "the design has rank 2",
        ),
        (lambda: mc.linear([1.0, np.nan]), ValueError, "weights must be finite, got nan in place 1"),
        (lambda: mc.linear(W, -1.0), ValueError, "covariance must be positive definite"),
        (lambda: mc.linear(W, noise=-1.0), ValueError, "noise must be finite and not negative"),
        (lambda: mc.linear(W, design=X[:, :2]), ValueError, "design must have 3 columns, one for each entry of weights, got 2"),
        (lambda: mc.Design(np.array([1.0, 2.0])), ValueError, r"given must be a table \(n, d\), got shape \(2,\)"),
        (lambda: mc.Design(np.array([[1.0], [np.inf]])), ValueError, "given must be finite, got inf in row 1, column 0"),
        (lambda: run_of(regime=mc.Weighted(1.2)), ValueError, r"weight must lie in \[0, 1\]"),
        (lambda: run_of(regime=mc.Weighted(0.5, 0.0)), ValueError, "at least one real and one synthetic row"),
        (lambda: run_of(regime=mc.Weighted(0.5, 1.0)), ValueError, "at least one real and one synthetic row"),
        (
            lambda: mc.simulate(mc.Poisson(), mc.poisson(2.0), mc.Weighted(0.5), size=9, generations=1),
            TypeError,
            "got Poisson, whose .* have no method `mixed`: use FreshReal for plain pooling",
        ),
    ],
)  # fmt: skip
def test_refusals(call: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_kinds_of_data_set() -> None:
    assert SOURCE.family.data is LinearSystem
    assert dataclasses.replace(SOURCE.family, alone=True).data is Estimate
