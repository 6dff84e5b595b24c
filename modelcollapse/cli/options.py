"""What the commands have in common: numbers are checked where they enter, and every character reaches any terminal."""

from __future__ import annotations

import argparse
import codecs
import io
import math
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import TextIO, TypeAlias

from modelcollapse.arguments import LARGEST

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
SYMBOLS = {"−": "-", "√": "sqrt", "‖": "||", "±": "+/-", "≤": "<=", "≥": ">=", "×": "x", "→": "->", "–": "-", "—": "-"}
SYMBOLS |= {"‘": "'", "’": "'", "“": '"', "”": '"'}


def whole(least: int, most: int | None = LARGEST) -> Callable[[str], int]:
    """A type of argument: whole numbers from ``least`` to ``most``."""
    bounds = f"of at least {least}" if most in (None, LARGEST) else f"from {least} to {most}"

    def parsed(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be a whole number {bounds}, got {text!r}") from None
        if value < least:
            raise argparse.ArgumentTypeError(f"must be a whole number {bounds}, got {text!r}")
        if most is not None and value > most:
            raise argparse.ArgumentTypeError(f"must be at most {most}, got {text!r}")
        return value

    return parsed


def real(low: float = -math.inf, high: float = math.inf, above: bool = False) -> Callable[[str], float]:
    """A type of argument: finite numbers from ``low`` (or ``above`` it) to ``high``."""
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
            value = math.nan
        if not math.isfinite(value) or not low <= value <= high or (above and value == low):
            raise argparse.ArgumentTypeError(f"must be a finite number{bounds}, got {text!r}")
        return value

    return parsed


def numbers(form: str | None = None) -> Callable[[str], list[float]]:
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

    return parsed


def add_precision(parser: argparse.ArgumentParser) -> None:
    """``--precision``, for a command that simulates."""
    bits = "bits of a floating-point number (default %(default)s)"
    parser.add_argument("--precision", type=int, default=64, choices=[32, 64], help=bits)


def check_files(**paths: Path | None) -> None:
    """Refuse a file to be written, by its option, that has no name or whose folder does not exist; call this first."""
    for option, path in paths.items():
        if path is not None and not path.name:
            raise ValueError(f"--{option} must name a file, got {os.fspath(path)!r}")
        if path is not None and not path.resolve().parent.is_dir():
            raise ValueError(f"--{option}: the folder of {os.fspath(path)} does not exist")


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
