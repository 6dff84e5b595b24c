"""EM in whitened coordinates is plain EM, and keeps its digits where components are thin, far away or empty."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import modelcollapse as mc
from modelcollapse import sampling
from modelcollapse.data import Rows
from modelcollapse.families.mixture import NormalMixture, _settled


def law(k: int, d: int, seed: int = 0, scale: float = 1.0) -> NormalMixture:
    rng = np.random.default_rng(seed)
    factors = np.tril(rng.normal(size=(k, d, d)), -1) + np.eye(d) * rng.uniform(0.5, 2, (k, 1, d))
    weights = rng.dirichlet(np.full(k, 5.0))
    return NormalMixture(*(jnp.asarray(a) for a in (weights, 3 * rng.normal(size=(k, d)), scale * factors)))


def rows(points: Any, count: int | None = None) -> Rows:
    points = jnp.asarray(points)
    return Rows(points, jnp.int32(points.shape[0] if count is None else count))


fit = jax.jit(lambda family, data, start: family.fit(sampling.key(0), data, start))


def by_hand(points: np.ndarray, start: NormalMixture, steps: int, reg_covar: float = 0.0) -> tuple[np.ndarray, ...]:
    """EM as the textbooks write it, in extended precision."""
    x, w, mu = (np.asarray(a, np.longdouble) for a in (points, start.weights, start.means))
    factors = np.asarray(start.factors, np.longdouble)
    sigma = factors @ factors.swapaxes(1, 2)
    for _ in range(steps):
        gap = x[:, None] - mu[None]
        precision = np.stack([_inverse(s) for s in sigma])
        log_det = np.log(np.array([_det(s) for s in sigma]))
        joint = np.log(w) - 0.5 * log_det - 0.5 * np.einsum("nki,kij,nkj->nk", gap, precision, gap)
        shares = np.exp(joint - joint.max(1, keepdims=True))
        shares /= shares.sum(1, keepdims=True)
        mass = shares.sum(0)
        w, mu = mass / mass.sum(), (shares.T @ x) / mass[:, None]
        gap = x[:, None] - mu[None]
        sigma = np.einsum("nk,nki,nkj->kij", shares, gap, gap) / mass[:, None, None]
        sigma = sigma + reg_covar * np.eye(x.shape[1], dtype=np.longdouble)
    return w, mu, sigma


def _det(s: np.ndarray) -> Any:
    return s[0, 0] if len(s) == 1 else s[0, 0] * _det(s[1:, 1:] - np.outer(s[1:, 0], s[0, 1:]) / s[0, 0])


def _inverse(s: np.ndarray) -> np.ndarray:
    # Gauss-Jordan; numpy.linalg has no extended precision
    a = np.concatenate([s, np.eye(len(s), dtype=np.longdouble)], 1)
    for i in range(len(s)):
        a[i] /= a[i, i]
        for j in range(len(s)):
            if j != i:
                a[j] -= a[j, i] * a[i]
    return a[:, len(s) :]


@pytest.mark.parametrize(("k", "d", "reg_covar"), [(2, 2, 0.0), (3, 2, 0.05), (2, 4, 0.05)])
def test_a_fit_is_textbook_em(k: int, d: int, reg_covar: float) -> None:
    start = law(k, d)
    points = start_points = np.asarray(mc.GaussianMixture(k).draw_rows(sampling.key(1), law(k, d, 1), 300, 300).points)
    family = mc.GaussianMixture(k, reg_covar=reg_covar, tol=0.0, max_iter=5)
    padded = np.concatenate([start_points, np.full((20, d), 7.0)])
    for data in (rows(points), rows(padded, 300)):
        fitted = fit(family, data, start)
        weights, means, covariances = by_hand(points, start, 5, reg_covar)
        np.testing.assert_allclose(fitted.weights, weights.astype(float), rtol=1e-12)
        np.testing.assert_allclose(fitted.means, means.astype(float), rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(fitted.covariances, covariances.astype(float), rtol=1e-11, atol=1e-12)
    one_less = by_hand(points, start, 4, reg_covar)[1].astype(float)
    assert np.abs(one_less - np.asarray(fitted.means)).max() > 1e-6


def test_it_stops_by_the_change_of_the_mean_log_likelihood() -> None:
    start = law(2, 2)
    data = mc.GaussianMixture(2).draw_rows(sampling.key(6), law(2, 2, 1), 400, 400)
    bounds = []
    for steps in range(8):
        w, mu, sigma = by_hand(np.asarray(data.points), start, steps)
        params = NormalMixture(
            *(jnp.asarray(a.astype(float)) for a in (w, mu, np.linalg.cholesky(sigma.astype(float))))
        )
        bounds.append(float(params.log_density(data.points).mean()))
    change = np.abs(np.diff(bounds))
    assert (change > 0).all()
    # the change between the starts of steps j and j + 1 is known after step j + 1
    for j in (1, 3, 6):
        stopped = fit(mc.GaussianMixture(2, tol=change[j - 1] * 1.001), data, start)
        np.testing.assert_allclose(
            stopped.means, by_hand(np.asarray(data.points), start, j + 1)[1].astype(float), rtol=1e-9
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_thin_component_far_away_keeps_its_digits(dtype: Any) -> None:
    eps = float(np.finfo(dtype).eps)
    # the thin direction's variance is one ulp of the covariance that it is part of
    width = eps**0.5
    factors = np.stack([[[1.0, 0.0], [1.0, width]], np.eye(2)])
    start = NormalMixture(*(jnp.asarray(a, dtype) for a in ([0.5, 0.5], [[0.0, 0.0], [64.0, 0.0]], factors)))
    noise = np.random.default_rng(0).normal(size=(400, 2))
    # both coordinates exact in the type, so that the rows themselves are as thin as meant
    along = np.round(noise[:200, 0] * 64) / 64
    thin = np.stack([along, along + np.round(noise[:200, 1] * width / (4 * eps)) * 4 * eps], 1)
    points = np.concatenate([thin, noise[200:] + np.array([64.0, 0.0])]).astype(dtype)
    fitted = fit(mc.GaussianMixture(2, tol=0.0, max_iter=2), rows(points), start)
    true = by_hand(points, start, 2)[2][0]
    pivots = np.sqrt(np.array([true[0, 0], true[1, 1] - true[0, 1] ** 2 / true[0, 0]]))
    np.testing.assert_allclose(np.diagonal(fitted.factors[0]), pivots.astype(float), rtol=0.01)


def test_too_few_distinct_rows_are_singular_unless_regularised() -> None:
    start = NormalMixture(jnp.array([0.5, 0.5]), jnp.array([[0.0, 0.0], [9.0, 9.0]]), jnp.stack([jnp.eye(2)] * 2))
    cloud = np.random.default_rng(0).normal(size=(50, 2))
    line = 9 + np.arange(5.0)[:, None] * [0.1, 0.3]
    for few in (np.full((3, 2), 9.25), line, line[:2]):
        data = rows(np.concatenate([cloud, few, np.full((5 - len(few), 2), 7.0)]), 50 + len(few))
        assert np.isnan(fit(mc.GaussianMixture(2), data, start).factors[1, 1, 1])
        assert np.isfinite(fit(mc.GaussianMixture(2, reg_covar=1e-6), data, start).factors).all()
    triangle = np.concatenate([cloud, [[9, 9], [9.1, 9], [9, 9.1], [7, 7], [7, 7]]])
    assert np.isfinite(fit(mc.GaussianMixture(2), rows(triangle, 53), start).factors).all()


@pytest.mark.parametrize("ridge", [1e-6, 1e-12])
def test_a_ridge_below_the_rounding_of_one_step_is_reached_in_the_next(ridge: float) -> None:
    """In single precision a component on a line of length 1 loses it in the first step."""
    start = NormalMixture(jnp.array([0.5, 0.5]), jnp.array([[0.0, 0.0], [9.0, 9.0]]), jnp.stack([jnp.eye(2)] * 2))
    cloud = np.random.default_rng(0).normal(size=(50, 2))
    points = np.concatenate([cloud, 10.5 + np.array([[-0.5, -0.5], [0.0, 0.0], [0.25, 0.25], [0.5, 0.5]])]).astype("f4")
    true = by_hand(points, start, 40, ridge)[2][1]
    with jax.enable_x64(False):
        single = jax.tree.map(lambda leaf: jnp.asarray(leaf, np.float32), start)
        fitted = fit(mc.GaussianMixture(2, reg_covar=ridge, tol=0.0, max_iter=40), rows(points), single)
        pivot = fitted.factors[1, 1, 1] ** 2
        np.testing.assert_allclose(pivot, float(true[1, 1] - true[0, 1] ** 2 / true[0, 0]), rtol=0.05)
        assert np.isnan(fit(mc.GaussianMixture(2, max_iter=40), rows(points), single).factors).any()


def test_draws_follow_the_law_and_a_component_without_weight_is_never_drawn() -> None:
    params = law(4, 2)
    n = 200_000
    weights = jnp.array([0.0, 0.3, 0.7, 0.0])
    means = jnp.array([[1e6, 0], [0, 0], [40, 0], [-1e6, 0]])
    points = np.asarray(
        mc.GaussianMixture(4).draw_rows(sampling.key(2), NormalMixture(weights, means, params.factors), n, n).points
    )
    assert np.abs(points).max() < 100
    for i, label in ((1, points[:, 0] < 20), (2, points[:, 0] >= 20)):
        share = label.mean()
        assert abs(share - weights[i]) < 5 * (0.21 / n) ** 0.5
        z = np.linalg.solve(np.asarray(params.factors[i]), (points[label] - np.asarray(means[i])).T)
        assert np.abs(z.mean(1)).max() < 5 / label.sum() ** 0.5
        assert np.abs(z @ z.T / label.sum() - np.eye(2)).max() < 5 * (2 / label.sum()) ** 0.5


def test_chains_stop_one_by_one() -> None:
    family = mc.GaussianMixture(2)
    start = law(2, 2)
    sets = [family.draw_rows(sampling.key(i), law(2, 2, 1 + i), 300, 300) for i in range(4)]
    alone = [fit(family, data, start) for data in sets]
    together = jax.vmap(family.fit, (None, 0, None))(
        sampling.key(0), jax.tree.map(lambda *a: jnp.stack(a), *sets), start
    )
    for i, params in enumerate(alone):
        np.testing.assert_allclose(together.means[i], params.means, rtol=1e-10)


def test_a_start_by_k_means_is_that_of_scikit_learn() -> None:
    # shapes that k-means needs many steps for: one blob, cut in two
    points = np.random.default_rng(3).normal(size=(400, 2)) * np.array([1.0, 0.9]) + 50
    seeds, present = points[:2], np.arange(400) < 300
    peer = (
        pytest.importorskip("sklearn.cluster")
        .KMeans(2, init=seeds, n_init=1, tol=1e-4, algorithm="lloyd")
        .fit(points[present])
    )
    assert peer.n_iter_ > 5
    found = _settled(jnp.asarray(seeds), jnp.asarray(points), jnp.asarray(present, float))
    np.testing.assert_allclose(found, peer.cluster_centers_, rtol=1e-12)
    # rows that are not there count for nothing, and did move the centres
    assert np.abs(_settled(jnp.asarray(seeds), jnp.asarray(points), jnp.ones(400)) - found).max() > 0.01


def test_a_centre_without_rows_stays_and_thin_clouds_far_away_keep_their_digits() -> None:
    cloud = 1e-3 * np.random.default_rng(4).normal(size=(100, 2)) + np.array([64, -64])
    points = cloud.astype(np.float32)
    seeds = np.stack([points[0], points[1], np.float32([1e6, 1e6])])
    found = np.asarray(_settled(jnp.asarray(seeds), jnp.asarray(points), jnp.ones(100, jnp.float32)))
    np.testing.assert_array_equal(found[2], seeds[2])
    nearest = ((points[:, None].astype(float) - found[None]) ** 2).sum(2).argmin(1)
    for k in (0, 1):
        # two steps of the type at 64, or a hundredth of the cloud, where the iteration stops
        assert np.abs(points[nearest == k].astype(float).mean(0) - found[k]).max() < 3e-5


def test_a_fresh_start_by_k_means_cuts_a_blob_at_its_centres() -> None:
    data = rows(np.random.default_rng(5).normal(size=(400, 2)))
    present = jnp.ones(400)

    def moved(init: str) -> Any:
        """How far Lloyd's iteration still moves the means of the start."""
        start = mc.GaussianMixture(2, init=init)._seeded(sampling.key(0), data.points, present)
        return np.abs(_settled(start.means, data.points, present) - start.means).max()

    assert moved("k-means") < 0.03 < 0.3 < moved("k-means++")


def tied_by_hand(points: np.ndarray, start: NormalMixture, steps: int, reg_covar: float) -> tuple[np.ndarray, ...]:
    """EM with one covariance, from the M step of the likelihood."""
    x, w, mu = (np.asarray(a, np.longdouble) for a in (points, start.weights, start.means))
    sigma = np.asarray(start.factors[0] @ start.factors[0].T, np.longdouble)
    for _ in range(steps):
        gap = x[:, None] - mu[None]
        joint = np.log(w) - 0.5 * np.einsum("nki,ij,nkj->nk", gap, _inverse(sigma), gap)
        shares = np.exp(joint - joint.max(1, keepdims=True))
        shares /= shares.sum(1, keepdims=True)
        w, mu = shares.mean(0), (shares.T @ x) / shares.sum(0)[:, None]
        gap = x[:, None] - mu[None]
        sigma = np.einsum("nk,nki,nkj->ij", shares, gap, gap) / len(x) + reg_covar * np.eye(x.shape[1])
    return w, mu, sigma


def mirrored_by_hand(points: np.ndarray, mean: np.ndarray, sigma: np.ndarray, steps: int) -> tuple[np.ndarray, ...]:
    """The M step of the symmetric mixture, in its own letters."""
    x, mu, sigma = (np.asarray(a, np.longdouble) for a in (points, mean, sigma))
    for _ in range(steps):
        sign = np.tanh(x @ _inverse(sigma) @ mu)
        mu = (sign[:, None] * x).mean(0)
        sigma = x.T @ x / len(x) - np.outer(mu, mu)
    return mu, sigma


def starting(k: int, d: int) -> NormalMixture:
    """A start whose components have one covariance."""
    one = law(k, d)
    return NormalMixture(one.weights, one.means, jnp.broadcast_to(one.factors[:1], one.factors.shape))


@pytest.mark.parametrize("reg_covar", [0.0, 0.05])
def test_tied_components_have_the_covariance_of_textbook_em(reg_covar: float) -> None:
    start = starting(3, 2)
    points = np.asarray(mc.GaussianMixture(3).draw_rows(sampling.key(1), law(3, 2, 1), 300, 300).points)
    family = mc.GaussianMixture(3, reg_covar=reg_covar, tol=0.0, max_iter=5, tied=True)
    fitted = fit(family, rows(np.concatenate([points, np.full((20, 2), 7.0)]), 300), start)
    weights, means, sigma = tied_by_hand(points, start, 5, reg_covar)
    np.testing.assert_allclose(fitted.weights, weights.astype(float), rtol=1e-11)
    np.testing.assert_allclose(fitted.means, means.astype(float), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(fitted.covariances, np.broadcast_to(sigma.astype(float), (3, 2, 2)), rtol=1e-10)
    np.testing.assert_array_equal(fitted.factors[0], fitted.factors[2])
    peer = pytest.importorskip("sklearn.mixture").GaussianMixture(
        3, covariance_type="tied", tol=0.0, max_iter=5, reg_covar=reg_covar, weights_init=start.weights,
        means_init=start.means, precisions_init=np.linalg.inv(start.covariances[0]),
    )  # fmt: skip
    with pytest.warns(UserWarning, match="converge"):
        peer.fit(points)
    np.testing.assert_allclose(fitted.covariances[0], peer.covariances_, rtol=1e-8)


def test_mirrored_components_are_the_symmetric_mixture() -> None:
    mean, factor = jnp.array([1.0, 0.5]), jnp.array([[1.0, 0.0], [0.4, 0.8]])
    start = NormalMixture(jnp.full(2, 0.5), jnp.stack([mean, -mean]), jnp.stack([factor] * 2))
    points = np.asarray(mc.GaussianMixture(2).draw_rows(sampling.key(1), law(2, 2, 1), 300, 300).points)
    fitted = fit(mc.GaussianMixture(2, tol=0.0, max_iter=5, mirrored=True), rows(points), start)
    mu, sigma = mirrored_by_hand(points, np.asarray(mean), np.asarray(factor @ factor.T), 5)
    np.testing.assert_allclose(fitted.means, np.stack([mu, -mu]).astype(float), rtol=1e-10)
    np.testing.assert_allclose(fitted.covariances[1], sigma.astype(float), rtol=1e-10)
    np.testing.assert_array_equal(fitted.weights, [0.5, 0.5])
    np.testing.assert_array_equal(fitted.means[0], -fitted.means[1])
    np.testing.assert_array_equal(fitted.factors[0], fitted.factors[1])


@pytest.mark.parametrize("options", [{"tied": True}, {"mirrored": True, "init": "k-means"}], ids=str)
def test_every_refit_keeps_the_form(options: dict[str, Any]) -> None:
    source = mc.normal_mixture([0.5, 0.5], [[-3.0, 1.0], [3.0, -1.0]], [np.eye(2)] * 2)
    run = mc.simulate(mc.GaussianMixture(2, **options), source, size=60, generations=3, chains=4)
    params = run.params
    np.testing.assert_array_equal(params.factors[:, 0], params.factors[:, 1])
    far = np.sort(np.asarray(params.means[..., 0]), axis=1)
    assert (far[:, 0] < -1.5).all()
    assert (far[:, 1] > 1.5).all()
    if "mirrored" in options:
        np.testing.assert_array_equal(params.means[:, 0], -params.means[:, 1])
        np.testing.assert_allclose(run["mean"], 0, atol=1e-6)


def test_a_tied_component_without_rows_keeps_its_place_and_the_common_covariance() -> None:
    start = starting(2, 2)
    start = NormalMixture(start.weights, jnp.array([[0.0, 0.0], [1e6, 0.0]]), start.factors)
    data = rows(np.random.default_rng(0).normal(size=(50, 2)))
    fitted = fit(mc.GaussianMixture(2, tied=True), data, start)
    np.testing.assert_array_equal(fitted.weights, [1.0, 0.0])
    np.testing.assert_array_equal(fitted.means[1], [1e6, 0.0])
    np.testing.assert_array_equal(fitted.factors[0], fitted.factors[1])


def test_a_mirrored_mixture_has_two_components_and_stays_about_the_origin() -> None:
    with pytest.raises(ValueError, match="components must be 2 for a mirrored mixture, got 3"):
        mc.GaussianMixture(3, mirrored=True)
    with pytest.raises(ValueError, match=r"size must be at least components \+ d = 5 at first"):
        mc.simulate(mc.GaussianMixture(3, tied=True), mc.normal(np.zeros(2), np.eye(2)), size=4, generations=1)
    assert mc.GaussianMixture(3, tied=True).equivariant
    assert not mc.GaussianMixture(2, mirrored=True).equivariant
