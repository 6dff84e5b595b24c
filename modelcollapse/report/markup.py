"""Pieces of HTML: text is escaped where it enters, tables say what heads a row and a column."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Sequence

from modelcollapse.predict.prediction import shown


@dataclasses.dataclass(frozen=True)
class Cell:
    """One cell of a table; ``content`` is HTML already."""

    content: str
    head: bool = False
    number: bool = False
    long: bool = False
    span: int = 1

    def __str__(self) -> str:
        if self.head:
            return f'<th scope="row">{self.content}</th>'
        kind = ' class="number"' if self.number else ' class="long"' if self.long else ""
        wide = f' colspan="{self.span}"' if self.span > 1 else ""
        return f"<td{kind}{wide}>{self.content}</td>"


def escaped(text: object) -> str:
    """Text that can stand anywhere in HTML, within an attribute too."""
    return html.escape(str(text))


def number(value: float, before: str = "") -> Cell:
    """A number as ``run.summary()`` and ``run.predict()`` print it."""
    return Cell(before + shown(value), number=True)


def listed(names: Sequence[str], most: int = 12) -> str:
    """Names in a row, the first ``most`` of them."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """A table that scrolls by itself where the page is narrow, and by the keyboard."""
    numeric = [cell.number for cell in rows[0]] if rows else []
    numeric += [False] * (len(head) - len(numeric))
    top = "".join(
        f'<th scope="col"{right}>{escaped(name)}</th>' if name else "<td></td>"
        for name, right in zip(head, (' class="number"' if one else "" for one in numeric), strict=True)
    )
    body = "".join(f"<tr>{''.join(map(str, row))}</tr>" for row in rows)
    said = escaped(caption)
    return (
        f'<div class="wide" role="region" aria-label="{said}" tabindex="0"><table><caption>{said}</caption>'
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )
