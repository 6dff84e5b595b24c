"""Any share of original data bounds the error of the Gaussian; keeping the previous law only slows it.

The paper's process, p_{i+1} = alpha p_model + beta p_i + gamma p_0, for which the Nature article and arXiv 2305.17493 (figures 5 and 6) show runs and no
formula: N(0, 1), M = 10, unbiased estimators, three settings of (alpha, beta, gamma). Exactly, for the law p_n with variance V and squared error B of its mean,
B' = (alpha + beta)^2 B + alpha^2 V/M and V' + B' = (1 - gamma)(V + B) + gamma + alpha V/M. With gamma > 0 both have a limit, with gamma = 0 they
grow without bound. ("alpha = gamma = 0", as printed for the fully synthetic loop, leaves p_0 for ever; that loop is alpha = 1.) A run observes fits, whose mean has
V/M more; the lines are those of the fits. At M = 10 and a tenth real the fitted variance has no fourth moment in the long run, so means over chains are
tested early, and at alpha = 1 late means rest on chains too rare to be seen.
"""

import sys

import _paper
import numpy as np
from matplotlib import pyplot

import modelcollapse as mc
from modelcollapse import plot
from modelcollapse.verify.evidence import Evidence, NominalMean
from modelcollapse_theory import mixture

SHOWS = (
    "Two panels over 60 fits for four mixtures of model, previous law and truth, at M = 10. Left, on log axes, the "
    "squared error of the mean: two curves grow and two level off at dotted limits. Right, the mean variance: the "
    "mixture without original data grows beyond the frame."
)
SEE = (
    "the two mixtures with a share of original data (circles, triangles) level off at their dotted limits. The one "
    "that only keeps the previous law (squares) starts best and grows past both."
)

SIZE, LAW, TESTED, LAST = 10, 12, 5, 60
SETTINGS = ((1.0, 0.0, 0.0), (0.9, 0.0, 0.1), (0.5, 0.5, 0.0), (0.6, 0.2, 0.2))
BY_SIMULATION = {(0.9, 0.0, 0.1): (1.279, 0.462), (0.5, 0.5, 0.0): (1.347, 0.343), (0.6, 0.2, 0.2): (1.207, 0.118)}
"""V and B of the law at generation 12 by 20,000 chains of another program."""


def numbers(small=False, seed=0, progress=False):
    found, last = {}, LAW if small else LAST
    for i, (alpha, beta, gamma) in enumerate(SETTINGS):
        run = mc.simulate(
            mc.Gaussian(), mc.normal(), mc.Mixture(alpha, beta, gamma), ["variance", "squared_mean_error"], size=SIZE,
            generations=last, chains=20_000 if small else 50_000, seed=seed + i,
        )  # fmt: skip
        found[alpha, beta, gamma] = {
            "V": np.asarray(run["variance"][:, :, 0], np.float64), "B": np.asarray(run["squared_mean_error"], np.float64),
        }  # fmt: skip
    return found


def exact(setting, fits):
    """V and B of each fit, arrays (fits,)."""
    _, beta, gamma = setting
    return np.array([mixture.gaussian_fit(SIZE, int(n), gamma, beta) for n in fits]).T


def evidence(found):
    out = []
    for setting in SETTINGS:
        alpha, beta, gamma = setting
        (right, early, without) = (
            np.array(mixture.gaussian_fit(SIZE, n, g, b))
            for n, g, b in ((TESTED, gamma, beta), (TESTED - 1, gamma, beta), (TESTED, 0.0, 0.0))
        )
        wrong = {"alpha = 1": without[1]} if alpha < 1 else {"one fit early": early[1]}
        if beta:
            wrong["beta taken for alpha"] = mixture.gaussian_fit(SIZE, TESTED, gamma, 0.0)[1]
        out.append(
            Evidence(
                NominalMean(found[setting]["B"][:, TESTED - 1]), float(right[1]), {k: float(v) for k, v in wrong.items()},
                f"E mean^2 of the fit, {setting}, {TESTED} fits",
            )
        )  # fmt: skip
        # the law that comes next, from the fit: B is what the mean of the fits has less V/M
        spread, miss = (found[setting][k][:, TESTED - 1] for k in "VB")
        out.append(
            Evidence(
                NominalMean(spread + miss),
                float(right.sum()),
                {"V + B conserved, as with ddof 0": 1.0, "one fit early": float(early.sum())}
                if alpha == 1
                else {"V + B conserved, as with ddof 0": 1.0},
                f"E variance + mean^2, {setting}, {TESTED} fits",
            )
        )
    return out


def table(found):
    rows = []
    for setting in SETTINGS[1:]:
        _, beta, gamma = setting
        v, b = mixture.gaussian(SIZE, LAW, gamma, beta)
        # the law of generation 12 is what fit 13 is made from
        fitted = {k: found[setting][k][:, LAW] for k in "VB"}
        ours = fitted["V"].mean(), fitted["B"].mean() - fitted["V"].mean() / SIZE
        limit = "grow without bound"
        if gamma:
            limit = "limits {:.4g} and {:.4g}".format(*mixture.gaussian_limit(SIZE, gamma, beta))
        other = BY_SIMULATION[setting]
        rows.append(
            _paper.Row(
                f"V and B of law 12, {setting}",
                "runs only; 'attenuated'",
                f"{float(v):.4f}, {float(b):.4f}",
                f"{ours[0]:.4f}, {ours[1]:.4f}",
                f"{limit}; an independent simulation has {other[0]}, {other[1]}",
            )
        )
    return rows


def draw(found):
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10.5, 4.2), layout="constrained")
    last = found[SETTINGS[0]]["V"].shape[1]
    fits = np.arange(1, last + 1)
    shown = np.unique(np.geomspace(1, last, 11).round().astype(int))
    styles = ((plot.BLACK, "x"), (plot.BLUE, "o"), (plot.VERMILION, "s"), (plot.GREEN, "^"))
    for setting, (colour, marker) in zip(SETTINGS, styles, strict=True):
        lines = exact(setting, fits)
        for ax, key, line in ((left, "B", lines[1]), (right, "V", lines[0])):
            values = found[setting][key][:, shown - 1]
            ax.plot(fits, line, color=colour, lw=1.4)
            ax.errorbar(
                shown, values.mean(0), 2 * _paper.standard_error(values), fmt=marker, color=colour, mfc="white", ms=5, elinewidth=1,
                label="({:g}, {:g}, {:g})".format(*setting),
            )  # fmt: skip
        if setting[2] and last > LAW:
            v, b = mixture.gaussian_limit(SIZE, setting[2], setting[1])
            left.axhline(b + v / SIZE, color=colour, ls=":", lw=1)
            right.axhline(v, color=colour, ls=":", lw=1)
    left.set(xscale="log", yscale="log", xlabel="fits", ylabel="E (mean - truth)² of the fit")
    right.set(xscale="log", xlabel="fits", ylabel="E variance of the fit", ylim=(0.75, 3))
    left.legend(frameon=False, fontsize=9, title="(α, β, γ)", title_fontsize=9)
    left.set_title("lines exact, dotted: limits", fontsize=10)
    right.set_title(f"M = {SIZE}, {found[SETTINGS[0]]['V'].shape[0]} chains", fontsize=10)
    return figure


if __name__ == "__main__":
    _paper.main(sys.modules[__name__])
