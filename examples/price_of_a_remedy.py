"""The price of a remedy: what each leaves of the diversity after 50 fits, exact and simulated, and what it costs.

A vocabulary of 20 words is refitted to 100 of its own draws. Bars are the exact loss of diversity of
``modelcollapse_theory.remedies.price_table``, dots the loss of simulated chains, and a line marks where a remedy ends
if it goes on for ever. Ten real items a fit buy ten times as much if they are weighed right beside many synthetic ones
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


def main(argv=None):
    chosen = _common.options(__doc__.splitlines()[0], argv)
    chains = 200 if chosen.small else 2000
    table = remedies.price_table(SIZE, REAL, SYNTHETIC, TRUE_POSITIVE, FALSE_POSITIVE, fits=FITS, rate=RATE)
    seen = [lost(*process, chains, chosen.seed) for process in processes()]
    rows = [(row.remedy, row.loss, *pair) for row, pair in zip(table, seen, strict=True)]
    colours = [plot.BLUE if not (row.real or row.once or row.needs == "prior") else plot.VERMILION for row in table]
    figure, ax = pyplot.subplots(figsize=(11.5, 7), layout="constrained")
    places = np.arange(len(table))[::-1]
    ax.barh(places, [row.loss for row in table], color=colours, alpha=0.45, height=0.7)
    ax.errorbar(
        [mean for mean, _ in seen], places, xerr=[2 * error for _, error in seen], fmt="o", color="0.15", ms=4, lw=1,
        label=f"simulated, {chains} chains (2 s.e.)",
    )  # fmt: skip
    ax.plot([row.limit for row in table], places, "|", color="0.15", ms=13, mew=1.6, label="for ever")
    for row, place in zip(table, places, strict=True):
        ax.text(1.25, place, price(row), va="center", fontsize=8, color="0.25")
    ax.set_yticks(places, [row.remedy for row in table], fontsize=9)
    ax.set(xscale="log", xlim=(0.006, 1.15), xlabel=f"loss of diversity after {FITS} fits: 1 - E H_n / H_0")
    ax.barh(-5, 0.1, color=plot.BLUE, alpha=0.45, label="no real items after the first fit")
    ax.barh(-5, 0.1, color=plot.VERMILION, alpha=0.45, label="real items, or a prior that knows the truth")
    ax.set_ylim(-0.7, len(table) - 0.3)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_title(f"what is lost with each remedy, and its price; M = {SIZE}, r = {REAL} real items", fontsize=11)
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    _common.save(figure, "price_of_a_remedy", chosen)
    pyplot.close(figure)
    _common.table(f"loss after {FITS} fits", rows)
    return rows


if __name__ == "__main__":
    main()
