"""Errata: published statements that the data reject, each an entry that ``modelcollapse verify`` executes; and a table of misuse.

An entry names the claim whose data decide and the near miss there that is the published statement. ``write`` makes ``docs/errata.md``.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "errata.md"


@dataclasses.dataclass(frozen=True)
class Erratum:
    """A published statement, and what the data say instead."""

    published: str
    where: str
    reading: str
    corrected: str
    claim: str
    near_miss: str


@dataclasses.dataclass(frozen=True)
class Misuse:
    """A true statement outside its conditions. ``near_miss`` is the misuse in the evidence of ``claim``, where it can be simulated."""

    statement: str
    holds: str
    misuse: str
    instead: str
    claim: str = ""
    near_miss: str = ""


ERRATA = (
    Erratum(
        "E[W2²] after n + 1 fits is σ²(1/M₀ + … + 1/M₍ₙ₋₁₎ + 3/(2Mₙ)) to first order",
        "arXiv 2305.17493, eq. 7",
        "unbiased estimators, one dimension, the distance of the last fit to the truth",
        "every fit counts 3/2: σ²[Σ 1/Mᵢ + 2(1 − Π c₄(Mᵢ))] exactly, (3/2)σ² Σ 1/Mᵢ to first order. The deviation drifts at every fit, "
        "not only at the last",
        "wasserstein_growth",
        "arXiv 2305.17493 eq. 7",
    ),
    Erratum(
        "Var[W2²] is σ⁴(2/M₀² + … + 3/Mₙ² + Σ 3/(MᵢMⱼ)) to leading order",
        "arXiv 2305.17493, eq. 8",
        "as above; at one fit it reads 3σ⁴/M²",
        "(5/2)σ⁴(Σ 1/Mᵢ)² to leading order, 5σ⁴/(2M²) at one fit; the exact variance is `wasserstein.variance_of_squared_distance`",
        "wasserstein_variance",
        "arXiv 2305.17493 eq. 8",
    ),
    Erratum(
        "α = γ = 0: data from a single step are used",
        "Nature 631:755 (2024) and arXiv 2305.17493, where the mixture p₍ᵢ₊₁₎ = α p̂ + β pᵢ + γ p₀ is introduced",
        "the weights of that formula, taken as printed",
        "α = γ = 0 leaves pᵢ = p₀ for ever and nothing is lost beyond one fit. The fully synthetic loop that is analysed there is "
        "(α, β, γ) = (1, 0, 0)",
        "corner_of_the_mixture",
        "arXiv 2305.17493: data from a single step",
    ),
)

SCOPE = (
    Misuse(
        "E W2² diverges",
        "unbiased variance, constant M (the theorem of arXiv 2305.17493)",
        "said of the maximum-likelihood fit (the estimator of the released code), or of one path",
        "with maximum likelihood E W2² ≤ 2σ²; and W2 converges along almost every path under both: the divergence is carried by rare paths",
        "maximum_likelihood",
    ),
    Misuse(
        "the variance collapses",
        "almost every chain, both estimators",
        "read off the mean of the variance over chains, which is constant under the unbiased estimator",
        "look at the log variance, the median or a quantile",
        "log_variance_drift",
        "no drift: E sigma^2 = 1",
    ),
    Misuse(
        "accumulating data costs at most π²/6",
        "regression on the same covariates in every batch, or large batches",
        "with fresh covariates, or at small M",
        "fresh covariates: Σ 1/(i(iT − d − 1)), smaller; discrete data: 1 − sin(π/√M)/(π/√M)",
        "regression_accumulated",
        "sum 1 / i^2, the same rows",
    ),
    Misuse(
        "Ewens' number of types, Σ θ/(θ + i)",
        "a sample that is small beside its population",
        "on the whole data set, where the sample is the population",
        "the exact recursion `fresh.expected_founders`",
        "founders",
        "Ewens, theta = 2 M g",
    ),
    Misuse(
        "Kingman's coalescent at time n/M",
        "few lineages among many",
        "on the whole data set, off by up to a sixth early on",
        "the lineage chain itself, or the shifted clock of `lineage_limits.coalescent_time`",
        "lineage_numbers",
        "Kingman's coalescent at t = n/M",
    ),
    Misuse(
        "fixation takes 4N generations; 4Nμ, 4Ns",
        "diploid populations of N individuals, 2N genes",
        "M draws taken for N individuals",
        "a data set of M rows is haploid: 2M, 2Mg, 2Ms",
        "preferred_state",
        "diploid, 4N",
    ),
    Misuse(
        "the divergence KL between truth and model grows",
        "KL(pₙ‖p₀), with mean h(p₀) − E h(pₙ)",
        "KL(p₀‖pₙ), which is infinite once a state is lost, so its mean is infinite at every fit",
        "report KL(pₙ‖p₀)",
        "entropy_decay",
    ),
    Misuse(
        "a word is forgotten in a time linear in its count",
        "quantiles of the time; as summarised for arXiv 2412.17646",
        "said of the mean time, which carries a logarithm: 2c ln(M/c)",
        "median about 2.885 c; `rare.rare_loss_mean` for the mean",
    ),
    Misuse(
        "a fixed budget drawn from accumulated data degrades slowly",
        "finite runs; as summarised for arXiv 2410.16713",
        "read as collapse in the end, where the pool grows by a fixed batch",
        "moments reach a plateau, with a loss of (π²/2 − 2)/M to first order",
        "accumulate_subsample",
        "replacement",
    ),
    Misuse(
        "errors grow linearly in the number of generations",
        "parametric models; for Zipf tails so in secondary sources on arXiv 2402.07043, whose wording was not checked",
        "the lost mass of a power-law tail",
        "it grows like n^(1 − 1/b)",
        "zipf_tails",
        "linear in n",
    ),
    Misuse(
        "retraining is stable if λ(1 + Lε/α) < 1/2",
        "sufficient; as summarised for arXiv 2310.00429",
        "read as necessary",
        "exact retraining of a normal mean multiplies its error by λ/(1 + λ) < 1 at every λ",
    ),
    Misuse(
        "a share of real data bounds the error",
        "maximum likelihood at any share; unbiased variance if the share exceeds 1 − √(1 − 1/M)",
        "second moments under the unbiased variance and a smaller share, which grow without bound though a stationary law may exist",
        "`fresh_gaussian.least_share`",
    ),
)


def text() -> str:
    """The page, from the tables above."""
    lines = [
        "# Errata, and scope",
        "",
        "Written by `python -m modelcollapse.claims.pages.errata` from `modelcollapse/claims/pages/errata.py`. Papers of which only a summary",
        "was read are cited as summarised, and are not quoted.",
        "",
        "## Published statements that the data reject",
        "",
        "Each row is executed: the published statement is a near miss of the claim, and `modelcollapse verify CLAIM` must reject it.",
        "",
        "| published | where | reading | corrected | claim | near miss |",
        "|---|---|---|---|---|---|",
    ]
    for e in ERRATA:
        lines.append(f"| {e.published} | {e.where} | {e.reading} | {e.corrected} | `{e.claim}` | {e.near_miss} |")
    lines += [
        "",
        "## Scope and misuse",
        "",
        "True statements, and what becomes of them outside their conditions.",
        "",
        "| statement | holds for | misuse | instead | claim | near miss |",
        "|---|---|---|---|---|---|",
    ]
    for m in SCOPE:
        lines.append(
            f"| {m.statement} | {m.holds} | {m.misuse} | {m.instead} | {f'`{m.claim}`' if m.claim else ''} | {m.near_miss} |"
        )
    return "\n".join(lines) + "\n"


def write() -> None:
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    write()
