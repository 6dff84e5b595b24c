"""Every answer is the least one: it meets its demand, its neighbour does not, and both by another route."""

import numpy as np
import pytest
from scipy.stats import binom

from modelcollapse_theory import divergence, fresh, fresh_limits, plan, support


def matrix(size, share, q):
    x = np.arange(size + 1)
    return binom.pmf(x[None], size, ((1 - share) * x / size + share * q)[:, None])


def two_states(size, share, q, fits):
    """The law of a state's count after some fits, by the transition matrix."""
    start = binom.pmf(np.arange(size + 1), size, q)
    return start @ np.linalg.matrix_power(matrix(size, share, q), fits - 1)


def settled(size, share, q):
    system = matrix(size, share, q).T - np.eye(size + 1)
    system[-1] = 1
    return np.linalg.solve(system, np.eye(size + 1)[-1])


@pytest.mark.parametrize(("q", "fits", "failure"), [(0.2, 1, 0.1), (0.1, 8, 0.05), (0.5, 30, 0.3), (0.9, 1, 0.5)])
def test_sample_size_to_keep(q, fits, failure):
    answer = plan.sample_size_to_keep(q, fits, failure)
    assert answer.exact
    assert answer.achieved <= failure
    assert answer.achieved == pytest.approx(two_states(answer.value, 0.0, q, fits)[0], rel=1e-10)
    if answer.value == 1:
        assert answer.neighbour is None
    else:
        assert answer.neighbour == answer.value - 1
        assert answer.achieved_aside == pytest.approx(two_states(answer.value - 1, 0.0, q, fits)[0], rel=1e-10)
        assert answer.achieved_aside > failure


def test_sample_size_to_keep_a_very_rare_state():
    answer = plan.sample_size_to_keep(1e-6, 10, 0.05)
    assert not answer.exact
    assert answer.achieved <= 0.05 < answer.achieved_aside
    exact_enough = plan.sample_size_to_keep(0.01, 10, 0.05)
    assert exact_enough.exact
    assert exact_enough.value * 0.01 == pytest.approx(answer.value * 1e-6, rel=0.01)


def test_share_to_keep():
    answer = plan.share_to_keep(0.1, 30, 0.2)
    assert settled(30, answer.value, 0.1)[0] == pytest.approx(0.2, rel=1e-6)
    assert answer.achieved_aside > 0.2 >= answer.achieved * (1 - 1e-9)
    for fits in (5, 8, 40):
        early = plan.share_to_keep(0.1, 30, 0.2, fits)
        assert two_states(30, early.value, 0.1, fits)[0] == pytest.approx(0.2, rel=1e-6)
        assert early.value < answer.value
        assert early.achieved_aside > 0.2
    free = plan.share_to_keep(0.1, 30, 0.2, 2)  # two fits lose it in 0.135 of the chains: nothing is needed
    assert (free.value, free.neighbour) == (0.0, None)
    assert plan.share_to_keep(0.1, 30, 0.95).value == 0


def test_real_items_to_keep():
    answer = plan.real_items_to_keep(0.01, 0.05)
    assert (answer.value, answer.neighbour) == (299, 298)
    assert answer.achieved == pytest.approx(0.99**299)
    assert answer.achieved <= 0.05 < answer.achieved_aside
    # the chain itself, two kept items and one model draw of a state of probability 1/3, from either first draw
    lost = 0.0
    for copies, weight in enumerate(binom.pmf(np.arange(3), 2, 1 / 3)):
        drawn = 1 / 3
        for _ in range(300):  # chance that the third item is of the state
            drawn = (copies + drawn) / 3
        lost += weight * (1 - drawn if copies == 0 else 0)
    assert lost == pytest.approx(plan.real_items_to_keep(1 / 3, 0.5).achieved)


@pytest.mark.parametrize("ddof", [0, 1])
def test_variance_below(ddof):
    """Against many chains of chi-squares: 200,000 put five sigma at 0.006."""
    answer = plan.variance_below(0.2, 6, 0.7, ddof=ddof)
    assert answer.achieved >= 0.7 > answer.achieved_aside
    rng = np.random.default_rng(1)
    logs = np.log(rng.chisquare(5, (answer.value, 200_000)) / (6 - ddof))
    assert np.mean(logs.sum(axis=0) < np.log(0.2)) == pytest.approx(answer.achieved, abs=0.006)
    assert np.mean(logs[1:].sum(axis=0) < np.log(0.2)) == pytest.approx(answer.achieved_aside, abs=0.006)


def test_half_lives():
    variance = plan.variance_half_life(50)
    assert variance.value == pytest.approx(49 * np.log(2), abs=3)
    heterozygosity = plan.heterozygosity_half_life(10)
    assert (heterozygosity.value, heterozygosity.achieved) == (7, pytest.approx(0.9**7))
    assert heterozygosity.achieved_aside == pytest.approx(0.9**6)
    assert plan.heterozygosity_half_life(1).value == 1
    law = [0.5, 0.3, 0.2]
    entropy, start = plan.entropy_half_life(law, 12), -np.sum(np.array(law) * np.log(law))
    share = np.arange(13) / 12
    surprise = -share * np.log(np.where(share > 0, share, 1))

    def mean_entropy(fits):
        return sum(two_states(12, 0.0, q, fits) @ surprise for q in law)

    assert entropy.achieved == pytest.approx(mean_entropy(entropy.value), rel=1e-10)
    assert entropy.achieved_aside == pytest.approx(mean_entropy(entropy.value - 1), rel=1e-10)
    assert entropy.achieved <= start / 2 < entropy.achieved_aside
    words = plan.vocabulary_half_life(law, 12)

    def states(fits):
        return sum(1 - two_states(12, 0.0, q, fits)[0] for q in law)

    assert words.achieved == pytest.approx(states(words.value), rel=1e-10)
    assert words.achieved_aside == pytest.approx(states(words.value - 1), rel=1e-10)
    assert words.achieved <= 1.5 < words.achieved_aside
    at_once = plan.vocabulary_half_life(np.full(100, 0.01), 10)
    assert (at_once.value, at_once.neighbour, at_once.achieved_aside) == (1, 0, 100)


@pytest.mark.parametrize(("kept", "size"), [(0.9, 50), (0.5, 3), (0.9899, 100)])
def test_growth_to_keep(kept, size):
    answer = plan.growth_to_keep(kept, size, 6)
    sizes = size * np.arange(1.0, 2_000_001) ** answer.value
    rest = 2_000_000.5 ** (1 - answer.value) / (size * (answer.value - 1))  # the sum beyond, by its integral
    assert np.exp(np.log1p(-1 / sizes).sum() - rest) == pytest.approx(kept, rel=1e-6)
    assert answer.achieved == pytest.approx(kept)
    assert answer.achieved_aside < kept
    assert answer.cost == np.ceil(sizes[:6]).sum()
    assert answer.cost > 6 * size


def test_batch_to_keep():
    answer = plan.batch_to_keep(0.9)
    s = 1 / np.sqrt(answer.value)
    assert answer.achieved == pytest.approx(np.sinc(s))
    assert answer.achieved >= 0.9 > answer.achieved_aside
    assert answer.achieved_aside == pytest.approx(np.sinc(1 / np.sqrt(answer.value - 1)))


def test_detectors():
    demand = {"probability": 0.1, "sample_size": 30, "failure": 0.2}
    needed = plan.share_to_keep(**demand).value
    bad = plan.detector_to_keep(**demand, share=0.3 * needed, true_positive=0.5, false_positive=0.1)
    good = plan.detector_to_keep(**demand, share=0.3 * needed, true_positive=0.9, false_positive=0.1)
    assert (bad.meets, good.meets) == (False, True)
    for answer in (bad, good):
        assert answer.achieved == pytest.approx(settled(30, answer.value, 0.1)[0], rel=1e-8)
        assert answer.meets == (answer.achieved <= 0.2)
        assert answer.neighbour == needed
    least = plan.detector_power_to_keep(**demand, share=0.3 * needed, false_positive=0.1)
    assert least.achieved == pytest.approx(0.2, rel=1e-6)
    assert least.achieved_aside > least.achieved
    assert 0.5 < least.value < 0.9
    none = plan.detector_power_to_keep(**demand, share=2 * needed)
    assert (none.value, none.neighbour) == (0.0, None)
    assert none.achieved < 0.2


def test_what_cannot_be_had_is_refused_with_what_can():
    for call, words in [
        (lambda: plan.share_to_keep(0.1, 10, 0.2), r"failure.*0\.348"),
        (lambda: plan.share_to_keep(0.1, 10, 0.2, 5), r"failure.*0\.348"),
        (lambda: plan.growth_to_keep(0.99, 50, 5), r"kept.*0\.98.*sample_size above 100"),
        (lambda: plan.entropy_half_life([1.0, 0.0], 10), "probabilities"),
        (lambda: plan.vocabulary_half_life([0.5, 0.5], 10), "at least 3"),
        (lambda: plan.sample_size_to_keep(0.0, 5, 0.1), "probability"),
        (lambda: plan.sample_size_to_keep(0.1, 0, 0.1), "fits"),
        (lambda: plan.sample_size_to_keep(0.1, 5, 0.0), "failure"),
        (lambda: plan.variance_below(1.5, 5, 0.5), "threshold"),
        (lambda: plan.batch_to_keep(1.0), "kept"),
        (lambda: plan.detector_power_to_keep(0.1, 30, 0.2, 0.0), "share"),
    ]:
        with pytest.raises(ValueError, match=words):
            call()


def stated(chance, size):
    return -np.log(chance) * (1 - np.log(chance)) * (1 / size + 1e-4) + 1e-12


@pytest.mark.parametrize("size", [300, pytest.param(700, marks=pytest.mark.slow)])
@pytest.mark.parametrize("q", [0.5, 0.1, 0.01, 0.002])
def test_the_large_sample_law_of_absence_agrees_with_the_exact_one(size, q):
    """Within |ln P| (1 + |ln P|) (1/M + 1/10^4) in ln P, its stated error, for shares from 0.3/M to 1 at every stage."""
    for real in (0.3, 3, 30, size / 2, size):
        for fits in (None, 1, 2, 5, 40, 4 * size):
            exact = float(fresh.absent(q, size, real / size, fits))
            limit = float(fresh_limits.absent_limit(q, size, real / size, fits))
            if exact > 1e-10:
                assert abs(np.log(limit / exact)) <= stated(exact, size), (real, fits)
    for fits in (1, 3, 30, size, 5 * size):
        exact = float(support.absent_probability(q, size, fits))
        if exact > 1e-10:
            limit = float(fresh_limits.absent_limit(q, size, 0, fits))
            assert abs(np.log(limit / exact)) <= 0.1 * stated(exact, size), fits


def test_the_large_sample_law_of_absence_knows_what_branching_knows():
    """For a rare state of a huge sample it is a branching process with immigration; a common one it treats as Beta
    does.
    """
    for size, share in ((10**6, 0.3), (10**9, 1e-3), (10**12, 0.05)):
        q = 2 / (size * share)
        assert fresh_limits.absent_limit(q, size, share) == pytest.approx(
            fresh.absent_branching(q, size, share), rel=1e-3
        )
    small, large = (fresh_limits.absent_limit(0.2, size, 0.5 / size) for size in (10**6, 10**9))
    assert small / large == pytest.approx(1000**0.2, rel=1e-3)  # M^(-theta q), theta = 1
    with pytest.raises(ValueError, match="share must be positive"):
        fresh_limits.absent_limit(0.2, 100)


@pytest.mark.parametrize("law", [[0.5, 0.3, 0.2], 1 / np.arange(1, 80), np.ones(1500)])
def test_the_large_sample_laws_of_entropy_and_support_agree_with_the_exact_ones(law):
    law, fits, size = np.asarray(law) / np.sum(law), np.array([0, 1, 2, 5, 20, 60, 200, 600]), 250
    exact = divergence.expected_entropy(law, size, fits[1:])
    limit = divergence.expected_entropy_limit(law, size, fits)
    assert limit[0] == pytest.approx(divergence.entropy(law))
    assert np.max(np.abs(limit[1:] - exact)) < 0.75 * size**-0.5
    assert np.max(np.abs(limit[1:] - exact) / (limit[0] - exact)) < 0.015
    alive = [support.expected_support_at_any_size(law, size, int(n)) for n in fits[1:]]
    assert alive == pytest.approx(support.expected_support(law, size, fits[1:]), rel=1 / size)


def simulated(q, size, share, fits, chains, seed):
    random = np.random.default_rng(seed)
    count = random.binomial(size, q, chains)
    for _ in range(fits - 1):
        count = random.binomial(size, share * q + (1 - share) * count / size)
    return np.mean(count == 0)


@pytest.mark.parametrize("fits", [21, None])
def test_the_share_that_keeps_one_in_ten_thousand_among_fifty_thousand(fits):
    """A branching process with immigration of its own gives 0.20799 at fit 21; 40,000 chains see 0.05 within 0.0055."""
    answer = plan.share_to_keep(1e-4, 50_000, 0.05, fits)
    assert answer.value == pytest.approx(0.208, abs=1e-4)
    assert answer.achieved <= 0.05 * (1 + 1e-9) < answer.achieved_aside
    assert not answer.exact
    assert any("large-sample law" in line for line in answer.assumptions)
    assert simulated(1e-4, 50_000, answer.value, fits or 80, 40_000, 1) == pytest.approx(0.05, abs=0.0055)


def test_a_common_state_in_a_large_sample_is_no_branching_process():
    size, q = 30_000, 0.2
    answer = plan.share_to_keep(q, size, 0.05)
    assert answer.value * size < 2  # a real item in a fit or two, where branching would ask for a third less or more
    exact = float(fresh.absent(q, 3_000, answer.value * size / 3_000))
    theta = 2 * answer.value * size
    assert answer.achieved == pytest.approx(exact * 10 ** (-theta * q), rel=2e-3)


@pytest.mark.parametrize("size", [20_001, pytest.param(10**12, marks=pytest.mark.slow)])
def test_every_question_has_an_answer_at_any_size(size):
    law = [0.4, 0.3, 0.2, 0.1]
    answers = {
        "share": plan.share_to_keep(3 / size, size, 0.2),
        "share at a fit": plan.share_to_keep(3 / size, size, 0.2, 5),
        "variance": plan.variance_half_life(size),
        "heterozygosity": plan.heterozygosity_half_life(size),
        "entropy": plan.entropy_half_life(law, size),
        "vocabulary": plan.vocabulary_half_life(law, size),
        "growth": plan.growth_to_keep(0.9, size, 3),
        "detector": plan.detector_to_keep(3 / size, size, 0.2, 0.1, 0.9, 0.1),
        "power": plan.detector_power_to_keep(3 / size, size, 0.2, 0.1),
        "sample size": plan.sample_size_to_keep(0.3, size, 0.2),
    }
    for name, answer in answers.items():
        assert np.isfinite([answer.value, answer.achieved]).all(), name
    assert answers["heterozygosity"].value == pytest.approx(size * np.log(2), rel=1e-4)
    assert answers["variance"].value == pytest.approx(size * np.log(2), rel=1e-4)
    # in fits over M all is one diffusion: the exact values at M = 1,000 are these within 1/M
    assert answers["entropy"].value / size == pytest.approx(plan.entropy_half_life(law, 1000).value / 1000, rel=0.01)
    assert answers["vocabulary"].value / size == pytest.approx(
        plan.vocabulary_half_life(law, 1000).value / 1000, rel=0.01
    )
    assert answers["sample size"].value / size == pytest.approx(
        plan.sample_size_to_keep(0.3, 1000, 0.2).value / 1000, rel=0.01
    )


def test_the_largest_and_the_rarest():
    last = 2**63 - 1
    assert plan.variance_half_life(last).value == pytest.approx(last * np.log(2), rel=1e-6)
    assert plan.heterozygosity_half_life(last).value == pytest.approx(last * np.log(2), rel=1e-6)
    assert plan.real_items_to_keep(1e-20, 0.05).value == pytest.approx(-np.log(0.05) / 1e-20, rel=1e-6)
    assert plan.sample_size_to_keep(1e-18, 1, 0.05).value == pytest.approx(-np.log(0.05) / 1e-18, rel=1e-6)
    assert plan.batch_to_keep(1 - 2**-53).value == pytest.approx(np.pi**2 / 6 * 2**53, rel=1e-6)
    assert plan.growth_to_keep(0.5, 10**18, 5).value == 1 + 2**-52  # the next number of float64 above 1
    assert plan.growth_to_keep(0.5, 10, 10**9).cost == pytest.approx(
        10 * (10**9) ** (1 + plan.growth_to_keep(0.5, 10, 1).value) / (1 + plan.growth_to_keep(0.5, 10, 1).value),
        rel=1e-6,
    )
    for answer in (plan.real_items_to_keep(1e-20, 0.05), plan.variance_half_life(last)):
        assert not answer.exact
        assert answer.neighbour < answer.value


def test_a_sample_size_takes_few_exact_values(monkeypatch):
    asked = []

    def counted(probability, size, fits):
        asked.append(size)
        return exact(probability, size, fits)

    exact = plan.support.absent_probability
    monkeypatch.setattr(plan.support, "absent_probability", counted)
    answer = plan.sample_size_to_keep(0.01, 20, 0.05)
    assert (answer.value, answer.exact) == (3255, True)
    assert len(asked) <= 8, asked
