"""The claim that every prediction holds beside its run, a dozen of its cells, each in one precision."""

import jax
import numpy as np
import pytest

from modelcollapse.claims import registry
from modelcollapse.claims.predictions import CELLS, EARLY, LARGER, compared
from modelcollapse.verify import Lab
from modelcollapse.verify.runner import judge

LEVEL = 1e-6 / 200 / 150
CHOSEN = {
    "discrete, extended": 64, "discrete, probabilities": 32, "discrete, fresh, shares": 32, "discrete, accumulate": 64,
    "states of a table without replacement": 64, "gaussian, ddof 0, replace": 32, "gaussian, ddof 0, weighted": 64,
    "binomial, replace": 32,
    "gaussian mean, replace": 64, "uniform": 32, "kernels, replace": 64, "regression, replace": 64,
}  # fmt: skip


@pytest.mark.parametrize("name", CHOSEN)
def test_a_cell_holds_and_rejects_its_near_misses(name):
    with jax.enable_x64(CHOSEN[name] == 64):
        found = list(compared(name, Lab(0, 20_000)))
    for evidence in found:
        row = judge(evidence, LEVEL)
        assert not row.prediction.rejected, (row.what, row.prediction)
        early = row.near_misses.get(EARLY)
        assert early is None or early.rejected, row.what
    assert len(found) == len(CELLS[name].observe)


def test_the_claim_is_one_of_the_default_tier():
    claim = registry()["predictions_beside_runs"]
    assert claim.tier == "default"
    assert claim.section == "H. predictions"


def test_every_family_and_every_regime_is_in_a_cell():
    cells = CELLS.values()
    regimes = {type(c.regime()).__name__ for c in cells}
    assert regimes == {
        "Replace", "FreshReal", "FixedReal", "Retain", "Accumulate", "AccumulateSubsample", "Weighted", "Mixture", "Detected",
        "Switch",
    }  # fmt: skip
    families = {type(c.model()[0]).__name__ for c in cells}
    assert families >= {
        "Discrete", "Gaussian", "GaussianMean", "Binomial", "Poisson", "NegativeBinomial", "Gamma", "Uniform", "Pareto",
        "KernelDensity", "Regression", "PPCA", "Damped", "Tempered", "Truncated", "Curated", "Verified",
    }  # fmt: skip
    assert any(c.extended for c in cells)
    assert any(np.ndim(c.size) for c in cells)
    # what the budget cannot reject is named, and never both near misses of one observable
    for c in cells:
        assert not set(c.weak.get(EARLY, ())) & set(c.weak.get(LARGER, ()))
