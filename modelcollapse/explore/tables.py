"""``python -m modelcollapse.explore.tables FILE`` writes the answers that the page in the documentation has beside it.

Each is the answer that the server would give, to the digit; there is no second implementation to keep honest.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modelcollapse import arguments
from modelcollapse.cache import keep_programs
from modelcollapse.explore import answers, choices, engine, texts
from modelcollapse.explore.settings import Setting

PRESET = "zipf"
REGIMES = ("replace", "fresh", "fixed", "accumulate")
SIZES = (20, 50, 100, 500)
SHARES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
GENERATIONS = 40
TEXT_SIZE, TEXT_SHARES, TEXT_GENERATIONS = 1000, (0.0, 0.1, 0.5), 20


def bodies() -> Iterator[tuple[str, dict[str, Any]]]:
    """The settings of the tables by their keys."""
    for regime in REGIMES:
        for share in choices.ladder(choices.REGIMES[regime], SHARES):
            for size in SIZES:
                body = choices.DEFAULT | {
                    "source": {"preset": PRESET}, "regime": regime, "share": share, "size": size,
                    "generations": GENERATIONS,
                }  # fmt: skip
                shared = choices.REGIMES[regime].shared
                yield "/".join([PRESET, regime, written(share) if shared else "-", "1", str(size)]), body


def text_bodies() -> Iterator[tuple[str, dict[str, Any]]]:
    """The same for the text tab."""
    fixed = {"order": 2, "size": TEXT_SIZE, "generations": TEXT_GENERATIONS}
    for regime in texts.CHOICES["regimes"]:
        for share in TEXT_SHARES if regime["share"] else (0.0,):
            key = "/".join(["python", regime["name"], written(share) if regime["share"] else "-", "2", str(TEXT_SIZE)])
            yield key, texts.DEFAULT | {"regime": regime["name"], "share": share} | fixed


def written(number: float) -> str:
    """A number as JavaScript writes it."""
    return str(int(number)) if number == int(number) else repr(number)


def start() -> dict[str, Any]:
    """What can be chosen where the tables are all there is."""
    every = answers.start()
    ends = {"low": 1, "high": GENERATIONS, "default": GENERATIONS}
    default = choices.DEFAULT | {"source": {"preset": PRESET}, "generations": GENERATIONS}
    text_default = texts.DEFAULT | {"size": TEXT_SIZE, "order": 2, "generations": TEXT_GENERATIONS}
    return every | {
        "live": False,
        "regimes": [regime for regime in every["regimes"] if regime["name"] in REGIMES],
        "presets": [preset for preset in every["presets"] if preset["name"] == PRESET],
        "sizes": SIZES,
        "shares": SHARES,
        "items": choices.items(SHARES, SIZES),
        "temperatures": (1.0,),
        "generations": ends,
        "default": default,
        "text": texts.CHOICES
        | {
            "sizes": (TEXT_SIZE,),
            "orders": (2,),
            "shares": TEXT_SHARES,
            "generations": {"low": 1, "high": TEXT_GENERATIONS, "default": TEXT_GENERATIONS},
        },
        "default_text": text_default,
        "questions": [],
    }


def tables() -> dict[str, Any]:
    """Everything that the page reads."""
    return {
        "start": start(),
        "answers": {key: engine.simulated(Setting.checked(body)) for key, body in bodies()},
        "texts": {key: texts.written(texts.Setting.checked(body)) for key, body in text_bodies()},
    }


def write(path: str | os.PathLike[str]) -> None:
    """Write ``tables.json`` to ``path``: about a megabyte, in under a CPU-minute.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    content = json.dumps(tables(), allow_nan=False, separators=(",", ":"))
    Path(arguments.path("path", path)).write_text(content, encoding="ascii")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m modelcollapse.explore.tables", description=write.__doc__)
    parser.add_argument("file", type=Path, metavar="FILE")
    keep_programs()
    write(parser.parse_args().file)
