"""Every number that is printed beside a run equals its exact value at one, two and three fits, in both precisions.

The exact values come from ``exact_process`` (enumeration) and quadrature, never from the theory package. No chain is run.
"""

import functools

import jax
import numpy as np
import pytest
from exact_regression import GivenDesign, NormalCovariates
from exact_values import Ends, Gaussians, KernelRows, OneParameter, States, Tails
from prediction_cells import PROCESSES, REGIMES, Cell

import modelcollapse as mc
from modelcollapse.observables import OBSERVABLES

LINEAR = (NormalCovariates, GivenDesign)
READABLE = {
    States: (
        "probabilities support_size lost absorbed heterozygosity entropy kl_divergence total_variation chi_square"
    ).split(),
    Gaussians: (
        "mean squared_mean_error variance log_variance standard_deviation log_pivots log_determinant w2_squared log_mean absorbed extinct"
    ).split(),
}


def adapted(process, sizes):
    """Sizes at which this process has the moments, or the rank, that it needs."""
    if isinstance(process, NormalCovariates) and process.shortest and len(process.weights) > 2:
        return [2, 2, 2] if len(set(sizes)) == 1 else [2, 1, 2]
    if isinstance(process, NormalCovariates):
        return [n + 2 for n in sizes]
    if isinstance(process, GivenDesign) and (process.penalty or process.steps) and len(set(sizes)) == 1:
        return [5, 5, 5]
    return sizes


def sensible(process, regime):
    """Whether ``simulate`` accepts the pair and its enumeration is small."""
    if type(regime) is mc.Weighted:
        return isinstance(process, Gaussians | NormalCovariates | GivenDesign)
    large = getattr(regime, "share", None) is not None and np.ndim(regime.share) == 0 and regime.share == 0.58
    if large:
        return process in (PROCESSES["gaussian, ddof 0"], PROCESSES["bernoulli"])
    return True


CELLS = {
    f"{kind}: {name}": Cell(process, regime, adapted(process, sizes))
    for kind, process in PROCESSES.items()
    for name, (regime, sizes) in REGIMES.items()
    if sensible(process, regime)
}
BITS = {"float32": False, "float64": True}


@functools.cache
def exact(name):
    cell = CELLS[name]
    return cell.process.values(cell.regime, cell.sizes)


@functools.cache
def readable(process):
    """Names of all observables that can be read from a fit of this process."""
    family, source = process.make()
    out = []
    for name in OBSERVABLES:
        try:
            mc.predictions(family, source, observe=[name], size=8 if not isinstance(process, LINEAR) else 5, generations=0)
        except ValueError:
            continue
        out.append(name)
    return tuple(out)


def predictions_of(cell):
    family, source = cell.process.make()
    return mc.predictions(
        family, source, cell.regime, observe=list(readable(type_of(cell.process))), size=cell.size, generations=len(cell.sizes) - 1
    )
