"""The page's plots as Vega-Lite specifications. Not here: the roofline (`roofline`), the page around them (`document`),
their colours (style.css, which behaviour.js hands to every plot).

Each function returns a specification as plain data, or None where there is nothing to draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from supa.runtime import MemoryPoint, Span
from supa.tools.page.vega import Spec, chart_of, finished, legend, short_labels, time_unit
from supa.tools.quantities import duration, energy, plural, power, share
from supa.tools.report import Report, by_time, top_lines, total_on

MAX_DRAWN_SPANS = 1500
DETAILED_KERNELS = 8
SHOWN_ENGINES = 6
DRAWN_KERNELS = 11
_LABEL_PIXELS = 92  # the same left margin for plots that stand above each other


def streams(spans: Sequence[Span], kernels: Sequence[str]) -> Spec | None:
    """A bar for each launch on its stream's row, coloured by kernel in the order of `kernels`."""
    drawn = spans[:MAX_DRAWN_SPANS]
    if not drawn:
        return None
    unit, scale = time_unit(_end_ps(drawn))
    labels = short_labels([*kernels, *(span.name for span in drawn)])
    rows = [_span_row(span, scale, labels[span.name]) for span in drawn]
    chart = chart_of(rows).mark_bar(height=18, stroke="transparent")
    names = list(labels.values())
    chart = chart.encode(
        x=_time_axis(unit, end=_end_ps(drawn) / scale),
        x2="end",
        y=alt.Y("stream:N", title=None, sort=None, axis=_row_axis()),
        color=alt.Color("kernel:N", sort=names, legend=legend("kernel") if len(names) <= 12 else None),
        tooltip=[alt.Tooltip(f"{name}:N") for name in rows[0] if name not in ("start", "end")],
    )
    return finished(chart, alt.Step(30))


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
    end_ps = _end_ps(spans[:MAX_DRAWN_SPANS])
    unit, scale = time_unit(end_ps)
    rows = [
        {
            "engine": name,
            "start": span.start_ps / scale,
            "end": span.end_ps / scale,
            "busy": round(busy, 4),
            "kernel": span.name,
        }
        for span in drawn
        for name in names
        if (busy := _utilisation(span).get(name, 0.0)) >= 0.005
    ]
    chart = chart_of(rows).mark_rect(stroke="transparent")
    chart = chart.encode(
        x=_time_axis(unit, end=end_ps / scale, grid=False),
        x2="end",
        y=alt.Y("engine:N", title=None, sort=names, axis=_row_axis()),
        opacity=alt.Opacity(
            "busy:Q", scale=alt.Scale(domain=[0, 1], range=[0.06, 1]), legend=legend("busy", format=".0%")
        ),
        tooltip=[alt.Tooltip("engine:N"), alt.Tooltip("kernel:N"), alt.Tooltip("busy:Q", format=".1%")],
    )
    return finished(chart, alt.Step(22))


def memory(points: Sequence[MemoryPoint], end_ps: int) -> Spec | None:
    """Bytes allocated on the device over its clock; None where nothing ever was."""
    if not any(point.allocated_bytes for point in points):
        return None
    end_ps = max(end_ps, points[-1].time_ps, 1)
    unit, scale = time_unit(end_ps)
    ended = MemoryPoint(time_ps=end_ps, allocated_bytes=points[-1].allocated_bytes)
    rows = [{"start": point.time_ps / scale, "MiB": point.allocated_bytes / 2**20} for point in (*points, ended)]
    chart = chart_of(rows).mark_area(interpolate="step-after", opacity=0.5, line=True)
    chart = chart.encode(
        x=_time_axis(unit, end=end_ps / scale),
        y=alt.Y("MiB:Q", title="MiB", axis=alt.Axis(minExtent=_LABEL_PIXELS)),
    )
    return finished(chart, 150)


def devices(report: Report) -> Spec | None:
    """Device time on each device of the report, stacked by kernel."""
    if len(report.devices) < 2 or not report.lines:
        return None
    lines = top_lines(report, DRAWN_KERNELS)
    labels = short_labels(line.name for line in (*by_time(report), *lines))
    longest = max(sum(line.costs[index].device_us for line in lines) for index in range(len(report.devices)))
    unit, scale = time_unit(round(longest * 1e6))
    rows = [
        {
            "device": report.marked(name),
            "kernel": labels[line.name],
            "time": line.costs[index].device_us * 1e6 / scale,
            "order": place,
            "device time": duration(line.costs[index].device_us),
            "bound by": line.costs[index].bound_by,
        }
        for place, line in enumerate(lines)
        for index, name in enumerate(report.devices)
    ]
    shown = [report.marked(name) for name in report.devices]
    bars = _stacked(rows, "device", "time", shown, f"device time ({unit})")
    ranges = _ranges(report, scale)
    if not ranges:
        return finished(bars, alt.Step(34))
    lines_of_range = chart_of(ranges).mark_rule(strokeWidth=2, stroke="currentColor")
    lines_of_range = lines_of_range.encode(
        y=alt.Y("device:N", sort=shown),
        x="low:Q",
        x2="high:Q",
        tooltip=[alt.Tooltip("device:N"), alt.Tooltip("between:N")],
    )
    return finished(alt.layer(bars, lines_of_range), alt.Step(34))


def _ranges(report: Report, scale: float) -> list[dict[str, Any]]:
    """Between which times the sum may lie on devices most of whose figures are assumed."""
    found = []
    for index, name in enumerate(report.devices):
        total = total_on(report.lines, index)
        if name in report.assumed and total is not None:
            low, high = total.device_us_range
            between = f"{duration(low)} and {duration(high)}"
            ends = {"low": low * 1e6 / scale, "high": high * 1e6 / scale}
            found.append({"device": report.marked(name), **ends, "between": between})
    return found


def parts(values: Mapping[str, Mapping[str, float]], measure: str) -> Spec | None:
    """For each kernel a bar of the whole's shares: `values` is kernel -> part -> amount."""
    labels = short_labels(values)
    rows = [
        {"name": labels[kernel], "kernel": part, "time": amount / whole, "order": order, measure: share(amount, whole)}
        for kernel, amounts in values.items()
        if (whole := sum(amounts.values()))
        for order, (part, amount) in enumerate(_largest(amounts, whole))
    ]
    if not rows:
        return None
    names = list(dict.fromkeys(str(row["name"]) for row in rows))
    return finished(_stacked(rows, "name", "time", names, measure, percent=True, colour="part"), alt.Step(28))


def _largest(amounts: Mapping[str, float], whole: float) -> list[tuple[str, float]]:
    """Parts of a percent and more, the largest first; the others as one."""
    large = {name: amount for name, amount in amounts.items() if amount >= 0.01 * whole}
    found = sorted(large.items(), key=lambda item: -item[1])
    rest = whole - sum(large.values())
    return [*found, ("other", rest)] if rest > 1e-6 * whole else found


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
        chart_of(rows)
        .mark_bar(stroke="transparent")
        .encode(
            y=alt.Y(f"{group}:N", sort=list(groups), title=None, axis=_row_axis(150)),
            x=alt.X(f"{amount}:Q", title=title, scale=scale, axis=alt.Axis(format="%" if percent else ",~r")),
            color=alt.Color("kernel:N", sort=kinds, legend=legend(colour)),
            order=alt.Order("order:Q"),
            tooltip=[
                alt.Tooltip(f"{group}:N"),
                alt.Tooltip("kernel:N", title=colour),
                *(alt.Tooltip(f"{name}:N") for name in told),
            ],
        )
    )


def _span_row(span: Span, scale: float, label: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "kernel": label,
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


def _time_axis(unit: str, *, end: float, grid: bool = True) -> alt.X:
    """The device's clock from its start to `end`, the same for plots above each other."""
    scale = alt.Scale(nice=False, domain=[0, end])
    return alt.X("start:Q", title=f"device time ({unit})", scale=scale, axis=alt.Axis(grid=grid))


def _end_ps(spans: Sequence[Span]) -> int:
    return max(span.end_ps for span in spans)


def _row_axis(limit: int = _LABEL_PIXELS) -> alt.Axis:
    return alt.Axis(minExtent=_LABEL_PIXELS, labelLimit=limit, ticks=False, domain=False)


def counted(spans: Sequence[Span], dropped: int) -> str:
    """What part of the launches the timeline shows."""
    launches = len(spans) + dropped
    if launches <= MAX_DRAWN_SPANS:
        return plural(launches, "launch", "launches")
    return f"the first {MAX_DRAWN_SPANS} of {launches} launches"
