"""Tables of plain text: aligned columns, a rule under the head and over the total. Not here: what stands in them."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence

from supa.tools.quantities import shortened

NAME_WIDTH = 28
_GAP = "  "


def table(rows: Sequence[Sequence[str]], *, words: Collection[int] = (0,), total: bool = True) -> str:
    """Aligned: the columns of `words` to the left, figures to the right. The first row is the head.

    The first column is shortened to `NAME_WIDTH`. With `total` a rule sets the last row off.
    """
    rows = [[shortened(row[0], NAME_WIDTH), *row[1:]] for row in rows]
    widths = [max(width(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [_line(row, widths, words) for row in rows]
    rule = "-" * max(width(line) for line in lines)
    body = [*lines[1:-1], rule, lines[-1]] if total else lines[1:]
    return "\n".join([lines[0], rule, *body])


def width(text: str) -> int:
    """Columns of a terminal: East Asian wide letters take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _line(row: Sequence[str], widths: Sequence[int], words: Collection[int]) -> str:
    cells = (
        cell + " " * (wide - width(cell)) if column in words else " " * (wide - width(cell)) + cell
        for column, (cell, wide) in enumerate(zip(row, widths, strict=True))
    )
    return _GAP.join(cells).rstrip()
