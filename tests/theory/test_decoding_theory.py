"""Decodings iterated directly, against what their maps are said to do; random maps against all maps."""

import itertools
import math

import numpy as np
import pytest

from modelcollapse_theory import decoding as theory
from modelcollapse_theory import selection, truncation

ZIPF = 1 / np.arange(1, 2001) / np.sum(1 / np.arange(1, 2001))
SMALL = np.array([0.4, 0.2, 0.2, 0.1, 0.05, 0.05])
ONCE = {"top_k": {"top_k": 50}, "min_p": {"ratio": 0.0101}, "epsilon": {"epsilon": 0.002}}
ONCE["all"] = {"top_k": 300, "ratio": 0.004, "epsilon": 0.001}


def by_hand(p, temperature=1.0, top_k=None, mass=1.0, ratio=0.0, epsilon=0.0):
    """One decoding, token by token, in plain Python."""
    weights = [x ** (1 / temperature) for x in p]

    def normalised(w):
        total = math.fsum(w)
        return [x / total for x in w]

    q = normalised(weights)
    if top_k is not None and top_k < len(q):
        least = sorted(q, reverse=True)[top_k - 1]
        q = normalised([x if x >= least else 0.0 for x in q])
    if mass < 1:
        order, held, kept = sorted(range(len(q)), key=lambda i: -q[i]), 0.0, set()
        for i in order:
            if kept and held >= mass - 1e-12:
                break
            kept.add(i)
            held += q[i]
        q = normalised([x if i in kept else 0.0 for i, x in enumerate(q)])
    q = normalised([x if x >= ratio * max(q) else 0.0 for x in q])
    return normalised([x if x >= epsilon or x == max(q) else 0.0 for x in q])


@pytest.mark.parametrize("which", sorted(ONCE))
def test_cuts_are_idempotent(which):
    once = theory.decoded(ZIPF, 1, **ONCE[which])
    assert once == pytest.approx(by_hand(ZIPF.tolist(), **ONCE[which]), rel=1e-12)
    assert 0 < np.count_nonzero(once) < 2_000
    for n in (2, 10):
        assert np.array_equal(theory.decoded(ZIPF, n, **ONCE[which]) > 0, once > 0)
        assert theory.decoded(ZIPF, n, **ONCE[which]) == pytest.approx(once, rel=1e-13)


def test_single_cuts():
    assert theory.min_p(SMALL, 0.5) == pytest.approx([0.5, 0.25, 0.25, 0, 0, 0])
    assert theory.min_p(SMALL, 1.0) == pytest.approx([1, 0, 0, 0, 0, 0])
    assert theory.epsilon_cut(SMALL, 0.1) == pytest.approx(np.array([4, 2, 2, 1, 0, 0]) / 9)
    assert theory.epsilon_cut(SMALL, 0.9) == pytest.approx([1, 0, 0, 0, 0, 0])
    assert theory.greedy([0.3, 0.35, 0.35]).tolist() == [0, 1, 0]
    assert theory.greedy(theory.greedy(SMALL)).tolist() == theory.greedy(SMALL).tolist()
    assert theory.decoded(SMALL, 1, top_k=2) == pytest.approx([0.5, 0.25, 0.25, 0, 0, 0])  # ties stay
    # the note's numbers: what is left of the real mass
    assert ZIPF[theory.decoded(ZIPF, 9, top_k=50) > 0].sum() == pytest.approx(0.55, abs=0.005)
    assert ZIPF[theory.min_p(ZIPF, 0.01) > 0].sum() == pytest.approx(0.63, abs=0.005)


@pytest.mark.parametrize(
    "setting", [{"temperature": 0.9}, {"mass": 0.85}, {"temperature": 1.2, "top_k": 3, "mass": 0.8}]
)
def test_others_compound(setting):
    p = SMALL
    for n in range(1, 6):
        p = np.array(by_hand(p.tolist(), **setting))
        assert theory.decoded(SMALL, n, **setting) == pytest.approx(p, rel=1e-12, abs=1e-15)
    assert not np.allclose(p, theory.decoded(SMALL, 1, **setting), atol=1e-3)


@pytest.mark.parametrize("tau", [0.9, 1.0, 1.1])
def test_losses_under_temperature(tau):
    p, q = ZIPF, ZIPF
    own = []
    for n in range(6):
        assert theory.tempered_loss(p, tau, n) == pytest.approx(-(p @ np.log(q)), rel=1e-12)
        own.append(float(-(q @ np.log(p))))
        assert theory.tempered_own_loss(p, tau, n) == pytest.approx(own[-1], rel=1e-12)
        assert theory.effective_tokens(p, tau, n) == pytest.approx(np.exp(-(q @ np.log(q))), rel=1e-12)
        q = q ** (1 / tau)
        q /= q.sum()
    if tau < 1:
        assert np.all(np.diff(own) < 0)
        assert theory.tempered_own_loss(p, tau, 200) == pytest.approx(-np.log(p[0]))
        # loss is exponential in n
        assert theory.tempered_loss(p, tau, 81) == pytest.approx(theory.tempered_loss(p, tau, 80) / tau, rel=1e-3)
        # the derivative in b is the variance
        near = theory.tempered_own_loss(p, 1 / (1 + 1e-5), 1) - theory.tempered_own_loss(p, 1 / (1 - 1e-5), 1)
        variance = p @ np.log(p) ** 2 - (p @ np.log(p)) ** 2
        assert near / 2e-5 == pytest.approx(-variance, rel=1e-5)
    assert theory.tempered_loss([0.5, 0.5], 0.5, 5_000) == pytest.approx(np.log(2))  # b overflows, ties stay
    assert theory.tempered_loss([0.6, 0.4], 0.5, 5_000) == np.inf
    assert [round(theory.effective_tokens(ZIPF, 0.9, n), 1) for n in (1, 2, 3, 5, 10)] == [147.4, 72.5, 35.2, 10.2, 2.1]


@pytest.mark.parametrize("mass", [0.5, 0.9, 0.95, 1.0])
def test_the_nucleus_shrinks_to_a_fixed_point(mass):
    sizes, covered = theory.nucleus(ZIPF, mass, np.arange(25))
    for n in range(25):
        left = truncation.top_p(ZIPF, mass, n)
        assert sizes[n] == np.count_nonzero(left)
        assert covered[n] == pytest.approx(ZIPF[left > 0].sum())
        assert covered[n] >= mass**n - 1e-12
    total = np.cumsum(ZIPF)
    if mass < 1:
        stops = np.flatnonzero(((1 - mass) * total < ZIPF) | (np.arange(2000) == 0)) + 1
        assert theory.nucleus(ZIPF, mass, 500)[0] == stops.max()
    if mass == 0.9:
        assert sizes[[1, 2, 3, 5, 10, 20]].tolist() == [883, 423, 218, 70, 10, 4]


@pytest.mark.parametrize("contexts", [1, 2, 3, 4, 5])
def test_greedy_walks_loop_like_random_maps(contexts):
    lengths = []
    for successor in itertools.product(range(contexts), repeat=contexts):
        seen, at = [], 0
        while at not in seen:
            seen.append(at)
            at = successor[at]
        lengths.append(len(seen))
    lengths = np.array(lengths)
    for steps in range(7):
        assert theory.loop_probability(contexts, steps) == pytest.approx((lengths <= steps).mean(), abs=1e-14)
    assert theory.loop_length(contexts) == pytest.approx(lengths.mean(), rel=1e-14)


def test_a_large_random_map():
    assert theory.loop_length(10**6) == pytest.approx(math.sqrt(math.pi * 5e5) - 1 / 3, abs=1e-3)
    assert theory.loop_probability(400, 64) == pytest.approx(1 - math.exp(-64 * 65 / 800), abs=0.003)
    assert selection.tempered(SMALL, 1.0, 3) == pytest.approx(SMALL)
