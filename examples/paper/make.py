"""Make the figures of the papers, all or some, and with --docs the gallery page."""

import importlib
import re
import sys
from pathlib import Path

import _paper
from tqdm.auto import tqdm

PAGE = Path(__file__).parents[2] / "docs" / "gallery.md"
HEAD = """# Gallery: the papers' figures, made again

Written by `python examples/paper/make.py --docs`. Each figure of *AI models collapse when trained on recursively generated data* (Nature 631:755,
2024), of its precursor arXiv 2305.17493 and of arXiv 2412.17646 that can be made on a CPU, with what is exact drawn over it and what the papers report
beside what we get. `[F]` marks a number read off a published figure by eye. The code that came with the papers fixes the settings; where text and
code differ, the code counts. Language models have
[a page of their own](language-experiment.md), and so have [synthesizers of other packages](packages.md).

```sh
make figures                                            # all, into examples/output/paper
make figures SMALL=1                                    # in a minute or two, with fewer chains
python examples/paper/make.py --only recursion gmm      # some
python examples/paper/recursion.py                      # one, with all its numbers and near misses
```

In every figure what theory predicts is put to the test as `modelcollapse verify` does: all predictions of this page together are wrongly rejected with
probability 1e-6, and near misses must be rejected. Times are CPU-seconds on two cores of an AMD EPYC, compiling included.
"""
MARK = re.compile(r"^<!-- (\w+): (\d+) CPU-seconds -->\n", re.MULTILINE)


def section(made):
    """The part of the page that is about one figure."""
    name = _paper.name(made.module)
    title, _, text = made.module.__doc__.partition("\n")
    held = sum(row.verdict != "REJECTED" for row in made.verdicts)
    misses = [miss for row in made.verdicts for miss in row.near_misses.values()]
    lines = [
        f"<!-- {name}: {made.cpu:.0f} CPU-seconds -->",
        f"## {title.rstrip('.')}",
        "",
        f"![{made.module.SHOWS}](images/paper/{name}.png)",
        "",
        f"*What to see: {made.module.SEE}*",
        "",
        text.strip(),
        "",
        f"`python examples/paper/{name}.py`, {made.cpu:.0f} CPU-seconds. {held} of {len(made.verdicts)} predictions hold; "
        f"{sum(miss.rejected for miss in misses)} of {len(misses)} near misses are rejected.",
        "",
        "| quantity | paper | exact | here | reading |",
        "|---|---|---|---|---|",
        *("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in made.rows),
    ]
    return "\n".join(lines) + "\n"


def page(sections):
    """The whole page from the sections by name, and a list of the figures in front."""
    known = [name for name in _paper.FIGURES if name in sections]
    index = ["| figure | CPU-seconds |", "|---|---|"]
    seconds = [int(MARK.match(sections[name])[2]) for name in known]
    index += [f"| [{name}](../examples/paper/{name}.py) | {s} |" for name, s in zip(known, seconds, strict=True)]
    index.append(f"| all | {sum(seconds)} |")
    return "\n".join([HEAD, *index, "", *(sections[name] for name in known)])


def sections_of(text):
    """The sections of a page by name."""
    starts = [*MARK.finditer(text)]
    ends = [match.start() for match in starts[1:]] + [len(text)]
    return {match[1]: text[match.start() : end].strip() + "\n" for match, end in zip(starts, ends, strict=True)}


def main(argv=None):
    parser = _paper.parser(__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=_paper.FIGURES, metavar="NAME", help=f"of {', '.join(_paper.FIGURES)}"
    )
    chosen = parser.parse_args(argv)
    if chosen.docs and chosen.small:
        parser.error("--docs writes the numbers of full runs: give one of --docs and --small")
    sections = sections_of(PAGE.read_text(encoding="utf-8")) if chosen.docs and PAGE.exists() else {}
    failed = []
    with tqdm(chosen.only or _paper.FIGURES, unit="figure", smoothing=0) as bar:
        for name in bar:
            bar.set_description(name)
            try:
                made = _paper.make(importlib.import_module(name), chosen)
            except ModuleNotFoundError as missing:
                failed.append(f"{name} was not made: {missing}")
                continue
            bar.write(f"{name}: {made.wall:.0f} s, {made.cpu:.0f} CPU-seconds")
            failed += [f"{name}: {row.what} is {row.verdict}" for row in made.verdicts if row.verdict != "holds"]
            sections[name] = section(made)
    if chosen.docs:
        PAGE.write_text(page(sections), encoding="utf-8")
    for line in failed:
        print(line, file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
