"""Counts as a person pastes them: a list of numbers, or a state and its count on each line. What may mean two things is
refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple, NoReturn

MOST = 2**53 - 1
"""The largest count: beyond it float64, and with it JavaScript, no longer tells all whole numbers apart."""
_GROUPED = re.compile(r"\d{1,3}(?:[,.'’]\d{3})+")
"""A number that is perhaps one with separators of thousands, and perhaps several."""
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")


class Line(NamedTuple):
    """A line with a state and its count: what stands between, and whether the name was in quotation marks."""

    name: str
    between: str
    number: str
    quoted: bool


def read(text: str) -> dict[str, int] | None:
    """Counts by name, numbered from 1 where they have no names; None for what is of another form.

    Raises
    ------
    ValueError
        With the line, for what may mean two things, a count that is too large and a state with two counts.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    _refuse_grouped(lines)
    listed = lines[1:] if _heads(lines) else lines
    numbers = [_numbers(line) for line in listed]
    if all(numbers):
        return _list(listed, [row for row in numbers if row])
    named = [_named(line) for line in lines]
    return _names([line for line in named if line]) if all(named) else None


def _heads(lines: list[str]) -> bool:
    """Whether the first line is one word above lines of numbers."""
    return len(lines) > 1 and len(_fields(lines[0])) == 1 and not re.search(r"\d", lines[0])


def _fields(line: str) -> list[str]:
    return re.split(r"[,;\s]+", line.strip(",; \t"))


def _numbers(line: str) -> list[str]:
    """The numbers of a line that holds nothing else."""
    found = _fields(line)
    return found if all(field.isdecimal() for field in found) else []


def _list(lines: list[str], rows: list[list[str]]) -> dict[str, int]:
    if len(rows) > 1 and all(len(row) == 2 for row in rows):
        _refuse(
            1,
            lines[0],
            "may be a state and its count or two counts",
            f"write a state and its count as '{rows[0][0]}: {rows[0][1]}', and counts alone all on one line",
        )
    counts = (_count(i, field) for i, row in enumerate(rows, 1) for field in row)
    return {str(i): count for i, count in enumerate(counts, 1)}


def _named(line: str) -> Line | None:
    """A state and its count, read from the end of the line."""
    digits = len(line)
    while digits and line[digits - 1].isdecimal():
        digits -= 1
    rest = line[:digits].rstrip()
    name = rest[:-1].rstrip() if rest[-1:] in tuple(",;:=|") else rest
    between = line[len(name) : digits]
    if not name or not between or digits == len(line) or name[-1] in ",;|":
        return None
    quoted = len(name) > 1 and name[0] == name[-1] == '"'
    return Line(name[1:-1].replace('""', '"') if quoted else name, between, line[digits:], quoted)


def _names(lines: list[Line]) -> dict[str, int]:
    found: dict[str, int] = {}
    first: dict[str, int] = {}
    for i, line in enumerate(lines, 1):
        _refuse_two_meanings(i, line)
        if first.setdefault(line.name, i) != i:
            raise ValueError(f"line {i}: the state {_short(line.name)} has a count in line {first[line.name]} already")
        found[line.name] = _count(i, line.number)
    return found


def _refuse_two_meanings(i: int, line: Line) -> None:
    """Refuse a name whose end may belong to the count, and one that may be counts itself."""
    told = any(mark in line.between for mark in ":=|")
    if line.quoted or (told and _NUMBER.fullmatch(line.name)):
        return
    said = f"{line.name}{line.between}{line.number}"
    if not line.name.lstrip("+-").strip("0123456789,;:=|. \t"):
        why = "has a number where the name of a state should stand, and counts must be whole numbers"
        _refuse(i, said, why, "write a state and its count as 'state: count'")
    last = re.split(r"[,;\s]", line.name[-20:])[-1]
    if told or not last.isdecimal() or line.name == last:
        return
    thousands = len(last) <= 3 and len(line.number) == 3 and len(line.between) == 1 and line.between != "\t"
    if thousands or line.between == "," or line.name[: -len(last)].rstrip().endswith((",", ";")):
        why = "has two numbers at its end, which may be one"
        _refuse(i, said, why, "write the name in quotation marks, and the count as digits alone")


def _refuse_grouped(lines: Iterable[str]) -> None:
    """Refuse ``1,200``, which may be one number or two, unless commas part the cells below a header of words."""
    lines = list(lines)
    parted = bool(lines) and "," in lines[0] and not re.search(r"\d", lines[0])
    for i, line in enumerate(lines, 1):
        for field in re.split(r"[;:=|\s]+", line):
            cell = field.strip(",")
            if _GROUPED.fullmatch(cell) and not (parted and "," in cell):
                plain, apart = re.sub(r"\D", "", cell)[:40], " ".join(re.findall(r"\d+", cell[:40]))
                _refuse(i, cell, "may be one number or several", f"write '{plain}' or '{apart}'")


def _refuse(i: int, what: str, why: str, instead: str) -> NoReturn:
    raise ValueError(f"line {i}: {_short(what)} {why}: {instead}")


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:39] + "…")


def _count(i: int, digits: str) -> int:
    """A count. ValueError for one that is too large to stay exact."""
    if len(digits.lstrip("0")) > len(str(MOST)) or int(digits) > MOST:
        raise ValueError(f"line {i}: a count must be below 2**53, to stay exact, got {_short(digits)}")
    return int(digits)
