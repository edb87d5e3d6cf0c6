"""One table of docs/language.md, and how errors are measured and written. Not what is measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from triton.compiler.errors import CompilationError

Errors = dict[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Section:
    """Operations by column: `measure(column)` gives the largest error of each row, None where Triton refuses it."""

    title: str
    text: str
    rows: Sequence[str]
    columns: Sequence[str]
    measure: Callable[[str], Errors]
    relative: bool = False  # errors are fractions of the sum of magnitudes, not units in the last place
    any_order: bool = False  # hosts combine in different orders: twice what was seen, to a power of two

    def lines(self) -> list[str]:
        """The table, from measurements of now."""
        measured = [self.measure(column) for column in self.columns]
        lines = [f"## {self.title}", "", *([self.text, ""] if self.text else [])]
        lines += ["| operation | " + " | ".join(self.columns) + " |", "|---" * (len(self.columns) + 1) + "|"]
        for row in self.rows:
            lines.append(f"| `{row}` | " + " | ".join(self.shown(errors.get(row)) for errors in measured) + " |")
        return [*lines, ""]

    def shown(self, error: float | None) -> str:
        """An error as the page writes it, rounded up; hosts differ by less."""
        if error is None:
            return "-"
        if error == 0:
            return "exact"
        if not math.isfinite(error):
            return "wrong"
        if self.any_order:
            error = 2.0 ** math.ceil(math.log2(2 * error))
        return f"2^{math.ceil(math.log2(error))}" if self.relative else f"{math.ceil(2 * error) / 2:g}"


def stated(cell: str) -> float | None:
    """The error that a cell of the page states."""
    if cell == "-":
        return None
    if cell == "exact":
        return 0.0
    return 2.0 ** int(cell[2:]) if cell.startswith("2^") else float(cell)


def ulps(found: torch.Tensor, exact: np.ndarray, mantissa_bits: int, lowest_exponent: int) -> float:
    """The largest distance from the exact values, in units in the last place of a format."""
    values = found.double().numpy()
    exponent = np.floor(np.log2(np.maximum(np.abs(exact), 2.0**lowest_exponent)))
    with np.errstate(invalid="ignore"):
        error = np.max(np.abs(values - exact) / 2.0 ** (exponent - mantissa_bits))
    return float(error) if np.isfinite(error) else math.inf


def equal(found: torch.Tensor, expected: torch.Tensor) -> float:
    """0 if all bits are what they should be."""
    return 0.0 if torch.equal(found, expected) else math.inf


def fraction(found: torch.Tensor, exact: torch.Tensor, magnitude: torch.Tensor) -> float:
    """The largest error as a fraction of the sum of magnitudes."""
    error = float(((found.double() - exact).abs() / magnitude).max())
    return error if math.isfinite(error) else math.inf


def unless_refused(call: Callable[[], float]) -> float | None:
    """What a call measures; None where Triton's front end refuses the kernel."""
    try:
        return call()
    except CompilationError:
        return None
    except RuntimeError as error:  # what its verifier refuses
        if "error encountered during parsing" not in str(error):
            raise
        return None
