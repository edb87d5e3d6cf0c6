"""What the clock says of one launch: time, energy, what bounds it, where the time went. Not here: how it is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from supa.base.location import Location
from supa.timing.occupancy import Occupancy


@dataclass(frozen=True, kw_only=True)
class StepTime:
    """One step of the work, summed over all blocks: executions, engine time, time that blocks stood before it."""

    id: int
    kind: str
    location: Location
    count: int
    busy_ps: int
    stall_ps: int


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The price of one launch on one device.

    `time_ps` runs from an idle stream to the end's notice; `launch_ps` of it is the launch's own cost. `bytes` crossed
    the HBM pins; `dirty_bytes` were written and still lie in the L2 when the kernel ends. `utilisation` is of the time
    after the launch: the mean over the device. `stall_ps` is what blocks waited for, summed over blocks.
    """

    time_ps: int
    launch_ps: int
    energy_pj: float
    average_power_w: float
    bound_by: str
    flops: float
    bytes: int
    read_bytes: int
    written_bytes: int
    dirty_bytes: int
    requested_bytes: int
    l2_bytes: int
    l2_hit_rate: float
    utilisation: Mapping[str, float]
    stall_ps: Mapping[str, int]
    energy_by_part_pj: Mapping[str, float]
    steps: tuple[StepTime, ...]
    occupancy: Occupancy
    blocks: int
    waves: float
    clock_hz: int
    exact: bool  # False: the work entry guessed, lines were sampled, or a steady stretch was skipped

    @property
    def time_us(self) -> float:
        """Microseconds."""
        return self.time_ps / 1e6

    @property
    def flops_per_s(self) -> float:
        """Achieved, the launch included."""
        return self.flops / self.time_ps * 1e12

    @property
    def bytes_per_s(self) -> float:
        """Achieved at the HBM, the launch included."""
        return self.bytes / self.time_ps * 1e12
