"""How fast a rare event is forgotten: the published bounds hold, and between them lies an exact law.

After arXiv 2412.17646 (Suresh, Thangaraj and Khandavally) and the notebook with it, at its parameters and 5,000 chains: an event of probability p_0 among n draws,
n p_0 = 10 and 1; the same for not yet being certain or gone, with the bounds of arXiv 2404.05090; 25 paths of one Bernoulli law; a Poisson law; the words of a
text (here the 64,000 of Python's help topics in the place of wikitext2); and the deviation of a normal law at 10 draws. With g_1 = 1, g_{k+1} = 1 - exp(-g_k) the first two bounds
are 1 - exp(-n p_0 g_k) from below and 1 - (1 - 3 n p_0^2 - 3 k p_0) exp(-n p_0 g_k) from above; the Poisson law is exact; the words sum the bounds up.
k counts data sets: the first is drawn from the truth.
"""

import functools
import sys

import _paper
import numpy as np
from matplotlib import pyplot

import modelcollapse as mc
from modelcollapse import datasets, plot
from modelcollapse.verify.evidence import Evidence, Proportion
from modelcollapse_theory import exponential_families, gaussian, lineage_limits, support

SHOWS = (
    "Six panels: survival of rare events within published bounds; chance to be neither gone nor certain; 25 single "
    "paths that end at 0 or 1; survival under a Poisson law; words left of 3,165 over ten fits; and the chance that a "
    "deviation is above 0.1, below two bounds."
)
SEE = (
    "the published bounds hold, some of them far from the truth (wide areas, broken lines); the exact curve runs "
    "between them, through the simulated marks."
)

BERNOULLI, UNTIL = ((0.001, 10_000), (0.01, 100)), 50
PATHS = (0.2, 100, 600, 25)
POISSON, DRAWS, LAST = (1.0, 10.0), 10, 500
WORDS, RUNS = 10, 5
NORMAL, THRESHOLD, FITS = 10, 0.1, 200


def numbers(small=False, seed=0, progress=False):
    chains, record = 5000, np.unique(np.geomspace(1, LAST, 25).round().astype(int)) - 1
    found = {"alive": {}, "open": {}, "poisson": {}, "record": record + 1}
    for i, (p, n) in enumerate(BERNOULLI):
        law = np.asarray(
            mc.simulate(
                mc.Binomial(),
                mc.bernoulli(p),
                observe="mean",
                size=n,
                generations=UNTIL - 1,
                chains=chains,
                seed=seed + i,
            )["mean"]
        )[:, :, 0]
        found["alive"][p, n], found["open"][p, n] = law > 0, (law > 0) & (law < 1)
    p, n, last, _paths = PATHS
    found["paths"] = np.asarray(
        mc.simulate(
            mc.Binomial(), mc.bernoulli(p), observe="mean", size=n, generations=last - 1, chains=2000, seed=seed + 2
        )["mean"]
    )[:, :, 0]
    for i, mean in enumerate(POISSON):
        run = mc.simulate(
            mc.Poisson(),
            mc.poisson(mean),
            observe="extinct",
            size=DRAWS,
            generations=LAST - 1,
            chains=chains,
            seed=seed + 3 + i,
            record=record,
        )
        found["poisson"][mean] = ~np.asarray(run["extinct"])
    _, counts = datasets.word_counts()
    counts = counts[:400] if small else counts
    found["law"], found["tokens"] = counts / counts.sum(), int(counts.sum()) if not small else 2000
    found["words"] = np.asarray(
        mc.simulate(
            mc.Discrete(), mc.categorical(found["law"], normalise=True), observe="support_size", size=found["tokens"], generations=WORDS - 1,
            chains=100 if small else RUNS, seed=seed + 5,
        )["support_size"]
    )  # fmt: skip
    logs = np.asarray(
        mc.simulate(
            mc.Gaussian(),
            mc.normal(),
            observe="log_variance",
            size=NORMAL,
            generations=FITS - 1,
            chains=chains,
            seed=seed + 6,
        )["log_variance"][:, :, 0],
        np.float64,
    )
    found["above"] = logs > 2 * np.log(THRESHOLD)
    return found


def bounds(p, n, k):
    """Of P(the event is in data set k), for each k."""
    missing = np.exp(-n * p * lineage_limits.surviving_fraction(k))
    return 1 - missing, np.minimum(1 - (1 - 3 * n * p**2 - 3 * k * p) * missing, 1)


def open_bounds(p, n, k):
    """Of P(neither certain nor gone), by arXiv 2404.05090."""
    decay = p * (1 - p) * (1 - 1 / n) ** k
    return 4 * decay, np.minimum(2 * n * decay, 1)


def word_bounds(law, n, k):
    """Of the mean number of words left."""
    missing = np.exp(-n * law * lineage_limits.surviving_fraction(k)[:, None])
    factor = np.maximum(1 - 3 * n * law**2 - 3 * k[:, None] * law, 0)
    return (1 - missing).sum(1), (1 - factor * missing).sum(1)


def markov_bounds(k):
    """Of P(sigma_k > threshold), sharp and as printed."""
    return (
        np.minimum(gaussian.expected_deviation(NORMAL, k) / THRESHOLD, 1),
        np.minimum(np.exp(-k / (4 * NORMAL - 1)) / THRESHOLD, 1),
    )


@functools.cache
def _present(p, n):
    return support.present_probability(p, n, np.arange(1, UNTIL + 11))


@functools.cache
def _opposite_absent(p, n):
    return support.absent_probability(1 - p, n, np.arange(1, UNTIL + 1))


def alive(p, n, k):
    """P(the event is in data set k), exact, k up to 60."""
    return _present(p, n)[np.asarray(k) - 1]


def still_open(p, n, k):
    """P(neither gone nor certain), exact: both the event and its opposite are alive."""
    k = np.asarray(k)
    return np.maximum(alive(p, n, k) - _opposite_absent(p, n)[k - 1], 0)


def evidence(found):
    out = []
    for p, n in BERNOULLI:
        for k in (10, UNTIL):
            exact = float(alive(p, n, k))
            wrong = {"one fit": float(alive(p, n, 1)), "mean count gone, (1 - 1/n)^k": (1 - 1 / n) ** k}
            if n * p < 5:
                wrong = {"one fit": float(alive(p, n, 1)), "k + 10 fits": float(alive(p, n, k + 10))}
                if k == UNTIL:
                    wrong = {"one fit": float(alive(p, n, 1)), "k / 2 fits": float(alive(p, n, k // 2))}
            out.append(
                Evidence(
                    Proportion.of(found["alive"][p, n][:, k - 1]),
                    exact,
                    wrong,
                    f"P(alive), p_0 = {p:g}, n = {n}, k = {k}",
                )
            )
    p, n = BERNOULLI[1]
    out.append(
        Evidence(
            Proportion.of(found["open"][p, n][:, 19]),
            float(still_open(p, n, 20)),
            {"lower bound": float(open_bounds(p, n, 20)[0]), "upper bound": float(open_bounds(p, n, 20)[1])},
            "P(neither gone nor certain), n = 100, k = 20",
        )
    )
    p, n, last, _ = PATHS
    out.append(
        Evidence(
            Proportion.of(found["paths"][:, -1] == 1),
            float(support.absent_probability(1 - p, n, last)),
            {"to the likelier state only": 0.0, "half": 0.5},
            f"P(certain by {last} fits), p_0 = {p}",
        )
    )
    for mean in POISSON:
        at = int(np.searchsorted(found["record"], 100 if mean > 1 else 20))
        k = int(found["record"][at])
        exact = 1 - float(exponential_families.poisson_extinction(mean, DRAWS, k))
        out.append(
            Evidence(
                Proportion.of(found["poisson"][mean][:, at]),
                exact,
                {
                    "twice the fits": 1 - float(exponential_families.poisson_extinction(mean, DRAWS, 2 * k)),
                    "n / 2": 1 - float(exponential_families.poisson_extinction(mean, DRAWS // 2, k)),
                },
                f"P(Poisson alive), mean {mean:g}, k = {k}",
            )
        )
    law, tokens = found["law"], found["tokens"]
    exact = support.expected_support(law, tokens, np.arange(1, WORDS + 1))
    for k in (1, WORDS):
        spread = np.sqrt(float(support.support_variance(law, tokens, k)) / len(found["words"]))
        out.append(
            Evidence(
                # few runs, so the error is from the exact variance
                _paper.Quoted(float(found["words"][:, k - 1].mean()), spread),
                float(exact[k - 1]),
                {"one fit off": float(exact[1 if k == 1 else k - 2])},
                f"words left after {k} fit" + "s" * (k > 1),
            )
        )
    k = 60
    sharp, printed = (float(b[0]) for b in markov_bounds(np.array([k])))
    out.append(
        Evidence(
            Proportion.of(found["above"][:, k - 1]),
            float(gaussian.log_variance_sf(2 * np.log(THRESHOLD), NORMAL, k)),
            {"the bound itself": sharp, "the bound as printed": printed},
            f"P(sigma > {THRESHOLD}), {NORMAL} draws, {k} fits",
        )
    )
    return out


def table(found):
    rows, k = [], np.array([10])
    for p, n in BERNOULLI:
        low, high = (float(b[0]) for b in bounds(p, n, k))
        rows.append(
            _paper.Row(
                f"P(alive), p_0 = {p:g}, n = {n}, k = 10", f"{low:.4f} to {high:.4f}", f"{float(alive(p, n, 10)):.4f}",
                f"{found['alive'][p, n][:, 9].mean():.4f}", "agrees: the lower bound is nearly exact",
            )
        )  # fmt: skip
        low, high = (float(b[0]) for b in open_bounds(p, n, k))
        exact = float(still_open(p, n, 10))
        rows.append(
            _paper.Row(
                f"P(neither gone nor certain), n = {n}, k = 10", f"{low:.4f} to {high:.4f}", f"{exact:.4f}",
                f"{found['open'][p, n][:, 9].mean():.4f}", "agrees: within wide bounds",
            )
        )  # fmt: skip
    p, n, last, _ = PATHS
    rows.append(
        _paper.Row(
            f"paths that end at 1, p_0 = {p}, n = {n}", "about 20%", f"{p:.0%} in the end",
            f"{(found['paths'][:, -1] == 1).mean():.1%} by {last} fits", "agrees",
        )
    )  # fmt: skip
    at = -1
    for mean in POISSON:
        exact = 1 - float(exponential_families.poisson_extinction(mean, DRAWS, int(found["record"][at])))
        rows.append(
            _paper.Row(
                f"P(Poisson alive), mean {mean:g}, k = {found['record'][at]}", f"{exact:.4f}", f"{exact:.4f}",
                f"{found['poisson'][mean][:, at].mean():.4f}", "agrees: their formula is exact",
            )
        )  # fmt: skip
    law, tokens = found["law"], found["tokens"]
    low, high = (float(b[0]) for b in word_bounds(law, tokens, np.array([WORDS])))
    rows.append(
        _paper.Row(
            f"words left of {law.size} after {WORDS} fits", f"{low:.1f} to {high:.1f}",
            f"{float(support.expected_support(law, tokens, WORDS)):.1f}", f"{found['words'][:, -1].mean():.1f}",
            f"agrees; another text: {tokens} words, not wikitext2",
        )
    )  # fmt: skip
    sharp, printed = (float(b[0]) for b in markov_bounds(np.array([100])))
    rows.append(
        _paper.Row(
            f"P(sigma > {THRESHOLD}), {NORMAL} draws, k = 100", f"at most {printed:.3f}",
            f"{float(gaussian.log_variance_sf(2 * np.log(THRESHOLD), NORMAL, 100)):.4f}", f"{found['above'][:, 99].mean():.4f}",
            f"agrees; c4(n)^k gives at most {sharp:.3f}",
        )
    )  # fmt: skip
    return rows


def draw(found):
    figure, axes = pyplot.subplots(2, 3, figsize=(12.5, 7), layout="constrained")
    survival, neither, paths, poisson, words, normal = axes.flat
    k, some = np.arange(1, UNTIL + 1), np.unique(np.geomspace(1, UNTIL, 12).round().astype(int))
    styles = (plot.BLUE, plot.VERMILION)
    for (p, n), colour in zip(BERNOULLI, styles, strict=True):
        low, high = bounds(p, n, k)
        survival.fill_between(k, low, high, color=colour, alpha=0.15, lw=0)
        survival.plot(k, alive(p, n, k), color=colour, lw=1.4)
        survival.plot(
            some,
            found["alive"][p, n][:, some - 1].mean(0),
            "o",
            color=colour,
            mfc="white",
            ms=5,
            label=f"p₀ = {p:g}, n = {n}",
        )
        low, high = open_bounds(p, n, k)
        neither.plot(k, low, "--", color=colour, lw=1)
        neither.plot(k, high, ":", color=colour, lw=1.2)
        neither.plot(k, still_open(p, n, k), color=colour, lw=1.4)
        neither.plot(
            some,
            found["open"][p, n][:, some - 1].mean(0),
            "o",
            color=colour,
            mfc="white",
            ms=5,
            label=f"p₀ = {p:g}, n = {n}",
        )
    survival.set(xlabel="fits k", ylabel="P(event still there)", ylim=(0, 1.05))
    survival.set_title("lines exact, areas: published bounds", fontsize=10)
    survival.legend(frameon=False, fontsize=8)
    neither.set(xlabel="fits k", ylabel="P(neither gone nor certain)", yscale="log", ylim=(0.002, 9))
    neither.set_title("lines exact; broken: bounds of 2404.05090", fontsize=10)
    neither.legend(frameon=False, fontsize=8, loc="upper right")
    p, n, last, count = PATHS
    every = np.arange(1, last + 1)
    for path in found["paths"][:count]:
        paths.plot(every, path, lw=0.8, color=plot.BLUE if path[-1] < p else plot.VERMILION, alpha=0.7)
    paths.set(xlabel="fits", ylabel="probability of the event", xlim=(1, last), ylim=(-0.02, 1.02))
    at_one, at_zero = ((found["paths"][:count, -1] == end).sum() for end in (1, 0))
    paths.set_title(f"{count} paths, p₀ = {p}, n = {n}: {at_zero} at 0, {at_one} at 1", fontsize=10)
    record = found["record"]
    for mean, colour in zip(POISSON, styles, strict=True):
        exact = [1 - float(exponential_families.poisson_extinction(mean, DRAWS, int(n))) for n in record]
        poisson.plot(record, exact, color=colour, lw=1.4)
        poisson.plot(
            record, found["poisson"][mean].mean(0), "o", color=colour, mfc="white", ms=5, label=f"mean {mean:g}"
        )
    poisson.set(xscale="log", xlabel="fits k", ylabel="P(not all counts 0)", ylim=(0, 1.05))
    poisson.set_title(f"Poisson, n = {DRAWS}; lines exact, as published", fontsize=10)
    poisson.legend(frameon=False, fontsize=8)
    law, tokens = found["law"], found["tokens"]
    n = np.arange(1, WORDS + 1)
    low, high = word_bounds(law, tokens, n)
    words.fill_between(n, low, high, color=plot.BLUE, alpha=0.15, lw=0, label="published bounds")
    words.plot(n, support.expected_support(law, tokens, n), color=plot.BLACK, lw=1.4, label="exact mean")
    words.plot(n, found["words"].T, "o", color=plot.BLUE, mfc="white", ms=4)
    words.set(xlabel="fits", ylabel="different words left")
    words.set_title(f"{law.size} words, {tokens} tokens, {len(found['words'])} runs", fontsize=10)
    words.legend(frameon=False, fontsize=8)
    n = np.arange(1, FITS + 1)
    sharp, printed = markov_bounds(n)
    normal.plot(n, printed, ":", color=plot.VERMILION, lw=1.6, label="bound exp(-k/(4n - 1))/ε")
    normal.plot(n, sharp, "--", color=plot.GREEN, lw=1.4, label="bound c4(n)ᵏ/ε")
    normal.plot(
        n[9::10],
        gaussian.log_variance_sf(2 * np.log(THRESHOLD), NORMAL, n[9::10]),
        color=plot.BLACK,
        lw=1.4,
        label="exact",
    )
    normal.plot(
        n[9::10], found["above"][:, 9::10].mean(0), "o", color=plot.BLUE, mfc="white", ms=5, label="5000 chains"
    )
    normal.set(xlabel="fits k", ylabel=f"P(sigma > {THRESHOLD})", ylim=(0, 1.05))
    normal.set_title(f"normal law, n = {NORMAL}", fontsize=10)
    normal.legend(frameon=False, fontsize=8)
    return figure


if __name__ == "__main__":
    _paper.main(sys.modules[__name__])
