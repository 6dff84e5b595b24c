"""The coefficients of ``_chi_square``, fitted to SciPy's quantiles: ``python -m modelcollapse.sampling._quantiles``.

The file that this writes is part of the package, so that a run neither imports SciPy's special functions nor fits.
"""

from __future__ import annotations

import numpy as np
from numpy.polynomial import chebyshev, polynomial
from scipy import special

from modelcollapse.sampling._chi_square import FARTHEST, FILE, MANY

RANGE = {"single": 6.7, "double": FARTHEST, "few": FARTHEST}
"""Bounds of abs(z): a float32 normal from 32 bits stays within 6.7."""
TERMS = {"single": (14, 10), "double": (22, 16), "few": (56, MANY - 1)}


def log_per_dof(z: np.ndarray, dof: np.ndarray) -> np.ndarray:
    """log(chi2_k / k) at the quantile where a standard normal is z; each tail from its own side."""
    half = dof / 2
    lower, upper = special.gammaincinv(half, special.ndtr(z)), special.gammainccinv(half, special.ndtr(-z))
    return np.log(np.where(z < 0, lower, upper) / half)


def many(name: str) -> np.ndarray:
    """``(terms, orders)``: log(chi2_k / k) = sum of c[i, j] z^i e^(j + 1), interpolated at Chebyshev nodes.

    The node at k = infinity carries the limit ``z sqrt(2)``.
    """
    terms, orders = TERMS[name]
    z = RANGE[name] * _nodes(terms)[:, None]
    # x = 2 e sqrt(12) - 1
    x = np.cos(np.pi * np.arange(orders) / (orders - 1))
    e = (1 + x[:-1]) / 2 / MANY**0.5
    values = np.concatenate([log_per_dof(z, e**-2) / e, z * 2**0.5], axis=1)
    fitted = np.linalg.solve(chebyshev.chebvander(_nodes(terms), terms - 1), values)
    fitted = np.linalg.solve(chebyshev.chebvander(x, orders - 1), fitted.T)
    in_z = np.array([chebyshev.cheb2poly(row) for row in fitted]).T * RANGE[name] ** -np.arange(terms)[:, None]
    return np.array([_composed(chebyshev.cheb2poly(row), orders) for row in in_z]) * MANY ** (np.arange(orders) / 2)


def few() -> np.ndarray:
    """``(terms, 11)``: Chebyshev coefficients of log(chi2_k / k) in z / 8.3 for k = 1, ..., 11."""
    terms, dofs = TERMS["few"]
    values = log_per_dof(RANGE["few"] * _nodes(terms)[:, None], np.arange(1, dofs + 1))
    return np.linalg.solve(chebyshev.chebvander(_nodes(terms), terms - 1), values)


def fitted() -> dict[str, np.ndarray]:
    return {"single": many("single"), "double": many("double"), "few": few()}


def _nodes(count: int) -> np.ndarray:
    return np.cos(np.pi * (np.arange(count) + 0.5) / count)


def _composed(row: np.ndarray, orders: int) -> np.ndarray:
    """A polynomial in x as one in (x + 1) / 2, by Horner's rule."""
    total = np.zeros(1)
    for coefficient in row[::-1]:
        total = polynomial.polyadd(polynomial.polymul(total, [-1.0, 2.0]), [coefficient])
    return np.pad(total, (0, orders))[:orders]


if __name__ == "__main__":
    np.savez(FILE, **fitted())  # type: ignore[arg-type]
