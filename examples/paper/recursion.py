"""A normal law refitted a thousand times: one run of the paper is one draw from a wide law, whose band is exact.

After figure 4 of arXiv 2305.17493 and its notebook: N(0, 1), 1,000 fits, M = 100 to 1e7, one run for each M; the estimator there is np.std,
ddof = 0. The published curves are read off by eye [F] and lie in the exact 10 to 90% band of |sigma - 1|, which follows from products of
chi-squares. With the unbiased estimator of the paper's theory (ddof = 1) the deviation is lost more slowly and the mean goes further. For the mean the
law is known given the path of sigma: normal with variance A = sum sigma_i^2 / M, the sum over all earlier models; the line is its root mean square.
"""

import sys

import _paper
import numpy as np
from matplotlib import pyplot
from scipy import optimize, stats

import modelcollapse as mc
from modelcollapse import plot
from modelcollapse.verify.evidence import Evidence, Proportion
from modelcollapse_theory import gaussian

SHOWS = (
    "Two rows of seven panels, one for each sample size from 100 to ten million, on log axes over 1,000 fits: above, "
    "the error of the deviation within its exact 10 to 90% band; below, the error of the mean with its exact root "
    "mean square. Orange crosses mark the published runs."
)
SEE = (
    "each published run (cross) is one draw from a wide law, whose band is exact. Ten times the sample size lowers "
    "the whole band by the root of ten."
)

SIZES = (100, 500, 1000, 10**4, 10**5, 10**6, 10**7)
SMALL_SIZES = (100, 500, 1000, 10**4, 10**7)
FITS = 1000
READ_OFF = {100: (1.0, 0.15), 500: (0.7, 0.6), 1000: (0.65, 0.9), 10**4: (0.1, 0.1)}
"""|sigma - 1| and |mean| after 1,000 fits, from the published figure."""
LEVELS = (0.1, 0.5, 0.9)


def below(x, size, fits, ddof=0):
    """P(|sigma_n - 1| <= x), exact."""
    upper = gaussian.log_variance_cdf(2 * np.log1p(x), size, fits, ddof=ddof)
    return float(upper - (gaussian.log_variance_cdf(2 * np.log1p(-x), size, fits, ddof=ddof) if x < 1 else 0))


def quantile(level, size, fits, ddof=0):
    """Of |sigma_n - 1|, exact."""
    return optimize.brentq(lambda x: below(x, size, fits, ddof) - level, 1e-9, 60.0, xtol=1e-12, rtol=1e-8)


def numbers(small=False, seed=0, progress=False):
    fits = np.unique(np.geomspace(1, FITS, 4 if small else 19).round().astype(int))
    found = {"fits": fits, "band": {}, "median_1": {}, "path": {}, "sigma": {}, "mean": {}, "score": {}}
    for i, size in enumerate(SMALL_SIZES if small else SIZES):
        found["band"][size] = np.array([[quantile(level, size, n) for n in fits] for level in LEVELS])
        found["median_1"][size] = np.array([quantile(0.5, size, n, 1) for n in fits])
        for ddof in (0, 1):
            run = mc.simulate(
                mc.Gaussian(ddof=ddof), mc.normal(), observe=["mean", "log_variance"], size=size, generations=FITS - 1,
                chains=1500 if small else 4000, seed=seed + i,
            )  # fmt: skip
            mean, logs = (np.asarray(run[name][:, :, 0], np.float64) for name in ("mean", "log_variance"))
            # given the path, the last mean is normal about 0 with this variance: the truth and all models but the last
            given = (1 + np.exp(logs[:, :-1]).sum(1)) / size
            found["score"][size, ddof] = mean[:, -1] / np.sqrt(given)
            # of sigma - 1, from the logarithm: no digits are lost at M = 1e7
            gap = np.abs(np.expm1(0.5 * logs))
            found["sigma"][size, ddof], found["mean"][size, ddof] = gap[:, -1], np.abs(mean[:, -1])
            if ddof == 0:
                found["path"][size] = gap[0], np.abs(mean[0])
    return found


def evidence(found):
    out, at = [], stats.norm.ppf(0.75)
    for size in found["band"]:
        for ddof in (0, 1):
            middle = found["median_1"][size][-1] if ddof else found["band"][size][1, -1]
            wrong = {f"{n} fits": below(middle, size, n, ddof) for n in (FITS // 2, 2 * FITS)}
            if size <= 1000:
                wrong[f"ddof = {1 - ddof}"] = below(middle, size, FITS, 1 - ddof)
            out.append(
                Evidence(
                    Proportion.of(found["sigma"][size, ddof] < middle),
                    0.5,
                    wrong,
                    f"|sigma - 1| < its median, M = {size:g}, ddof {ddof}",
                )
            )
            out.append(
                Evidence(
                    Proportion.of(np.abs(found["score"][size, ddof]) < at),
                    0.5,
                    {"A / 2": 2 * stats.norm.cdf(at * 2**0.5) - 1, "2 A": 2 * stats.norm.cdf(at / 2**0.5) - 1},
                    f"mean given the path, M = {size:g}, ddof {ddof}",
                )
            )
    return out


def table(found):
    rows = []
    for size in found["band"]:
        gap, mean = found["sigma"][size, 0], found["mean"][size, 0]
        exact = found["band"][size][:, -1]
        paper, reading = "-", ""
        if size in READ_OFF:
            paper = f"{READ_OFF[size][0]:g} [F]"
            # to the precision of the eye
            place = below(READ_OFF[size][0] * 0.9, size, FITS), below(READ_OFF[size][0] * 1.1, size, FITS)
            reading = f"agrees: between quantiles {place[0]:.2f} and {place[1]:.2f} of the law, ± 10% for the eye"
            if exact[0] > 0.99:
                reading = "agrees: all of the law is there"
        rows.append(
            _paper.Row(
                f"|sigma - 1|, M = {size:g}",
                paper,
                f"{exact[1]:.4g} ({exact[0]:.3g} to {exact[2]:.3g})",
                "{1:.4g} ({0:.3g} to {2:.3g})".format(*np.quantile(gap, LEVELS)),
                reading,
            )
        )
        paper, reading = "-", ""
        if size in READ_OFF:
            paper = f"{READ_OFF[size][1]:g} [F]"
            reading = f"agrees: {(mean < READ_OFF[size][1]).mean():.0%} of our chains are below"
        rms = np.sqrt(gaussian.expected_mean_error(size, FITS, ddof=0))
        rows.append(
            _paper.Row(
                f"|mean|, M = {size:g}",
                paper,
                f"rms {rms:.4g}",
                "{1:.4g} ({0:.3g} to {2:.3g})".format(*np.quantile(mean, LEVELS)),
                reading,
            )
        )
    return rows


def draw(found):
    figure, axes = pyplot.subplots(
        2, len(found["band"]), figsize=(13, 5), layout="constrained", sharex=True, sharey="row", squeeze=False
    )
    fits, every = found["fits"], np.arange(1, FITS + 1)
    for size, (top, bottom) in zip(found["band"], axes.T, strict=True):
        low, middle, high = found["band"][size]
        top.fill_between(fits, low, high, color=plot.SKY, alpha=0.4, lw=0, label="exact 10 to 90%, ddof 0")
        top.plot(fits, middle, color=plot.BLACK, lw=1.3, label="exact median (below: rms), ddof 0")
        top.plot(fits, found["median_1"][size], "--", color=plot.GREEN, lw=1.3, label="the same, ddof 1")
        top.plot(every, found["path"][size][0], color=plot.BLUE, lw=0.8, label="one run, ddof 0")
        bottom.plot(every, found["path"][size][1], color=plot.BLUE, lw=0.8)
        for ddof, colour, style in ((0, plot.BLACK, "-"), (1, plot.GREEN, "--")):
            rms = np.sqrt(gaussian.expected_mean_error(size, fits, ddof=ddof))
            bottom.plot(fits, rms, style, color=colour, lw=1.3)
        if size in READ_OFF:
            for ax, value in zip((top, bottom), READ_OFF[size], strict=True):
                ax.plot(
                    FITS,
                    value,
                    "x",
                    color=plot.VERMILION,
                    ms=8,
                    mew=2,
                    clip_on=False,
                    zorder=5,
                    label="published run, by eye",
                )
        exponent = int(np.log10(size))
        top.set_title(f"M = {size}" if size < 10**4 else f"M = $10^{exponent}$", fontsize=10)
        bottom.set_xlabel("fits")
    for ax in axes.flat:
        ax.set(xscale="log", yscale="log", xlim=(1, FITS), xticks=[1, 10, 100])
        ax.tick_params(labelsize=8)
    axes[0, 0].set(ylabel="|sigma - 1|", ylim=(1e-5, 3))
    axes[1, 0].set(ylabel="|mean|", ylim=(1e-5, 3))
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=9, ncols=5, loc="outside upper center")
    return figure


if __name__ == "__main__":
    _paper.main(sys.modules[__name__])
