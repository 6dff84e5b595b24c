"""A VAE computes the bound it says, trains, reaches the optimum of its linear case, and fails with its chain and
generation named.
"""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, special, stats

import modelcollapse as mc
from modelcollapse import sampling
from modelcollapse.data import Rows
from modelcollapse.engine import plan
from modelcollapse.families import vae
from modelcollapse.families.networks import MLP, Convolutional, convolved, spread
from modelcollapse.families.vae import Autoencoder
from modelcollapse.observables import images as io
from modelcollapse.process import prepare
from modelcollapse.pytree import part

PIXELS, LATENT = 16, 2
SMALL = mc.VAE(latent=LATENT, network=MLP((8,)), steps=30, batch=8, rate=1e-2)


def bars(n: int, seed: int = 0) -> np.ndarray:
    """Images of 4 x 4 pixels in grey: a bright row or column, with noise."""
    rng = np.random.default_rng(seed)
    images = 0.1 * rng.random((n, 4, 4))
    for image, place, upright in zip(images, rng.integers(4, size=n), rng.integers(2, size=n), strict=True):
        (image if upright else image.T)[place] += 0.8
    return images


SOURCE = mc.images(bars(64))


def simulate(family: mc.VAE = SMALL, regime: Any = None, observe: Any = "training_loss", **options: Any) -> mc.Run:
    return mc.simulate(family, SOURCE, regime, observe, **({"size": 24, "generations": 2, "chains": 2} | options))


fit = jax.jit(lambda family, key, rows, previous=None: family.fit(key, rows, previous))
draws = jax.jit(lambda family, key, law, n: family.draw_rows(key, law, jnp.int32(n), n).points, static_argnums=3)
encoded = jax.jit(lambda law, images: law.encode(images)[0])
read = jax.jit(lambda observable, law: observable(law))
ROWS = Rows(SOURCE.points, jnp.int32(24))


def model(network: Any, pixels: int, latent: int, noise: float | None = None, scale: float = 1.0) -> Autoencoder:
    encoder, decoder = jax.tree.map(lambda w: scale * w, network.init(jax.random.key(1), pixels, latent, jnp.float64))
    return Autoencoder(network, encoder, decoder, noise, jnp.zeros(()))


# --- the bound --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [None, 0.3])
def test_evidence_minus_bound_is_the_divergence_from_the_true_posterior(noise: float | None) -> None:
    law = model(MLP((5,)), 3, 1, noise, scale=2.0)
    image = np.array([[0.2, 0.9, 0.5]])
    nodes = np.linspace(-9, 9, 6001)
    parts = law.bound(jnp.asarray(np.repeat(image, nodes.size, axis=0)), jnp.asarray(nodes[:, None]))
    bound = integrate.simpson(stats.norm.pdf(nodes) * np.asarray(parts[0] - parts[1]), x=nodes)

    grid = np.linspace(-12, 12, 20_001)
    means = np.asarray(law.decode(jnp.asarray(grid[:, None])))
    if noise is None:
        log_likelihood = (special.xlogy(image, means) + special.xlog1py(1 - image, -means)).sum(1)
    else:
        log_likelihood = stats.norm.logpdf(image, means, np.sqrt(noise)).sum(1)
    joint = log_likelihood + stats.norm.logpdf(grid)
    evidence = np.log(integrate.simpson(np.exp(joint), x=grid))
    mean, log_variance = (float(x[0, 0]) for x in law.encode(jnp.asarray(image)))
    own = stats.norm.logpdf(grid, mean, np.exp(log_variance / 2))
    gap = integrate.simpson(np.exp(own) * (own - joint + evidence), x=grid)
    assert gap > 0.01
    assert evidence - bound == pytest.approx(gap, rel=1e-5)


def test_divergence_in_closed_form() -> None:
    law = model(MLP(()), 4, 2, scale=3.0)
    images = jnp.asarray(np.random.default_rng(0).random((5, 4)))
    _, found = law.bound(images, jnp.zeros((5, 2)))
    mean, log_variance = (np.asarray(x) for x in law.encode(images))
    for i in range(5):
        each = [
            stats.norm(m, np.exp(s / 2)).expect(lambda z, m=m, s=s: stats.norm.logpdf(z, m, np.exp(s / 2)) - stats.norm.logpdf(z))
            for m, s in zip(mean[i], log_variance[i], strict=True)
        ]  # fmt: skip
        assert float(found[i]) == pytest.approx(sum(each), rel=1e-8)


def test_one_step_follows_the_gradient_by_finite_differences() -> None:
    """The first step of Adam is rate * sign of the gradient, where that is not tiny."""
    family = mc.VAE(latent=1, network=MLP((3,)), steps=1, batch=4, rate=1e-3, kl_weight=2.0, noise=0.5)
    key = jax.random.key(5)
    rows = Rows(jnp.asarray(bars(4).reshape(4, PIXELS)), jnp.int32(4))
    before = jax.tree.leaves(family.network.init(jax.random.fold_in(key, vae.VAE_INIT), PIXELS, 1, jnp.float64))
    after = jax.tree.leaves(((found := fit(family, key, rows)).encoder, found.decoder))
    here = jax.random.fold_in(jax.random.fold_in(key, vae.VAE_TRAIN), 0)  # the first step's own address
    chosen = np.asarray(sampling.keys.words(here, (4,), vae.VAE_BATCH)[0]) % 4
    normals = np.asarray(sampling.normal(here, (4, 1), jnp.float64, vae.VAE_LATENT))
    images = np.asarray(rows.points)[chosen]

    def loss(flat: np.ndarray) -> float:
        arrays, at = [], 0
        for leaf in before:
            arrays.append(flat[at : at + leaf.size].reshape(leaf.shape))
            at += leaf.size
        # leaves come in the order of names: offset, weights
        o1, w1, o2, w2, p1, v1, p2, v2 = arrays
        mean, log_variance = np.split(np.maximum(images @ w1 + o1, 0) @ w2 + o2, 2, axis=1)
        latents = mean + np.exp(log_variance / 2) * normals
        out = np.maximum(latents @ v1 + p1, 0) @ v2 + p2
        divergence = 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance).sum()
        return 2.0 * divergence - stats.norm.logpdf(images, out, np.sqrt(0.5)).sum()

    flat = np.concatenate([np.ravel(leaf) for leaf in before])
    assert float(found.loss) == pytest.approx(loss(flat) / 4, rel=1e-12)
    step = 1e-5
    slope = np.array([(loss(flat + step * e) - loss(flat - step * e)) / (2 * step) for e in np.eye(flat.size)])
    moved = np.concatenate([np.ravel(b - a) for a, b in zip(after, before, strict=True)])
    clear = np.abs(slope) > 1e-5
    assert clear.mean() > 0.5
    np.testing.assert_allclose(moved[clear], 1e-3 * slope[clear] / (np.abs(slope[clear]) + 1e-8), rtol=1e-3)
    np.testing.assert_allclose(moved[~clear & (np.abs(slope) < 1e-12)], 0, atol=1e-15)


# --- training ---------------------------------------------------------------------------------------------------------


def independent_pixels(images: jax.Array) -> float:
    """Log likelihood of an image under the best model without structure, in nats."""
    means = SOURCE.points.mean(0)
    return float((images * jnp.log(means)[None] + (1 - images) * jnp.log1p(-means)[None]).sum(1).mean())


def test_training_beats_pixels_without_structure() -> None:
    held = jnp.asarray(bars(64, seed=1).reshape(64, PIXELS))
    bound = jax.jit(io.EvidenceBound(held))
    trained = fit(
        dataclasses.replace(SMALL, steps=1500, network=MLP((16,))),
        jax.random.key(0),
        Rows(SOURCE.points, jnp.int32(64)),
    )
    assert float(bound(model(MLP((16,)), PIXELS, LATENT))) < independent_pixels(held) < float(bound(trained)) - 0.5


@pytest.mark.parametrize("kl_weight", [1.0, 2.0])
def test_a_linear_vae_reaches_the_optimum_of_ppca(kl_weight: float) -> None:
    rng = np.random.default_rng(2)
    points = rng.normal(size=(200, 4)) @ np.diag([2.0, 1.2, 0.5, 0.3]) @ np.linalg.qr(rng.normal(size=(4, 4)))[0].T
    rows = Rows(jnp.asarray(points - points.mean(0)), jnp.int32(200))
    noise = 0.25
    goal = fit(mc.PPCA(2, noise, kl_weight), jax.random.key(0), rows)
    rough = mc.VAE(2, MLP(()), 2000, 200, 2e-2, kl_weight, noise=noise)
    # the rate of Adam sets the noise about the optimum: go on with a smaller one
    fine = dataclasses.replace(rough, rate=5e-4, start="warm")
    found = fit(fine, jax.random.key(1), rows, fit(rough, jax.random.key(0), rows))
    weights = found.decoder[0]["weights"]
    np.testing.assert_allclose(weights.T @ weights, goal.weights @ goal.weights.T, atol=0.05)
    np.testing.assert_allclose(found.decoder[0]["offset"], 0, atol=0.05)
    # the encoder is the posterior mean, up to the same rotation of the latents
    if kl_weight == 1:
        ours, exact = encoded(found, rows.points) @ weights, encoded(goal, rows.points) @ goal.weights.T
        assert float(jnp.sqrt(((ours - exact) ** 2).mean())) < 0.05


def test_room_is_never_seen() -> None:
    filled = Rows(SOURCE.points.at[24:].set(jnp.nan), jnp.int32(24))
    for a, b in zip(*(jax.tree.leaves(fit(SMALL, jax.random.key(0), rows)) for rows in (filled, ROWS)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_fresh_start_forgets_and_a_warm_one_stays() -> None:
    first, other = (fit(SMALL, jax.random.key(k), ROWS) for k in (0, 1))
    key = jax.random.key(2)
    for a, b in zip(*(jax.tree.leaves(fit(SMALL, key, ROWS, before)) for before in (first, other)), strict=True):
        np.testing.assert_array_equal(a, b)
    warm = fit(dataclasses.replace(SMALL, start="warm", warm_steps=2, rate=1e-3), key, ROWS, first)
    pairs = zip(*(jax.tree.leaves(law.encoder) for law in (first, warm)), strict=True)
    # two steps of Adam move no weight by more than about twice the rate
    assert 1e-4 < max(float(jnp.abs(a - b).max()) for a, b in pairs) < 2.1e-3


def test_weight_decay_pulls_weights_to_zero() -> None:
    laws = [fit(dataclasses.replace(SMALL, weight_decay=d), jax.random.key(0), ROWS) for d in (0.0, 1e3)]
    plain, pulled = (sum(float((w**2).sum()) for w in jax.tree.leaves(law.encoder)) for law in laws)
    assert pulled < 0.5 * plain


# --- drawing ----------------------------------------------------------------------------------------------------------


def test_means_and_sampled_pixels() -> None:
    law = model(MLP((5,)), PIXELS, LATENT, scale=4.0)
    key = jax.random.key(0)
    drawn = {
        output: np.asarray(draws(dataclasses.replace(SMALL, output=output), key, law, 4000))
        for output in ("mean", "sampled")
    }
    assert set(np.unique(drawn["sampled"])) == {0.0, 1.0}
    assert 0 < drawn["mean"].min() < drawn["mean"].max() < 1
    # the same latents: the sampled pixels have the mean image as their expectation
    error = (drawn["sampled"] - drawn["mean"]).mean(0) / np.sqrt((drawn["mean"] * (1 - drawn["mean"])).mean(0) / 4000)
    assert np.abs(error).max() < 5
    gaussian = dataclasses.replace(SMALL, noise=0.04, output="sampled")
    law = dataclasses.replace(law, noise=jnp.asarray(0.04))
    means, noisy = (
        np.asarray(draws(f, key, law, 4000)) for f in (dataclasses.replace(gaussian, output="mean"), gaussian)
    )
    assert (noisy - means).std() == pytest.approx(0.2, rel=0.02)


# --- networks ---------------------------------------------------------------------------------------------------------


def test_convolutions_are_those_of_xla() -> None:
    rng = np.random.default_rng(0)
    images, weights, offset = (jnp.asarray(rng.normal(size=s)) for s in ((2, 8, 12, 3), (4, 4, 3, 5), (5,)))
    layout = ("NHWC", "HWIO", "NHWC")
    expected = jax.lax.conv_general_dilated(images, weights, (2, 2), [(1, 1), (1, 1)], dimension_numbers=layout)
    found = convolved({"weights": weights.reshape(48, 5), "offset": offset}, images)
    np.testing.assert_allclose(found, expected + offset[None, None, None], rtol=1e-12, atol=1e-12)
    # a transposed convolution is the adjoint of the convolution with the same kernel
    back = {"weights": weights.transpose(3, 0, 1, 2).reshape(5, 48), "offset": jnp.zeros(3)}
    signal = jnp.asarray(rng.normal(size=(2, 4, 6, 5)))
    _, adjoint = jax.vjp(lambda x: convolved({"weights": weights.reshape(48, 5), "offset": offset}, x), images)
    np.testing.assert_allclose(spread(back, signal), adjoint(signal)[0], rtol=1e-12, atol=1e-12)


def test_the_network_of_the_paper_has_its_647081_parameters() -> None:
    tree = jax.eval_shape(lambda: Convolutional(64).init(jax.random.key(0), 784, 20, jnp.float32))
    assert sum(leaf.size for leaf in jax.tree.leaves(tree)) == 647_081


def test_a_convolutional_vae_trains() -> None:
    family = mc.VAE(LATENT, Convolutional(4, (4, 4)), steps=1000, batch=16, rate=1e-2)
    found = fit(family, jax.random.key(0), Rows(SOURCE.points, jnp.int32(64)))
    assert float(found.loss) < -independent_pixels(SOURCE.points)
    assert jax.eval_shape(lambda: family.draw_rows(jax.random.key(0), found, jnp.int32(3), 3)).points.shape == (
        3,
        PIXELS,
    )


def test_weights_start_within_the_bounds_of_their_inputs() -> None:
    encoder, decoder = jax.jit(lambda key: Convolutional(8, (8, 8)).init(key, 64, 5, jnp.float64))(jax.random.key(0))
    for layer, inputs in zip([*encoder, *decoder], [16, 128, 64, 5, 128, 16], strict=True):
        for leaf in layer.values():
            assert float(jnp.abs(leaf).max()) <= inputs**-0.5
        assert float(layer["weights"].std()) == pytest.approx((3 * inputs) ** -0.5, rel=0.15)


# --- chains -----------------------------------------------------------------------------------------------------------


REFERENCE = model(MLP((8,)), PIXELS, LATENT, scale=3.0)
OBSERVE = {
    "loss": "training_loss",
    "variance": io.PixelVariance(SMALL, 64),
    "latents": io.Latents(SMALL, draws=30),
    "spread": io.LatentSpread(SMALL, draws=30),
    "given": io.LatentSpread(SMALL, REFERENCE, 30),
}


@pytest.fixture(scope="module")
def three() -> mc.Run:
    return simulate(observe=OBSERVE, chains=3)


def test_chains_do_not_know_each_other_and_go_on_after_saving(three: mc.Run, tmp_path: Path) -> None:
    simulate(observe=OBSERVE, chains=1, generations=1).save(tmp_path / "vae.npz")
    longer = mc.Run.load(tmp_path / "vae.npz").extend(1)
    for name in OBSERVE:
        np.testing.assert_allclose(longer[name][0], three[name][0], rtol=1e-7, atol=1e-9)
        assert np.unique(three[name].round(6), axis=0).shape[0] == 3
    assert longer.params.network.hidden == (8,)


@pytest.mark.slow
def test_real_images_alone_heal_a_warm_start_partly() -> None:
    family = dataclasses.replace(SMALL, steps=300, network=MLP((16,)), start="warm", warm_steps=20)
    regime = mc.Switch(mc.Replace(), mc.FreshReal(1.0), 4)
    run = simulate(family, regime, io.PixelVariance(family, 200), generations=8, size=64)
    variance = run["PixelVariance"].mean(0) / run["PixelVariance"][:, 0].mean()
    assert variance[3] < 0.2
    assert 2 * variance[3] < variance[4] < variance[8] < 1
    assert variance[4] < 0.5


# --- observables ------------------------------------------------------------------------------------------------------


def fixed_draws(family: Any, law: Autoencoder, n: int) -> np.ndarray:
    return np.asarray(draws(family, sampling.key(io.SEED), law, n))


def test_observables_of_drawn_images() -> None:
    law = model(MLP((8,)), PIXELS, LATENT, scale=4.0)
    drawn = fixed_draws(SMALL, law, 50)
    real = bars(20).reshape(20, PIXELS)
    assert float(read(io.PixelVariance(SMALL, 50), law)) == pytest.approx(drawn.var(0).mean(), rel=1e-12)
    nearest = np.linalg.norm(drawn[:, None] - real[None], axis=2).min(1).mean()
    assert float(read(io.NearestReal(SMALL, jnp.asarray(real), 50), law)) == pytest.approx(nearest, rel=1e-12)
    assert float(read(io.NearestReal(SMALL, jnp.asarray(drawn), 50), law)) < 1e-15
    np.testing.assert_allclose(read(io.Images(SMALL, 50), law), drawn, rtol=1e-14)
    by_first_pixel = io.Classifier([{"weights": jnp.eye(PIXELS, 3), "offset": jnp.zeros(3)}], 1.0)
    histogram = np.bincount(drawn[:, :3].argmax(1), minlength=3) / 50
    np.testing.assert_allclose(read(io.ClassHistogram(SMALL, by_first_pixel, 50), law), histogram, atol=1e-15)


CLASSIFIER = io.Classifier(MLP((6,)).init(jax.random.key(2), 3, PIXELS, jnp.float64)[1], 1.0)
WIDE = io.Classifier(MLP((40,)).init(jax.random.key(3), 3, PIXELS, jnp.float64)[1], 1.0)


def frechet(one: np.ndarray, other: np.ndarray) -> float:
    """Squared Frechet distance of two sets of features, as most programs compute the FID."""
    first, second = np.cov(one.T), np.cov(other.T)
    # the trace of a root is the sum of the roots of eigenvalues
    root = np.sqrt(np.maximum(np.linalg.eigvals(first @ second).real, 0)).sum()
    return float(((one.mean(0) - other.mean(0)) ** 2).sum() + np.trace(first) + np.trace(second) - 2 * root)


def test_the_frechet_distance_is_that_of_features_with_the_moments_of_both_sets() -> None:
    law = model(MLP((8,)), PIXELS, LATENT, scale=4.0)
    drawn, real = fixed_draws(SMALL, law, 50), bars(60).reshape(60, PIXELS)
    layer, _ = CLASSIFIER.layers
    features = [np.maximum(x @ np.asarray(layer["weights"]) + np.asarray(layer["offset"]), 0) for x in (drawn, real)]
    expected = frechet(*features)
    assert expected > 0.02
    assert float(io.frechet_distance(CLASSIFIER, drawn, real)) == pytest.approx(expected, rel=1e-6)
    assert float(read(io.FrechetDistance(SMALL, CLASSIFIER, jnp.asarray(real), 50), law)) == pytest.approx(
        expected, rel=1e-6
    )


def test_real_images_are_near_to_real_ones_and_nearer_the_more_they_are() -> None:
    """Also where there are fewer images than features, whose covariance then is singular."""
    one, other, blank = (x.reshape(-1, PIXELS) for x in (bars(1600, 4), bars(1600, 5), 0 * bars(1600, 5)))
    few, many = (float(io.frechet_distance(WIDE, one[:n], other[:n])) for n in (25, 1600))
    assert 0 < many < 0.1 * few < 0.5 * few < float(io.frechet_distance(WIDE, one, blank))
    with jax.enable_x64(False):
        layers = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), WIDE.layers)
        assert float(io.frechet_distance(io.Classifier(layers, 1.0), one[:25], one[:25][::-1])) < 1e-10


def test_frechet_distances_refuse_what_has_no_covariance_or_is_no_image_of_the_classifier() -> None:
    for make, message in (
        (lambda: io.FrechetDistance(SMALL, CLASSIFIER, np.zeros((1, PIXELS))), "images must have at least 2 images"),
        (lambda: io.FrechetDistance(SMALL, CLASSIFIER, np.zeros((2, PIXELS)), 1), "draws must be at least 2, got 1"),
        (lambda: io.frechet_distance(CLASSIFIER, np.zeros((2, 16)), np.zeros((2, 9))), "as many pixels, got 16 and 9"),
        (lambda: io.frechet_distance(CLASSIFIER, np.zeros((2, 9)), np.zeros((2, 9))), "the 16 pixels of the classif"),
    ):
        with pytest.raises(ValueError, match=message):
            make()
    with pytest.raises(TypeError, match="classifier must have embed"):
        io.frechet_distance(lambda x: x, np.zeros((2, 9)), np.zeros((2, 9)))


def test_latents_are_read_by_the_first_encoder_or_by_a_reference(three: mc.Run) -> None:
    for chain in range(3):
        # a running observable carries the parameters of generation 0
        first, last = (
            jax.tree.map(lambda leaf, c=chain: np.asarray(leaf)[c], params)
            for params in (three.state.carries["latents"], three.params)
        )
        drawn = jnp.asarray(fixed_draws(SMALL, last, 30))
        np.testing.assert_allclose(three["latents"][chain, -1], encoded(first, drawn), rtol=1e-6, atol=1e-8)
        expected = float(np.std(encoded(REFERENCE, drawn)))
        assert float(three["given"][chain, -1]) == pytest.approx(expected, rel=1e-7)
        # of generation 0 the carry is the model itself
        drawn = jnp.asarray(fixed_draws(SMALL, first, 30))
        np.testing.assert_allclose(three["latents"][chain, 0], encoded(first, drawn), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(three["spread"], three["latents"].std((-2, -1)), rtol=1e-7)


def test_a_classifier_learns_and_reports_what_it_cannot_know() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=300)
    pixels = 0.5 * rng.random((300, 2, 2))
    pixels[np.arange(300), labels // 2, labels % 2] += 0.4
    options: dict = {"hidden": 8, "steps": 400, "rate": 1e-2}
    assert io.train_classifier(pixels, labels, **options).accuracy > 0.9
    chance = io.train_classifier(pixels, rng.permutation(labels), **options).accuracy
    assert 0.15 < chance < 0.55
    with pytest.raises(ValueError, match=r"held_out must leave images on both sides of 300, got 1\.0"):
        io.train_classifier(pixels, labels, held_out=1.0)


# --- failures ---------------------------------------------------------------------------------------------------------


@part
class Reckless:
    """A VAE whose learning rate is absurd after some losses."""

    family: Any

    data = Rows

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "family":
            raise AttributeError(name)
        return getattr(self.family, name)

    def draw(self, key: jax.Array, params: Any, n: Any, capacity: int) -> Rows:
        return self.family.draw(key, params, n, capacity)

    def fit(self, key: jax.Array, data: Rows, previous: Any) -> Any:
        rate = 1e-2 if previous is None else jnp.where(unlucky(previous.loss), 1e200, 1e-2)
        return dataclasses.replace(self.family, rate=rate).fit(key, data, previous)


def unlucky(loss: Any) -> Any:
    """True of about a quarter of all losses, by digits that are as good as random."""
    return (1000 * loss) % 1 < 0.25


def test_training_that_diverges_stops_its_chain_alone(three: mc.Run) -> None:
    """Here in a regime that keeps images; the recorded losses say which fits must diverge."""
    chains, generations = 8, 2
    with pytest.raises(mc.ChainFailure, match="the fit of Reckless was not finite in chain") as failure:
        simulate(Reckless(SMALL), mc.Retain(0.25, 0.25), chains=chains)
    kept = failure.value.run["training_loss"]
    struck = np.isfinite(kept) & unlucky(kept)
    # a loss at the last generation strikes no fit
    lost, first = struck[:, :-1].any(1), 1 + struck[:, :-1].argmax(1)
    assert 0 < lost.sum() < chains
    np.testing.assert_array_equal(failure.value.chains, np.flatnonzero(lost))
    np.testing.assert_array_equal(failure.value.generations, first[lost])
    for chain in range(chains):
        alive = first[chain] if lost[chain] else generations + 1
        assert np.isfinite(kept[chain, :alive]).all()
        assert np.isnan(kept[chain, alive:]).all()
    # generation 0 is that of any regime, and what comes after is not
    np.testing.assert_allclose(kept[:3, 0], three["loss"][:, 0], rtol=1e-7)
    alive_still = ~struck[:3, 0]
    assert np.all(np.abs(kept[:3, 1] - three["loss"][:, 1])[alive_still] > 1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"latent": 0}, "latent must be at least 1, got 0"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"batch": 0}, "batch must be at least 1, got 0"),
        ({"rate": 0.0}, "rate must be finite and positive, got 0.0"),
        ({"rate": float("nan")}, "rate must be finite and positive, got nan"),
        ({"kl_weight": -1.0}, "kl_weight must be finite and not negative, got -1.0"),
        ({"noise": 0.0}, "noise must be finite and positive, got 0.0"),
        ({"output": "noisy"}, "output must be 'mean' or 'sampled', got 'noisy'"),
        ({"start": "hot"}, "start must be 'fresh' or 'warm', got 'hot'"),
        ({"warm_steps": 3}, "warm_steps must be None for start='fresh', got 3"),
    ],
)
def test_refused_fields(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mc.VAE(**options)


def test_refused_networks() -> None:
    for make, message in (
        (lambda: MLP((0,)), "hidden must be at least 1, got 0 in place 0"),
        (lambda: Convolutional(0), "channels must be at least 1, got 0"),
        (lambda: Convolutional(2, (6, 8)), r"shape must be height and width, multiples of 4, got \(6, 8\)"),
    ):
        with pytest.raises(ValueError, match=message):
            make()


def test_refused_runs() -> None:
    cases: list[tuple[Any, Any, int, str]] = [
        (SMALL, SOURCE, 7, "size must be at least the batch of 8 images, got 7: lower `batch`"),
        (SMALL, mc.table(np.full((9, 4), 2.0)), 9, r"pixels must lie in \[0, 1\], got 2 in image 0"),
        (SMALL, mc.normal(np.zeros(4), np.eye(4)), 9, r"pixels must lie in \[0, 1\]"),
        (
            mc.VAE(batch=8, network=Convolutional()),
            SOURCE,
            9,
            r"shape \(28, 28\) means 784 pixels, but the images have 16",
        ),
    ]
    for family, source, size, message in cases:
        with pytest.raises(ValueError, match=message):
            mc.simulate(family, source, observe="training_loss", size=size, generations=1)
    with pytest.raises(TypeError, match="source must give images as rows of real numbers"):
        mc.simulate(SMALL, mc.categorical([1.0]), observe="training_loss", size=9, generations=1)


def test_the_plan_of_a_run_counts_its_training() -> None:
    """By the bytes of its rows a refit of over a second would be run by the programs of runs that are soon over."""
    images = mc.images(np.zeros((128, 28, 28)))
    process = prepare(mc.VAE(), images, mc.Replace(), "training_loss", 128, 1).process
    cost = plan.costs(process, plan.first(process, sampling.key(0)))
    weights = 2 * 784 * 256 + 256 * (40 + 20) + 256 + 40 + 256 + 784
    assert cost.labour == 3 * 400 * 128 * weights
    assert cost.working < plan.LONG < cost.labour
