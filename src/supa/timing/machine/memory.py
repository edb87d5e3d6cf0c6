"""One access on its way: LSC, network, L2 slices with their tags, crossings, HBM channels. Not here: who asks.

Every resource is a server that is free from some time on; an access takes its share of each from the time at which
it is issued, and ends when the slowest share and the latency behind it have passed.
"""

from __future__ import annotations

from typing import Any

from supa.timing.machine.compiled import compiled
from supa.timing.machine.footprint import ADDRESS, INDICES, OUTER, ROWS, SPAN, next_row, read_footprint
from supa.timing.machine.layout import (
    ATOMIC,
    ATOMIC_OPS,
    COST_SHIFT,
    CROSSING_BUSY_PS,
    CROSSING_BYTES,
    DIE_BUSY_PS,
    DIE_BYTES,
    ENGINE_LSC,
    ENGINE_TDA,
    FILL_BUSY_PS,
    HBM_BUSY_PS,
    HBM_READ_BYTES,
    HBM_WRITE_BYTES,
    L2_BUSY_PS,
    L2_HIT_BYTES,
    L2_READ_BYTES,
    L2_WRITE_BYTES,
    LINES_WALKED,
    LOAD,
    LSC_BYTES,
    NOC_BUSY_PS,
    REQUESTED_BYTES,
)
from supa.timing.machine.tags import drop, mix, sectors, touch

# Results of the tag walk in the scratch array.
LINES, SECTORS, MISSED, EVICTED, FAR, FAR_MISSED, SEEN, FIRST = 26, 27, 28, 29, 30, 31, 32, 33


@compiled
def priced(amount: int, cost: int) -> int:
    """Picoseconds of `amount` units, rounded up."""
    return (amount * cost + (1 << COST_SHIFT) - 1) >> COST_SHIFT


@compiled
def serve(free: Any, index: int, time: int, duration: int) -> int:
    """Queue at one server; returns when it is done."""
    begin = free[index] if free[index] > time else time
    free[index] = begin + duration
    return begin + duration


@compiled
def spread(free: Any, base: int, servers: int, first: int, parts: int, time: int, duration: int) -> int:
    """Queue `duration` picoseconds of work, in `parts` equal pieces, at neighbours of server `first` in a ring."""
    count = parts if parts < servers else servers
    piece = (duration + count - 1) // count
    latest = time
    index = first
    for _ in range(count):
        begin = free[base + index]
        if begin < time:
            begin = time
        begin += piece
        free[base + index] = begin
        if begin > latest:
            latest = begin
        index += 1
        if index == servers:
            index = 0
    return latest


@compiled
def access(
    tape: Any, spec: Any, state: Any, cu: int, step: int, stream: Any, base: int, delta: int, trip: int, time: int
) -> tuple[int, int]:
    """Issue one access at `time`; returns when it started and when its data are there (or written)."""
    out = state.scratch
    elements = read_footprint(tape, step, stream, base, delta, trip, 1 << spec.sector_shift, out)
    if elements == 0:
        return time, time
    kind = tape.kind[step]
    requested = elements * tape.element_bytes[step]
    state.count[REQUESTED_BYTES] += requested
    partition = spec.cu_partition[cu]
    walk_tags(spec, state, partition, kind)
    _scale(spec, out)
    state.count[LINES_WALKED] += out[LINES]
    start = _issue(tape, spec, state, cu, step, time)
    if kind == LOAD:
        return start, _read(spec, state, cu, partition, start, tape.by_tda[step])
    done = _write(spec, state, cu, partition, start, kind, elements)
    if kind == ATOMIC and tape.returns[step]:
        done += spec.l2_latency_ps
    return start, done


@compiled
def _issue(tape: Any, spec: Any, state: Any, cu: int, step: int, time: int) -> int:
    """Take the engine that sends the requests; returns when the first one leaves."""
    lines = state.scratch[LINES]
    if tape.by_tda[step]:
        engine = ENGINE_TDA
        busy = spec.tda_issue_ps
    else:
        engine = ENGINE_LSC
        busy = priced(lines, spec.lsc_line_cost)
        state.count[LSC_BYTES] += lines << spec.line_shift
    state.engine_busy[cu, engine] += busy
    state.step_busy[step] += busy
    return serve(state.engine_free[cu], engine, time, busy) - busy


@compiled
def _scale(spec: Any, out: Any) -> None:
    """From the simulated lines of an access to all of them."""
    seen = out[SEEN]
    weight = spec.sample_mask + 1
    if weight == 1:
        return
    if out[LINES] >= 4 * weight and seen > 0:
        for place in (MISSED, EVICTED, FAR, FAR_MISSED):
            out[place] = out[place] * out[LINES] // seen
    else:
        for place in (MISSED, EVICTED, FAR, FAR_MISSED):
            out[place] *= weight


@compiled
def walk_tags(spec: Any, state: Any, partition: int, kind: int) -> None:
    """Walk the rows of the footprint in the scratch array through the tags; counts go to the scratch array."""
    out = state.scratch
    for place in range(LINES, FIRST):
        out[place] = 0
    for d in range(out[OUTER]):
        out[INDICES + d] = 0
    address = out[ADDRESS]
    out[FIRST] = mix(address >> spec.line_shift)
    last_offset = out[SPAN] - 1
    in_line = (1 << spec.line_shift) - 1
    for _ in range(out[ROWS]):
        end = address + last_offset
        low, high = address >> spec.line_shift, end >> spec.line_shift
        out[LINES] += high - low + 1
        out[SECTORS] += (end >> spec.sector_shift) - (address >> spec.sector_shift) + 1
        for line in range(low, high + 1):
            hashed = mix(line)
            if hashed & spec.sample_mask == 0:
                begin = (address & in_line) >> spec.sector_shift if line == low else 0
                until = (end & in_line) >> spec.sector_shift if line == high else in_line >> spec.sector_shift
                _touch_line(spec, state, partition, line, hashed, (2 << until) - (1 << begin), kind)
        address = next_row(out, address)


@compiled
def _touch_line(spec: Any, state: Any, partition: int, line: int, hashed: int, mask: int, kind: int) -> None:
    """One line through the near and, where it lives elsewhere, the far tags."""
    out = state.scratch
    out[SEEN] += 1
    partitions = state.tags.shape[0]
    home = partition if spec.local_homes else ((hashed >> 24) * partitions) >> 7
    first = (((hashed * 40503) >> 4) & 0xFFFFFFF) * spec.sets >> 28
    first *= spec.ways
    if kind != LOAD:
        if home != partition:
            out[FAR] += sectors(mask)
            if spec.replicates:
                drop(state.tags[partition], first, spec.ways, line)
        out[EVICTED] += touch(state.tags[home], first, spec.ways, line, mask, mask) >> 8
        return
    if home != partition and spec.replicates:
        near = touch(state.tags[partition], first, spec.ways, line, mask, 0)
        out[EVICTED] += near >> 8
        mask = near & 0xFF
        if mask == 0:
            return
    result = touch(state.tags[home], first, spec.ways, line, mask, 0)
    out[MISSED] += sectors(result & 0xFF)
    out[EVICTED] += result >> 8
    if home != partition:
        out[FAR] += sectors(mask)
        out[FAR_MISSED] += sectors(result & 0xFF)


@compiled
def _slices(
    spec: Any, state: Any, partition: int, far_bytes: int, total_bytes: int, cost: int, time: int
) -> int:
    """Queue at the slices of the near partition and, for what lives elsewhere, of the others."""
    out = state.scratch
    first = out[FIRST] % spec.slices
    lines = out[LINES]
    near = priced(total_bytes - far_bytes, cost)
    done = time
    if near > 0:
        done = spread(state.slice_free, partition * spec.slices, spec.slices, first, lines, time, near)
    state.count[L2_BUSY_PS] += near
    partitions = state.tags.shape[0]
    if far_bytes > 0:
        far = priced(far_bytes, cost)
        state.count[L2_BUSY_PS] += far
        share = (far + partitions - 2) // (partitions - 1)
        for other in range(partitions):
            if other != partition:
                done = max(done, spread(state.slice_free, other * spec.slices, spec.slices, first, lines, time, share))
    return done


@compiled
def _cross(spec: Any, state: Any, partition: int, bytes_far: int, time: int) -> int:
    """Queue at the joint between partitions, or between dies; returns when the data are across."""
    partitions = spec.partition_die.shape[0]
    die = spec.partition_die[partition]
    off_die = 0
    for other in range(partitions):
        off_die += spec.partition_die[other] != die
    over = bytes_far * off_die // (partitions - 1)
    inside = bytes_far - over
    done = time
    if inside > 0:
        busy = priced(inside, spec.crossing_cost)
        state.count[CROSSING_BYTES] += inside
        state.count[CROSSING_BUSY_PS] += busy
        done = serve(state.crossing_free, partition, time, busy) + spec.crossing_latency_ps
    if over > 0:
        busy = priced(over, spec.die_cost)
        state.count[DIE_BYTES] += over
        state.count[DIE_BUSY_PS] += busy
        done = max(done, serve(state.die_free, die, time, busy) + spec.die_latency_ps)
    return done


@compiled
def _hbm(spec: Any, state: Any, read_bytes: int, written_bytes: int, time: int) -> int:
    """Queue at the channels: transfer, rows opened beyond those of a long run, turnarounds for writes."""
    out = state.scratch
    moved = read_bytes + written_bytes
    pages = (out[SPAN] + spec.page_bytes - 1) // spec.page_bytes
    runs = moved // max(min(out[SPAN], spec.page_bytes), spec.access_bytes)
    opened = max(runs - moved // spec.page_bytes, 0) if pages == 1 else 0
    transfer = priced(moved, spec.channel_cost) + priced(written_bytes, spec.turnaround_cost)
    busy = max(transfer, opened * spec.row_miss_ps)
    state.count[HBM_BUSY_PS] += busy
    state.count[HBM_READ_BYTES] += read_bytes
    state.count[HBM_WRITE_BYTES] += written_bytes
    parts = (moved + (1 << spec.line_shift) - 1) >> spec.line_shift
    return spread(state.channel_free, 0, spec.channels, out[FIRST] % spec.channels, parts, time, busy)


@compiled
def _read(spec: Any, state: Any, cu: int, partition: int, start: int, by_tda: int) -> int:
    out = state.scratch
    total = out[SECTORS] << spec.sector_shift
    missed = out[MISSED] << spec.sector_shift
    far = min(out[FAR] << spec.sector_shift, total)
    state.count[L2_READ_BYTES] += total
    state.count[L2_HIT_BYTES] += total - missed
    queued = _slices(spec, state, partition, far, total, spec.slice_read_cost, start)
    busy = priced(total, spec.spc_cost)
    state.count[NOC_BUSY_PS] += busy
    queued = max(queued, serve(state.spc_in_free, spec.cu_spc[cu], start, busy))
    busy = priced(total, spec.fill_cost)
    state.count[FILL_BUSY_PS] += busy
    queued = max(queued, serve(state.fill_free, cu, start, busy))
    done = queued + spec.l2_latency_ps
    crossed = 0
    if far > 0:
        across = _cross(spec, state, partition, far, start)
        done = max(done, across + spec.l2_latency_ps)
        crossed = across - start
    evicted = out[EVICTED] << spec.sector_shift
    if missed + evicted > 0:
        fetched = _hbm(spec, state, missed, evicted, start)
        if missed > 0:
            late = min(crossed, spec.crossing_latency_ps) if out[FAR_MISSED] > 0 else 0
            done = max(done, fetched + spec.l2_latency_ps + spec.hbm_latency_ps + late)
    if not by_tda:
        alone = spec.l2_latency_ps + (spec.hbm_latency_ps * out[MISSED] // max(out[SECTORS], 1))
        held = out[LINES] * alone // spec.outstanding_lines
        done = max(done, serve(state.miss_free, cu, start, held))
    return done


@compiled
def _write(spec: Any, state: Any, cu: int, partition: int, start: int, kind: int, elements: int) -> int:
    out = state.scratch
    total = out[SECTORS] << spec.sector_shift
    far = min(out[FAR] << spec.sector_shift, total)
    state.count[L2_WRITE_BYTES] += total
    done = serve(state.write_free, cu, start, priced(total, spec.write_cost))
    busy = priced(total, spec.spc_cost)
    state.count[NOC_BUSY_PS] += busy
    done = max(done, serve(state.spc_out_free, spec.cu_spc[cu], start, busy))
    done = max(done, _slices(spec, state, partition, far, total, spec.slice_write_cost, start))
    if kind == ATOMIC:
        work = priced(elements, spec.slice_atomic_cost)
        if elements == 1:
            work = max(work, spec.atomic_chain_ps)
        state.count[ATOMIC_OPS] += elements
        state.count[L2_BUSY_PS] += work
        first = out[FIRST] % spec.slices
        home = partition if spec.local_homes else ((out[FIRST] >> 24) * state.tags.shape[0]) >> 7
        done = max(done, spread(state.slice_free, home * spec.slices, spec.slices, first, out[LINES], start, work))
    if far > 0:
        done = max(done, _cross(spec, state, partition, far, start))
    evicted = out[EVICTED] << spec.sector_shift
    if evicted > 0:
        _hbm(spec, state, 0, evicted, start)
    return done
