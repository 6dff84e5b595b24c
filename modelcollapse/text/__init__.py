"""Texts for language models: corpora with their licence, tokenisers, blocks of tokens, and words by their frequency.

    >>> import modelcollapse as mc
    >>> train, validation, test = mc.text.topics().split()
    >>> tokenizer = mc.text.Characters.of(train)
    >>> source = mc.text.tokens(mc.text.blocks(tokenizer.encode(train.text), length=64), tokenizer)

``mc.text.tokens`` is ``mc.sources.tokens``.
"""

from modelcollapse.text.base import pretrained
from modelcollapse.text.bpe import BPE
from modelcollapse.text.corpora import Corpus, Split, read, topics, wikipedia
from modelcollapse.text.frequencies import WordClasses, word_classes
from modelcollapse.text.source import tokens
from modelcollapse.text.tokenisers import Bytes, Characters, Tokenizer, Words, blocks

__all__ = [
    "BPE",
    "Bytes",
    "Characters",
    "Corpus",
    "Split",
    "Tokenizer",
    "WordClasses",
    "Words",
    "blocks",
    "pretrained",
    "read",
    "tokens",
    "topics",
    "wikipedia",
    "word_classes",
]
