r"""Two states with any rule of selection are one Markov chain on M + 1 counts, and everything about it is exact.

The rule is a ``response`` (M + 1,): entry j is the chance that a draw of the model takes the first state where j of the
M items did, :math:`\varphi(j/M)`. The next count then is Bin(M, phi(j/M)). With each item real with probability g the
response is :math:`(1-g) \varphi(j/M) + g p_0`. Derived in theory/derivations/curation.md.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike

from modelcollapse_theory._domain import LONGEST, Array, NotCovered, one_real, one_whole, real, whole, within
from modelcollapse_theory._register import theorem
from modelcollapse_theory.moments import binomial_rows
from modelcollapse_theory.selection import fixation_probability

_SOURCE = "derived in theory/derivations/curation.md"
_LARGEST = 2_000  # an M x M solve
_LONGEST_TIME = 1e11  # beyond, the solve has lost its digits
_MOST_CHOICES = 10_000


def _responses(response: ArrayLike) -> Array:
    """A vector of at least two chances."""
    phi = within("response", response, 0, 1)
    if phi.ndim != 1 or phi.size < 2:
        raise ValueError(f"response must be a vector with one chance for each count 0..M, got shape {phi.shape}")
    if phi.size > _LARGEST + 1:
        raise NotCovered(f"response must be of at most {_LARGEST + 1} counts, got {phi.size}")
    return phi


def _inner(response: ArrayLike) -> tuple[Array, Array]:
    """Steps among the counts 1..M - 1, and from them to 0 and M, where both ends stay."""
    phi = _responses(response)
    if phi[0] != 0 or phi[-1] != 1:
        raise NotCovered(
            f"response must be 0 at count 0 and 1 at count M, so that both states can take over, got {phi[0]:g} and "
            f"{phi[-1]:g}"
        )
    rows = binomial_rows(phi.size - 1, phi[1:-1])
    return rows[:, 1:-1], rows[:, [0, -1]]


@theorem(
    statement="X_{n+1} ~ Bin(r, p_0) + Bin(M - r, phi(X_n/M_n)), independent",
    conditions="two states, any rule phi of selection, r fresh real items a fit (random shares are part of phi)",
    order="exact",
    source=_SOURCE,
)
def next_counts(response: ArrayLike, sample_size: int, real_size: int = 0, probability: float = 0.0) -> Array:
    r"""The law of the next count of the first state given each count now: ``(len(response), M + 1)``.

    ``sample_size`` M items come next, of which ``real_size`` r are drawn from the truth, where the state has
    ``probability``. The size before is ``len(response) - 1``, and may be another. Exact to about 1e-14. Raises
    NotCovered beyond M = 2,000.
    """
    phi = _responses(response)
    size = one_whole("sample_size", sample_size, 1, most=_LARGEST)
    fresh = one_whole("real_size", real_size)
    q = one_real("probability", probability, 0, 1)
    if fresh > size:
        raise ValueError(f"real_size must be at most sample_size = {size}, got {real_size!r}")
    if fresh == 0:
        return binomial_rows(size, phi)
    given = binomial_rows(fresh, np.array([q]))[0]
    if fresh == size:
        return np.broadcast_to(given, (phi.size, size + 1)).copy()
    drawn = binomial_rows(size - fresh, phi)
    out = np.zeros((phi.size, size + 1))
    for k, weight in enumerate(given):
        out[:, k : k + drawn.shape[1]] += weight * drawn
    return out


@theorem(
    statement="law of X_n = Bin(M, p_0) T^(n-1), T the chain of next_counts",
    conditions="two states, any rule phi of selection, constant M, the first data set real",
    order="exact",
    source=_SOURCE,
)
def count_law(response: ArrayLike, probability: float, fits: int, real_size: int = 0) -> Array:
    r"""The law ``(M + 1,)`` of the count of the first state after n fits, of which the first is on real data alone.

    So E f(X_n/M) is ``count_law(...) @ f(arange(M + 1)/M)`` for every f. ``probability``: of the state in the truth;
    ``real_size``: fresh real items of each later fit. Exact to about 1e-14 n.
    """
    phi, count = _responses(response), one_whole("fits", fits, 1)
    size = phi.size - 1
    step = next_counts(phi, size, real_size, probability)
    first = binomial_rows(size, np.array([one_real("probability", probability, 0, 1)]))[0]
    if count <= 2 * size:
        for _ in range(count - 1):
            first = first @ step
        return first
    later = np.linalg.matrix_power(step, count - 1)
    found: Array = first @ (later / later.sum(1, keepdims=True))
    return found


@theorem(
    statement="P(the state takes over | count j) = u_j, u = T u, u_0 = 0, u_M = 1",
    conditions="two states, any rule phi with phi(0) = 0 and phi(1) = 1, constant M, no real data",
    order="exact",
    source=_SOURCE,
)
def takes_over(response: ArrayLike) -> Array:
    """The chance ``(M + 1,)`` that the first state takes over, from each count. Exact; one solve.

    Weighed by Bin(M, p0) it is that of a chain that begins with real data. Raises NotCovered where phi does not fix
    both ends, or where absorption takes longer than 1e11 fits.
    """
    inside, out = _inner(response)
    _times(inside)
    chance = np.linalg.solve(np.eye(len(inside)) - inside, out[:, 1])
    return np.concatenate([[0.0], np.clip(chance, 0, 1), [1.0]])


@theorem(
    statement="E time = (I - Q)^(-1) 1 on the counts 1..M - 1, Q the chain between them",
    conditions="two states, any rule phi with phi(0) = 0 and phi(1) = 1, constant M, no real data",
    order="exact",
    source=_SOURCE,
)
def absorption_time(response: ArrayLike) -> Array:
    r"""The expected number of further fits until one state is left, ``(M + 1,)``, from each count. Exact; one solve.

    A limit that infinite data would stay at is only metastable: temperature 1.1, which alone would keep two states for
    ever, keeps them 432 fits at M = 40, and 1.25 keeps them 25,269. Raises NotCovered beyond 1e11 fits.
    """
    inside, _ = _inner(response)
    return np.concatenate([[0.0], _times(inside), [0.0]])


def _times(inside: Array) -> Array:
    try:
        found = np.asarray(np.linalg.solve(np.eye(len(inside)) - inside, np.ones(len(inside))), np.float64)
    except np.linalg.LinAlgError:
        found = np.full(max(len(inside), 1), np.inf)
    if np.any(~(found < _LONGEST_TIME) | (found < 0)):
        raise NotCovered(f"response must lead to one state within {_LONGEST_TIME:g} fits on average: it takes longer")
    return found


@theorem(
    statement="stationary law: pi = pi T, unique unless phi fixes both 0 and 1",
    conditions="two states, any rule phi of selection (with real items: they are part of it), constant M",
    order="exact",
    source=_SOURCE,
)
def stationary_counts(response: ArrayLike, real_size: int = 0, probability: float = 0.0) -> Array:
    """The law ``(M + 1,)`` of the count in the long run. Exact to about 1e-12; one solve.

    Raises NotCovered where both states may take over: then there are two such laws (``takes_over``).
    """
    phi = _responses(response)
    size = phi.size - 1
    step = next_counts(phi, size, real_size, probability)
    if step[0, 0] == 1 and step[-1, -1] == 1:
        raise NotCovered(
            f"response must not stay at both ends where real_size is 0, got {phi[0]:g} at 0 and {phi[-1]:g} at {size}"
        )
    system = step.T - np.eye(size + 1)
    # one equation is the sum of the others, that of the normalisation takes its place
    system[size // 2] = 1.0
    found = np.maximum(np.linalg.solve(system, np.eye(size + 1)[size // 2]), 0.0)
    return found / found.sum()


@theorem(
    statement="expected values approach their limit like lambda^n, lambda the largest eigenvalue of T beside the 1's; "
    "phi = a + b p: |b| (1 - 1/M)^[a = 0, b = 1]",
    conditions="two states, any rule phi of selection, constant M; at lambda = 1 there is no limit",
    order="exact",
    source=_SOURCE,
)
def decay(response: ArrayLike, real_size: int = 0, probability: float = 0.0) -> float:
    r"""The modulus of the slowest mode of the chain: :math:`E f(X_n) - \lim = O(\lambda^n)`. Exact to about 1e-10.

    The eigenvalue 1 is left out once for each class of counts that the chain does not leave: twice where both states
    may take over. Without selection that is 1 - 1/M, and with real share g it is 1 - g.
    """
    phi = _responses(response)
    step = next_counts(phi, phi.size - 1, real_size, probability)
    ends = max(1, int(step[0, 0] == 1) + int(step[-1, -1] == 1))
    values = np.sort(np.abs(np.linalg.eigvals(step)))[::-1]
    return float(values[ends]) if values.size > ends else 0.0


@theorem(
    statement="phi(p) = sum_j C(k,j) p^j (1-p)^(k-j) j w/(j w + k - j), w = e^r",
    conditions="two types, one of k draws picked with chance proportional to e^reward, r the first's lead",
    order="exact",
    source=_SOURCE,
)
def choice_share(probability: ArrayLike, reward: float, choices: int = 2) -> Array:
    r"""The chance that the pick among k = ``choices`` draws is of the first of two types. Exact to about 1e-14.

    .. math:: \varphi(p) = \sum_{j=0}^k \binom kj p^j (1-p)^{k-j} \frac{j w}{j w + k - j}, \quad w = e^r

    ``probability`` p of the first type, any shape; ``reward`` r is by how much its reward exceeds the other's.
    ``selection.curated`` has any number of types. Raises NotCovered beyond 10,000 choices.
    """
    p = within("probability", probability, 0, 1)
    lead = float(_single("reward", reward))
    k = one_whole("choices", choices, 1, most=_MOST_CHOICES)
    j = np.arange(1.0, k)
    picked = np.concatenate([[0.0], scipy.special.expit(lead + np.log(j / (k - j))), [1.0]])
    return (binomial_rows(k, np.ravel(p)) @ picked).reshape(p.shape)


@theorem(
    statement="p' - p = s p (1 - p) + O(r^2), s = (1 - 1/k) r: the selection coefficient of k choices",
    conditions="two types, one of k draws picked with chance proportional to e^reward",
    order="O(r^2)",
    source=_SOURCE,
)
def choice_advantage(reward: ArrayLike, choices: ArrayLike) -> Array:
    r"""Selection coefficient :math:`s = (1 - 1/k)\, r` of the pick among k draws, weak rewards r.

    More choices buy at most twice the strength of two. ``reward`` and ``choices`` broadcast. For fixation probabilities
    see ``choice_fixation``.
    """
    return np.asarray(real("reward", reward) * (1 - 1 / whole("choices", choices, 1, most=LONGEST)))


@theorem(
    statement="P(fix) = (1 - e^(-2Msx))/(1 - e^(-2Ms)), s = (1 - 1/k) r",
    conditions="two types, one of k draws picked with chance proportional to e^reward, M draws a fit, r small; x the "
    "type's probability in the truth",
    order="O(r) relative",
    source="Kimura 1962, haploid; selection coefficient " + _SOURCE,
)
def choice_fixation(probability: ArrayLike, sample_size: ArrayLike, reward: ArrayLike, choices: ArrayLike) -> Array:
    """The chance that the type of greater reward takes over, in the diffusion limit of weak curation.

    ``probability`` of the type in the truth, from which the first of the data sets of M = ``sample_size`` is drawn;
    ``takes_over(choice_share(...))`` is the exact value for finite M. Raises NotCovered for rewards beyond 1.
    """
    r = real("reward", reward)
    if np.any(np.abs(r) > 1):
        raise NotCovered(f"reward must lie in [-1, 1]: the formula is for weak rewards, got {reward!r}")
    return fixation_probability(probability, sample_size, choice_advantage(r, choices))


def _single(name: str, value: ArrayLike) -> float:
    """One real number whose exponent need not fit float64: beyond 700 it is as good as infinite."""
    return float(np.clip(one_real(name, value), -1e6, 1e6))
