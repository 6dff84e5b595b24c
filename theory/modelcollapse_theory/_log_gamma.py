"""Differences of log gamma functions keep their digits when the argument is 1e9 and the step is one half."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

_SHIFT = 20  # from here on the two asymptotic series below are right to the last bit
_BINET = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360)
_DIGAMMA = (-1 / 12, 1 / 120, -1 / 252, 1 / 240, -1 / 132, 691 / 32760)
_ENTROPY = tuple((-1) ** k / (k * (k - 1)) for k in range(2, 20))


def _log1p(z: NDArray[Any]) -> NDArray[Any]:
    if not np.iscomplexobj(z):
        return np.log1p(z)
    # numpy's complex log1p forms 1 + z first and so loses a small real part
    modulus = 0.5 * np.log1p(z.real * (2 + z.real) + z.imag**2)
    return modulus + 1j * np.arctan2(z.imag, 1 + z.real)


def _series(z: NDArray[Any], coefficients: tuple[float, ...]) -> NDArray[Any]:
    """sum_k c_k z^k, by Horner's rule."""
    total = np.zeros_like(z)
    for c in reversed(coefficients):
        total = total * z + c
    return total


def _binet(z: NDArray[Any]) -> NDArray[Any]:
    return _series(1 / z**2, _BINET) / z


def _increment_far(x: NDArray[Any], s: NDArray[Any]) -> NDArray[Any]:
    u = s / x
    small = np.abs(u) < 0.1
    v = np.where(small, u, 0)
    w = np.where(small, 0, u)
    entropy = v**2 * _series(v, _ENTROPY) + (1 + w) * _log1p(w) - w  # (1 + u) log(1 + u) - u
    return x * entropy - 0.5 * _log1p(u) + _binet(x + s) - _binet(x)


def log_gamma_increment(x: ArrayLike, s: ArrayLike) -> NDArray[Any]:
    r"""``log Gamma(x + s) - log Gamma(x) - s log x`` for real ``x > 0`` and real or complex ``s``, ``Re(x + s) > 0``.

    Binet's series, with the part linear in ``s`` removed by hand; smaller arguments are first raised by 20 with the
    recurrence of the gamma function. Relative error about 1e-15 while ``|s| << x``, where the value is
    ``s (s - 1) / (2 x)``.
    """
    x, s = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(s))
    near = (x < _SHIFT) | ((x + s).real < _SHIFT)
    raised = np.where(near, x + _SHIFT, x)
    total = _increment_far(raised, s)
    if np.any(near):
        base, step = np.where(near, x, 1.0), np.where(near, s, 0)
        total = total + step * np.log1p(_SHIFT / base)
        for k in range(_SHIFT):
            total = total - _log1p(step / (base + k))
    return total


def digamma_excess(x: ArrayLike) -> NDArray[np.float64]:
    """``psi(x) - log x``, which is ``-1/(2x) - 1/(12 x^2) + ...`` to full relative precision at any ``x > 0``."""
    x = np.asarray(x, dtype=np.float64)
    far = np.maximum(x, _SHIFT)
    square = 1 / far**2
    return np.where(x < _SHIFT, scipy.special.psi(x) - np.log(x), -0.5 / far + square * _series(square, _DIGAMMA))
