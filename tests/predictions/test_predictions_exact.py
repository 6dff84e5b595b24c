"""Every number that is printed beside a run equals its exact value at one, two and three fits, in both precisions.

The exact values come from enumeration (``exact_process``) and quadrature, never from the theory package, and no chain is run.
"""

import functools

import jax
import numpy as np
import pytest
from exact_regression import GivenDesign, NormalCovariates
from exact_values import Gaussians, OneParameter
from prediction_cells import PROCESSES, REGIMES, Cell

import modelcollapse as mc


def adapted(process, sizes):
    """Sizes at which this process has the moments, or the rank, that it needs."""
    constant = len(set(sizes)) == 1
    if isinstance(process, NormalCovariates):
        if process.shortest and len(process.weights) > 2:
            return [2, 2, 2] if constant else [2, 1, 2]
        return [n + 2 for n in sizes]
    if isinstance(process, GivenDesign) and (process.penalty or process.steps) and constant:
        return [len(process.design)] * len(sizes)
    return sizes


def accepted(kind, process, name, regime):
    """Whether ``simulate`` takes the pair, and its enumeration is small."""
    if isinstance(regime, mc.Weighted) and not isinstance(process, Gaussians | NormalCovariates | GivenDesign):
        return False
    if "no binary number" in name:
        return kind in ("gaussian, ddof 0", "gaussian, ddof 1", "bernoulli", "poisson")
    if "without replacement" in kind and name.endswith("sizes"):
        return False  # more rows than the table has
    if kind == "shortest solution":
        return not isinstance(regime, mc.Weighted | mc.AccumulateSubsample)
    return not (kind == "decoder" and isinstance(regime, mc.Weighted))


CELLS = {
    f"{kind}: {name}": Cell(process, regime, adapted(process, sizes))
    for kind, process in PROCESSES.items()
    for name, (regime, sizes) in REGIMES.items()
    if accepted(kind, process, name, regime)
}
