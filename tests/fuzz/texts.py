"""One legal call of every public callable about texts, with every argument that it has."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

from modelcollapse import text
from tests.fuzz.parts import Case

STORY = ["The cat sat on the mat.", "The dog sat on the cat.", "The cat left the mat."]
BLOCKS = [[0, 1, 2], [2, 2, 1]]


def _none(answer: Any) -> None:
    """Texts hold no numbers of their own."""


@functools.cache
def text_cases() -> dict[str, Case]:
    folder = Path(tempfile.mkdtemp(prefix="fuzz"))
    story, saved = folder / "story.txt", folder / "tokenizer.json"
    story.write_text("A text.\n\nA second.")
    corpus, words, pairs = text.Corpus(STORY), text.Words.of(STORY, 1), text.BPE.train(STORY, 260)
    pairs.save(saved)
    terms = {"licence": "CC0", "attribution": "me"}
    found = {
        "Corpus": Case(text.Corpus, {"documents": STORY, "titles": ["a", "b", "c"], **terms, "source": "here"}, _none),
        "Corpus.parts": Case(lambda shares, seed: corpus.parts(shares, 0.75, seed=seed), {"shares": 0.25, "seed": 1}, _none),
        "Corpus.split": Case(corpus.split, {"validation": 0.25, "test": 0.25, "seed": 1}, _none),
        "read": Case(text.read, {"paths": story, "separator": "\n\n", "encoding": "utf-8", **terms}, _none, (OSError,)),
        "topics": Case(text.topics, {}, _none),
        "wikipedia": Case(text.wikipedia, {}, _none, (ModuleNotFoundError,)),
        "pretrained": Case(text.pretrained, {}, _none),
        "Bytes": Case(text.Bytes, {}, _none),
        "Bytes.encode": Case(text.Bytes().encode, {"text": "abc"}),
        "Bytes.decode": Case(text.Bytes().decode, {"ids": [97, 98]}, _none),
        "Characters": Case(text.Characters, {"known": ["a", "b"]}, _none),
        "Characters.of": Case(text.Characters.of, {"texts": STORY, "least": 2}, _none),
        "Words": Case(text.Words, {"known": ["a", "b"]}, _none),
        "Words.of": Case(text.Words.of, {"texts": STORY, "least": 2}, _none),
        "Words.encode": Case(words.encode, {"text": "The cat"}),
        "Words.decode": Case(words.decode, {"ids": [1, 2]}, _none),
        "BPE": Case(text.BPE, {"content": pairs.content}, _none, (ModuleNotFoundError,)),
        "BPE.train": Case(text.BPE.train, {"texts": STORY, "vocabulary": 256}, _none),
        "BPE.load": Case(text.BPE.load, {"path": saved}, _none, (OSError,)),
        "BPE.save": Case(pairs.save, {"path": saved}, _none, (OSError,)),
        "BPE.encode": Case(pairs.encode, {"text": "The cat"}),
        "BPE.decode": Case(pairs.decode, {"ids": [1, 2]}, _none),
        "blocks": Case(text.blocks, {"ids": [1, 2, 3, 4], "length": 2}),
        "tokens": Case(text.tokens, {"blocks": BLOCKS, "vocabulary": 3, "replace": True}, lambda source: source.points),
        "word_classes": Case(text.word_classes, {"texts": STORY, "bounds": [[1, 1], [2, 5]]}, lambda found: found.sizes),
        "word_classes (tokens)": Case(text.word_classes, {"texts": BLOCKS}, lambda found: found.sizes),
        "WordClasses.surviving": Case(text.word_classes(STORY).surviving, {"texts": STORY}),
    }  # fmt: skip
    return {**{f"text.{name}": case for name, case in found.items()}, "tokens": found["tokens"]}
