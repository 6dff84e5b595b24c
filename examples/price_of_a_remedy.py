"""The price of a remedy: what each leaves of the diversity after 50 fits, exact and simulated, and what it costs.

A vocabulary of 20 words is refitted to 100 of its own draws. A fit to M real items loses the fraction 1/M of the
diversity, so 1/loss says how many real items, all fitted at once, keep as much. Bars are that of the exact loss of
``modelcollapse_theory.remedies.price_table``, dots that of simulated chains, and a line marks where a remedy ends if it
goes on for ever (1: nothing is left). Ten real items a fit buy ten times as much if they are weighed right beside many synthetic ones
as if the synthetic ones are thrown away; a detector that only removes makes things worse.
"""

import _common
import numpy as np
from matplotlib import pyplot

import modelcollapse as mc
from modelcollapse import families, plot, regimes
from modelcollapse_theory import flag_weights, remedies, weights

SIZE, REAL, SYNTHETIC, FITS, RATE = 100, 10, 990, 50, 0.3
TRUE_POSITIVE, FALSE_POSITIVE = 0.9, 0.1
PRICES = 137  # where the words of the prices begin, to the right of all bars
LAW = (1 / np.arange(1, 21)) / (1 / np.arange(1, 21)).sum()


def processes():
    """Family, regime and size of every row of the table, in its order; sizes are of later data sets."""
    discrete, share, large = mc.Discrete(), REAL / SIZE, REAL + SYNTHETIC
    pool, rates = regimes.Mixture(1 - share, 0.0, share), (TRUE_POSITIVE, FALSE_POSITIVE)
    omega = flag_weights.best_flag_weight(share, *rates)
    times = -(-SYNTHETIC // SIZE)
    return [
        (discrete, regimes.Replace(), SIZE),
        (families.Posterior(discrete, 0.0), regimes.Replace(), SIZE),
        (discrete, regimes.Retain(0.5), SIZE),
        (families.Oversampled(discrete, times), regimes.Replace(), SIZE),
        (families.Ensemble(discrete, times), regimes.Replace(), SIZE),
        (families.Damped(discrete, RATE), regimes.Replace(), SIZE),
        (families.Stratified(discrete), regimes.Replace(), SIZE),
        (discrete, regimes.Accumulate(), SIZE),
        (discrete, regimes.FixedReal(share), SIZE),
        (families.Posterior(discrete, float(REAL)), regimes.Replace(), SIZE),
        (families.Posterior(discrete, float(REAL), per="item"), regimes.Replace(), SIZE),
        (discrete, regimes.FreshReal(1.0), REAL),
        (discrete, regimes.FreshReal(share), SIZE),
        (discrete, regimes.Weighted(float(weights.best(REAL, SIZE - REAL)), share), SIZE),
        (discrete, regimes.FreshReal(REAL / large), large),
        (discrete, regimes.Weighted(float(weights.best(REAL, SYNTHETIC)), REAL / large), large),
        (discrete, regimes.Detected(pool, *rates, refill=False), SIZE),
        (discrete, regimes.Detected(pool, *rates, weight=omega), SIZE),
        (discrete, regimes.Detected(pool, *rates), SIZE),
    ]


def price(row):
    """What a row costs, in words."""
    paid = [f"{row.real:.3g} real a fit"] if row.real else []
    paid += [f"{row.once:g} real, once"] if row.once else []
    paid += [f"{row.drawn:.4g} drawn, {row.trained:.4g} trained on"]
    paid += [f"{row.memory:.4g} stored"] if row.memory else []
    needed = {"law": "model's law", "prior": "prior at the truth"}
    return ", ".join([*paid, *([needed.get(row.needs, row.needs)] if row.needs else [])])


def lost(family, regime, size, chains, seed):
    """Mean and standard error of 1 - H_n/H_0 over simulated chains, after the first fit to SIZE real items."""
    sizes = np.array([SIZE] + [size] * (FITS - 1))
    run = mc.simulate(
        family, mc.categorical(LAW), regime, "heterozygosity", size=sizes, generations=FITS - 1, chains=chains,
        seed=seed, record=[FITS - 1],
    )  # fmt: skip
    seen = 1 - run["heterozygosity"][:, 0].astype(np.float64) / (1 - LAW @ LAW)
    return seen.mean(), seen.std(ddof=1) / np.sqrt(chains)


def simulated(seen):
    """Worth and error bars (two standard errors of the loss) of each row."""
    mean, error = np.array(seen).T
    low, high = 1 / (mean + 2 * error), 1 / np.maximum(mean - 2 * error, 1e-3)
    return 1 / mean, [1 / mean - low, high - 1 / mean]


def main(argv=None):
    chosen = _common.options(__doc__.splitlines()[0], argv)
    chains = 200 if chosen.small else 5_000
    table = remedies.price_table(SIZE, REAL, SYNTHETIC, TRUE_POSITIVE, FALSE_POSITIVE, fits=FITS, rate=RATE)
    seen = [lost(*process, chains, chosen.seed) for process in processes()]
    rows = [(row.remedy, row.loss, *pair) for row, pair in zip(table, seen, strict=True)]
    colours = [plot.BLUE if not (row.real or row.once or row.needs == "prior") else plot.VERMILION for row in table]
    figure, ax = pyplot.subplots(figsize=(11.5, 7), layout="constrained")
    places = np.arange(len(table))[::-1]
    ax.barh(places, [1 / row.loss for row in table], color=colours, alpha=0.45, height=0.7)
    worth, bars = simulated(seen)
    ax.errorbar(
        worth, places, xerr=bars, fmt="o", color="0.15", ms=4, lw=1, label=f"simulated, {chains} chains (2 s.e.)"
    )
    ax.plot([1 / row.limit for row in table], places, "|", color="0.15", ms=13, mew=1.6, label="for ever")
    for row, place in zip(table, places, strict=True):
        ax.text(PRICES, place, price(row), va="center", fontsize=9, color="0.15")
    ax.text(PRICES, len(table) - 0.4, "price", va="bottom", fontsize=10)
    ax.set_yticks(places, [row.remedy for row in table], fontsize=9)
    ax.set_xlabel(f"worth after {FITS} fits, in real items fitted once: 1 / loss, loss = 1 - E H_n / H_0", x=0.25)
    ax.set(xlim=(0, 250), xticks=range(0, 121, 20))
    ax.barh(-5, 1, color=plot.BLUE, alpha=0.45, label="no real items after the first fit")
    ax.barh(-5, 1, color=plot.VERMILION, alpha=0.45, label="real items, or a prior that knows the truth")
    ax.set_ylim(-0.7, len(table) + 0.3)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines["bottom"].set_bounds(0, 125)
    ax.set_title(f"what each remedy keeps, and its price; the first fit is to {SIZE} real items", fontsize=11)
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    _common.save(figure, "price_of_a_remedy", chosen)
    pyplot.close(figure)
    _common.table(f"loss after {FITS} fits", rows)
    return rows


if __name__ == "__main__":
    main()
