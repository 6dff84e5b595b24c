"""What is predicted beside a run of an n-gram model equals its mean over every path of a tiny text, in both precisions."""

import numpy as np
import pytest
from language_values import CELLS, FITS, Chain

import modelcollapse as mc
from modelcollapse import families, observables, regimes

TOLERANCE = {64: 1e-9, 32: 3e-6}
BLOCKS = np.array([[0, 1, 0, 0], [1, 1, 2, 0]])
# what is the same at every fit: the text's own loss under model 0, and what all places hold
CONSTANT = {("no smoothing", "own"), ("no smoothing, tokens", "own"), ("two places kept", "own")}


SINGLE = ("add-lambda", "interpolated, two places kept", "random prompts")
TABLE = [(name, 64) for name in CELLS] + [(name, 32) for name in SINGLE]


@pytest.mark.parametrize(("name", "bits"), TABLE)
def test_every_number_is_exact(name, bits):
    found = CELLS[name].predictions(bits)
    exact = CELLS[name].values()
    assert {p.observable for p in found} == set(exact)
    for p in found:
        assert p.values == pytest.approx(exact[p.observable], rel=TOLERANCE[bits]), p.observable
        assert p.kind == ("lower bound" if p.observable == "perplexity" else "mean")
        assert np.allclose(p.values, p.values[0], 1e-9) == ((name, p.observable) in CONSTANT), p.observable
        early = np.allclose(p.values[:-1], exact[p.observable][1:], TOLERANCE[32])
        assert early == ((name, p.observable) in CONSTANT), p.observable


def test_the_mean_perplexity_is_above_its_bound():
    for name in ("add-lambda", "towards a law"):
        bound = CELLS[name].values()["perplexity"]
        for fit in range(FITS):
            assert CELLS[name].mean_perplexity(fit) > bound[fit] * 1.001


@pytest.mark.parametrize(
    ("family", "changed"),
    [
        ({"decoding": families.Sampled(temperature=0.9)}, {}),
        ({"prompts": "random", "smoothing": 0.5}, {}),
        ({"prompts": "random"}, {"replace": False}),
        ({}, {"regime": regimes.Accumulate()}),
    ],
)
def test_nothing_is_said_where_no_theorem_holds(family, changed):
    source = mc.text.tokens(BLOCKS, replace=changed.get("replace", True))
    found = mc.predictions(families.NGram(**family), source, changed.get("regime"), size=6, generations=2)
    assert found == []


def test_what_is_lost_is_said_without_smoothing_alone():
    lost = [observables.lost_share(BLOCKS)]
    found = mc.predictions(families.NGram(smoothing=0.5), mc.text.tokens(BLOCKS), None, lost, size=6, generations=2)
    assert found == []


def test_loss_under_a_later_model_is_not_said():
    observe = {"own": observables.own_cross_entropy(under=1)}
    assert mc.predictions(families.NGram(), mc.text.tokens(BLOCKS), None, observe, size=6, generations=2) == []


def test_it_rejects_another_smoothing():
    found = CELLS["add-lambda"].predictions()
    for other in (Chain((("smoothing", 0.6),)), Chain((("strength", 0.5),)), Chain((("interpolation", 0.5),))):
        exact = other.values()
        for p in found:
            assert not np.allclose(p.values, exact[p.observable], 1e-3), p.observable
