"""Regression on its own labels, by triangles drawn in law, by estimates alone and by rows: the risk grows as it must."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import numpy as np
from scipy import stats

from modelcollapse import regimes
from modelcollapse.families import Design, Gaussian, Regression
from modelcollapse.laws import Law
from modelcollapse.run import simulate, trace
from modelcollapse.sources import linear, normal
from modelcollapse.verify.evidence import Evidence, NominalMean, Proportion
from modelcollapse.verify.registry import claim, stream
from modelcollapse_theory import regression, workflows

SECTION = "E. regression, tails, selection"
SOURCE = "theory/derivations/regression.md"
ROWS, FEATURES = 30, 3


def generator(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng(stream(seed, name))


def risks(
    seed: int, name: str, chains: int, source: Law, regime: Any = None, *, size: int, fits: int, **changes: Any
) -> np.ndarray:
    """Excess risk of each chain after ``fits`` fits, ``(chains,)``; ``changes`` to the source's own family."""
    family = dataclasses.replace(source.family, **changes)
    run = simulate(
        family, source, regime, "excess_risk",
        size=size, generations=fits - 1, chains=chains, seed=stream(seed, name), record=[fits - 1],
    )  # fmt: skip
    return run["excess_risk"][:, 0]


def same_rows(
    seed: int, name: str, chains: int, weights: np.ndarray, regime: Any = None, *, size: int, fits: int, **changes: Any
) -> np.ndarray:
    """The same with the same rows at every fit, drawn anew for each chain; the risk on isotropic rows, ``(chains,)``."""
    designs = generator(seed, name).standard_normal((chains, size, weights.size))
    keys = jax.random.split(jax.random.key(seed), chains)
    source = linear(weights)

    def last(given: jax.Array, key: jax.Array) -> jax.Array:
        family = Regression(Design(given, source.family.rows.factor), **changes)
        out = trace(
            family, Law(family, source.params), regime, "excess_risk", size=size, generations=fits - 1, seed=key
        )
        return out["excess_risk"][0, -1]

    return np.asarray(jax.jit(jax.vmap(last))(designs, keys))


def least_squares(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Weights ``(chains, d)`` from rows ``(chains, T, d)`` and labels ``(chains, T)``."""
    gram = np.einsum("ctd,cte->cde", rows, rows)
    return np.linalg.solve(gram, np.einsum("ctd,ct->cd", rows, labels)[..., None])[..., 0]


@claim(
    "the first least-squares fit errs by an F law: risk (T - d + 1)/(sigma^2 d) ~ F(d, T - d + 1), however it is drawn",
    source="multivariate t; " + SOURCE,
    section=SECTION,
    chains=40_000,
    theorems=["regression.step_risk_cdf"],
)
def regression_first_fit(seed: int, chains: int) -> list[Evidence]:
    source, size = linear([1.0, -2.0, 0.5], 2.0), 8
    level, out = 0.6, []
    law = functools.partial(regression.step_risk_cdf, level, dimension=FEATURES)
    below = float(law(size))
    wrong = {
        "T - d for T - d + 1": float(stats.f(FEATURES, size - FEATURES).cdf(level * (size - FEATURES) / FEATURES)),
        "fixed design, chi-square / T": float(stats.chi2(FEATURES).cdf(level * size)),
        "one row more": float(law(size + 1)),
    }
    table = {"estimates alone": {"alone": True}, "triangles": {}}
    for what, changes in table.items():
        seen = risks(seed, f"first {what}", chains, source, size=size, fits=1, **changes)
        out.append(Evidence(Proportion.of(seen < level), below, wrong, f"P(risk < {level}), {what}"))
    # rows, because retention needs items
    seen = risks(seed, "first rows", chains, source, regimes.Retain(0.0), size=size, fits=1)
    out.append(Evidence(Proportion.of(seen < level), below, wrong, f"P(risk < {level}), rows"))
    return out


@claim(
    "least squares on its own labels: the excess risk grows by sigma^2 d / (T - d - 1) a fit",
    source="mean of an inverse Wishart; as summarised for arXiv 2402.07712; " + SOURCE,
    section=SECTION,
    chains=40_000,
    theorems=["regression.replaced_risk"],
)
def regression_replaced(seed: int, chains: int) -> list[Evidence]:
    fits, weights = 3, np.array([1.0, -2.0, 0.5])
    exact = functools.partial(regression.replaced_risk, ROWS)
    wrong = {
        "one generation early": float(exact(fits - 1, FEATURES)),
        "fixed design, d / T": fits * FEATURES / ROWS,
    }
    seen = {
        "fresh rows": risks(seed, "replaced", chains, linear(weights), size=ROWS, fits=fits),
        "fresh rows, estimates alone": risks(
            seed, "replaced alone", chains, linear(weights), size=ROWS, fits=fits, alone=True
        ),
        "the same rows": same_rows(seed, "replaced same", chains, weights, size=ROWS, fits=fits),
    }
    return [
        Evidence(NominalMean(values), float(exact(fits, FEATURES)), wrong, f"{fits} fits, {what}")
        for what, values in seen.items()
    ]


@claim(
    "accumulated labels: sum 1/i^2 needs the same rows; fresh rows do better",
    source=SOURCE + "; pi^2/6 as summarised for arXiv 2404.01413",
    section=SECTION,
    chains=200_000,
    theorems=["regression.accumulated_risk_same_rows", "regression.accumulated_risk_fresh_rows"],
)
def regression_accumulated(seed: int, chains: int) -> list[Evidence]:
    size, d, fits = 20, 5, 2
    same = functools.partial(regression.accumulated_risk_same_rows, size)
    fresh = functools.partial(regression.accumulated_risk_fresh_rows, size)
    keep, weights = regimes.Accumulate(), np.linspace(-1, 1, d)
    again = same_rows(seed, "accumulated same", chains, weights, keep, size=size, fits=fits)
    anew = risks(seed, "accumulated", chains, linear(weights), keep, size=size, fits=fits)
    wrong = {
        "replacement": float(regression.replaced_risk(size, fits, d)),
        "the limit pi^2 / 6": np.pi**2 / 6 * float(same(1, d)),
    }
    miss = {"fresh rows": float(fresh(fits, d))}, {"sum 1 / i^2, the same rows": float(same(fits, d))}
    return [
        Evidence(NominalMean(again), float(same(fits, d)), wrong | miss[0], "the same rows, 2 fits"),
        Evidence(NominalMean(anew), float(fresh(fits, d)), wrong | miss[1], "fresh rows, 2 fits"),
    ]


@claim(
    "on a given design the weights stay normal: their risk is sigma^2 d/T times chi-square, n or sum 1/i^2 times",
    source=SOURCE,
    section=SECTION,
    chains=20_000,
    tier="quick",
    theorems=["regression.fixed_design_risk"],
)
def regression_fixed_design(seed: int, chains: int) -> list[Evidence]:
    size, fits, out = 12, 6, []
    design = np.random.default_rng(7).standard_normal((size, FEATURES)) + 1
    source = linear([1.0, -2.0, 0.5], design=design)
    for what, regime in (("replaced", regimes.Replace()), ("accumulated", regimes.Accumulate())):
        exact = functools.partial(regression.fixed_design_risk, design, accumulate=what == "accumulated")
        seen = risks(seed, f"design {what}", chains, source, regime, size=size, fits=fits)
        level = float(exact(fits))

        def below(mean: float, level: float = level) -> float:
            return float(stats.chi2(FEATURES).cdf(level / mean * FEATURES))

        wrong = {
            "new normal rows, d/(T - d - 1)": below(fits * FEATURES / (size - FEATURES - 1)),
            "the other regime": below(float(exact(fits, accumulate=what != "accumulated"))),
            "one fit": below(float(exact(1))),
        }
        out.append(Evidence(Proportion.of(seen < level), below(level), wrong, f"P(risk < mean), {what}, {fits} fits"))
    return out


@claim(
    "fewer rows than features: what is not seen is forgotten, geometrically with fresh rows, once with the same rows",
    source=SOURCE,
    section=SECTION,
    chains=20_000,
    theorems=["regression.minimum_norm_risk"],
)
def regression_interpolating(seed: int, chains: int) -> list[Evidence]:
    size, d, fits, out = 4, 16, 2, []
    truth = np.full(d, d**-0.5)
    for same in (False, True):
        if same:
            seen = same_rows(seed, "shortest same", chains, truth, size=size, fits=fits, minimum_norm=True)
        else:
            seen = risks(seed, "shortest", chains, linear(truth), size=size, fits=fits, minimum_norm=True)
        exact = functools.partial(regression.minimum_norm_risk, size, dimension=d, same_rows=same)
        wrong = {
            "one generation early": float(exact(fits - 1)),
            "the other rows": float(regression.minimum_norm_risk(size, fits, d, same_rows=not same)),
            "everything forgotten, no noise": 1.0,
        }
        out.append(
            Evidence(
                NominalMean(seen), float(exact(fits)), wrong, f"{fits} fits, {'the same' if same else 'fresh'} rows"
            )
        )
    return out


@claim(
    "a share of shifted labels puts a floor under the risk that no sample size removes",
    source="matrix-beta moments; cf. arXiv 2410.04840; " + SOURCE,
    section=SECTION,
    chains=20_000,
    tier="quick",
    theorems=["regression.shifted_label_risk"],
)
def regression_shifted(seed: int, chains: int) -> Evidence:
    real, synthetic = 24, 12
    random = generator(seed, "shifted labels")
    rows = random.standard_normal((chains, real + synthetic, FEATURES))
    labels = random.standard_normal(rows.shape[:2])
    shift = np.full(FEATURES, 2 * FEATURES**-0.5)
    labels[:, real:] += rows[:, real:] @ shift
    exact = functools.partial(regression.shifted_label_risk, real, synthetic, FEATURES, squared_shift=4.0)
    clean = float(regression.replaced_risk(real + synthetic, 1, FEATURES))
    share = synthetic / (real + synthetic)
    wrong = {
        "fixed d: share^2": clean + 4 * share**2,
        "no shift": clean,
        "the shift in full": clean + 4 * share,
    }
    return Evidence(
        NominalMean((least_squares(rows, labels) ** 2).sum(1)),
        float(exact()),
        wrong,
        f"{real} real, {synthetic} shifted",
    )


@claim(
    "real and synthetic rows together: the risk settles where each fit forgets the share 1 - B/d of its labels' error",
    source=SOURCE,
    section=SECTION,
    chains=40_000,
    theorems=["regression.fresh_real_risk"],
)
def regression_fresh_real(seed: int, chains: int) -> Evidence:
    real, synthetic, fits = 10, 20, 6
    source = linear([1.0, -2.0, 0.5])
    share = real / (real + synthetic)
    seen = risks(seed, "fresh real", chains, source, regimes.FreshReal(share), size=real + synthetic, fits=fits)
    exact = functools.partial(regression.fresh_real_risk, real, synthetic, dimension=FEATURES)
    once, kept = float(exact(1)), (1 - share) ** 2
    wrong = {
        "replacement": fits * once,
        "each fit keeps (1 - share)^2": once * (1 - kept**fits) / (1 - kept),
        "real rows only": once,
    }
    return Evidence(
        NominalMean(seen), float(exact(fits)), wrong, f"{real} of {real + synthetic} rows real, {fits} fits"
    )


@claim(
    "ridge refitted to itself forgets the truth and bounds the noise: a^n of the truth is left",
    source=SOURCE,
    section=SECTION,
    chains=2_000,
    theorems=["regression.replaced_ridge_risk", "regression.ridge_risk"],
)
def regression_ridge(seed: int, chains: int) -> list[Evidence]:
    size, d, penalty, out = 80, 40, 0.3, []
    source = linear(np.full(d, d**-0.5))
    exact = functools.partial(regression.replaced_ridge_risk, penalty, size, dimension=d)
    for fits in (1, 5):
        seen = risks(seed, f"ridge {fits}", chains, source, size=size, fits=fits, penalty=penalty)
        predicted = float(exact(fits))
        wrong = {
            "least squares": float(regression.replaced_risk(size, fits, d)),
            "one generation late": float(exact(fits + 1)),
            "sum of squares for their mean, penalty / T": float(
                regression.replaced_ridge_risk(penalty / size, size, fits, d)
            ),
        }
        # traces of a real Wishart matrix differ from their limits by O(1/d)
        out.append(Evidence(NominalMean(seen), predicted, wrong, f"{fits} fits, d = {d}", slack=predicted / d))
    return out


@claim(
    "the best weight on real data is (sqrt(k^2 + 4k) - k)/2, the golden ratio at k = 1, and the error there is that weight times sigma^2/n",
    source="arXiv 2502.18049, as summarised; " + SOURCE,
    section=SECTION,
    chains=120_000,
    theorems=["regression.weighted_mean_error", "regression.weighted_mean_path", "regression.best_weight"],
)
def golden_ratio(seed: int, chains: int) -> list[Evidence]:
    real, fits, out = 60, 10, []
    for ratio, weights in ((1.0, ("golden", "pooled")), (0.25, ("best",))):
        size = round(real * (1 + 1 / ratio))
        source = linear([1.5], design=np.ones((size, 1)))  # a column of ones: the regression is the sample mean
        share, best = ratio / (1 + ratio), float(regression.best_weight(ratio))
        exact = functools.partial(regression.weighted_mean_error, ratio=ratio, sample_size=real)
        path = functools.partial(regression.weighted_mean_path, ratio=ratio, sample_size=real, fits=fits)
        level = 1.5**2 * best / real
        below = lambda error, level=level: float(stats.chi2(1).cdf(level / error))  # noqa: E731
        for name in weights:
            weight = share if name == "pooled" else best
            regime = regimes.Weighted(weight, share)
            seen = risks(seed, f"weighted {ratio} {name}", chains, source, regime, size=size, fits=fits)
            wrong = {"real data only": below(1 / real), "weight 0.3": below(float(exact(0.3)))}
            if name == "pooled":
                wrong["the best weight"] = below(best / real)
                wrong["pooled independent data"] = below(1 / size)
            else:
                wrong["plain pooling"] = below(float(exact(share)))
            predicted = below(float(path(weight)))
            what = f"k = {ratio:g}, {name}, P(error < {level:.3g})"
            out.append(Evidence(Proportion.of(seen < level), predicted, wrong, what))
    return out


@claim(
    "weights on real and synthetic rows move error between the mean and the variance of a normal, and conserve their sum",
    source="theory/derivations/variance-conservation.md",
    section=SECTION,
    chains=60_000,
    theorems=["workflows.weighted"],
)
def weighted_normal(seed: int, chains: int) -> list[Evidence]:
    size, real, weight, fits = 40, 5, 0.5, 4
    run = simulate(
        Gaussian(ddof=0), normal(1.0), regimes.Weighted(weight, real / size), ["squared_mean_error", "variance"],
        size=size, generations=fits - 1, chains=chains, seed=stream(seed, "weighted normal"), record=[fits - 1],
    )  # fmt: skip
    lost = float(workflows.weighted(size, fits, real, weight))
    pooled = float(workflows.fresh_counts(size, fits, real))
    wrong = {
        "plain pooling": pooled,
        "replacement": float(workflows.replace(size, fits)),
        "the weight in full": weight**2 / real,
    }
    return [
        Evidence(NominalMean(run["squared_mean_error"][:, 0]), lost, wrong, "E (mu_n - mu_0)^2"),
        Evidence(
            NominalMean(run["variance"][:, 0, 0]),
            1 - lost,
            {name: 1 - value for name, value in wrong.items() if name != "plain pooling"} | {"unchanged": 1.0},
            "E sigma_n^2",
        ),
    ]
