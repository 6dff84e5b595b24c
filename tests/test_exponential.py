"""Families with one parameter: a data set drawn directly is one of rows in law, and what must be exact is."""

import contextlib
from pathlib import Path
from typing import Any

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st
from scipy import special, stats

import modelcollapse as mc
from modelcollapse import observables
from modelcollapse.data import Rows
from modelcollapse.families.exponential import LogMean, Total
from modelcollapse.families.pareto import LogExcess
from modelcollapse.families.uniform import Largest
from modelcollapse_theory import exponential_families, special_families

DRAWS, SIZE = 40_000, 5
RATE = 1e-6 / 40  # false alarms a comparison: about forty in this file

SHAPE, TRIALS, SUCCESSES = 0.7, 3, 1.7
SETTINGS: dict[str, tuple[Any, mc.Law]] = {
    "binomial": (mc.Binomial(TRIALS), mc.binomial(TRIALS, 0.4)),
    "poisson": (mc.Poisson(), mc.poisson(1.3)),
    "negative binomial": (mc.NegativeBinomial(SUCCESSES), mc.negative_binomial(1.3, SUCCESSES)),
    "gamma": (mc.Gamma(SHAPE), mc.gamma(2.0, SHAPE)),
    "known variance": (mc.GaussianMean(4.0), mc.normal(1.0, 4.0)),
    "uniform": (mc.Uniform("unbiased"), mc.uniform(2.0)),
    "pareto": (mc.Pareto(3.0, "unbiased"), mc.pareto(2.5, 3.0)),
}
REGIMES = [
    mc.Replace(), mc.FreshReal(0.3), mc.FixedReal(0.2), mc.Mixture(0.6, 0.2, 0.2, depth=2), mc.Accumulate(),
    mc.Switch(mc.Replace(), mc.FreshReal(1.0), 2), mc.Retain(0.3, 0.2), mc.AccumulateSubsample(),
]  # fmt: skip


def total_law(name: str, n: int) -> Any:
    """Exact law of the sum of n draws."""
    return {
        "binomial": stats.binom(TRIALS * n, 0.4),
        "poisson": stats.poisson(1.3 * n),
        "negative binomial": stats.nbinom(SUCCESSES * n, SUCCESSES / (SUCCESSES + 1.3)),
    }[name]


def statistic_cdf(name: str, n: int) -> Any:
    """Distribution function of what ``statistic`` returns, exact."""
    return {
        "gamma": lambda x: stats.gamma.cdf(np.exp(x), SHAPE * n, scale=2.0 / (SHAPE * n)),
        "known variance": stats.norm(1.0, (4.0 / n) ** 0.5).cdf,
        "uniform": lambda x: np.minimum(np.exp(x) / 2.0, 1) ** n,
        "pareto": lambda x: stats.gamma.cdf(np.exp(x), n, scale=1 / (2.5 * n)),
    }[name]


def statistic(data: Any) -> jax.Array:
    field = next(f for f in ("total", "log_mean", "log_max", "mean") if hasattr(data, f))
    return getattr(data, field).reshape(())


def drawn(name: str, way: str, n: int = SIZE) -> np.ndarray:
    family, law = SETTINGS[name]

    def one(key: jax.Array) -> jax.Array:
        size = jnp.int32(n)
        if way == "direct":
            return statistic(law.family.draw(key, law.params, size, 0))
        return statistic(family.summarise(law.draw_rows(key, size, SIZE + 3)))

    return np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(len(way)), DRAWS)))


def discrete_p(counts: np.ndarray, law: Any) -> float:
    """Chi-square p-value, the cells of small expectation pooled from both ends."""
    edges = np.unique(law.ppf(np.linspace(0.005, 0.995, 40)))
    cuts = np.concatenate([[-np.inf], edges, [np.inf]])
    return stats.chisquare(np.histogram(counts, cuts + 0.5)[0], np.diff(law.cdf(cuts)) * counts.size).pvalue


BY_ROWS = ("binomial", "gamma", "uniform")
WAYS = [
    pytest.param(name, way, marks=pytest.mark.slow if way == "rows" and name not in BY_ROWS else ())
    for name in SETTINGS
    for way in ("direct", "rows")
]


@pytest.mark.parametrize(("name", "way"), WAYS)
def test_data_sets_have_their_exact_law(name: str, way: str) -> None:
    values = drawn(name, way)
    if values.dtype == np.int32:
        assert discrete_p(values, total_law(name, SIZE)) > RATE > discrete_p(values, total_law(name, SIZE + 1))
        assert discrete_p(values, stats.nbinom(4 * SIZE, 4 / (4 + 1.3))) < RATE
    else:
        assert stats.kstest(values, statistic_cdf(name, SIZE)).pvalue > RATE
        assert stats.kstest(values, statistic_cdf(name, SIZE + 1)).pvalue < RATE


@pytest.mark.parametrize("name", ["binomial", "poisson", "negative binomial"])
def test_rows_of_counts_have_their_exact_law(name: str) -> None:
    _, law = SETTINGS[name]
    rows = np.asarray(law.draw_rows(jax.random.key(1), jnp.int32(DRAWS), DRAWS).points)
    assert rows.dtype == np.int32
    exact = total_law(name, 1)
    seen = np.bincount(np.minimum(rows, 6), minlength=7)[: TRIALS + 1 if name == "binomial" else 7]
    expected = exact.pmf(np.arange(seen.size))
    expected[-1] += exact.sf(seen.size - 1)
    assert stats.chisquare(seen, expected * DRAWS).pvalue > RATE


@pytest.mark.parametrize("bits", [32, pytest.param(64, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", SETTINGS)
def test_every_regime_takes_every_family(name: str, bits: int) -> None:
    family, _ = SETTINGS[name]
    with jax.enable_x64(bits == 64):
        source = jax.tree.map(lambda leaf: jnp.asarray(leaf, f"float{bits}"), SETTINGS[name][1])
        for regime in REGIMES:
            found = jax.eval_shape(
                lambda regime=regime: mc.trace(
                    family, source, regime, ["mean", "log_variance"], size=12, generations=3, chains=2
                )
            )
            for values in found.values():
                assert values.shape == (2, 4, 1)
                assert values.dtype == np.dtype(f"float{bits}")


@pytest.mark.parametrize(
    ("name", "regime"),
    [
        ("gamma", mc.Mixture(0.5, 0.25, 0.25)),
        pytest.param("binomial", mc.Retain(0.5), marks=pytest.mark.slow),
        pytest.param("gamma", mc.AccumulateSubsample(4), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_the_mean_stays_in_every_regime(name: str, regime: Any) -> None:
    family, source = SETTINGS[name]
    run = mc.simulate(family, source, regime, "mean", size=20, generations=3, chains=4000)
    truth = float(source.params.mean[0])
    values = run["mean"][..., 0]
    error = values.std(0, ddof=1) / 4000**0.5
    assert (np.abs(values.mean(0) - truth) < 5.5 * error).all()
    assert np.unique(values[:, -1]).size > 20
    (prediction,) = run.predict()
    np.testing.assert_allclose(prediction.values, truth, rtol=1e-14)


# --- what is exact ----------------------------------------------------------------------------------------------------

DATA = {
    "total": lambda n, x: Total(jnp.int32(n), jnp.int32(x * 1e3)),
    "log mean": lambda n, x: LogMean(jnp.int32(n), jnp.log(jnp.full(1, x))),
    "log excess": lambda n, x: LogExcess(jnp.int32(n), jnp.log(jnp.full(1, x))),
    "largest": lambda n, x: Largest(jnp.int32(n), jnp.log(jnp.full(1, x))),
}


def same(a: Any, b: Any, tolerance: float = 0.0) -> None:
    assert type(a) is type(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", DATA)
@hypothesis.given(
    n=st.tuples(*[st.integers(1, 2**29)] * 3), x=st.tuples(*[st.floats(1e-3, 1e5)] * 3), tiny=st.floats(-700, 700)
)
def test_pooling_is_that_of_a_sum(kind: str, n: Any, x: Any, tiny: float) -> None:
    a, b, c = (DATA[kind](m, y) for m, y in zip(n, x, strict=True))
    empty = DATA[kind](0, 0.0)
    same(a | empty, a)
    same(empty | a, a)
    same(empty | empty, empty)
    same(a | b, b | a)
    same((a | b) | c, a | (b | c), 1e-12)
    if kind in ("log mean", "log excess"):
        exact = (n[0] * x[0] + n[1] * x[1]) / (n[0] + n[1])
        assert float(jnp.exp((a | b).log_mean[0])) == pytest.approx(exact, rel=1e-12)
        # the scale does not matter, however small or large
        moved = type(a)(a.count, a.log_mean + 10 * tiny) | type(b)(b.count, b.log_mean + 10 * tiny)
        np.testing.assert_allclose(moved.log_mean - 10 * tiny, (a | b).log_mean, rtol=0, atol=1e-11)


def test_a_total_beyond_32_bits_is_no_total() -> None:
    large, one = Total(jnp.int32(5), jnp.int32(2**31 - 1)), Total(jnp.int32(1), jnp.int32(1))
    zero, lost = Total(jnp.int32(1), jnp.int32(0)), Total(jnp.int32(1), jnp.int32(-1))
    assert (int((large | one).total), int((large | zero).total)) == (-1, 2**31 - 1)
    # once lost, it is lost for good
    assert [int((lost | x).total) for x in (large, one, lost)] == [-1, -1, -1]
    assert np.isnan(mc.Poisson().fit(jax.random.key(0), lost, None).mean).all()
    points = jnp.full(3, 2**31 - 1, jnp.int32)
    summed = [int(mc.Poisson().summarise(Rows(points, jnp.int32(n))).total) for n in (1, 2, 3)]
    assert summed == [2**31 - 1, -1, -1]


def test_all_but_one_success_is_no_failure_in_float32() -> None:
    family, key = mc.Binomial(3), jax.random.key(0)
    with jax.enable_x64(False):
        # float32 rounds the count down, and three times that is below the total
        count = jnp.int32(2**24 + 1)
        fitted = [family.fit(key, Total(count, 3 * count + jnp.int32(extra)), None).mean for extra in (-1, 0, 1)]
    assert [float(m[0]) for m in fitted[:2]] == [3.0, 3.0]
    assert np.isnan(fitted[2]).all()


def test_a_chain_whose_total_overflows_stops_by_name() -> None:
    with pytest.raises(mc.ChainFailure, match="the fit of Poisson was not finite in chain") as caught:
        mc.simulate(mc.Poisson(), mc.poisson(2.0**31 / 4 - 1e4), size=4, generations=2, chains=400, observe="mean")
    failed = caught.value.run["mean"][:, 0, 0]
    share = np.isnan(failed).mean()
    mean = 2.0**31 - 4e4
    assert abs(share - stats.norm.sf((2**31 - mean) / mean**0.5)) < 5.5 * (0.25 / 400) ** 0.5
    assert np.nanmax(failed) <= (2**31 - 1) / 4


@pytest.mark.parametrize(
    ("family", "points"),
    [
        (mc.Binomial(3), [1, 4]), (mc.Binomial(3), [1, -1]), (mc.Poisson(), [0, -2]),
        (mc.Gamma(), [[1.0], [-0.5]]), (mc.Gamma(), [[0.0], [0.0]]), (mc.Uniform(), [[1.0], [-0.5]]),
        (mc.Pareto(2.0), [[3.0], [1.9]]), (mc.Pareto(2.0), [[2.0], [2.0]]),
    ],
    ids=str,
)  # fmt: skip
def test_rows_that_the_family_cannot_have_make_the_fit_fail(family: Any, points: list) -> None:
    def finite(rows: Rows) -> bool:
        fitted = family.fit(jax.random.key(0), family.summarise(rows), None)
        leaves = [getattr(fitted, f) for f in ("mean", "log_mean", "log_end", "log_index") if hasattr(fitted, f)]
        return bool(jnp.isfinite(leaves[-1]).all())

    assert not finite(Rows(jnp.asarray(points), jnp.int32(2)))
    if np.asarray(points)[0] != np.asarray(points)[1]:
        # the same row in a place that is not there is not seen; what is left may be a fit of its own
        good = Rows(jnp.asarray(points), jnp.int32(1))
        assert finite(good)


def precision(bits: int) -> Any:
    return jax.enable_x64(False) if bits == 32 else contextlib.nullcontext()


@pytest.mark.parametrize("bits", [32, pytest.param(64, marks=pytest.mark.slow)])
@hypothesis.settings(max_examples=12)
@hypothesis.given(trials=st.sampled_from([3, 49]), size=st.integers(1, 60), ones=st.booleans(), seed=st.integers(0, 99))
@hypothesis.example(trials=49, size=41, ones=True, seed=0)  # 49 * (1 / 49) is not 1, nor is 41 * (1 / 41) in float32
@hypothesis.example(trials=3, size=49, ones=True, seed=0)
def test_both_ends_of_a_binomial_absorb_exactly(bits: int, trials: int, size: int, ones: bool, seed: int) -> None:
    with precision(bits):
        run = mc.simulate(
            mc.Binomial(trials), mc.binomial(trials, float(ones)), observe=["mean", "absorbed", "extinct"],
            size=size, generations=3, chains=3, seed=seed,
        )  # fmt: skip
        np.testing.assert_array_equal(run["mean"], trials if ones else 0)
        assert run["absorbed"].all()
        assert run["extinct"].all() != ones


def test_the_extinct_stay_extinct_and_the_mean_is_a_multiple_of_one_over_the_size() -> None:
    run = mc.simulate(
        mc.Poisson(), mc.poisson(0.4), observe=["mean", "extinct", "absorbed"], size=7, generations=30, chains=300
    )
    totals = run["mean"][..., 0] * 7
    np.testing.assert_allclose(totals, np.rint(totals), atol=1e-12)
    gone = run["extinct"]
    assert not (gone[:, :-1] & ~gone[:, 1:]).any()
    np.testing.assert_array_equal(gone, run["absorbed"])
    np.testing.assert_array_equal(gone, totals == 0)
    assert 0.5 < gone[:, -1].mean() < 1


def test_a_binomial_chain_is_that_of_two_states() -> None:
    size, fits, chains, items = 4, 6, 20_000, 12
    run = mc.simulate(
        mc.Binomial(TRIALS), mc.binomial(TRIALS, 0.3), observe="mean", size=size, generations=fits - 1, chains=chains,
        record=[fits - 1],
    )  # fmt: skip
    seen = np.bincount(np.rint(run["mean"].ravel() * size).astype(int), minlength=items + 1)

    def pvalue(fits: int, items: int) -> float:
        states = np.arange(items + 1)
        matrix = stats.binom.pmf(states, items, states[:, None] / items)
        law = stats.binom.pmf(states, items, 0.3) @ np.linalg.matrix_power(matrix, fits - 1)
        return stats.chisquare(seen, law[: seen.size] / law[: seen.size].sum() * chains).pvalue

    assert pvalue(fits, items) > RATE
    assert pvalue(fits - 1, items) < RATE
    assert pvalue(fits, items + 1) < RATE


# --- log scales -------------------------------------------------------------------------------------------------------


WALKS: dict[str, tuple[Any, Any, str, Any]] = {
    "gamma": (mc.Gamma(0.5), mc.gamma(2.0, 0.5), "log_mean", lambda m: special_families.gamma_log_mean(m, 10_000, shape=0.5)),
    "uniform": (mc.Uniform(), mc.uniform(), "log_end", lambda m: special_families.uniform_log_end(m, 10_000)),
    "pareto": (mc.Pareto(2.0), mc.pareto(1.5, 2.0), "log_index", lambda m: special_families.pareto_log_index(m, 10_000)),
    "pareto, unbiased": (
        mc.Pareto(2.0, "unbiased"), mc.pareto(1.5, 2.0), "log_index",
        lambda m: special_families.pareto_log_index(m, 10_000, unbiased=True),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ["gamma", *(pytest.param(n, marks=pytest.mark.slow) for n in WALKS if n != "gamma")])
def test_ten_thousand_generations_keep_their_logarithms(case: str) -> None:
    fits, size, chains = 10_000, 5, 40
    family, source, name, walk = WALKS[case]
    run = mc.simulate(
        family, source, observe=[name, "mean"], size=size, generations=fits - 1, chains=chains, record=[fits - 1]
    )
    start = float(getattr(source.params, name)[0])
    mean, variance = walk(size)
    assert np.isfinite(run[name]).all()
    found = run[name][:, 0, 0].mean() - start
    assert abs(found - mean) < 5.5 * (variance / chains) ** 0.5
    # a fit more or less would not show over so many, but another size does
    assert abs(found - walk(size + 1)[0]) > 5.5 * (variance / chains) ** 0.5
    (prediction,) = [p for p in run.predict() if p.observable == name]
    assert float(prediction.values[0, 0]) == pytest.approx(start + float(mean), rel=1e-12)
    if name != "log_index":
        np.testing.assert_array_equal(run["mean"], 0)


def test_a_pool_keeps_its_first_maximum_for_good() -> None:
    run = mc.simulate(mc.Uniform(), mc.uniform(3.0), mc.Accumulate(), "log_end", size=4, generations=20, chains=50)
    np.testing.assert_array_equal(run["log_end"], np.broadcast_to(run["log_end"][:, :1], (50, 21, 1)))
    replaced = mc.simulate(mc.Uniform(), mc.uniform(3.0), observe="log_end", size=4, generations=20, chains=50)[
        "log_end"
    ]
    assert (np.diff(replaced[..., 0], axis=1) < 0).all()
    np.testing.assert_array_equal(replaced[:, 0], run["log_end"][:, 0])


def test_rows_that_underflow_stop_their_chain() -> None:
    source = mc.Law(mc.Gamma(), mc.Gamma().law(jnp.full(1, -760.0)))
    options: dict[str, Any] = {"observe": "log_mean", "size": 4, "generations": 1, "chains": 3}
    assert np.isfinite(mc.simulate(mc.Gamma(), source, **options)["log_mean"]).all()
    with pytest.raises(mc.ChainFailure, match="the fit of Gamma was not finite"):
        mc.simulate(mc.Gamma(), source, mc.Retain(0.5), **options)


@pytest.mark.parametrize(
    "name", ["gamma", *(pytest.param(n, marks=pytest.mark.slow) for n in ("negative binomial", "uniform"))]
)
def test_float32_has_the_same_law(name: str) -> None:
    family, source = SETTINGS[name]
    observe = "log_end" if name == "uniform" else "mean"

    def ends(bits: int) -> np.ndarray:
        """At generations 0 and 6."""
        with precision(bits):
            law = jax.tree.map(lambda leaf: jnp.asarray(leaf, f"float{bits}"), source)
            run = mc.simulate(
                family, law, observe=observe, size=6, generations=6, chains=3000, record=[0, 6], seed=bits
            )
            assert run[observe].dtype == np.dtype(f"float{bits}")
            return run[observe][..., 0].astype(np.float64).T

    def pvalue(a: np.ndarray, b: np.ndarray) -> float:
        return stats.ks_2samp(np.round(a, 4), np.round(b, 4)).pvalue

    (_, single), (early, late) = ends(32), ends(64)
    assert pvalue(single, late) > RATE > pvalue(single, early)


# --- sources, truths, transformations ---------------------------------------------------------------------------------


def test_laws_have_the_moments_of_scipy() -> None:
    for law, exact in (
        (mc.bernoulli(0.3), stats.bernoulli(0.3)),
        (mc.binomial(5, 0.3), stats.binom(5, 0.3)),
        (mc.poisson(2.5), stats.poisson(2.5)),
        (mc.negative_binomial(2.5, 1.7), stats.nbinom(1.7, 1.7 / 4.2)),
        (mc.exponential(3.0), stats.expon(scale=3.0)),
        (mc.gamma(3.0, 0.4), stats.gamma(0.4, scale=7.5)),
        (mc.uniform(3.0), stats.uniform(0, 3.0)),
        (mc.pareto(2.5, 3.0), stats.pareto(2.5, scale=3.0)),
    ):
        truth = law.family.project(law)
        assert float(truth.mean[0]) == pytest.approx(exact.mean(), rel=1e-13)
        assert float(np.exp(observables.log_variance(truth)[0])) == pytest.approx(exact.var(), rel=1e-13)
        moments = law.moments()
        if moments is not None:
            assert float(moments[1][0, 0]) == pytest.approx(exact.var(), rel=1e-13)
    heavy = mc.pareto(0.9).params
    assert (float(heavy.log_mean[0]), float(heavy.log_variance[0])) == (np.inf, np.inf)
    assert np.isfinite(mc.pareto(1.5).params.log_mean).all()
    assert float(mc.pareto(1.5).params.log_variance[0]) == np.inf


def test_truths_of_other_sources() -> None:
    gamma = mc.gamma(3.0, 0.4)
    truth = mc.Gaussian().project(gamma)
    assert float(truth.mean[0]) == pytest.approx(3.0)
    assert float(truth.covariance[0, 0]) == pytest.approx(9 / 0.4)
    exponential = mc.Gamma().project(gamma)
    assert float(exponential.mean[0]) == pytest.approx(3.0)
    assert float(exponential.covariance[0, 0]) == pytest.approx(9.0)
    assert float(mc.Gamma(2.0).project(mc.uniform(4.0)).mean[0]) == pytest.approx(2.0)
    counts = mc.table([3, 0, 5, 0])
    assert float(mc.Poisson().project(counts).mean[0]) == 2.0
    assert float(mc.Binomial(5).project(counts).variance[0]) == pytest.approx(2.0 * 0.6)
    rows = mc.table([2.0, 4.0, 3.0])
    assert float(mc.Uniform().project(rows).log_end[0]) == pytest.approx(np.log(4.0))
    index = 3 / np.log([2 / 2, 4 / 2, 3 / 2]).sum()
    assert float(mc.Pareto(2.0).project(rows).log_index[0]) == pytest.approx(np.log(index))
    assert float(mc.GaussianMean(2.0).project(rows).mean[0]) == pytest.approx(3.0)
    unknown = mc.sampler(lambda key, n: jax.random.uniform(key, (n, 1)))
    for family in (mc.Gamma(), mc.Uniform(), mc.Pareto(), mc.GaussianMean()):
        assert family.project(unknown) is None


@pytest.mark.slow
def test_a_family_is_fitted_to_tables_and_to_laws_of_another_family() -> None:
    counts = np.repeat([0, 1, 7], [10, 5, 5])
    run = mc.simulate(mc.Poisson(), mc.table(counts, replace=False), observe="mean", size=20, generations=0)
    assert float(run["mean"].ravel()[0]) == pytest.approx(counts.mean(), rel=1e-14)
    # the total of Poisson counts is drawn directly, also for a family that takes them for negative binomial
    run = mc.simulate(
        mc.NegativeBinomial(2.0), mc.poisson(3.0), observe="squared_mean_error", size=10**6, generations=1, chains=2000
    )
    first, second = run["squared_mean_error"].mean(0)
    assert first == pytest.approx(3e-6, rel=0.2)
    assert second - first == pytest.approx(7.5e-6, rel=0.2)
    # only the first fit has the variance of the source: 3, then 3 (1 + 3 / 2)
    np.testing.assert_allclose(run.predict()["squared_mean_error"].values, [3e-6, 10.5e-6], rtol=1e-5)
    vectors = mc.GaussianMean(np.array([[2.0, 0.5], [0.5, 1.0]]))
    run = mc.simulate(
        vectors, mc.normal([1.0, 2.0], vectors.covariance), observe=["squared_mean_error", "log_determinant"],
        size=1, generations=9, chains=4000,
    )  # fmt: skip
    np.testing.assert_allclose(run["log_determinant"], np.log(1.75), rtol=1e-13)
    z = (run["squared_mean_error"].mean(0) / (3.0 * np.arange(1, 11)) - 1) / (1.4 / 4000**0.5)
    assert (np.abs(z) < 5.5).all()
    predicted = {p.observable: p.values for p in run.predict()}
    np.testing.assert_allclose(predicted["squared_mean_error"], 3.0 * np.arange(1, 11))


def test_a_sweep_over_shapes_and_a_gradient() -> None:
    @jax.jit
    def final(shape: Any, log_mean: Any) -> jax.Array:
        family = mc.Gamma(shape)
        law = mc.Law(family, family.law(jnp.reshape(log_mean, 1)))
        return mc.trace(family, law, observe="log_mean", size=9, generations=3, chains=2)["log_mean"][:, -1, 0]

    shapes = jnp.array([1.0, 400.0])
    swept = jax.vmap(lambda shape: final(shape, 0.5))(shapes)
    for shape, values in zip(shapes, swept, strict=True):
        np.testing.assert_allclose(values, final(shape, 0.5), rtol=1e-12)
    assert np.abs(swept[1] - 0.5).max() < np.abs(swept[0] - 0.5).min()
    assert float(jax.grad(lambda m: final(1.0, m)[0])(0.5)) == pytest.approx(1.0)


def test_damping_moves_the_mean_or_its_logarithm_by_the_rate() -> None:
    before, key = 2.0, jax.random.key(0)
    for family, data, end in (
        (mc.Poisson(), Total(jnp.int32(4), jnp.int32(20)), 0.75 * before + 0.25 * 5.0),
        (mc.Gamma(2.0), LogMean(jnp.int32(4), jnp.log(jnp.full(1, 5.0))), before**0.75 * 5.0**0.25),
    ):
        damped = mc.Damped(family, 0.25)
        start = family.law(before) if isinstance(family, mc.Poisson) else family.law(jnp.log(jnp.full(1, before)))
        moved = damped.fit(key, data, start)
        assert float(moved.mean[0]) == pytest.approx(end, rel=1e-14)
        np.testing.assert_allclose(
            moved.covariance,
            family.fit(key, data, None).covariance * (end / 5.0) ** (1 if isinstance(family, mc.Poisson) else 2),
        )
    uniform = mc.Damped(mc.Uniform(), 0.5).fit(key, Largest(jnp.int32(3), jnp.zeros(1)), mc.uniform(4.0).params)
    assert float(uniform.log_end[0]) == pytest.approx(np.log(2.0))
    pareto = mc.Damped(mc.Pareto(), 0.5).fit(key, LogExcess(jnp.int32(3), jnp.zeros(1)), mc.pareto(4.0).params)
    assert float(pareto.log_index[0]) == pytest.approx(np.log(2.0))
    mean = mc.Damped(mc.GaussianMean(), 0.5)
    fitted = mean.fit(key, mc.Gaussian().draw(key, mc.normal(3.0, 1e-12).params, jnp.int32(9)), mc.normal(1.0).params)
    assert float(fitted.mean[0]) == pytest.approx(2.0, abs=1e-5)


@pytest.mark.slow
def test_saving_and_extending(tmp_path: Path) -> None:
    options: dict[str, Any] = {"observe": ["mean", "extinct"], "size": 8, "chains": 5}
    whole = mc.simulate(mc.Poisson(), mc.poisson(0.5), mc.Accumulate(), generations=6, **options)
    mc.simulate(mc.Poisson(), mc.poisson(0.5), mc.Accumulate(), generations=3, **options).save(tmp_path / "run.npz")
    longer = mc.Run.load(tmp_path / "run.npz").extend(3)
    np.testing.assert_array_equal(longer["mean"], whole["mean"])
    np.testing.assert_array_equal(longer.state.memory.total, np.rint(whole["mean"][:, -1, 0] * 56))
    mc.simulate(mc.Pareto(2.0, "unbiased"), mc.pareto(3.0, 2.0), observe="log_index", size=8, generations=1).save(
        tmp_path / "pareto.npz"
    )
    assert mc.Run.load(tmp_path / "pareto.npz").family.estimator == "unbiased"


# --- predictions ------------------------------------------------------------------------------------------------------


def curves(family: Any, source: Any, observe: list[str], size: Any, generations: int, regime: Any = None) -> dict:
    """Predictions by observable, without a run."""
    found = mc.predictions(family, source, regime, observe, size=size, generations=generations)
    assert len({p.observable for p in found}) == len(found)
    return {p.observable: p.values for p in found}


@pytest.mark.parametrize("name", ["binomial", "poisson", "negative binomial", "gamma", "known variance"])
@pytest.mark.parametrize(
    ("regime", "kind"),
    [
        (mc.Replace(), "replace"), (mc.Accumulate(), "accumulate"), (mc.FreshReal(0.25), "fixed"),
        (mc.Mixture(0.75, 0.0, 0.25), "random"), (mc.Mixture(0.5, 0.25, 0.25), None), (mc.FixedReal(0.25), None),
    ],
    ids=["replace", "accumulate", "fresh", "mixture", "old data", "fixed real"],
)  # fmt: skip
def test_predictions_of_the_mean(name: str, regime: Any, kind: str | None) -> None:
    theory, truth = {
        "binomial": (exponential_families.binomial(TRIALS), 1.2),
        "poisson": (exponential_families.poisson(), 1.3),
        "negative binomial": (exponential_families.negative_binomial(SUCCESSES), 1.3),
        "gamma": (exponential_families.gamma(SHAPE), 2.0),
        "known variance": (exponential_families.normal(4.0), 1.0),
    }[name]
    predicted = curves(*SETTINGS[name], ["mean", "squared_mean_error"], 8, 3, regime)
    np.testing.assert_allclose(predicted["mean"], np.full((4, 1), truth))
    if kind is None:
        assert "squared_mean_error" not in predicted
        return
    exact = {
        "replace": lambda n: exponential_families.expected_mean_error(theory, truth, 8, n),
        "accumulate": lambda n: exponential_families.accumulated_mean_error(theory, truth, 8, n),
        "fixed": lambda n: exponential_families.fresh_mean_error(theory, truth, 8, 0.25, n),
        "random": lambda n: exponential_families.fresh_mean_error(theory, truth, 8, 0.25, n, random_count=True),
    }[kind]
    np.testing.assert_allclose(predicted["squared_mean_error"], [exact(n) for n in (1, 2, 3, 4)], rtol=1e-12)


def test_predictions_of_absorption_and_extinction() -> None:
    poisson = curves(mc.Poisson(), mc.poisson(0.5), ["extinct", "log_mean"], 6, 2)
    assert list(poisson) == ["extinct"]
    np.testing.assert_allclose(poisson["extinct"][:2], np.exp([-3.0, 3.0 * np.expm1(-1.0)]))
    coins = curves(mc.Binomial(2), mc.binomial(2, 0.25), ["absorbed"], 2, 1)["absorbed"]
    p, n = 0.25, 4
    assert coins[0] == pytest.approx(p**n + (1 - p) ** n)
    k = np.arange(n + 1)
    assert coins[1] == pytest.approx(stats.binom.pmf(k, n, p) @ ((k / n) ** n + (1 - k / n) ** n))
    np.testing.assert_allclose(curves(mc.Binomial(), mc.bernoulli(1.0), ["absorbed"], 3, 1)["absorbed"], 1)
    # another number of trials, or of sizes, is another chain
    assert curves(mc.Binomial(3), mc.binomial(2, 0.25), ["absorbed"], 2, 1) == {}
    assert curves(mc.Poisson(), mc.poisson(0.5), ["extinct"], [6, 7], 1) == {}


def test_predictions_of_logarithms() -> None:
    sizes, both = np.array([4, 9, 3]), ["log_mean", "log_variance"]
    gamma = curves(mc.Gamma(0.5), mc.gamma(2.0, 0.5), both, sizes, 2)
    walked = np.log(2.0) + np.cumsum(special.digamma(sizes / 2) - np.log(sizes / 2))
    np.testing.assert_allclose(gamma["log_mean"][:, 0], walked, rtol=1e-12)
    np.testing.assert_allclose(gamma["log_variance"][:, 0], 2 * walked - np.log(0.5), rtol=1e-12)
    assert curves(mc.Gamma(), mc.gamma(2.0, 0.5), both, 4, 1) == {}
    assert curves(mc.Gamma(0.5), mc.gamma(2.0, 0.5), both, 4, 1, mc.Accumulate()) == {}
    for unbiased, name in enumerate(("mle", "unbiased")):
        uniform = curves(mc.Uniform(name), mc.uniform(2.0), ["log_end", "log_variance"], sizes, 2)
        steps = np.cumsum(-1 / sizes + unbiased * np.log1p(1 / sizes))
        np.testing.assert_allclose(uniform["log_end"][:, 0], np.log(2.0) + steps, rtol=1e-12)
        np.testing.assert_allclose(uniform["log_variance"][:, 0], np.log(4 / 12) + 2 * steps, rtol=1e-12)
        pareto = curves(mc.Pareto(3.0, name), mc.pareto(2.0, 3.0), ["log_index"], sizes, 2)
        steps = np.cumsum(np.log(sizes - unbiased) - special.digamma(sizes))
        np.testing.assert_allclose(pareto["log_index"][:, 0], np.log(2.0) + steps, rtol=1e-12)


# --- bad input --------------------------------------------------------------------------------------------------------


def simulate(family: Any, source: Any, regime: Any = None, **options: Any) -> mc.Run:
    return mc.simulate(family, source, regime, **({"size": 10, "generations": 2, "observe": "mean"} | options))


BAD: dict[str, tuple[Any, type[Exception], tuple[str, ...]]] = {
    "chance 1.5": (lambda: mc.bernoulli(1.5), ValueError, ("chance", "[0, 1]", "1.5")),
    "chance NaN": (lambda: mc.binomial(2, np.nan), ValueError, ("chance", "[0, 1]", "nan")),
    "half a trial": (lambda: mc.binomial(0.5, 0.5), TypeError, ("trials", "whole number", "0.5")),
    "no trial": (lambda: mc.Binomial(0), ValueError, ("trials", "at least 1", "0")),
    "negative rate": (lambda: mc.poisson(-1.0), ValueError, ("mean", "not negative", "-1.0")),
    "infinite rate": (lambda: mc.poisson(np.inf), ValueError, ("mean", "finite", "inf")),
    "two rates": (lambda: mc.poisson([1.0, 2.0]), ValueError, ("mean", "one number", "[1.0, 2.0]")),
    "no successes": (lambda: mc.negative_binomial(1.0, 0), ValueError, ("successes", "positive", "0")),
    "mean 0": (lambda: mc.exponential(0.0), ValueError, ("mean", "positive", "0.0")),
    "shape -1": (lambda: mc.Gamma(-1.0), ValueError, ("shape", "positive", "-1.0")),
    "shape NaN": (lambda: mc.gamma(1.0, float("nan")), ValueError, ("shape", "positive", "nan")),
    "end 0": (lambda: mc.uniform(0), ValueError, ("end", "positive", "0")),
    "index -2": (lambda: mc.pareto(-2.0), ValueError, ("index", "positive", "-2.0")),
    "minimum 0": (lambda: mc.Pareto(0.0), ValueError, ("minimum", "positive", "0.0")),
    "another estimator": (lambda: mc.Uniform("best"), ValueError, ("estimator", "'mle' or 'unbiased'", "'best'")),
    "another index": (lambda: mc.Pareto(1.0, "moments"), ValueError, ("estimator", "'mle' or 'unbiased'", "'moments'")),
    "variance 0": (lambda: mc.GaussianMean(0.0), ValueError, ("covariance", "positive", "0.0")),
    "counts from a normal law": (
        lambda: simulate(mc.Poisson(), mc.normal()), TypeError, ("source", "counts", "Poisson", "float64")),
    "counts of measurements": (
        lambda: simulate(mc.Binomial(), mc.table([0.0, 1.0])), TypeError, ("source", "integers", "Binomial", "float64")),
    "a count too many": (lambda: simulate(mc.Binomial(2), mc.table([0, 3])), ValueError, ("trials", "at least 3", "got 2")),
    "trials of the source": (
        lambda: simulate(mc.Binomial(2), mc.binomial(3, 0.5)), ValueError, ("source", "up to 2", "Binomial(trials=3)")),
    "counts without an end": (lambda: simulate(mc.Binomial(2), mc.poisson(1.0)), ValueError, ("source", "up to 2", "Poisson()")),
    "a total beyond 32 bits": (
        lambda: simulate(mc.Poisson(), mc.poisson(1e9)), ValueError, ("mean of the source", "10 * 1e+09", "2**31 - 1")),
    "a pool of trials beyond 32 bits": (
        lambda: simulate(mc.Binomial(10**5), mc.binomial(10**5, 0.5), mc.Accumulate(), size=8000), ValueError,
        ("trials", "24000 * 100000", "2**31 - 1")),
    "waiting times in two columns": (
        lambda: simulate(mc.Gamma(), mc.normal([1.0, 1.0])), ValueError, ("source", "one column", "Gamma", "2 columns")),
    "waiting times of counts": (lambda: simulate(mc.Gamma(), mc.poisson(1.0)), TypeError, ("source", "real numbers", "int32")),
    "a waiting time of 0": (
        lambda: simulate(mc.Gamma(), mc.table([1.0, 0.0])), ValueError, ("rows", "positive", "Gamma", "0.0 in row 1")),
    "a negative length": (
        lambda: simulate(mc.Uniform(), mc.table([1.0, -3.0])), ValueError, ("rows", "at least 0", "-3.0 in row 1")),
    "a row below the minimum": (
        lambda: simulate(mc.Pareto(2.0), mc.table([2.0, 1.5])), ValueError, ("rows", "minimum 2", "1.5 in row 1")),
    "another minimum": (lambda: simulate(mc.Pareto(2.0), mc.pareto(3.0)), ValueError, ("minimum", "must be 1", "got 2")),
    "one draw for an unbiased index": (
        lambda: simulate(mc.Pareto(1.0, "unbiased"), mc.pareto(3.0), size=1), ValueError, ("size", "at least 2", "got 1")),
    "a covariance of another shape": (
        lambda: simulate(mc.GaussianMean(np.eye(3)), mc.normal([0.0, 0.0])), ValueError, ("covariance", "(2, 2)", "(3, 3)")),
    "an indefinite covariance": (
        lambda: simulate(mc.GaussianMean(-np.eye(2)), mc.normal([0.0, 0.0])), ValueError, ("covariance", "positive definite")),
    "the log index of counts": (
        lambda: simulate(mc.Poisson(), mc.poisson(1.0), observe="log_index"), ValueError, ("'log_index'", "Poisson")),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_to_families_with_one_parameter(case: str) -> None:
    call, kind, parts = BAD[case]
    with pytest.raises(kind) as caught:
        call()
    assert caught.type is kind
    for part in parts:
        assert part in str(caught.value), f"{part!r} is not in: {caught.value}"
