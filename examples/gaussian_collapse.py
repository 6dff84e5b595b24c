"""The Gaussian collapse of the Nature paper: variance and W2 against their closed forms, and a published formula that
is off.

A normal law is refitted to 100 of its own draws, with the unbiased variance. The variance of every chain goes to 0 in
the end, though its mean does not. The expected squared Wasserstein-2 distance grows as n/M + 2 (1 - c4(M)^n); equation
7 of arXiv 2305.17493 leaves out how sigma drifted over the earlier fits, and is too small from the second fit on.
"""

import _common
import numpy as np
from matplotlib import pyplot

import modelcollapse as mc
from modelcollapse import plot
from modelcollapse_theory import gaussian, wasserstein


def main(argv=None):
    chosen = _common.options(__doc__.splitlines()[0], argv)
    size, until = 100, 50
    generations, chains = (100, 1000) if chosen.small else (1000, 5000)
    record = np.unique(np.concatenate([np.arange(until), np.arange(until, generations + 1, 5)]))
    run = mc.simulate(
        mc.Gaussian(),
        mc.normal(),
        observe=["log_variance", "w2_squared"],
        size=size,
        generations=generations,
        chains=chains,
        seed=chosen.seed,
        record=record,
    )
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    plot.variance_and_w2(
        run,
        axes,
        log_variance={"exp of the exact mean log variance": lambda g: gaussian.expected_log_variance(size, g + 1)},
        w2={
            "exact": lambda g: wasserstein.expected_squared_distance(size, g + 1),
            "arXiv 2305.17493, eq. 7": lambda g: wasserstein.arxiv_2305_17493_equation_7(np.full(until, size))[g],
        },
        w2_until=until - 1,
    )
    axes[0].set_title(f"the typical variance goes to 0 (sample size {size})", fontsize=10)
    axes[1].set_title("and the distance to the truth grows", fontsize=10)
    _common.save(figure, "gaussian_collapse", chosen)
    pyplot.close(figure)
    rows = []
    for fits in (1, 10, 50):
        w2 = run["w2_squared"][:, fits - 1]
        measured = w2.mean(), w2.std(ddof=1) / np.sqrt(chains)
        exact = wasserstein.expected_squared_distance(size, fits)
        wrong = wasserstein.arxiv_2305_17493_equation_7(np.full(fits, size))[-1]
        rows += [(f"E W2^2 after {fits} fits", exact, *measured), (f"  by eq. 7, after {fits} fits", wrong, *measured)]
    last = run["log_variance"][:, -1, 0]
    exact, error = gaussian.expected_log_variance(size, generations + 1), last.std(ddof=1) / np.sqrt(chains)
    rows.append((f"E log variance after {generations + 1} fits", exact, last.mean(), error))
    _common.table("", rows)
    return rows


if __name__ == "__main__":
    main()
