"""From a chip's figures to the integers that the machine runs on, at one core clock. Not here: steps, behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from supa.arch import Device
from supa.timing.machine import layout

Placement = Literal["uma", "numa"]

WRITE_BATCH_BYTES = 4096  # a channel gathers this much before it turns from reads to writes and back
BANK_COUNT = 16  # rows of one channel that open side by side (HBM2 and HBM3 pseudo channels, JESD235, JESD238)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What of a simulation is not the chip's: clock, resident blocks, tags' sampling, placement of memory.

    One line in `sample` (a power of two) is simulated. `lines` bounds how many different lines may be touched.
    """

    core_hz: int
    slots_per_cu: int
    sample: int = 1
    lines: int = 1 << 40
    placement: Placement = "uma"


def machine_spec(device: Device, setting: Setting) -> layout.Spec:
    """The machine of a device in a setting."""
    chip = device.chip
    core, l2_hz = setting.core_hz, chip.clocks.l2_hz
    partitions = chip.l2.partition_count
    spcs = np.repeat(np.arange(chip.spc_count), chip.cus_by_spc).astype(np.int64)
    lscs = chip.lscs_per_cu
    atomics = max(chip.l2.slice_atomics_ops_per_clock, chip.near_memory.slice_reductions_ops_per_clock)
    channel = Fraction(chip.hbm.bandwidth_bytes_per_s, chip.hbm.channel_count) * Fraction(chip.hbm.peak_efficiency)
    return layout.Spec(
        cu_count=chip.cu_count,
        cu_order=_fill_order(chip.cus_by_spc),
        cu_spc=spcs,
        cu_partition=spcs * partitions // chip.spc_count,
        partition_die=np.arange(partitions, dtype=np.int64) * chip.die.count // partitions,
        slots_per_cu=setting.slots_per_cu,
        dispatch_ps=_ps(Fraction(1, chip.launch.dispatch_blocks_per_clock), core),
        block_latency_ps=_ps(chip.launch.block_latency_cycles, core),
        line_shift=_log2(chip.l2.line_bytes),
        sector_shift=_log2(chip.l2.sector_bytes),
        sets=_sets(device, setting),
        ways=chip.l2.ways,
        sample_mask=setting.sample - 1,
        replicates=int(chip.l2.replicates and partitions > 1),
        local_homes=int(setting.placement == "numa"),
        slices=chip.l2.slice_count // partitions,
        slice_read_cost=_cost(Fraction(chip.l2.slice_bandwidth_bytes_per_clock) * l2_hz),
        slice_write_cost=_cost(Fraction(chip.l2.slice_write_bandwidth_bytes_per_clock) * l2_hz),
        slice_atomic_cost=_cost(Fraction(atomics) * l2_hz),
        atomic_chain_ps=_ps(chip.l2.atomic_same_address_cycles, l2_hz),
        channels=chip.hbm.channel_count,
        channel_cost=_cost(channel),
        row_miss_ps=chip.hbm.row_miss_ps // BANK_COUNT,
        page_bytes=chip.hbm.page_bytes,
        turnaround_cost=_cost(Fraction(10**12 * WRITE_BATCH_BYTES, 2 * chip.hbm.turnaround_ps))
        if chip.hbm.turnaround_ps
        else 0,
        access_bytes=chip.hbm.access_bytes,
        lsc_line_cost=_cost(Fraction(chip.lsc.bandwidth_bytes_per_clock * lscs, chip.l2.line_bytes) * core),
        lsc_line_bytes=chip.lsc.line_bytes,
        lsc_latency_ps=_ps(chip.lsc.latency_cycles, core),
        fill_cost=_cost(Fraction(chip.lsc.fill_bandwidth_bytes_per_clock * lscs) * core),
        write_cost=_cost(Fraction(chip.lsc.write_bandwidth_bytes_per_clock * lscs) * core),
        outstanding_lines=chip.lsc.outstanding_lines * lscs,
        spc_cost=_cost(Fraction(chip.noc.spc_bandwidth_bytes_per_clock) * l2_hz),
        crossing_cost=_cost(Fraction(chip.l2.crossing_bandwidth_bytes_per_clock) * l2_hz) if chip.l2.crossing_bandwidth_bytes_per_clock else 0,
        crossing_latency_ps=_ps(chip.l2.crossing_latency_cycles, l2_hz),
        die_cost=_cost(Fraction(chip.die_to_die.bandwidth_bytes_per_s)) if chip.die_to_die.bandwidth_bytes_per_s else 0,
        die_latency_ps=chip.die_to_die.latency_ps,
        l2_latency_ps=_ps(chip.l2.latency_cycles, l2_hz),
        hbm_latency_ps=chip.hbm.latency_ps,
        tda_issue_ps=_ps(chip.tda.issue_cycles, core),
    )


def machine_state(spec: layout.Spec, tape: layout.Tape, blocks: int) -> layout.State:
    """An idle machine with cold caches, ready for a grid of `blocks`."""
    slots = max(min(spec.cu_count * spec.slots_per_cu, blocks), 1)
    steps = max(len(tape.kind), 1)
    partitions = len(spec.partition_die)
    spcs = int(spec.cu_spc.max()) + 1

    def zeros(*shape: int) -> np.ndarray:
        return np.zeros(shape, np.int64)

    return layout.State(
        heap=zeros(slots * (tape.depth + 2) + 2),
        size=zeros(1),
        engine_free=zeros(spec.cu_count, layout.ENGINE_COUNT),
        engine_busy=zeros(spec.cu_count, layout.ENGINE_COUNT),
        fill_free=zeros(spec.cu_count),
        write_free=zeros(spec.cu_count),
        miss_free=zeros(spec.cu_count),
        spc_in_free=zeros(spcs),
        spc_out_free=zeros(spcs),
        slice_free=zeros(partitions * spec.slices),
        channel_free=zeros(spec.channels),
        crossing_free=zeros(partitions),
        die_free=zeros(int(spec.partition_die.max()) + 1),
        tags=np.full((partitions, spec.sets * spec.ways), -1, np.int64),
        block=np.full(slots, -1, np.int64),
        pc=zeros(slots),
        cursor=zeros(slots),
        trip=zeros(slots),
        trips=zeros(slots),
        flat=zeros(slots),
        loop_cursor=zeros(slots),
        counters=zeros(slots, tape.nesting + 1),
        level=zeros(slots),
        issued=zeros(slots),
        latest=zeros(slots),
        produced=zeros(slots),
        blocked=zeros(slots),
        done=zeros(slots, steps),
        ring=zeros(slots, steps, tape.depth + 1),
        step_busy=zeros(steps),
        step_stall=zeros(steps),
        step_count=zeros(steps),
        cause=zeros(layout.ENGINE_COUNT + 2),
        count=zeros(layout.COUNTER_COUNT),
        scratch=zeros(40),
    )


def _cost(units_per_s: Fraction) -> int:
    """Fixed-point picoseconds of one unit, rounded up so that no peak is exceeded."""
    cost = Fraction(10**12 << layout.COST_SHIFT) / units_per_s
    return -(-cost.numerator // cost.denominator)


def _ps(cycles: Fraction | int, hz: int) -> int:
    """Picoseconds of some cycles, rounded up."""
    time = Fraction(10**12) * cycles / hz
    return -(-time.numerator // time.denominator)


def _log2(size: int) -> int:
    if size & (size - 1):
        raise ValueError(f"a cache's line and sector must be powers of two, found {size} B")
    return size.bit_length() - 1


def _sets(device: Device, setting: Setting) -> int:
    """Simulated sets of one partition; never more than four times what the kernel can fill."""
    l2 = device.chip.l2
    real = l2.capacity_bytes // l2.partition_count // l2.line_bytes // l2.ways // setting.sample
    enough = 1 << (4 * setting.lines // l2.ways // setting.sample).bit_length()
    return max(min(real, enough), 1)


def _fill_order(cus_by_spc: tuple[int, ...]) -> np.ndarray:
    """The dispatcher goes round the SPCs, giving each a block for its next CU."""
    first = np.cumsum([0, *cus_by_spc])
    places = [(index, spc) for spc, count in enumerate(cus_by_spc) for index in range(count)]
    return np.array([first[spc] + index for index, spc in sorted(places)], np.int64)
