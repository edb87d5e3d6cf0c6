"""Energy of what happened, and the clock that keeps a board under its cap. Not here: time, which comes from events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Protocol, TypeVar

from supa.arch import Device
from supa.timing import mechanisms
from supa.timing.machine import layout
from supa.timing.memory_image import Image
from supa.timing.steps import StepCost

CLOCK_STEP_HZ = 1_000_000
TOLERANCE = 0.01  # of the cap
ATTEMPTS = 4


class Timed(Protocol):
    """A finished simulation, as far as power needs it."""

    @property
    def time_ps(self) -> int:
        """From the first block on."""

    @property
    def core_pj(self) -> float:
        """Energy of events that follow the core's voltage, at the boost clock."""

    @property
    def fixed_pj(self) -> float:
        """Energy of events that do not."""


Run = TypeVar("Run", bound=Timed)


@dataclass(frozen=True, kw_only=True)
class Events:
    """Energies at the boost clock, by part of the chip. `core` parts follow the core's voltage."""

    core: Mapping[str, float]
    fixed: Mapping[str, float]


def energies(device: Device, costs: Sequence[StepCost], image: Image) -> Events:
    """Energy of every event of a finished simulation, in pJ."""
    price = device.chip.energy
    count = image.counts
    times = image.steps[:, layout.TIMES]
    engines = sum(cost.energy_pj * int(number) for cost, number in zip(costs, times, strict=True))
    l2_bytes = count["l2_read_bytes"] + count["l2_write_bytes"]
    hbm_bytes = count["hbm_read_bytes"] + count["hbm_write_bytes"]
    return Events(
        core={
            "engines": engines,
            "lsc": price.lsc_pj_per_byte * (count["lsc_bytes"] + count["l2_read_bytes"]),
        },
        fixed={
            "l2": price.l2_pj_per_byte * l2_bytes,
            "noc": price.noc_pj_per_byte * (l2_bytes + count["crossing_bytes"]),
            "die_to_die": price.die_to_die_pj_per_byte * count["die_bytes"],
            "hbm": price.hbm_pj_per_byte * hbm_bytes,
        },
    )


def power_w(device: Device, run: Timed, core_hz: int, time_ps: float | None = None) -> float:
    """Board power of a run at a core clock as the governor sees it: static, and events at that clock's voltage."""
    scale: float = (core_hz / device.chip.clocks.boost_hz) ** device.chip.power.voltage_exponent
    time = run.time_ps if time_ps is None else time_ps
    static_w: float = device.chip.power.static_w
    seen = mechanisms.seen_share(time, device.chip.power.response_ps)
    return static_w + float(seen) * (run.core_pj * scale + run.fixed_pj) / max(time, 1)


def under_cap(device: Device, simulate: Callable[[int], Run]) -> tuple[Run, int]:
    """Find the highest clock at which the governor sees the cap kept; returns the run and the clock.

    Between two simulated clocks, time is taken to be a power of the clock.
    """
    clocks = device.chip.clocks
    clock = clocks.boost_hz
    run = simulate(clock)
    slope = -1.0
    known = {clock: run}
    for _ in range(ATTEMPTS):
        if clock == clocks.boost_hz and power_w(device, run, clock) <= device.power_cap_w:
            return run, clock
        if abs(power_w(device, run, clock) / device.power_cap_w - 1) <= TOLERANCE:
            return run, clock
        following = _solve(device, run, clock, slope)
        if following in known:
            return known[following], following
        after = simulate(following)
        slope = _slope(clock, run.time_ps, following, after.time_ps)
        run, clock = after, following
        known[clock] = run
    return run, clock


def _slope(clock: int, time_ps: int, other_clock: int, other_time_ps: int) -> float:
    """The exponent of time over clock between two runs: -1 when the core bounds it, 0 when memory does."""
    if min(time_ps, other_time_ps) <= 0:
        return 0.0
    return max(min(log(other_time_ps / time_ps) / log(other_clock / clock), 0.0), -1.0)


def _solve(device: Device, run: Timed, clock: int, slope: float) -> int:
    """Bisect for the clock that meets the cap, given how time follows it."""
    clocks = device.chip.clocks
    low, high = clocks.min_hz // CLOCK_STEP_HZ, clocks.boost_hz // CLOCK_STEP_HZ
    while low < high:
        middle = (low + high + 1) // 2
        tried = middle * CLOCK_STEP_HZ
        if power_w(device, run, tried, run.time_ps * (tried / clock) ** slope) <= device.power_cap_w:
            low = middle
        else:
            high = middle - 1
    return low * CLOCK_STEP_HZ
