"""Each source of error can be switched off, and what is off is truly off."""

import dataclasses
import functools
from typing import Any

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given

import modelcollapse as mc
from modelcollapse import loop
from modelcollapse.families.gaussian import Normal
from modelcollapse.families.rounded import rounded, unwritten, written
from modelcollapse_theory import errors, ppca, precision

WEIGHTS, MEANS = [0.3, 0.7], [-2.0, 1.5]
BUMPS = mc.normal_mixture(WEIGHTS, MEANS, [0.5, 1.2])
MOMENTS = errors.mixture_moments(WEIGHTS, MEANS, [0.5, 1.2])
GAP = errors.expressivity_gap(WEIGHTS, MEANS, [0.5, 1.2])
POOLS = [
    mc.Accumulate(), mc.Weighted(0.6), mc.Mixture(0.5, 0.3, 0.2),
    *(
        pytest.param(regime, marks=pytest.mark.slow)
        for regime in (
            mc.Replace(), mc.FreshReal(0.3), mc.FixedReal(0.2), mc.Retain(0.2, 0.1), mc.AccumulateSubsample(6),
            mc.Switch(mc.Replace(), mc.FreshReal(1.0), 2),
        )
    ),
]  # fmt: skip


def exact(
    family: Any, source: Any, regime: Any = None, observe: Any = "mean", generations: int = 4, **options: Any
) -> Any:
    run = mc.simulate(
        mc.Exact(family), source, regime, observe, **({"size": 10, "generations": generations, "chains": 2} | options)
    )
    for trace in run.trace.values():
        np.testing.assert_array_equal(trace[0], trace[1])  # nothing is random
    return run


# --- statistical error off ---


@pytest.mark.parametrize("regime", POOLS, ids=lambda r: type(r).__name__)
def test_a_family_without_error_stays_at_the_truth_in_every_regime(regime: Any) -> None:
    run = exact(mc.Gaussian(), BUMPS, regime, ["mean", "variance"])
    np.testing.assert_allclose(run["mean"], MOMENTS[0], rtol=1e-13)
    np.testing.assert_allclose(run["variance"], MOMENTS[1], rtol=1e-13)


@pytest.mark.parametrize("regime", [mc.FreshReal(0.3), mc.Mixture(0.5, 0.3, 0.2)], ids=lambda r: type(r).__name__)
def test_so_do_states(regime: Any) -> None:
    law = [0.5, 0.3, 0.2]
    run = exact(mc.Discrete(), mc.categorical(law), regime, "probabilities")
    np.testing.assert_allclose(run["probabilities"], np.broadcast_to(law, (2, 5, 3)), rtol=1e-14)


@pytest.mark.parametrize(
    ("family", "source"),
    [(mc.Poisson(), mc.poisson(2.5)), (mc.Gamma(2.0), mc.gamma(3.0, 2.0)), (mc.GaussianMean(), mc.normal(1.0))],
    ids=["Poisson", "Gamma", "GaussianMean"],
)
def test_so_does_a_mean(family: Any, source: Any) -> None:
    truth = float(np.ravel(family.project(source).mean)[0])
    np.testing.assert_allclose(exact(family, source, generations=2)["mean"], truth, rtol=1e-14)


def test_small_sample_corrections_are_void() -> None:
    for ddof in (0, 1):
        assert exact(mc.Gaussian(ddof), BUMPS, observe="variance", size=2)["variance"] == pytest.approx(MOMENTS[1])


@pytest.mark.parametrize(
    "regime", [mc.FreshReal(0.3), pytest.param(mc.Retain(0.25, 0.25), marks=pytest.mark.slow)], ids=str
)
def test_it_is_the_limit_of_large_samples(regime: Any) -> None:
    """A family that loses something at every fit, and a regime that mixes: what endless data give, large samples nearly
    do.
    """
    plane = mc.normal([1.0, 0.0], [[2.0, 0.3], [0.3, 1.0]])
    family = mc.PPCA(2, noise=0.2)
    endless = exact(family, plane, regime, "decoder_variance", size=20_000, generations=3)["decoder_variance"][0]
    large = mc.simulate(family, plane, regime, "decoder_variance", size=20_000, generations=3, seed=4)
    assert np.ptp(endless) > 0.1
    # the deviation of a trace of this size, relative, is 0.01 a fit
    np.testing.assert_allclose(large["decoder_variance"][0], endless, rtol=0.06)


def test_pools_are_mixtures_by_hand() -> None:
    """PPCA of full rank under fresh real rows: the covariance of the mixture less the noise, in plain NumPy."""
    centre, covariance, noise, share = np.array([1.0, -1.0]), np.array([[2.0, 0.3], [0.3, 1.0]]), 0.2, 0.3
    run = exact(mc.PPCA(2, noise=noise), mc.normal(centre, covariance), mc.FreshReal(share), "decoder_variances")
    now = covariance
    for g in range(5):
        values, axes = np.linalg.eigh(now)
        kept = axes * np.maximum(values - noise, 0) @ axes.T
        np.testing.assert_allclose(run["decoder_variances"][0, g], np.linalg.eigvalsh(kept)[::-1], rtol=1e-10)
        now = share * covariance + (1 - share) * kept


def test_pooled_laws_have_the_moments_of_their_mixture() -> None:
    first, second = mc.normal([0.0, 1.0], [[2.0, 0.3], [0.3, 1.0]]), mc.normal([3.0, -1.0], np.diag([0.5, 0.2]))
    family = mc.Exact(mc.Gaussian())
    pool = family.population(first, jnp.int32(3)) | family.population(second, jnp.int32(7))
    mixture = mc.normal_mixture(
        [0.3, 0.7], [[0.0, 1.0], [3.0, -1.0]], [first.params.covariance, second.params.covariance]
    )
    assert int(pool.size) == 10
    for found, expected in zip(pool.law.moments(), mixture.moments(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_a_mixture_of_models_is_drawn_from_exactly() -> None:
    """p' = alpha * model + beta * p + gamma * real, by means and covariances alone; means are equal here."""
    alpha, beta, gamma, noise = 0.5, 0.3, 0.2, 0.2
    run = exact(mc.PPCA(1, noise=noise), mc.normal([0.0, 0.0], np.diag([2.0, 0.1])), mc.Mixture(alpha, beta, gamma),
                "decoder_variance")  # fmt: skip
    law, real, models = 2.0, 2.0, []
    for g in range(5):
        models.append(law - noise)
        assert run["decoder_variance"][0, g] == pytest.approx(models[-1], rel=1e-12)
        law = alpha * models[-1] + beta * law + gamma * real


@pytest.mark.parametrize("latent", [1, 2])
def test_endless_data_of_a_linear_vae_lose_the_noise(latent: int) -> None:
    run = exact(mc.PPCA(latent, noise=0.4), mc.normal([0.0, 0.0], np.diag([2.0, 1.0])), observe="decoder_variance")
    kept = ppca.decoder_mean_variance(np.array([2.0, 1.0])[:latent, None], 0.4, np.arange(1, 6)).sum(0)
    np.testing.assert_allclose(run["decoder_variance"][0], kept, atol=1e-12)


LINE = mc.linear([1.0, -2.0], [[2.0, 0.3], [0.3, 1.0]], noise=0.5)
ROWS = np.random.default_rng(0).normal(size=(12, 2)) * [1.0, 0.4]
GIVEN = mc.linear([1.0, -2.0], noise=0.5, design=ROWS)
ELSEWHERE = mc.linear(
    [1.0, -2.0], [[3.0, 0.0], [0.0, 5.0]], noise=0.5, design=ROWS
)  # judged on other rows than learnt from


PENALISED, STOPPED = {"penalty": 0.3}, {"steps": 5, "rate": 0.3}
JUDGED = {
    "line": (LINE, [[2.0, 0.3], [0.3, 1.0]]),
    "given": (GIVEN, ROWS.T @ ROWS / 12),
    "elsewhere": (ELSEWHERE, ROWS.T @ ROWS / 12),
}
FEW = [("line", PENALISED), ("given", STOPPED), ("elsewhere", {"minimum_norm": True})]


@pytest.mark.parametrize(
    ("source", "second", "changes"),
    [
        pytest.param(
            *JUDGED[name], changes, marks=() if (name, changes) in FEW else pytest.mark.slow, id=f"{name}-{changes}"
        )
        for name in JUDGED
        for changes in ({}, PENALISED, STOPPED, {"minimum_norm": True})
    ],
)
def test_a_learner_keeps_its_bias(source: Any, second: Any, changes: dict[str, Any]) -> None:
    family = dataclasses.replace(source.family, **changes)
    found = exact(family, source, observe="coefficients", size=12, generations=2)["coefficients"][0]
    values, axes = np.linalg.eigh(np.asarray(second))
    for g in range(3):
        if "penalty" in changes:
            kept = errors.ridge_shrinkage(values, 0.3, g + 1)
        else:
            kept = errors.gradient_shrinkage(values, 0.3, 5, g + 1) if changes.get("steps") else np.ones(2)
        np.testing.assert_allclose(found[g], axes * kept @ axes.T @ [1.0, -2.0], rtol=1e-11)


def test_a_table_is_a_law_of_labelled_rows() -> None:
    labelled = np.column_stack([ROWS, ROWS @ [1.0, -2.0] + np.linspace(-1, 1, 12)])
    family = mc.Regression(mc.Design(ROWS), noise=0.1)
    found = exact(family, mc.table(labelled), observe="coefficients", size=12, generations=1)["coefficients"][0]
    np.testing.assert_allclose(found, np.tile(np.linalg.lstsq(ROWS, labelled[:, 2])[0], (2, 1)), rtol=1e-10)


def test_a_partial_refit_goes_around() -> None:
    assert mc.Damped(mc.Exact(LINE.family), 0.25).deterministic
    ridge = dataclasses.replace(LINE.family, penalty=1.0)
    run = mc.simulate(mc.Damped(mc.Exact(ridge), 0.25), LINE, observe="coefficients", size=5, generations=3)
    full = exact(ridge, LINE, observe="coefficients", generations=1)["coefficients"][0]
    np.testing.assert_allclose(run["coefficients"][0, 1], full[0] + 0.25 * (full[1] - full[0]), rtol=1e-12)


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "a kernel density": (lambda: mc.Exact(mc.KernelDensity()), TypeError, "KernelDensity learns from infinitely many draws"),
    "a table of counts": (lambda: exact(mc.Binomial(3), mc.table([0, 1, 3])), TypeError, "this Table is not known"),
    "a largest draw": (lambda: mc.Exact(mc.Uniform()), TypeError, "Uniform learns"),
    "a sampler": (lambda: exact(mc.Gaussian(), mc.sampler(lambda key, n: jax.random.normal(key, (n, 1)))), TypeError, "Sampler"),
    "pools of labels": (lambda: exact(LINE.family, LINE, mc.Accumulate(), "coefficients"), TypeError, "Regression cannot be pooled"),
    "another dtype": (lambda: mc.Rounded(mc.Gaussian(), "float8"), ValueError, "dtype must be 'float16', 'bfloat16' or 'float32'"),
    "rounded rows of a law": (lambda: mc.Rounded(mc.Exact(mc.Gaussian())), TypeError, "rows=False"),
    "steps without a rate": (lambda: dataclasses.replace(LINE.family, steps=3), ValueError, "both steps and rate"),
    "no steps": (lambda: dataclasses.replace(LINE.family, steps=0, rate=0.1), ValueError, "steps must be at least 1"),
    "a rate of 0": (lambda: dataclasses.replace(LINE.family, steps=2, rate=0.0), ValueError, "rate must be finite and positive"),
    "steps of ridge": (lambda: dataclasses.replace(LINE.family, steps=2, rate=0.1, penalty=1.0), ValueError, "cannot be combined with penalty"),
    "loss on the plane": (lambda: mc.excess_log_loss(mc.normal([0.0, 0.0])), ValueError, "one coordinate, got 2"),
    "loss on states": (lambda: mc.excess_log_loss(mc.categorical([1.0])), TypeError, "normal law or a mixture"),
    "loss on counts": (lambda: mc.excess_log_loss(mc.poisson(1.0)), TypeError, "law of Mean"),
    "loss on needles": (
        lambda: mc.excess_log_loss(mc.normal_mixture([0.5, 0.5], [0.0, 1.0], [1e-9, 1.0])), ValueError, "too thin"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str) -> None:
    call, kind, message = REFUSED[case]
    with pytest.raises(kind, match=message):
        call()


# --- stopped gradient descent ---


def test_gradient_descent_by_hand_and_at_its_end() -> None:
    family = dataclasses.replace(GIVEN.family, steps=7, rate=0.4)
    rows = jnp.asarray(np.column_stack([ROWS, np.linspace(-1, 2, 12)]))
    data = family.summarise(mc.data.Rows(rows, jnp.int32(12)))
    weights = np.zeros(2)
    for _ in range(7):
        weights = weights - 0.4 * ROWS.T @ (ROWS @ weights - np.linspace(-1, 2, 12)) / 12
    np.testing.assert_allclose(family.fit(jax.random.key(0), data, None).weights, weights, rtol=1e-12)
    late = dataclasses.replace(family, steps=20_000).fit(jax.random.key(0), data, None).weights
    np.testing.assert_allclose(late, np.linalg.lstsq(ROWS, np.linspace(-1, 2, 12))[0], rtol=1e-10)


def test_biased_learners_are_predicted_on_their_own_design_only() -> None:
    for changes in ({"penalty": 0.2}, {"steps": 3, "rate": 0.4}):
        family = dataclasses.replace(GIVEN.family, **changes)
        run = mc.simulate(family, GIVEN, observe="excess_risk", size=12, generations=2, chains=2000)
        (found,) = run.predict()
        assert found.function == "errors.shrunken_risk"
        error = run["excess_risk"].std(0) / np.sqrt(2000)
        assert np.all(np.abs(run["excess_risk"].mean(0) - found.values) < 5 * error)
        for other in (
            (
                mc.predictions(family, GIVEN, mc.FreshReal(0.5), "excess_risk", size=12, generations=1),
                mc.predictions(family, GIVEN, None, "excess_risk", size=10, generations=1),
            )
            if "penalty" in changes
            else ()
        ):
            assert other == []


# --- finite precision ---

TYPES = {"float16": np.float16, "bfloat16": jnp.bfloat16.dtype, "float32": np.float32}


@given(st.floats(allow_nan=True, allow_infinity=True, width=32), st.sampled_from(sorted(TYPES)))
@example(65519.99, "float16")
@example(65520.0, "float16")
@example(2.0**-25, "float16")
@example(1.5 * 2.0**-24, "float16")
@example(-0.0, "bfloat16")
def test_rounding_is_that_of_the_type(value: float, dtype: str) -> None:
    # from float32, so that the reference rounds once
    with np.errstate(over="ignore", under="ignore"):
        expected = np.float64(np.asarray(np.float32(value)).astype(TYPES[dtype]))
    np.testing.assert_array_equal(rounded(jnp.asarray(np.float32(value), jnp.float64), dtype), expected)


def test_all_that_is_kept_has_few_digits() -> None:
    family = mc.Rounded(mc.Gaussian(), "bfloat16")
    run = mc.simulate(
        family, mc.normal([1.0, 2.0], [[1.0, 0.5], [0.5, 2.0]]), mc.Retain(0.5), size=8, generations=3, chains=4
    )
    kept = jax.tree.leaves((run.params, run.state.memory.points))
    assert len(kept) == 3
    for leaf in kept:
        np.testing.assert_array_equal(rounded(leaf, "bfloat16"), leaf)


@pytest.mark.slow
def test_a_wide_type_changes_little() -> None:
    run = functools.partial(
        mc.simulate, source=mc.normal(1.0), regime=mc.Retain(0.0), observe="mean", size=8, generations=3
    )
    assert 0 < np.max(np.abs(run(mc.Rounded(mc.Gaussian(), "float32"))["mean"] - run(mc.Gaussian())["mean"])) < 1e-6


def test_a_point_is_absorbed_for_good_and_is_no_failure() -> None:
    run = mc.simulate(
        mc.Rounded(mc.Gaussian(), "float16"), mc.normal(1.5, 1e-6), observe=["absorbed", "mean", "log_variance"],
        size=3, generations=40, chains=50,
    )  # fmt: skip
    gone = run["absorbed"]
    assert gone[:, -1].all()
    assert not np.any(gone[:, :-1] & ~gone[:, 1:])
    still = gone[:, :-1] & gone[:, 1:]
    assert np.all((run["mean"][:, 1:] == run["mean"][:, :-1])[still])
    assert np.all(np.isneginf(run["log_variance"][gone]))
    assert np.all(run.state.status == 0)


def test_the_written_form_reads_back() -> None:
    law = Normal(jnp.array([1.0, 2.0]), jnp.array([[1.0, 0.0], [-0.7, 1.0]]), jnp.array([-1.0, -30.0]))
    for a, b in zip(jax.tree.leaves(unwritten(written(law))), jax.tree.leaves(law), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)
    flat = unwritten(written(dataclasses.replace(law, log_scale=jnp.array([-1.0, -jnp.inf]))))
    np.testing.assert_array_equal(flat.unit, law.unit)
    assert flat.log_scale[1] == -np.inf
    np.testing.assert_allclose(written(law).covariance, law.covariance)
    np.testing.assert_allclose(written(law).variance, np.diagonal(law.covariance))


def test_without_rows_the_mean_stands_still_below_half_a_spacing() -> None:
    run = mc.simulate(
        mc.Rounded(mc.Gaussian(), "float16", rows=False), mc.normal(1.5, 1e-4), observe=["mean", "standard_deviation"],
        size=10, generations=300, chains=20,
    )  # fmt: skip
    h = float(precision.spacing(1.5, "float16"))
    deviation, mean = run["standard_deviation"][..., 0], run["mean"][..., 0]
    far = deviation[:, :-1] < h / 20  # a step of more than ten deviations is not seen
    assert far.any()
    assert np.all((np.diff(mean, axis=1) == 0)[far])
    assert np.all(np.diff(mean, axis=1) % h == 0)


def test_endless_data_round_once() -> None:
    run = mc.simulate(
        mc.Rounded(mc.Exact(mc.Gaussian()), "bfloat16", rows=False), BUMPS, observe="mean", size=9, generations=3
    )
    assert run.family.deterministic
    expected = float(rounded(jnp.asarray(MOMENTS[0]), "bfloat16"))
    assert run["mean"].tolist() == [[[expected]] * 4]
    assert expected != pytest.approx(MOMENTS[0], rel=1e-6)


def test_a_partial_refit_is_rounded_too() -> None:
    damped = mc.simulate(
        mc.Damped(mc.Rounded(LINE.family, "bfloat16"), 0.5), LINE, observe="coefficients", size=20, generations=2
    )
    np.testing.assert_array_equal(rounded(damped["coefficients"], "bfloat16"), damped["coefficients"])


# --- the loss that sees all of them ---


def test_a_partial_refit_within_reads_what_was_kept() -> None:
    size, fits, chains = 20, 5, 4000
    run = mc.simulate(
        mc.Rounded(mc.Damped(mc.Gaussian(), 0.5), "float32"), mc.normal(), observe="log_variance", size=size,
        generations=fits - 1, chains=chains, record=[fits - 1],
    )  # fmt: skip
    values = run["log_variance"].ravel()
    z = [
        (values.mean() - float(errors.damped_log_variance(rate, size, fits))) / (values.std(ddof=1) / chains**0.5)
        for rate in (0.5, 1.0)
    ]
    # a normal mean; a false alarm once in 10^6
    assert abs(z[0]) < 4.9 < abs(z[1])


def test_excess_log_loss_of_a_normal_is_the_gap_and_more() -> None:
    run = exact(mc.Gaussian(), BUMPS, observe={"loss": mc.excess_log_loss(BUMPS)}, generations=1)
    np.testing.assert_allclose(run["loss"], GAP, atol=1e-12)
    params = mc.normal(0.3, 2.0).params
    loss = mc.excess_log_loss(mc.normal(1.0, 5.0))
    state = loop.State(params, None, None, None, None)
    exactly = 0.5 * (5 / 2 + 0.7**2 / 2 - 1 + np.log(2 / 5))
    assert float(loss.read((), state, None)) == pytest.approx(exactly, abs=1e-12)
    point = dataclasses.replace(state, params=dataclasses.replace(params, log_scale=jnp.array([-jnp.inf])))
    assert float(loss.read((), point, None)) == np.inf


def test_excess_log_loss_of_a_mixture() -> None:
    state = loop.State(BUMPS.params, None, None, None, None)
    assert float(mc.excess_log_loss(BUMPS).read((), state, None)) == pytest.approx(0, abs=1e-12)
    other = mc.normal(0.0, 4.0)
    x, step = np.linspace(-30, 30, 60_001, retstep=True)
    truth = np.exp(-(x**2) / 8) / np.sqrt(8 * np.pi)
    model = np.exp(np.asarray(BUMPS.params.log_density(jnp.asarray(x[:, None]))).clip(-700))
    expected = step * truth @ (np.log(np.maximum(truth, 1e-300)) - np.log(model))
    assert float(mc.excess_log_loss(other).read((), state, None)) == pytest.approx(expected, abs=1e-8)


# --- the table ---


def built(on: frozenset[str]) -> dict[str, Any]:
    family = dataclasses.replace(GIVEN.family, penalty=0.3) if "ridge" in on else GIVEN.family
    return {"family": family if "samples" in on else mc.Exact(family), "source": GIVEN}


@pytest.fixture(scope="module")
def table() -> mc.Decomposition:
    return mc.decompose(
        built, ["samples", "ridge"], observe="excess_risk", size=12, generations=4, chains=3000, record=[0, 4], seed=1
    )


def test_effects_and_interactions(table: mc.Decomposition) -> None:
    both, samples, ridge = table.mean("ridge", "samples"), table.mean("samples"), table.mean("ridge")
    np.testing.assert_allclose(table.mean(), 0, atol=1e-25)
    np.testing.assert_allclose(table.effect("samples", "ridge"), both, rtol=1e-12)
    np.testing.assert_allclose(table.effect("samples"), table.interaction("samples"))
    np.testing.assert_allclose(table.interaction("samples", "ridge"), both - samples - ridge, atol=1e-12)
    assert table.effect().tolist() == [0, 0]
    total = sum(table.interaction(*on) for on in table.sets if on)
    np.testing.assert_allclose(total, table.effect("samples", "ridge"), atol=1e-12)
    assert {len(v) for on, v in table.values.items() if "samples" not in on} == {1}
    assert table.standard_error("ridge").tolist() == [0, 0]


def test_the_table_agrees_with_theory(table: mc.Decomposition) -> None:
    values, axes = np.linalg.eigh(ROWS.T @ ROWS / 12)
    kept = errors.ridge_shrinkage(values, 0.3, 1)
    bias, heard = errors.shrunken_risk(values, axes.T @ [1.0, -2.0], kept, 0.25, 12, np.array([1, 5]))
    np.testing.assert_allclose(table.mean("ridge"), bias, rtol=1e-10)
    np.testing.assert_allclose(table.prediction("samples", "ridge"), bias + heard, rtol=1e-12)
    np.testing.assert_allclose(table.prediction("samples"), np.array([1, 5]) * 2 * 0.25 / 12, rtol=1e-12)
    assert table.prediction("ridge") is None
    error = table.standard_error("samples", "ridge")
    expected = heard - np.array([1, 5]) * 2 * 0.25 / 12
    assert np.all(np.abs(table.interaction("samples", "ridge") - expected) < 5 * error)
    assert np.all(table.interaction("samples", "ridge") < -10 * error)


def test_it_prints_and_labels(table: mc.Decomposition) -> None:
    text = str(table)
    assert text.startswith("excess_risk at generation 4")
    assert text.count("\n") == 6
    assert "samples + ridge" in text
    assert "exact" in text
    assert table.table(0).startswith("excess_risk at generation 0")
    data = table.to_dataset()
    assert dict(data.sizes) == {"samples": 2, "ridge": 2, "generation": 2}
    cell = data.sel(samples=True, ridge=True, generation=4)
    assert float(cell.excess_risk) == table.mean("samples", "ridge")[1]
    assert float(cell.prediction) == table.prediction("samples", "ridge")[1]
    assert float(data.standard_error.sel(samples=False).max()) == 0
    with pytest.raises(KeyError, match="unknown errors"):
        table.effect("dust")
    with pytest.raises(ValueError, match=r"generation 99 was not recorded; recorded are \["):
        table.table(99)


def test_theory_may_be_given(table: mc.Decomposition) -> None:
    known = mc.decompose(
        built, ["samples", "ridge"], theory=lambda on: None if on else [7.0, 7.0], observe="excess_risk", size=12,
        generations=1, chains=2,
    )  # fmt: skip
    assert known.prediction().tolist() == [7.0, 7.0]
    np.testing.assert_allclose(known.prediction("samples")[0], table.prediction("samples")[0])


@pytest.mark.parametrize(
    ("names", "observe", "message"),
    [
        ([], "excess_risk", "one to six different names"),
        (["a", "a"], "excess_risk", "one to six different names"),
        (list("abcdefg"), "excess_risk", "one to six different names"),
        (["a"], ["excess_risk", "squared_error"], "one observable of one name"),
        (["a"], "coefficients", "one number per chain"),
    ],
)
def test_tables_that_make_no_sense(names: list[str], observe: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mc.decompose(built, names, observe=observe, size=12, generations=1, chains=2)
