"""The runner decides as it says, and the false-alarm rate of each kind of evidence is real where it can be seen."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import binom

import modelcollapse as mc
from docs.pages.calibration import Count, calibrate, text
from modelcollapse.__main__ import main
from modelcollapse.claims import registry
from modelcollapse.verify import BoundedMean, ChernoffMean, Evidence, Formula, Lab, NominalMean, Proportion, Section
from modelcollapse.verify import runner as claims
from modelcollapse.verify.lab import shared
from modelcollapse_theory import accumulation, gaussian, replacement

LEVELS = (0.05, 0.01)


@pytest.fixture
def registered():
    """Register claims for one test only."""
    before = set(registry())
    yield claims.REGISTRY
    for name in set(claims.REGISTRY) - before:
        del claims.REGISTRY[name]


def coin(name, predicted=0.5, wrong=0.9, *, section="Z. toys", tier="quick"):
    """A claim about a fair coin."""

    def function(seed, chains):
        tosses = np.random.default_rng(claims.stream(seed, name)).random(chains) < 0.5
        return Evidence(Proportion.of(tosses), predicted, {"biased": wrong})

    function.__name__ = name
    claims.claim("a coin is fair", source="symmetry", section=section, chains=500, tier=tier)(function)
    return claims.REGISTRY[name]


def test_a_claim_holds_is_rejected_or_is_underpowered(registered):
    assert claims.run_claim(coin("true_coin"), 0).verdict == claims.HELD
    assert claims.run_claim(coin("false_coin", 0.8), 0).verdict == claims.REJECTED
    assert claims.run_claim(coin("close_coin", 0.5, 0.51), 0).verdict == claims.UNDERPOWERED
    assert claims.run_claim(coin("few_coins"), 0, chains=4).verdict == claims.UNDERPOWERED


def test_exit_codes(registered, capsys):
    coin("true_coin"), coin("false_coin", 0.8), coin("close_coin", 0.5, 0.51)
    assert main(["verify", "true_coin", "--quiet"]) == 0
    assert main(["verify", "true_coin", "close_coin", "--quiet"]) == 3
    assert main(["verify", "close_coin", "false_coin", "true_coin", "--quiet"]) == 1
    assert main(["verify", "no_such_claim"]) == 2
    output = capsys.readouterr()
    assert "unknown claim 'no_such_claim'" in output.err
    assert "NOT REJECTED" in output.out
    assert "detects" in output.out


def test_json_holds_all_evidence(registered, tmp_path, capsys):
    coin("true_coin")
    assert main(["verify", "true_coin", "--quiet", "--json", str(tmp_path / "out.json")]) == 0
    content = json.loads((tmp_path / "out.json").read_text())
    (only,) = content["claims"]
    (row,) = only["evidence"]
    assert (content["rate"], only["verdict"], row["verdict"]) == (1e-6, "holds", "holds")
    assert row["certain"] is True
    assert row["near_misses"]["biased"]["rejected"] is True
    assert 0 < row["resolution"] < 1


def test_the_level_does_not_depend_on_what_is_selected(registered, capsys):
    first, second = coin("first_coin"), coin("second_coin")
    alone = claims.run_claim(first, 0).rows[0].level
    assert alone == claims.run_claim(second, 0).rows[0].level == pytest.approx(claims.RATE / len(claims.REGISTRY))
    both = list(claims.run_claims([first, second], 0))
    assert both[0].rows[0].level == alone
    coin("third_coin")
    assert claims.run_claim(first, 0).rows[0].level < alone


def test_results_come_in_the_given_order(registered):
    chosen = [coin(f"coin_{i}", section=f"Z{i}. toys") for i in range(4)]
    done = []
    results = list(claims.run_claims(chosen[::-1], 3, done=lambda: done.append(1)))
    assert [r.claim.name for r in results] == [c.name for c in chosen[::-1]]
    assert [r.rows for r in results] == [claims.run_claim(c, 3).rows for c in chosen[::-1]]
    assert len(done) == 4


def test_a_shared_run_is_made_once():
    calls = []

    @shared
    def run(seed, chains):
        calls.append((seed, chains))
        return seed

    assert [run(1, 2), run(1, 2), run(2, 2)] == [1, 1, 2]
    assert calls == [(1, 2), (2, 2)]


def test_tiers_nest(registered, capsys):
    coin("slow_coin", tier="extended"), coin("quick_coin"), coin("default_coin", tier="default")
    listed = {}
    for tier in ([], ["--quick"], ["--extended"]):
        assert main(["verify", "Z", "--list", *tier]) == 0
        listed[tuple(tier)] = {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    assert listed[("--quick",)] == {"quick_coin"}
    assert listed[("--extended",)] == listed[()] == {"quick_coin", "default_coin", "slow_coin"}
    assert main(["verify", "--list"]) == 0
    assert "slow_coin" not in capsys.readouterr().out
    assert main(["verify", "slow_coin", "--quick"]) == 2
    assert "none of the claims named" in capsys.readouterr().err


def test_claims_and_evidence_are_checked(registered):
    coin("true_coin")
    with pytest.raises(ValueError, match="registered already"):
        coin("true_coin")
    with pytest.raises(ValueError, match="tier must be one of"):
        coin("odd_coin", tier="nightly")
    with pytest.raises(ValueError, match="at least one near miss"):
        Evidence(Proportion(1, 2), 0.5, {})
    with pytest.raises(ValueError, match="equals the prediction"):
        Evidence(Proportion(1, 2), 0.5, {"the same": 0.5})
    with pytest.raises(ValueError, match="within its slack"):
        Evidence(Proportion(1, 2), 0.5, {"inside": 0.58}, slack=0.1)
    with pytest.raises(ValueError, match="slack must be"):
        Evidence(Proportion(1, 2), 0.5, {"other": 0.8}, slack=-0.1)
    with pytest.raises(ValueError, match="samples must lie in"):
        BoundedMean(np.array([0.0, 2.0]), 0, 1)
    with pytest.raises(ValueError, match="chains must be at least 2"):
        claims.run_claim(claims.REGISTRY["true_coin"], 0, chains=1)


def test_slack_forgives_the_stated_error_and_no_more(registered):
    tosses = Proportion(5_000, 10_000)

    def verdict(predicted, slack):
        return claims.judge(Evidence(tosses, predicted, {"far": 0.9}, slack=slack), 1e-6).verdict

    assert verdict(0.55, 0.0) == claims.REJECTED
    assert verdict(0.55, 0.03) == claims.HELD
    assert verdict(0.55, 0.01) == claims.REJECTED


def alarms(statistics, truth, level):
    return sum(s.log_p(truth, level) < np.log(level) for s in statistics)


def kept(count, trials, level):
    """Whether so many alarms are to be expected at a rate of ``level`` at most."""
    return binom.sf(count - 1, trials, level) > 1e-6


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("truth", [0.5, 0.1, 0.01])
def test_proportions_keep_their_level(level, truth):
    hits = np.random.default_rng(1).binomial(200, truth, 4_000)
    assert kept(alarms([Proportion(int(k), 200) for k in hits], truth, level), hits.size, level)


SKEWED = {
    "rare": (lambda r, shape: (r.random(shape) < 0.02).astype(float), 0.02),
    "cube": (lambda r, shape: r.random(shape) ** 3, 0.25),
    "u-shaped": (lambda r, shape: r.beta(0.1, 0.3, shape), 0.25),
    "constant": (lambda r, shape: np.full(shape, 0.3), 0.3),
}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("law", SKEWED)
def test_bounded_means_keep_their_level(level, law):
    draw, truth = SKEWED[law]
    rows = draw(np.random.default_rng(2), (2_000, 100))
    count = alarms([BoundedMean(row, 0, 1) for row in rows], truth, level)
    assert kept(count, len(rows), level)


def test_bounded_means_are_nearly_as_sharp_as_a_normal_test():
    rows = np.random.default_rng(3).random((300, 1_000))
    shift = 6 * np.sqrt(1 / 12 / 1_000)  # six standard errors, against four at this level
    assert alarms([BoundedMean(row, 0, 1) for row in rows], 0.5 + shift, 1e-4) > 0.8 * len(rows)


@pytest.mark.parametrize("level", LEVELS)
def test_chernoff_means_keep_their_level(level):
    rows = np.random.default_rng(4).exponential(size=(4_000, 20))

    def cgf(theta):
        return -np.log1p(-theta) - theta

    statistics = [ChernoffMean(row, cgf, (-np.inf, 1.0)) for row in rows]
    assert kept(alarms(statistics, 1.0, level), len(rows), level)
    assert alarms(statistics, 3.0, level) > 0.9 * len(rows)


def test_a_nominal_mean_is_called_nominal_for_a_reason():
    rows = np.random.default_rng(5).lognormal(sigma=2.0, size=(2_000, 50))
    count = alarms([NominalMean(row) for row in rows], np.exp(2.0), 0.01)
    assert not NominalMean.certain
    assert not kept(count, len(rows), 0.01)


def test_extreme_proportions_have_finite_odds():
    assert Proportion(10, 10).log_p(1.0, 1e-6) == 0
    assert Proportion(9, 10).log_p(1.0, 1e-6) == -np.inf
    assert -np.inf < Proportion(0, 10**6).log_p(0.5, 1e-6) < -1e5


def test_calibration_counts_what_it_says(registered):
    honest, broken = coin("true_coin"), coin("false_coin", 0.8)
    counts = calibrate([honest, broken], range(40), 500, progress=False)
    assert kept(counts["true_coin"][0].alarms[0], 40, 0.01)
    assert list(counts["false_coin"][0].alarms) == [40, 40, 40]
    report = text(counts, 40, 500)
    assert "`false_coin` | by construction | 40 | 40 / 0.4 | 40 / 0.04 | 40 / 0.004" in report
    assert Count(True, 100, np.array([0, 0, 0])).excess().min() == 1


@pytest.mark.parametrize("name", ["poisson_extinction", "filters", "planned_sample_size"])
def test_a_claim_of_the_registry_holds(name):
    result = claims.run_claim(registry()[name], 1)
    assert result.verdict == claims.HELD, claims.to_text(result)


def test_a_claim_that_raises_does_not_end_the_others(registered, tmp_path, capsys):
    def broken_coin(seed, chains):
        raise ValueError("the coin rolled away")

    claims.claim("a coin lands", source="gravity", section="Z. toys", tier="quick")(broken_coin)
    coin("true_coin")
    where = tmp_path / "out.json"
    assert main(["verify", "broken_coin", "true_coin", "--quiet", "--json", str(where)]) == 1
    output = capsys.readouterr()
    assert "2 claims: 1 hold, 0 rejected, 1 raised an error" in output.out
    assert "RAISED: broken_coin: ValueError: the coin rolled away" in output.err
    content = {c["claim"]: c for c in json.loads(where.read_text())["claims"]}
    assert content["broken_coin"]["verdict"] == "RAISED"
    assert content["broken_coin"]["error"] == "ValueError: the coin rolled away"
    assert content["true_coin"]["verdict"] == "holds"


@pytest.mark.parametrize(("dtype", "beyond"), [(np.float32, 40), (np.float64, 40)])
def test_a_bound_allows_for_the_rounding_of_its_samples_and_for_no_more(dtype, beyond):
    unit = np.finfo(dtype).eps * 49
    samples = np.array([0.0, 20.0, 49.0], dtype)
    observed = BoundedMean(np.append(samples, dtype(49 + beyond * unit)), 0, 49)
    assert observed.samples.max() == 49
    with pytest.raises(ValueError, match=r"samples must lie in \[0, 49\]"):
        BoundedMean(np.append(samples, dtype(49 + 90 * unit)), 0, 49)
    with pytest.raises(ValueError, match="samples must lie in"):
        BoundedMean(np.append(samples, np.nan), 0, 49)


def test_evidence_takes_numbers_of_any_kind():
    evidence = Evidence(Proportion(1, 2), np.array(0.5), {"other": np.float32(0.75)}, slack=np.array(0.125))
    assert [type(x) for x in (evidence.predicted, evidence.wrong["other"], evidence.slack)] == [float] * 3


def test_a_formula_knows_its_near_misses():
    exact = Formula(gaussian.expected_deviation, 10, 5)
    assert exact() == gaussian.expected_deviation(10, 5)
    assert exact.near(early=1, late=2, larger=1, diploid=True, ddof=0) == {
        "M + 1 for M": gaussian.expected_deviation(11, 5),
        "one generation early": gaussian.expected_deviation(10, 4),
        "two generations late": gaussian.expected_deviation(10, 7),
        "diploid 2M": gaussian.expected_deviation(20, 5),
        "ddof = 0": gaussian.expected_deviation(10, 5, ddof=0),
    }
    assert list(exact.near(early=3, unit="fit")) == ["three fits early"]
    assert exact.along("fits")(2) == gaussian.expected_deviation(10, 2)
    second = Formula(accumulation.gaussian, 10, 5, at=(1, -1), read=lambda x: 1 - x)
    assert second() == 1 - accumulation.gaussian(10, 5)[1][-1]
    with pytest.raises(ValueError, match="equals the prediction"):
        exact.against(Proportion(1, 2), "the same", {"itself": exact()})


def test_a_section_takes_theorems_as_objects_and_the_statement_from_the_docstring(registered):
    toys = Section("Z. toys", source="symmetry", chains=400)

    @toys.claim(replacement.fixation_probability, tier="quick")
    def tossed(lab):
        """a coin
        is fair"""
        yield Evidence(Proportion.of(lab.random("coin").random(lab.chains) < 0.5), 0.5, {"biased": 0.9})

    found = registered["tossed"]
    assert (found.statement, found.source, found.section, found.chains, found.tier) == (
        "a coin is fair", "symmetry", "Z. toys", 400, "quick",
    )  # fmt: skip
    assert found.theorems == ("replacement.fixation_probability",)
    assert claims.run_claim(found, 0).verdict == claims.HELD
    tosses = np.random.default_rng(claims.stream(3, "coin")).random(7) < 0.5
    assert [row.estimate for row in claims.run_claim(found, 3, 7).rows] == [tosses.mean()]
    with pytest.raises(ValueError, match=r"replacement\.heterozygosity is not one of them"):
        toys.claim(replacement.heterozygosity)(tossed)


def test_a_lab_runs_on_the_stream_of_a_name():
    parts, given = (mc.Discrete(), mc.categorical([0.5, 0.5])), {"observe": "heterozygosity", "size": 4}
    run = Lab(3, 5).run("a name", *parts, **given, fits=[1, 3])
    same = mc.simulate(*parts, **given, generations=2, record=[0, 2], chains=5, seed=claims.stream(3, "a name"))
    np.testing.assert_array_equal(run["heterozygosity"], same["heterozygosity"])
    np.testing.assert_array_equal(Lab(3, 5).last("a name", *parts, **given, fits=[1, 3]), run["heterozygosity"][:, -1])


def test_a_shared_run_is_made_in_each_precision():
    made = shared(lambda: jnp.zeros(1).dtype)
    with jax.enable_x64(False):
        single = made()
    with jax.enable_x64(True):
        double = made()
    assert (single, double) == (np.float32, np.float64)


def test_earlier_names_still_lead_here():
    from modelcollapse import checks, verify
    from modelcollapse.checks import claims as earlier

    assert earlier.REGISTRY is registry() is checks.registry() is earlier.registry()
    for name in ("BoundedMean", "ChernoffMean", "Evidence", "NominalMean", "Proportion", "claim", "run_claim"):
        assert getattr(checks, name) is getattr(verify, name)
