r"""What becomes of models that learn from one another: which collapse, how fast, and whose states survive.

Backwards in time two draws from fits i and j are a pair of walkers: at a model's own pair (i, i) they coalesce with
chance 1/M_i, else each steps to the source of its item. So v_ij in the long run is the chance that they ever meet in
one item, and everything here is a property of that walk on pairs of models,

.. math:: A_{(ij),(kl)} = (1 - [i = j]/M_i)\, W_{ik} W_{jl}, \qquad V = \mathrm{diag}(1/M_i) + A V .

``weights`` W (D, D), ``real`` g (D,) and ``sizes`` M (D,) as in ``populations``, the same in every fit. Derived in
theory/derivations/populations.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modelcollapse_theory._domain import Array, NotCovered, law, one_real, one_whole
from modelcollapse_theory._domain import real as finite
from modelcollapse_theory._exchange import LONGEST_RUN, Exchange, counted_exchange, exchange
from modelcollapse_theory._register import theorem

Mask = NDArray[np.bool_]
_SOURCE = "derived in theory/derivations/populations.md"
_MOST_MODELS = 40  # all pairs of models are solved for at once
_MOST_ENTRIES = 2 * 10**7


def _constant(setting: Exchange) -> tuple[Array, Array, Array]:
    """W, g and M of an exchange that is the same in every fit."""
    name = "counts" if setting.counted else "weights"
    if len(setting.weights) > 1 or len(setting.real) > 1 or len(setting.sizes) > 1:
        raise NotCovered(f"{name}, real and sizes must be the same in every fit: a schedule has no long run")
    if setting.models > _MOST_MODELS:
        raise NotCovered(f"{name} must be of at most {_MOST_MODELS} models, got {setting.models}")
    return setting.weights[0], setting.real[0], setting.sizes[0]


def _pairs(setting: Exchange) -> Array:
    """A (D^2, D^2): where two draws that have not coalesced come from, real items left out."""
    weights, _, sizes = _constant(setting)
    table = np.einsum("ik,jl->ijkl", weights, weights)
    for i, size in enumerate(sizes):
        if setting.counted:  # two different items, of fixed numbers
            counts = np.rint(weights[i] * size)
            table[i, i] = (np.outer(counts, counts) - np.diag(counts)) / size**2
        else:
            table[i, i] *= 1 - 1 / size
    return table.reshape(sizes.size**2, sizes.size**2)


def _reaching(chances: Array, goal: Mask) -> Mask:
    """The places (N,) from which a walk with steps ``chances`` (N, N) may get to ``goal`` (N,)."""
    steps = (chances > 0).astype(np.float64)
    while True:
        more = goal | (steps @ goal > 0)
        if np.array_equal(more, goal):
            return goal
        goal = more


def _long_run(setting: Exchange) -> Array:
    pairs, (_, _, sizes) = _pairs(setting), _constant(setting)
    # pairs that cannot meet share nothing; from all others the walk ends, so that the solution is unique
    some = _reaching(pairs, np.eye(sizes.size, dtype=bool).ravel())
    value = np.zeros(sizes.size**2)
    chance = np.diag(1 / sizes).ravel()[some]
    value[some] = np.linalg.solve(np.eye(chance.size) - pairs[np.ix_(some, some)], chance)
    return np.clip(value, 0.0, 1.0).reshape(sizes.size, sizes.size)


@theorem(
    statement="V_n -> the least solution of V = diag(1/M) + A V, A the walk of pairs: v_ij = P(two lines ever meet)",
    conditions="each item real with probability g_i or from model j with probability W_ij; any graph, periodic too",
    order="exact",
    source=_SOURCE,
)
def losses_limit(weights: ArrayLike, real: ArrayLike, sizes: ArrayLike) -> Array:
    r"""V (D, D) in the long run: 1 where all is lost, 0 between models that have no source in common.

    V_n never falls and always converges, with the rate of ``decay``. Exact. Raises ValueError as ``populations.losses``
    and NotCovered for schedules.
    """
    return _long_run(exchange(weights, real, sizes))


@theorem(
    statement="v_ij = P(two lines ever meet), the pair (i, i) going to two different ones of the c_ik items",
    conditions="exactly c_ij items of model i come from model j and r_i are real",
    order="exact",
    source=_SOURCE,
)
def losses_limit_by_counts(counts: ArrayLike, real: ArrayLike) -> Array:
    """``losses_limit`` for fixed numbers of items, given as in ``populations.losses_by_counts``. Exact."""
    return _long_run(counted_exchange(counts, real))


@theorem(
    statement="v_ii -> 1 iff two walkers from (i, i) can neither step to real data nor to places that never meet",
    conditions="each item real with probability g_i or from model j with probability W_ij",
    order="exact",
    source="cf. arXiv 2605.20151; " + _SOURCE,
)
def collapses(weights: ArrayLike, real: ArrayLike, sizes: ArrayLike) -> Mask:
    """Which models lose everything in the long run: booleans (D,).

    A real share anywhere that model i can reach, from source to source, saves it; so does it to learn from two groups
    that do not learn from one another, although each group by itself collapses; two models that only swap (a periodic
    graph) are two such groups for a third. A model of one item is always collapsed. Decided by the graph alone, with
    no tolerance. Raises as ``losses_limit``.
    """
    setting = exchange(weights, real, sizes)
    pairs, (_, share, size) = _pairs(setting), _constant(setting)
    may_meet = _reaching(pairs, np.eye(size.size, dtype=bool).ravel())
    alone = size == 1  # two draws of one item have met: there is no step
    to_real = (share[:, None] + share > 0) & ~np.diag(alone)
    saved = _reaching(pairs, ~may_meet | to_real.ravel())
    return ~np.diag(saved.reshape(size.size, size.size))


@theorem(
    statement="V_inf - V decays by the Perron root of A, (1 - [i = j]/M_i) W_ik W_jl, on the pairs that can meet: "
    "without real data the largest eigenvalue below 1 of the chain of all models",
    conditions="each item real with probability g_i or from model j with probability W_ij; the eigenvalue: g = 0, W "
    "irreducible and aperiodic",
    order="exact",
    source="own; leading eigenvalue of the island model: Nagylaki 1980; " + _SOURCE,
)
def decay(weights: ArrayLike, real: ArrayLike, sizes: ArrayLike) -> float:
    r"""The factor lambda by which what is still to be lost, V_infinity - V_n, shrinks with each fit in the long run.

    Without real data :math:`1 - V_n \sim \lambda^n` between models that meet, and 1/(1 - lambda) is the size of the one
    model that collapses at this rate. Pairs that never meet lose nothing and do not count. Exact. Raises as
    ``losses_limit``.
    """
    setting = exchange(weights, real, sizes)
    pairs, models = _pairs(setting), setting.models
    # the root has a vector that is symmetric: unordered pairs are enough
    some = _reaching(pairs, np.eye(models, dtype=bool).ravel()).reshape(models, models)
    first, second = np.nonzero(np.triu(some))
    rows = pairs[first * models + second]
    folded = rows[:, first * models + second] + (first != second) * rows[:, second * models + first]
    return float(min(np.abs(np.linalg.eigvals(folded)).max(), 1.0))


def effective_size(weights: ArrayLike, sizes: ArrayLike) -> float:
    r"""M_e = 1/(1 - lambda) of ``decay`` without real data: the size of the one model that collapses as fast. Exact.

    Raises NotCovered where lambda rounds to 1, and as ``losses_limit``.
    """
    rate = decay(weights, 0, sizes)
    if rate > 1 - 1e-14:
        raise NotCovered("weights and sizes must let models meet at a rate that float64 tells from none, 1e-14")
    return 1 / (1 - rate)


def _stationary(weights: ArrayLike) -> Array:
    """The law pi of pi W = pi of an irreducible aperiodic W."""
    matrix, _, _ = _constant(exchange(weights, 0, 1))
    models = len(matrix)
    # of D models it has a positive power iff the power (D - 1)^2 + 1 and all later ones are positive (Wielandt)
    power, walked = matrix > 0, 1
    while walked < (models - 1) ** 2 + 1:
        power, walked = power.astype(np.float64) @ power > 0, 2 * walked
    if not power.all():
        raise NotCovered("weights must be irreducible and aperiodic: else not all models end in the same state")
    system = np.vstack([matrix.T - np.eye(models), np.ones(models)])
    solution = np.linalg.lstsq(system, np.append(np.zeros(models), 1.0), rcond=None)[0]
    return np.asarray(solution / solution.sum())


@theorem(
    statement="P(all models end at state x | fits p_i) = sum_i pi_i p_i(x), pi W = pi: pi_i is model i's reproductive "
    "value",
    conditions="no real data; W irreducible and aperiodic; any sizes",
    order="exact",
    source="classical (reproductive value, Fisher 1930; fixation in subdivided populations, Maruyama 1970); " + _SOURCE,
)
def survivor(weights: ArrayLike, laws: ArrayLike) -> Array:
    r"""The law (K,) of the state at which everything ends, given fits ``laws`` (D, K) today.

    The identity matrix for ``laws`` gives the reproductive values pi themselves: by how much each model counts. Sizes
    do not matter. Exact. Raises NotCovered where W is reducible or periodic: then not all models end alike.
    """
    value = _stationary(weights)
    return np.asarray(value @ _laws(laws, value.size))


def _laws(laws: ArrayLike, models: int) -> Array:
    table = finite("laws", laws)
    if table.ndim != 2 or len(table) != models:
        raise ValueError(f"laws must have one law for each of the {models} models, got shape {table.shape}")
    return np.stack([law("laws", row) for row in table])


@theorem(
    statement="M_e -> 1/sum_i pi_i^2/M_i, at most sum M_i, with equality iff pi_i is proportional to M_i",
    conditions="no real data; W irreducible, aperiodic and fixed while all sizes grow",
    order="leading for large M; M_e is off by O(1)",
    source="Nagylaki 1980; " + _SOURCE,
)
def strong_mixing_size(weights: ArrayLike, sizes: ArrayLike) -> float:
    r"""The limit of ``effective_size`` for large data sets, :math:`1/\sum_i \pi_i^2/M_i` with the pi of ``survivor``.

    Raises as ``survivor``.
    """
    value = _stationary(weights)
    _, _, size = _constant(exchange(weights, 0, sizes))
    return float(1 / (value**2 / size).sum())


@theorem(
    statement="E p_i -> (I - W)^-1 diag(g) q: every model ends at a mixture of all truths",
    conditions="models whose real data has laws q_i of their own; real data reaches every model",
    order="exact",
    source=_SOURCE,
)
def mean_laws_limit(weights: ArrayLike, real: ArrayLike, laws: ArrayLike) -> Array:
    r"""E p_i (D, K) in the long run, :math:`(I - W)^{-1} \mathrm{diag}(g)\, q`, for ``laws`` q (D, K).

    Row i of :math:`(I - W)^{-1} \mathrm{diag}(g)` says how much of model i comes from whose truth in the end (the
    identity for ``laws``): sizes do not matter. Exact. Raises NotCovered where a model has no real data that reaches
    it: its limit then depends on the start.
    """
    matrix, share, _ = _constant(exchange(weights, real, 1))
    truths = _laws(laws, share.size)
    if not _reaches_real(matrix, share):
        raise NotCovered(
            "real must reach every model, from source to source, for means that do not depend on the start"
        )
    return np.asarray(np.linalg.solve(np.eye(share.size) - matrix, share[:, None] * truths))


@theorem(
    statement="psi(j) = sum over sources and hits of psi(j'), psi(0) = 1: P(state absent from all of j_i items of each "
    "data set i)",
    conditions="each item real with probability g_i or from model j with probability W_ij; a state of probability q",
    order="exact",
    source="structured coalescent with killing; " + _SOURCE,
)
def absent(
    probability: float, weights: ArrayLike, real: ArrayLike, sizes: ArrayLike, fits: int | None = None
) -> tuple[Array, float]:
    r"""P(a state of probability q is missing from fit i), (D,), and from every fit; stationary where ``fits`` is None.

    Of j_i given items of each data set, each is real and another state (chance g_i (1 - q)) or a draw from model l
    (W_il); k draws from model l hit j'_l of its M_l items by the occupancy chance. psi is linear in its value one fit
    before: iterated from :math:`(1 - q)^{\sum j}`, or solved. The answers are psi at j_i = M_i alone and at all j = M.
    Exact. Raises NotCovered where sum and product of the sizes are too large for it (two models: about 40 items each),
    and without ``fits`` where a model has no real data that reaches it.
    """
    setting = exchange(weights, real, sizes)
    matrix, share, size = _constant(setting)
    q, items = one_real("probability", probability, 0, 1), size.astype(np.int64)
    count = None if fits is None else one_whole("fits", fits, most=LONGEST_RUN)
    if count == 0:
        return np.full(items.size, float(q == 0)), float(q == 0)
    shape = tuple(items + 1)
    if np.prod(shape, dtype=float) * float(items.sum() + 1) ** items.size > _MOST_ENTRIES:
        raise NotCovered(f"sizes must be smaller for the exact law of absence, got {[int(m) for m in items]}")
    kernel = _lineages(matrix, share * (1 - q), items)
    if count is None:
        if not _reaches_real(matrix, share):
            raise NotCovered("real must reach every model, from source to source, for a stationary law")
        value = np.ones(len(kernel))
        value[1:] = np.linalg.solve(np.eye(len(kernel) - 1) - kernel[1:, 1:], kernel[1:, 0])
    else:
        value = (1 - q) ** np.indices(shape).sum(axis=0).ravel().astype(np.float64)
        for _ in range(count - 1):
            new = kernel @ value
            if np.array_equal(new, value):
                break
            value = new
    psi = np.clip(value, 0.0, 1.0).reshape(shape)
    single = [psi[tuple(m if i == k else 0 for k, m in enumerate(items))] for i in range(items.size)]
    return np.array(single), float(psi[tuple(items)])


def _reaches_real(weights: Array, real: Array) -> bool:
    return bool(_reaching(weights, real > 0).all())


def _lineages(weights: Array, stop: Array, items: np.ndarray) -> Array:
    """The law of the numbers of parents (J, J) of j_i items of each data set, all real ones among them accepted by
    ``stop`` (D,).
    """
    models, total = items.size, int(items.sum())
    draws = np.zeros((*(items + 1), *[total + 1] * models))
    for j in np.ndindex(*(items + 1)):
        i = next((i for i in range(models) if j[i]), None)
        if i is None:
            draws[j][(0,) * models] = 1.0
            continue
        # the last item of data set i: real and accepted, or one more draw from model l
        before = draws[tuple(n - (k == i) for k, n in enumerate(j))]
        draws[j] += stop[i] * before
        for k in range(models):
            more = [slice(None)] * models
            less = [slice(None)] * models
            more[k], less[k] = slice(1, None), slice(None, -1)
            draws[j][tuple(more)] += weights[i, k] * before[tuple(less)]
    for m in items:  # k draws from the first model left hit so many of its items; its axis goes to the end
        draws = np.tensordot(draws, _occupancy(int(m), total), axes=(models, 0))
    count = int(np.prod(items + 1))
    return draws.reshape(count, count)


def _occupancy(size: int, most: int) -> Array:
    """P(k draws hit j of ``size`` items), (most + 1, size + 1)."""
    chance = np.zeros((most + 1, size + 1))
    chance[0, 0] = 1.0
    j = np.arange(size + 1)
    for k in range(most):
        chance[k + 1] = chance[k] * j / size
        chance[k + 1, 1:] += chance[k, :-1] * (1 - j[:-1] / size)
    return chance
