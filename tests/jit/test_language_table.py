"""docs/language.md says what is measured: nothing wrong, nothing missing, no error above the one it states."""

import math
from pathlib import Path

import language_table as table
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "language.md"


def _stated(dtype):
    """Operation -> the error that the page states."""
    columns, found = [], {}
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| operation"):
            columns = cells
        elif line.startswith("| `") and dtype in columns:
            found[cells[0].strip("`")] = cells[columns.index(dtype)]
    return {name: 0.0 if cell == "exact" else float(cell) for name, cell in found.items() if cell != "-"}


@pytest.mark.parametrize("dtype", [*table.INTEGERS, *table.FLOATS])
def test_the_page_holds(on_device, dtype):
    on_device(mode="execute")
    measured, stated = table.measure(dtype), _stated(dtype)
    assert measured.keys() == stated.keys()
    wrong = {name: error for name, error in measured.items() if not error <= stated[name] or math.isinf(error)}
    assert not wrong
