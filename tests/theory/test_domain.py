"""Every argument of every public function: what is not a number of the right kind is refused by name, or listed here."""

import inspect
import re

import numpy as np
import pytest
from base_cases import BAD, CASES, RECORDS, arguments, call, public

from modelcollapse_theory import divergence, replacement, workflows


def names(text: str) -> set[str]:
    return set(text.split())


# Numbers without an upper bound: what they multiply or are compared with stays finite, or the docstring says inf.
UNBOUNDED = names(
    "advantage constant covariance drift earlier_noise_variance eigenvalue expected_count factor first growth high "
    "inverse_gap kl_weight kurtosis level linear log_ratio mean noise noise_variance order penalty quadratic ratio "
    "regularisation reward ridge risk sample_size sampling_bias shape source spacing squared_norm squared_shift "
    "successes temperature theta threshold trace "
    "value variance"
)
UNBOUNDED |= names("base_mean shift strength target")
UNBOUNDED |= names("means variances")  # of several models
UNBOUNDED |= names("loss parameters tokens")  # of language models
UNBOUNDED |= names("entropy score")  # of watermarks
# The same up to a limit that docstrings or refusals name.
LARGE = names("bandwidth cut deviation gap smoothing width")
# Arguments that take arrays of any shape and broadcast, of which an empty one gives an empty answer.
BROADCAST = names(
    "advantage bandwidth choices constant count covariance cut deviation dimension drawn_exponent drift "
    "earlier_fits earlier_noise_variance earlier_sample_size eigenvalue expected_count exponent factor "
    "false_positive first fits frequency gap green growth inverse_gap keep_right keep_wrong kept kl_weight kurtosis "
    "lag level lineages log_ratio lost mean noise noise_variance order penalty previous_share probability rank rate "
    "ratio real real_size regularisation retained reward ridge risk sample_size sample_sizes shape share shift "
    "sizes source spacing squared_norm squared_shift states steps synthetic synthetic_size temperature theta "
    "threshold trace true_positive value variance weight width"
)
BROADCAST |= names("base factor members strength")
BROADCAST |= names("drawn leader_items leader_loss models pool_loss workflow")
BROADCAST |= names("base factor members strength")  # of remedies
BROADCAST |= names("background generations loss mutation parameters smoothing tokens")  # of language models
BROADCAST |= names("entropy marks mass pairs score z")
BROADCAST_EMPTY = names("listed")  # no token is green
# What is accepted by some function, and why; the answer is finite, or inf where INFINITE says so.
ACCEPTED = {
    "negative": (
        "a real number of either sign",
        names("constant first gap kurtosis linear log_ratio low mean order quadratic reward source theta value"),
    ),
    "zero": (
        "nothing of it: no fit, no share, no noise, no chance, a degree of freedom, the origin",
        names(
            "advantage bandwidth constant count covariance ddof deviation drift earlier_fits earlier_noise_variance "
            "eigenvalue error expected_count exponent false_positive first fits frequency gap generations green "
            "growth keep_right keep_wrong kurtosis lag largest last lineages linear log_ratio lost low mean "
            "noise_variance order other_fits power previous_share previous_shares probability quadratic rank rate "
            "real real_size retained reward ridge risk share shares shift source squared_norm squared_shift steps "
            "synthetic_size theta trace true_positive variance weight"
        ),
    ),
    "fraction": (
        "a real number, or a sample size that need not be whole (tails)",
        UNBOUNDED
        | names(
            "bandwidth confidence cut deviation deviations effective error exponent failure false_positive frequency gap "
            "green keep_right keep_wrong kept later lost low mass previous_share previous_shares probability rate "
            "share shares shift target true_positive weight width "
        ),
    ),
    "empty": ("an empty answer, or an empty list", BROADCAST | BROADCAST_EMPTY),
    "cube": ("an answer for each entry", BROADCAST),
    "bool": ("a switch", {"accumulate", "unlimited", "random_count", "same_rows", "unbiased"}),
    "1e300": ("finite", UNBOUNDED),
    "10**30": ("finite in float64", UNBOUNDED | LARGE),
    "1e19": ("a real number", UNBOUNDED | LARGE),
    "uint64": ("a real number", UNBOUNDED | LARGE),
    "2**62": (
        "a whole number of 63 bits",
        UNBOUNDED
        | LARGE
        | names(
            "bandwidth choices count deviation dimension earlier_fits earlier_sample_size exponent fits generations "
            "kept lag largest last lineages other_fits rank real real_size states states_left steps synthetic "
            "synthetic_size trials "
        ),
    ),
    "inf": ("no bound", {"high"}),
    "-inf": ("no bound", {"low"}),
}
REMEDIES = {
    "negative": names("shift"),
    "zero": names("base base_mean shift strength target"),
    "fraction": names("base shift target weight"),
    "empty": names("without"),
    "bool": names("own own_start refill"),
    "2**62": names("archive members"),
}
SEVERAL_MODELS = {
    "negative": names("means"),
    "zero": names("drawn means mixing pool_loss shared variances workflow"),
    "fraction": names("leader_loss mixing pool_loss real workflow"),
    "2**62": names("drawn leader_items models real sizes"),
}
ACCEPTED |= {kind: (why, allowed | SEVERAL_MODELS.get(kind, set())) for kind, (why, allowed) in ACCEPTED.items()}
LANGUAGE = {
    "negative": names("loss"),
    "zero": names("background epsilon kept loss mutation ratio sample_size"),
    "fraction": names("background epsilon loss mutation ratio smoothing"),
    "2**62": names("contexts positions top_k"),
    "bool": names("drawn"),
}
ACCEPTED |= {kind: (why, allowed | LANGUAGE.get(kind, set())) for kind, (why, allowed) in ACCEPTED.items()}
WATERMARKS = {
    "negative": names("z"),
    "zero": names("entropy h0 marks mass score z"),
    "fraction": names("h0 marked z"),
    "2**62": names("pairs"),
}
ACCEPTED |= {kind: (why, allowed | WATERMARKS.get(kind, set())) for kind, (why, allowed) in ACCEPTED.items()}
ACCEPTED |= {kind: (why, allowed | REMEDIES.get(kind, set())) for kind, (why, allowed) in ACCEPTED.items()}
# A second each: one form of each number is enough there.
SLOW = {"precision.pair_absorbed", "precision.fed_variance_cdf", "errors.expected_divergence"}
# Answers whose docstring says that they may be infinite.
INFINITE = {
    "best_of.mixed_limit",
    "decoding.tempered_loss",
    "definitions.expected_log_loss",
    "errors.expected_divergence",
    "exponential_families.VarianceFunction",
    "exponential_families.gamma",
    "exponential_families.negative_binomial",
    "exponential_families.normal",
    "fresh_gaussian.mean_error_and_variance",
    "fresh_gaussian.stationary",
    "gaussian.log_variance_cgf",
    "gaussian.variance_moment",
    "gaussian.variance_of_variance",
    "iterated_families.gamma_moments",
    "iterated_families.normal_limit",
    "iterated_families.normal_moments",
    "iterated_families.reference_variance_moment",
    "kde.rule_bandwidth",
    "language.perplexity_bound",
    "sampling_designs.corrected_mean_error",
    "sampling_designs.corrected_variance_moment",
    "sampling_designs.shrunk_variance_limit",
    "special_families.gamma_mean_cgf",
    "special_families.pareto_index_cgf",
    "temperature.normal_moments",
    "temperature.normal_variance",
    "temperature.normal_variance_limit",
    "verification.soft_stopping",
    "wishart.expected_trace_squares",
    "wishart.log_determinant_cgf",
    "wishart.pivot_cgf",
}


def test_every_function_and_argument_has_a_base_case():
    assert set(CASES) == set(public()) - RECORDS
    for name, argument in arguments():
        assert argument in CASES[name], (name, argument)


def fault(name: str, argument: str, kind: str) -> str:
    """What is wrong with how a function takes one bad value; empty where nothing is."""
    if kind == "None" and inspect.signature(public()[name]).parameters[argument].default is None:
        return ""
    try:
        with np.errstate(all="ignore"):
            answer = call(name, **{argument: BAD[kind]})
    except (ValueError, TypeError) as error:
        return "" if re.search(rf"\b{argument}\b", str(error)) else f"{argument}={kind}: not named: {error}"
    except Exception as error:
        return f"{argument}={kind}: {error!r}"
    if argument not in ACCEPTED.get(kind, ("", ()))[1]:
        return f"{argument}={kind}: accepted, and not in the table"
    if any(np.isnan(part).any() for part in answer):
        return f"{argument}={kind}: a NaN"
    if name not in INFINITE and not all(np.isfinite(part).all() for part in answer):
        return f"{argument}={kind}: an infinity that no docstring names"
    return ""


@pytest.mark.parametrize("name", sorted(CASES))
def test_bad_values_are_refused_by_name(name):
    large = {"plan.vocabulary_half_life", "plan.entropy_half_life"}  # answered, in ten seconds: see test_plan
    faults = [
        found
        for argument in inspect.signature(public()[name]).parameters
        for kind in BAD
        if not (kind == "2**62" and name in large) and (found := fault(name, argument, kind))
    ]
    assert not faults, "\n".join(faults)


def same(left: list, right: list) -> bool:
    return len(left) == len(right) and all(
        np.array_equal(a, b, equal_nan=True) for a, b in zip(left, right, strict=True)
    )


def forms(value):
    """The same numbers in the containers and types that people have them in."""
    if isinstance(value, bool):
        return [np.bool_(value)]
    if isinstance(value, int):
        return [np.int64(value), np.int32(value), np.uint8(value), float(value), np.float32(value), np.array(value)]
    if isinstance(value, float):
        return [np.float64(value), np.array(value)]
    if isinstance(value, list):
        return [np.array(value), tuple(value), np.array(value, dtype=object)]
    return []


@pytest.mark.parametrize("name", sorted(CASES))
def test_numbers_of_any_type_and_container_are_the_same_numbers(name):
    expected = call(name)
    for argument, value in CASES[name].items():
        for form in forms(value)[: 1 if name in SLOW else None]:
            assert same(call(name, **{argument: form}), expected), (argument, type(form), form)


@pytest.mark.parametrize("name", sorted(CASES))
def test_float32_is_the_number_that_it_holds(name):
    for argument, value in CASES[name].items():
        if isinstance(value, float) or (isinstance(value, list) and np.asarray(value).dtype.kind == "f"):
            single = np.asarray(value, np.float32)
            if argument in ("probabilities", "weights") and single.ndim == 1:
                single = single if np.allclose(single.sum(dtype=np.float64), 1, atol=1e-6) else single / single.sum()
            assert same(call(name, **{argument: single}), call(name, **{argument: single.astype(np.float64)})), argument


def test_frames_series_and_nullable_columns():
    pandas = pytest.importorskip("pandas")
    law = [0.5, 0.3, 0.2]
    expected = replacement.expected_heterozygosity(law, [10, 20], 3)
    for sizes in (pandas.Series([10, 20]), pandas.Series([10, 20], dtype="Int64"), pandas.Series([10.0, 20.0])):
        assert np.array_equal(replacement.expected_heterozygosity(pandas.Series(law), sizes, 3), expected)
    shared = pandas.DataFrame([[0.1, 0.2], [0.2, 0.3]])
    assert workflows.pooled([3, 4], shared) == workflows.pooled([3, 4], shared.to_numpy())
    for bad in (pandas.Series([10, None], dtype="Int64"), pandas.Series(["10", "20"]), pandas.Series([True, False])):
        with pytest.raises((TypeError, ValueError), match="sample_size"):
            replacement.expected_heterozygosity(law, bad, 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("states", [1, 3, 10, 1000, 100_000])
def test_a_law_may_miss_one_by_its_rounding_and_no_more(states, dtype):
    p = np.full(states, 1 / states, dtype)
    assert divergence.entropy(p) == pytest.approx(np.log(states), abs=1e-6)
    tolerance = 1e-6 + 4 * np.sqrt(states) * 1.1920929e-07
    law = np.full(states, 1 / states)
    assert replacement.heterozygosity(law * (1 + 0.9 * tolerance)) == pytest.approx(1 - 1 / states, abs=1e-11)
    for factor in (1 + 1.1 * tolerance, 1 - 1.1 * tolerance):
        with pytest.raises(ValueError, match=r"probabilities must sum to 1 within .*divide probabilities by this sum"):
            replacement.heterozygosity(law * factor)


def test_whole_numbers_end_at_63_bits():
    last = 2**63 - 1
    assert 0 <= float(workflows.replace(last, last)) <= 1
    assert workflows.replace(10, np.uint64(last)) == 1
    for beyond in (2**63, -(2**63) - 1, np.uint64(2**63), 2.0**63, [1, 2**64]):
        with pytest.raises(ValueError, match="fits must be"):
            workflows.replace(10, beyond)
