"""The report of a run as data, and as one JSON object for programs. Not here: where the figures come from
(`collecting`), the tables for people (`text`).

JSON::

    {"device": str, "cards": int, "mode": "execute" | "both" | "time", "clock_us": float, "ended": str, "notes": [str],
     "kernels": [{"name": str, "launches": int, "host_us": float, "device_us": float, "device_us_range": [float, float],
                  "energy_j": float,
                  "average_power_w": float, "bound_by": str, "flops": int, "bytes": int}],
     "total": {the same without "name"},
     "host_operators": [{the same, "calls" in the place of "launches"}],
     "predictions": [{"device": str, "kernels": [...], "total": {...}}]}

Every figure is the sum over a kernel's launches. `host_us` is the time of computing the answers on the host,
`device_us` and `energy_j` are predicted for the device, `flops` are its floating point operations and `bytes` its
traffic with the device memory. `bound_by` is what held the kernel back for most of that time. In mode `execute`, which
predicts nothing, the last six are null. `predictions` lists the further devices of `--devices`, without host figures.
`cards` is how many of the device took part; figures are sums over them. `clock_us` is their clock at the end: less than
the total where work overlapped. `host_operators` are those of `kernels` that a framework ran on the host for want of a
device kernel, priced as the round trip over the host bus.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

HOST_OPERATOR = "host: "
"""What the record's names of a framework's operators that ran on the host begin with."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What all launches of one kernel cost on one device. The peaks are those of the formats and memory it used.

    The device time may be less by a share of `faster`, or more by one of `slower`.
    """

    device_us: float
    energy_j: float
    bound_by: str
    flops: int
    bytes: int
    peak_flops: float
    peak_bytes_per_s: float
    faster: float = 0.0
    slower: float = 0.0

    @property
    def average_power_w(self) -> float:
        """Watts over the kernel's own time."""
        return self.energy_j / (self.device_us * 1e-6) if self.device_us else 0.0

    @property
    def device_us_range(self) -> tuple[float, float]:
        """Between which times the device's lies, as far as its description is uncertain."""
        return self.device_us * (1 - self.faster), self.device_us * (1 + self.slower)

    @property
    def flops_per_s(self) -> float:
        """Achieved."""
        return self.flops / (self.device_us * 1e-6) if self.device_us else 0.0

    @property
    def bytes_per_s(self) -> float:
        """Achieved, at the device memory."""
        return self.bytes / (self.device_us * 1e-6) if self.device_us else 0.0


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
    `assumed` are the devices most of whose figures nobody has published. `cards` is how many of the first device took
    part, `clock_us` their clock at the end (None in mode `execute`).
    """

    devices: tuple[str, ...]
    mode: str
    lines: tuple[Line, ...]
    ended: str = ""
    notes: tuple[str, ...] = ()
    assumed: frozenset[str] = frozenset()
    cards: int = 1
    clock_us: float | None = None

    @property
    def host_operators(self) -> tuple[Line, ...]:
        """A framework's operators that ran on the host for want of a device kernel, without their prefix."""
        own = [line for line in self.lines if line.name.startswith(HOST_OPERATOR)]
        return tuple(replace(line, name=line.name.removeprefix(HOST_OPERATOR)) for line in own)

    def marked(self, device: str) -> str:
        """The device's name, with a star where its figures are mostly assumed."""
        return device + "*" * (device in self.assumed)


def as_json(report: Report) -> dict[str, Any]:
    """The documented object."""
    further = range(1, len(report.devices))
    return {
        "device": report.devices[0],
        "cards": report.cards,
        "mode": report.mode,
        "clock_us": report.clock_us,
        "ended": report.ended,
        "notes": list(report.notes),
        "kernels": [{"name": line.name, **_host(line), **figures(cost_on(line, 0))} for line in report.lines],
        "total": {**_host(sum_of_host(report.lines)), **figures(total_on(report.lines, 0))},
        "host_operators": [
            {"name": line.name, "calls": line.launches, "host_us": line.host_us, **figures(cost_on(line, 0))}
            for line in report.host_operators
        ],
        "predictions": [
            {
                "device": report.devices[index],
                "kernels": [{"name": line.name, **figures(cost_on(line, index))} for line in report.lines],
                "total": figures(total_on(report.lines, index)),
            }
            for index in further
        ],
    }


def cost_on(line: Line, index: int) -> Cost | None:
    """The kernel's cost on the device of that index; None in mode `execute`."""
    return line.costs[index] if index < len(line.costs) else None


def figures(cost: Cost | None) -> dict[str, Any]:
    """A cost under the JSON report's names."""
    names = ("device_us", "device_us_range", "energy_j", "average_power_w", "bound_by", "flops", "bytes")
    return {name: None if cost is None else getattr(cost, name) for name in names}


def sum_of_host(lines: Iterable[Line], name: str = "total") -> Line:
    """Launches and host time of several kernels together."""
    lines = tuple(lines)
    return Line(name=name, launches=sum(line.launches for line in lines), host_us=sum(line.host_us for line in lines))


def total_on(lines: Iterable[Line], index: int) -> Cost | None:
    """The sum of kernels on one device; its peaks are what they could have done in the same time."""
    costs = [cost for line in lines if (cost := cost_on(line, index)) is not None]
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
        faster=sum(cost.faster * cost.device_us for cost in costs) / device_us if device_us else 0.0,
        slower=sum(cost.slower * cost.device_us for cost in costs) / device_us if device_us else 0.0,
    )


def by_time(report: Report) -> list[Line]:
    """The kernels, those with most time first: on the first device, or where nothing was predicted on the host."""

    def time_us(line: Line) -> float:
        cost = cost_on(line, 0)
        return line.host_us if cost is None else cost.device_us

    return sorted(report.lines, key=time_us, reverse=True)


def top_lines(report: Report, count: int) -> list[Line]:
    """The first `count` kernels by time; where more than one is left, those as one line."""
    lines = by_time(report)
    if len(lines) <= count + 1:
        return lines
    top, rest = lines[:count], lines[count:]
    indices = range(len(report.devices)) if rest[0].costs else range(0)
    costs = tuple(total for index in indices if (total := total_on(rest, index)) is not None)
    summed = sum_of_host(rest, f"({len(rest)} others)")
    return [*top, Line(name=summed.name, launches=summed.launches, host_us=summed.host_us, costs=costs)]


def _host(line: Line) -> dict[str, Any]:
    return {"launches": line.launches, "host_us": line.host_us}
