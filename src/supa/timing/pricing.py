"""The public way in: the price of one launch on one device. Not here: the machine, the descriptions, the workloads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from supa.arch import Device
from supa.program.program import Resources
from supa.program.work import Access, Step, Work
from supa.timing import figures, power, steady
from supa.timing.machine import layout
from supa.timing.memory_image import Image, build
from supa.timing.occupancy import Occupancy, occupancy
from supa.timing.prediction import Prediction, StepTime
from supa.timing.steps import StepCost, StepPricer, at_clock, price_steps
from supa.timing.tape import Tape, flatten

Caches = Literal["cold", "warm"]

SAMPLED_LINES = 500_000  # about how many line look-ups one simulation may cost; a tag takes 8 bytes of the host
LINES_OF_ACCESS = 8  # that are left of an access on average, at least
PROBED_BLOCKS = 8
BUSY_SHARE = 0.6  # a resource that is busy for more than this bounds the kernel
ENGINES = ("matrix", "vector", "special", "lsc", "exchange", "tensor_data")
CAUSES = (*ENGINES, "memory", "barrier")


@dataclass(frozen=True, kw_only=True)
class Job:
    """All that does not change between the simulations of one launch."""

    device: Device
    work: Work
    tape: Tape
    steps: tuple[Step, ...]
    costs: tuple[StepCost, ...]
    occupancy: Occupancy
    stream: np.ndarray
    begins: np.ndarray
    placement: figures.Placement
    caches: Caches
    warm: tuple[tuple[int, int], ...]

    @property
    def blocks(self) -> int:
        """Blocks of the grid."""
        return len(self.begins)


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """One line in `sample` is simulated; about `lines` different ones are touched.

    The first of `gaps` is skipped before which the machine proves steady.
    """

    sample: int = 1
    lines: int = 1 << 40
    gaps: tuple[steady.Gap, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Run:
    """One finished simulation."""

    time_ps: int
    core_pj: float
    fixed_pj: float
    events: power.Events
    image: Image
    dirty_bytes: int


def price(
    device: Device,
    work: Work,
    resources: Resources,
    grid: tuple[int, int, int],
    stream: np.ndarray,
    *,
    placement: figures.Placement = "uma",
    caches: Caches = "cold",
    warm: tuple[tuple[int, int], ...] = (),
) -> Prediction:
    """Predict one launch.

    `stream` holds int64 values as the kernel's work entry writes them: for each block of `grid`, x fastest, their
    number and the values. `caches` is "warm" for a kernel that runs again and again on the same memory. `placement` is
    "numa" when every block finds its data beside it. `warm` names ranges of memory, (address, bytes), that lie in the
    L2 when the kernel starts.

    Raises `LaunchError` when a block does not fit a CU, `ValueError` when work and stream break their contract.
    """
    job = _job(device, work, resources, grid, stream, placement, caches, warm)
    sampling = _sampling(job)
    run, clock_hz = power.under_cap(device, lambda hz: _simulate(job, hz, sampling))
    return _predict(job, run, clock_hz, sampling)


def _job(
    device: Device,
    work: Work,
    resources: Resources,
    grid: tuple[int, int, int],
    stream: np.ndarray,
    placement: figures.Placement,
    caches: Caches,
    warm: tuple[tuple[int, int], ...],
) -> Job:
    from supa.timing.machine.run import find_blocks

    room = occupancy(device.chip, resources)
    tape = flatten(work)
    if not device.chip.tda.present:
        tape.steps[:, layout.BY_TDA] = 0
    steps = tuple(work.steps())
    stream = np.ascontiguousarray(stream, np.int64)
    begins = np.zeros(grid[0] * grid[1] * grid[2], np.int64)
    length = find_blocks(stream, begins)
    if length != len(stream):
        raise ValueError(f"the stream holds {len(stream)} values; its {len(begins)} blocks say {length}")
    return Job(
        device=device,
        work=work,
        tape=tape,
        steps=steps,
        costs=price_steps(StepPricer(device, room.warps_per_block), steps),
        occupancy=room,
        stream=stream,
        begins=begins,
        placement=placement,
        caches=caches,
        warm=warm,
    )


def _simulate(job: Job, core_hz: int, sampling: Sampling, first: int = 0, last: int | None = None) -> Run:
    """Run blocks [first, last) at a core clock; with warm caches, a second time on the tags of the first."""
    from supa.timing.machine.memory import preload
    from supa.timing.machine.tags import dirty_sectors

    until = job.blocks if last is None else last
    chip = job.device.chip
    setting = figures.Setting(core_hz=core_hz, sample=sampling.sample, lines=sampling.lines, placement=job.placement)
    values = figures.machine_figures(job.device, setting)
    times = at_clock(job.costs, core_hz)

    def idle() -> Image:
        made = build(chip, values, job.tape, times, job.occupancy.blocks_per_cu, until - first)
        for address, size in job.warm:
            preload(made.words, address, size)
        return made

    image, time_ps = _until_steady(job, idle, sampling.gaps, first, until)
    if job.caches == "warm":
        before, image = image, idle()
        image.words[image.tags :] = before.words[before.tags :]
        del before
        time_ps = _go(job, image, None, first, until)
    assert time_ps is not None
    events = power.energies(job.device, job.costs, image)
    return Run(
        time_ps=time_ps,
        core_pj=sum(events.core.values()),
        fixed_pj=sum(events.fixed.values()),
        events=events,
        image=image.without_tags(),
        dirty_bytes=int(dirty_sectors(image.words)) * sampling.sample * chip.l2.sector_bytes,
    )


def _until_steady(
    job: Job, idle: Callable[[], Image], gaps: Sequence[steady.Gap], first: int, last: int
) -> tuple[Image, int | None]:
    """Simulate with the first of the gaps before which the machine proves steady, without one where it never does."""
    for gap in gaps:
        image = idle()
        time_ps = _go(job, image, gap, first, last)
        if time_ps is not None:
            return image, time_ps
        del image  # two machines at once are much memory
    image = idle()
    return image, _go(job, image, None, first, last)


def _go(job: Job, image: Image, gap: steady.Gap | None, first: int, last: int) -> int | None:
    """Simulate, and add what a gap would have taken; None when the machine was not steady before the gap."""
    from supa.timing.machine.run import simulate

    marks = gap.marks if gap else np.zeros(0, np.int64)
    skipped = np.array([gap.begin, gap.blocks] if gap else [-1, 0], np.int64)
    marks_ps = np.zeros(len(marks), np.int64)
    seen = np.zeros((len(marks), image.tables["slots"]), np.int64)
    time_ps = int(simulate(image.words, job.stream, job.begins, first, last, skipped, marks, marks_ps, seen))
    misread = int(image.words[layout.MISREAD]) - 1
    if misread >= 0:
        raise ValueError(f"block {misread}: the stream holds more or fewer values than the work tree takes")
    if gap is None:
        return time_ps
    if time_ps < 0 or not steady.agree(seen):
        return None
    measured = gap.window * steady.WINDOWS
    image.add(seen[-1] - seen[0], gap.blocks, measured)
    image.steps[:, layout.TIMES] = steady.times_of_steps(job.work, job.stream, job.blocks)
    return time_ps + int(marks_ps[-1] - marks_ps[0]) * gap.blocks // measured


def _sampling(job: Job) -> Sampling:
    """How much of the grid and of its lines to simulate, judged from a few blocks."""
    if job.blocks == 0:
        return Sampling()
    chip = job.device.chip
    first = min(job.blocks // 2, max(job.blocks - PROBED_BLOCKS, 0))
    last = min(first + PROBED_BLOCKS, job.blocks)
    probe = _simulate(job, chip.clocks.boost_hz, Sampling(lines=1 << 12), first, last)
    walked = max(probe.image.counts["lines"], 1)
    resident = chip.cu_count * job.occupancy.blocks_per_cu
    filling = 2 * chip.l2.capacity_bytes // chip.l2.line_bytes * (last - first) // walked
    gaps: tuple[steady.Gap, ...] = ()
    if job.caches == "cold":
        found = [steady.find_gap(job.work, job.stream, job.blocks, resident, times * filling) for times in (1, 3)]
        gaps = tuple(gap for gap in found if gap is not None)
    steps = probe.image.steps
    accesses = int(steps[steps[:, layout.KIND] <= layout.ATOMIC, layout.TIMES].sum())
    total = walked * (job.blocks - (gaps[0].blocks if gaps else 0)) // (last - first)
    sample = 1
    while sample < 64 and total > SAMPLED_LINES * sample and walked >= 2 * LINES_OF_ACCESS * sample * max(accesses, 1):
        sample *= 2
    return Sampling(sample=sample, lines=total + total // 4 + 1024, gaps=gaps)


def _predict(job: Job, run: Run, clock_hz: int, sampling: Sampling) -> Prediction:
    chip = job.device.chip
    count = run.image.counts
    times = run.image.steps[:, layout.TIMES]
    scale = (clock_hz / chip.clocks.boost_hz) ** chip.power.voltage_exponent
    parts = {name: energy * scale for name, energy in run.events.core.items()} | dict(run.events.fixed)
    time_ps = chip.launch.latency_ps + run.time_ps
    parts["static"] = chip.power.static_w * time_ps
    energy_pj = sum(parts.values())
    read, written = count["hbm_read_bytes"], count["hbm_write_bytes"]
    l2_read = count["l2_read_bytes"]
    resident = chip.cu_count * job.occupancy.blocks_per_cu
    return Prediction(
        time_ps=time_ps,
        launch_ps=chip.launch.latency_ps,
        energy_pj=energy_pj,
        average_power_w=energy_pj / max(time_ps, 1),
        bound_by=_bound_by(job, run, clock_hz),
        flops=sum(cost.flops * int(number) for cost, number in zip(job.costs, times, strict=True)),
        bytes=read + written,
        read_bytes=read,
        written_bytes=written,
        dirty_bytes=run.dirty_bytes,
        requested_bytes=count["requested_bytes"],
        l2_bytes=l2_read + count["l2_write_bytes"],
        l2_hit_rate=count["l2_hit_bytes"] / l2_read if l2_read else 0.0,
        utilisation=MappingProxyType(_utilisation(run)),
        stall_ps=MappingProxyType(_stalls(run)),
        energy_by_part_pj=MappingProxyType(parts),
        steps=_step_times(job, run),
        occupancy=job.occupancy,
        blocks=job.blocks,
        waves=job.blocks / resident,
        clock_hz=clock_hz,
        exact=sampling.sample == 1 and not sampling.gaps and not job.work.data_dependent,
    )


def _step_times(job: Job, run: Run) -> tuple[StepTime, ...]:
    return tuple(
        StepTime(
            id=step.id,
            kind=step.kind if isinstance(step, Access) else type(step).__name__.lower(),
            location=step.location,
            count=int(row[layout.TIMES]),
            busy_ps=int(row[layout.BUSY_SUM_PS]),
            stall_ps=int(row[layout.STALL_SUM_PS]),
        )
        for step, row in zip(job.steps, run.image.steps, strict=True)
    )


def _stalls(run: Run) -> dict[str, int]:
    values = run.image.words[layout.CAUSES : layout.CAUSES + len(CAUSES)]
    return {name: int(value) for name, value in zip(CAUSES, values, strict=True)}


def _engine_busy(run: Run) -> np.ndarray:
    """int64[CUs, engines], picoseconds."""
    return run.image.cus[:, layout.ENGINE_BUSY : layout.ENGINE_BUSY + layout.ENGINE_COUNT]


def _utilisation(run: Run) -> dict[str, float]:
    """Busy time over the time that all servers of a kind had."""
    image, count, time = run.image, run.image.counts, max(run.time_ps, 1)
    shares = {name: float(busy) for name, busy in zip(ENGINES, _engine_busy(run).mean(axis=0) / time, strict=True)}
    servers = {
        "hbm": image.channels,
        "l2": image.partitions * image.slices,
        "noc": 2 * image.spcs,
        "fill": image.cu_count,
        "crossing": image.partitions,
        "die": image.dies,
    }
    return shares | {name: count[f"{name}_busy_ps"] / (many * time) for name, many in servers.items()}


def _bound_by(job: Job, run: Run, clock_hz: int) -> str:
    """The resource that is busy most, on the CU where it is busiest; `latency` when none is busy enough."""
    chip = job.device.chip
    if chip.launch.latency_ps > run.time_ps:
        return "launch"
    shares = _utilisation(run)
    peaks = _engine_busy(run).max(axis=0) / max(run.time_ps, 1)
    shares |= {name: float(peak) for name, peak in zip(ENGINES, peaks, strict=True)}
    most = max(shares, key=lambda name: shares[name])
    if clock_hz < chip.clocks.boost_hz and shares[most] > BUSY_SHARE and most in ENGINES:
        return "power"
    return most if shares[most] > BUSY_SHARE else "latency"
