"""What is rarer than one in M is lost, they say; each fit loses it by chance, and two laws that differ in their tails look alike.

After figure 3 of arXiv 2305.17493: two laws with modes at -4 and 4 and variance 1, one of them with fatter tails (here 20% of it has
deviation 4), in 40 bins from -10 to 10; sample size M = 50, log M = 3.91. Cutting all bins below 1/M ("only assuming the expected
behaviour") makes the two nearly the same. What happens to a bin of probability q is softer: one fit loses it with probability (1 - q)^M, at
q = 1/M with 0.36 and not 1. And what is left of the tails keeps their whole mass on average: they are lost bin by bin, not in mean.
Above, counts of M^2 = 2,500 draws, of which a bin at the line has M (our reading of the figure); below, the share of 20,000 chains
in which a bin is still there, beside its exact probability.
"""

import sys

import _paper
import numpy as np
from matplotlib import pyplot
from scipy import stats

import modelcollapse as mc
from modelcollapse import plot
from modelcollapse.verify.evidence import BoundedMean, Evidence, Proportion
from modelcollapse_theory import replacement, support

SHOWS = (
    "Above, log counts of two laws with modes at -4 and 4 in 40 bins, the bins below the line log M in grey. Below, "
    "the chance that each bin is still there after 1 and 10 fits: smooth humps, on a box that is the hard cut."
)
SEE = (
    "the hard cut (grey box) keeps or drops a bin, chance does neither: after one fit many bins below the line are "
    "left, after ten even those in the middle of a mode are often gone. Marks are simulated, lines are exact."
)

SIZE, FITS = 50, (1, 10)
EDGES = np.linspace(-10, 10, 41)
NAMES = ("fatter tails", "normal modes")


def laws():
    """Probabilities of the bins, ``(2, 40)``."""
    narrow, wide = (
        np.diff(sum(stats.norm.cdf(EDGES, mode, deviation) for mode in (-4, 4))) for deviation in (1.0, 4.0)
    )
    return np.stack([p / p.sum() for p in (0.8 * narrow + 0.2 * wide, narrow)])


def cut(p):
    """Without the bins below 1/M."""
    kept = np.where(p < 1 / SIZE, 0.0, p)
    return kept / kept.sum()


def numbers(small=False, seed=0, progress=False):
    p = laws()
    runs = [
        mc.simulate(
            mc.Discrete(), mc.categorical(law), observe={"law": "probabilities"}, size=SIZE,
            generations=FITS[-1] - 1, chains=4000 if small else 20_000, seed=seed + i, record=[n - 1 for n in FITS],
        )["law"]
        for i, law in enumerate(p)
    ]  # fmt: skip
    after = np.stack([cut(law) for law in p])
    rare = p < 1 / SIZE
    return {
        "p": p,
        "cut": after,
        "distance": [0.5 * np.abs(two[0] - two[1]).sum() for two in (p, after)],
        "exact": np.stack([support.present_probability(law, SIZE, np.array(FITS)) for law in p]),
        "alive": np.stack([(run > 0).mean(0) for run in runs]),
        "bins": [(run > 0).sum(2) for run in runs],
        "tail": [run[:, :, there].sum(2) for run, there in zip(runs, rare, strict=True)],
        "at_the_line": [(run[:, :, np.abs(law - 1 / SIZE).argmin()] == 0) for run, law in zip(runs, p, strict=True)],
    }


def evidence(found):
    out = []
    for i, name in enumerate(NAMES):
        p = found["p"][i]
        above, q = int((p >= 1 / SIZE).sum()), p[np.abs(p - 1 / SIZE).argmin()]
        lost = found["at_the_line"][i]
        exact = support.absent_probability(q, SIZE, np.array(FITS))
        out.append(
            Evidence(
                Proportion.of(lost[:, 0]),
                float(replacement.unseen_probability(q, SIZE)),
                {"lost for certain": 1.0, "1 - q, lost some day": 1 - q},
                f"{name}: P(bin of q = {q:.3g} lost), 1 fit",
            )
        )
        out.append(
            Evidence(
                Proportion.of(lost[:, 1]),
                float(exact[1]),
                {
                    "as after 1 fit": float(exact[0]),
                    "1 - q, lost some day": 1 - q,
                    "fits independent": 1 - (1 - exact[0]) ** 10,
                },
                f"{name}: the same, 10 fits",
            )
        )
        for j, n in enumerate(FITS):
            out.append(
                Evidence(
                    BoundedMean(found["bins"][i][:, j].astype(float), 0, p.size),
                    float(support.expected_support(p, SIZE, n)),
                    {"one fit later": float(support.expected_support(p, SIZE, n + 1))}
                    | ({"bins above the line": above} if n > 1 else {}),
                    f"{name}: bins left, {n} fit" + "s" * (n > 1),
                )
            )
        out.append(
            Evidence(
                BoundedMean(found["tail"][i][:, 1], 0, 1),
                float(p[p < 1 / SIZE].sum()),
                {"cut away": 0.0, "half of it": float(p[p < 1 / SIZE].sum()) / 2},
                f"{name}: E mass below the line, 10 fits",
            )
        )
    return out


def table(found):
    rows = [
        _paper.Row(
            "distance of the two laws, before and after the cut",
            "they become the same",
            " and ".join(f"{d:.3f}" for d in found["distance"]),
            "-",
            "nearly: a quarter of the total variation is left",
        )
    ]
    for i, name in enumerate(NAMES):
        p = found["p"][i]
        exact = support.expected_support(p, SIZE, np.array(FITS))
        rows.append(
            _paper.Row(
                f"{name}: bins left after 1 and 10 fits",
                f"{(p >= 1 / SIZE).sum()}, those above the line",
                ", ".join(f"{e:.2f}" for e in exact),
                ", ".join(f"{b:.2f}" for b in found["bins"][i].mean(0)),
                "the cut is an expectation: one fit keeps more bins, ten keep fewer",
            )
        )
    rows.append(
        _paper.Row(
            "P(lost at one fit) at q = 1/M",
            '"expected number will be less than 1"',
            f"{(1 - 1 / SIZE) ** SIZE:.4f}",
            "-",
            "the expected number is exactly 1 there",
        )
    )
    return rows


def draw(found):
    figure, axes = pyplot.subplots(2, 2, figsize=(10, 5.6), layout="constrained", sharex=True, sharey="row")
    middle = (EDGES[1:] + EDGES[:-1]) / 2
    for i, name in enumerate(NAMES):
        top, bottom = axes[:, i]
        counts = np.log(np.maximum(SIZE**2 * found["p"][i], 1e-9))
        kept = found["p"][i] >= 1 / SIZE
        for which, colour, label in ((kept, plot.BLUE, "bins above 1/M"), (~kept, "0.75", "bins below 1/M")):
            top.bar(middle[which], np.maximum(counts[which], 0), 0.45, color=colour, label=label)
        top.axhline(np.log(SIZE), color=plot.VERMILION, lw=1.5, label="log M")
        top.set_title(name, fontsize=11)
        bottom.step(middle, kept, where="mid", color="0.6", lw=1.2, label="hard cut at 1/M")
        for j, (colour, style, marker) in enumerate(((plot.BLUE, "-", "o"), (plot.VERMILION, "--", "s"))):
            fits = f"{FITS[j]} fit" + "s" * (FITS[j] > 1)
            bottom.plot(middle, found["exact"][i, j], style, color=colour, lw=1.4, label=f"exact, {fits}")
            bottom.plot(
                middle,
                found["alive"][i, j],
                marker,
                color=colour,
                mfc="white",
                ms=4,
                ls="none",
                label=f"simulated, {fits}",
            )
        bottom.set_xlabel("x")
    axes[0, 0].set_ylabel("log(count)")
    axes[1, 0].set_ylabel("P(bin still there)")
    axes[0, 1].legend(frameon=False, fontsize=8, loc="upper right")
    axes[0, 0].set_ylim(0, 7.4)
    axes[1, 0].set_ylim(-0.03, 1.55)
    axes[1, 1].legend(frameon=False, fontsize=8, loc="upper center", ncols=3)
    axes[1, 0].set_yticks([0, 0.5, 1])
    return figure


if __name__ == "__main__":
    _paper.main(sys.modules[__name__])
