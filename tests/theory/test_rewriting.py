"""Positions kept in place and random prompts against every path of tiny texts, in exact fractions."""

import functools
import itertools
import math
from fractions import Fraction as F

import numpy as np
import pytest
from wright_fisher import count_vectors, multinomial

from modelcollapse_theory import NotCovered, replacement
from modelcollapse_theory import rewriting as theory

TOKENS = (0, 0, 1, 2)
COUNTS = [2, 1, 1]
FITS = [1, 2, 3, 4, 5]
SHARE = F(1, 5)


def choices_of_coins(share):
    """Every set of kept positions of the context with its chance."""
    for stays in itertools.product((0, 1), repeat=len(TOKENS)):
        yield stays, math.prod(share if s else 1 - share for s in stays)


def choices_of_exactly(kept, positions):
    """The same where ``kept`` of ``positions`` stay, of which the context has the first four."""
    for places in itertools.combinations(range(positions), kept):
        yield tuple(int(i in places) for i in range(len(TOKENS))), F(1, math.comb(positions, kept))


@functools.cache
def laws(which, *setting, g=F(0), u=(F(1, 3),) * 3):
    """The law of the counts that fits 1, ..., 5 see; the first is the real text."""
    choices = list({"coins": choices_of_coins, "exactly": choices_of_exactly}[which](*setting))
    current, found = {tuple(COUNTS): F(1)}, [{tuple(COUNTS): F(1)}]
    for _ in FITS[1:]:
        after = {}
        for x, weight in current.items():
            model = [(1 - g) * F(n, 4) + g * v for n, v in zip(x, u, strict=True)]
            for stays, chance in choices:
                real = [sum(s for s, t in zip(stays, TOKENS, strict=True) if t == a) for a in range(3)]
                for drawn in count_vectors(4 - sum(stays), 3):
                    y = tuple(a + b for a, b in zip(real, drawn, strict=True))
                    after[y] = after.get(y, F(0)) + weight * chance * multinomial(drawn, model)
        current = after
        found.append(current)
    return found


def means(function, *setting, **more):
    return [float(sum(w * function(x) for x, w in law.items())) for law in laws(*setting, **more)]


def differ(x):
    return 1 - sum(F(n, 4) ** 2 for n in x)


def test_heterozygosity_with_coins():
    exact = means(differ, "coins", SHARE)
    assert exact == pytest.approx([0.625, 0.475, 0.403, 0.36844, 0.3518512], rel=1e-15)
    assert theory.kept_heterozygosity(COUNTS, float(SHARE), FITS) == pytest.approx(exact, rel=1e-14)
    limit = theory.kept_heterozygosity_limit(COUNTS, float(SHARE))
    assert limit == pytest.approx(float(theory.kept_heterozygosity(COUNTS, float(SHARE), 2_000)), rel=1e-13)
    # near misses: no factor on the cross term; kept real tokens drawn afresh
    h0, both, one, none = F(5, 8), SHARE**2, 2 * SHARE * (1 - SHARE), (1 - SHARE) ** 2
    assert float(both * h0 + one * h0 + F(3, 4) * none * h0) > exact[1] + 0.01
    assert float(F(3, 4) * h0) < exact[1] - 0.005


@pytest.mark.parametrize(("kept", "positions"), [(2, 5), (0, 4), (4, 4), (1, 7), (5, 6)])
def test_heterozygosity_with_exactly_so_many_kept(kept, positions):
    exact = means(differ, "exactly", kept, positions)
    found = theory.rewritten_heterozygosity(COUNTS, kept, positions, FITS)
    assert found == pytest.approx(exact, rel=1e-14)
    if kept == 0:
        assert found == pytest.approx(replacement.expected_heterozygosity([0.5, 0.25, 0.25], 4, np.array(FITS) - 1))


SETTINGS = [
    ("coins", (SHARE,), {}),
    ("coins", (F(0),), {}),
    ("exactly", (2, 5), {}),
    ("coins", (SHARE,), {"g": F(3, 11), "u": (F(1, 4), F(1, 4), F(1, 2))}),
    ("exactly", (3, 6), {"g": F(1, 5)}),
]


@pytest.mark.parametrize(("which", "setting", "more"), SETTINGS)
def test_one_ngram(which, setting, more):
    g, u = more.get("g", F(0)), more.get("u", (F(1, 3),) * 3)
    function = theory.kept_in_place if which == "coins" else theory.rewritten
    given = (COUNTS, 4, FITS, *(float(s) if which == "coins" else s for s in setting), float(g), [float(v) for v in u])
    of = {
        "present": lambda n, p: F(n > 0),
        "entropy": lambda n, p: p * F(-math.log(p)) if p else F(0),
        "square": lambda n, p: p**2,
        "log": lambda n, p: F(math.log(p)),
    }
    if not g:
        with pytest.raises(NotCovered, match="mutation and background must be positive"):
            function("log", *given)
        del of["log"]
    for what, mean in of.items():
        found = function(what, *given)
        for a in range(3):
            exact = means(
                lambda x, a=a, mean=mean: mean(x[a], (1 - g) * F(x[a], 4) + g * u[a]), which, *setting, **more
            )
            assert found[:, a] == pytest.approx(exact, rel=1e-12), (what, a)
    assert function("square", *given).sum(1) == pytest.approx(1 - means_of_model(which, setting, g, u), rel=1e-12)


def means_of_model(which, setting, g, u):
    def of(x):
        return 1 - sum(((1 - g) * F(n, 4) + g * v) ** 2 for n, v in zip(x, u, strict=True))

    return np.array(means(of, which, *setting, g=g, u=u))


def test_the_mean_is_conserved_and_all_kept_is_the_text():
    for law in laws("coins", SHARE):
        assert [sum(w * x[a] for x, w in law.items()) for a in range(3)] == COUNTS
    assert theory.kept_in_place("square", [2, 1], 4, [1, 9], 1.0) == pytest.approx(np.array([[1 / 4, 1 / 16]] * 2))
    assert theory.rewritten("square", [2, 1], 4, [1, 9], 6, 6) == pytest.approx(np.array([[1 / 4, 1 / 16]] * 2))


def test_what_rewriting_refuses():
    with pytest.raises(ValueError, match="kept must be at most positions=5"):
        theory.rewritten_heterozygosity(COUNTS, 6, 5, 1)
    with pytest.raises(ValueError, match="positions must be at least sample_size=4"):
        theory.rewritten("present", 1, 4, 2, 1, 3)
    with pytest.raises(ValueError, match="count must be at most sample_size"):
        theory.kept_in_place("present", 5, 4, 2, 0.1)
    with pytest.raises(NotCovered, match="sample_size must be at most 500"):
        theory.kept_in_place("present", 5, 501, 2, 0.1)


def rows_after(law, tokens, weight, fits):
    """The law of the row of a context that gets Bin(tokens, weight) tokens, or stays as it is."""
    current = {law: F(1)}
    for _ in range(fits):
        after = {}
        for row, chance in current.items():
            for m in range(tokens + 1):
                visits = math.comb(tokens, m) * weight**m * (1 - weight) ** (tokens - m)
                for x in count_vectors(m, len(row)) if m else [None]:
                    new = row if x is None else tuple(F(n, m) for n in x)
                    drawn = F(1) if x is None else multinomial(x, list(row))
                    after[new] = after.get(new, F(0)) + chance * visits * drawn
        current = after
    return current


@pytest.mark.parametrize(("tokens", "weight"), [(3, F(1, 3)), (4, F(1, 5)), (2, F(1))])
def test_random_prompts(tokens, weight):
    law = (F(1, 2), F(3, 8), F(1, 8))
    paths = [rows_after(law, tokens, weight, n) for n in range(4)]
    differ = [float(sum(w * (1 - sum(p**2 for p in row)) for row, w in path.items())) for path in paths]
    found = theory.random_prompts_heterozygosity([0.5, 0.375, 0.125], tokens, float(weight), [0, 1, 2, 3])
    assert found == pytest.approx(differ, rel=1e-13)
    lost = [[float(sum(w for row, w in path.items() if row[a] == 0)) for a in range(3)] for path in paths]
    found = theory.random_prompts_lost([0.5, 0.375, 0.125], tokens, float(weight), [0, 1, 2, 3])
    assert found == pytest.approx(np.array(lost), rel=1e-12)


def test_random_prompts_of_a_large_context_and_of_none():
    assert theory.random_prompts_heterozygosity([0.5, 0.5], 10, 0.0, 7) == 0.5
    assert theory.random_prompts_lost([0.1, 0.0], 10, 0.0, 7) == pytest.approx([0, 1])
    near = theory.random_prompts_heterozygosity([0.5, 0.5], 10**6, 0.5, 1)
    assert near == pytest.approx(0.5 * (1 - 1 / 5e5), rel=1e-11)
    with pytest.raises(NotCovered, match="weight must leave a context at most 600 tokens"):
        theory.random_prompts_lost(0.1, 10_000, 0.5, 2)
