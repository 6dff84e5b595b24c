"""Every number that is printed beside a run equals its exact value at one, two and three fits, in both precisions.

The exact values come from enumeration (``exact_process``) and quadrature, never from the theory package, and no chain
is run. Rules that answer for large samples, and bounds, are in ``test_predictions_large``.
"""

import functools

import jax
import numpy as np
import pytest
from language_values import CELLS as TEXTS
from prediction_cells import CELLS, PROCESSES, USED, Cell, taken_down
from test_predictions_large import LARGE, bound

import modelcollapse as mc
from modelcollapse.predict import registry

TOLERANCE = {64: 1e-9, 32: 3e-6}
CONSERVED = {"mean", "probabilities", "coefficients"}
# what is drawn towards an archive without a look at the sample size
AT_ANY_SIZE = {
    "shrunk law": {"probabilities"},
    "shrunk gaussian": {"mean", "variance", "total_variance"},
    "shrunk gaussian, ddof 0": {"mean"},
}


@functools.cache
def parts(process, bits):
    """Family and source; their arrays have the precision that is on."""
    return process.make()


def predictions_of(cell: Cell, **changes):
    family, source = parts(cell.process, 64 if jax.config.jax_enable_x64 else 32)
    given = {"size": cell.size, "generations": len(cell.sizes) - 1} | changes
    return mc.predictions(family, source, cell.regime, **given)


@functools.cache
def exact(kind, name):
    cell = CELLS[kind][name]
    return cell.process.values(cell.regime, cell.sizes)


@functools.cache
def answers(kind, bits):
    """For each regime the predictions of one kind of process."""
    with jax.enable_x64(bits == 64), taken_down():
        return {name: predictions_of(cell) for name, cell in CELLS[kind].items()}


TABLE = [(kind, bits) for kind in PROCESSES for bits in (64, 32)]


@pytest.mark.parametrize(("kind", "bits"), TABLE)
def test_every_number_is_exact(kind, bits):
    wrong = []
    for name, found in answers(kind, bits).items():
        for p in found:
            value = exact(kind, name).get(p.observable)
            if value is None:
                wrong.append(f"{name}: {p.observable} was answered for, and is not enumerated ({p.function})")
            elif p.values.shape != value.shape or not np.allclose(
                p.values, value, TOLERANCE[bits], TOLERANCE[bits], equal_nan=True
            ):
                wrong.append(f"{name}: {p.observable} is {value.tolist()}, not {p.values.tolist()} ({p.function})")
            if p.kind != "mean":
                wrong.append(f"{name}: {p.observable} is a {p.kind}, which this table does not test")
    assert not wrong, "\n".join(wrong)
    assert any(answers(kind, bits).values())


@pytest.mark.parametrize("kind", PROCESSES)
def test_the_table_rejects_a_number_that_is_one_fit_early(kind):
    """What is constant apart, each value differs from the next by more than the tolerance of the table."""
    for name, found in answers(kind, 64).items():
        for p in found:
            value, early = exact(kind, name)[p.observable][1:], p.values[:-1]
            constant = np.allclose(value, exact(kind, name)[p.observable][:1], 1e-9)
            assert constant or not np.allclose(early, value, TOLERANCE[32], TOLERANCE[32]), (name, p.observable)


@pytest.mark.parametrize("kind", [k for k, cells in CELLS.items() if "replace" in cells])
def test_the_table_rejects_a_sample_size_that_is_one_too_large(kind):
    cell = CELLS[kind]["replace"]
    if kind in ("ridge", "stopped descent") or "without replacement" in kind or "endless" in kind:
        return  # the size is that of the design or table, or there is none
    for p in predictions_of(cell, size=cell.sizes[0] + 1):
        value = exact(kind, "replace")[p.observable]
        constant = np.allclose(value, value[:1], 1e-9)
        sized = p.observable not in AT_ANY_SIZE.get(kind, ())
        unbiased = kind.endswith("normal, ddof 1") and p.observable in ("variance", "total_variance")  # at any size
        constant |= unbiased or not sized
        assert constant or not np.allclose(p.values, value, TOLERANCE[32], TOLERANCE[32]), p.observable


@pytest.mark.parametrize("kind", ["gaussian", "plane", "gaussian on rows"])
def test_the_table_rejects_the_other_divisor(kind):
    compared = 0
    for name in CELLS[f"{kind}, ddof 1"].keys() & CELLS[f"{kind}, ddof 0"].keys():
        for p in answers(f"{kind}, ddof 1", 64)[name]:
            value = exact(f"{kind}, ddof 0", name)[p.observable]
            if p.observable in CONSERVED or value.shape != p.values.shape:
                continue
            compared += 1
            after = slice(1, None) if p.observable == "squared_mean_error" else slice(None)
            # no draw of a model moves the mean of an item that is real, or as good as real
            real = p.observable == "squared_mean_error" and name in ("fresh, all", "mixture, old data alone")
            assert real or not np.allclose(p.values[after], value[after], TOLERANCE[32]), (name, p.observable)
    assert compared > 10


def test_no_rule_is_registered_that_no_cell_compares():
    for kind in PROCESSES:
        answers(kind, 64)
    with taken_down():
        for prediction, _, _ in LARGE.values():
            prediction()
        bound(0.5, 4)
        for cell in TEXTS.values():
            cell.predictions()
    missing = [
        f"{observable}: {[f.__name__ for f in rule.functions]} under {rule.regimes} of {rule.families}"
        for observable, rules in registry.RULES.items()
        for rule in rules
        if id(rule) not in USED
    ]
    assert registry.RULES
    assert not missing, "registered, but in no cell:\n" + "\n".join(missing)
