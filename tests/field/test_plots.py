"""Theorem 3.1's picture in one line, and two runs on one picture that a reader can tell apart."""

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
import pytest
from matplotlib import pyplot
from runs import normal

import modelcollapse as mc
from modelcollapse import plot


@pytest.fixture(autouse=True)
def _closed():
    yield
    pyplot.close("all")


def test_values_of_predictions_are_drawn_as_they_come():
    run = normal()
    known = {p.observable: p.values for p in run.predict()}
    left, right = plot.variance_and_w2(run, log_variance=known["log_variance"], w2=known["w2_squared"])
    single = plot.chains(run, "log_variance", component=0, prediction=known["log_variance"])
    for ax, wanted in (
        (left, np.exp(known["log_variance"][:, 0])),
        (right, known["w2_squared"]),
        (single, known["log_variance"][:, 0]),
    ):
        (drawn,) = [line for line in ax.get_lines() if line.get_label() == "prediction"]
        np.testing.assert_allclose(drawn.get_ydata(), wanted)


def test_two_runs_on_one_picture_have_two_colours_and_two_names():
    _, ax = pyplot.subplots()
    law = mc.categorical([0.4, 0.3, 0.2, 0.1])
    for regime in (mc.Replace(), mc.Accumulate()):
        run = mc.simulate(mc.Discrete(), law, regime, "support_size", size=10, generations=3, chains=10)
        plot.surviving_states(run, ax, show=0)
    assert len({line.get_color() for line in ax.get_lines()}) == 2
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert len(set(names)) == len(names)
    assert {name.split(":")[0] for name in names if "mean" in name} == {"Replace", "Accumulate"}
