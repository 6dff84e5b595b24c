"""Rare words first: which words of a text, grouped by how often they occur in it, are still there in another."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import arguments, datasets
from modelcollapse.text.corpora import Corpus
from modelcollapse.text.tokenisers import Texts


@dataclasses.dataclass(frozen=True)
class WordClasses:
    """Words of a text by how often they occur in it; ``word_classes`` makes one."""

    bounds: tuple[tuple[int, int], ...]
    words: tuple[frozenset[Hashable], ...]

    def __repr__(self) -> str:
        return f"WordClasses({', '.join(f'{n} words {name}' for name, n in zip(self.names, self.sizes, strict=True))})"

    @property
    def names(self) -> tuple[str, ...]:
        """What the classes are called: "once", "2 to 5", ..."""
        return tuple(
            "once" if low == high == 1 else str(low) if low == high else f"{low} to {high}" for low, high in self.bounds
        )

    @property
    def sizes(self) -> np.ndarray:
        """How many words each class has, ``(k,)`` int64."""
        return np.array([len(words) for words in self.words], np.int64)

    def surviving(self, texts: Texts | ArrayLike) -> np.ndarray:
        """How many words of each class occur in ``texts``, ``(k,)`` int64.

        Texts or tokens, as the classes were made of; a word at the edge of a block may be a part of one. TypeError for
        the other.
        """
        there = {word for word, _ in _counted(texts)}
        if there and type(next(iter(there))) is not type(next(word for words in self.words for word in words)):
            raise TypeError("texts must be texts or tokens, as the classes were made of, got the other")
        return np.array([len(words & there) for words in self.words], np.int64)


def word_classes(texts: Texts | ArrayLike, bounds: ArrayLike = ((1, 1), (2, 5), (6, 20))) -> WordClasses:
    """The words that occur once, 2 to 5 and 6 to 20 times; ``bounds`` are the first and last count of each class.

    ``texts`` is a text, several or a ``Corpus``, whose words are those of ``datasets.word_counts`` (case folded,
    without numbers and marks); or blocks of tokens, whole numbers of any shape, each token a word of its own.

    Raises
    ------
    ValueError
        If there is no word in any class, or a bound is below 1 or above the one that follows it.
    TypeError
        If the tokens are not whole numbers.
    """
    pairs = arguments.whole_array("bounds", bounds, ndim=2, minimum=1)
    if pairs.shape[1] != 2 or not len(pairs):
        raise ValueError(f"bounds must be a first and a last count for each class (k, 2), got shape {pairs.shape}")
    found = tuple((low, high) for low, high in pairs.tolist())
    for low, high in found:
        if low > high:
            raise ValueError(f"bounds must be a first and a last count in order, got {(low, high)}")
    counted = _counted(texts)
    words = tuple(frozenset(word for word, count in counted if low <= count <= high) for low, high in found)
    if not any(words):
        raise ValueError(f"texts must hold a word that occurs as often as one of {found}, got {len(counted)} words")
    return WordClasses(found, words)


def _counted(texts: Texts | ArrayLike) -> list[tuple[Hashable, int]]:
    """Each word, or token, and how often it occurs."""
    found: Any = texts.documents if isinstance(texts, Corpus) else [texts] if isinstance(texts, str) else texts
    found = list(found) if isinstance(found, Iterator) else found
    if isinstance(found, list | tuple) and all(isinstance(text, str) for text in found):
        text = "\n\n".join(found)
        if not any(letter.isalpha() for letter in text):
            return []
        words, counts = datasets.word_counts(text)
        return list(zip(words, counts.tolist(), strict=True))
    ids, times = np.unique(arguments.whole_array("texts", found), return_counts=True)
    return list(zip(ids.tolist(), times.tolist(), strict=True))
