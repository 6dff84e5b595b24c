"""Exact means of what n-gram models show, by every count vector of each context of a tiny text."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from typing import Any

import jax
import numpy as np
from prediction_cells import taken_down

import modelcollapse as mc
from modelcollapse import families, observables, regimes

BLOCKS = ((0, 1, 0, 0), (1, 1, 2, 0))  # contexts 0, 1, 2 with 2, 3 and 1 next tokens; token 3 never comes
TEST = ((0, 1, 2, 3), (3, 0, 0, 1))  # has a context and n-grams that the text lacks
AWAY = (0.4, 0.3, 0.2, 0.1)
V, FITS = 4, 3
Row = tuple[float, ...]


def pairs(blocks: Any) -> list[tuple[int, int]]:
    return [pair for row in blocks for pair in itertools.pairwise(row)]


REAL = pairs(BLOCKS)


@functools.cache
def draws(row: Row, number: int) -> list[tuple[tuple[int, ...], float]]:
    """Every count vector of so many draws from a law, with its chance."""
    found = {(0,) * V: 1.0}
    for _ in range(number):
        after: dict[tuple[int, ...], float] = {}
        for x, chance in found.items():
            for a in range(V):
                if row[a]:
                    y = (*x[:a], x[a] + 1, *x[a + 1 :])
                    after[y] = after.get(y, 0.0) + chance * row[a]
        found = after
    return list(found.items())


def counts_of(tokens: Any) -> tuple[int, ...]:
    given = list(tokens)
    return tuple(given.count(a) for a in range(V))


@dataclasses.dataclass(frozen=True)
class Chain:
    """An n-gram model of a text: how it smooths, what stays of the text, and what the first data set is."""

    smoothing: tuple[tuple[str, Any], ...] = ()
    share: float | None = None
    replace: bool = True
    prompts: str = "fixed"
    size: int = len(REAL)
    form: str | None = None

    # --- the process -------------------------------------------------------------------------------------------------

    @functools.cache  # noqa: B019
    def predictions(self, bits: int = 64) -> Any:
        """In this precision; rules that answer are taken down."""
        with jax.enable_x64(bits == 64), taken_down():
            return self._predictions()

    def _predictions(self) -> Any:
        given = {k: np.array(v) if isinstance(v, tuple) else v for k, v in self.smoothing}
        family = families.NGram(prompts=self.prompts, form=self.form, **given)
        source = mc.text.tokens(np.array(BLOCKS), V, replace=self.replace)
        regime = None if self.share is None else regimes.Rewrite(self.share)
        return mc.predictions(family, source, regime, self.observed(), size=self.size, generations=FITS - 1)

    def observed(self) -> dict[str, Any]:
        found = {name: name for name in ("heterozygosity", "entropy", "support_size")}
        losses = {
            "cross_entropy": observables.cross_entropy(np.array(TEST)),
            "perplexity": observables.perplexity(np.array(TEST)),
        }
        lost = {"lost": observables.lost_share(np.array(TEST))}
        return found | {"own": observables.own_cross_entropy()} | (losses if self.smoothing else lost)

    # --- what it does ------------------------------------------------------------------------------------------------

    def model(self, x: tuple[int, ...] | Row) -> Row:
        """The law that is fitted to counts."""
        given, total = dict(self.smoothing), sum(x)
        u = given.get("background", (1 / V,) * V)
        strength = given.get("strength", V * given.get("smoothing", 0.0))
        g = given.get("interpolation", strength / (strength + total))
        return tuple((1 - g) * n / total + g * v for n, v in zip(x, u, strict=True))

    def stays(self, context: int) -> list[tuple[tuple[int, ...], float]]:
        """Which real tokens of a context stay, with its chance: every choice of places of the whole text."""
        kept = round((self.share or 0) * len(REAL))
        chance = 1 / math.comb(len(REAL), kept)
        found: dict[tuple[int, ...], float] = {}
        for places in itertools.combinations(REAL, kept):
            real = counts_of(token for c, token in places if c == context)
            found[real] = found.get(real, 0.0) + chance
        return list(found.items())

    @functools.cache  # noqa: B019
    def laws(self, context: int) -> list[dict[tuple[Any, Any], float]]:
        """The law of the first and the newest counts of a context, at each fit."""
        real = counts_of(token for c, token in REAL if c == context)
        size = sum(real)
        drawn = self.replace and self.share is None
        first = draws(tuple(n / size for n in real), size) if drawn else [(real, 1.0)]
        current = {(x, x): chance for x, chance in first}
        found = [current]
        for _ in range(FITS - 1):
            after: dict[tuple[Any, Any], float] = {}
            for (begin, x), chance in current.items():
                for stays, kept in self.stays(context):
                    for y, new in draws(self.model(x), size - sum(stays)):
                        key = (begin, tuple(a + b for a, b in zip(stays, y, strict=True)))
                        after[key] = after.get(key, 0.0) + chance * kept * new
            current = after
            found.append(current)
        return found

    def means(self, context: int, function: Any) -> np.ndarray:
        return np.array([sum(w * function(*state) for state, w in law.items()) for law in self.laws(context)])

    def values(self) -> dict[str, np.ndarray]:
        """Exact means at each fit, and of the perplexity what bounds it."""
        if self.prompts == "random":
            return self.of_random_prompts()
        contexts = sorted({c for c, _ in REAL})
        weight = {c: sum(d == c for d, _ in REAL) / len(REAL) for c in contexts}

        def over(function: Any) -> np.ndarray:
            return sum(weight[c] * self.means(c, function) for c in contexts)

        def entropy(_: Any, x: Any) -> float:
            return -sum(p * math.log(p) for p in self.model(x) if p)

        found = {
            "heterozygosity": over(lambda _, x: 1 - sum(p**2 for p in self.model(x))),
            "entropy": over(entropy),
            "support_size": sum(self.means(c, lambda _, x: sum(n > 0 for n in x)) for c in contexts),
            "own": over(self.own),
        }
        if self.smoothing:
            u, test = dict(self.smoothing).get("background", (1 / V,) * V), pairs(TEST)
            loss = np.zeros(FITS)
            for c, token in test:
                known = c in contexts
                loss = loss - (
                    self.means(c, lambda _, x, a=token: math.log(self.model(x)[a])) if known else math.log(u[token])
                )
            found["cross_entropy"] = loss / len(test)
            found["perplexity"] = np.exp(found["cross_entropy"])
        else:
            known = [(c, a) for c, a in pairs(TEST) if c in contexts]
            alive = sum(self.means(c, lambda _, x, a=a: float(x[a] > 0)) for c, a in known)
            found["lost"] = 1 - alive / len(pairs(TEST))
        return found

    def own(self, begin: Any, x: Any) -> float:
        model = self.model(begin)
        return -sum(n * math.log(p) for n, p in zip(x, model, strict=True) if n) / sum(x)

    def of_random_prompts(self) -> dict[str, np.ndarray]:
        """By the rows of each context, which stay where no token comes."""
        differ, alive = np.zeros(FITS), np.zeros(FITS)
        for context in sorted({c for c, _ in REAL}):
            real = counts_of(token for c, token in REAL if c == context)
            weight = sum(real) / len(REAL)
            current: dict[Row, float] = {tuple(n / sum(real) for n in real): 1.0}
            for fit in range(FITS):
                after: dict[Row, float] = {}
                for row, chance in current.items():
                    for m in range(self.size + 1):
                        visits = math.comb(self.size, m) * weight**m * (1 - weight) ** (self.size - m)
                        for x, new in draws(row, m):
                            key = tuple(n / m for n in x) if m else row
                            after[key] = after.get(key, 0.0) + chance * visits * new
                current = after
                differ[fit] += weight * sum(w * (1 - sum(p**2 for p in row)) for row, w in current.items())
                alive[fit] += sum(w * sum(p > 0 for p in row) for row, w in current.items())
        return {"heterozygosity": differ, "support_size": alive}

    def mean_perplexity(self, fit: int) -> float:
        """E exp(loss) at one fit, contexts together: they are independent."""
        test = pairs(TEST)
        u = dict(self.smoothing).get("background", (1 / V,) * V)
        total = 1.0
        for c in sorted({c for c, _ in test}):
            tokens = [a for d, a in test if d == c]
            if c not in {d for d, _ in REAL}:
                total *= math.exp(-sum(math.log(u[a]) for a in tokens) / len(test))
                continue
            loss = lambda _, x, tokens=tokens: math.exp(-sum(math.log(self.model(x)[a]) for a in tokens) / len(test))  # noqa: E731
            total *= self.means(c, loss)[fit]
        return total


CELLS = {
    "add-lambda": Chain((("smoothing", 0.5),)),
    "no smoothing": Chain(),
    "no smoothing, tokens": Chain(form="tokens"),
    "the text first": Chain((("smoothing", 0.5),), replace=False),
    "towards a law": Chain((("strength", 2.0), ("background", AWAY))),
    "interpolated, two places kept": Chain((("interpolation", 0.25), ("background", AWAY)), share=1 / 3),
    "two places kept": Chain(share=1 / 3),
    "add-lambda, one place kept": Chain((("smoothing", 0.25),), share=1 / 6),
    "rewritten whole": Chain((("interpolation", 0.25),), share=0.0),
    "random prompts": Chain(prompts="random", size=4),
}
