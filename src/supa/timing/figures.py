"""From a chip's figures to the integers that the machine runs on, at one core clock. Not here: steps, behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from supa.arch import Device
from supa.timing import mechanisms
from supa.timing.machine.layout import COST_SHIFT

Placement = Literal["uma", "numa"]

QUEUE_COUNT = 16  # at most, for the slices of a partition and for the channels


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What of a simulation is not the chip's: clock, tags' sampling, placement of memory.

    One line in `sample` (a power of two) is simulated. `lines` bounds how many different lines may be touched.
    """

    core_hz: int
    sample: int = 1
    lines: int = 1 << 40
    placement: Placement = "uma"


def machine_figures(device: Device, setting: Setting) -> dict[str, int]:
    """What the machine reads of a device in a setting, by the names in `layout.FIGURES`."""
    chip = device.chip
    core, l2_hz = setting.core_hz, chip.clocks.l2_hz
    partitions = chip.l2.partition_count
    lscs = chip.lscs_per_cu
    atomics = max(chip.l2.slice_atomics_ops_per_clock, chip.near_memory.slice_reductions_ops_per_clock)
    slices, slice_group = _grouped(chip.l2.slice_count // partitions)
    slice_hz = Fraction(l2_hz) * slice_group
    sums = chip.sustained.sums_bytes_per_clock
    channels, channel_group = _grouped(chip.hbm.channel_count)
    return dict(
        cu_count=chip.cu_count,
        dispatch_ps=_ps(Fraction(1, chip.launch.dispatch_blocks_per_clock), core),
        block_latency_ps=chip.sustained.block_start_ps,
        line_shift=_log2(chip.l2.line_bytes),
        sector_shift=_log2(chip.l2.sector_bytes),
        sets=_sets(device, setting),
        ways=chip.l2.ways,
        sample_mask=setting.sample - 1,
        replicates=int(chip.l2.replicates and partitions > 1),
        local_homes=int(setting.placement == "numa"),
        partitions=partitions,
        slices=slices,
        slice_read_cost=_cost(slice_hz * mechanisms.l2_bytes_per_clock(chip)),
        slice_write_cost=_cost(slice_hz * mechanisms.l2_written_bytes_per_clock(chip)),
        slice_atomic_cost=_cost(Fraction(atomics) * l2_hz * slice_group),
        atomic_chain_ps=_ps(chip.l2.atomic_same_address_cycles, l2_hz),
        channels=channels,
        channel_cost=_cost(mechanisms.channel_bytes_per_s(chip) * channel_group),
        row_opening_cost=_fixed(mechanisms.row_opening_ps(chip) / channel_group),
        page_bytes=chip.hbm.page_bytes,
        turnaround_cost=_fixed(mechanisms.turning_ps_per_byte(chip) / channel_group),
        access_bytes=chip.hbm.access_bytes,
        lsc_cost=_cost(Fraction(chip.lsc.bandwidth_bytes_per_clock * lscs) * core),
        fill_cost=_cost(Fraction(chip.lsc.fill_bandwidth_bytes_per_clock * lscs) * core),
        write_cost=_cost(Fraction(min(chip.lsc.write_bandwidth_bytes_per_clock * lscs, sums)) * core),
        outstanding_lines=chip.lsc.outstanding_lines * lscs,
        spc_cost=_cost(Fraction(chip.noc.spc_bandwidth_bytes_per_clock) * l2_hz),
        crossing_cost=_cost(Fraction(chip.l2.crossing_bandwidth_bytes_per_clock) * l2_hz)
        if chip.l2.crossing_bandwidth_bytes_per_clock
        else 0,
        crossing_latency_ps=_ps(chip.l2.crossing_latency_cycles, l2_hz),
        die_cost=_cost(Fraction(chip.die_to_die.bandwidth_bytes_per_s)) if chip.die_to_die.bandwidth_bytes_per_s else 0,
        die_latency_ps=chip.die_to_die.latency_ps,
        l2_latency_ps=_ps(chip.l2.latency_cycles, l2_hz),
        hbm_latency_ps=chip.hbm.latency_ps,
        miss_latency_ps=mechanisms.miss_latency_ps(chip),
        tda_issue_ps=_ps(chip.tda.issue_cycles, core),
    )


def _cost(units_per_s: Fraction) -> int:
    """Fixed-point picoseconds of one unit, rounded up so that no peak is exceeded."""
    return _fixed(Fraction(10**12) / units_per_s)


def _fixed(ps: Fraction) -> int:
    """Picoseconds as fixed point, rounded up."""
    cost = ps * (1 << COST_SHIFT)
    return -(-cost.numerator // cost.denominator)


def _ps(cycles: Fraction | int, hz: int) -> int:
    """Picoseconds of some cycles, rounded up."""
    time = Fraction(10**12) * cycles / hz
    return -(-time.numerator // time.denominator)


def _grouped(count: int) -> tuple[int, int]:
    """Queues, and servers behind each: large accesses meet all servers alike, so one queue can stand for several."""
    queues = max(queues for queues in range(1, min(count, QUEUE_COUNT) + 1) if count % queues == 0)
    return queues, count // queues


def _log2(size: int) -> int:
    if size & (size - 1):
        raise ValueError(f"a cache's line and sector must be powers of two, found {size} B")
    return size.bit_length() - 1


def _sets(device: Device, setting: Setting) -> int:
    """Simulated sets of one partition: the chip's, or twice what the kernel can fill, which its lines rarely miss."""
    l2 = device.chip.l2
    real = l2.capacity_bytes // l2.partition_count // l2.line_bytes // l2.ways // setting.sample
    enough = -(-2 * setting.lines // l2.ways // setting.sample)
    return max(min(real, enough), 1)
