"""Sources give rows and laws as described: tables with and without replacement, samplers, fitted models."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import modelcollapse as mc
from modelcollapse.data import Rows
from modelcollapse.pytree import part

KEYS = jax.random.split(jax.random.key(0), 2000)


def test_weights_become_probabilities_only_on_request() -> None:
    np.testing.assert_allclose(mc.categorical([3, 1, 0], normalise=True).params, [0.75, 0.25, 0])
    np.testing.assert_array_equal(mc.categorical([0.5, 0.5]).params, [0.5, 0.5])


def test_normal_accepts_numbers_vectors_and_matrices() -> None:
    assert mc.normal().params.mean.shape == (1,)
    np.testing.assert_allclose(mc.normal([1.0, 2.0], 4.0).params.covariance, 4 * np.eye(2))
    law = mc.normal(1.0, [[2.0, 0.5], [0.5, 1.0]]).params
    np.testing.assert_array_equal(law.mean, [1, 1])
    np.testing.assert_allclose(law.covariance, [[2.0, 0.5], [0.5, 1.0]], rtol=1e-15)


def test_mixtures_of_normals_have_the_moments_of_their_draws() -> None:
    source = mc.normal_mixture([0.3, 0.7], [[-1.0, 0.0], [2.0, 1.0]], [np.eye(2), [[1.0, 0.5], [0.5, 2.0]]])
    mean, covariance = source.moments()
    points = np.asarray(source.draw_rows(jax.random.key(1), 200_000, 200_000).points)
    error = points.std(0) / np.sqrt(len(points))
    assert (np.abs(points.mean(0) - mean) < 5 * error).all()
    assert (np.abs(np.cov(points.T) - covariance) < 5 * 6 / np.sqrt(len(points))).all()
    # the components' own covariance, without that of their means, is far off
    within = np.tensordot([0.3, 0.7], source.params.covariances, 1)
    assert np.abs(np.cov(points.T) - within).max() > 1


def test_a_table_without_replacement_gives_each_row_at_most_once() -> None:
    rows = np.arange(6.0)[:, None]
    draw = jax.jit(jax.vmap(lambda key: mc.table(rows, replace=False).draw_rows(key, jnp.int32(4), 4).points))
    drawn = np.sort(np.asarray(draw(KEYS))[:, :, 0], axis=1)
    assert (np.diff(drawn, axis=1) > 0).all()
    seen = np.bincount(drawn.astype(int).ravel(), minlength=6)
    # four of six rows each: the variance of a count is N (4/6)(2/6), and the counts add up
    assert stats.chi2.sf(((seen - seen.mean()) ** 2).sum() / (2000 * 2 / 9) * 5 / 6, 5) > 1e-6
    whole = mc.table(rows, replace=False).draw_rows(jax.random.key(0), jnp.int32(6), 6).points
    np.testing.assert_array_equal(np.sort(whole[:, 0]), rows[:, 0])


def test_a_table_with_replacement_is_the_empirical_law() -> None:
    rows = np.array([[0.0], [0.0], [1.0], [5.0]])
    source = mc.table(rows)
    draw = jax.jit(jax.vmap(lambda key: source.draw_rows(key, jnp.int32(4), 4).points))
    drawn = np.asarray(draw(KEYS))[:, :, 0]
    seen = [(drawn == value).sum() for value in (0, 1, 5)]
    assert stats.chisquare(seen, drawn.size * np.array([0.5, 0.25, 0.25])).pvalue > 1e-6
    assert (np.sort(drawn, axis=1) != np.sort(rows[:, 0])).any()
    mean, covariance = source.moments()
    assert float(mean[0]) == pytest.approx(1.5)
    assert float(covariance[0, 0]) == pytest.approx(np.var(rows))


def test_a_table_of_states_has_frequencies() -> None:
    source = mc.table([0, 2, 2, 1])
    np.testing.assert_array_equal(source.frequencies(4), [0.25, 0.25, 0.5, 0])
    assert source.moments() is None
    np.testing.assert_array_equal(mc.Discrete(states=4).project(source), [0.25, 0.25, 0.5, 0])


@pytest.mark.parametrize("replace", [True, False])
def test_a_discrete_run_on_a_table_of_states(replace: bool) -> None:
    words = np.repeat([0, 1, 2, 3], [6, 4, 1, 1])
    run = mc.simulate(
        mc.Discrete(states=4), mc.table(words, replace=replace), observe=["probabilities", "total_variation"],
        size=12, generations=2, chains=40,
    )  # fmt: skip
    first = run["probabilities"][:, 0]
    np.testing.assert_allclose((first * 12).round(), first * 12, atol=1e-12)
    # all twelve rows without replacement: the first fit is the table itself
    assert (run["total_variation"][:, 0] < 1e-15).all() == (not replace)
    assert (run["total_variation"][:, 1] > 0).any()


def test_any_sampler_can_be_real() -> None:
    def uniform(key: jax.Array, n: int) -> jax.Array:
        return jax.random.uniform(key, (n, 1))

    run = mc.simulate(mc.Gaussian(), mc.sampler(uniform), observe="log_variance", size=2000, generations=1, chains=20)
    # variance 1/12; its sample value has relative variance (kurtosis - 1) / M = 0.8 / M
    variance = np.exp(run["log_variance"][:, 0, 0])
    p = {true: stats.chi2.sf((((variance / true - 1) ** 2) / (0.8 / 2000)).sum(), 20) for true in (1 / 12, 1 / 13)}
    assert p[1 / 12] > 1e-6 > p[1 / 13]


def test_one_normal_law_is_fitted_to_a_mixture_of_two() -> None:
    source = mc.normal_mixture([0.5, 0.5], [-2.0, 2.0], [1.0, 1.0])
    run = mc.simulate(
        mc.Gaussian(), source, observe=["log_variance", "w2_squared", "mean"], size=400, generations=3, chains=50
    )
    variance = np.exp(run["log_variance"][:, 0, 0])
    # total variance 5; the fourth central moment is 16 + 6 * 4 + 3 = 43
    z = (variance.mean() / 5 - 1) / np.sqrt((43 / 25 - 1) / 400 / 50)
    assert abs(z) < 5.5
    assert (run["w2_squared"] > 0).all()
    gap = np.exp(0.5 * run["log_variance"][..., 0]) - 5**0.5
    np.testing.assert_allclose(run["w2_squared"], run["mean"][..., 0] ** 2 + gap**2, rtol=1e-9)


def test_a_fitted_model_can_be_the_next_truth() -> None:
    source = mc.categorical([0.5, 0.2, 0.2, 0.1])
    run = mc.simulate(mc.Discrete(), source, observe="probabilities", size=4, generations=3, chains=4)
    gone = run.params[1] == 0
    assert gone.any()
    law = mc.Law(mc.Discrete(), jnp.asarray(run.params[1]))
    again = mc.simulate(mc.Discrete(), law, observe="probabilities", size=4, generations=3, chains=4, seed=1)
    assert (again["probabilities"][..., gone] == 0).all()
    assert (run["probabilities"][..., gone] > 0).any()


def test_images_become_rows_and_keep_their_labels() -> None:
    pixels = np.arange(24).reshape(3, 2, 4) / 24
    np.testing.assert_array_equal(mc.images(pixels).points, pixels.reshape(3, 8))
    np.testing.assert_array_equal(mc.images(pixels.reshape(3, 8)).points, pixels.reshape(3, 8))
    labelled = mc.images(pixels, [2, 0, 1], replace=False)
    np.testing.assert_array_equal(labelled.points[:, -1], [2, 0, 1])
    np.testing.assert_array_equal(labelled.points[:, :-1], pixels.reshape(3, 8))
    assert not labelled.replace


@pytest.mark.parametrize(
    ("pixels", "labels", "message"),
    [
        (np.zeros((2, 3, 4, 1)), None, r"images must be numbers in an array \(n, height, width\).*shape \(2, 3, 4, 1\)"),
        (np.zeros((0, 3, 4)), None, "images must be numbers"),
        (np.array([["a"]]), None, "images must be numbers"),
        (np.array([[0.0, 1.0], [0.5, 1.5]]), None, r"pixels must lie in \[0, 1\], got 1.5 in image 1 \(largest 1.5\)"),
        (np.array([[0.0, -0.1]]), None, r"pixels must lie in \[0, 1\], got -0.1 in image 0"),
        (np.array([[0.0, np.nan]]), None, "images must be finite, got nan in row 0, column 1"),
        (np.full((2, 2), 200), None, "divide bytes by 255"),
        (np.zeros((2, 2)), [0], r"labels must be 2 whole numbers from 0, one for each image of pixels, got int64 of shape \(1,\)"),
        (np.zeros((2, 2)), [0.0, 1.0], "labels must be 2 whole numbers from 0"),
        (np.zeros((2, 2)), [0, -1], "labels must be 2 whole numbers from 0.*from -1"),
    ],
)  # fmt: skip
def test_images_that_make_no_sense_are_refused(pixels: Any, labels: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mc.images(pixels, labels)


TOKENS = np.array([[3, 1, 2], [0, 1, 1], [3, 3, 0], [2, 0, 1]])


@part
class Frequencies:
    """How often each of four tokens occurs in rows of three: parameters ``(4,)``, integer rows."""

    data = Rows
    tokens = True

    def draw(self, key: jax.Array, params: jax.Array, n: Any, capacity: int) -> Rows:
        return self.draw_rows(key, params, n, capacity)

    def draw_rows(self, key: jax.Array, params: jax.Array, n: Any, capacity: int) -> Rows:
        drawn = jax.random.categorical(key, jnp.log(params), shape=(capacity, 3))
        return Rows(drawn.astype(jnp.int32), jnp.asarray(n, jnp.int32))

    def summarise(self, rows: Rows) -> Rows:
        return rows

    def fit(self, key: jax.Array, data: Rows, previous: jax.Array | None) -> jax.Array:
        assert data.points.dtype == jnp.int32
        seen = jnp.where(data.present[:, None, None], jax.nn.one_hot(data.points, 4), 0.0)
        return seen.sum((0, 1)) / (3 * data.size).astype(seen.dtype)


def frequencies(params: jax.Array) -> jax.Array:
    return params


@pytest.mark.parametrize("rows", [TOKENS, TOKENS.astype(np.uint8), TOKENS.tolist(), jnp.asarray(TOKENS)])
def test_rows_of_integers_stay_integers(rows: Any) -> None:
    source = mc.table(rows)
    assert source.points.dtype == jnp.int32
    np.testing.assert_array_equal(source.points, TOKENS)
    assert source.draw_rows(KEYS[0], jnp.int32(2), 2).points.dtype == jnp.int32


def test_a_family_of_tokens_is_fitted_to_integers() -> None:
    source = mc.table(TOKENS, replace=False)
    run = mc.simulate(Frequencies(), source, mc.FreshReal(0.5), frequencies, size=4, generations=2, chains=3)
    np.testing.assert_allclose(run["frequencies"][:, 0], np.tile(np.bincount(TOKENS.ravel()) / 12, (3, 1)), rtol=1e-12)
    assert run.source.points.dtype == jnp.int32


def test_blocks_of_tokens_come_back_from_a_file_with_their_vocabulary(tmp_path: Path) -> None:
    tokenizer = mc.text.Characters(tuple("abcdefgh"))
    source = mc.sources.tokens(TOKENS, tokenizer)
    run = mc.simulate(Frequencies(), source, mc.FreshReal(0.5), frequencies, size=4, generations=2, chains=3)
    run.save(tmp_path / "run.npz")
    back = mc.Run.load(tmp_path / "run.npz")
    assert back.source.vocabulary == 9
    assert back.source.tokenizer == tokenizer
    assert back.source.tokenizer.decode([1, 2]) == "ab"
    assert back.source.points.dtype == jnp.int32
    longer = (one.extend(1)["frequencies"] for one in (run, back))
    np.testing.assert_array_equal(*longer)
    floats = mc.simulate(mc.Gaussian(), source, observe="mean", size=20, generations=1, chains=3)
    plain = mc.simulate(mc.Gaussian(), mc.table(TOKENS), observe="mean", size=20, generations=1, chains=3)
    np.testing.assert_array_equal(floats["mean"], plain["mean"])


FAR = TOKENS + 2_000_000_000 * np.array([1, 0, 0])


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("rows", [TOKENS, FAR, TOKENS * 2**33, pd.DataFrame(TOKENS, columns=list("abc"))])
def test_integers_are_measurements_to_every_other_family_with_the_numbers_of_floats(rows: Any, bits: int) -> None:
    with jax.enable_x64(bits == 64):
        options: dict[str, Any] = {"observe": ["mean", "log_variance"], "size": 20, "generations": 2, "chains": 3}
        floats = rows.astype(float)
        run, plain = (mc.simulate(mc.Gaussian(), mc.table(given), **options) for given in (rows, floats))
        for name in options["observe"]:
            np.testing.assert_array_equal(run[name], plain[name])
        assert run.source.points.dtype == jnp.result_type(float)
        assert [p.observable for p in run.predict()] == [p.observable for p in plain.predict()]
        for name, values in mc.trace(mc.Gaussian(), mc.table(np.asarray(TOKENS)), **options).items():
            assert values.shape == run[name].shape


def test_wide_integers_and_truth_values_are_measurements_at_once() -> None:
    assert mc.table(TOKENS * 2**33).points.dtype == jnp.result_type(float)
    assert mc.table(TOKENS > 1).points.dtype == jnp.result_type(float)
    assert mc.table(pd.DataFrame(TOKENS)).points.dtype == jnp.result_type(float)


def test_models_with_fit_and_sample_are_given_floats() -> None:
    class Mean:
        def fit(self, rows: np.ndarray) -> None:
            assert rows.dtype == np.float64
            self.mean, self.covariance = rows.mean(0), np.eye(3)

        def sample(self, n: int) -> np.ndarray:
            return np.tile(self.mean, (n, 1))

    run = mc.simulate_models(Mean, mc.table(TOKENS), observe="mean", size=4, generations=1)
    assert np.isfinite(run["mean"]).all()
