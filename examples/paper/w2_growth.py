"""The expected distance to the truth grows as theorem 3.1 says, but not as the expansions printed with it.

After theorem 3.1 and equations 7 and 8 of arXiv 2305.17493: N(0, 1), M = 100, unbiased estimators. Left: E W2^2 = n/M + 2 (1 - c4(M)^n)
exactly; equation 7 leaves out how sigma drifts at all fits but the last, and is a third too small after many. The median lies far below the mean,
which rare chains carry. Middle: the variance of W2^2, (5/2)(n/M)^2 to leading order; equation 8 has 3/M^2 at the first fit. Right: what a sample
size M_i must do for the mean to stay: constant, the squared error grows linearly; growing linearly, like a logarithm; quadratically, it is
bounded by pi^2/(6 c). The paper says superlinear; the condition is sum 1/M_i < infinity.
"""

import sys

import _paper
import numpy as np
from matplotlib import pyplot
from scipy import integrate, optimize, special, stats

import modelcollapse as mc
from modelcollapse import plot
from modelcollapse.verify.evidence import Evidence, NominalMean, Proportion
from modelcollapse_theory import gaussian, wasserstein

SHOWS = (
    "Three panels. Left: the mean squared Wasserstein distance over 50 fits on the exact line, above equation 7 as "
    "printed. Middle: its variance on the exact line, below equation 8. Right: the squared error of the mean for "
    "constant, linear and quadratic sample sizes."
)
SEE = (
    "circles follow the solid exact lines and not the dashed published expansions. On the right only samples that "
    "grow quadratically stop the drift."
)

SIZE, UNTIL, GROWN, FIRST = 100, 50, 200, 50
SCHEDULES = {
    "M = 50": lambda i: np.full_like(i, FIRST),
    "M = 50 i": lambda i: FIRST * i,
    "M = 50 i²": lambda i: FIRST * i**2,
}


def run(size, generations, chains, seed, observe, record=None):
    simulated = mc.simulate(
        mc.Gaussian(),
        mc.normal(),
        observe=observe,
        size=size,
        generations=generations,
        chains=chains,
        seed=seed,
        record=record,
    )
    return np.asarray(simulated[observe], np.float64)


def numbers(small=False, seed=0, progress=False):
    chains = 50_000 if small else 500_000
    fits = np.arange(1, GROWN + 1)
    return {
        "w2": run(SIZE, UNTIL - 1, chains, seed, "w2_squared"),
        "larger": run(1000, 19, chains, seed + 2, "w2_squared", record=[19])[:, 0],
        "grown": {
            name: run(size(fits), GROWN - 1, chains // 10, seed + 3 + i, "mean")[:, :, 0]
            for i, (name, size) in enumerate(SCHEDULES.items())
        },
    }


def equation_7(size, fits):
    return float(wasserstein.arxiv_2305_17493_equation_7(np.full(fits, size))[-1])


def after_one_fit(distance, size=SIZE):
    """P(W2^2 <= distance) after one fit, exact: the mean is normal, the deviation an independent chi."""
    reach, chi = np.sqrt(distance), stats.chi(size - 1, scale=1 / np.sqrt(size - 1))
    return integrate.quad(
        lambda s: chi.pdf(s) * special.erf(np.sqrt(max(distance - (s - 1) ** 2, 0.0) * size / 2)), 1 - reach, 1 + reach
    )[0]


def evidence(found):
    exact = wasserstein.expected_squared_distance
    out = []
    for fits in (1, 5, 10):
        wrong = {"mean alone": fits / SIZE, "one fit early": float(exact(SIZE, fits - 1))}
        if fits > 1:
            wrong["arXiv 2305.17493 eq. 7"] = equation_7(SIZE, fits)
        out.append(
            Evidence(
                NominalMean(found["w2"][:, fits - 1]), float(exact(SIZE, fits)), wrong, f"E W2^2, M = 100, {fits} fits"
            )
        )
    out.append(
        Evidence(
            NominalMean(found["larger"]),
            float(exact(1000, 20)),
            {"arXiv 2305.17493 eq. 7": equation_7(1000, 20), "one fit early": float(exact(1000, 19))},
            "E W2^2, M = 1000, 20 fits",
        )
    )
    mean = float(exact(SIZE, 1))
    out.append(
        Evidence(
            NominalMean((found["w2"][:, 0] - mean) ** 2),
            wasserstein.variance_of_squared_distance(SIZE, 1),
            {
                "arXiv 2305.17493 eq. 8": float(wasserstein.arxiv_2305_17493_equation_8([SIZE])[0]),
                "normal mean alone, 2/M^2": 2 / SIZE**2,
            },
            "Var W2^2, M = 100, 1 fit",
        )
    )
    # given sigma_1, ..., the mean is normal with variance A; without the drift of sigma A would be sum 1/M_i
    for name, size in SCHEDULES.items():
        total = np.cumsum(1 / size(np.arange(1, GROWN + 1)))[-1]
        if name != "M = 50":
            out.append(
                Evidence(
                    NominalMean(found["grown"][name][:, -1] ** 2),
                    float(total),
                    {"M constant": GROWN / FIRST, "first term alone": 1 / FIRST},
                    f"E mean^2, {name}, {GROWN} fits",
                )
            )
    out.append(
        Evidence(
            Proportion.of(found["w2"][:, 0] < mean),
            after_one_fit(mean),
            {"half of the chains": 0.5, "chi-square of two": 1 - np.exp(-1)},
            "P(W2^2 < its mean), 1 fit",
        )
    )
    return out


def table(found):
    exact, rows = wasserstein.expected_squared_distance, []
    for size, fits, values in (*((SIZE, n, found["w2"][:, n - 1]) for n in (1, 10, 50)), (1000, 20, found["larger"])):
        paper, right = equation_7(size, fits), float(exact(size, fits))
        rows.append(
            _paper.Row(
                f"E W2^2, M = {size}, {fits} fit" + "s" * (fits > 1),
                f"{paper:.4g} (eq. 7)",
                f"{right:.5g}",
                _paper.spread(values.mean(), _paper.standard_error(values), 5),
                "agrees to first order" if fits == 1 else f"eq. 7 is {1 - paper / right:.0%} too small",
            )
        )
    mean = float(exact(SIZE, 1))
    squares = (found["w2"][:, 0] - mean) ** 2
    rows.append(
        _paper.Row(
            "Var W2^2, M = 100, 1 fit",
            f"{3 / SIZE**2:.3g} (eq. 8)",
            f"{wasserstein.variance_of_squared_distance(SIZE, 1):.4g}",
            _paper.spread(squares.mean(), _paper.standard_error(squares), 4),
            "eq. 8 is a fifth too large",
        )
    )
    middle = optimize.brentq(lambda r: after_one_fit(r) - 0.5, 1e-4, 0.1)
    for fits in (1, 10, 50):
        rows.append(
            _paper.Row(
                f"median W2^2, M = 100, {fits} fit" + "s" * (fits > 1),
                "-",
                f"{middle:.4g}" if fits == 1 else "-",
                f"{np.median(found['w2'][:, fits - 1]):.3g}",
                f"the mean, {float(exact(SIZE, fits)):.3g}, is carried by rare chains",
            )
        )
    sizes = SCHEDULES["M = 50 i²"](np.arange(1, GROWN + 1))
    values = found["grown"]["M = 50 i²"][:, -1] ** 2
    rows.append(
        _paper.Row(
            f"E mean^2, M = 50 i^2, {GROWN} fits",
            "finite if M_i grows superlinearly",
            f"{(1 / sizes).sum():.4g}, at most {np.pi**2 / 6 / FIRST:.4g}",
            _paper.spread(values.mean(), _paper.standard_error(values)),
            "agrees",
        )
    )
    return rows


def draw(found):
    figure, (left, middle, right) = pyplot.subplots(1, 3, figsize=(12.5, 4), layout="constrained")
    fits, w2 = np.arange(1, UNTIL + 1), found["w2"]
    some = np.array([1, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50])
    left.plot(fits, wasserstein.expected_squared_distance(SIZE, fits), color=plot.BLACK, lw=1.4, label="exact mean")
    left.plot(
        fits,
        wasserstein.arxiv_2305_17493_equation_7(np.full(UNTIL, SIZE)),
        "--",
        color=plot.VERMILION,
        lw=1.4,
        label="eq. 7 as printed",
    )
    values = w2[:, some - 1]
    left.errorbar(
        some,
        values.mean(0),
        2 * _paper.standard_error(values),
        fmt="o",
        color=plot.BLUE,
        mfc="white",
        ms=5,
        label=f"mean of {len(w2)} chains",
    )
    left.plot(some, np.median(values, 0), "s", color=plot.GREEN, mfc="white", ms=4, label="their median")
    left.set(xlabel="fits n", ylabel="squared W2 distance to the truth")
    left.set_title("mean, M = 100", fontsize=10)
    left.legend(frameon=False, fontsize=8)
    early = np.arange(1, 11)
    sizes, unit = np.full(early.size, SIZE), (SIZE / early) ** 2
    exact = [wasserstein.variance_of_squared_distance(SIZE, int(n)) for n in early]
    middle.plot(early, unit * exact, color=plot.BLACK, lw=1.4, label="exact")
    middle.axhline(2.5, color=plot.BLACK, ls=":", lw=1.4, label="to leading order, 5/2")
    printed = unit * wasserstein.arxiv_2305_17493_equation_8(sizes)
    middle.plot(early, printed, "--", color=plot.VERMILION, lw=1.4, label="eq. 8 as printed")
    squares = (w2[:, early - 1] - w2[:, early - 1].mean(0)) ** 2
    middle.errorbar(
        early, unit * squares.mean(0), 2 * unit * _paper.standard_error(squares), fmt="o", color=plot.BLUE, mfc="white", ms=5,
        label=f"{len(w2)} chains",
    )  # fmt: skip
    middle.set(xlabel="fits n", ylabel="variance of the squared distance / (n/M)²", ylim=(2, 4))
    middle.set_title("variance, M = 100", fontsize=10)
    middle.legend(frameon=False, fontsize=8, loc="upper left")
    every = np.arange(1, GROWN + 1)
    shown = np.unique(np.geomspace(1, GROWN, 12).round().astype(int))
    for (name, size), colour, marker in zip(
        SCHEDULES.items(), (plot.VERMILION, plot.BLUE, plot.GREEN), ("s", "o", "^"), strict=True
    ):
        right.plot(every, gaussian.scheduled_mean_error(size(every)), color=colour, lw=1.4)
        square = found["grown"][name][:, shown - 1] ** 2
        right.errorbar(
            shown,
            square.mean(0),
            2 * _paper.standard_error(square),
            fmt=marker,
            color=colour,
            mfc="white",
            ms=5,
            label=name,
        )
    right.axhline(np.pi**2 / 6 / FIRST, color="0.5", ls=":", lw=1.2, label="π²/(6 · 50)")
    right.set(xscale="log", yscale="log", xlabel="fits n", ylabel="E (mean - truth)²")
    right.set_title("growing sample sizes; lines exact", fontsize=10)
    right.legend(frameon=False, fontsize=8)
    return figure


if __name__ == "__main__":
    _paper.main(sys.modules[__name__])
