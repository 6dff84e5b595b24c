"""A language model fine-tuned ten times on its own text: the experiment of Shumailov et al. (2024) at a CPU's scale.

Each generation fine-tunes the same base (935,040 parameters, trained on Wikipedia) on 256 blocks of 64 tokens. They are
real at generation 0; from then on each real block is replaced by what the newest model writes after it, as in the
paper, or kept. A run is written as soon as it ends, and the command goes on where it was stopped.

    python examples/language/collapse.py                  every condition: about an hour on two idle cores
    python examples/language/collapse.py --small          two conditions, two seeds, two generations: two minutes
    python examples/language/collapse.py --full --text TRAIN VALIDATION TEST
                                                          as many blocks as the paper has: days on a CPU
    python examples/language/collapse.py --report         the tables and figures of the runs that there are

Needs ``pip install "modelcollapse[text]"``.
"""

import argparse
import concurrent.futures
import csv
import dataclasses
import itertools
import json
import multiprocessing
import os
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
LENGTH = 64
CLASSES = ((1, 1), (2, 5), (6, 20))
EDGES = np.array([0.0, *np.geomspace(1.0, 1000.0, 31), np.inf])  # of perplexities of blocks
QUANTILES = (0.1, 0.5, 0.9)
READ = (0, 1, 2, 3, 5, 10)  # generations of which blocks are kept to read

CONDITIONS = {
    "none": "none kept, beam search of width 5",
    "ten": "10 % of the blocks kept",
    "sampled": "none kept, pure sampling in place of beam search",
    "real": "control: the real blocks every time, for as many epochs from the base",
    "twenty": "20 % of the blocks kept",
    "penalty": "none kept, repetition penalty 2",
    "filtered": "a pool half real, half marked; what the detector flags is removed and replaced",
    "trained_on": "the real blocks every time, trained on from the parent: eleven times as many epochs in the end",
}
SEEDS = dict.fromkeys(("none", "ten", "sampled", "real"), 5) | dict.fromkeys(
    ("twenty", "penalty", "filtered", "trained_on"), 3
)


@dataclasses.dataclass(frozen=True)
class Size:
    """Blocks to learn from and to test on, generations, epochs of each, blocks in a batch, learning rate."""

    blocks: int = 256
    test: int = 256
    generations: int = 10
    epochs: int = 5
    batch: int = 16
    rate: float = 2e-4
    seeds: int = 5
    conditions: tuple = tuple(CONDITIONS)
    text: tuple = ()  # files of one's own; none: the extract of Wikipedia


SIZES = {
    "default": Size(),
    "small": Size(blocks=64, test=64, generations=2, epochs=2, seeds=2, conditions=("none", "sampled")),
    # as many blocks as WikiText-2 has; the extract has 1,500
    "full": Size(blocks=37_000, test=4_000, batch=128, rate=2e-5),
}


def text_of(size):
    """The base, and blocks of real text: to learn from, for validation, to test on."""
    import base as pretraining

    import modelcollapse as mc

    known = mc.text.pretrained()
    parts = [mc.text.read(path) for path in size.text] or pretraining.corpus()[1:]
    train, validation, test = (mc.text.blocks(known.tokenizer.encode(part.text), LENGTH) for part in parts)
    for name, found, wanted in (("learn from", train, size.blocks), ("test on", test, size.test)):
        if len(found) < wanted:
            raise SystemExit(
                f"there are {len(found)} blocks to {name}, and {wanted} are wanted: give larger files by --text TRAIN "
                "VALIDATION TEST, such as those of WikiText-2"
            )
    # blocks from all articles, not from the first alone
    spread = lambda found, n: found[np.linspace(0, len(found) - 1, n).astype(int)]  # noqa: E731
    return known, spread(train, size.blocks), spread(validation, size.test), spread(test, size.test)


def parts(name, known):
    """The regime of a condition, and what differs in its model."""
    import modelcollapse as mc

    share, options = 0.0, {"decoding": mc.families.Beam(5)}
    if name == "filtered":
        mark = mc.families.Watermarked(mc.families.Beam(5), share=0.25, delta=2.0, key=1)
        score = mark.score(known.network.vocabulary)
        return mc.regimes.Detected(mc.regimes.Rewrite(0.5), score=score, threshold=-np.log(1e-3)), {"decoding": mark}
    if name == "sampled":
        options = {"decoding": mc.families.Sampled()}
    elif name == "penalty":
        options = {"decoding": mc.families.Beam(5, penalty=2.0)}
    elif name == "real":
        share = 1.0
    elif name == "trained_on":
        share, options = 1.0, {"start": "warm"}
    elif name in ("ten", "twenty"):
        share = {"ten": 0.1, "twenty": 0.2}[name]
    return mc.regimes.Rewrite(share), options


def run_of(name, seed, size):
    """One chain of a condition, a ``Run``."""
    import modelcollapse as mc

    known, train, validation, test = text_of(size)
    regime, options = parts(name, known)
    model = mc.families.LanguageModel(
        known.network, known.weights, epochs=size.epochs, batch=size.batch, rate=size.rate, validation=validation,
        **options,
    )  # fmt: skip
    observe = {
        "perplexity": mc.observables.perplexity(test),
        "own": mc.observables.own_losses(),
        **{f"distinct_{n}": mc.observables.distinct(n) for n in (1, 2, 3)},
        "repetition_3": mc.observables.repetition(3),
        "looped": mc.observables.looped(),
        "entropy": mc.observables.token_entropy(),
        "zipf": mc.observables.zipf_slope(),
        "blocks": mc.observables.blocks(size.blocks),
        "training": "training_loss",
    }
    if name == "filtered":
        observe |= {"flagged": mc.observables.detected_rates}
    return mc.simulate(
        model, mc.text.tokens(train, known.network.vocabulary), regime, observe=observe, size=size.blocks,
        generations=size.generations, seed=seed, chains=1, progress=False,
    )  # fmt: skip


def table_of(run, size):
    """One row per generation: scalars, quantiles and histogram of own perplexity, words left, counts of tokens."""
    import modelcollapse as mc

    tokenizer = mc.text.pretrained().tokenizer
    blocks = run["blocks"][0]
    texts = [[tokenizer.decode(block) for block in generation] for generation in blocks]
    classes = mc.text.word_classes(texts[0], CLASSES)
    own = np.exp(run["own"][0].astype(float))
    bins = np.array([[np.sum((o >= a) & (o < b)) for a, b in itertools.pairwise(EDGES)] for o in own])
    scalars = [name for name in run if run[name].ndim == 2]
    rates = ["flagged_true", "flagged_false"] if "flagged" in list(run) else []  # of marked and of real blocks
    names = ["generation", *scalars, *rates, *(f"own_{q}" for q in QUANTILES), "own_mean"]
    names += [f"words_{low}_{high}" for low, high in CLASSES]
    names += [f"own_from_{edge:.4g}" for edge in EDGES[:-1]] + [f"token_{i}" for i in range(tokenizer.vocabulary)]
    rows = []
    for g, generation in enumerate(run.recorded.tolist()):
        numbers = [f"{float(run[name][0, g]):.6g}" for name in scalars]
        numbers += [f"{rate:.4g}" for rate in run["flagged"][0, g]] if rates else []
        numbers += [f"{x:.5g}" for x in np.quantile(own[g], QUANTILES)]
        numbers += [f"{np.exp(np.log(own[g]).mean()):.5g}", *classes.surviving(texts[g]).tolist(), *bins[g].tolist()]
        rows.append([generation, *numbers, *np.bincount(blocks[g].ravel(), minlength=tokenizer.vocabulary).tolist()])
    samples = {g: texts[g][:3] for g in READ if g < len(texts)}
    return names, rows, samples


def work(name, seed, size, folder):
    """Simulate a run and write its table, and for seed 0 some text; returns seconds."""
    begun = time.time()
    names, rows, samples = table_of(run_of(name, seed, size), size)
    if seed == 0:
        lines = [f"# {name}: {CONDITIONS[name]}", ""]
        for g, texts in samples.items():
            lines += [f"## Data set of generation {g}", "", *(f"> {' '.join(text.split())}\n" for text in texts)]
        (folder / f"{name}.md").write_text("\n".join(lines).rstrip() + "\n")
    path = folder / f"{name}-{seed}.csv"
    with path.with_suffix(".part").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([names, *rows])
    path.with_suffix(".part").replace(path)
    return time.time() - begun


def check_settings(size, folder):
    """Refuse a folder with runs of other settings."""
    told = {name: value for name, value in vars(size).items() if name not in ("seeds", "conditions")}
    told["text"] = [str(path) for path in size.text]
    path = folder / "settings.json"
    if path.exists() and json.loads(path.read_text()) != told:
        raise SystemExit(f"{folder} holds runs of other settings, {path.read_text()}: give another --output")
    path.write_text(json.dumps(told) + "\n")


def every(size, names, folder, workers):
    """All runs that are missing, ``workers`` at once, seed by seed; says after each how long the rest will take."""
    seeds = {name: min(SEEDS[name], size.seeds) for name in names}
    wanted = [(name, seed) for seed in range(max(seeds.values())) for name in names if seed < seeds[name]]
    todo = [one for one in wanted if not (folder / "{}-{}.csv".format(*one)).exists()]
    print(f"{len(wanted) - len(todo)} of {len(wanted)} runs are there already", flush=True)
    begun = time.time()
    # spawned processes, each with one thread of XLA
    os.environ |= {"NPROC": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        running = {pool.submit(work, *one, size, folder): one for one in todo}
        for done, future in enumerate(concurrent.futures.as_completed(running), 1):
            left = (time.time() - begun) / done * (len(todo) - done) / 60
            failure, what = future.exception(), "{} {}".format(*running[future])
            said = f"{future.result():.0f} s" if failure is None else f"FAILED, {failure!r}"
            print(f"{what}: {said}; {left:.0f} minutes left", flush=True)
    if any(future.exception() for future in running):
        raise SystemExit("some runs failed; the others are kept")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--small", dest="size", action="store_const", const="small", default="default")
    sizes.add_argument("--full", dest="size", action="store_const", const="full")
    parser.add_argument("--only", nargs="+", choices=CONDITIONS, help="some of the conditions")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument(
        "--output", type=Path, help="folder of tables (default: results beside this file; small, full: examples/output)"
    )
    parser.add_argument("--text", nargs=3, type=Path, default=(), metavar=("TRAIN", "VALIDATION", "TEST"))
    parser.add_argument("--report", action="store_true", help="tables and figures of the runs that there are")
    parser.add_argument("--docs", action="store_true", help="write the page of the documentation, and its figures")
    chosen = parser.parse_args()
    size = dataclasses.replace(SIZES[chosen.size], text=tuple(chosen.text))
    folder = chosen.output or (
        HERE / "results"
        if chosen.size == "default" and not size.text
        else HERE.parent / "output" / f"language-{chosen.size}"
    )
    folder.mkdir(parents=True, exist_ok=True)
    if not chosen.report:
        check_settings(size, folder)
        every(size, tuple(chosen.only or size.conditions), folder, chosen.workers)
    import report

    report.main(folder, HERE.parents[1] / "docs" if chosen.docs else None)


if __name__ == "__main__":
    main()
