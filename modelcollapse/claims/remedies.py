"""Remedies: posterior sampling, other divisors, shrinkage, stratified draws, more draws and several refits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import regimes
from modelcollapse.families import (
    Damped,
    Discrete,
    Ensemble,
    Gamma,
    Gaussian,
    Oversampled,
    Poisson,
    Posterior,
    Shrunk,
    Stratified,
)
from modelcollapse.protocols import Family, Regime
from modelcollapse.sources import categorical, gamma, normal, poisson
from modelcollapse.verify import BoundedMean, ChernoffMean, Evidence, Formula, Lab, NominalMean, Section
from modelcollapse_theory import (
    gaussian,
    iterated_families,
    iterated_learning,
    remedies,
    sampling_designs,
    weights,
    workflows,
)

K = Section("K. remedies", source="theory/derivations/remedies.md", chains=20_000)
TRUTH, BASE = (0.7, 0.1, 0.1, 0.1), (0.1, 0.2, 0.3, 0.4)
H0 = 1 - float(np.dot(TRUTH, TRUTH))
SIZE = 10


def kept(v: ArrayLike) -> float:
    """What is left of the diversity where the share ``v`` is lost."""
    return 1 - float(np.asarray(v))


def diversity(
    lab: Lab, name: str, family: Family, *, size: int, fits: int, regime: Regime | None = None
) -> BoundedMean:
    """H_n / H_0 of a discrete chain."""
    seen = lab.last(name, family, categorical(TRUTH), regime, "heterozygosity", size=size, fits=fits)
    return BoundedMean(seen / H0, 0, (1 - 1 / len(TRUTH)) / H0)


@K.claim(iterated_learning.posterior, tier="quick", chains=24_000)
def posterior_without_prior(lab: Lab) -> Evidence:
    """a fit drawn from its posterior without a prior loses diversity twice as fast: E H_n = [(M-1)/(M+1)]^n H_0"""
    fits = 4
    seen = lab.last(
        "no prior", Posterior(Discrete(), 0.0), categorical([0.5, 0.5]), observe="heterozygosity", size=SIZE, fits=fits
    )
    exact = Formula(iterated_learning.posterior, SIZE, fits, 0.0, read=kept)
    wrong = {"maximum likelihood": (1 - 1 / SIZE) ** fits, "a uniform prior": exact(strength=2.0)}
    return exact.against(BoundedMean(2 * seen, 0, 1), "", wrong, larger=1, early=1)


@K.claim(iterated_learning.stationary_moments, iterated_learning.correlation, chains=100_000)
def prior_is_stationary(lab: Lab) -> Iterator[Evidence]:
    """in the end the parameters have the law of the prior, whatever the sample size and the truth"""
    strength, fits = 3.0, (60, 61)  # the truth is forgotten to (10/13)^60, about 1e-7
    family = Posterior(Discrete(), strength, categorical(BASE))
    run = lab.run("prior", family, categorical(TRUTH), None, "probabilities", size=SIZE, fits=fits)
    now, then = run["probabilities"].astype(np.float64).transpose(1, 2, 0)[:, 3]
    mean = BASE[3]
    yield Evidence(BoundedMean(now, 0, 1), mean, {"the truth": TRUTH[3], "half way": (mean + TRUTH[3]) / 2}, "E p")

    second = Formula(iterated_learning.stationary_moments, mean, strength, 2, at=(2,))
    square = second()
    smoothed = float(iterated_learning.smoothing_limit(SIZE, strength))
    wrong = {
        "a prior worth one item more": second(strength=strength + 1),
        "a draw for each item": mean**2 + smoothed * mean * (1 - mean),
        "the prior after more data": second(strength=strength + SIZE),
    }
    yield Evidence(BoundedMean(now**2, 0, 1), square, wrong, "E p^2")
    spread = square - mean**2

    def product(size: int) -> float:
        return mean**2 + spread * float(iterated_learning.correlation(size, strength, 1))

    wrong = {"no memory": mean**2, "no step": square, "half the sample size": product(SIZE // 2)}
    yield Evidence(BoundedMean(now * then, 0, 1), product(SIZE), wrong, "E p_n p_(n+1)")


@K.claim(iterated_learning.second_moments, iterated_learning.posterior)
def posterior_paths(lab: Lab) -> Iterator[Evidence]:
    """under a prior at any base E p^2 of every state has a recursion of its own; real data and a prior add up"""
    strength, fits = 3.0, 4
    family = Posterior(Discrete(), strength, categorical(BASE))
    seen = lab.last("any base", family, categorical(TRUTH), observe="probabilities", size=SIZE, fits=fits)

    def square(base: tuple[float, ...] = BASE, size: int = SIZE, count: int = fits, per: str = "fit") -> float:
        return float(iterated_learning.second_moments(TRUTH, base, [size] * count, strength, per=per)[1][-1, 0])

    wrong = {
        "a prior at the truth": square(TRUTH),
        "one fit early": square(count=fits - 1),
        "a draw for each item": square(per="item"),
        "the first fit for ever": square(count=1),
    }
    yield Evidence(BoundedMean(seen[:, 0].astype(np.float64) ** 2, 0, 1), square(), wrong, "E p^2 of one state")
    share = 0.2
    mixed = regimes.Mixture(1 - share, 0.0, share)
    exact = Formula(iterated_learning.posterior, SIZE, 12, strength, share, read=kept)
    wrong = {
        "no real data": exact(share=0.0),
        "half of the real data": exact(share=share / 2),
        "no prior": exact(strength=0.0),
        "maximum likelihood": kept(workflows.random_mixing(SIZE, 12, share)),
    }
    yield exact.against(
        diversity(lab, "prior and real data", Posterior(Discrete(), strength), size=SIZE, fits=12, regime=mixed),
        "with real data", wrong,
    )  # fmt: skip


@K.claim(iterated_learning.smoothing, iterated_learning.posterior_ensemble)
def smoothing_is_mixing(lab: Lab) -> Iterator[Evidence]:
    """a posterior draw for each item is additive smoothing, which is random mixing; k draws lie in between"""
    strength, fits = 2.0, 12
    exact = Formula(iterated_learning.smoothing, SIZE, fits, strength, read=kept)
    mixed = kept(workflows.random_mixing(SIZE, fits, strength / (strength + SIZE)))
    whole = kept(iterated_learning.posterior(SIZE, fits, strength))
    wrong = {"before it is smoothed": mixed, "a draw for each fit": whole}
    item = Posterior(Discrete(), strength, per="item")
    yield exact.against(diversity(lab, "items", item, size=SIZE, fits=fits), "for each item", wrong)
    members = 3
    between = Formula(iterated_learning.posterior_ensemble, SIZE, fits, strength, members, read=kept)
    wrong = {"one draw": whole, "a draw for each item": exact()}
    several = Ensemble(Posterior(Discrete(), strength), members, samples="one")
    yield between.against(diversity(lab, "three draws", several, size=SIZE, fits=fits), "three draws", wrong)


@K.claim(
    iterated_families.reference_log_variance, iterated_families.reference_variance_moment,
    iterated_families.reference_pivots, chains=60_000,
)  # fmt: skip
def reference_prior_of_a_normal(lab: Lab) -> Iterator[Evidence]:
    """under the reference prior sigma'^2/sigma^2 ~ F(M-1, M-1): the log variance walks without drift"""
    size, fits = 12, 10
    family = Posterior(Gaussian(), 0.0)
    logs = lab.last("reference prior", family, normal(0.0, 1.0), observe="log_variance", size=size, fits=fits)[:, 0]
    half = (size - 1) / 2

    def cgf(t: float) -> float:
        return float(np.log(iterated_families.reference_variance_moment(t, size, fits)))

    wrong = {f"divisor M - {ddof}": float(gaussian.expected_log_variance(size, fits, ddof=ddof)) for ddof in (0, 1)} | {
        "the unbiased log's price, as a drift": float(np.log(1 + 2 / (size - 3)) * fits)
    }
    yield Evidence(ChernoffMean.about(0.0, logs, cgf, -half, half), 0.0, wrong, "drift")
    spread = Formula(iterated_families.reference_log_variance, size, fits, at=(1,))
    wrong = {"sampling alone": spread() / 2, "M degrees of freedom": spread(sample_size=size + 1)}
    yield spread.against(NominalMean(logs.astype(np.float64) ** 2), "variance of the log", wrong, early=1)
    root = Formula(iterated_families.reference_variance_moment, 0.5, size, 2)
    early = lab.last("deviation", family, normal(0.0, 1.0), observe="standard_deviation", size=size, fits=2)[:, 0]
    wrong = {"unbiased deviation": 1.0, "maximum likelihood": float(gaussian.expected_deviation(size, 2, ddof=0))}
    yield root.against(NominalMean(early), "E sigma", wrong, early=1)
    plane = lab.last("pivots", family, normal([0.0] * 3, np.eye(3)), observe="log_pivots", size=size, fits=5)
    drift = 5 * iterated_families.reference_pivots(size, 3)[0]
    for j in (0, 2):
        wrong = {"no drift": 0.0, "the reverse order": drift[2 - j], "one fit early": 0.8 * drift[j]}
        yield Evidence(NominalMean(plane[:, j]), drift[j], wrong, f"pivot {j}")


@K.claim(iterated_families.normal_moments, iterated_families.normal_limit, chains=60_000)
def normal_priors(lab: Lab) -> Iterator[Evidence]:
    """mean and covariance under a normal-inverse-Wishart prior, one draw for each fit or for each item"""
    size, fits, strength = 20, 3, 10.0
    here, there = ([1.0], [[1.0]]), ([0.0], [[2.0]])

    def moments(count: int = fits, per: str = "fit", items: float = strength) -> tuple[float, float]:
        _, error, covariance = iterated_families.normal_moments(*here, *there, [size] * count, items, per=per)
        return float(covariance[-1, 0, 0]), float(error[-1, 0, 0])

    for per, other in (("fit", "item"), ("item", "fit")):
        family = Posterior(Gaussian(), strength, normal(0.0, 2.0), per=per)
        observe = ["variance", "squared_mean_error"]
        run = lab.run(f"normal prior, {per}", family, normal(1.0, 1.0), None, observe, size=size, fits=fits)
        exact, early, away = moments(per=per), moments(fits - 1, per), moments(per=other)
        weaker = moments(per=per, items=strength / 2)
        for index, name in enumerate(observe):
            wrong = {
                "one fit early": early[index],
                f"a draw for each {other}": away[index],
                "half the prior": weaker[index],
            }
            seen = np.ravel(run[name][:, -1])
            yield Evidence(NominalMean(seen), exact[index], wrong, f"{name}, a draw for each {per}")
    spread, _ = iterated_families.normal_limit(size, 1, strength)
    family = Posterior(Gaussian(), strength, normal(0.0, 2.0))
    last = lab.last("settled", family, normal(1.0, 1.0), observe="variance", size=size, fits=60)[:, 0]
    wrong = {
        "the base": 2.0,
        "the truth": 1.0,
        "an item's": 2 * iterated_families.normal_limit(size, 1, strength, per="item")[0],
    }
    yield Evidence(NominalMean(last), 2 * spread, wrong, "settled variance")


@K.claim(
    iterated_families.poisson_moments, iterated_families.gamma_moments, iterated_families.gamma_log_mean, chains=60_000
)
def conjugate_priors(lab: Lab) -> Iterator[Evidence]:
    """a Poisson mean and a gamma law's mean under their conjugate priors, and without one"""
    size, fits, strength = 10, 3, 4.0

    def errors(items: float, count: int = fits, base: float = 2.0) -> float:
        return float(iterated_families.poisson_moments(1.0, base, [size] * count, items)[1][-1])

    for items in (strength, 0.0):
        family = Posterior(Poisson(), items, poisson(2.0))
        name = f"poisson, prior worth {items:g}"
        seen = lab.last(name, family, poisson(1.0), observe="squared_mean_error", size=size, fits=fits)
        wrong = {"one fit early": errors(items, fits - 1), "maximum likelihood": fits / size}
        wrong |= {"a prior at the truth": errors(items, base=1.0)} if items else {}
        yield Evidence(NominalMean(seen), errors(items), wrong, name)
    shape, size = 2.0, 20
    family = Posterior(Gamma(shape), strength, gamma(2.0, shape))
    seen = lab.last("gamma", family, gamma(1.0, shape), observe="mean", size=size, fits=fits)[:, 0]

    def means(base: float = 2.0, count: int = fits) -> float:
        return float(iterated_families.gamma_moments(shape, 1.0, base, [size] * count, strength)[0][-1])

    linear = 2 - (size / (size + strength)) ** fits
    wrong = {"one fit early": means(count=fits - 1), "a prior at the truth": means(1.0), "no inverse": linear}
    yield Evidence(NominalMean(seen), means(), wrong, "gamma mean")
    family = Posterior(Gamma(shape), 0.0)
    logs = lab.last("gamma reference", family, gamma(1.0, shape), observe="log_mean", size=size, fits=fits)[:, 0]
    mean, spread = iterated_families.gamma_log_mean(shape, size, fits)
    inverse = float(fits * np.log(shape * size / (shape * size - 1)))
    wrong = {"the mean's drift": inverse, "maximum likelihood": -fits / (2 * shape * size)}
    yield Evidence(NominalMean(logs), float(mean), wrong, "gamma, drift without a prior")
    wrong = {"sampling alone": float(spread) / 2, "one fit early": float(spread) * (1 - 1 / fits)}
    yield Evidence(NominalMean(logs.astype(np.float64) ** 2), float(spread), wrong, "gamma, variance of the log")


@K.claim(sampling_designs.corrected_log_variance, sampling_designs.corrected_variance_moment)
def divisors(lab: Lab) -> Iterator[Evidence]:
    """each divisor of a normal variance has its drift of the log: about -2/M, -1/M, -1/(2M) and 0, at a price"""
    size, fits = 10, 5
    families: dict[str, Family] = {
        "ml": Gaussian(ddof=0),
        "unbiased": Gaussian(),
        "unbiased_deviation": Gaussian(divisor="unbiased_deviation"),
        "log_unbiased": Gaussian(divisor="log_unbiased"),
    }
    drifts = {name: float(sampling_designs.corrected_log_variance(size, fits, name)[0]) for name in families}
    for name, family in families.items():
        observe = ["log_variance", "standard_deviation", "variance"]
        run = lab.run(f"divisor {name}", family, normal(0.0, 1.0), None, observe, size=size, fits=fits)

        def cgf(t: float, name: str = name) -> float:
            return float(np.log(sampling_designs.corrected_variance_moment(t, size, fits, name)))

        logs = run["log_variance"][:, -1, 0]
        wrong = {other: value for other, value in drifts.items() if other != name}
        seen = ChernoffMean.about(drifts[name], logs, cgf, -(size - 1) / 2)
        yield Evidence(seen, drifts[name], wrong, f"{name}: drift")
        for order, observable in ((0.5, "standard_deviation"), (1.0, "variance"))[: 1 if name == "log_unbiased" else 2]:
            exact = Formula(sampling_designs.corrected_variance_moment, order, size, fits, name)
            wrong = {other: exact(divisor=other) for other in families if other != name}
            yield exact.against(NominalMean(run[observable][:, -1, 0]), f"{name}: E {observable}", wrong)


@K.claim(sampling_designs.shrunk_variance, sampling_designs.shrunk_moments, sampling_designs.shrunk_law_moments)
def shrinkage(lab: Lab) -> Iterator[Evidence]:
    """fits drawn to an archive keep its variance, with a spread that settles, and a mean that no longer walks"""
    size, fits, weight = 20, 20, 0.3
    family = Shrunk(Gaussian(), normal(0.0, 1.0), weight)
    run = lab.run("archive", family, normal(0.0, 1.0), None, ["variance", "squared_mean_error"], size=size, fits=fits)
    square = Formula(lambda w, n: sampling_designs.shrunk_variance(size, n, w)[1][-1], weight, fits)
    wrong = {"half the weight": square(w=weight / 2), "no spread": 1.0}
    seen = NominalMean(run["variance"][:, -1, 0].astype(np.float64) ** 2)
    yield square.against(seen, "E variance^2", wrong)
    error = Formula(lambda w, n: sampling_designs.shrunk_moments([size] * n, w)[1][-1], weight, fits)
    wrong = {"a mean that walks": fits / size, "half the weight": error(w=weight / 2)}
    yield error.against(NominalMean(run["squared_mean_error"][:, -1]), "error of the mean", wrong)
    law = Formula(lambda w, n: sampling_designs.shrunk_law_moments(TRUTH, BASE, [SIZE] * n, w)[1][-1, 0], weight, 4)
    shrunk = Shrunk(Discrete(), categorical(BASE), weight)
    p = lab.last("law", shrunk, categorical(TRUTH), observe="probabilities", size=SIZE, fits=4)[:, 0]
    wrong = {"half the weight": law(w=weight / 2), "one fit early": law(n=3)}
    yield law.against(BoundedMean(p.astype(np.float64) ** 2, 0, 1), "E p^2", wrong)


@K.claim(sampling_designs.stratified_moments, tier="quick", chains=6_000)
def stratified_draws(lab: Lab) -> Iterator[Evidence]:
    """stratified draws of one size lose nothing after the first fit, and little where the size changes"""
    family, sizes = Stratified(Discrete()), np.array([10, 7, 9, 7, 10, 7])

    def left(*given: int) -> float:
        return (1 - float(sampling_designs.stratified_moments(TRUTH, given)[-1].sum())) / H0

    for name, size in (("one size", np.array([SIZE] * 6)), ("sizes", sizes)):
        seen = lab.last(name, family, categorical(TRUTH), observe="heterozygosity", size=size, fits=6)
        multinomial = kept(workflows.replace_sizes(size)[-1])
        wrong = {"independent draws": multinomial, "no loss at all": 1.0}
        if name == "sizes":
            wrong["nothing after the first fit"] = 1 - 1 / SIZE
        yield Evidence(BoundedMean(seen / H0, 0, (1 - 1 / len(TRUTH)) / H0), left(*size), wrong, name)


@K.claim(
    sampling_designs.oversampled, sampling_designs.ensemble, sampling_designs.slow_update,
    sampling_designs.averaged_log_variance,
)  # fmt: skip
def more_draws_and_refits(lab: Lab) -> Iterator[Evidence]:
    """A times the draws, or k refits to own samples, lose 1/A of the diversity; k refits to one sample gain nothing"""
    fits, times = 8, 4
    exact = Formula(sampling_designs.oversampled, SIZE, fits, times, read=kept)
    one = kept(workflows.replace(SIZE, fits))
    wrong = {"one sample": one, "the first fit too": kept(workflows.replace(SIZE * times, fits))}
    seen = diversity(lab, "oversampled", Oversampled(Discrete(), times), size=SIZE, fits=fits)
    yield exact.against(seen, "four times the draws", wrong | {"three times": exact(factor=times - 1)})
    exact = Formula(sampling_designs.ensemble, SIZE, fits, times, own_start=False, read=kept)
    wrong = {"one sample": one, "own real items": exact(own_start=True)}
    seen = diversity(lab, "own samples", Ensemble(Discrete(), times), size=SIZE, fits=fits)
    yield exact.against(seen, "four refits", wrong | {"three refits": exact(members=times - 1)})
    exact = Formula(sampling_designs.ensemble, SIZE, fits, times, own=False, own_start=False, read=kept)
    wrong = {"own samples": exact(own=True), "half of that": exact(own=True, members=2)}
    seen = diversity(lab, "one sample", Ensemble(Discrete(), times, samples="one"), size=SIZE, fits=fits)
    yield exact.against(seen, "four refits to one sample", wrong)
    rate = 0.5
    slow = Formula(sampling_designs.slow_update, SIZE, fits, rate, read=kept)
    wrong = {"a whole refit": one, "eta for eta^2": slow(rate=rate**0.5), "the first fit too": slow() / (1 - 1 / SIZE)}
    yield slow.against(diversity(lab, "slow", Damped(Discrete(), rate), size=SIZE, fits=fits), "slow update", wrong)
    logs = lab.last(
        "averaged variances",
        Ensemble(Gaussian(), times),
        normal(0.0, 1.0),
        observe="log_variance",
        size=SIZE,
        fits=fits,
    )[:, 0]
    first = float(gaussian.expected_log_variance(SIZE, 1))
    averaged = Formula(sampling_designs.averaged_log_variance, SIZE, fits - 1, times, at=(0,), read=lambda x: first + x)
    wrong = {
        "one variance": fits * first,
        "two variances averaged": averaged(members=2),
    }
    yield averaged.against(NominalMean(logs), "averaged variances", wrong)


@K.claim(weights.best, weights.best_loss, workflows.weighted, chains=60_000)
def price_of_real_items(lab: Lab) -> Iterator[Evidence]:
    """ten real items a fit buy most beside many draws at the best weight, then pooled, and least alone"""
    size, real, more, fits = 100, 10, 390, 30
    rows = [row for row in remedies.price_table(size, real, more, fits=fits) if row.remedy.startswith("10 fresh")]
    settings: list[tuple[Regime, int]] = [(regimes.FreshReal(1.0), real)]
    for synthetic in (size - real, more):
        pool = real + synthetic
        best = regimes.Weighted(float(weights.best(real, synthetic)), real / pool)
        settings += [(regimes.FreshReal(real / pool), pool), (best, pool)]
    for row, (regime, pool) in zip(rows, settings, strict=True):
        sizes = np.array([size] + [pool] * (fits - 1))
        seen = lab.last(row.remedy, Discrete(), categorical(TRUTH), regime, "heterozygosity", size=sizes, fits=fits)
        wrong = {other.remedy: kept(other.loss) for other in rows if abs(other.loss - row.loss) > 0.013}
        yield Evidence(BoundedMean(seen / H0, 0, (1 - 1 / len(TRUTH)) / H0), kept(row.loss), wrong, row.remedy)
