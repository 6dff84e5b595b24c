"""Selection among states: two by the chain of one count at any sample size, more in the limit of infinite data.

A wrapper of what a model gives out is a map of laws, made here of theorems from the numbers in its fields. Rewards and
verifiers that are functions of rows are not known, and nothing is predicted for them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import observables, regimes
from modelcollapse.families import Curated, Discrete, Exact, Tempered, Truncated, Verified
from modelcollapse.families.curated import BEST
from modelcollapse.portions import portion
from modelcollapse.predict.discrete import MARGINAL, SUMMED, WORK
from modelcollapse.predict.prediction import Function
from modelcollapse.predict.registry import Answer, prediction
from modelcollapse.predict.setting import Setting, independent, known, needed
from modelcollapse.protocols import Family
from modelcollapse_theory import NotCovered, curation, selection, truncation, two_states, verification

WRAPPERS = (Tempered, Truncated, Curated, Verified)
"""Wrappers of what comes out whose map of laws is known."""
UNDER = (regimes.Replace, regimes.FreshReal, regimes.Mixture)
TIE = 1e-6
"""How close to the mass of top-p a sum of probabilities may come, before rounding could decide."""

Map = Callable[[np.ndarray], np.ndarray]


def layers(family: Family) -> tuple[list[Family], Family, bool]:
    """The wrappers around a family from the outermost inwards, the family itself, and whether one is ``Exact``."""
    found: list[Family] = []
    endless = False
    while isinstance(family, (*WRAPPERS, Exact)) and type(family) in (*WRAPPERS, Exact):
        if type(family) is Exact:
            endless = True
        else:
            found.append(family)
        family = family.family
    return found, family, endless


def one(value: ArrayLike | None) -> float:
    """A field with one number."""
    number = np.asarray(known(value))
    needed(number.ndim == 0)
    return float(number)


def map_of(wrapper: Family) -> tuple[Map, Function]:
    """What one wrapper of laws on states does to a law, and the theorem that says so."""
    if isinstance(wrapper, Tempered):
        return (lambda p: selection.tempered(p, one(wrapper.temperature), 1)), selection.tempered
    if isinstance(wrapper, Truncated):
        return (lambda p: _cut(p, wrapper)), truncation.top_k if wrapper.top_p is None else truncation.top_p
    if isinstance(wrapper, Verified):
        return (lambda p: verification.accepted(p, _chances(wrapper))), verification.accepted
    if not isinstance(wrapper, Curated):
        raise NotCovered
    endless = selection.tilted if np.isinf(wrapper.choices) else selection.curated
    return (lambda p: _picked(p, wrapper)), curation.best_choice if wrapper.pick == BEST else endless


def _cut(p: np.ndarray, wrapper: Truncated) -> np.ndarray:
    if wrapper.top_k is not None:
        p = truncation.top_k(p, int(one(wrapper.top_k)))
    if wrapper.top_p is None or one(wrapper.top_p) == 1:
        return p
    mass = one(wrapper.top_p)
    needed(np.abs(np.cumsum(np.sort(p)[::-1]) - mass).min() > TIE)
    return truncation.top_p(p, mass, 1)


def _chances(wrapper: Verified) -> np.ndarray:
    if wrapper.accept is None:
        chances = np.where(np.asarray(wrapper.correct, bool), one(wrapper.right), one(wrapper.wrong))
    else:
        chances = np.asarray(wrapper.accept, float)
    needed(chances.min() > 1e-100)  # otherwise a model may be rejected as a whole, and its chain fails
    return chances


def _picked(p: np.ndarray, wrapper: Curated) -> np.ndarray:
    rewards = np.atleast_2d(np.asarray(wrapper.reward, float))
    shares = np.ones(1) if wrapper.shares is None else np.asarray(wrapper.shares, float)

    def by(reward: np.ndarray) -> np.ndarray:
        if wrapper.pick == BEST:
            return curation.best_choice(p, reward, int(wrapper.choices))
        if np.isinf(wrapper.choices):
            return selection.tilted(p, reward, 1)
        return selection.curated(p, reward, int(wrapper.choices))

    return np.sum([share * by(reward) for share, reward in zip(shares, rewards, strict=True)], axis=0)


def given_out(s: Setting) -> Map:
    """The law that comes out of a model on states, as a function of its own law ``(K,)``."""
    wrappers, inner, _ = layers(s.family)
    needed(wrappers and type(inner) is Discrete)
    maps = [map_of(wrapper)[0] for wrapper in wrappers[::-1]]
    return lambda p: functools.reduce(lambda law, then: then(law), maps, p)


def theorems(s: Setting) -> tuple[Function, ...]:
    """Those of the maps, from the innermost outwards."""
    return tuple(map_of(wrapper)[1] for wrapper in layers(s.family)[0][::-1])


def truth(s: Setting) -> np.ndarray:
    """p0 ``(K,)``."""
    return Setting(layers(s.family)[1], s.source, s.regime, s.sizes, s.fits).law


def real_share(s: Setting) -> np.ndarray:
    """Of the items of each generation, as far as they are random, ``(generations + 1,)``."""
    if type(s.regime) is not regimes.Mixture:
        return np.zeros(s.last)
    needed(s.steady(s.regime.beta) == 0)
    return np.broadcast_to(np.asarray(s.regime.gamma, float), (s.last,))


def real_items(s: Setting) -> np.ndarray:
    """The exact number of real items of each generation, ``(generations + 1,)``."""
    share = s.regime.share if type(s.regime) is regimes.FreshReal else 0.0
    return np.broadcast_to(portion(share, s.sizes), (s.last,))


# --- two states, any sample size -------------------------------------------------------------------------------------


def finite(s: Setting) -> bool:
    """Whether samples are finite."""
    return not layers(s.family)[2]


def endless(s: Setting) -> bool:
    """Whether samples are endless."""
    return layers(s.family)[2]


def _counts(s: Setting, next_counts: Function) -> Iterator[np.ndarray]:
    """The law of the first state's count at each of ``s.fits``."""
    p, out = truth(s), given_out(s)
    needed(p.size == 2 and int(s.sizes.max()) <= MARGINAL)
    needed(int(s.fits.max()) * float(s.sizes.max()) ** 2 * 30 <= WORK)
    g, real = real_share(s), real_items(s)

    @functools.lru_cache(maxsize=1)
    def response(size: int) -> np.ndarray:
        return np.array([out(np.array([j, size - j]) / size)[0] for j in range(size + 1)])

    @functools.lru_cache(maxsize=1)
    def step(before: int, size: int, fresh: int, share: float) -> np.ndarray:
        return next_counts((1 - share) * response(before) + share * p[0], size, fresh, float(p[0]))

    law = next_counts([p[0], p[0]], int(s.sizes[0]))[0]
    for n in range(int(s.fits.max())):
        if n:
            law = law @ step(int(s.sizes[n - 1]), int(s.sizes[n]), int(real[n]), float(g[n]))
        if n + 1 in s.fits:
            yield law


Value = Callable[[np.ndarray, np.ndarray], np.ndarray]
OF_STATES: dict[Function, tuple[Value, str]] = SUMMED | {
    observables.heterozygosity: (lambda x, p: x * (1 - x), "E H_n = sum_i E x_i (1 - x_i)"),
    observables.chi_square: (
        lambda x, p: np.where(p > 0, (x - p) ** 2 / np.where(p > 0, p, 1.0), 0.0), "sum_i E (x_i - p_i)^2/p_i",
    ),
}  # fmt: skip
BY_STATE: dict[Function, tuple[Value, str]] = {
    observables.lost: (lambda x, p: ((x == 0) & (p > 0)).astype(float), "P(x_i = 0)"),
    observables.probabilities: (lambda x, p: x + 0 * p, "E x_i"),
}
CHAIN = "X_{n+1} ~ Bin(r, p_0) + Bin(M - r, (1-g) phi(X_n/M) + g p_0)"
two = functools.partial(
    prediction, family=WRAPPERS, regime=UNDER, source=independent, where=finite, order="exact",
    conditions="two states; phi is what a model's selection makes of its law; real items exact (r) or random (g)",
)  # fmt: skip


def _expected(s: Setting, next_counts: Function, value: Value) -> np.ndarray:
    """``E value(x_i, p_i)`` of both states, ``(fits, 2)``."""
    p, found = truth(s), []
    for law in _counts(s, next_counts):
        share = np.arange(law.size) / (law.size - 1)
        found.append([law @ value(share, p[0]), law @ value(1 - share, p[1])])
    return np.array(found)


for _key, (_value, _formula) in (OF_STATES | BY_STATE).items():

    @two(_key, two_states.next_counts, formula=f"{_formula}; {CHAIN}")
    def _(s: Setting, next_counts: Function, value: Value = _value, summed: bool = _key in OF_STATES) -> Answer:
        found = _expected(s, next_counts, value)
        return Answer(found.sum(1) if summed else found, (next_counts, *theorems(s)))


# --- any number of states, infinite data -----------------------------------------------------------------------------


def _laws(s: Setting) -> np.ndarray:
    """The fitted law at each of ``s.fits``, ``(fits, K)``."""
    p0, out = truth(s), given_out(s)
    needed(int(s.fits.max()) * p0.size <= 1e7)
    share = real_share(s) + real_items(s) / s.sizes
    p, found = p0, []
    for n in range(int(s.fits.max())):
        p = (1 - share[n]) * out(p) + share[n] * p0 if n else p
        if n + 1 in s.fits:
            found.append(p)
    return np.array(found)


# a probability that underflows in float32 is not absent here: supports are left out
OF_LAWS = {
    key: OF_STATES[key]
    for key in (
        observables.heterozygosity, observables.chi_square, observables.entropy, observables.total_variation,
        observables.kl_divergence,
    )
} | {observables.probabilities: BY_STATE[observables.probabilities]}  # fmt: skip

for _key, (_value, _formula) in OF_LAWS.items():

    @prediction(
        _key, selection.tempered, family=(*WRAPPERS, Exact), regime=UNDER, source=independent, where=endless,
        formula="p_{n+1} = (1-g) phi(p_n) + g p_0, phi what the model's selection makes of its law",
        conditions="infinite data (Exact): the limit of large samples, without their noise",
        order="exact for infinite data",
    )  # fmt: skip
    def _(s: Setting, _: Function, value: Value = _value, summed: bool = _key in OF_STATES) -> Answer:
        found = np.array([value(p, truth(s)) for p in _laws(s)])
        return Answer(found.sum(1) if summed else found, theorems(s))
