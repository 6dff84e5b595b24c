"""A kernel density draws what it says, is scikit-learn's and SciPy's under their names, and runs in every regime."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from sklearn.neighbors import KernelDensity as Peer

import modelcollapse as mc
from modelcollapse import sampling
from modelcollapse.data import Rows
from modelcollapse.families.kde import Kernels

RATE = 1e-6 / 10  # false alarms a comparison
POINTS = np.random.default_rng(0).normal(size=(12, 2)) @ [[1.0, 0.0], [0.8, 0.5]]
ROWS = Rows(jnp.asarray(np.vstack([POINTS, np.full((4, 2), 1e6)])), jnp.int32(12))  # room, which must not be seen
WHERE = np.random.default_rng(1).normal(size=(7, 2))


def fit(family: mc.KernelDensity) -> Kernels:
    return family.fit(sampling.key(0), ROWS, None)


@pytest.mark.parametrize("rule", ["scott", "silverman", 0.3])
def test_the_density_is_that_of_scipy(rule: Any) -> None:
    peer = stats.gaussian_kde(POINTS.T, bw_method=rule)
    named = {"bandwidth": rule, "scaled": True} if isinstance(rule, float) else {"rule": rule}
    found = fit(mc.KernelDensity(**named))
    np.testing.assert_allclose(found.log_density(jnp.asarray(WHERE)), peer.logpdf(WHERE.T), rtol=1e-12)
    np.testing.assert_allclose(found.factor @ found.factor.T, peer.covariance, rtol=1e-12)


@pytest.mark.parametrize("rule", ["scott", "silverman", 0.3])
def test_the_density_is_that_of_scikit_learn(rule: Any) -> None:
    named = {"bandwidth": rule} if isinstance(rule, float) else {"rule": rule, "scaled": False}
    found = fit(mc.KernelDensity(**named))
    expected = Peer(bandwidth=rule).fit(POINTS).score_samples(WHERE)
    np.testing.assert_allclose(found.log_density(jnp.asarray(WHERE)), expected, rtol=1e-10)


def test_moments_are_those_of_the_density() -> None:
    found = fit(mc.KernelDensity(0.5))
    np.testing.assert_allclose(found.mean, POINTS.mean(0), rtol=1e-13)
    np.testing.assert_allclose(found.covariance, np.cov(POINTS.T, ddof=0) + 0.25 * np.eye(2), rtol=1e-12)
    far = Kernels(found.points + 1e7, found.count, found.factor)
    np.testing.assert_allclose(far.covariance, found.covariance, rtol=1e-7)


def test_draws_come_from_the_density_and_never_from_the_room() -> None:
    family = mc.KernelDensity(0.4, rule="fixed", scaled=True)
    model, n = fit(family), 20_000
    drawn = family.draw_rows(sampling.key(3), model, jnp.int32(n), n).points
    # along each axis the density is a mixture of normals, whose distribution function is plain
    for axis in (0, 1):
        width = float(jnp.linalg.norm(model.factor[axis]))
        cdf = lambda x, axis=axis, width=width: stats.norm.cdf((x[:, None] - POINTS[:, axis]) / width).mean(1)  # noqa: E731
        assert stats.kstest(np.asarray(drawn[:, axis]), cdf).pvalue > RATE
        assert stats.kstest(np.asarray(drawn[:, axis]) / 1.1, cdf).pvalue < RATE
    correlation = np.corrcoef(drawn.T)[0, 1]
    c = np.asarray(model.covariance)
    expected = c[0, 1] / np.sqrt(c[0, 0] * c[1, 1])
    assert abs(np.arctanh(correlation) - np.arctanh(expected)) < 6 / np.sqrt(n)


def test_every_row_is_picked_alike() -> None:
    apart = Kernels(jnp.arange(16.0)[:, None], jnp.int32(11), jnp.full((1, 1), 1e-3))
    drawn = np.asarray(mc.KernelDensity().draw_rows(sampling.key(1), apart, jnp.int32(5000), 5000).points[:, 0])
    counts = np.bincount(drawn.round().astype(int), minlength=16)
    assert counts[11:].sum() == 0
    assert stats.chisquare(counts[:11]).pvalue > RATE


def test_a_chain_has_the_law_of_one_of_scikit_learn() -> None:
    chains, setting = 150, {"size": 12, "generations": 2, "record": [2]}

    def spread(fitted: Any) -> Any:
        """Variance of the fitted rows, which both know."""
        return fitted.rows.var() if hasattr(fitted, "rows") else fitted.points[:12].var()

    make = lambda: Peer(bandwidth=0.8)  # noqa: E731
    theirs = mc.simulate_models(make, mc.normal(), observe=spread, chains=chains, **setting)["spread"][:, 0]  # type: ignore[arg-type]

    def ours(bandwidth: float) -> np.ndarray:
        family = mc.KernelDensity(bandwidth)
        return mc.simulate(family, mc.normal(), observe=spread, chains=4000, **setting)["spread"][:, 0]  # type: ignore[arg-type]

    assert stats.ks_2samp(ours(0.8), theirs).pvalue > RATE
    assert stats.ks_2samp(ours(1.2), theirs).pvalue < RATE


REGIMES = [
    mc.Accumulate(),
    *(
        pytest.param(regime, marks=pytest.mark.slow)
        for regime in (
            mc.Mixture(0.6, 0.2, 0.2),
            mc.Replace(), mc.FreshReal(0.5), mc.FixedReal(0.5), mc.Retain(0.5), mc.AccumulateSubsample(),
            mc.Switch(mc.Accumulate(), mc.FreshReal(0.5), 2),
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize("regime", REGIMES, ids=lambda r: type(r).__name__)
def test_every_regime_runs(regime: Any) -> None:
    run = mc.simulate(
        mc.KernelDensity(rule="scott"), mc.normal([1.0, 2.0]), regime, ["mean", "variance"],
        size=8, generations=4, chains=3,
    )  # fmt: skip
    assert np.isfinite(run["variance"]).all()
    assert np.unique(run["variance"]).size == run["variance"].size
    sizes = 40 if isinstance(regime, mc.Accumulate) else 8
    np.testing.assert_array_equal(run.params.count, sizes)


def test_a_longer_run_with_a_growing_pool_is_the_same_run() -> None:
    setting: dict[str, Any] = {"size": 8, "chains": 3, "observe": "variance"}
    family, regime = mc.KernelDensity(0.3), mc.Accumulate()
    whole = mc.simulate(family, mc.normal(), regime, generations=5, **setting)
    grown = mc.simulate(family, mc.normal(), regime, generations=3, **setting).extend(2)
    np.testing.assert_allclose(grown["variance"], whole["variance"], rtol=1e-12)


CASES = [
    (mc.KernelDensity(0.8, rule="silverman"), mc.Accumulate(), 2),
    *(
        pytest.param(*case, marks=pytest.mark.slow)
        for case in (
            (mc.KernelDensity(rule="silverman"), mc.Replace(), 2),
            (mc.KernelDensity(0.4), mc.Replace(), 2),
            (mc.KernelDensity(0.4, scaled=True), mc.Replace(), 2),
            (mc.KernelDensity(0.4), mc.FreshReal(0.25), 2),
            (mc.KernelDensity(rule="scott", scaled=False), mc.Accumulate(), 2),
            (mc.KernelDensity(0.4), mc.Retain(0.5), 0),
            (mc.KernelDensity(0.4, scaled=True), mc.Accumulate(), 0),
        )
    ),
]


@pytest.mark.parametrize(("family", "regime", "count"), CASES)
def test_predictions_are_the_means_of_a_run(family: Any, regime: Any, count: int) -> None:
    run = mc.simulate(
        family, mc.normal([0.0, 1.0], [[2.0, 0.5], [0.5, 1.0]]), regime, ["variance", "squared_mean_error"],
        size=40, generations=4, chains=1500,
    )  # fmt: skip
    found = run.predict()
    assert len(found) == count
    for p in found:
        values = run[p.observable]
        z = (values.mean(0) - p.values) / (values.std(0, ddof=1) / np.sqrt(1500))
        assert np.abs(z).max() < 6, p
        late = (values[:, 1:].mean(0) - p.values[:-1]) / (values[:, 1:].std(0, ddof=1) / np.sqrt(1500))
        assert np.abs(late[0]).max() > 6, "one generation early would pass"


def test_a_sweep_over_bandwidths_is_one_trace() -> None:
    def last(h: Any) -> jax.Array:
        return mc.trace(mc.KernelDensity(h), mc.normal(), observe="variance", size=10, generations=2, chains=4)[
            "variance"
        ]

    swept = jax.vmap(last)(jnp.array([0.1, 1.0]))
    np.testing.assert_allclose(swept[1], last(1.0), rtol=1e-12)
    assert (swept[1, :, -1] > swept[0, :, -1]).all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: mc.KernelDensity(0.0), ValueError, "bandwidth must be finite and positive, got 0.0"),
        (lambda: mc.KernelDensity(-1), ValueError, "bandwidth must be finite and positive, got -1"),
        (lambda: mc.KernelDensity(float("nan")), ValueError, "bandwidth must be finite and positive, got nan"),
        (lambda: mc.KernelDensity(float("inf")), ValueError, "bandwidth must be finite"),
        (lambda: mc.KernelDensity("scott"), TypeError, "name a rule by rule='scott'"),
        (lambda: mc.KernelDensity(rule="sheather"), ValueError, "rule must be 'fixed', 'scott' or 'silverman'"),
        (lambda: mc.KernelDensity(scaled="yes"), TypeError, "scaled must be True or False"),  # type: ignore[arg-type]
        (lambda: run_of(mc.KernelDensity(np.float32(-2.0))), ValueError, "bandwidth must be finite and positive"),
        (lambda: run_of(mc.KernelDensity(rule="scott"), size=2), ValueError, r"size must be at least d \+ 1 = 3"),
        (lambda: run_of(mc.KernelDensity(), mc.categorical([0.5, 0.5])), TypeError, "rows of real numbers"),
        (lambda: mc.Damped(mc.KernelDensity(), 0.5), TypeError, "no meaningful blend"),
    ],
)
def test_refusals(call: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def run_of(family: Any, source: Any = None, size: int = 5) -> mc.Run:
    return mc.simulate(family, mc.normal([0.0, 0.0]) if source is None else source, size=size, generations=1)


def test_tables_without_spread_are_refused_and_draws_without_spread_fail_their_chain() -> None:
    with pytest.raises(ValueError, match="all 9 rows of this table are equal"):
        run_of(mc.KernelDensity(rule="scott"), mc.table(np.ones((9, 2))))
    with pytest.raises(mc.ChainFailure, match="KernelDensity was not finite in chain 0 at generation 0"):
        run_of(mc.KernelDensity(rule="scott"), mc.sampler(lambda key, n: jnp.ones((n, 2))))
    assert np.isfinite(run_of(mc.KernelDensity(0.1), mc.table(np.ones((9, 2))))["mean"]).all()


def test_single_precision() -> None:
    with jax.enable_x64(False):
        run = mc.simulate(
            mc.KernelDensity(rule="scott"), mc.normal(), observe="variance", size=200, generations=3, chains=400
        )
        assert run["variance"].dtype == np.float32
    p = next(p for p in run.predict() if p.observable == "variance")
    values = np.asarray(run["variance"][:, -1, 0], np.float64)
    assert abs(values.mean() - p.values[-1, 0]) < 6 * values.std() / 20
