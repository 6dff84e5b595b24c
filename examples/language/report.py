"""What the runs of ``collapse.py`` show: a table of each condition, five directions of the paper, and two figures."""

import csv
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import matplotlib.ticker
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
COLOURS = {
    "none": "C3", "ten": "C1", "twenty": "C8", "sampled": "C0", "real": "k", "penalty": "C4", "filtered": "C2",
    "trained_on": "C7",
}  # fmt: skip
LABELS = {
    "none": "none kept", "ten": "10 % kept", "twenty": "20 % kept", "sampled": "none kept, sampled",
    "real": "real blocks", "penalty": "none kept, penalty 2", "filtered": "half marked, filtered",
    "trained_on": "real blocks, from the parent",
}  # fmt: skip
CLASSES = {"words_1_1": "once", "words_2_5": "2 to 5", "words_6_20": "6 to 20"}
PAPER = {  # OPT-125m on WikiText-2; read off figures but for the first
    "fine-tuned on real text": "34",
    "none kept, generation 1": "60 to 61.5",
    "none kept, generations 2 to 9": "54.5 down to 52",
    "10 % kept, generation 1": "40 to 42",
    "10 % kept, generation 9": "36.8 to 37.3",
    "repetition penalty 2": "twice that without",
}
RUNS = 32
NOTE = "another model, another tokenizer, not comparable"


def read(folder):
    """``{condition: {column: (seeds, generations + 1)}}`` of the runs in a folder."""
    found = {}
    for name in LABELS:
        seeds = []
        for path in sorted(folder.glob(f"{name}-*.csv")):
            with path.open(newline="") as file:
                head, *rows = csv.reader(file)
            seeds.append(dict(zip(head, np.array(rows, float).T, strict=True)))
        if seeds:
            found[name] = {column: np.stack([seed[column] for seed in seeds]) for column in seeds[0]}
    return found


def spread(values):
    """Mean and standard error over seeds, the first axis; no error from one seed."""
    n = len(values)
    return values.mean(0), values.std(0, ddof=1) / n**0.5 if n > 1 else np.full(values.shape[1:], np.nan)


def said(values, digits=3):
    mean, error = spread(np.asarray(values, float))
    error = 0.0 if error < 1e-12 else error  # of equal values, rounding alone
    return f"{mean:.{digits}g} ± {error:.1g}" if np.isfinite(error) else f"{mean:.{digits}g}"


def directions(runs):
    """(direction, what was measured, seeds in which it is seen, seeds): one row for each that the runs can show."""
    rows = []

    def add(text, measured, seen):
        rows.append((text, measured, int(np.sum(seen)), len(seen)))

    none = runs.get("none")
    if none is None:
        return rows
    loss = np.log(none["perplexity"])
    jump, later = loss[:, 1] - loss[:, 0], loss[:, -1] - loss[:, 1]
    add("(i) real text's loss jumps at generation 1", f"{said(jump)} nats", jump > 0)
    add("(i) and changes less in all later generations", f"{said(later)} nats", np.abs(later) < jump)
    if "ten" in runs:
        n = min(len(loss), len(runs["ten"]["perplexity"]))
        ten = np.log(runs["ten"]["perplexity"][:n])
        left = (ten[:, -1] - ten[:, 0]) / (loss[:n, -1] - loss[:n, 0])
        add("(ii) 10 % kept: less than half of the rise is left at the end", f"{said(left)} of it", left < 0.5)
    own = np.log(none["own_mean"])
    fall = own[:, -1] - own[:, 0]
    add("(iii) beam search: own text's loss under model 0 falls below real text's", f"{said(fall)} nats", fall < 0)
    if "sampled" in runs:
        sampled = np.log(runs["sampled"]["own_mean"])
        rise = sampled[:, -1] - sampled[:, 1]
        add("(iii) pure sampling: it does not fall from the first output on", f"{said(rise)} nats", rise >= 0)
    ratio = none["distinct_2"][:, -1] / none["distinct_2"][:, 0]
    add("(iv) distinct 2-grams fall", f"{said(ratio)} of real text's", ratio < 1)
    if "real" in runs:
        n = min(len(loss), len(runs["real"]["perplexity"]))
        real = np.log(runs["real"]["perplexity"][:n])
        share = (real[:, -1] - real[:, 0]) / (loss[:n, -1] - loss[:n, 0])
        add("(v) the same epochs on real blocks raise the loss less", f"{said(share)} of the rise", share < 1)
    if "trained_on" in runs:
        n = min(len(loss), len(runs["trained_on"]["perplexity"]))
        real = np.log(runs["trained_on"]["perplexity"][:n])
        share = (real[:, -1] - real[:, 0]) / (loss[:n, -1] - loss[:n, 0])
        add("real blocks, from the parent each time, raise it less, too", f"{said(share)} of the rise", share < 1)
    return rows


def verdict(seen, seeds):
    """A direction is seen if all seeds show it; the level is nominal, by a one-sided sign test."""
    if seen == seeds:
        return f"seen in {seen} of {seeds} seeds (nominal level 1/{2**seeds})"
    return f"NOT seen in all: in {seen} of {seeds} seeds" if seen else f"NOT seen: in 0 of {seeds} seeds"


def lines(runs):
    """The tables, in Markdown."""
    last = {name: columns["perplexity"].shape[1] - 1 for name, columns in runs.items()}
    out = [
        "| condition | seeds | perplexity of real test text, generation 0 | 1 | 5 | last | own text under model 0, last | "
        "distinct 2-grams, 0 | last | looped blocks, last |",
        "|---" * 10 + "|",
    ]
    for name, c in runs.items():
        five = said(c["perplexity"][:, 5]) if last[name] >= 5 else "-"
        cells = [LABELS[name], str(len(c["perplexity"])), *(said(c["perplexity"][:, g]) for g in (0, 1)), five]
        cells += [said(c["perplexity"][:, -1]), said(c["own_mean"][:, -1]), said(c["distinct_2"][:, 0])]
        out.append("| " + " | ".join([*cells, said(c["distinct_2"][:, -1]), said(c["looped"][:, -1])]) + " |")
    out += ["", "| direction | measured, mean ± standard error | seeds |", "|---|---|---|"]
    out += [f"| {text} | {measured} | {verdict(seen, n)} |" for text, measured, seen, n in directions(runs)]
    out += [
        "",
        "| words of the real blocks that occur in the data set | once | 2 to 5 | 6 to 20 |",
        "|---|---|---|---|",
    ]
    for name, c in runs.items():
        for g in (1, last[name]):
            shares = [said(c[column][:, g] / c[column][:, 0]) for column in CLASSES]
            out.append(f"| {LABELS[name]}, generation {g} | " + " | ".join(shares) + " |")
    out += ["", f"| the paper's perplexities ({NOTE}) | |", "|---|---|", *(f"| {k} | {v} |" for k, v in PAPER.items())]
    return out


def curves(runs):
    """Four panels: real text's perplexity, own text's, distinct 2-grams, and the words that are left."""
    figure, axes = plt.subplots(2, 2, figsize=(10, 7.2), layout="constrained")
    columns = ("perplexity", "own_mean", "distinct_2")
    titles = ("Perplexity of real test text", "Perplexity of own text under model 0", "Distinct 2-grams of own text")
    for ax, column, title in zip(axes.flat, columns, titles, strict=False):
        for name, c in runs.items():
            mean, error = spread(c[column])
            ax.errorbar(np.arange(len(mean)), mean, error, color=COLOURS[name], marker="o", ms=3, label=LABELS[name])
        ax.set(title=title, xlabel="generation")
        if column != "perplexity":
            ax.set_yscale("log")
            ax.yaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
            ax.yaxis.set_major_formatter("{x:g}")
            ax.yaxis.set_minor_formatter("")
    axes[0, 0].legend(fontsize=7, ncols=2)
    for name, style in (("none", "-"), ("ten", "--"), ("sampled", ":")):
        for i, (column, text) in enumerate(CLASSES.items()):
            if name in runs:
                c = runs[name][column]
                mean, _ = spread(c / c[:, :1])
                label = f"{text}, {LABELS[name]}"
                axes[1, 1].plot(np.arange(len(mean)), mean, style, color=f"C{i}", label=label)
    axes[1, 1].set(
        title="Share of real text's words that are left, by count",
        xlabel="generation",
        ylim=(0, 1.35),
        yticks=np.linspace(0, 1, 6),
    )
    axes[1, 1].legend(fontsize=6, ncols=3)
    return figure


def histograms(runs):
    """Perplexities of blocks under model 0, as in the paper's figure: one panel a condition, a line a generation."""
    names = [name for name in ("none", "ten", "sampled", "penalty") if name in runs]
    figure, axes = plt.subplots(
        1, len(names), figsize=(3 * len(names), 3), layout="constrained", sharey=True, squeeze=False
    )
    for ax, name in zip(axes.flat, names, strict=True):
        c = runs[name]
        bins = [column for column in c if column.startswith("own_from_")]
        edges = np.array([float(column.rpartition("_")[2]) for column in bins])
        generations = [g for g in (0, 1, 2, 3, 5, 10) if g < c["perplexity"].shape[1]]
        for g, colour in zip(generations, plt.cm.viridis(np.linspace(0, 0.9, len(generations))), strict=True):
            share = np.mean([c[column][:, g] for column in bins], 1) / np.sum([c[column][0, g] for column in bins])
            ax.step([0.8, *edges[1:], 1300], [share[0], *share[1:], 0], where="post", color=colour, label=f"{g}")
        ax.set(xscale="log", title=LABELS[name], xlabel="perplexity of a block under model 0")
    axes[0, 0].set_ylabel("share of blocks")
    axes[0, -1].legend(title="generation", fontsize=7)
    return figure


HEAD = """# A language model trained on its own text

Written by `python examples/language/collapse.py --report --docs` from the runs in [`examples/language/results`](../examples/language/results).

The headline experiment of Shumailov et al. (Nature 631:755, 2024) at the scale of a CPU. A decoder of 935,040 parameters, trained for half an hour on 70 % of
an extract of the English Wikipedia ([base.py](../examples/language/base.py)), is the base. Generation 0 is the base, fine-tuned on 256 real blocks of 64 tokens
from articles that it never saw. Then each block is replaced by what the newest model writes after it, by a beam search of width 5, and the *base* is fine-tuned
on these blocks: ten times. Of the five epochs of each fine-tuning, the weights with the least loss on real validation blocks are kept.
`Rewrite(share)` keeps a share of the blocks real, in their places, chosen anew each generation.

Perplexity is exp(mean over tokens of -log p), natural logarithms, without the first token of a block. Errors are standard errors over seeds. A seed changes what is
drawn and the order of training; the blocks and the base are the same. Trends over five seeds are nominal, by a one-sided sign test, and no part of the
family-wise rate of the claims.

What such a small model can show is the *direction*: its text is words and grammar without sense, and collapses under a beam search at once to a few phrases, as
a large model's does not. Sizes of effects are those of this model, this tokenizer and 16,384 tokens.

"""


def samples(folder, names=("none", "ten", "sampled"), generations=(0, 1, 10), number=2):
    """Some blocks of text of seed 0."""
    out = []
    for name in names:
        path = folder / f"{name}.md"
        if not path.exists():
            continue
        for section in path.read_text().split("## Data set of generation ")[1:]:
            generation, *texts = [line for line in section.splitlines() if line]
            if int(generation) in generations and (int(generation) or name == names[0]):
                what = "Real" if generation == "0" else f"{LABELS[name]}, generation {generation}"
                out += [f"{what}:", "", *(f"{text}\n" for text in texts[:number])]
    return out


def page(runs, folder):
    images = [
        ("language", "Perplexities, distinct 2-grams and words over generations"),
        ("language_histograms", "Perplexity of blocks under model 0"),
    ]
    pictures = "\n\n".join(f"![{text}](images/{name}.png)" for name, text in images)
    body = "\n".join(lines(runs))
    done = sum(len(columns["generation"]) for columns in runs.values())
    if done < RUNS:
        body = f"{done} of {RUNS} runs are here so far; the command makes the others.\n\n{body}"
    return f"{HEAD}{pictures}\n\n{body}\n\n## What the models write\n\n" + "\n".join(samples(folder)).rstrip() + "\n"


def main(folder, docs=None):
    """Print the tables and draw the figures; with ``docs``, the folder of the documentation, write the page."""
    runs = read(folder)
    if not runs:
        raise SystemExit(f"no runs in {folder}")
    print("\n".join(lines(runs)))
    for name, figure in (("language", curves(runs)), ("language_histograms", histograms(runs))):
        path = (docs / "images" if docs else folder) / f"{name}.png"
        figure.savefig(path, dpi=100)
        print(f"figure: {path}")
    if docs:
        (docs / "language-experiment.md").write_text(page(runs, folder))
