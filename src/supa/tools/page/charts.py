"""The page's plots as Vega-Lite specifications. Not here: the page around them (`document`), its colours (style.css,
which behaviour.js hands to every plot).

Each function returns a specification as plain data, or None where there is nothing to draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from supa.arch import Device as Description
from supa.runtime import MemoryPoint, Span
from supa.tools.quantities import duration, energy, plural, power, rate, share, shortened
from supa.tools.report import Cost, Report, by_time, cost_on

Spec = dict[str, Any]
MAX_DRAWN_SPANS = 1500
LABELLED_KERNELS = 8
SHOWN_ENGINES = 6
_LABEL_PIXELS = 92  # the same left margin for plots that stand above each other
_NAME = 22


def streams(spans: Sequence[Span], kernels: Sequence[str]) -> Spec | None:
    """A bar for each launch on its stream's row, coloured by kernel in the order of `kernels`."""
    drawn = spans[:MAX_DRAWN_SPANS]
    if not drawn:
        return None
    unit, scale = time_unit(drawn[-1].end_ps)
    rows = [_span_row(span, scale) for span in drawn]
    chart = _chart(rows).mark_bar(height=18, stroke="transparent")
    names = list(dict.fromkeys([shortened(name, _NAME) for name in kernels] + [row["kernel"] for row in rows]))
    chart = chart.encode(
        x=_time_axis(unit),
        x2="end",
        y=alt.Y("stream:N", title=None, sort=None, axis=_row_axis()),
        color=alt.Color("kernel:N", sort=names, legend=_legend("kernel") if len(names) <= 12 else None),
        tooltip=[alt.Tooltip(f"{name}:N") for name in rows[0] if name not in ("start", "end")],
    )
    return _finished(chart, alt.Step(30))


def engines(spans: Sequence[Span]) -> Spec | None:
    """How busy each engine is during each launch: the stronger the colour, the busier."""
    drawn = [span for span in spans[:MAX_DRAWN_SPANS] if getattr(span.prediction, "utilisation", None)]
    if not drawn:
        return None
    weights: dict[str, float] = {}
    for span in drawn:
        for name, busy in _utilisation(span).items():
            weights[name] = weights.get(name, 0.0) + busy * (span.end_ps - span.start_ps)
    names = sorted(weights, key=lambda name: -weights[name])[:SHOWN_ENGINES]
    unit, scale = time_unit(spans[: len(drawn)][-1].end_ps)
    rows = [
        {
            "engine": name,
            "start": span.start_ps / scale,
            "end": span.end_ps / scale,
            "busy": round(busy, 4),
            "kernel": shortened(span.name, _NAME),
        }
        for span in drawn
        for name in names
        if (busy := _utilisation(span).get(name, 0.0)) >= 0.005
    ]
    chart = _chart(rows).mark_rect(stroke="transparent")
    chart = chart.encode(
        x=_time_axis(unit),
        x2="end",
        y=alt.Y("engine:N", title=None, sort=names, axis=_row_axis()),
        opacity=alt.Opacity(
            "busy:Q", scale=alt.Scale(domain=[0, 1], range=[0.06, 1]), legend=_legend("busy", format=".0%")
        ),
        tooltip=[alt.Tooltip("engine:N"), alt.Tooltip("kernel:N"), alt.Tooltip("busy:Q", format=".1%")],
    )
    return _finished(chart, alt.Step(22))


def roofline(report: Report, machine: Description) -> Spec | None:
    """Every kernel with floating point operations: what it reached against what memory and engines allow."""
    lines = by_time(report)
    total_us = sum(cost.device_us for line in lines if (cost := cost_on(line, 0)))
    points = [
        _point(line.name, cost, total_us, place)
        for place, line in enumerate(lines)
        if (cost := cost_on(line, 0)) and cost.flops and cost.bytes and cost.device_us
    ]
    if not points:
        return None
    bandwidth = machine.hbm_bandwidth_bytes_per_s
    roofs = _roofs(machine, [cost.peak_flops for line in lines if (cost := cost_on(line, 0))])
    left = min(0.1, *(point["intensity"] / 2 for point in points))
    ridge = max(roofs) / bandwidth
    right = max(4 * ridge, *(point["intensity"] * 2 for point in points))
    low = min(point["TFLOPS"] for point in points) / 4
    x = alt.X("intensity:Q", scale=alt.Scale(type="log", domain=[left, right], nice=False), title="operations per byte")
    y = alt.Y("TFLOPS:Q", title="TFLOPS", scale=alt.Scale(type="log", domain=[low, max(roofs) / 1e12 * 3], clamp=True))
    steep = max(left, low * 1e12 / bandwidth)
    middle = (steep * ridge) ** 0.5
    slope = [{"intensity": value, "TFLOPS": value * bandwidth / 1e12, "roof": "memory"} for value in (steep, ridge)]
    flat = [
        {"intensity": value, "TFLOPS": peak / 1e12, "roof": name}
        for peak, name in roofs.items()
        for value in (peak / bandwidth, right)
    ]
    ends = [
        {"intensity": right, "TFLOPS": peak / 1e12, "label": f"{name}: {rate(peak, 'FLOPS')}"}
        for peak, name in roofs.items()
    ]
    slope_label = {"intensity": middle, "TFLOPS": middle * bandwidth / 1e12, "label": f"HBM {rate(bandwidth, 'B/s')}"}
    roof = _chart(slope + flat).mark_line(strokeWidth=1.5, color="gray")
    dots = _chart(points).mark_point(filled=True, opacity=0.9, strokeWidth=1)
    names = _chart(points[:LABELLED_KERNELS])
    labels = [
        _chart(ends).mark_text(align="right", dy=-7, fontSize=10),
        _chart([slope_label]).mark_text(align="right", dx=-10, dy=-4, fontSize=10),
        names.mark_text(align="left", dx=9, dy=4, fontSize=11),
    ]
    return _finished(
        alt.layer(
            roof.encode(x=x, y=y, detail="roof:N"),
            *(label.encode(x=x, y=y, text="label:N") for label in labels),
            dots.encode(
                x=x,
                y=y,
                size=alt.Size("share:Q", scale=alt.Scale(domain=[0, 1], range=[40, 500]), legend=None),
                color=alt.Color("bound by:N", legend=_legend("bound by")),
                tooltip=[
                    alt.Tooltip(f"{name}:N") for name in ("kernel", "bound by", "device time", "reached", "of peak")
                ],
            ),
        ),
        340,
    )


def memory(points: Sequence[MemoryPoint], end_ps: int) -> Spec | None:
    """Bytes allocated on the device over its clock; None where nothing ever was."""
    if not any(point.allocated_bytes for point in points):
        return None
    unit, scale = time_unit(max(end_ps, points[-1].time_ps))
    ended = MemoryPoint(time_ps=max(end_ps, points[-1].time_ps), allocated_bytes=points[-1].allocated_bytes)
    rows = [{"start": point.time_ps / scale, "MiB": point.allocated_bytes / 2**20} for point in (*points, ended)]
    chart = _chart(rows).mark_area(interpolate="step-after", opacity=0.5, line=True)
    chart = chart.encode(x=_time_axis(unit), y=alt.Y("MiB:Q", title="MiB", axis=alt.Axis(minExtent=_LABEL_PIXELS)))
    return _finished(chart, 150)


def devices(report: Report) -> Spec | None:
    """Device time on each device of the report, stacked by kernel."""
    if len(report.devices) < 2 or not report.lines:
        return None
    lines = by_time(report)
    longest = max(sum(line.costs[index].device_us for line in lines) for index in range(len(report.devices)))
    unit, scale = time_unit(round(longest * 1e6))
    rows = [
        {
            "device": report.marked(name),
            "kernel": shortened(line.name, _NAME),
            "time": line.costs[index].device_us * 1e6 / scale,
            "order": place,
            "device time": duration(line.costs[index].device_us),
            "bound by": line.costs[index].bound_by,
        }
        for place, line in enumerate(lines)
        for index, name in enumerate(report.devices)
    ]
    shown = [report.marked(name) for name in report.devices]
    return _finished(_stacked(rows, "device", "time", shown, f"device time ({unit})"), alt.Step(34))


def parts(values: Mapping[str, Mapping[str, float]], measure: str) -> Spec | None:
    """For each kernel a bar of the whole's shares: `values` is kernel -> part -> amount."""
    rows = []
    for place, (kernel, amounts) in enumerate(values.items()):
        whole = sum(amounts.values())
        rows += [
            {
                "name": f"{place + 1}. {shortened(kernel, _NAME)}" if _doubled(values) else shortened(kernel, _NAME),
                "kernel": part,
                "time": amount / whole,
                "order": order,
                measure: share(amount, whole),
            }
            for order, (part, amount) in enumerate(sorted(amounts.items(), key=lambda item: -item[1]))
            if whole and amount / whole >= 0.005
        ]
    if not rows:
        return None
    names = list(dict.fromkeys(str(row["name"]) for row in rows))
    return _finished(_stacked(rows, "name", "time", names, measure, percent=True, colour="part"), alt.Step(28))


def time_unit(longest_ps: int) -> tuple[str, float]:
    """The unit for an axis up to that time, and how many picoseconds it has."""
    for unit, scale in (("us", 1e6), ("ms", 1e9)):
        if longest_ps < 2000 * scale:
            return unit, scale
    return "s", 1e12


def _doubled(values: Mapping[str, Any]) -> bool:
    return len({shortened(name, _NAME) for name in values}) < len(values)


def _stacked(
    rows: Sequence[Mapping[str, Any]],
    group: str,
    amount: str,
    groups: Sequence[str],
    title: str,
    *,
    percent: bool = False,
    colour: str = "kernel",
) -> Any:
    kinds = list(dict.fromkeys(row["kernel"] for row in rows))
    told = [name for name in rows[0] if name not in (group, amount, "order", "kernel")]
    scale = alt.Scale(domain=[0, 1]) if percent else alt.Undefined
    return (
        _chart(rows)
        .mark_bar(stroke="transparent")
        .encode(
            y=alt.Y(f"{group}:N", sort=list(groups), title=None, axis=_row_axis(150)),
            x=alt.X(f"{amount}:Q", title=title, scale=scale, axis=alt.Axis(format="%" if percent else ",~r")),
            color=alt.Color("kernel:N", sort=kinds, legend=_legend(colour)),
            order=alt.Order("order:Q"),
            tooltip=[
                alt.Tooltip(f"{group}:N"),
                alt.Tooltip("kernel:N", title=colour),
                *(alt.Tooltip(f"{name}:N") for name in told),
            ],
        )
    )


def _span_row(span: Span, scale: float) -> dict[str, Any]:
    row: dict[str, Any] = {
        "kernel": shortened(span.name, _NAME),
        "stream": span.stream,
        "start": span.start_ps / scale,
        "end": span.end_ps / scale,
        "time": duration((span.end_ps - span.start_ps) / 1e6),
        "grid": " x ".join(str(count) for count in span.grid),
    }
    if span.prediction is not None:
        row["bound by"] = span.prediction.bound_by
        row["energy"] = energy(span.prediction.energy_pj / 1e12)
        time_ps = span.end_ps - span.start_ps
        row["power"] = power(span.prediction.energy_pj / time_ps if time_ps else None)
    return row


def _utilisation(span: Span) -> Mapping[str, float]:
    found: Mapping[str, float] = getattr(span.prediction, "utilisation", {})
    return found


def _point(name: str, cost: Cost, total_us: float, place: int) -> dict[str, Any]:
    return {
        "kernel": name,
        "label": shortened(name, _NAME) if place < LABELLED_KERNELS else "",
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


def _time_axis(unit: str) -> alt.X:
    return alt.X("start:Q", title=f"device time ({unit})", scale=alt.Scale(nice=False, zero=True))


def _row_axis(limit: int = _LABEL_PIXELS) -> alt.Axis:
    return alt.Axis(minExtent=_LABEL_PIXELS, labelLimit=limit, ticks=False, domain=False)


def _legend(title: str, **more: Any) -> alt.Legend:
    return alt.Legend(title=title, orient="bottom", columns=3, labelLimit=170, symbolLimit=24, **more)


def _chart(rows: Sequence[Mapping[str, Any]]) -> Any:
    """A chart of rows that the specification carries itself."""
    return alt.Chart(alt.Data(values=[dict(row) for row in rows]))  # type: ignore[no-untyped-call]


def _finished(chart: Any, height: Any) -> Spec:
    """As wide as its place on the page, which may change."""
    fitting = alt.AutoSizeParams(type="fit-x", contains="padding")
    found: Spec = chart.properties(width="container", height=height, autosize=fitting).to_dict()
    return found


def counted(spans: Sequence[Span], dropped: int) -> str:
    """What part of the launches the timeline shows."""
    launches = len(spans) + dropped
    if launches <= MAX_DRAWN_SPANS:
        return plural(launches, "launch", "launches")
    return f"the first {MAX_DRAWN_SPANS} of {launches} launches"
