"""A prediction answers for exactly the process that it describes, and names the theorem that it evaluated."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import modelcollapse as mc
from modelcollapse import observables
from modelcollapse.predict import registry
from modelcollapse.pytree import part
from modelcollapse_theory import (
    NotCovered,
    divergence,
    exponential_families,
    fixation,
    gaussian,
    kde,
    lineages,
    mixture,
    ppca,
    rare,
    regression,
    support,
    wishart,
    workflows,
)

LAW = mc.categorical([0.5, 0.3, 0.15, 0.05])
P = np.array([0.5, 0.3, 0.15, 0.05])
NORMAL = mc.normal([0.0, 1.0], [[2.0, 0.5], [0.5, 1.0]])


def of(family: Any, source: Any, regime: Any = None, observe: Any = None, **options: Any) -> mc.Predictions:
    return mc.predictions(family, source, regime, observe, **{"size": 8, "generations": 3} | options)


def names(*args: Any, **options: Any) -> set[str]:
    return {p.observable for p in of(*args, **options)}


# --- one door --------------------------------------------------------------------------------------------------------


def test_a_run_is_predicted_as_its_process_is() -> None:
    observe = ["heterozygosity", "entropy", "probabilities"]
    run = mc.simulate(mc.Discrete(), LAW, None, observe, size=8, generations=3, record=[1, 3])
    before = of(mc.Discrete(), LAW, None, observe, record=[1, 3])
    assert [p.observable for p in run.predict()] == [p.observable for p in before] == observe
    for mine, theirs in zip(run.predict(), before, strict=True):
        np.testing.assert_array_equal(mine.values, theirs.values)
        assert mine.values.shape == run[mine.observable].shape[1:]
        assert mine.recorded.tolist() == [1, 3]
    np.testing.assert_allclose(before["heterozygosity"].values, (1 - P @ P) * (7 / 8) ** np.array([2, 4]), rtol=1e-6)
    longer = run.extend(1)
    np.testing.assert_allclose(longer.predict()["heterozygosity"].values[-1], (1 - P @ P) * (7 / 8) ** 5, rtol=1e-6)


def test_bad_arguments_are_those_of_simulate() -> None:
    with pytest.raises(ValueError, match="size must be one number, or one for each generation"):
        of(mc.Discrete(), LAW, size=[3, 4])
    with pytest.raises(ValueError, match=r"share must lie in \[0, 1\]"):
        of(mc.Discrete(), LAW, mc.FreshReal(1.5))
    with pytest.raises(ValueError, match="unknown observable 'entropie'"):
        of(mc.Discrete(), LAW, observe="entropie")
    with pytest.raises(ValueError, match="cannot be read from the parameters of Gaussian"):
        of(mc.Gaussian(), NORMAL, observe="entropy")


# --- whose process it is ---------------------------------------------------------------------------------------------


@part
class Clipped:
    """A regime of the user's own: no draw below 0."""

    needs_items = True

    def start(self, key: Any, real: Any, size: Any) -> Any:
        return real.draw(key, size), ()

    def next(self, key: Any, model: Any, real: Any, memory: Any, size: Any, generation: Any) -> Any:
        drawn = model.draw(key, size)
        return type(drawn)(jnp.maximum(drawn.points, 0.0), drawn.count), ()


@part
class OtherFresh(mc.FreshReal):
    """A regime that is almost one of the package."""


@part
class OtherDiscrete(mc.Discrete):
    """A family that is almost one of the package."""


def own(params: jax.Array) -> jax.Array:
    """An observable of the user's own."""
    return params.sum()


OTHERS = {
    "a regime of one's own": lambda: of(mc.Gaussian(), NORMAL, Clipped()),
    "a subclass of a regime": lambda: of(mc.Discrete(), LAW, OtherFresh(0.5)),
    "one inside a switch": lambda: of(mc.Discrete(), LAW, mc.Switch(mc.Replace(), OtherFresh(0.5), 2)),
    "a subclass of a family": lambda: of(OtherDiscrete(), LAW),
    "a source of another family's subclass": lambda: of(mc.Discrete(), mc.Law(OtherDiscrete(), LAW.params)),
    "a sampler": lambda: of(mc.Gaussian(), mc.sampler(lambda key, n: jax.random.normal(key, (n, 1)))),
    "an observable of one's own under a known name": lambda: of(mc.Discrete(), LAW, None, {"entropy": own}),
    "a known name of another observable": lambda: of(mc.Discrete(), LAW, None, {"entropy": mc.tail_mass([0])}),
    "a mixture whose memory was cut": lambda: of(mc.Gaussian(0), NORMAL, mc.Mixture(0.5, 0.3, 0.2, depth=1)),
    "rounded fits": lambda: of(mc.Rounded(mc.Gaussian()), NORMAL),
    "endless data": lambda: of(mc.Exact(mc.Gaussian()), NORMAL),
    "part of the way, twice": lambda: of(mc.Damped(mc.Damped(mc.Discrete(), 0.5), 0.5), LAW),
}


def shortest(design: Any, regime: Any = None) -> mc.Predictions:
    source = mc.linear((1.0, -0.5), design=design)
    family = mc.Regression(source.family.rows, minimum_norm=True)
    return of(family, source, regime, ["coefficients", "excess_risk"], size=4)


FLAT, SLOW = ((1.0, 1.0),) * 4, ((1.0, 0.0), (1.0, 0.0), (1.0, 1.0), (1.0, -2.0))
# the shortest of many solutions forgets what the rows do not span
OTHERS |= {
    "the shortest solution on a design of rank 1": lambda: shortest(FLAT),
    "the shortest solution on the first rows twice": lambda: shortest(SLOW, mc.FreshReal(0.5)),
}


def test_the_shortest_solution_on_rows_that_span_is_least_squares() -> None:
    assert [p.observable for p in shortest(SLOW)] == ["coefficients", "excess_risk"]


@pytest.mark.parametrize("case", OTHERS)
def test_another_process_is_not_answered_for(case: str) -> None:
    assert OTHERS[case]() == []


def test_an_observable_is_known_by_itself_and_answers_under_the_name_it_was_given() -> None:
    found = of(mc.Discrete(), LAW, None, {"h": "entropy", "entropy": own, "S": observables.support_size})
    assert [p.observable for p in found] == ["h", "S"]
    np.testing.assert_allclose(found["h"].values, divergence.expected_entropy(P, 8, [1, 2, 3, 4]), rtol=1e-6)


def test_a_mixture_keeps_its_answer_where_its_memory_is_whole() -> None:
    whole = of(mc.Gaussian(0), NORMAL, mc.Mixture(0.5, 0.3, 0.2))["variance"]
    deep = of(mc.Gaussian(0), NORMAL, mc.Mixture(0.5, 0.3, 0.2, depth=3))["variance"]
    np.testing.assert_array_equal(whole.values, deep.values)
    # the memory of a discrete mixture is a law, whatever the depth
    assert "heterozygosity" in of(mc.Discrete(), LAW, mc.Mixture(0.5, 0.3, 0.2, depth=1))


@pytest.mark.parametrize(
    "same",
    [
        mc.Mixture(1.0, 0.0, 0.0), mc.FixedReal(0.05), mc.FreshReal(0.0), mc.FreshReal([0.9, 0.01, 0.02, 0.0]),
        mc.Retain(0.0),
        mc.Switch(mc.Replace(), mc.FreshReal(1.0), 4), mc.Switch(mc.Mixture(), mc.Replace(), 2),
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_replacement_is_answered_as_replacement(same: Any) -> None:
    for mine, theirs in zip(of(mc.Discrete(), LAW, same), of(mc.Discrete(), LAW), strict=True):
        assert mine.observable == theirs.observable
        np.testing.assert_array_equal(mine.values, theirs.values)
    assert str(of(mc.Damped(mc.Gaussian(), 1.0), NORMAL)) == str(of(mc.Gaussian(), NORMAL))


# --- schedules, shares, tables ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", [32, 64])
def test_a_share_is_what_was_written_and_rounds_as_the_simulator_rounds(precision: int) -> None:
    with jax.enable_x64(precision == 64):
        for share in (0.29, np.float32(0.29), [0.29] * 4):
            found = of(mc.Discrete(), mc.categorical([0.5, 0.5]), mc.FreshReal(share), size=50)["heterozygosity"]
            exact = 0.5 * (1 - workflows.fresh_counts(50, [1, 2, 3, 4], 15))
            np.testing.assert_allclose(found.values, exact, rtol=1e-12)


def recursed(steps: Any, sizes: list[int]) -> np.ndarray:
    """1 - v after each fit, from maps of v, the first fit 1/M."""
    v = [1 / sizes[0]]
    for step, size in zip(steps, sizes[1:], strict=True):
        v.append(step(v[-1], size))
    return 1 - np.array(v)


def with_real(rows: int) -> Any:
    return lambda v, m: 1 / m + (m - rows) * (m - rows - 1) / m**2 * v


SIZES = [6, 9, 4, 7]
SCHEDULES = {
    "fresh": (mc.FreshReal([0.9, 0.5, 0.25, 0.4]), [5, 1, 3], with_real),
    "healing": (mc.Switch(mc.Replace(), mc.FreshReal(0.5), 2), [0, 2, 4], with_real),
    "replacement": (mc.Replace(), [0, 0, 0], lambda r: lambda v, m: 1 / m + (1 - 1 / m) * v),
}  # fmt: skip


@pytest.mark.parametrize("case", SCHEDULES)
def test_schedules_are_followed_generation_by_generation(case: str) -> None:
    regime, rows, step = SCHEDULES[case]
    kept = recursed([step(r) for r in rows], SIZES)
    found = of(mc.Discrete(), LAW, regime, size=SIZES)
    np.testing.assert_allclose(found["heterozygosity"].values, (1 - P @ P) * kept, rtol=1e-6)
    np.testing.assert_allclose(found["chi_square"].values, 3 * (1 - kept), rtol=1e-6)


def test_schedules_of_kept_rows_agree_with_the_constant_case() -> None:
    # a size that changes at the end only: the recursion by groups is compared with the closed form up to there
    for regime in (
        mc.FixedReal(0.5),
        mc.Retain(0.5, 0.25),
        mc.Retain(0.25),
        mc.Mixture(0.5, 0.2, 0.3),
        mc.FreshReal(0.5),
    ):
        steady = of(mc.Discrete(), LAW, regime, "heterozygosity", generations=4)[0]
        changed = of(mc.Discrete(), LAW, regime, "heterozygosity", generations=4, size=[8, 8, 8, 8, 9])[0]
        assert steady.function != changed.function
        np.testing.assert_allclose(changed.values[:4], steady.values[:4], rtol=1e-12)


def test_sizes_that_change_have_the_exact_law_of_each_count() -> None:
    changed = of(mc.Discrete(), LAW, size=[8, 8, 8, 9])
    steady = of(mc.Discrete(), LAW)
    for name in ("support_size", "lost", "absorbed", "entropy", "kl_divergence", "total_variation"):
        assert changed[name].function == "moments.binomial_rows"
        assert steady[name].function != "moments.binomial_rows"
        np.testing.assert_allclose(changed[name].values[:3], steady[name].values[:3], rtol=1e-10)
    law = lineages.lineage_law_schedule([8, 8, 8, 9])
    here = of(mc.Discrete(), LAW, size=[8, 8, 8, 9])["lost"].values[-1]
    np.testing.assert_allclose(here, [law @ (1 - p) ** np.arange(law.size) for p in P], rtol=1e-6)


def test_a_table_without_replacement_is_a_finite_population() -> None:
    states = np.repeat([0, 1, 2], [5, 3, 2])
    source, p = mc.table(states, replace=False), np.array([0.5, 0.3, 0.2])
    whole = of(mc.Discrete(3), source, size=10, generations=1)
    # the first data set is the table itself, the second is ten draws from it
    h = 1 - p @ p
    np.testing.assert_allclose(whole["heterozygosity"].values, [h, h * 0.9], rtol=1e-12)
    np.testing.assert_allclose(whole["lost"].values, [[0, 0, 0], (1 - p) ** 10], atol=1e-12)
    np.testing.assert_allclose(whole["total_variation"].values[0], 0, atol=1e-12)
    part_of_it = of(mc.Discrete(3), source, size=2, generations=0)
    np.testing.assert_allclose(part_of_it["absorbed"].values, (20 + 6 + 2) / 90, rtol=1e-12)
    np.testing.assert_allclose(part_of_it["heterozygosity"].values, h * 10 / 9 / 2, rtol=1e-12)
    rows = np.array([[1.0, 3.0], [2.0, 0.0], [4.0, 7.0], [9.0, 1.0], [0.0, 2.0], [5.0, 5.0]])
    normal = of(mc.Gaussian(), mc.table(rows, replace=False), size=3, generations=1)
    np.testing.assert_allclose(normal["variance"].values, [rows.var(0, ddof=1)] * 2, rtol=1e-12)
    total = rows.var(0, ddof=1).sum()
    first = total / 3 * (1 - 3 / 6)
    np.testing.assert_allclose(normal["squared_mean_error"].values, [first, first + total / 3], rtol=1e-12)
    counts = of(mc.Poisson(), mc.table(states, replace=False), size=5, generations=1)["squared_mean_error"]
    first = states.var(ddof=1) / 5 * (1 - 5 / 10)
    np.testing.assert_allclose(counts.values, [first, first + states.mean() / 5], rtol=1e-12)
    # fresh rows of the same table may be the same rows, which nothing here knows
    assert names(mc.Discrete(3), source, mc.FreshReal(0.5)) == {"probabilities"}


# --- what is named is what was evaluated -----------------------------------------------------------------------------


SPREAD = {
    "replaced, fixed": (mc.KernelDensity(0.5), None, kde.fixed_bandwidth),
    "replaced, by a rule": (mc.KernelDensity(1.0, "scott"), None, kde.rule_bandwidth),
    "accumulated": (mc.KernelDensity(0.5), mc.Accumulate(), kde.accumulated),
    "accumulated, by a rule": (mc.KernelDensity(1.0, "scott"), mc.Accumulate(), kde.accumulated_rule),
    "fresh rows": (mc.KernelDensity(0.5), mc.FreshReal(0.5), kde.fresh_real),
}


@pytest.mark.parametrize("case", SPREAD)
def test_a_kernel_density_names_the_theorem_of_its_regime(case: str) -> None:
    family, regime, theorem = SPREAD[case]
    for p in of(family, NORMAL, regime, ["variance", "squared_mean_error"]):
        assert p.functions == (theorem,)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> set[Any]:
    """The functions of the theory that rules have called."""
    called: set[Any] = set()

    def watched(function: Any) -> Any:
        @functools.wraps(function)
        def run(*args: Any, **options: Any) -> Any:
            called.add(function)
            return function(*args, **options)

        return run

    replace_functions(monkeypatch, watched)
    return called


def replace_functions(monkeypatch: pytest.MonkeyPatch, of: Any) -> None:
    """Give every rule ``of(function)`` in the place of each of its functions."""
    for key, rules in registry.RULES.items():
        changed = [dataclasses.replace(rule, functions=tuple(of(f) for f in rule.functions)) for rule in rules]
        monkeypatch.setitem(registry.RULES, key, changed)


def test_the_theorem_that_is_named_is_called(calls: set[Any]) -> None:
    """Every function named by any prediction of a set of processes is called while it is made."""
    for family, source in (
        (mc.Discrete(), LAW),
        (mc.Gaussian(0), NORMAL),
        (mc.Gaussian(), NORMAL),
        (mc.Poisson(), mc.poisson(2.0)),
    ):
        for regime in (mc.Replace(), mc.Accumulate(), mc.FreshReal(0.5), mc.Mixture(0.5, 0.0, 0.5)):
            for name in names(family, source, regime):
                calls.clear()
                (found,) = of(family, source, regime, name)
                assert set(found.functions) <= calls, found


# --- what a theorem refuses ------------------------------------------------------------------------------------------

# a call that the theorem does not cover, and one that makes no sense
REFUSED = {
    "a sample beyond the exact law": (
        lambda: fixation.fixation_time_cdf([0.5, 0.5], 10**6, 1), lambda: fixation.fixation_time_cdf([0.5, 0.5], 0, 1),
    ),
    "a kernel beyond float64": (lambda: kde.fixed_bandwidth(1e200, 9, 1), lambda: kde.fixed_bandwidth(-1.0, 9, 1)),
    "a variance of one draw": (
        lambda: gaussian.expected_deviation(1, 1, ddof=1), lambda: gaussian.expected_deviation(-1, 1, ddof=1),
    ),
    "an infinite risk": (
        lambda: regression.replaced_risk(3, 1, 2, 1.0), lambda: regression.replaced_risk(9, 1, 2, -1.0),
    ),
    "fewer draws than dimensions": (
        lambda: wishart.lyapunov_spectrum(3, 3, ddof=1), lambda: wishart.lyapunov_spectrum(9, 0, ddof=1),
    ),
    "a design of low rank": (
        lambda: regression.fixed_design_risk(np.ones((4, 2)), 1, 1.0),
        lambda: regression.fixed_design_risk(np.ones(4), 1, 1.0),
    ),
    "no limit without real data": (
        lambda: mixture.gaussian_limit(10, 0.0), lambda: mixture.gaussian_limit(10, 2.0),
    ),
    "a schedule beyond the exact law": (
        lambda: lineages.lineage_law_schedule([10**6]), lambda: lineages.lineage_law_schedule([]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_the_theory_tells_what_it_does_not_cover_from_what_makes_no_sense(case: str) -> None:
    uncovered, senseless = REFUSED[case]
    with pytest.raises(NotCovered):
        uncovered()
    with pytest.raises(ValueError) as refusal:
        senseless()
    assert refusal.type is ValueError


@pytest.mark.parametrize(
    ("family", "source", "regime"),
    [
        (mc.Discrete(), LAW, mc.Replace()), (mc.Discrete(), LAW, mc.FixedReal(0.5)),
        (mc.Gaussian(), NORMAL, mc.Accumulate()), (mc.Gaussian(0), NORMAL, mc.FreshReal(0.5)),
        (mc.Poisson(), mc.poisson(2.0), mc.Mixture()), (mc.KernelDensity(0.5), NORMAL, None),
        (mc.linear([1.0]).family, mc.linear([1.0]), None), (mc.PPCA(2, 0.3), NORMAL, None),
    ],
)  # fmt: skip
def test_a_fault_of_a_theorem_is_an_error_and_not_silence(
    family: Any, source: Any, regime: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = names(family, source, regime)
    assert answered

    def failing(error: Exception) -> Any:
        def raises(*args: Any, **options: Any) -> Any:
            raise error

        return lambda function: functools.wraps(function)(raises)

    with monkeypatch.context() as patch:
        replace_functions(patch, failing(NotCovered("outside of its conditions")))
        assert of(family, source, regime) == []
    replace_functions(monkeypatch, failing(ValueError("a fault")))
    for name in answered:
        with pytest.raises(ValueError, match="a fault"):
            of(family, source, regime, name)


def test_functions_by_regime() -> None:
    named = {p.observable: p.functions for p in of(mc.Gaussian(), NORMAL)}
    assert named["squared_mean_error"] == (gaussian.scheduled_mean_error,)
    assert named["variance"] == (gaussian.expected_variance,)
    assert of(mc.Discrete(), LAW, mc.FreshReal(0.5))["chi_square"].functions == (
        workflows.fresh_counts, workflows.expected_chi_square,
    )  # fmt: skip
    assert of(mc.Gaussian(), NORMAL, mc.Mixture(0.5, 0.2, 0.3))["variance"].functions == (mixture.gaussian_schedule,)
    assert of(mc.Poisson(), mc.poisson(1.0))["absorbed"].functions == (exponential_families.poisson_extinction,)


MOMENTS = {"mean", "variance", "total_variance", "squared_mean_error"}
DIVERSITY = {"probabilities", "heterozygosity", "chi_square"}
SUPPORT = {"support_size", "lost", "absorbed"}
COVERED = {
    "replaced": (mc.Discrete(), LAW, None, DIVERSITY | SUPPORT | {"entropy", "kl_divergence", "total_variation"}),
    "accumulated": (mc.Discrete(), LAW, mc.Accumulate(), DIVERSITY | SUPPORT),
    "mixed": (mc.Discrete(), LAW, mc.Mixture(0.7, 0.0, 0.3), DIVERSITY | {"support_size", "lost"}),
    "healed": (mc.Discrete(), LAW, mc.Switch(mc.Replace(), mc.FreshReal(0.5), 2), DIVERSITY),
    "switched to memory": (mc.Discrete(), LAW, mc.Switch(mc.Replace(), mc.Retain(0.5), 2), {"probabilities"}),
    "maximum likelihood": (mc.Gaussian(0), NORMAL, mc.FixedReal(0.5), MOMENTS),
    "unbiased": (mc.Gaussian(), NORMAL, None, MOMENTS | {
        "log_variance", "log_pivots", "log_determinant", "determinant", "standard_deviation"}),
    "unbiased, fresh": (mc.Gaussian(), NORMAL, mc.FreshReal(0.5), MOMENTS),
    "unbiased, mixed": (mc.Gaussian(), NORMAL, mc.Mixture(0.5, 0.2, 0.3), MOMENTS),
    "unbiased, accumulated": (mc.Gaussian(), NORMAL, mc.Accumulate(), MOMENTS),
    "part of the way": (mc.Damped(mc.Gaussian(), 0.4), mc.normal(), None, {"log_variance"}),
    "coins": (mc.Binomial(2), mc.binomial(2, 0.3), None, MOMENTS | {"absorbed", "extinct"}),
    "counts": (mc.Poisson(), mc.poisson(2.0), None, MOMENTS | {"absorbed", "extinct"}),
    "counts of a table": (mc.Poisson(), mc.table([0, 1, 4]), mc.Accumulate(), MOMENTS),
    "waiting": (mc.Gamma(), mc.exponential(), None, MOMENTS | {"log_mean", "log_variance"}),
    "uniform, accumulated": (mc.Uniform(), mc.uniform(), mc.Accumulate(), {"log_end", "log_mean", "log_variance"}),
    "kernels": (mc.KernelDensity(0.5), NORMAL, mc.FreshReal(0.5), MOMENTS),
    "kernels, retained": (mc.KernelDensity(0.5), NORMAL, mc.Retain(0.5), {"mean"}),
    "pixels": (mc.PPCA(1, output="sampled"), NORMAL, None, MOMENTS - {"variance"}),
    "regression, mixed": (mc.linear([1.0]).family, mc.linear([1.0]), mc.Mixture(0.5, 0.2, 0.3), {"coefficients"}),
}  # fmt: skip


@pytest.mark.parametrize("case", COVERED)
def test_what_is_known_is_answered(case: str) -> None:
    """A theorem that refuses its arguments does not answer: here none may fall silent by mistake."""
    family, source, regime, expected = COVERED[case]
    assert names(family, source, regime) == expected


# --- beyond the exact range, and bounds ------------------------------------------------------------------------------


def test_beyond_the_exact_range_a_limit_answers_and_says_so() -> None:
    early = of(mc.Discrete(), LAW, size=10**6, generations=9)
    assert early["support_size"].function == "support.expected_support_limit"
    assert early["support_size"].order == "O(n/M)"
    assert early["lost"].functions == (rare.rare_loss_probability,)
    assert early["absorbed"].function == "fixation_diffusion.fixation_probability_by_limit"
    assert "O(1/M)" in early["absorbed"].order
    assert "entropy" not in early
    assert "O(n/M)" in str(early["support_size"])
    middle = of(mc.Discrete(), LAW, None, ["entropy", "kl_divergence", "total_variation"], size=3000, generations=2)
    exact = divergence.expected_entropy(P, 2000, 3)
    assert middle["entropy"].functions == (divergence.entropy_from_support,)
    assert middle["entropy"].order == "O(ln M / M)"
    # the loss of entropy is that of 2,000 draws by the ratio of sizes
    entropy = -(P * np.log(P)).sum()
    np.testing.assert_allclose((entropy - middle["entropy"].values[-1]) / (entropy - exact), 2 / 3, rtol=2e-3)
    np.testing.assert_allclose(middle["kl_divergence"].values, entropy - middle["entropy"].values, rtol=1e-6)
    assert "relative" in middle["total_variation"].order


def test_limits_are_close_to_what_is_exact() -> None:
    law = mc.categorical(1 / np.arange(1, 41) ** 1.5, normalise=True)
    p = np.asarray(law.params, np.float64)
    limit = of(mc.Discrete(), law, None, ["support_size", "lost"], size=6000, generations=40, record=[40])
    assert limit["lost"].order == limit["support_size"].order == "O(n/M)"
    np.testing.assert_allclose(limit["support_size"].values, support.expected_support(p, 6000, [41]), rtol=3e-3)
    np.testing.assert_allclose(limit["lost"].values[0], support.absent_probability(p, 6000, 41), atol=3e-3)
    # late, the branching limit does not hold, and the exact law answers to 100,000
    late = of(
        mc.Discrete(), mc.categorical([0.5, 0.5]), None, ["lost", "absorbed"], size=5001, generations=600, record=[600]
    )
    assert late["lost"].order == "exact"
    np.testing.assert_allclose(late["absorbed"].values, fixation.fixation_time_cdf([0.5, 0.5], 5001, [601]), atol=1e-5)


def test_a_bound_is_said_to_be_a_bound() -> None:
    source = mc.normal(np.zeros(2), np.diag([1.5, 0.4]))
    dropped = of(mc.PPCA(2, 0.3), source, None, "decoder_variance", size=12, generations=9)[0]
    assert dropped.kind == "lower bound"
    assert np.all(dropped.values >= 0)
    assert "mean decoder_variance >= 0 at generation 9" in str(dropped)
    assert ">=" in str(mc.Predictions([dropped]))
    kept = of(mc.PPCA(2, 0.001), source, None, "decoder_variance", size=3000, generations=2)[0]
    assert kept.kind == "mean"
    np.testing.assert_allclose(kept.values, ppca.finite_decoder_trace(1.9, 2, 0.001, 3000, [1, 2, 3]), rtol=1e-6)
    with jax.enable_x64(False):  # a third direction of rounding only is no direction
        flat = np.array([[1.0, 0.5, 0.5], [0.5, 1.0, 0.75], [0.5, 0.75, 0.625]])
        rows = np.random.default_rng(0).normal(size=(40, 2)) @ flat[:2]
        (found,) = of(mc.PPCA(2, 0.001), mc.table(rows), None, "decoder_variance")
        assert found.values[0] > 0


def test_what_was_accepted_is_never_an_error() -> None:
    constant = np.c_[np.arange(6.0), np.ones(6)]
    assert names(mc.KernelDensity(0.5), mc.table(constant)) == {"mean"}
    assert "heterozygosity" in of(mc.Discrete(), LAW, mc.Retain(0.75, 0.25), size=6)
    assert "absorbed" in of(mc.Binomial(), mc.bernoulli(1.0), size=1)
    assert np.all(np.isfinite(of(mc.Binomial(), mc.bernoulli(0.5), size=1)["variance"].values))
    line = mc.linear([1.0, 2.0])
    assert "excess_risk" not in of(line.family, line, size=3)  # the risk is infinite
    assert names(mc.Discrete(1), mc.table([0], replace=False), size=1) == {"probabilities"}
    assert of(mc.Pareto(), mc.pareto(0.5)) != []


# --- printing --------------------------------------------------------------------------------------------------------


def test_a_prediction_is_shown_as_a_table_of_generations() -> None:
    found = of(mc.Discrete(), LAW, None, ["entropy", "probabilities"], generations=30)
    for p in found:
        first, header, *rows = repr(p).splitlines()
        assert first == f"{p.observable}: {p.formula} ({p.conditions}; {p.order}; {p.function})"
        assert header.split() == ["generation", "mean"]
        assert [row.split()[0] for row in rows] == ["0", "4", "9", "13", "17", "21", "26", "30"]
        assert "array(" not in repr(p)
        html = p._repr_html_()
        assert html.count("<tr>") == 9
        assert f"<td>{rows[-1].split()[1].removesuffix(',')}" in html
    (bound,) = of(mc.PPCA(1, 0.3), mc.normal(), None, "decoder_variance", size=4)
    assert repr(bound).splitlines()[1].split() == ["generation", "lower", "bound"]


def test_predictions_print_for_a_reader() -> None:
    found = of(mc.Poisson(), mc.poisson(0.5), None, ["mean", "extinct"])
    assert isinstance(found, list)
    assert len(found) == 2
    assert str(found["mean"]).startswith("mean mean = 0.5 at generation 3: E mean_n = mean_0 (")
    assert "workflows.conserved_mean)" in str(found["mean"])
    assert "\n" not in str(found["mean"])
    table = str(found).splitlines()
    assert table[0].split() == ["observable", "generation", "mean", "formula", "order", "theorem"]
    assert len(table) == 3
    assert repr(found) == str(found)
    assert found._repr_html_().count("<tr>") == 3
    assert "extinct" in found
    assert "variance" not in found
    assert found[0] in found
    assert found[-1] is found["extinct"]
    with pytest.raises(KeyError, match="no closed form for 'variance'; there is one for mean, extinct"):
        found["variance"]
    assert str(mc.Predictions()) == "no closed form applies"


def test_every_rule_says_what_it_computes_in_the_shape_of_its_observable() -> None:
    seen = 0
    for family, source in (
        (mc.Discrete(), LAW), (mc.Gaussian(), NORMAL), (mc.Gaussian(0), NORMAL), (mc.GaussianMean(), NORMAL),
        (mc.Gamma(), mc.exponential()), (mc.Uniform(), mc.uniform()), (mc.Pareto(), mc.pareto(3.0)),
        (mc.KernelDensity(0.5), NORMAL), (mc.PPCA(1, output="sampled"), NORMAL), (mc.linear([1.0, 2.0]).family,
        mc.linear([1.0, 2.0])),
    ):  # fmt: skip
        for regime in (mc.Replace(), mc.Accumulate(), mc.FreshReal(0.5), mc.Mixture(0.5, 0.0, 0.5)):
            for p in of(family, source, regime):
                seen += 1
                assert p.formula, p
                assert p.conditions, p
                assert p.order, p
                assert p.function.count(".") == 1
        found = of(family, source)
        traced = jax.eval_shape(
            lambda family=family, source=source, found=found: mc.trace(
                family, source, observe=[p.observable for p in found], size=8, generations=3
            )
        )
        assert {p.observable: p.values.shape for p in found} == {n: v.shape[1:] for n, v in traced.items()}
    assert seen > 80
