"""Objects with fit and sample go through the same regimes and observables; a user's Gaussian obeys the exact law."""

import jax
import numpy as np
import pytest
from scipy import stats
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

import modelcollapse as mc
from modelcollapse.host.models import Fitted, simulate_models
from modelcollapse_theory import gaussian


class Normal:
    """The ten lines that a user writes."""

    def fit(self, X):
        self.mean = X.mean(0)
        self.covariance = np.atleast_2d(np.cov(X, rowvar=False))

    def sample(self, n, rng):
        return rng.multivariate_normal(self.mean, self.covariance, n)


class Tag:
    """Its draws say which generation drew them: real rows are 0, those of the fit at generation g are g + 1."""

    def __init__(self, previous):
        self.tag = 1 if previous is None else previous.tag + 1

    def fit(self, X):
        pass

    def sample(self, n):
        return np.full((n, 1), float(self.tag))


class Restless(Tag):
    """Has a generator of its own, which never gives the same rows twice."""

    calls = 0

    def sample(self, n):
        type(self).calls += 1
        return self.calls + np.arange(n)[:, None] / n


ZEROS = mc.table(np.zeros((500, 1)))


def composition(fitted):
    """How many of the fitted rows each generation drew."""
    return np.bincount(fitted.rows[:, 0].astype(int), minlength=7)


def tags(regime, size=40, generations=5, **options):
    return simulate_models(Tag, ZEROS, regime, composition, size=size, generations=generations, **options)[
        "composition"
    ][0]


def test_the_increments_of_log_variance_are_exact_log_chi_squares():
    size, chains = 5, 160
    run = simulate_models(Normal, mc.normal(3.0, 4.0), observe="log_variance", size=size, generations=4, chains=chains)
    logs = run["log_variance"][:, :, 0]
    steps = np.diff(np.concatenate([np.full((chains, 1), np.log(4.0)), logs], axis=1), axis=1).ravel()
    assert stats.kstest((size - 1) * np.exp(steps), stats.chi2(size - 1).cdf).pvalue > 1e-6
    assert stats.kstest(size * np.exp(steps), stats.chi2(size - 1).cdf).pvalue < 1e-6  # ddof 0 for 1
    assert stats.kstest((size - 1) * np.exp(steps), stats.chi2(size).cdf).pvalue < 1e-6
    mean, error = logs[:, -1].mean() - np.log(4.0), logs[:, -1].std(ddof=1) / np.sqrt(chains)
    assert abs(mean - gaussian.expected_log_variance(size, 5)) < 5 * error


def test_generation_zero_sees_the_rows_that_simulate_draws():
    table = mc.table(np.arange(60.0).reshape(30, 2) ** [1, 2])
    mine = simulate_models(
        lambda: KernelDensity(), table, observe={"m": lambda f: f.rows.mean(0)}, size=7, generations=0, seed=3
    )
    theirs = mc.simulate(mc.Gaussian(), table, observe="mean", size=7, generations=0, seed=3)
    np.testing.assert_allclose(mine["m"], theirs["mean"], rtol=1e-12)


def test_replace_sees_only_the_newest_model():
    np.testing.assert_array_equal(tags(mc.Replace()), 40 * np.eye(7, dtype=int)[:6])


def test_fresh_and_fixed_real_rows_are_counted_exactly():
    fresh, fixed = tags(mc.FreshReal(0.25)), tags(mc.FixedReal(0.25))
    for made in (fresh, fixed):
        for g in range(1, 6):
            np.testing.assert_array_equal(made[g], 10 * np.eye(7, dtype=int)[0] + 30 * np.eye(7, dtype=int)[g])


def test_fixed_real_rows_are_the_same_and_fresh_ones_are_not():
    table = mc.table(np.arange(1000.0))
    observe = {"real": lambda fitted: np.sort(fitted.rows[fitted.rows < 1000])}

    class Far(Tag):
        def sample(self, n):
            return np.full((n, 1), 5000.0)

    def run(regime):
        return simulate_models(Far, table, regime, observe, size=20, generations=3, record=[1, 2, 3])["real"][0]

    fixed, fresh = run(mc.FixedReal(0.5)), run(mc.FreshReal(0.5))
    assert fixed.shape == fresh.shape == (3, 10)
    np.testing.assert_array_equal(fixed, fixed[:1].repeat(3, 0))
    assert np.any(fresh[1] != fresh[0])


def test_pools_hold_every_generation():
    made = tags(mc.Accumulate())
    np.testing.assert_array_equal(made, 40 * np.tril(np.ones((7, 7), int))[:6])
    budget = tags(mc.AccumulateSubsample())
    np.testing.assert_array_equal(budget.sum(1), 40)
    # 40 of 240 rows, 40 of each kind: each count is hypergeometric
    assert stats.hypergeom(240, 40, 40).cdf(budget[-1, :6].max()) < 1 - 1e-7
    assert np.all(budget[-1, :6] > 0)


def test_retain_keeps_rows_of_the_last_data_set():
    made = tags(mc.Retain(0.5, 0.25))
    np.testing.assert_array_equal(made[1], 30 * np.eye(7, dtype=int)[0] + 10 * np.eye(7, dtype=int)[1])
    np.testing.assert_array_equal(made.sum(1), 40)
    assert all(made[g, g] == 10 for g in range(1, 6))


def test_the_mixture_of_the_paper_remembers_all_models():
    alpha, beta, gamma, size = 0.5, 0.3, 0.2, 4000
    made = tags(mc.Mixture(alpha, beta, gamma), size=size)
    law = np.eye(7)[0]
    for g in range(1, 6):
        law = alpha * np.eye(7)[g] + beta * law + gamma * np.eye(7)[0]
        chance = stats.chisquare(made[g, : g + 1], size * law[: g + 1]).pvalue
        assert chance > 1e-6
    newest_only = alpha * np.eye(7)[5] + beta * np.eye(7)[4] + gamma * np.eye(7)[0]
    assert np.any(made[5][newest_only == 0] > 0)


@pytest.mark.parametrize(
    "regime", [mc.Mixture(1.0, 0.0, 0.0), mc.FreshReal(0.0), mc.Switch(mc.Replace(), mc.FreshReal(1.0), 9)]
)
def test_corners_are_replace_in_the_same_numbers(regime):
    options = {"observe": "mean", "size": 6, "generations": 3, "chains": 2}
    want = simulate_models(Normal, mc.normal(), mc.Replace(), **options)
    np.testing.assert_array_equal(simulate_models(Normal, mc.normal(), regime, **options)["mean"], want["mean"])


def test_switch_heals():
    made = tags(mc.Switch(mc.Replace(), mc.FreshReal(1.0), 3))
    np.testing.assert_array_equal(made, 40 * np.eye(7, dtype=int)[[0, 1, 2, 0, 0, 0]])


def test_a_restless_model_is_drawn_from_once_a_generation():
    Restless.calls = 0
    observe = {"rows": lambda fitted: fitted.rows}
    run = simulate_models(
        Restless, ZEROS, mc.Switch(mc.Replace(), mc.Accumulate(), 9), observe, size=5, generations=2, record=[2]
    )
    assert Restless.calls == 2
    assert run["rows"].shape == (1, 1, 5, 1)


def test_chains_and_generations_do_not_know_how_many_follow():
    def run(chains, generations, record=None):
        make = lambda: KernelDensity(bandwidth=0.3)  # noqa: E731
        return simulate_models(
            make,
            mc.normal(),
            observe=["mean", "log_variance"],
            size=6,
            generations=generations,
            chains=chains,
            record=record,
        )

    long = run(3, 4)
    for name in ("mean", "log_variance"):
        np.testing.assert_array_equal(run(2, 2)[name], long[name][:2, :3])
        np.testing.assert_array_equal(run(2, 4, [1, 4])[name], long[name][:2, [1, 4]])
    assert len({float(x) for x in long["mean"].ravel()}) == 15


def test_a_kernel_density_widens_by_its_bandwidth():
    size, width, fits, chains = 25, 0.8, 5, 60
    run = simulate_models(
        lambda: KernelDensity(bandwidth=width),
        mc.normal(),
        observe={"variance": lambda fitted: fitted.rows.var(), "law": lambda fitted: fitted.sample.var(ddof=1)},
        size=size,
        generations=fits - 1,
        chains=chains,
    )
    rows, law, without = 1 - 1 / size, 1 - 1 / size + width**2, 1 - 1 / size
    for _ in range(fits - 1):
        rows, without = (1 - 1 / size) * (rows + width**2), (1 - 1 / size) * without
    law = rows + width**2
    for name, want in (("variance", rows), ("law", law)):
        got = run[name][:, -1]
        error = got.std(ddof=1) / np.sqrt(chains)
        assert abs(got.mean() - want) < 5 * error
        assert abs(got.mean() - without) > 8 * error


def test_a_fitted_mixture_shows_its_own_moments():
    truth = mc.normal_mixture([0.5, 0.5], [[-3.0, 0.0], [3.0, 1.0]], np.stack([np.eye(2)] * 2))

    def sampled(fitted):
        draws = fitted.model.sample(200_000)[0]
        return np.concatenate([draws.mean(0) - fitted.mean, (np.cov(draws.T) - fitted.covariance).ravel()])

    run = simulate_models(
        lambda: GaussianMixture(2),
        truth,
        observe=["l2_squared", "w2_squared", "log_determinant", sampled],
        size=300,
        generations=1,
    )
    assert np.abs(run["sampled"]).max() < 0.2
    assert np.all((run["l2_squared"] > 0) & (run["l2_squared"] < 0.01))
    assert np.all(run["w2_squared"] < 1)
    assert np.all(np.abs(run["log_determinant"] - np.linalg.slogdet([[10.0, 1.5], [1.5, 1.25]])[1]) < 0.6)


def test_moments_without_a_closed_form_come_from_draws_of_the_model():
    calls = []

    def draw(n):
        calls.append(n)
        return np.arange(2.0 * n).reshape(n, 2) ** 2

    fitted = Fitted(object(), np.zeros((5, 2)), draw, 1, np.zeros((5, 2)))
    rows = np.arange(10.0).reshape(5, 2) ** 2
    np.testing.assert_array_equal(fitted.mean, rows.mean(0))
    np.testing.assert_allclose(fitted.covariance, (rows - rows.mean(0)).T @ (rows - rows.mean(0)) / 4)
    assert calls == [5]


def test_running_observables_see_every_generation():
    run = simulate_models(
        Tag,
        ZEROS,
        observe={"time": mc.first_below(lambda f: -composition(f)[2], 0.0)},
        size=4,
        generations=4,
        record=[1, 4],
    )
    np.testing.assert_array_equal(run["time"], [[np.inf, 2.0]])


def test_the_result_is_a_run(tmp_path):
    run = simulate_models(Normal, mc.normal(), observe=["mean", "w2_squared"], size=6, generations=2, chains=2, seed=5)
    assert run["mean"].shape == (2, 3, 1)
    assert run.generations == 2
    assert "w2_squared" in str(run.summary())
    assert run.to_dataset()["w2_squared"].dims == ("chain", "generation")
    assert [type(model) for model in run.params] == [Normal, Normal]
    assert run.provenance["seed"] == 5
    assert "Normal" in run.provenance["parts"]["family"]["repr"]
    longer = simulate_models(Normal, mc.normal(), size=6, generations=3, chains=2, seed=5)
    for wide in (True, False):  # the run is in float64 in either precision
        with jax.enable_x64(wide):
            np.testing.assert_array_equal(run.extend(1)["mean"], longer["mean"], strict=True)
    with pytest.raises(TypeError, match="cannot save"):
        run.save(tmp_path / "run.npz")


def test_global_settings_are_as_before():
    before = jax.config.values["jax_disable_jit"]
    with pytest.raises(RuntimeError, match="out of rows") as caught:
        simulate_models(Failing, mc.normal(), size=3, generations=2, chains=2)
    assert "chain 0 at generation 1" in caught.value.__notes__[0]
    assert jax.config.values["jax_disable_jit"] == before


class Failing(Normal):
    def sample(self, n, rng):
        raise RuntimeError("out of rows")


class NoSample:
    def fit(self, X):
        pass


class Short(Normal):
    def sample(self, n, rng):
        return np.zeros((n - 1, 1))


class Undefined(Normal):
    def sample(self, n, rng):
        return np.full((n, 1), np.nan)


@pytest.mark.parametrize(
    ("make", "changes", "error", "message"),
    [
        (KernelDensity(), {}, TypeError, "must be a function or class"),
        (lambda a, b: None, {}, TypeError, "must take nothing, or the previous model"),
        (NoSample, {}, TypeError, "has no sample"),
        (Short, {}, ValueError, r"must return 3 rows .* got shape \(2, 1\)"),
        (Undefined, {}, ValueError, "must return finite rows"),
        (Normal, {"size": 0}, ValueError, "size must be at least 1"),
        (Normal, {"size": [3, 3]}, ValueError, "size must be one number, or one for each generation"),
        (Normal, {"observe": "nonsense"}, ValueError, "unknown observable"),
        (Normal, {"observe": "log_pivots"}, ValueError, "'log_pivots' cannot be read from a fitted Normal"),
        (Normal, {"regime": mc.FreshReal([0.5, 0.5])}, ValueError, "share needs one entry for each generation 0 to 2"),
        (Normal, {"regime": mc.Retain(0.6, 0.6)}, ValueError, "share . fresh must be at most 1"),
        (Normal, {"record": [9]}, ValueError, "record must"),
        (
            Normal,
            {"source": mc.sampler(lambda key, n: jax.random.normal(key, (n, 1))), "observe": "w2_squared"},
            ValueError,
            "'w2_squared' compares with the truth",
        ),
        (Normal, {"source": mc.table(np.zeros((2, 1)), replace=False)}, ValueError, "exceeds the 2 rows"),
    ],
)
def test_bad_input_is_named(make, changes, error, message):
    arguments = {"source": mc.normal(), "size": 3, "generations": 2} | changes
    with pytest.raises(error, match=message):
        simulate_models(make, **arguments)


@pytest.mark.parametrize("option", ["batch_size", "workers"])
def test_a_run_of_models_refuses_what_only_compiled_runs_can_use(option: str) -> None:
    run = simulate_models(Normal, mc.normal(), observe="mean", size=8, generations=1)
    with pytest.raises(TypeError, match="goes on chain by chain: omit batch_size, mesh and workers"):
        run.extend(1, **{option: 2})
