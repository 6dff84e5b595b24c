"""Text files are read whole, or refused with the line and what stands there; a reader says what it decides by itself.

The standard library splits the lines (``csv``). Which separator a file has is decided by all of its lines, not by the
first ones: it is the one that gives every line the same number of cells. (``csv.Sniffer`` looks at frequencies of
characters: it finds no separator in a file of one column, and takes a decimal comma for one.)
"""

from __future__ import annotations

import codecs
import collections
import csv
import dataclasses
import io
import math
import os
import re
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from modelcollapse import arguments
from modelcollapse.numeric import EXACT

SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars", ",": "commas", " ": "spaces"}
"""By precedence: where decimals have commas, columns have semicolons or tabs."""
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # begins with the mark of utf-16, so it comes first
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
MISSING = {"", "na", "n/a", "#n/a", "nan", "-nan", "null", "none", "<na>", "nat", "?", "-", "--", "."}
"""What stands for a missing number, in lower case."""
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")


def read_text(path: str | os.PathLike, encoding: str | None = None) -> str:
    """All of a text file, with lines that end in a newline whatever they end in there.

    Without ``encoding`` it is UTF-8, or what a byte order mark at its beginning says (UTF-8, UTF-16 or UTF-32).
    ValueError, with the position and the line, for bytes that are not text in it; nothing is replaced.
    """
    content, name = Path(arguments.path("path", path)).read_bytes(), os.fspath(path)
    marked = next((codec for mark, codec in MARKS.items() if content.startswith(mark)), None)
    codec = marked or "utf-8" if encoding is None else arguments.text("encoding", encoding) or marked or "utf-8"
    try:
        text = content.decode(codec)
    except LookupError:
        raise ValueError(f"encoding must be one that Python knows, such as 'latin-1', got {encoding!r}") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{name} is not {error.encoding} text: byte {content[error.start]:#04x} at position {error.start}, in line "
            f"{line} ({error.reason}); save it as UTF-8, or name its encoding, such as latin-1 or cp1252"
        ) from None
    if "\0" in text:
        raise ValueError(
            f"{name} is not a text file: it has a zero byte at position {content.index(0)}; save a spreadsheet as CSV, "
            "in UTF-8"
        )
    return io.StringIO(text.removeprefix("\ufeff"), newline=None).read()


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """The cells of a file as text, without its header; every row has one for each column."""

    path: str
    names: tuple[str, ...]
    named: bool  # whether the file names its columns
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]  # of each row in the file
    at: tuple[int, ...]  # of each column in the file, from 1
    separator: str

    def column(self, j: int) -> tuple[str, ...]:
        """One column, as texts."""
        return tuple(row[j] for row in self.rows)

    def only(self, j: int) -> Table:
        """The table of column ``j``."""
        rows = tuple((row[j],) for row in self.rows)
        return dataclasses.replace(self, names=(self.names[j],), at=(self.at[j],), rows=rows)

    def turned(self) -> Table:
        """A row as a column."""
        (row,) = self.rows
        rows = tuple((cell,) for cell in row)
        return dataclasses.replace(self, names=("1",), named=False, at=(1,), rows=rows, lines=self.lines * len(rows))

    def place(self, i: int, j: int) -> str:
        """Where a cell stands in its file, in words."""
        title = f" ({self.names[j]})" if self.named else ""
        return f"{self.path}, line {self.lines[i]}, column {self.at[j]}{title}"

    def numbers(self) -> np.ndarray:
        """Rows ``(N, d)``. ValueError for text, a gap or an infinite number, with its place."""
        try:  # nearly every table; what is not one is looked at cell by cell
            values = np.array(self.rows, np.float64)
            if np.isfinite(values).all() and not any("_" in cell for row in self.rows for cell in row):
                return values
        except ValueError:
            pass
        columns = [self.column(j) for j in range(len(self.names))]
        numeric = [mostly_numbers(cells) or all(cell.lower() in MISSING for cell in cells) for cells in columns]
        if any(numeric) and not all(numeric):
            text = numeric.index(False)
            i = next(i for i, cell in enumerate(self.column(text)) if number(cell) is None)
            titles = [[n for n, kind in zip(self.names, numeric, strict=True) if kind is k] for k in (True, False)]
            raise ValueError(
                f"{self.path} has columns of numbers ({', '.join(titles[0])}) and columns of text "
                f"({', '.join(titles[1])}; "
                f"line {self.lines[i]}: {self.rows[i][text]!r}); name the columns that are wanted"
            )
        commas = self._decimal_commas()
        values = np.empty((len(self.rows), len(self.names)))
        for i, row in enumerate(self.rows):
            for j, cell in enumerate(row):
                value = number(cell)
                if value is None or math.isinf(value) or (commas and "." in cell):
                    raise ValueError(f"{self.place(i, j)}: {self._fault(cell, commas)}")
                values[i, j] = value
        if commas:
            warnings.warn(f"{self.path}: commas within numbers are read as decimal points")
        return values

    def _decimal_commas(self) -> list[str]:
        """The numbers with a decimal comma. ValueError if their commas may separate thousands."""
        commas = [(i, j) for i, row in enumerate(self.rows) for j, cell in enumerate(row) if "," in cell]
        cells = [self.rows[i][j] for i, j in commas if number(self.rows[i][j]) is not None]
        if cells and (self.separator == "," or all(THOUSANDS.fullmatch(cell) for cell in cells)):
            raise ValueError(
                f"{self.place(*commas[0])}: the comma in {cells[0]!r} may be a decimal comma or separate thousands; "
                "write the numbers without it"
            )
        return cells

    def _fault(self, cell: str, commas: Sequence[str]) -> str:
        if cell.lower() in MISSING:
            return f"a number is missing{f' ({cell!r})' if cell else ''}; fill it in, or take the row out"
        if commas and "." in cell and number(cell) is not None:
            return f"{cell!r} has a decimal point where other numbers, such as {commas[0]!r}, have a decimal comma"
        return f"{cell[:80]!r} is not a finite number"

    def whole(self, what: str) -> np.ndarray:
        """The same as int64, for whole numbers from 0. ValueError for others, saying that they must be ``what``."""
        values = self.numbers()
        bad = (values < 0) | (values != np.floor(values)) | (values > EXACT)
        if bad.any():
            i, j = np.argwhere(bad)[0]
            raise ValueError(
                f"{self.place(i, j)}: {what} must be whole numbers from 0 to 2**53, got {self.rows[i][j]!r}"
            )
        return values.astype(np.int64)

    def states(self, j: int) -> list[str] | list[int]:
        """The states in column ``j``: whole numbers if all are numbers, text as it stands otherwise."""
        cells = self.column(j)
        numeric = mostly_numbers(cells)
        gaps = [i for i, cell in enumerate(cells) if cell.lower() in MISSING]
        for i in gaps:
            if numeric or cells[i] == "":
                raise ValueError(f"{self.place(i, j)}: a state is missing{f' ({cells[i]!r})' if cells[i] else ''}")
        values = [number(cell) for cell in cells]
        if any(value is None for value in values):
            if gaps:
                warnings.warn(f"{self.place(gaps[0], j)}: {cells[gaps[0]]!r} is read as a state, not as a missing one")
            return list(cells)
        for i, value in enumerate(values):
            if value is not None and not value.is_integer():
                raise ValueError(
                    f"{self.place(i, j)}: states must be text or whole numbers, got {cells[i]!r}; numbers that are "
                    "measured are rows of a table, not states"
                )
        written: dict[int, str] = {}
        states = [_integer(cell) for cell in cells]
        for i, (state, cell) in enumerate(zip(states, cells, strict=True)):
            if written.setdefault(state, cell) != cell:
                raise ValueError(
                    f"{self.place(i, j)}: {cell!r} and {written[state]!r} are the same number; write a state in one way"
                )
        return states


def read(
    path: str | os.PathLike,
    columns: Sequence[str] | None = None,
    header: bool | None = None,
    encoding: str | None = None,
    index: bool = True,
) -> Table:
    """The cells of a text file of rows: of ``columns``, by name or by number from 1; ``index`` leaves an index out.

    Cells lose the spaces around them. Lines of nothing are skipped where a row has several cells. ValueError for a file
    without rows, a row of another length than the first, and an unknown column.
    """
    name = os.fspath(arguments.path("path", path))
    columns = None if columns is None else arguments.texts("columns", columns)
    if columns == []:
        raise ValueError("columns must name at least one column, got []")
    header, index = None if header is None else arguments.flag("header", header), arguments.flag("index", index)
    separator, lines, rows = _cells(read_text(path, encoding), name)
    if header is None:
        header = _header(rows, name)
    elif header and len(rows) == 1:
        raise ValueError(f"{name} has a header and no rows")
    width = len(rows[0])
    names = tuple(rows[0]) if header else tuple(str(j + 1) for j in range(width))
    if header:
        lines, rows = lines[1:], rows[1:]
    kept = list(range(width))
    unnamed = header and (names[0] == "" or names[0].startswith("Unnamed: 0"))
    if columns is None and unnamed and width > 1 and index and _counts_up([row[0] for row in rows]):
        warnings.warn(f"{name}: the first column, unnamed, numbers the rows; it is left out")
        kept = kept[1:]
    elif columns is not None:
        kept = [_column(wanted, names, name) for wanted in columns]
    names = tuple(column or str(j + 1) for j, column in enumerate(names))
    cells = tuple(tuple(row[j] for j in kept) for row in rows)
    return Table(
        name, tuple(names[j] for j in kept), header, cells, tuple(lines), tuple(j + 1 for j in kept), separator
    )


def number(cell: str) -> float | None:
    """The number that a cell says, with a decimal point or a decimal comma, or None."""
    try:
        value = float(cell.replace(",", ".")) if "_" not in cell else math.nan
    except ValueError:
        return None
    return None if math.isnan(value) else value


def mostly_numbers(cells: Iterable[str]) -> bool:
    """Whether more than half of the cells that are not missing are numbers."""
    given = [number(cell) is not None for cell in cells if cell.lower() not in MISSING]
    return 2 * sum(given) > len(given)


def _integer(cell: str) -> int:
    try:
        return int(cell)
    except ValueError:  # 3.0, 1e3
        return int(float(cell.replace(",", ".")))


def _cells(text: str, name: str) -> tuple[str, list[int], list[list[str]]]:
    """The separator, the line that each row begins at, and its cells."""
    if not text.strip():
        raise ValueError(f"{name} is empty")
    ragged, broken = [], None
    for separator in SEPARATORS:
        if separator not in text.strip() and separator != ",":
            continue
        try:
            lines, rows = _split(text, separator, name)
        except ValueError as error:
            broken = broken or error
            continue
        short = {len(row) for row in rows[1:]} == {len(rows[0]) + 1} and not rows[0][0].startswith("#")
        if short and _counts_up([row[0] for row in rows[1:]]):
            rows[0].insert(0, "")  # R gives no name, not even an empty one, to a column that numbers the rows
        widths = collections.Counter(map(len, rows))
        usual, times = widths.most_common(1)[0]
        if separator == " " and not (
            len(widths) == 1 and all(number(c) is not None for row in rows[1:] or rows for c in row)
        ):
            continue  # spaces separate numbers, and belong to text
        if len(widths) == 1 and (usual > 1 or separator == " "):
            return separator, lines, rows
        if len(widths) > 1:
            ragged.append((times if usual > 1 else 0, separator, lines, rows))
    if ragged:
        _, separator, lines, rows = max(ragged, key=lambda candidate: candidate[0])
        i = next(i for i, row in enumerate(rows) if len(row) != len(rows[0]))
        raise ValueError(
            f"{name}, line {lines[i]} has {len(rows[i])} cells and line {lines[0]} has {len(rows[0])}, separated by "
            f"{SEPARATORS[separator]}: {separator.join(rows[i])[:80]!r}; text with a separator in it must be quoted"
        )
    if broken:
        raise broken
    lines, rows = _split(text, ",", name, blank=True)
    gaps = [i for i, row in enumerate(rows) if row == [""]]
    if gaps:
        raise ValueError(f"{name}, line {lines[gaps[0]]} is empty: a value is missing")
    return "", lines, rows


def _split(text: str, separator: str, name: str, blank: bool = False) -> tuple[list[int], list[list[str]]]:
    """The line that each row begins at, and its cells. Blank lines at the end are not rows; others are if ``blank``."""
    kept = (line.strip(" \n") + "\n" if separator == " " else line for line in io.StringIO(text.rstrip("\n") + "\n"))
    reader = csv.reader(kept, delimiter=separator, skipinitialspace=True, strict=True)
    lines, rows, begin = [], [], 1
    try:
        for row in reader:
            if row or blank:
                lines.append(begin)
                rows.append([cell.strip() for cell in row] or [""])
            begin = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{name}, line {begin} cannot be read ({error}): {_line(text, begin)!r}") from None
    return lines, rows


def _line(text: str, n: int) -> str:
    return text.split("\n", n)[n - 1][:80]


def _header(rows: list[list[str]], name: str) -> bool:
    """Whether the first row names the columns: it has text above numbers, or it numbers the columns as pandas does."""
    first, rest = rows[0], rows[1:]
    if not rest:
        return False
    columns = list(zip(*rest, strict=True))
    numeric = [j for j, cells in enumerate(columns) if mostly_numbers(cells[:1000])]
    labels = first[first[0] == "" :]
    numbered = labels == [str(j) for j in range(len(labels))]
    if first[0] == "" and _counts_up(columns[0]) and (numbered or any(number(cell) is None for cell in labels)):
        return True
    if numbered and len(labels) == len(first) > 1:
        values = [number(cell) for row in rest[:1000] for cell in row]
        if any(value is not None and not value.is_integer() for value in values):
            warnings.warn(f"{name}: the first line, {', '.join(first)}, numbers the columns; it is not a row")
            return True
    above = [first[j] for j in numeric if first[j].lower() not in MISSING]
    words = [cell for cell in above if number(cell) is None]
    if words and all(_is_name(cell) for cell in above):
        return True
    if words:
        raise ValueError(
            f"{name}, line 1 ({', '.join(first)[:80]}) has {words[0]!r} above numbers and may be a header or a faulty "
            "row; say whether the file has a header"
        )
    if numeric or any(cell in cells for cell, cells in zip(first, columns, strict=True)):
        return False
    warnings.warn(
        f"{name}: the first line, {', '.join(first)}, is taken for a header, since it does not occur again; "
        "if it is a row, say that there is no header"
    )
    return True


def _is_name(cell: str) -> bool:
    return number(cell) is None and not next((c for c in cell if c.isalnum()), "0").isdigit()


def _counts_up(cells: Sequence[str]) -> bool:
    return list(cells) in ([str(i + first) for i in range(len(cells))] for first in (0, 1))


def _column(wanted: str, names: Sequence[str], name: str) -> int:
    if names.count(wanted) == 1:
        return names.index(wanted)
    if wanted.isdecimal() and 1 <= int(wanted) <= len(names):
        return int(wanted) - 1
    raise ValueError(f"{name} must have one column {wanted!r}; its columns are {', '.join(map(repr, names))}")
