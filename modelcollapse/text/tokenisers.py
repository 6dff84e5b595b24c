"""Texts as whole numbers from 0, and back: bytes, characters, words."""

from __future__ import annotations

import collections
import functools
from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import arguments
from modelcollapse.pytree import part, static
from modelcollapse.text.corpora import Corpus

UNKNOWN = "<unk>"
"""The word that stands for all rare ones, as in WikiText-2."""
UNKNOWN_CHARACTER = "\N{REPLACEMENT CHARACTER}"

Texts = str | Corpus | Iterable[str]
"""One text, a corpus, or several texts."""


@runtime_checkable
class Tokenizer(Protocol):
    """Texts as whole numbers below ``vocabulary``, and back."""

    @property
    def vocabulary(self) -> int: ...

    def encode(self, text: str) -> np.ndarray:
        """Tokens ``(n,)`` int32."""
        ...

    def decode(self, ids: ArrayLike) -> str:
        """The text of tokens ``(n,)``. ValueError for one outside the vocabulary."""
        ...


def joined(texts: Texts) -> str:
    """One string: the text itself, or several with an empty line between two. ValueError if it holds no text."""
    if isinstance(texts, Corpus):
        return texts.text
    text = texts if isinstance(texts, str) else "\n\n".join(arguments.texts("texts", texts))
    if not text.strip():
        raise ValueError(f"texts must hold text, got {len(text)} characters without any")
    return text


def tokens_of(ids: ArrayLike, vocabulary: int) -> np.ndarray:
    """``ids`` as int32 ``(n,)`` within the vocabulary, whatever shape they had."""
    found = arguments.whole_array("ids", ids).reshape(-1)
    if found.size and not 0 <= found.min() <= found.max() < vocabulary:
        wrong = found[(found < 0) | (found >= vocabulary)][0]
        raise ValueError(f"ids must be tokens below the vocabulary {vocabulary}, got {wrong}")
    return found.astype(np.int32)


@part
class Bytes:
    """A token for each byte of UTF-8; the vocabulary is 256, and every text comes back as it was.

    Bytes that are no text, which a model may write, become U+FFFD.
    """

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bytes)

    def __hash__(self) -> int:
        return hash(Bytes)

    @property
    def vocabulary(self) -> int:
        return 256

    def encode(self, text: str) -> np.ndarray:
        return np.frombuffer(arguments.text("text", text).encode(), np.uint8).astype(np.int32)

    def decode(self, ids: ArrayLike) -> str:
        return tokens_of(ids, 256).astype(np.uint8).tobytes().decode(errors="replace")


class _Listed:
    """Token 0 stands for all that is not listed, token i for item i of ``known``."""

    known: tuple[str, ...]

    def __post_init__(self) -> None:
        known = tuple(arguments.texts("known", self.known))
        if len(known) < 2 or len(set(known)) < len(known):
            raise ValueError(f"known must be at least two different items, got {len(set(known))} of {len(known)}")
        object.__setattr__(self, "known", known)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Listed) and type(other) is type(self) and other.known == self.known

    def __hash__(self) -> int:
        return hash((type(self), self.known))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.vocabulary} tokens)"

    @property
    def vocabulary(self) -> int:
        return len(self.known) + 1

    @functools.cached_property
    def _number(self) -> dict[str, int]:
        return {item: i for i, item in enumerate(self.known, 1)}

    def _encoded(self, items: Iterable[str]) -> np.ndarray:
        number = self._number
        return np.fromiter((number.get(item, 0) for item in items), np.int32)

    def _items(self, ids: ArrayLike, unknown: str) -> list[str]:
        return [self.known[i - 1] if i else unknown for i in tokens_of(ids, self.vocabulary).tolist()]


def _frequent(items: Iterable[str], least: int, what: str) -> tuple[str, ...]:
    """Those that occur ``least`` times or more, most frequent first and ties in the order of their characters."""
    counted = collections.Counter(items)
    kept = {item: count for item, count in counted.items() if count >= arguments.whole("least", least, 1)}
    if len(kept) < 2:
        raise ValueError(
            f"texts must hold at least two different {what} that occur {least} times or more, got {len(kept)} of "
            f"{len(counted)}"
        )
    return tuple(sorted(kept, key=lambda item: (-kept[item], item)))


@part
class Characters(_Listed):
    """A token for each character of ``known``; all others are token 0, which reads as U+FFFD.

    ``Characters.of(texts)`` lists the characters of a text; any text of these alone comes back as it was.
    """

    known: tuple[str, ...] = static()
    __repr__ = _Listed.__repr__

    @staticmethod
    def of(texts: Texts, least: int = 1) -> Characters:
        """The characters that occur ``least`` times or more. ValueError if these are fewer than two."""
        return Characters(_frequent(joined(texts).replace(UNKNOWN_CHARACTER, ""), least, "characters"))

    def __post_init__(self) -> None:
        _Listed.__post_init__(self)
        for item in self.known:
            if len(item) != 1 or item == UNKNOWN_CHARACTER:
                raise ValueError(f"known must be single characters other than U+FFFD, got {item!r}")

    def encode(self, text: str) -> np.ndarray:
        return self._encoded(arguments.text("text", text))

    def decode(self, ids: ArrayLike) -> str:
        return "".join(self._items(ids, UNKNOWN_CHARACTER))


@part
class Words(_Listed):
    r"""A token for each word, mark and end of line of ``known``; all others are token 0, which reads as ``<unk>``.

    A word is a run of letters, marks on them, digits and underscores, with apostrophes between; any other sign but
    space is a token of its own. ``decode`` puts a space between two tokens, so spaces do not come back as they were,
    and ``encode(decode(ids))`` is ``ids``. ``Words.of(texts, least=3)`` makes words that occur once or twice unknown,
    as WikiText-2 does.
    """

    known: tuple[str, ...] = static()
    __repr__ = _Listed.__repr__

    @staticmethod
    def of(texts: Texts, least: int = 3) -> Words:
        """The words and marks that occur ``least`` times or more. ValueError if these are fewer than two."""
        return Words(_frequent((word for word in _cut(joined(texts)) if word != UNKNOWN), least, "words"))

    def __post_init__(self) -> None:
        _Listed.__post_init__(self)
        for item in self.known:
            if item == UNKNOWN or _cut(item) != [item]:
                raise ValueError(f"known must be single words or marks other than {UNKNOWN}, got {item!r}")

    def encode(self, text: str) -> np.ndarray:
        return self._encoded(_cut(arguments.text("text", text)))

    def decode(self, ids: ArrayLike) -> str:
        return " ".join(self._items(ids, UNKNOWN))


@functools.cache
def _word() -> Any:
    import regex  # when it is needed: each import takes time

    letters = r"[\p{L}\p{M}\p{N}_]+"
    return regex.compile(rf"{UNKNOWN}|{letters}(?:['’]{letters})*|\n|\S", regex.V1)


def _cut(text: str) -> list[str]:
    return _word().findall(text)


def blocks(ids: ArrayLike, length: int = 64) -> np.ndarray:
    """Tokens ``(n,)`` in rows ``(n // length, length)`` int32, in order; the last ``n % length`` tokens are dropped.

    Raises
    ------
    ValueError
        If there are fewer tokens than one block holds, a token is negative, or ``length`` is below 2: the first token
        of a block is never predicted.
    TypeError
        If the tokens are not whole numbers.
    """
    found, length = arguments.whole_array("ids", ids, ndim=1), arguments.whole("length", length, 2)
    if found.size < length:
        raise ValueError(f"ids must fill at least one block of length {length}, got {found.size} tokens")
    return found[: found.size // length * length].reshape(-1, length).astype(np.int32)
