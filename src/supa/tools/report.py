"""The report of a run: one table for people, one JSON object for programs. Not here: where the figures come from.

JSON::

    {"device": str, "mode": "execute" | "both" | "time",
     "kernels": [{"name": str, "launches": int, "host_us": float, "device_us": float, "energy_j": float,
                  "bound_by": str, "flops": int, "bytes": int}],
     "total": {the same without "name"},
     "predictions": [{"device": str, "kernels": [...], "total": {...}}]}

Every figure is the sum over a kernel's launches. `host_us` is the time of computing the answers on the host,
`device_us` and `energy_j` are predicted for the device, `flops` are its floating point operations and `bytes` its
traffic with the device memory. `bound_by` is what held the kernel back for most of that time. In mode `execute`, which
predicts nothing, the last five are null. `predictions` lists the further devices of `--devices`, without host figures.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

_NAME_WIDTH = 28
_GAP = "  "


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What all launches of one kernel cost on one device. The peaks are those of the formats and memory it used."""

    device_us: float
    energy_j: float
    bound_by: str
    flops: int
    bytes: int
    peak_flops: float
    peak_bytes_per_s: float


@dataclass(frozen=True, kw_only=True)
class Line:
    """One kernel: its launches, their time on the host, and its cost on each device of the report (none: execute)."""

    name: str
    launches: int
    host_us: float
    costs: tuple[Cost, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Report:
    """What ran: `devices[0]` computed the answers, all of them were priced. Kernels in the order of their first launch.

    `ended` says how the program came to an early end, "" if it did not. `notes` are printed under the table.
    """

    devices: tuple[str, ...]
    mode: str
    lines: tuple[Line, ...]
    ended: str = ""
    notes: tuple[str, ...] = ()


def as_json(report: Report) -> dict[str, Any]:
    """The documented object."""
    first, *further = range(len(report.devices))
    return {
        "device": report.devices[0],
        "mode": report.mode,
        "kernels": [{"name": line.name, **_host(line), **_figures(_cost(line, first))} for line in report.lines],
        "total": {**_host(_sum_of_host(report.lines)), **_figures(_total(report.lines, first))},
        "predictions": [
            {
                "device": report.devices[index],
                "kernels": [{"name": line.name, **_figures(_cost(line, index))} for line in report.lines],
                "total": _figures(_total(report.lines, index)),
            }
            for index in further
        ],
    }


def as_text(report: Report) -> str:
    """The tables, at most 120 columns."""
    launches = sum(line.launches for line in report.lines)
    what = f"{_plural(launches, 'launch', 'launches')} of {_plural(len(report.lines), 'kernel', 'kernels')}"
    head = f"supa: {report.devices[0]}, mode {report.mode}: {what if launches else 'nothing was launched'}"
    parts = [head + (f"; {report.ended}" if report.ended else "")]
    if report.lines:
        parts.append(_table(_device_rows(report)))
    if report.lines and len(report.devices) > 1 and report.mode != "execute":
        parts.append("predicted device time\n" + _table(_comparison_rows(report)))
    return "\n\n".join([*parts, *report.notes]) + "\n"


def _device_rows(report: Report) -> list[list[str]]:
    rows = [["kernel", "launches", "host", "device", "energy", "TFLOPS (peak)", "GB/s (peak)", "bound by"]]
    for line in report.lines:
        rows.append(_row(line.name, line, _cost(line, 0)))
    total = _total(report.lines, 0)
    rows.append([*_row("total", _sum_of_host(report.lines), total)[:-1], ""])
    return rows


def _row(name: str, line: Line, cost: Cost | None) -> list[str]:
    row = [name, str(line.launches), duration(line.host_us)]
    if cost is None:
        return [*row, "-", "-", "-", "-", "-"]
    tera, giga = (_rate(cost.flops, cost, cost.peak_flops, 1e12), _rate(cost.bytes, cost, cost.peak_bytes_per_s, 1e9))
    return [*row, duration(cost.device_us), energy(cost.energy_j), tera, giga, cost.bound_by]


def _comparison_rows(report: Report) -> list[list[str]]:
    rows = [["kernel", *report.devices]]
    for line in report.lines:
        rows.append([line.name, *(duration(cost.device_us) for cost in line.costs)])
    totals = [_total(report.lines, index) for index in range(len(report.devices))]
    rows.append(["total", *(duration(total.device_us) if total else "-" for total in totals)])
    return rows


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Aligned: words to the left, figures to the right; a rule under the head and over the total."""
    rows = [[_shortened(row[0]), *row[1:]] for row in rows]
    widths = [max(_width(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [_line(row, widths) for row in rows]
    rule = "-" * max(_width(line) for line in lines)
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [_aligned(cell, width, column, row) for column, (cell, width) in enumerate(zip(row, widths, strict=True))]
    return _GAP.join(cells).rstrip()


def _aligned(cell: str, width: int, column: int, row: Sequence[str]) -> str:
    words = column == 0 or (column == 7 and len(row) == 8)
    padding = " " * (width - _width(cell))
    return cell + padding if words else padding + cell


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _shortened(name: str) -> str:
    return name if len(name) <= _NAME_WIDTH else name[: _NAME_WIDTH - 3] + "..."


def duration(microseconds: float) -> str:
    """ "12.3 us", "4.56 ms", "1.23 s": three digits."""
    for unit, scale in (("us", 1.0), ("ms", 1e3)):
        if microseconds < 999.5 * scale:
            return f"{_three(microseconds / scale)} {unit}"
    return f"{_three(microseconds / 1e6)} s"


def energy(joules: float) -> str:
    """ "12.3 uJ", "4.56 mJ", "1.23 J": three digits."""
    for unit, scale in (("uJ", 1e-6), ("mJ", 1e-3)):
        if joules < 999.5 * scale:
            return f"{_three(joules / scale)} {unit}"
    return f"{_three(joules)} J"


def _three(value: float) -> str:
    return f"{value:.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def _rate(amount: int, cost: Cost, peak: float, unit: float) -> str:
    """ "123 (45 %)": an achieved rate and its part of the peak."""
    if not amount or not cost.device_us:
        return "-"
    rate = amount / (cost.device_us * 1e-6)
    return f"{_three(rate / unit)} ({100 * rate / peak:3.0f} %)" if peak else _three(rate / unit)


def _plural(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _cost(line: Line, index: int) -> Cost | None:
    return line.costs[index] if index < len(line.costs) else None


def _host(line: Line) -> dict[str, Any]:
    return {"launches": line.launches, "host_us": line.host_us}


def _figures(cost: Cost | None) -> dict[str, Any]:
    names = ("device_us", "energy_j", "bound_by", "flops", "bytes")
    return {name: None if cost is None else getattr(cost, name) for name in names}


def _sum_of_host(lines: Iterable[Line]) -> Line:
    lines = tuple(lines)
    return Line(
        name="total", launches=sum(line.launches for line in lines), host_us=sum(line.host_us for line in lines)
    )


def _total(lines: Iterable[Line], index: int) -> Cost | None:
    """The sum of all kernels on one device; its peaks are what they could have done in the same time."""
    costs = [cost for line in lines if (cost := _cost(line, index)) is not None]
    if not costs:
        return None
    device_us = sum(cost.device_us for cost in costs)
    bounds: Counter[str] = Counter()
    for cost in costs:
        bounds[cost.bound_by] += int(cost.device_us * 1e6)
    return Cost(
        device_us=device_us,
        energy_j=sum(cost.energy_j for cost in costs),
        bound_by=bounds.most_common(1)[0][0],
        flops=sum(cost.flops for cost in costs),
        bytes=sum(cost.bytes for cost in costs),
        peak_flops=sum(cost.peak_flops * cost.device_us for cost in costs) / device_us if device_us else 0.0,
        peak_bytes_per_s=max(cost.peak_bytes_per_s for cost in costs),
    )
