"""The report of a run for people: tables of at most 120 columns. Not here: the figures (`report`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from supa.tools.bounds import explained
from supa.tools.quantities import duration, energy, plural, power, share, three
from supa.tools.report import Cost, Line, Report, cost_on, sum_of_host, top_lines, total_on
from supa.tools.table import table

TOP_KERNELS = 20
_HEAD = ("kernel", "launches", "host", "device", "share", "energy", "power", "TFLOPS (peak)", "GB/s (peak)", "bound by")


def as_text(report: Report) -> str:
    """The tables: kernels with most time first, the rest as one row, what bounds them in words, further devices."""
    launches = sum(line.launches for line in report.lines)
    what = f"{plural(launches, 'launch', 'launches')} of {plural(len(report.lines), 'kernel', 'kernels')}"
    name = f"{report.cards} x " * (report.cards > 1) + report.marked(report.devices[0])
    head = f"supa: {name}, mode {report.mode}: {what if launches else 'nothing was launched'}"
    if launches and report.clock_us is not None:
        head += f"; {duration(report.clock_us)} on the clock"
    parts = [head + (f"; {report.ended}" if report.ended else "")]
    if report.lines:
        parts.append(_execute_table(report) if report.mode == "execute" else _device_table(report))
    if report.lines and report.mode != "execute":
        bounds = [cost.bound_by for line in top_lines(report, TOP_KERNELS) if (cost := cost_on(line, 0))]
        parts.append("\n".join(f"bound by {line}" for line in explained(bounds)))
    if report.host_operators:
        parts.append(_host_operators(report))
    if report.lines and report.mode != "execute" and len(report.devices) > 1:
        parts.append("predicted device time\n" + comparison_table(report))
    return "\n\n".join(part for part in [*parts, *report.notes] if part) + "\n"


def comparison_table(report: Report) -> str:
    """Device time of each kernel on each device, and beside all but the first its ratio to the first.

    Times on devices whose figures are mostly assumed have a range.
    """
    first, *others = report.devices
    head = ["kernel", report.marked(first)]
    for name in others:
        head += [report.marked(name), "ratio"]
    ranged = [name in report.assumed for name in report.devices]
    rows = [head, *(_compared(line.name, line.costs, ranged) for line in top_lines(report, TOP_KERNELS))]
    totals = [total_on(report.lines, index) for index in range(len(report.devices))]
    return table([*rows, _compared("total", [total for total in totals if total is not None], ranged)])


def _compared(name: str, costs: Sequence[Cost], ranged: Sequence[bool]) -> list[str]:
    cells = [name, _time(costs[0], ranged[0])]
    for cost, wide in zip(costs[1:], ranged[1:], strict=True):
        ratio = f"{cost.device_us / costs[0].device_us:.2f}x" if costs[0].device_us else "-"
        cells += [_time(cost, wide), ratio]
    return cells


def _time(cost: Cost, ranged: bool) -> str:
    """ "8.80 us", with its range "8.80 us -17 +18 %" where most of the device's figures are assumed."""
    time = duration(cost.device_us)
    return f"{time} -{100 * cost.faster:.0f} +{100 * cost.slower:.0f} %" if ranged and cost.device_us else time


def _host_operators(report: Report) -> str:
    """What a framework ran on the host for want of a device kernel, those first that cost most."""
    found = replace(report, lines=report.host_operators)
    whole = sum_of_host(found.lines)
    rows = [["operator", "calls", "host", *(["round trips"] if report.mode != "execute" else [])]]
    for line in (*top_lines(found, TOP_KERNELS), whole):
        costs = line.costs if line is not whole else [total for total in [total_on(found.lines, 0)] if total]
        rows.append(
            [line.name, str(line.launches), duration(line.host_us), *(duration(c.device_us) for c in costs[:1])]
        )
    return "ran on the host for want of a device kernel (--strict makes it an error)\n" + table(rows)


def _execute_table(report: Report) -> str:
    whole = sum_of_host(report.lines)
    rows = [["kernel", "launches", "host", "share"]]
    for line in (*top_lines(report, TOP_KERNELS), whole):
        rows.append([line.name, str(line.launches), duration(line.host_us), share(line.host_us, whole.host_us)])
    return table(rows)


def _device_table(report: Report) -> str:
    total = total_on(report.lines, 0)
    assert total is not None
    ranged = report.devices[0] in report.assumed
    rows = [list(_HEAD)]
    for line in top_lines(report, TOP_KERNELS):
        cost = cost_on(line, 0)
        assert cost is not None
        rows.append(_row(line, cost, total.device_us, ranged))
    rows.append([*_row(sum_of_host(report.lines), total, total.device_us, ranged)[:-1], ""])
    return table(rows, words=(0, len(_HEAD) - 1))


def _row(line: Line, cost: Cost, total_us: float, ranged: bool) -> list[str]:
    return [
        line.name,
        str(line.launches),
        duration(line.host_us) if line.host_us else "-",
        _time(cost, ranged),
        share(cost.device_us, total_us),
        energy(cost.energy_j),
        power(cost.average_power_w),
        _rate(cost.flops_per_s, cost.peak_flops, 1e12),
        _rate(cost.bytes_per_s, cost.peak_bytes_per_s, 1e9),
        cost.bound_by,
    ]


def _rate(achieved: float, peak: float, unit: float) -> str:
    """ "123 (45 %)": an achieved rate and its part of the peak."""
    if not achieved:
        return "-"
    return f"{three(achieved / unit)} ({100 * achieved / peak:3.0f} %)" if peak else three(achieved / unit)
