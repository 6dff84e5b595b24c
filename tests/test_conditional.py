"""A class-conditional model is one model for each class, and its classes come and go as rows do."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import modelcollapse as mc
from modelcollapse.data import Rows
from modelcollapse.families.conditional import Conditioned
from modelcollapse.families.vae import MLP
from modelcollapse.observables import images as io

RNG = np.random.default_rng(0)
LABELS = np.repeat([0, 1, 2], [20, 10, 2])
PIXELS = np.clip(0.3 * RNG.random((32, 3)) + 0.3 * LABELS[:, None], 0, 1)
FAMILY = mc.Conditional(mc.PPCA(1), 3)
SOURCE = mc.images(PIXELS, LABELS)


def rows(labels: Any) -> Rows:
    chosen = np.isin(LABELS, labels)
    room = np.vstack([np.asarray(SOURCE.points)[chosen], np.tile([1e9, 1e9, 1e9, 0.0], (36 - chosen.sum(), 1))])
    return Rows(jnp.asarray(room), jnp.int32(chosen.sum()))


fit = jax.jit(FAMILY.fit)


def test_each_class_has_the_fit_of_its_own_rows() -> None:
    found = fit(jax.random.key(0), rows([0, 1, 2]), None)
    np.testing.assert_allclose(found.frequencies, np.array([20, 10, 2]) / 32, rtol=1e-15)
    for k in range(3):
        mine = jnp.asarray(PIXELS[k == LABELS])
        alone = FAMILY.family.fit(jax.random.key(9), Rows(mine, jnp.int32(len(mine))), None)
        for a, b in zip(*map(jax.tree.leaves, (alone, found.models)), strict=True):
            np.testing.assert_allclose(b[k], a, rtol=1e-9, atol=1e-12)


def test_a_class_without_rows_keeps_its_model_and_is_not_drawn() -> None:
    before = fit(jax.random.key(0), rows([0, 1, 2]), None)
    found = fit(jax.random.key(1), rows([0, 1]), before)
    assert float(found.frequencies[2]) == 0
    np.testing.assert_array_equal(found.models.mean[2], before.models.mean[2])
    never = fit(jax.random.key(1), rows([1]), None)
    np.testing.assert_array_equal(never.frequencies, [0, 1, 0])
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(never))
    drawn = FAMILY.draw_rows(jax.random.key(2), found, jnp.int32(500), 500).points
    assert set(np.unique(drawn[:, -1])) == {0.0, 1.0}


def test_a_draw_is_a_class_and_then_a_row_of_it() -> None:
    law = fit(jax.random.key(0), rows([0, 1, 2]), None)
    drawn = np.asarray(FAMILY.draw_rows(jax.random.key(2), law, jnp.int32(20_000), 20_000).points)
    labels = drawn[:, -1].astype(int)
    assert stats.chisquare(np.bincount(labels, minlength=3), 20_000 * np.asarray(law.frequencies)).pvalue > 1e-6
    for k in range(3):
        mine = drawn[labels == k, :-1]
        error = (mine.mean(0) - law.models.mean[k]) / (mine.std(0) / np.sqrt(len(mine)) + 1e-12)
        assert np.abs(error).max() < 5
        spread = law.models.weights[k] @ law.models.weights[k].T
        np.testing.assert_allclose(np.cov(mine.T), spread, atol=0.1 * float(spread.max()))


def test_real_data_bring_a_lost_class_back() -> None:
    observe = {
        "lost": mc.of("frequencies", "lost"), "left": mc.of("frequencies", "support_size"),
        "first": mc.of("frequencies", mc.first_below("support_size", 2)),
        "variance": mc.of("models", io.Each(io.PixelVariance(FAMILY.family, 50))),
    }  # fmt: skip
    regime = mc.Switch(mc.Replace(), mc.FreshReal(1.0), 8)
    run = mc.simulate(FAMILY, SOURCE, regime, observe, size=12, generations=8, chains=40)
    rare = run["lost"][:, :, 2]
    # of twelve rows the rare class has a sixteenth: lost by most, and once lost, for good until real data come
    assert rare[:, 7].sum() > 30
    assert np.all(rare[:, 1:8] >= rare[:, :7])
    assert 5 < rare[:, 8].sum() < 32
    np.testing.assert_array_equal(run["left"], 3 - run["lost"].sum(-1))
    alone = run["left"] < 2
    np.testing.assert_array_equal(run["first"][:, -1], np.where(alone.any(1), alone.argmax(1), np.inf))
    assert run["variance"].shape == (40, 9, 3)
    # a rare class that is lost keeps the model that it had
    kept = rare[:, 6] & rare[:, 7]
    np.testing.assert_array_equal(run["variance"][kept, 7, 2], run["variance"][kept, 6, 2])


@pytest.mark.slow
def test_an_autoencoder_serves_as_the_model_of_a_class() -> None:
    vae = mc.VAE(latent=1, network=MLP((4,)), steps=5, batch=8)
    family = mc.Conditional(vae, 3)
    observe = {"images": io.Images(family, 5), "variance": mc.of("models", io.Each(io.PixelVariance(vae, 5)))}
    run = mc.simulate(family, SOURCE, mc.FixedReal(0.5), observe, size=16, generations=1)
    assert run["images"].shape == (1, 2, 5, 3)
    assert (run["variance"] > 0).all()


def test_a_class_whose_rows_or_draws_span_no_covariance_is_refused_or_fails_its_chain() -> None:
    gaussian, options = (
        mc.Conditional(mc.Gaussian(), 3),
        {"observe": lambdaless, "size": 12, "generations": 3, "chains": 4},
    )
    with pytest.raises(ValueError, match="class 2: rows must span all 3 dimensions for Gaussian"):
        mc.simulate(gaussian, SOURCE, **options)
    enough = mc.images(np.clip(0.3 + 0.3 * RNG.random((38, 3)), 0, 1), np.repeat([0, 1, 2], [20, 10, 8]))
    with pytest.raises(mc.ChainFailure, match="the fit of Conditional was not finite"):
        mc.simulate(gaussian, enough, **options)


def lambdaless(params: Conditioned) -> jax.Array:
    return params.frequencies


def test_labels_out_of_range_fail_the_fit() -> None:
    bad = rows([0, 1, 2]).points.at[3, -1].set(7.0)
    found = fit(jax.random.key(0), Rows(bad, jnp.int32(32)), None)
    assert np.isnan(found.frequencies).any()


def test_the_truth_is_known_for_the_classes_alone() -> None:
    truth = FAMILY.project(SOURCE)
    np.testing.assert_allclose(truth.frequencies, np.array([20, 10, 2]) / 32, rtol=1e-12)
    assert truth.models is None
    assert FAMILY.project(mc.sampler(lambda key, n: jnp.zeros((n, 4)))) is None


def test_refusals() -> None:
    def simulate(family: Any, source: Any, size: int = 12) -> Any:
        return mc.simulate(family, source, observe=lambdaless, size=size, generations=1)

    with pytest.raises(ValueError, match="classes must be at least 1, got 0"):
        mc.Conditional(mc.PPCA(1), 0)
    with pytest.raises(ValueError, match="the last entry of a row must be its class, 0 to 1, got 2 in row 30"):
        simulate(mc.Conditional(mc.PPCA(1), 2), SOURCE)
    with pytest.raises(ValueError, match="must be its class"):
        simulate(FAMILY, mc.sampler(lambda key, n: jnp.full((n, 4), 0.5)))
    with pytest.raises(TypeError, match="rows of real numbers that end with a class"):
        simulate(FAMILY, mc.categorical([1.0]))
    # what the family refuses, of the rows without their class
    with pytest.raises(ValueError, match="latent must be at most 2 for rows of 3 numbers"):
        simulate(mc.Conditional(mc.PPCA(3), 3), SOURCE)
    with pytest.raises(ValueError, match="size must be at least the batch of 8 images, got 4"):
        simulate(mc.Conditional(mc.VAE(1, MLP((2,)), batch=8), 3), SOURCE, size=4)
    with pytest.raises(ValueError, match="cannot be read from the parameters of Conditional"):
        mc.simulate(FAMILY, SOURCE, observe=mc.of("nothing", "entropy"), size=12, generations=1)
