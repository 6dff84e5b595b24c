"""Regression on its own labels, by triangles drawn in law, by estimates alone and by rows: how the risk grows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import scipy

from modelcollapse import regimes
from modelcollapse.claims.selection import E
from modelcollapse.families import Design, Gaussian, Regression
from modelcollapse.laws import Law
from modelcollapse.protocols import Regime
from modelcollapse.run import trace
from modelcollapse.sources import linear, normal
from modelcollapse.verify import Evidence, Formula, Lab, NominalMean, Proportion
from modelcollapse.verify.formula import Misses
from modelcollapse_theory import regression, workflows

SOURCE = "theory/derivations/regression.md"
R = dataclasses.replace(E, source=SOURCE, chains=40_000, tier="default")
ROWS, FEATURES = 30, 3
WEIGHTS = (1.0, -2.0, 0.5)


def risks(
    lab: Lab, name: str, source: Law, regime: Regime | None = None, *, size: int, fits: int, **changes: Any
) -> np.ndarray:
    """Excess risk of each chain after ``fits`` fits, ``(chains,)``; ``changes`` to the source's own family."""
    family = dataclasses.replace(source.family, **changes)
    return lab.last(name, family, source, regime, "excess_risk", size=size, fits=fits)


def same_rows(
    lab: Lab, name: str, weights: np.ndarray, regime: Regime | None = None, *, size: int, fits: int, **changes: Any
) -> np.ndarray:
    """The risk on isotropic rows, ``(chains,)``, where all fits of a chain have the same rows."""
    designs = lab.random(name).standard_normal((lab.chains, size, weights.size))
    keys = jax.random.split(jax.random.key(lab.seed), lab.chains)
    source = linear(weights)

    def last(given: jax.Array, key: jax.Array) -> jax.Array:
        family = Regression(Design(given, source.family.rows.factor), **changes)
        law = Law(family, source.params)
        (risk,) = trace(family, law, regime, "excess_risk", size=size, generations=fits - 1, seed=key).values()
        return risk[0, -1]

    return np.asarray(jax.jit(jax.vmap(last))(designs, keys))


def least_squares(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Weights ``(chains, d)`` from rows ``(chains, T, d)`` and labels ``(chains, T)``."""
    gram = np.einsum("ctd,cte->cde", rows, rows)
    return np.linalg.solve(gram, np.einsum("ctd,ct->cd", rows, labels)[..., None])[..., 0]


@R.claim(regression.step_risk_cdf, source=f"multivariate t; {SOURCE}")
def regression_first_fit(lab: Lab) -> Iterator[Evidence]:
    """the first least-squares fit errs by an F law: risk (T - d + 1)/(sigma^2 d) ~ F(d, T - d + 1), however it is
    drawn"""
    source, size, level = linear([1.0, -2.0, 0.5], 2.0), 8, 0.6
    below = Formula(regression.step_risk_cdf, level, size, FEATURES)
    wrong = {
        "T - d for T - d + 1": scipy.stats.f(FEATURES, size - FEATURES).cdf(level * (size - FEATURES) / FEATURES),
        "fixed design, chi-square / T": scipy.stats.chi2(FEATURES).cdf(level * size),
        "one row more": below(sample_size=size + 1),
    }
    # rows, because retention needs items
    cases: dict[str, dict[str, Any]] = {
        "estimates alone": {"alone": True}, "triangles": {}, "rows": {"regime": regimes.Retain(0.0)}
    }  # fmt: skip
    for what, options in cases.items():
        seen = risks(lab, f"first {what}", source, size=size, fits=1, **options)
        yield below.against(Proportion.of(seen < level), f"P(risk < {level}), {what}", wrong)


@R.claim(regression.replaced_risk, source=f"mean of an inverse Wishart; as summarised for arXiv 2402.07712; {SOURCE}")
def regression_replaced(lab: Lab) -> Iterator[Evidence]:
    """least squares on its own labels: the excess risk grows by sigma^2 d / (T - d - 1) a fit"""
    fits, source = 3, linear(WEIGHTS)
    exact = Formula(regression.replaced_risk, ROWS, fits, FEATURES)
    wrong = {"fixed design, d / T": fits * FEATURES / ROWS}
    seen = {
        "fresh rows": risks(lab, "replaced", source, size=ROWS, fits=fits),
        "fresh rows, estimates alone": risks(lab, "replaced alone", source, size=ROWS, fits=fits, alone=True),
        "the same rows": same_rows(lab, "replaced same", np.array(WEIGHTS), size=ROWS, fits=fits),
    }
    for what, values in seen.items():
        yield exact.against(NominalMean(values), f"{fits} fits, {what}", wrong, early=1)


@R.claim(
    regression.accumulated_risk_same_rows,
    regression.accumulated_risk_fresh_rows,
    source=f"{SOURCE}; pi^2/6 as summarised for arXiv 2404.01413",
    chains=200_000,
)
def regression_accumulated(lab: Lab) -> Iterator[Evidence]:
    """accumulated labels: sum 1/i^2 needs the same rows; fresh rows do better"""
    size, d, fits = 20, 5, 2
    same, fresh = (
        Formula(theorem, size, fits, d)
        for theorem in (regression.accumulated_risk_same_rows, regression.accumulated_risk_fresh_rows)
    )
    keep, weights = regimes.Accumulate(), np.linspace(-1, 1, d)
    wrong = {
        "replacement": float(regression.replaced_risk(size, fits, d)),
        "the limit pi^2 / 6": np.pi**2 / 6 * same(fits=1),
    }
    seen = NominalMean(same_rows(lab, "accumulated same", weights, keep, size=size, fits=fits))
    yield same.against(seen, "the same rows, 2 fits", wrong | {"fresh rows": fresh()})
    seen = NominalMean(risks(lab, "accumulated", linear(weights), keep, size=size, fits=fits))
    yield fresh.against(seen, "fresh rows, 2 fits", wrong | {"sum 1 / i^2, the same rows": same()})


@R.claim(regression.fixed_design_risk, chains=20_000, tier="quick")
def regression_fixed_design(lab: Lab) -> Iterator[Evidence]:
    """on a given design the weights stay normal: their risk is sigma^2 d/T times chi-square, n or sum 1/i^2 times"""
    size, fits = 12, 6
    design = np.random.default_rng(7).standard_normal((size, FEATURES)) + 1
    source = linear([1.0, -2.0, 0.5], design=design)
    for what, regime in (("replaced", regimes.Replace()), ("accumulated", regimes.Accumulate())):
        accumulate = what == "accumulated"
        mean = Formula(regression.fixed_design_risk, design, fits, accumulate=accumulate)
        level = mean()
        below = lambda m, level=level: scipy.stats.chi2(FEATURES).cdf(level / m * FEATURES)  # noqa: E731
        wrong = {
            "new normal rows, d/(T - d - 1)": below(fits * FEATURES / (size - FEATURES - 1)),
            "the other regime": below(mean(accumulate=not accumulate)),
            "one fit": below(mean(fits=1)),
        }
        seen = Proportion.of(risks(lab, f"design {what}", source, regime, size=size, fits=fits) < level)
        yield Evidence(seen, below(level), wrong, f"P(risk < mean), {what}, {fits} fits")


@R.claim(regression.minimum_norm_risk, chains=20_000)
def regression_interpolating(lab: Lab) -> Iterator[Evidence]:
    """fewer rows than features: what is not seen is forgotten, geometrically with fresh rows, once with the same
    rows"""
    size, d, fits = 4, 16, 2
    truth = np.full(d, d**-0.5)
    options: dict[str, Any] = {"size": size, "fits": fits, "minimum_norm": True}
    for same, what, seen in (
        (False, "fresh", risks(lab, "shortest", linear(truth), **options)),
        (True, "the same", same_rows(lab, "shortest same", truth, **options)),
    ):
        exact = Formula(regression.minimum_norm_risk, size, fits, d, same_rows=same)
        wrong = {"the other rows": exact(same_rows=not same), "everything forgotten, no noise": 1.0}
        yield exact.against(NominalMean(seen), f"{fits} fits, {what} rows", wrong, early=1)


@R.claim(
    regression.shifted_label_risk,
    source=f"matrix-beta moments; cf. arXiv 2410.04840; {SOURCE}",
    chains=20_000,
    tier="quick",
)
def regression_shifted(lab: Lab) -> Evidence:
    """a share of shifted labels puts a floor under the risk that no sample size removes"""
    real, synthetic = 24, 12
    random = lab.random("shifted labels")
    rows = random.standard_normal((lab.chains, real + synthetic, FEATURES))
    labels = random.standard_normal(rows.shape[:2])
    labels[:, real:] += rows[:, real:] @ np.full(FEATURES, 2 * FEATURES**-0.5)
    clean, share = float(regression.replaced_risk(real + synthetic, 1, FEATURES)), synthetic / (real + synthetic)
    wrong = {"fixed d: share^2": clean + 4 * share**2, "no shift": clean, "the shift in full": clean + 4 * share}
    seen = NominalMean((least_squares(rows, labels) ** 2).sum(1))
    exact = regression.shifted_label_risk(real, synthetic, FEATURES, squared_shift=4.0)
    return Evidence(seen, exact, wrong, f"{real} real, {synthetic} shifted")


@R.claim(regression.fresh_real_risk)
def regression_fresh_real(lab: Lab) -> Evidence:
    """real and synthetic rows together: the risk settles where each fit forgets the share 1 - B/d of its labels'
    error"""
    real, synthetic, fits = 10, 20, 6
    size = real + synthetic
    exact = Formula(regression.fresh_real_risk, real, synthetic, fits, FEATURES)
    once, kept = exact(fits=1), (1 - real / size) ** 2
    wrong = {
        "replacement": fits * once,
        "each fit keeps (1 - share)^2": once * (1 - kept**fits) / (1 - kept),
        "real rows only": once,
    }
    seen = risks(lab, "fresh real", linear([1.0, -2.0, 0.5]), regimes.FreshReal(real / size), size=size, fits=fits)
    return exact.against(NominalMean(seen), f"{real} of {size} rows real, {fits} fits", wrong)


@R.claim(regression.replaced_ridge_risk, regression.ridge_risk, chains=2_000)
def regression_ridge(lab: Lab) -> Iterator[Evidence]:
    """ridge refitted to itself forgets the truth and bounds the noise: a^n of the truth is left"""
    size, d, penalty = 80, 40, 0.3
    source = linear(np.full(d, d**-0.5))
    for fits in (1, 5):
        exact = Formula(regression.replaced_ridge_risk, penalty, size, fits, d)
        wrong: Misses = {
            "least squares": regression.replaced_risk(size, fits, d),
            "sum of squares for their mean, penalty / T": exact(penalty=penalty / size),
        }
        seen = NominalMean(risks(lab, f"ridge {fits}", source, size=size, fits=fits, penalty=penalty))
        # traces of a real Wishart matrix differ from their limits by O(1/d)
        yield exact.against(seen, f"{fits} fits, d = {d}", wrong, late=1, slack=exact() / d)


@R.claim(
    regression.weighted_mean_error,
    regression.weighted_mean_path,
    regression.best_weight,
    source=f"arXiv 2502.18049, as summarised; {SOURCE}",
    chains=120_000,
)
def golden_ratio(lab: Lab) -> Iterator[Evidence]:
    """the best weight on real data is (sqrt(k^2 + 4k) - k)/2, the golden ratio at k = 1, and the error there is that
    weight times sigma^2/n"""
    real, fits = 60, 10
    for ratio, name in ((1.0, "golden"), (1.0, "pooled"), (0.25, "best")):
        size = round(real * (1 + 1 / ratio))
        source = linear([1.5], design=np.ones((size, 1)))  # a column of ones: the regression is the sample mean
        share, best = ratio / (1 + ratio), float(regression.best_weight(ratio))
        weight = share if name == "pooled" else best
        level = 1.5**2 * best / real
        below = lambda error, level=level: scipy.stats.chi2(1).cdf(level / error)  # noqa: E731
        at = Formula(regression.weighted_mean_error, ratio=ratio, sample_size=real, read=below)
        wrong = {"real data only": below(1 / real), "weight 0.3": at(weight=0.3)}
        if name == "pooled":
            wrong |= {"the best weight": below(best / real), "pooled independent data": below(1 / size)}
        else:
            wrong["plain pooling"] = at(weight=share)
        regime = regimes.Weighted(weight, share)
        seen = Proportion.of(risks(lab, f"weighted {ratio} {name}", source, regime, size=size, fits=fits) < level)
        path = Formula(regression.weighted_mean_path, weight, ratio, real, fits, read=below)
        yield path.against(seen, f"k = {ratio:g}, {name}, P(error < {level:.3g})", wrong)


@R.claim(workflows.weighted, source="theory/derivations/variance-conservation.md", chains=60_000)
def weighted_normal(lab: Lab) -> Iterator[Evidence]:
    """weights on real and synthetic rows move error between the mean and the variance of a normal, and conserve their
    sum"""
    size, real, weight, fits = 40, 5, 0.5, 4
    observe, regime = ["squared_mean_error", "variance"], regimes.Weighted(weight, real / size)
    run = lab.run("weighted normal", Gaussian(ddof=0), normal(1.0), regime, observe, size=size, fits=fits)
    lost = float(workflows.weighted(size, fits, real, weight))
    replaced, full = float(workflows.replace(size, fits)), weight**2 / real
    wrong = {"replacement": replaced, "the weight in full": full}
    pooled = {"plain pooling": float(workflows.fresh_counts(size, fits, real))}
    yield Evidence(NominalMean(run["squared_mean_error"][:, 0]), lost, wrong | pooled, "E (mu_n - mu_0)^2")
    wrong = {"replacement": 1 - replaced, "the weight in full": 1 - full, "unchanged": 1.0}
    yield Evidence(NominalMean(run["variance"][:, 0, 0]), 1 - lost, wrong, "E sigma_n^2")
