r"""The mixture p_{i+1} = alpha p_hat + beta p_i + gamma p_0: any gamma > 0 bounds the loss, beta only slows it.

Each generation draws M items from the law p_i, fits p_hat to them, and mixes (Shumailov et al., Nature 631, 2024). The
arguments are ``share`` = gamma (of the original law) and ``previous_share`` = beta; alpha = 1 - beta - gamma is the
rest, and alpha = 1, beta = gamma = 0 is the fully synthetic case (the article's text prints alpha = gamma = 0, under
which nothing ever changes). With beta = 0 this is ``workflows.random_mixing``.

Two things move: the law p_n, which is what is sampled, and the fit p_hat, which is what a run observes. The first fit
sees p_0, so law 0 is the truth and fit n is made from law n - 1. v is the loss of ``workflows``: derived in
theory/derivations/variance-conservation.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse_theory._domain import Array, NotCovered, choice, one_real, one_whole, schedule, whole, within
from modelcollapse_theory._register import theorem
from modelcollapse_theory.workflows import affine

_SOURCE = "derived in theory/derivations/variance-conservation.md"


def _sample_size(value: ArrayLike) -> Array:
    return whole("sample_size", value, 1, "a fit needs data").astype(np.float64)


def model_share(share: ArrayLike, previous_share: ArrayLike = 0.0) -> Array:
    """alpha = 1 - beta - gamma, the share of the newest fit; ValueError unless all three lie in [0, 1]."""
    gamma, beta = within("share", share, 0, 1), within("previous_share", previous_share, 0, 1)
    alpha = 1 - beta - gamma
    # two decimal shares that add to 1 may miss it by a rounding
    if np.any(alpha < -1e-12):
        raise ValueError(f"share + previous_share must not exceed 1, got {share!r} and {previous_share!r}")
    return np.maximum(alpha, 0.0)


@theorem(
    statement="law: v' = (1 - gamma)^2 v + alpha^2 (1 - v)/M; without gamma 1 - v_n = (1 - alpha^2/M)^n",
    conditions="the law p_{i+1} = alpha p_hat + beta p_i + gamma p_0, p_hat fitted to M draws from p_i",
    order="exact",
    source=_SOURCE,
)
def law(sample_size: ArrayLike, fits: ArrayLike, share: ArrayLike, previous_share: ArrayLike = 0.0) -> Array:
    r"""v of the law p_n, after n = ``fits`` fits.

    .. math:: v_{n+1} = (1 - \gamma)^2 v_n + \frac{\alpha^2}{M} (1 - v_n), \qquad v_0 = 0

    Exact, discrete or Gaussian with ddof = 0. ``fits`` broadcasts.
    """
    source, gap = _law_map(sample_size, share, previous_share)
    return affine(0.0, source, gap, whole("fits", fits))


def _law_map(sample_size: ArrayLike, share: ArrayLike, previous_share: ArrayLike) -> tuple[Array, Array]:
    gamma, alpha = within("share", share, 0, 1), model_share(share, previous_share)
    source = alpha**2 / _sample_size(sample_size)
    return source, gamma * (2 - gamma) + source


def law_limit(sample_size: ArrayLike, share: ArrayLike, previous_share: ArrayLike = 0.0) -> Array:
    r"""Stationary v of the law: :math:`\frac{\alpha^2/M}{\gamma(2-\gamma) + \alpha^2/M}`; 0 if nothing moves. Exact."""
    source, gap = _law_map(sample_size, share, previous_share)
    return np.where(gap == 0, 0.0, source / np.where(gap == 0, 1.0, gap))


@theorem(
    statement="fit: v_fit = 1/M + (1 - 1/M) v_law",
    conditions="M independent draws from the law",
    order="exact",
    source=_SOURCE,
)
def fit(sample_size: ArrayLike, fits: ArrayLike, share: ArrayLike, previous_share: ArrayLike = 0.0) -> Array:
    r"""v of the n-th fit, which is made from M draws of law n - 1: :math:`v = 1/M + (1 - 1/M) v_{n-1}`; 0 at n = 0.
    Exact.
    """
    count = whole("fits", fits)
    before = law(sample_size, np.maximum(count - 1, 0), share, previous_share)
    return np.where(count == 0, 0.0, _of_fit(sample_size, before))


def fit_limit(sample_size: ArrayLike, share: ArrayLike, previous_share: ArrayLike = 0.0) -> Array:
    """Stationary v of the fit, 1/M + (1 - 1/M) of that of the law. Exact."""
    return _of_fit(sample_size, law_limit(sample_size, share, previous_share))


def _of_fit(sample_size: ArrayLike, of_law: Array) -> Array:
    size = _sample_size(sample_size)
    return 1 / size + (1 - 1 / size) * of_law


def _schedule(sizes: ArrayLike, shares: ArrayLike, previous_shares: ArrayLike, minimum: int) -> tuple[Array, ...]:
    size = schedule("sizes", sizes, minimum, "a fit needs that many draws").astype(np.float64)
    gamma, beta = within("shares", shares, 0, 1), within("previous_shares", previous_shares, 0, 1)
    for name, share in (("shares", gamma), ("previous_shares", beta)):
        if share.shape not in ((), size.shape):
            raise ValueError(
                f"{name} must be one number or one for each of the {size.size} sizes, got shape {share.shape}"
            )
    alpha = model_share(gamma, beta)
    return size, *(np.broadcast_to(part, size.shape) for part in (alpha, beta, gamma))


def law_schedule(sizes: ArrayLike, shares: ArrayLike, previous_shares: ArrayLike = 0.0) -> tuple[Array, Array]:
    """Trajectories (law v_0..v_n, fit v_0..v_n) for any M_i, gamma_i, beta_i; the i-th fit and then the i-th mixing.

    ``shares`` and ``previous_shares`` are (n,) or scalar. Same recursion as ``law`` and ``fit``. Exact.
    """
    size, alpha, _, gamma = _schedule(sizes, shares, previous_shares, 1)
    of_law, of_fit = np.zeros(size.size + 1), np.zeros(size.size + 1)
    for i in range(size.size):
        of_fit[i + 1] = 1 / size[i] + (1 - 1 / size[i]) * of_law[i]
        of_law[i + 1] = (1 - gamma[i]) ** 2 * of_law[i] + alpha[i] ** 2 / size[i] * (1 - of_law[i])
    return of_law, of_fit


def _gaussian_step(size: float, alpha: float, beta: float, gamma: float, ddof: int) -> Array:
    """(V, B, 1) of the law -> next, in units of the original variance; every entry is nonnegative."""
    spread = 1.0 if ddof else 1 - 1 / size  # E of the fitted variance, over V
    kept = alpha + beta
    return np.array(
        [
            [alpha * spread + beta + alpha * (1 - alpha) / size, kept * (1 - kept), gamma],
            [alpha**2 / size, kept**2, 0.0],
            [0.0, 0.0, 1.0],
        ]
    )


@theorem(
    statement="B' = (1-gamma)^2 B + alpha^2 V/M, V' + B' = (1-gamma)(V + B) + gamma sigma^2 + alpha ddof V/M",
    conditions="Gaussian fits of mean and variance to M draws of the mixture law; V variance of the law, B of its mean",
    order="exact",
    source=_SOURCE,
)
def gaussian(
    sample_size: int, fits: int, share: float, previous_share: float = 0.0, *, variance: float = 1.0, ddof: int = 1
) -> tuple[Array, Array]:
    r"""(E variance, E (mean - truth)^2) of the law p_n of the Gaussian mixture chain, n = ``fits``.

    .. math:: B' = (1 - \gamma)^2 B + \alpha^2 V / M, \qquad
       V' + B' = (1 - \gamma)(V + B) + \gamma \sigma^2 + \alpha V / M \; [\mathrm{ddof} = 1]

    from V_0 = sigma^2, B_0 = 0; with ddof = 0 the bracketed term is absent and V + B = sigma^2 is conserved. The law
    is a mixture of normals, not a normal; V is its whole variance. Exact. Under ddof = 1 these means are carried by
    rare chains: see ``gaussian_limit`` for when they stay finite. Raises ValueError for sample_size < 2 with ddof = 1.
    """
    size, alpha, beta, gamma = _gaussian_arguments(sample_size, share, previous_share, ddof)
    step = _gaussian_step(size, alpha, beta, gamma, ddof)
    with np.errstate(over="ignore", invalid="ignore"):
        state = np.linalg.matrix_power(step, one_whole("fits", fits)) @ np.array([1.0, 0.0, 1.0])
    state = np.where(np.isfinite(state), state, np.inf)  # it only leaves the floats by growing
    scale = one_real("variance", variance, 0, open_low=True)
    return state[0] * scale, state[1] * scale


def _gaussian_arguments(sample_size: int, share: float, previous_share: float, ddof: int) -> tuple[float, ...]:
    ddof = choice("ddof", ddof, (0, 1))
    size = float(
        one_whole("sample_size", sample_size, 1 + ddof, "an unbiased variance needs two draws" if ddof else "")
    )
    gamma, beta = one_real("share", share, 0, 1), one_real("previous_share", previous_share, 0, 1)
    return size, float(model_share(gamma, beta)), beta, gamma


def gaussian_fit(
    sample_size: int, fits: int, share: float, previous_share: float = 0.0, *, variance: float = 1.0, ddof: int = 1
) -> tuple[Array, Array]:
    r"""(E fitted variance, E (fitted mean - truth)^2) of the n-th fit, made from M draws of law n - 1.

    :math:`V_{fit} = V` (ddof 1) or (1 - 1/M) V (ddof 0), :math:`B_{fit} = B + V/M`. Fit 0 is the truth. Exact.
    """
    count = one_whole("fits", fits)
    size, *_ = _gaussian_arguments(sample_size, share, previous_share, ddof)
    if count == 0:
        return np.asarray(one_real("variance", variance, 0, open_low=True)), np.asarray(0.0)
    spread, drift = gaussian(sample_size, count - 1, share, previous_share, variance=variance, ddof=ddof)
    return spread * (1.0 if ddof else 1 - 1 / size), drift + spread / size


def gaussian_schedule(
    sizes: ArrayLike, shares: ArrayLike, previous_shares: ArrayLike = 0.0, *, variance: float = 1.0, ddof: int = 1
) -> tuple[Array, Array]:
    """Trajectories (V_0..V_n, B_0..B_n) of the law for any M_i, gamma_i, beta_i; the recursion of ``gaussian``.

    Exact.
    """
    ddof = choice("ddof", ddof, (0, 1))
    size, alpha, beta, gamma = _schedule(sizes, shares, previous_shares, 1 + ddof)
    states = [np.array([1.0, 0.0, 1.0])]
    for row in zip(size, alpha, beta, gamma, strict=True):
        states.append(_gaussian_step(*row, ddof=ddof) @ states[-1])
    table = np.array(states) * one_real("variance", variance, 0, open_low=True)
    return table[:, 0], table[:, 1]


@theorem(
    statement="V* = sigma^2/(1 - (alpha/(gamma M))(1 - alpha/(2 - gamma))), B* = alpha^2 V*/(M gamma (2 - gamma))",
    conditions="gamma > 0, ddof = 1, gamma M (2 - gamma) > alpha (2 - gamma - alpha)",
    order="exact",
    source=_SOURCE,
)
def gaussian_limit(
    sample_size: int, share: float, previous_share: float = 0.0, *, variance: float = 1.0, ddof: int = 1
) -> tuple[Array, Array]:
    r"""Stationary (V, B) of the law.

    .. math:: V^* = \frac{\sigma^2}{1 - \frac{\alpha}{\gamma M} \left(1 - \frac{\alpha}{2 - \gamma}\right)}, \qquad
       B^* = \frac{\alpha^2 V^*}{M \gamma (2 - \gamma)} \qquad (\mathrm{ddof} = 1)

    and V* + B* = sigma^2 with the same ratio for ddof = 0. Exact. Raises ValueError where no finite second moment
    exists: gamma = 0, or for ddof = 1 a gamma below about alpha/(2M), where the fits still have a law but it has no
    second moment.
    """
    size, alpha, _, gamma = _gaussian_arguments(sample_size, share, previous_share, ddof)
    if gamma == 0:
        raise NotCovered("share must be positive: without original data the second moments have no useful limit")
    ratio = alpha**2 / (size * gamma * (2 - gamma))
    rest = 1 + ratio if ddof == 0 else 1 - alpha * (2 - gamma - alpha) / (gamma * size * (2 - gamma))
    if rest <= 0:
        raise NotCovered(
            f"share={share!r} is too small for a finite stationary variance at sample_size={sample_size!r}: "
            "share * sample_size * (2 - share) must exceed alpha * (2 - share - alpha)"
        )
    spread = np.asarray(one_real("variance", variance, 0, open_low=True)) / rest
    return spread, ratio * spread
