"""Byte-pair encoding, by the package tokenizers."""

from __future__ import annotations

import functools
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import arguments, tables
from modelcollapse.pytree import part, static
from modelcollapse.text.tokenisers import Texts, joined, tokens_of


def _library() -> Any:
    try:
        import tokenizers
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'byte-pair encoding needs the package tokenizers: pip install "modelcollapse[text]"; Bytes, Characters and '
            "Words need nothing"
        ) from error
    return tokenizers


@part
class BPE:
    """Byte-pair encoding at the level of bytes: every text comes back as it was.

    A text is cut after each run of line ends, and the pieces are encoded side by side. Bytes that are no text, which a
    model may write, become U+FFFD.

    Parameters
    ----------
    content
        A ``tokenizer.json`` as text. ``BPE.train(texts, vocabulary)`` makes one, ``BPE.load(path)`` reads one,
        ``save(path)`` writes it.

    Raises
    ------
    ModuleNotFoundError
        When a text is trained on, encoded or decoded, if the package tokenizers is not installed (extra ``text``).
    ValueError
        If the content is no tokenizer.
    """

    content: str = static()

    def __post_init__(self) -> None:
        arguments.text("content", self.content)
        if self.vocabulary < 2:
            raise ValueError(f"content must be a tokenizer of at least two tokens, got {self.vocabulary}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BPE) and other.content == self.content

    def __hash__(self) -> int:
        return hash((BPE, self.content))

    @functools.cached_property
    def _tokenizer(self) -> Any:
        library = _library()
        try:
            return library.Tokenizer.from_str(self.content)
        except Exception as error:  # the library raises nothing narrower
            raise ValueError(f"content must be a tokenizer.json, got {self.content[:40]!r}: {error}") from None

    @functools.cached_property
    def vocabulary(self) -> int:
        """The largest token and 1."""
        try:
            found = json.loads(self.content)
            tokens = found["model"]["vocab"]
            numbers = list(tokens.values()) if isinstance(tokens, dict) else list(range(len(tokens)))
            return 1 + max(numbers + [added["id"] for added in found["added_tokens"]], default=-1)
        except (ValueError, TypeError, LookupError):
            raise ValueError(f"content must be a tokenizer.json, got {self.content[:40]!r}") from None

    def __repr__(self) -> str:
        return f"BPE({self.vocabulary} tokens)"

    @staticmethod
    def train(texts: Texts, vocabulary: int = 2048) -> BPE:
        """The encoding that merges the most frequent pairs of ``texts``, until there are ``vocabulary`` tokens.

        At least 256 for the bytes alone; fewer tokens come of a text with no more pairs that occur twice. Raises
        ValueError for texts of fewer than two different words.
        """
        size, text, library = arguments.whole("vocabulary", vocabulary, 256), joined(texts), _library()
        if len(set(text.split())) < 2:
            raise ValueError(f"texts must hold at least two different words, got {text.split()[0]!r} alone")
        model = library.Tokenizer(library.models.BPE())
        model.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        model.decoder = library.decoders.ByteLevel()
        alphabet = library.pre_tokenizers.ByteLevel.alphabet()
        trainer = library.trainers.BpeTrainer(
            vocab_size=size, min_frequency=2, initial_alphabet=alphabet, show_progress=False
        )
        model.train_from_iterator(_pieces(text), trainer)
        return BPE(model.to_str())

    @staticmethod
    def load(path: str | os.PathLike) -> BPE:
        """The tokenizer of a ``tokenizer.json``, of ``save`` or of any other program."""
        return BPE(tables.read_text(path))

    def save(self, path: str | os.PathLike) -> None:
        """Write a ``tokenizer.json``, which Hugging Face's libraries read too."""
        Path(arguments.path("path", path)).write_text(self.content, encoding="utf-8")

    def encode(self, text: str) -> np.ndarray:
        pieces = self._tokenizer.encode_batch(_pieces(arguments.text("text", text)), add_special_tokens=False)
        return np.array([token for piece in pieces for token in piece.ids], np.int32)

    def decode(self, ids: ArrayLike) -> str:
        return self._tokenizer.decode(tokens_of(ids, self.vocabulary).tolist(), skip_special_tokens=False)


def _pieces(text: str) -> list[str]:
    """The text in pieces that end after a run of line ends."""
    return re.findall(r"[^\n]*\n+|[^\n]+", text)
