"""Rare words disappear first in text, too: a bigram model of words, refitted again and again to what it wrote.

The text is the help topics of Python. Each generation writes one word after each word of the real text, and learns from
that. A word is lost where it follows no word any more: each context is a chain of its own, so that the chance is a
product over contexts. Generation 0 has read the text itself. The curves are exact; nothing is fitted to the simulation.
"""

import _common
import numpy as np
from matplotlib import pyplot

import modelcollapse as mc
from modelcollapse import plot
from modelcollapse_theory import language

CLASSES = {"once": (1, 1), "2 to 5 times": (2, 5), "6 to 20 times": (6, 20)}
COLOURS, MARKERS = (plot.VERMILION, plot.ORANGE, plot.BLUE), "osD"


def bigrams(words):
    """Counts of the different bigrams: first word, second word, how often, and how often the first has a second."""
    pairs, times = np.unique(np.stack([words[:-1], words[1:]]), axis=1, return_counts=True)
    return pairs, times, np.bincount(words[:-1])[pairs[0]]


def exact(words, vocabulary, generations):
    """The chance ``(generations, V)`` that each word is left, and the mean number of different bigrams."""
    pairs, times, after = bigrams(words)
    kinds, which = np.unique(np.stack([times, after]), axis=1, return_inverse=True)
    there = language.present(kinds[0] / kinds[1], kinds[1], np.maximum(generations, 1))
    there = np.minimum(np.where(np.asarray(generations)[:, None] == 0, 1.0, there), 1.0)[:, which.ravel()]
    with np.errstate(divide="ignore"):
        lost = np.exp([np.bincount(pairs[1], np.log1p(-row), vocabulary) for row in there])
    return 1 - lost, there.sum(1)


def main(argv=None):
    chosen = _common.options(__doc__.splitlines()[0], argv)
    text = mc.text.topics().text[: 60_000 if chosen.small else None]
    tokenizer = mc.text.Words.of([text], least=1)
    words = tokenizer.encode(text)
    generations, chains = (8, 10) if chosen.small else (50, 20)
    record = np.unique(np.geomspace(1, generations, 16).round().astype(int))
    run = mc.simulate(
        mc.families.NGram(order=2, vocabulary=tokenizer.vocabulary),
        mc.table(words, replace=False),
        observe={"words": mc.observables.unigrams(tokenizer.vocabulary), "bigrams": "support_size"},
        size=words.size - 1,
        generations=generations,
        chains=chains,
        seed=chosen.seed,
        record=record,
    )
    left, different = exact(words, tokenizer.vocabulary, run.recorded)
    times = np.bincount(words[1:], minlength=tokenizer.vocabulary)
    alive = np.asarray(run["words"]) > 0
    rows, figure = [], pyplot.figure(figsize=(10.5, 4), layout="constrained")
    first, second = figure.subplots(1, 2)
    for (name, (low, high)), colour, marker in zip(CLASSES.items(), COLOURS, MARKERS, strict=True):
        members = (times >= low) & (times <= high)
        seen, expected = alive[:, :, members].mean(2), left[:, members].mean(1)
        first.plot(run.recorded, expected, lw=1.4, color=colour)
        label = f"{name} in the text ({members.sum()} words)"
        first.plot(run.recorded, seen.mean(0), marker, mfc="white", ms=5, color=colour, label=label)
        error = seen.std(0, ddof=1) / np.sqrt(chains)
        for k in (0, -1):
            rows.append((f"{name}, generation {run.recorded[k]}", expected[k], seen[:, k].mean(), error[k]))
    seen = np.asarray(run["bigrams"], float)
    second.plot(run.recorded, different, lw=1.4, color=plot.BLACK)
    second.plot(run.recorded, seen.mean(0), "v", mfc="white", ms=5, color=plot.BLACK)
    error = seen[:, -1].std(ddof=1) / np.sqrt(chains)
    rows.append((f"different bigrams, generation {generations}", different[-1], seen[:, -1].mean(), error))
    first.set(xscale="log", xlabel="generation", ylabel="share of the words that is left", ylim=(0, 1.03))
    first.set_title(f"{words.size} words and marks of English", fontsize=10)
    first.legend(frameon=False, fontsize=8)
    second.set(xscale="log", xlabel="generation", ylabel="different bigrams", ylim=(0, None))
    second.set_title(f"{len(bigrams(words)[1])} different bigrams in the text", fontsize=10)
    _common.save(figure, "rare_words_in_text", chosen)
    pyplot.close(figure)
    _common.table("what is left", rows)
    return rows


if __name__ == "__main__":
    main()
