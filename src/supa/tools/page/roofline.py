"""The page's roofline: every kernel against what memory and engines allow. Not here: other plots (`charts`).

Method: Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009; operations per byte of device memory traffic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any

import altair as alt

from supa.arch import Device as Description
from supa.tools.page.vega import Spec, chart_of, finished, legend, short_labels
from supa.tools.quantities import duration, rate, share
from supa.tools.report import Cost, Line, Report, by_time, cost_on

LABELLED_KERNELS = 8
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class _Frame:
    """The plot's borders: operations per byte from `left` to `right`, TFLOPS from `low` to `high`."""

    left: float
    right: float
    low: float
    high: float
    bytes_per_s: float

    @property
    def steep(self) -> float:
        """Where the memory's roof enters the plot."""
        return max(self.left, self.low * 1e12 / self.bytes_per_s)

    def axes(self) -> dict[str, Any]:
        """The channels x and y of every layer."""
        return {
            "x": alt.X(
                "intensity:Q",
                title="operations per byte",
                scale=_log(self.left, self.right),
                axis=_decades(self.left, self.right),
            ),
            "y": alt.Y("TFLOPS:Q", title="TFLOPS", scale=_log(self.low, self.high), axis=_decades(self.low, self.high)),
        }

    def is_right(self, intensity: float) -> bool:
        """Whether a place is so far to the right that its label must stand to the left of it."""
        return log10(intensity / self.left) > 0.62 * log10(self.right / self.left)

    def is_apart(self, one: Row, other: Row) -> bool:
        """Whether two labels are a line or a fifth of the width from each other."""
        across = abs(log10(one["intensity"] / other["intensity"])) / log10(self.right / self.left)
        up = abs(log10(one["TFLOPS"] / other["TFLOPS"])) / log10(self.high / self.low)
        return across > 0.2 or up > 0.05


def roofline(report: Report, machine: Description) -> Spec | None:
    """Every kernel with floating point operations on the first device of the report; None where there is none."""
    drawn = [line for line in by_time(report) if on_roofline(cost_on(line, 0))]
    total_us = sum(cost.device_us for line in report.lines if (cost := cost_on(line, 0)))
    labels = short_labels(line.name for line in by_time(report))
    points = [_point(line, total_us, labels[line.name]) for line in drawn]
    if not points:
        return None
    roofs = _roofs(machine, [cost.peak_flops for line in drawn if (cost := cost_on(line, 0))])
    frame = _frame(points, max(roofs), machine.hbm_bandwidth_bytes_per_s)
    axes = frame.axes()
    lines = chart_of(_roof_rows(roofs, frame)).mark_line(strokeWidth=1.5, color="gray")
    return finished(
        alt.layer(
            lines.encode(**axes, detail="roof:N"),
            *(layer.encode(**axes, text="label:N") for layer in _labels(points, roofs, frame)),
            _dots(points).encode(**axes),
        ),
        340,
    )


def on_roofline(cost: Cost | None) -> bool:
    """Whether a kernel has a place on it: operations, traffic and time."""
    return cost is not None and bool(cost.flops and cost.bytes and cost.device_us)


def _point(line: Line, total_us: float, label: str) -> Row:
    cost = line.costs[0]
    return {
        "kernel": line.name,
        "label": label,
        "intensity": cost.flops / cost.bytes,
        "TFLOPS": cost.flops_per_s / 1e12,
        "share": cost.device_us / total_us,
        "bound by": cost.bound_by,
        "device time": f"{duration(cost.device_us)} ({share(cost.device_us, total_us)} of all)",
        "reached": f"{rate(cost.flops_per_s, 'FLOPS')}, {rate(cost.bytes_per_s, 'B/s')}",
        "of peak": f"{share(cost.flops_per_s, cost.peak_flops)}, {share(cost.bytes_per_s, cost.peak_bytes_per_s)}",
    }


def _roofs(machine: Description, used: Sequence[float]) -> dict[float, str]:
    """Peak -> the formats that have it, for the formats of floating point and for those that kernels use."""
    found: dict[float, list[str]] = {}
    for name, peak in machine.peaks.items():
        if not name.startswith("int") or any(abs(peak - one) < 1e-6 * peak for one in used):
            found.setdefault(float(peak), []).append(name)
    lanes = float(machine.vector_flops("fp32"))
    if lanes and lanes not in found:
        found[lanes] = ["fp32 lanes"]
    return {peak: ", ".join(names) for peak, names in found.items()}


def _frame(points: Sequence[Row], highest: float, bytes_per_s: float) -> _Frame:
    intensities = [point["intensity"] for point in points]
    return _Frame(
        left=min(0.1, *(value / 2 for value in intensities)),
        right=max(4 * highest / bytes_per_s, *(value * 2 for value in intensities)),
        low=min(point["TFLOPS"] for point in points) / 4,
        high=highest / 1e12 * 3,
        bytes_per_s=bytes_per_s,
    )


def _roof_rows(roofs: Mapping[float, str], frame: _Frame) -> list[Row]:
    """Two ends for each roof; the memory's goes up to the highest peak."""
    ends = [(value, value * frame.bytes_per_s, "memory") for value in (frame.steep, max(roofs) / frame.bytes_per_s)]
    for peak, name in roofs.items():
        ends += [(value, peak, name) for value in (peak / frame.bytes_per_s, frame.right)]
    return [{"intensity": value, "TFLOPS": height / 1e12, "roof": name} for value, height, name in ends]


def _labels(points: Sequence[Row], roofs: Mapping[float, str], frame: _Frame) -> list[Any]:
    peaks = [
        {"intensity": frame.right, "TFLOPS": peak / 1e12, "label": f"{name}: {rate(peak, 'FLOPS')}"}
        for peak, name in roofs.items()
    ]
    middle = (frame.steep * max(roofs) / frame.bytes_per_s) ** 0.5
    memory = {
        "intensity": middle,
        "TFLOPS": middle * frame.bytes_per_s / 1e12,
        "label": f"HBM {rate(frame.bytes_per_s, 'B/s')}",
    }
    named = _apart(points, frame)[:LABELLED_KERNELS]
    right = [point for point in named if frame.is_right(point["intensity"])]
    left = [point for point in named if not frame.is_right(point["intensity"])]
    layers = [
        chart_of(peaks).mark_text(align="right", dy=-7, fontSize=10),
        chart_of([memory]).mark_text(align="right", dx=-10, dy=-4, fontSize=10),
    ]
    if right:
        layers.append(chart_of(right).mark_text(align="right", dx=-10, dy=4, fontSize=11))
    if left:
        layers.append(chart_of(left).mark_text(align="left", dx=10, dy=4, fontSize=11))
    return layers


def _apart(points: Sequence[Row], frame: _Frame) -> list[Row]:
    """Those whose labels do not stand on the label of one with more time."""
    kept: list[Row] = []
    for point in points:
        if all(frame.is_apart(point, other) for other in kept):
            kept.append(point)
    return kept


def _dots(points: Sequence[Row]) -> Any:
    told = ("kernel", "bound by", "device time", "reached", "of peak")
    return (
        chart_of(points)
        .mark_point(filled=True, opacity=0.9, strokeWidth=1)
        .encode(
            size=alt.Size("share:Q", scale=alt.Scale(domain=[0, 1], range=[40, 500]), legend=None),
            color=alt.Color("bound by:N", legend=legend("bound by")),
            tooltip=[alt.Tooltip(f"{name}:N") for name in told],
        )
    )


def _log(low: float, high: float) -> alt.Scale:
    return alt.Scale(type="log", domain=[low, high], nice=False, clamp=True)


def _decades(low: float, high: float) -> alt.Axis:
    powers = range(ceil(log10(low)), floor(log10(high)) + 1)
    return alt.Axis(values=[10.0**power for power in powers], format=",~r")
