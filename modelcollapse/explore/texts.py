"""A text that dissolves: an n-gram model learns from what it wrote, and every generation writes a few lines."""

from __future__ import annotations

import dataclasses
import functools
import re
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from modelcollapse import arguments, families, observables, regimes, text
from modelcollapse.explore import choices, curves
from modelcollapse.explore.settings import Body, fields, unread
from modelcollapse.families.next_tokens import NextTokens
from modelcollapse.families.transitions import Places
from modelcollapse.protocols import Regime
from modelcollapse.run import Run, simulate

CHAINS = 20
SMOOTHING = 0.05
"""The weight of the uniform law on all words, without which a loss is infinite."""
TEST = 2000
"""Words of real text that are kept away from every model, at most."""
BLOCK = 20
WORDS = 70
"""Words that each generation writes for the page."""
FEWEST = 200
"""Words that a text must have to learn from, at least."""
CHOICES: dict[str, Any] = {
    "sizes": (1000, 2000, 5000, 10_000),
    "orders": (2, 3),
    "shares": (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9),
    "regimes": [
        {
            "name": "replace", "label": "Only the newest model", "share": False,
            "words": (
                "At each place of the real text a word is drawn, mostly from what the model saw after the real words "
                "before it, and one in twenty from all words alike; the next model learns from those."
            ),
        },
        {
            "name": "rewrite", "label": "Some real words stay in place", "share": True,
            "words": (
                "The share that you set of the places keeps its real word, other places each generation; at the "
                "others a word is drawn after the real words before it."
            ),
        },
    ],
    "generations": {"low": 1, "high": 50, "default": 20},
}  # fmt: skip
DEFAULT: dict[str, Any] = {
    "text": {"name": "python"}, "order": 2, "size": 2000, "regime": "replace", "share": 0.1, "generations": 20,
    "seed": 0,
}  # fmt: skip
OBSERVABLES = {
    "perplexity": ("Perplexity of real text", "words", "Among how many equally likely words the model has to guess."),
    "loss": ("Loss on real text", "nats per word", "The mean of -ln p over real words; perplexity is its exponential."),
    "words": ("Words in use", "words", "How many different words the generation learnt from."),
    "ngrams": ("Different n-grams", "n-grams", "How many different sequences of words the generation learnt from."),
}  # fmt: skip


def described() -> list[dict[str, str]]:
    """The texts that are here without being pasted."""
    return [
        {
            "name": "python",
            "label": "Help texts of Python",
            "words": "Technical English from the documentation of the Python that runs this.",
        }
    ]


class Material(NamedTuple):
    """What a run reads: tokens ``(1, N)``, blocks of unseen text ``(n, L)``, and the words."""

    tokens: np.ndarray
    unseen: np.ndarray
    words: text.Words


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a person has set; ``own`` is None for the text that is here."""

    own: str | None
    order: int
    size: int
    regime: str
    share: float
    generations: int
    seed: int

    @staticmethod
    def checked(body: Body) -> Setting:
        """ValueError or TypeError for what makes no sense, with its name."""
        source, order, size, regime, share, generations, seed = fields(
            body, "text", "order", "size", "regime", "share", "generations", "seed"
        )
        shared = {one["name"]: one["share"] for one in CHOICES["regimes"]}
        arguments.choice("regime", regime, shared)
        ends = CHOICES["generations"]
        return Setting(
            _own(source),
            arguments.choice("order", arguments.whole("order", order), CHOICES["orders"]),
            arguments.choice("size", arguments.whole("size", size), CHOICES["sizes"]),
            regime,
            arguments.number("share", share, 0.0, 1.0) if shared[regime] else unread(share),
            arguments.whole("generations", generations, ends["low"], ends["high"]),
            arguments.whole("seed", seed, 0, choices.SEEDS["high"]),
        )

    def rule(self) -> Regime:
        """The regime of the library."""
        return regimes.Replace() if self.regime == "replace" else regimes.Rewrite(self.share)

    def material(self) -> Material:
        """ValueError for a text that is too short."""
        return material(self.own, self.size + self.order - 1)

    def call(self) -> str:
        """Python source that makes the same numbers."""
        corpus = "mc.text.topics()" if self.own is None else f"mc.text.Corpus({documents(self.own)!r})"
        rule = "mc.Replace()" if self.regime == "replace" else f"mc.regimes.Rewrite({self.share!r})"
        return f"""import modelcollapse as mc

train, test = {corpus}.parts(0.8, 0.2)
every = mc.text.Words.of(train, least=1)
cut = every.decode(every.encode(train.text)[:{self.size + self.order - 1}])
words = mc.text.Words.of(cut, least=1)
tokens = words.encode(cut)[None]
unseen = mc.text.blocks(words.encode(test.text)[:{TEST}], length={BLOCK})
run = mc.simulate(
    mc.families.NGram(order={self.order}, interpolation={SMOOTHING}),
    mc.text.tokens(tokens, words, replace=False),
    {rule},
    {{
        "perplexity": mc.observables.perplexity(unseen),
        "loss": mc.observables.cross_entropy(unseen),
        "ngrams": "support_size",
        "unigrams": mc.observables.unigrams(words.vocabulary),
    }},
    size=tokens.size - {self.order - 1}, generations={self.generations}, chains={CHAINS}, seed={self.seed},
)
print((run["unigrams"] > 0).sum(-1).mean(0))  # words in use
print(run.predict())"""


def _own(source: object) -> str | None:
    if not isinstance(source, Mapping):
        raise TypeError(f"text must be an object with name or own, got {source!r}")
    if "name" in source:
        (name,) = fields(source, "name")
        arguments.choice("name", name, [one["name"] for one in described()])
        return None
    (own,) = fields(source, "own")
    if len(arguments.text("own", own)) > choices.LIMITS["text"]:
        raise ValueError(f"the text may have {choices.LIMITS['text']:,} characters, got {len(own):,}")
    return own


def documents(own: str) -> list[str]:
    """The paragraphs of a text, or its sentences where it has few. ValueError for fewer than five of these."""
    for pattern in (r"\n\s*\n", r"(?<=[.!?])\s+", r"\n"):
        found = [piece for piece in re.split(pattern, own) if piece.strip()]
        if len(found) >= 5:
            return found
    raise ValueError("the text must have at least five paragraphs, sentences or lines, to keep some for a test")


@functools.lru_cache(maxsize=4)
def material(own: str | None, number: int) -> Material:
    """The first ``number`` words to learn from, and others that no model sees."""
    corpus = text.topics() if own is None else text.Corpus(tuple(documents(own)))
    train, test = corpus.parts(0.8, 0.2)
    every = text.Words.of(train, least=1)
    cut = every.decode(every.encode(train.text)[:number])
    words = text.Words.of(cut, least=1)
    tokens, unseen = words.encode(cut)[None], words.encode(test.text)[:TEST]
    if tokens.size < FEWEST or unseen.size < BLOCK:
        raise ValueError(
            f"the text must have at least {FEWEST} words and marks to learn from and {BLOCK} to be tested on, got "
            f"{tokens.size} and {unseen.size}"
        )
    return Material(tokens, text.blocks(unseen, BLOCK), words)


def run_of(setting: Setting) -> Run:
    """The run of a setting."""
    found = setting.material()
    watched = {
        "perplexity": observables.perplexity(found.unseen),
        "loss": observables.cross_entropy(found.unseen),
        "ngrams": "support_size",
        "unigrams": observables.unigrams(found.words.vocabulary),
        "written": next_words,
    }
    return simulate(
        families.NGram(order=setting.order, interpolation=SMOOTHING),
        text.tokens(found.tokens, found.words, replace=False),
        setting.rule(),
        watched,
        size=found.tokens.size - setting.order + 1,
        generations=setting.generations,
        chains=CHAINS,
        seed=setting.seed,
    )


def next_words(params: NextTokens) -> Any:
    """The word at each place of the text that a model was fitted to, in the order of contexts: ``(N,)``."""
    assert isinstance(params.seen, Places)
    return params.seen.tokens[0]


def written(setting: Setting) -> dict[str, Any]:
    """The answer of ``api/text``."""
    begun = time.perf_counter()
    run = run_of(setting)
    drawn = {name: label for name, label in OBSERVABLES.items() if name != "words"}
    found, (name, unit, _) = curves.of_run(run, drawn), OBSERVABLES["words"]
    used = (run["unigrams"] > 0).sum(-1)
    words = setting.material().words
    return {
        "generations": run.recorded.tolist(),
        "texts": [lines(run, words, setting.seed, g) for g in range(run.recorded.size)],
        "curves": {each: found[each] for each in ("perplexity", "loss")}
        | {"words": curves.curve(name, unit, used, run.recorded, None), "ngrams": found["ngrams"]},
        "said": (
            f"Each generation learns from {int(run.size):,} words, each drawn after the real words before it. The "
            "text shown is written freely by the same counts, and nobody learns from it; … is where the model had "
            "never seen what it had written, and began anew."
        ),
        "call": setting.call(),
        "seconds": round(time.perf_counter() - begun, 4),
    }


def lines(run: Run, words: text.Words, seed: int, index: int) -> str:
    """What the first chain writes at the recorded generation ``index``: each word is drawn from those that it saw
    in the same context; where it never saw one, it begins anew.
    """
    known = run.family.text
    contexts, starts = np.asarray(known.contexts), np.asarray(known.starts)
    number = {tuple(context): i for i, context in enumerate(contexts.tolist())}
    seen, random = run["written"][0, index], np.random.default_rng(seed)
    out: list[str] = []
    context: tuple[int, ...] = ()
    while len(out) < WORDS:
        at = number.get(context)
        if at is None:
            place = int(random.integers(starts[-1]))
            at = int(np.searchsorted(starts, place, "right")) - 1
            context = tuple(contexts[at].tolist())
            out += ["…"] * bool(out) + [words.decode([token]) for token in context]
        token = int(seen[random.integers(starts[at], starts[at + 1])])
        out.append(words.decode([token]))
        context = (*context[1:], token) if context else context
    joined = re.sub(r" (?=[.,;:!?)\]])|(?<=[(\[]) ", "", " ".join(out))
    return re.sub(r"\s*\n\s*", "\n", joined).strip()
