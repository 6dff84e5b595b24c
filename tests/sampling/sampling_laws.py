"""Referees for samplers: goodness of fit against an exact law, as p-values that a right sampler makes uniform."""

import numpy as np
from scipy import stats

# Right samplers fall below ACCEPT once in ten thousand comparisons, over seeds; near misses must fall below REJECT.
ACCEPT, REJECT = 1e-4, 1e-9


def chi_square_p(draws, pmf, support):
    """P-value of integer draws against ``pmf`` on ``support``; cells of small expectation are pooled from both ends."""
    draws, support = np.asarray(draws).ravel(), np.asarray(support)
    expected = pmf(support) * draws.size
    values, seen = np.unique(draws, return_counts=True)
    observed = np.zeros(support.size)
    inside = np.isin(values, support)
    observed[np.searchsorted(support, values[inside])] = seen[inside]
    if observed.sum() != draws.size:
        expected = np.append(expected, max(draws.size - expected.sum(), 1e-300))
        observed = np.append(observed, draws.size - observed.sum())
    edges, total = [0], 0.0
    after = expected.sum() - np.cumsum(expected)
    for index, value in enumerate(expected):
        total += value
        if total >= 20 and after[index] >= 20:
            edges.append(index + 1)
            total = 0.0
    o, e = np.add.reduceat(observed, edges), np.add.reduceat(expected, edges)
    if len(o) == 1:
        return 1.0 if o[0] == draws.size else 0.0
    return stats.chi2.sf(((o - e) ** 2 / e).sum(), len(o) - 1)


def randomised_ks_p(draws, law, seed=0):
    """P-value of discrete draws by the randomised probability integral transform, for supports too wide to count."""
    draws = np.asarray(draws).ravel().astype(np.int64)
    values = np.unique(draws)
    cdf, mass = law.cdf(values), law.pmf(values)
    where = np.searchsorted(values, draws)
    uniform = np.random.default_rng(seed).random(draws.size)
    return stats.kstest(np.clip(cdf[where] - uniform * mass[where], 0, 1), "uniform").pvalue


def cells_p(cells, probability):
    """P-value of a sample of hashable outcomes against a dictionary of exact probabilities."""
    seen: dict = {}
    for cell in cells:
        seen[cell] = seen.get(cell, 0) + 1
    total = len(cells)
    if any(probability.get(cell, 0.0) == 0.0 for cell in seen):
        return 0.0
    keys = sorted(probability, key=lambda cell: probability[cell])
    e = np.array([probability[cell] for cell in keys]) * total
    o = np.array([seen.get(cell, 0) for cell in keys], float)
    rare = e < 10
    e, o = np.append(e[~rare], e[rare].sum()), np.append(o[~rare], o[rare].sum())
    e, o = e[e > 0], o[e > 0]
    return stats.chi2.sf(((o - e) ** 2 / e).sum(), len(o) - 1)
