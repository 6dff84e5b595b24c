"""A profile says of each definition of collapse what a run measured, what is exact, and what the run cannot decide."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

import modelcollapse as mc
from modelcollapse_theory import definitions, gaussian, workflows

P = np.array([0.5, 0.3, 0.16, 0.04])
LAW = mc.categorical(P)


@pytest.fixture(scope="module")
def discrete() -> mc.Run:
    return mc.simulate(
        mc.Discrete(), LAW, None, ["heterozygosity", "chi_square"], size=20, generations=15, chains=400, seed=1
    )


@pytest.fixture(scope="module")
def normal() -> mc.Run:
    return mc.simulate(mc.Gaussian(ddof=0), mc.normal(), size=50, generations=40, chains=2000, seed=1)


def test_every_definition_has_its_line_and_its_numbers(discrete: mc.Run) -> None:
    found = discrete.profile()
    assert [v.name for v in found] == [
        "P1", "P2", "P3", "P4 mean", "P4 run", "P5", "P6", "P7 mean", "P7 run", "P8 mean", "P8 run",
    ]  # fmt: skip
    v = workflows.replace(20, 16)
    means = discrete["chi_square"].astype(np.float64).mean(0)
    assert found["P1"].risk == "chi_square"
    assert found["P1"].measured == pytest.approx(means[-1] / means[0])
    assert found["P1"].exact == pytest.approx(float(definitions.catastrophe_factor(v, 20)))
    assert (found["P1"].threshold, found["P1"].holds) == (10, True)
    assert found["P2"].holds is True
    assert found["P3"].holds is False
    assert "bounded" in found["P3"].words
    assert found["P4 mean"].exact == pytest.approx(1 - float(v))
    assert found["P4 mean"].holds is False
    assert found["P5"].holds is None
    assert "several M" in found["P5"].words
    last = np.asarray(discrete.params)
    assert found["P6"].measured == pytest.approx((last == 0).mean())
    assert found["P6"].holds
    assert "chance 0.96" in found["P6"].words
    assert found["P7 mean"].measured == pytest.approx(last[:, 3].mean() / 0.04, rel=1e-5)
    assert found["P7 mean"].exact == pytest.approx(1, rel=1e-5)
    assert found["P7 run"].measured == pytest.approx((last[:, 3] < 0.02).mean())
    assert (found["P7 mean"].holds, found["P7 run"].holds) == (False, True)
    assert found["P8 mean"].holds is False


def test_tails_vanish_in_most_runs_and_swell_in_the_mean(normal: mc.Run) -> None:
    found = normal.profile(kept=0.1)
    mean, sigma = (np.asarray(x)[:, 0] for x in (normal.params.mean, np.exp(normal.params.log_scale)))
    beyond = [
        0.5 * (math.erfc((3 - m) / s / 2**0.5) + math.erfc((3 + m) / s / 2**0.5))
        for m, s in zip(mean, sigma, strict=True)
    ]
    ratio = np.array(beyond) / math.erfc(3 / 2**0.5)
    assert found["P7 mean"].measured == pytest.approx(ratio.mean(), rel=1e-5)
    assert found["P7 run"].measured == (ratio < 0.5).mean() > 0.7
    assert (found["P7 mean"].holds, found["P7 run"].holds) == (False, True)
    assert (found["P8 mean"].holds, found["P8 run"].holds) == (True, False)
    assert found["P8 run"].measured == (ratio > 1).mean()
    chance = float(gaussian.log_variance_cdf(np.log(0.1), 50, 41, ddof=0))
    assert found["P4 run"].exact == pytest.approx(chance)
    assert abs(found["P4 run"].measured - chance) < 5 * (chance * (1 - chance) / 2000) ** 0.5
    assert found["P4 mean"].exact == pytest.approx(0.98**41)
    # the risk was not kept, and follows from the mean
    assert found["P1"].risk == "squared_mean_error"
    assert found["P1"].exact == pytest.approx((1 - 0.98**41) * 50)
    assert found["P3"].holds is None
    assert found["P6"].holds is None


def test_the_first_fit_has_exact_tails() -> None:
    run = mc.simulate(mc.Gaussian(ddof=0), mc.normal(), size=50, generations=0, chains=2000, seed=2)
    found = run.profile()
    assert found["P7 mean"].exact == pytest.approx(1.279, abs=1e-3)
    assert found["P7 run"].exact == pytest.approx(0.283, abs=1e-3)
    assert abs(found["P7 run"].measured - found["P7 run"].exact) < 5 * (0.283 * 0.717 / 2000) ** 0.5
    assert found["P1"].holds is None
    assert "generation 0" in found["P1"].words


def test_a_risk_that_diverges_says_so() -> None:
    loss = {"loss": mc.excess_log_loss(mc.normal())}
    run = mc.simulate(mc.Gaussian(), mc.normal(), None, loss, size=50, generations=2, chains=500)
    found = run.profile(risk="loss", factor=2)
    exact = definitions.expected_log_loss(50, [1, 3])
    assert found["P1"].exact == pytest.approx(exact[1] / exact[0])
    assert found["P1"].holds is True
    assert found["P3"].holds is True
    assert found["P3"].exact == np.inf


def test_an_exponent_needs_several_sizes(discrete: mc.Run) -> None:
    """After many refits a larger sample helps less than it does at the first fit."""
    larger = mc.simulate(mc.Discrete(), LAW, None, ["chi_square"], size=80, generations=15, chains=400, seed=2)
    found = mc.profile([larger, discrete])["P5"]
    v = [float(workflows.replace(m, 16)) for m in (20, 80)]
    assert found.exact == pytest.approx(1 + np.log(v[1] / v[0]) / np.log(4), rel=1e-5)
    assert found.holds is True
    assert found.measured == pytest.approx(found.exact, abs=0.2)
    assert mc.profile([discrete, discrete])["P5"].holds is None


def test_what_a_run_did_not_keep_is_open() -> None:
    run = mc.simulate(mc.Discrete(), LAW, None, ["entropy"], size=20, generations=2, chains=5)
    found = run.profile()
    assert [v.name for v in found if v.holds is None] == ["P1", "P2", "P3", "P5"]
    assert "no risk was kept" in found["P1"].words
    # a user's own family: everything is open, and nothing fails
    foreign = mc.simulate(mc.KernelDensity(), mc.normal(), None, ["log_variance"], size=20, generations=1, chains=3)
    assert {v.holds for v in foreign.profile()} == {None}


def test_a_profile_is_a_list_that_prints(discrete: mc.Run) -> None:
    found = discrete.profile()
    assert repr(found).splitlines()[0].split() == [
        "definition", "judged", "by", "measured", "exact", "threshold", "verdict",
    ]  # fmt: skip
    assert len(str(found).splitlines()) == len(found) == 11
    assert "<table>" in found._repr_html_()
    assert found[0] is found["P1"]
    with pytest.raises(KeyError, match="no definition is called 'P9'; the names are P1, P2"):
        found["P9"]


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        (
            {"risk": "entropy"},
            KeyError,
            "risk must be an observable of the run, one of heterozygosity, chi_square, got",
        ),
        ({"factor": 0.5}, ValueError, "factor must"),
        ({"kept": 1}, ValueError, "kept must"),
    ],
)
def test_bad_thresholds_are_refused(
    discrete: mc.Run, options: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        discrete.profile(**options)


def test_what_is_not_a_run_is_refused() -> None:
    for bad in ([], "run", [1], None):
        with pytest.raises(TypeError, match="runs must be a run, or a list of runs"):
            mc.profile(bad)  # type: ignore[arg-type]


def test_a_profile_looks_through_wrappers_and_quotes_no_theorem_for_them(discrete: mc.Run) -> None:
    damped = dataclasses.replace(discrete, family=mc.Damped(mc.Damped(discrete.family, 0.5), 0.5))
    found, plain = damped.profile(), discrete.profile()
    assert [v.measured for v in found] == [v.measured for v in plain]
    assert {v.exact for v in found if v.name not in ("P7 mean", "P8 mean", "P8 run")} == {None}
    assert "lost for good" in plain["P6"].words
    assert "lost for good" not in found["P6"].words
    one = dataclasses.replace(discrete, trace={"chi_square": discrete["chi_square"][..., None]})
    assert one.profile()["P1"].words == "no risk was kept"  # of one number for each chain


def test_what_has_no_profile_and_what_a_profile_may_say() -> None:
    given: dict[str, Any] = {"size": 5, "generations": 2, "chains": 6}
    law = mc.categorical([0.5, 0.3, 0.2])
    with pytest.raises(TypeError, match="runs must be of one model for each chain"):
        mc.simulate(mc.families.Population(mc.Discrete(), 2), law, observe="heterozygosity", **given).profile()
    assert "bounded" in mc.simulate(mc.Discrete(), law, observe="kl_divergence", **given).profile()["P3"].words
    normal = mc.simulate(mc.Gaussian(), mc.normal(), observe="variance", **given).profile()
    assert ", 1 by theory" in normal["P4 mean"].words


def test_mass_where_the_truth_has_none_is_no_theorem_and_no_bound() -> None:
    """A prior or an archive gives it; a fit to draws alone never does."""
    law, even = mc.categorical([0.6, 0.4, 0.0]), [1 / 3] * 3
    given: dict[str, Any] = {"observe": ["kl_divergence", "probabilities"], "size": 50, "generations": 3, "chains": 20}
    shrunk = mc.simulate(mc.families.Shrunk(mc.Discrete(), even, 0.1), law, **given)
    prior = mc.simulate(mc.families.Posterior(mc.Discrete(), 5.0, even), law, **given)
    for run in (shrunk, prior):
        infinite = run.profile(risk="kl_divergence")["P3"]
        assert infinite.holds
        assert infinite.measured == np.inf
        found = run.profile()
        assert found["P8 mean"].exact != 0
        assert found["P8 mean"].measured > 0.01
        assert (found["P8 run"].exact, found["P8 run"].measured) == (None, 1.0)
    plain = mc.simulate(mc.Discrete(), law, **given).profile(risk="kl_divergence")
    assert plain["P3"].holds is False
    assert (plain["P8 mean"].exact, plain["P8 mean"].measured, plain["P8 run"].exact) == (0.0, 0.0, 0.0)
