"""What the commands have in common: numbers are checked where they enter, and every character reaches any terminal."""

from __future__ import annotations

import argparse
import codecs
import contextlib
import dataclasses
import io
import logging
import math
import os
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeAlias

from tqdm import tqdm

from modelcollapse import provenance, strict_json
from modelcollapse.arguments import LARGEST

if TYPE_CHECKING:
    from modelcollapse.cli.config import Parser

Commands: TypeAlias = "argparse._SubParsersAction[Parser]"
STDOUT = "-"
VERBOSE = "verbose_"
"""How the names of the counts of ``--verbose`` begin."""
"""What ``--json`` alone stands for."""
SYMBOLS = {"−": "-", "√": "sqrt", "‖": "||", "±": "+/-", "≤": "<=", "≥": ">=", "×": "x", "→": "->", "–": "-", "—": "-"}
SYMBOLS |= {"‘": "'", "’": "'", "“": '"', "”": '"'}


@dataclasses.dataclass(frozen=True)
class Argument:
    """A type of argument: what a text means, and what ``kind`` of value a configuration file has for it."""

    kind: str  # whole, real, numbers, texts or file
    parse: Callable[[str], Any]

    def __call__(self, text: str) -> Any:
        return self.parse(text)


TEXTS = Argument("texts", lambda text: text.split(","))
"""Texts, separated by commas."""
FILE = Argument("file", str)
"""The name of a file; ``-`` and nothing at all may have a meaning of their own."""


def whole(least: int | None, most: int | None = LARGEST) -> Argument:
    """A type of argument: whole numbers from ``least`` to ``most``; with no ``least``, the library has the bounds."""
    bounds = f" of at least {least}" if most in (None, LARGEST) else f" from {least} to {most}"
    bounds = "" if least is None else bounds

    def parsed(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be a whole number{bounds}, got {text!r}") from None
        if least is not None and value < least:
            raise argparse.ArgumentTypeError(f"must be a whole number{bounds}, got {text!r}")
        if most is not None and value > most:
            raise argparse.ArgumentTypeError(f"must be at most {most}, got {text!r}")
        return value

    return Argument("whole", parsed)


def real(low: float = -math.inf, high: float = math.inf, above: bool = False, finite: bool = True) -> Argument:
    """A type of argument: finite numbers from ``low`` (or ``above`` it) to ``high``; not ``finite``, any number, as the
    library has the bounds.
    """
    if math.isfinite(high):
        bounds = f" in {'(' if above else '['}{low:g}, {high:g}]"
    elif math.isfinite(low):
        bounds = f" {'above' if above else 'of at least'} {low:g}"
    else:
        bounds = ""

    def parsed(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            if not finite:
                raise argparse.ArgumentTypeError(f"must be a number, got {text!r}") from None
            value = math.nan
        if not finite:
            return value
        if not math.isfinite(value) or not low <= value <= high or (above and value == low):
            raise argparse.ArgumentTypeError(f"must be a finite number{bounds}, got {text!r}")
        return value

    return Argument("real", parsed)


def numbers(form: str | None = None) -> Argument:
    """A type of argument: finite numbers separated by commas, as many as ``form`` names (default any number)."""
    count = None if form is None else form.count(",") + 1

    def parsed(text: str) -> list[float]:
        try:
            values = [float(word) for word in text.split(",")]
        except ValueError:
            values = [math.nan]
        if not all(map(math.isfinite, values)):
            raise argparse.ArgumentTypeError(f"must be finite numbers separated by commas, got {text!r}")
        if count not in (None, len(values)):
            raise argparse.ArgumentTypeError(f"must be {count} numbers, {form}, got {len(values)}: {text!r}")
        return values

    return Argument("numbers", parsed)


def add_precision(parser: argparse.ArgumentParser) -> None:
    """``--precision``, for a command that simulates."""
    bits = "bits of a floating-point number (default %(default)s)"
    parser.add_argument("--precision", type=int, default=64, choices=[32, 64], help=bits)


def add_verbose(parser: argparse.ArgumentParser, number: int) -> None:
    """``--verbose``, before a command or after it: each parser, by its ``number``, counts its own."""
    help = "say what is done, on standard error; twice for every step"
    # one name would be overwritten by a subcommand
    dest = f"{VERBOSE}{number}"
    parser.add_argument("-v", "--verbose", action="count", default=argparse.SUPPRESS, dest=dest, help=help)


class _Shown(logging.Handler):
    """Shows messages above a progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)


@contextlib.contextmanager
def logged(options: argparse.Namespace) -> Iterator[None]:
    """Show what the library logs, for a command that is ``--verbose``."""
    loud = sum(count for name, count in vars(options).items() if name.startswith(VERBOSE))
    if not loud:
        yield
        return
    log, handler = logging.getLogger("modelcollapse"), _Shown()
    handler.setFormatter(logging.Formatter(f"modelcollapse {options.command}: %(message)s"))
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO if loud == 1 else logging.DEBUG)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


def add_json(parser: argparse.ArgumentParser) -> None:
    """``--json``, for a command whose answer machines read too."""
    help = "print JSON instead of text, or write it to FILE besides"
    parser.add_argument("--json", nargs="?", const=STDOUT, type=FILE, metavar="FILE", help=help)


def answer(options: argparse.Namespace, content: dict[str, Any], say: Callable[[], object]) -> None:
    """Give the answer of a command: ``say`` prints it for people, and ``content`` is what machines read."""
    if options.json is not None:
        text = strict_json.dumps({"version": provenance.version(), "command": options.command} | content)
        if options.json == STDOUT:
            print(text)
            return
        Path(options.json).write_text(text + "\n")
    say()  # last, as who reads it may go away


def check_files(reads: Mapping[str, Path] | None = None, **paths: str | Path | None) -> None:
    """Refuse a file to be written, by its option, that has no name, whose folder does not exist, or that another option
    reads or writes; call this first. ``reads`` are files that are read, by what they hold.
    """
    taken = {path.resolve(): f"{name} is read from it" for name, path in (reads or {}).items()}
    for option, path in paths.items():
        if path is None or (option == "json" and path == STDOUT):
            continue
        if not Path(path).name or os.fspath(path) == STDOUT:
            raise ValueError(f"--{option} must name a file, got {os.fspath(path)!r}")
        place = Path(path).resolve()
        if not place.parent.is_dir():
            raise ValueError(f"--{option}: the folder of {os.fspath(path)} does not exist")
        if place in taken:
            raise ValueError(f"--{option} must name a file of its own, got {os.fspath(path)!r}: {taken[place]}")
        taken[place] = f"--{option} names it too"


def write_anywhere(*streams: TextIO) -> None:
    """Let streams spell out in plain letters what their encoding lacks, so that any terminal shows every result."""
    codecs.register_error("modelcollapse.plain", _plain)
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="modelcollapse.plain")


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(map(_letters, text)).encode("ascii", "backslashreplace").decode(), error.end


def _letters(character: str) -> str:
    if character in SYMBOLS:
        return SYMBOLS[character]
    decomposed = "".join(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c))
    words = unicodedata.name(decomposed, "").split() if len(decomposed) == 1 else []
    if words[:1] == ["GREEK"] and words[2:3] == ["LETTER"]:
        return words[3].lower() if words[1] == "SMALL" else words[3].capitalize()
    return decomposed
