"""docs/language.md says what is measured: nothing wrong, nothing missing, no error above the one it states."""

import math
from pathlib import Path

import language_table as table
import pytest
from language_section import stated

PAGE = Path(__file__).parents[2] / "docs" / "language.md"
CELLS = [(title, column) for title, section in table.SECTIONS.items() for column in section.columns]


def _stated(title, column):
    """Operation -> the error that the page states in one table's column."""
    text = PAGE.read_text().split(f"## {title}\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    place = rows[0].index(column)
    return {row[0].strip("`"): stated(row[place]) for row in rows[2:]}


@pytest.mark.parametrize(("title", "column"), CELLS)
def test_the_page_holds(on_device, title, column):
    on_device(mode="execute")
    section = table.SECTIONS[title]
    measured, page = section.measure(column), _stated(title, column)
    assert list(page) == list(section.rows)
    for row in section.rows:
        error = measured.get(row)
        assert (error is None) == (page[row] is None), row
        assert error is None or (math.isfinite(error) and error <= page[row]), row
