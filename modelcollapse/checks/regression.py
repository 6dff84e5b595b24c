"""Regression on its own labels: whole data sets and least squares, no formula."""

from __future__ import annotations

import functools

import numpy as np

from modelcollapse.checks.claims import claim, stream
from modelcollapse.checks.evidence import Evidence, NominalMean
from modelcollapse_theory import regression

SECTION = "E. regression, tails, selection"
SOURCE = "theory/derivations/regression.md"
ROWS, FEATURES = 30, 3


def generator(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng(stream(seed, name))


def least_squares(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Weights ``(chains, d)`` from rows ``(chains, T, d)`` and labels ``(chains, T)``."""
    gram = np.einsum("ctd,cte->cde", rows, rows)
    return np.linalg.solve(gram, np.einsum("ctd,ct->cd", rows, labels)[..., None])[..., 0]


@claim(
    "least squares on its own labels: the excess risk grows by sigma^2 d / (T - d - 1) a fit",
    source="mean of an inverse Wishart; as summarised for arXiv 2402.07712; " + SOURCE,
    section=SECTION,
    chains=40_000,
    tier="quick",
    theorems=["regression.replaced_risk"],
)
def regression_replaced(seed: int, chains: int) -> list[Evidence]:
    out, fits = [], 3
    for fresh in (True, False):
        random = generator(seed, f"least squares {fresh}")
        rows = random.standard_normal((chains, ROWS, FEATURES))
        weights = np.zeros((chains, FEATURES))
        for _ in range(fits):
            if fresh:
                rows = random.standard_normal(rows.shape)
            labels = np.einsum("ctd,cd->ct", rows, weights) + random.standard_normal(rows.shape[:2])
            weights = least_squares(rows, labels)
        exact = functools.partial(regression.replaced_risk, ROWS)
        wrong = {
            "one generation early": float(exact(fits - 1, FEATURES)),
            "fixed design, d / T": fits * FEATURES / ROWS,
        }
        seen = NominalMean((weights**2).sum(1))
        out.append(
            Evidence(seen, float(exact(fits, FEATURES)), wrong, f"{fits} fits, {'fresh' if fresh else 'the same'} rows")
        )
    return out


@claim(
    "accumulated labels: sum 1/i^2 needs the same rows; fresh rows do better",
    source=SOURCE + "; pi^2/6 as summarised for arXiv 2404.01413",
    section=SECTION,
    chains=200_000,
    theorems=["regression.accumulated_risk_same_rows", "regression.accumulated_risk_fresh_rows"],
)
def regression_accumulated(seed: int, chains: int) -> list[Evidence]:
    rows_count, d, fits = 20, 5, 2
    same = functools.partial(regression.accumulated_risk_same_rows, rows_count)
    fresh = functools.partial(regression.accumulated_risk_fresh_rows, rows_count)
    seen: dict[bool, list[np.ndarray]] = {True: [], False: []}
    for block in range(-(-chains // 20_000)):  # bounded memory
        size = min(20_000, chains - block * 20_000)
        for again in seen:
            random = generator(seed, f"accumulated {again} {block}")
            first = random.standard_normal((size, rows_count, d))
            second = first if again else random.standard_normal(first.shape)
            weights = least_squares(first, random.standard_normal((size, rows_count)))
            labels = np.einsum("ctd,cd->ct", second, weights) + random.standard_normal((size, rows_count))
            # the first batch's labels are real, and least squares is linear in them
            gram = [np.einsum("ctd,cte->cde", x, x) for x in (first, second)]
            right = np.einsum("cde,ce->cd", gram[0], weights) + np.einsum("ctd,ct->cd", second, labels)
            pooled = np.linalg.solve(gram[0] + gram[1], right[..., None])[..., 0]
            seen[again].append((pooled**2).sum(1))
    wrong = {
        "replacement": float(regression.replaced_risk(rows_count, fits, d)),
        "the limit pi^2 / 6": np.pi**2 / 6 * float(same(1, d)),
    }
    return [
        Evidence(
            NominalMean(np.concatenate(seen[True])),
            float(same(fits, d)),
            wrong | {"fresh rows": float(fresh(fits, d))},
            "the same rows, 2 fits",
        ),
        Evidence(
            NominalMean(np.concatenate(seen[False])),
            float(fresh(fits, d)),
            wrong | {"sum 1 / i^2, the same rows": float(same(fits, d))},
            "fresh rows, 2 fits",
        ),
    ]


@claim(
    "fewer rows than features: what is not seen is forgotten, geometrically with fresh rows, once with the same rows",
    source=SOURCE,
    section=SECTION,
    chains=20_000,
    theorems=["regression.minimum_norm_risk"],
)
def regression_interpolating(seed: int, chains: int) -> list[Evidence]:
    rows_count, d, fits = 8, 30, 2
    out = []
    for same in (False, True):
        random = generator(seed, f"interpolating {same}")
        truth = np.full(d, d**-0.5)
        rows, weights = random.standard_normal((chains, rows_count, d)), np.broadcast_to(truth, (chains, d))
        for _ in range(fits):
            if not same:
                rows = random.standard_normal(rows.shape)
            labels = np.einsum("ctd,cd->ct", rows, weights) + random.standard_normal(rows.shape[:2])
            gram = np.einsum("ctd,cud->ctu", rows, rows)
            weights = np.einsum("ctd,ct->cd", rows, np.linalg.solve(gram, labels[..., None])[..., 0])
        exact = functools.partial(regression.minimum_norm_risk, rows_count, dimension=d, same_rows=same)
        wrong = {
            "one generation early": float(exact(fits - 1)),
            "the other rows": float(regression.minimum_norm_risk(rows_count, fits, d, same_rows=not same)),
            "everything forgotten, no noise": 1.0,
        }
        seen = NominalMean(((weights - truth) ** 2).sum(1))
        out.append(Evidence(seen, float(exact(fits)), wrong, f"{fits} fits, {'the same' if same else 'fresh'} rows"))
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
    "the best weight on real data is (sqrt(k^2 + 4k) - k)/2, the golden ratio at k = 1, and the error there is that weight times sigma^2/n",
    source="arXiv 2502.18049, as summarised; " + SOURCE,
    section=SECTION,
    chains=100_000,
    tier="quick",
    theorems=["regression.weighted_mean_error", "regression.best_weight"],
)
def golden_ratio(seed: int, chains: int) -> list[Evidence]:
    size, fits, ratio = 100, 25, 1.0  # what is left of the start: (1 - w)^50
    exact = functools.partial(regression.weighted_mean_error, ratio=ratio, sample_size=size)
    best = float(regression.best_weight(ratio))
    out = []
    for weight, what in ((best, "at the golden ratio"), (0.5, "pooled")):
        random = generator(seed, what)
        mean = np.zeros(chains)
        for _ in range(fits):
            synthetic = mean + random.standard_normal(chains) / np.sqrt(size / ratio)
            mean = weight * random.standard_normal(chains) / np.sqrt(size) + (1 - weight) * synthetic
        wrong = {"real data only": 1 / size, "weight 0.3": float(exact(0.3))}
        if weight == 0.5:
            wrong["pooled independent data, 1 / (2 n)"] = 1 / (2 * size)
        out.append(Evidence(NominalMean(mean**2), float(exact(weight)), wrong, what))
    return out
