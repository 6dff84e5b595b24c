"""A discrete law ends at one state, with the probability that it had at first; the time and the loss on the way are exact.

After the section on discrete distributions of the Nature article, which proves convergence to a delta and gives no numbers: five states
with q = (.02, .08, .2, .3, .4), M = 50 draws a fit. "The probability of losing information is 1 - q" is right for losing a state
some day, whatever M; at one fit it is (1 - q)^M. Diversity, sum p^2, grows as 1 - H_0 (1 - 1/M)^n. The time until one state is left has a known law;
its mean by diffusion, -2M sum (1 - q) ln(1 - q), is 2% too large at M = 50.
"""

import sys

import _paper
import numpy as np
from matplotlib import pyplot

import modelcollapse as mc
from modelcollapse import ancestry, plot, sampling
from modelcollapse.verify.evidence import BoundedMean, Evidence, Proportion
from modelcollapse_theory import fixation, replacement, support

SHOWS = (
    "Four panels for a law on five states with M = 50: one chain as stacked areas that ends in one colour; the chance "
    "that each state is lost, rising from one fit to for ever; the rising mean of the sum of squares; and the law of "
    "the time until one state is left, with its mean of 81 fits."
)
SEE = (
    "a state is lost at one fit with probability (1 - q) to the power M (left end of the second panel) and some day "
    "with 1 - q (right end). Marks are simulated, lines are exact."
)

Q, SIZE, LAST = np.array([0.02, 0.08, 0.2, 0.3, 0.4]), 50, 300
PUBLISHED_TIMES = (1, 10, 50)


def numbers(small=False, seed=0, progress=False):
    run = mc.simulate(
        mc.Discrete(), mc.categorical(Q), observe=["probabilities", "heterozygosity", "support_size"], size=SIZE, generations=LAST - 1,
        chains=4000 if small else 20_000, seed=seed,
    )  # fmt: skip
    time, winner = ancestry.fixation(sampling.key(seed + 1), Q, SIZE, 20_000 if small else 200_000)
    # of all chains, the one that takes the median time
    typical = np.argsort((run["heterozygosity"] > 0).sum(1))[run.chains // 2]
    return {
        "path": np.asarray(run["probabilities"][typical], np.float64),
        "lost_first": np.asarray(run["probabilities"][:, 0] == 0),
        "gone": np.asarray(run["probabilities"] == 0).mean(0),
        "diversity": 1 - np.asarray(run["heterozygosity"], np.float64)[:, [n - 1 for n in PUBLISHED_TIMES]],
        "support": np.asarray(run["support_size"])[:, 0],
        "path_diversity": (1 - np.asarray(run["heterozygosity"], np.float64)).mean(0),
        "time": np.asarray(time),
        "winner": np.asarray(winner),
    }


def diversity(fits):
    return 1 - replacement.expected_heterozygosity(Q, SIZE, fits)


def evidence(found):
    out = []
    for i, q in enumerate(Q):
        out.append(
            Evidence(
                Proportion.of(found["winner"] == i),
                q,
                {"all alike": 1 / Q.size} if q != 0.2 else {"by q^2": q**2 / (Q**2).sum()},
                f"P(ends at the state of q = {q:g})",
            )
        )
    out.append(
        Evidence(
            Proportion.of(found["lost_first"][:, 0]),
            float(replacement.unseen_probability(Q[0], SIZE)),
            {"1 - q": 1 - Q[0], "M / 2": float(replacement.unseen_probability(Q[0], SIZE // 2))},
            "P(the rarest is lost at one fit)",
        )
    )
    out.append(
        Evidence(
            BoundedMean(found["support"].astype(float), 1, Q.size),
            float(replacement.expected_distinct(Q, SIZE)),
            {"none lost": 5.0, "the rarest always lost": 4.0},
            "states left after one fit",
        )
    )
    for j, n in enumerate(PUBLISHED_TIMES):
        wrong = {"frozen": float((Q**2).sum()), "diploid, 2M": 1 - (1 - (Q**2).sum()) * (1 - 1 / (2 * SIZE)) ** n}
        if n == 1:
            wrong = {"a tenth generation": float(diversity(10)), "M / 4": 1 - (1 - (Q**2).sum()) * (1 - 4 / SIZE)}
        out.append(
            Evidence(
                BoundedMean(found["diversity"][:, j], 0, 1),
                float(diversity(n)),
                wrong,
                f"E sum p^2, {n} fit" + "s" * (n > 1),
            )
        )
    half = 70
    out.append(
        Evidence(
            Proportion.of(found["time"] <= half),
            float(fixation.fixation_time_cdf(Q, SIZE, half)),
            {
                "diploid, twice the time": float(fixation.fixation_time_cdf(Q, SIZE, half // 2)),
                "of 52 draws": float(fixation.fixation_time_cdf(Q, SIZE + 2, half)),
            },
            f"P(one state left by {half} fits)",
        )
    )
    return out


def table(found):
    mean, _ = fixation.fixation_time_moments(Q, SIZE)
    ever = 1 - np.bincount(found["winner"], minlength=Q.size) / found["winner"].size
    diffusion = -2 * SIZE * np.sum((1 - Q) * np.log1p(-Q))
    rows = [
        _paper.Row(
            "P(lost some day), each state", "1 - q, at 'some generation'", " ".join(f"{1 - q:.2f}" for q in Q), " ".join(f"{e:.3f}" for e in ever),
            "agrees: for ever, whatever M",
        ),
        _paper.Row(
            "P(lost at one fit), each state", "-", " ".join(f"{(1 - q) ** SIZE:.2g}" for q in Q),
            " ".join(f"{x:.2g}" for x in found["lost_first"].mean(0)), "(1 - q)^M, not 1 - q",
        ),
        _paper.Row(
            "states left after one fit", "-", f"{float(replacement.expected_distinct(Q, SIZE)):.4f}", f"{found['support'].mean():.4f}", "agrees",
        ),
        _paper.Row(
            "E sum p^2 after 1, 10, 50 fits", "-", " ".join(f"{float(diversity(n)):.4f}" for n in PUBLISHED_TIMES),
            " ".join(f"{x:.4f}" for x in found["diversity"].mean(0)), "agrees",
        ),
        _paper.Row(
            "mean fits until one state is left", "certain in the end", f"{mean:.2f} ({diffusion:.1f} by diffusion)",
            _paper.spread(found["time"].mean(), _paper.standard_error(found["time"])), "agrees",
        ),
    ]  # fmt: skip
    return rows


def draw(found):
    figure, axes = pyplot.subplots(2, 2, figsize=(10, 6.4), layout="constrained")
    colours = (plot.VERMILION, plot.ORANGE, plot.GREEN, plot.SKY, plot.BLUE)
    every = np.arange(1, LAST + 1)
    one, losses, growth, times = axes.flat
    one.stackplot(every, found["path"].T, colors=colours, labels=[f"q = {q:g}" for q in Q], lw=0)
    one.set(xlabel="fits", ylabel="probability of each state", xlim=(1, LAST // 3), ylim=(0, 1))
    one.set_title("one chain, that of median time, ends at one state", fontsize=10)
    handles, labels = one.get_legend_handles_labels()
    one.legend(handles[::-1], labels[::-1], fontsize=8, loc="upper right")
    some = np.unique(np.geomspace(1, LAST, 12).round().astype(int))
    for i, (q, colour) in enumerate(zip(Q, colours, strict=True)):
        losses.plot(every, support.absent_probability(q, SIZE, every), color=colour, lw=1.4)
        losses.plot(some, found["gone"][some - 1, i], "o", color=colour, mfc="white", ms=4)
        losses.plot([LAST * 1.06, LAST * 1.6], [1 - q] * 2, color=colour, lw=2.5, label="1 - q" if i == 0 else None)
    losses.set(xscale="log", xlim=(1, LAST * 1.6), ylim=(-0.02, 1.05), xlabel="fits", ylabel="P(state is lost)")
    losses.set_title("lost at one fit: (1 - q)ᴹ; some day: 1 - q (right edge)", fontsize=10)
    growth.plot(every, diversity(every), color=plot.BLACK, lw=1.4, label="exact, 1 - H₀ (1 - 1/M)ⁿ")
    shown = np.unique(np.linspace(1, LAST, 13).round().astype(int))
    growth.plot(
        shown,
        found["path_diversity"][shown - 1],
        "o",
        color=plot.BLUE,
        mfc="white",
        ms=5,
        label=f"{len(found['lost_first'])} chains",
    )
    growth.set(xlabel="fits", ylabel="E sum p²", ylim=(0, 1.02), xlim=(0, LAST))
    growth.set_title("diversity is lost at a known rate", fontsize=10)
    growth.legend(frameon=False, fontsize=8, loc="lower right")
    cdf = fixation.fixation_time_cdf(Q, SIZE, np.arange(0, LAST + 1))
    width = 10
    edges = np.arange(0, LAST + 1, width)
    times.stairs(
        np.histogram(found["time"], edges + 0.5)[0] / found["time"].size / width, edges, fill=True, color=plot.SKY, alpha=0.6,
        label=f"{found['time'].size} draws of the time",
    )  # fmt: skip
    times.plot(edges[1:] - width / 2, np.diff(cdf[edges]) / width, color=plot.BLACK, lw=1.4, label="exact")
    mean, _ = fixation.fixation_time_moments(Q, SIZE)
    times.axvline(mean, color=plot.VERMILION, lw=1.2, ls="--", label=f"exact mean, {mean:.1f}")
    times.set(xlabel="fits until one state is left", ylabel="probability per fit", xlim=(0, LAST), ylim=(0, None))
    times.set_title("when it ends", fontsize=10)
    times.legend(frameon=False, fontsize=8)
    return figure


if __name__ == "__main__":
    _paper.main(sys.modules[__name__])
