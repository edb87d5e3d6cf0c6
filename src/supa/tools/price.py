"""`supa price`: a table of operations, each priced on the device that its row names.

Not here: what a row means (`workload_rows`), how it is priced (`timing.outline`).
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import Literal

from supa.arch import Device
from supa.arch import load as described
from supa.base.errors import SupaError
from supa.timing import outline
from supa.timing.library import Library
from supa.timing.outline import Estimate, Outline
from supa.timing.spread import spread
from supa.tools.collecting import rests_on_assumptions
from supa.tools.workload_rows import ALIASES, HALVES, WORKLOADS, Operations, Row, format_of

Model = Literal["outline", "machine"]

ADDED = ("predicted_us", "predicted_j", "bound_by")
RANGE = ("predicted_low_us", "predicted_high_us")  # where a row's device rests on assumptions


SHOWN = 5  # of the rows that can not be priced


def price(workload: str, table: Path, out: Path, chips: Path | None, model: Model = "outline") -> int:
    """Read `table`, price each row as `workload`, write it with `ADDED` to `out`; returns an exit code.

    With a device in it most of whose figures are assumed, every row has its `RANGE` too. Rows that can not be priced
    are written with nothing in these columns, and the error at the end names them.
    """
    workload = _named(workload)
    if chips is not None and not chips.is_dir():
        raise SupaError(f"price: --chips {chips}: expected a folder of descriptions (DEVICE.toml), found none")
    rows = _read(table)
    priced, refused = [], []
    assumed = False
    for line, row in enumerate(rows, 2):
        try:
            priced.append(_priced(workload, row, chips, model))
            assumed = assumed or rests_on_assumptions(_load(_file(row["device"], chips)))
        except SupaError as error:
            priced.append(dict(row))
            refused.append(f"{table}:{line}: {error}")
    if len(refused) < len(rows):
        _write(out, priced, list(rows[0]), (*ADDED, *(RANGE if assumed else ())))
        print(f"{len(rows) - len(refused)} rows priced: {out}")
    if refused:
        more = f"\n  and {len(refused) - SHOWN} more" if len(refused) > SHOWN else ""
        shown = "\n  ".join(refused[:SHOWN])
        raise SupaError(f"price: {len(refused)} of {len(rows)} rows can not be priced\n  {shown}{more}")
    return 0


def _read(table: Path) -> list[dict[str, str]]:
    try:
        with open(table, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise SupaError(f"price: {table}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise SupaError(f"price: {table}: is no table of comma-separated values: {error}") from error
    if not rows:
        raise SupaError(f"price: {table}: no rows; expected a line of column names and one a row")
    return rows


def _write(out: Path, priced: list[dict[str, str]], columns: list[str], added: tuple[str, ...]) -> None:
    """The table with the columns that were added; a column of that name which was there before is replaced."""
    kept = [name for name in columns if name and name not in added]
    try:
        with open(out, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [*kept, *added], extrasaction="ignore")
            writer.writeheader()
            writer.writerows(priced)
    except OSError as error:
        raise SupaError(f"price: {out}: {error.strerror}") from error


def _named(workload: str) -> str:
    """A workload by its name or by that of a table of such rows ("gemm_bf16")."""
    for name in (*WORKLOADS, *ALIASES):
        if workload.startswith(name):
            return ALIASES.get(name, name)
    raise SupaError(f"price: unknown workload {workload!r}: expected one of {', '.join(WORKLOADS)}")


def estimate(workload: str, row: Row, chips: Path | None = None, model: Model = "outline") -> Estimate:
    """The price of one row; `KeyError` for a missing column, `ValueError` for a value that can not be priced."""
    return WORKLOADS[workload](_operations(*_machine(workload, row, chips), model), row)


def _machine(workload: str, row: Row, chips: Path | None) -> tuple[str, str]:
    """The device's description and the format of products."""
    file = _file(row["device"] or "", chips)
    return file, format_of(workload, row, _load(file))


def _file(device: str, chips: Path | None) -> str:
    """The description that a row names: beside the table's chips, or in the catalogue."""
    beside = chips / f"{device}.toml" if chips else None
    return str(beside) if beside and beside.is_file() else device


def _priced(workload: str, row: Row, chips: Path | None, model: Model) -> dict[str, str]:
    try:
        found = estimate(workload, row, chips, model)
    except KeyError as error:
        raise SupaError(f"workload {workload} needs a column {error}") from error
    except (ValueError, OverflowError) as error:
        raise SupaError(str(error)) from error
    faster, slower = spread(_load(_file(row["device"], chips)), found.bound_by)
    added = (f"{found.time_us:.3f}", f"{found.energy_j:.6g}", found.bound_by)
    ends = (f"{found.time_us * (1 - faster):.3f}", f"{found.time_us * (1 + slower):.3f}")
    return {**row, **dict(zip((*ADDED, *RANGE), (*added, *ends), strict=True))}


@cache
def _load(device: str) -> Device:
    return described(device)


@cache
def _operations(device: str, tensor_format: str, model: Model) -> Operations:
    found = _load(device)
    if model == "machine":
        if tensor_format not in HALVES:
            raise ValueError(f"dtype: the machine walks products of 16 bits, found {tensor_format}; try the outline")
        return Library.of(found, tensor_format)
    return Outline(rates=outline.rates(found, tensor_format))
