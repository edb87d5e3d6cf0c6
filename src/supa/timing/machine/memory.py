"""One access on its way: LSC, network, L2 slices with their tags, crossings, HBM channels. Not here: who asks.

Every resource is a server that is free from some time on; an access takes its share of each from the time at which
it is issued, and ends when the slowest share and the latency behind it have passed.
"""

from __future__ import annotations

from supa.timing.machine.compiled import Words, compiled
from supa.timing.machine.footprint import next_run, read_footprint
from supa.timing.machine.layout import (
    ACCESS_BYTES,
    ADDRESS,
    ATOMIC,
    ATOMIC_CHAIN_PS,
    ATOMIC_OPS,
    BUSY_SUM_PS,
    BY_TDA,
    CHANNEL_COST,
    CHANNEL_COUNT,
    CHANNELS,
    COST_SHIFT,
    CROSSING_BUSY_PS,
    CROSSING_BYTES,
    CROSSING_COST,
    CROSSING_FREE,
    CROSSING_LATENCY_PS,
    CU_PARTITION,
    CU_SPC,
    DIE_BUSY_PS,
    DIE_BYTES,
    DIE_COST,
    DIE_LATENCY_PS,
    DIES,
    ELEMENT_BYTES,
    ELEMENTS,
    ENGINE_BUSY,
    ENGINE_FREE,
    ENGINE_LSC,
    ENGINE_TDA,
    EVICTED,
    FAR,
    FAR_MISSED,
    FETCH_COUNT,
    FETCH_LINE,
    FETCH_READY,
    FETCH_WIDTH,
    FETCHES,
    FILL_BUSY_PS,
    FILL_COST,
    FILL_FREE,
    FIRST_HASH,
    HBM_BUSY_PS,
    HBM_LATENCY_PS,
    HBM_READ_BYTES,
    HBM_WRITE_BYTES,
    KIND,
    L2_BUSY_PS,
    L2_HIT_BYTES,
    L2_LATENCY_PS,
    L2_READ_BYTES,
    L2_WRITE_BYTES,
    LINE_SHIFT,
    LINES,
    LINES_WALKED,
    LOAD,
    LOCAL_HOMES,
    LSC_BYTES,
    LSC_COST,
    MISS_FREE,
    MISS_LATENCY_PS,
    MISSED,
    MULTICAST,
    NOC_BUSY_PS,
    OUTER,
    OUTSTANDING_LINES,
    PAGE_BYTES,
    PARTITION_COUNT,
    PARTITION_DIE,
    PARTITION_WIDTH,
    PARTITIONS,
    PIECE_BYTES,
    REPLICATES,
    REQUESTED_BYTES,
    RETURNS,
    ROW_COUNTS,
    ROW_INDICES,
    ROW_OPENING_COST,
    ROW_STRIDES,
    ROWS,
    RUN,
    SAMPLE_MASK,
    SECTOR_SHIFT,
    SECTORS,
    SEEN,
    SETS,
    SLICE_ATOMIC_COST,
    SLICE_COUNT,
    SLICE_READ_COST,
    SLICE_WRITE_COST,
    SLICES,
    SPAN,
    SPC_COST,
    SPC_IN_FREE,
    SPC_OUT_FREE,
    SPC_WIDTH,
    SPCS,
    TAGS,
    TDA_ISSUE_PS,
    TURNAROUND_COST,
    WAYS,
    WRITE_COST,
    WRITE_FREE,
)
from supa.timing.machine.tags import drop, mix, sectors, touch

SAMPLE_MIX = -4417276706812531889  # odd: the hash that chooses simulated lines is not the one of the sets


@compiled
def priced(amount: int, cost: int) -> int:
    """Picoseconds of `amount` units, rounded up."""
    return (amount * cost + (1 << COST_SHIFT) - 1) >> COST_SHIFT


@compiled
def serve(m: Words, server: int, time: int, duration: int) -> int:
    """Queue at the server whose free time is at an address; returns when it is done."""
    done = max(m[server], time) + duration
    m[server] = done
    return done


@compiled
def spread(m: Words, base: int, servers: int, hashed: int, parts: int, time: int, duration: int) -> int:
    """Queue `duration` picoseconds of work, in `parts` equal pieces, at neighbours in a ring of servers."""
    count = parts if parts < servers else servers
    piece = (duration + count - 1) // count
    latest = time
    index = hashed % servers
    for _ in range(count):
        done = max(m[base + index], time) + piece
        m[base + index] = done
        latest = max(latest, done)
        index += 1
        if index == servers:
            index = 0
    return latest


@compiled
def access(m: Words, cu: int, step: int, stream: Words, base: int, delta: int, trip: int, time: int) -> tuple[int, int]:
    """Issue one access at `time`; returns when the block goes on (a written tile has left it), and when it is done."""
    elements = read_footprint(m, step, stream, base, delta, trip)
    if elements == 0:
        return time, time
    kind = m[step + KIND]
    m[REQUESTED_BYTES] += elements * m[step + ELEMENT_BYTES]
    m[RUN] = min(m[SPAN], m[step + PIECE_BYTES]) if m[step + PIECE_BYTES] > 0 else m[SPAN]
    walk_tags(m, m[cu + CU_PARTITION], kind)
    _scale(m)
    m[LINES_WALKED] += m[LINES]
    start = _issue(m, cu, step, time)
    if kind == LOAD:
        return start, _read(m, cu, start, m[step + BY_TDA], m[step + MULTICAST])
    taken, done = _write(m, cu, start, kind)
    if kind == ATOMIC and m[step + RETURNS]:
        done += m[L2_LATENCY_PS]
    return taken, done


@compiled
def _issue(m: Words, cu: int, step: int, time: int) -> int:
    """Take the engine that sends the requests; returns when the first one leaves."""
    if m[step + BY_TDA]:
        engine = ENGINE_TDA
        busy = m[TDA_ISSUE_PS]
    else:
        engine = ENGINE_LSC
        passed = m[SECTORS] << m[SECTOR_SHIFT]
        busy = priced(passed, m[LSC_COST])
        m[LSC_BYTES] += passed
    m[cu + ENGINE_BUSY + engine] += busy
    m[step + BUSY_SUM_PS] += busy
    return serve(m, cu + ENGINE_FREE + engine, time, busy) - busy


@compiled
def _scale(m: Words) -> None:
    """From the simulated lines of an access to all of them."""
    weight = m[SAMPLE_MASK] + 1
    if weight == 1:
        return
    seen = m[SEEN]
    by_share = m[LINES] >= 4 * weight and seen > 0
    for place in range(MISSED, FAR_MISSED + 1):
        m[place] = m[place] * m[LINES] // seen if by_share else m[place] * weight


@compiled
def walk_tags(m: Words, partition: int, kind: int) -> None:
    """Walk the rows of the footprint in the header through the tags; the counts go to the header."""
    for place in range(LINES, FIRST_HASH):
        m[place] = 0
    for d in range(m[OUTER]):
        m[ROW_INDICES + d] = 0
    line_shift, sector_shift, sample_mask = m[LINE_SHIFT], m[SECTOR_SHIFT], m[SAMPLE_MASK]
    address, last_offset, in_line = m[ADDRESS], m[SPAN] - 1, (1 << line_shift) - 1
    m[FIRST_HASH] = mix(address >> line_shift)
    lines = touched = 0
    inner, stride = (m[ROW_COUNTS], m[ROW_STRIDES]) if m[OUTER] > 0 else (1, 0)
    alike = stride & in_line == 0  # every row of a run covers its lines alike
    for _ in range(m[ROWS] // inner):
        row = address
        for _ in range(inner):
            end = row + last_offset
            low, high = row >> line_shift, end >> line_shift
            if not alike:
                lines += high - low + 1
                touched += (end >> sector_shift) - (row >> sector_shift) + 1
            for line in range(low, high + 1):
                if ((line * SAMPLE_MIX) >> 52) & sample_mask == 0:
                    begin = (row & in_line) >> sector_shift if line == low else 0
                    until = ((end & in_line) if line == high else in_line) >> sector_shift
                    _touch_line(m, partition, line, (2 << until) - (1 << begin), kind)
            row += stride
        if alike:
            end = address + last_offset
            lines += inner * ((end >> line_shift) - (address >> line_shift) + 1)
            touched += inner * ((end >> sector_shift) - (address >> sector_shift) + 1)
        address = next_run(m, address)
    m[LINES] = lines
    m[SECTORS] = touched


@compiled
def _touch_line(m: Words, partition: int, line: int, mask: int, kind: int) -> None:
    """One line through the near and, where it lives elsewhere, the far tags."""
    hashed = mix(line)
    home = partition if m[LOCAL_HOMES] else ((hashed >> 24) * m[PARTITION_COUNT]) >> 7
    ways = m[WAYS]
    first = m[TAGS] + (((((hashed * 40503) >> 4) & 0xFFFFFFF) * m[SETS]) >> 28) * ways
    size = m[SETS] * ways
    m[SEEN] += 1
    if kind != LOAD:
        if home != partition:
            m[FAR] += sectors(mask)
            if m[REPLICATES]:
                drop(m, first + partition * size, ways, line)
        m[EVICTED] += touch(m, first + home * size, ways, line, mask, mask) >> 8
        return
    if home != partition and m[REPLICATES]:
        near = touch(m, first + partition * size, ways, line, mask, 0)
        m[EVICTED] += near >> 8
        mask = near & 0xFF
        if mask == 0:
            return
    result = touch(m, first + home * size, ways, line, mask, 0)
    m[MISSED] += sectors(result & 0xFF)
    m[EVICTED] += result >> 8
    if home != partition:
        m[FAR] += sectors(mask)
        m[FAR_MISSED] += sectors(result & 0xFF)


@compiled
def _slices(m: Words, partition: int, far_bytes: int, total_bytes: int, cost: int, time: int) -> int:
    """Queue at the slices of the near partition and, for what lives elsewhere, of the others."""
    count = m[SLICE_COUNT]
    done = time
    near = priced(total_bytes - far_bytes, cost)
    if near > 0:
        m[L2_BUSY_PS] += near
        done = spread(m, m[SLICES] + partition * count, count, m[FIRST_HASH], m[LINES], time, near)
    if far_bytes > 0:
        far = priced(far_bytes, cost)
        m[L2_BUSY_PS] += far
        share = far // (m[PARTITION_COUNT] - 1)
        for other in range(m[PARTITION_COUNT]):
            if other != partition:
                base = m[SLICES] + other * count
                done = max(done, spread(m, base, count, m[FIRST_HASH], m[LINES], time, share))
    return done


@compiled
def _cross(m: Words, partition: int, far_bytes: int, time: int) -> int:
    """Queue at the joint between partitions, or between dies; returns when the data are across."""
    here = m[PARTITIONS] + partition * PARTITION_WIDTH
    die = m[here + PARTITION_DIE]
    off_die = 0
    for other in range(m[PARTITION_COUNT]):
        off_die += m[m[PARTITIONS] + other * PARTITION_WIDTH + PARTITION_DIE] != die
    over = far_bytes * off_die // (m[PARTITION_COUNT] - 1)
    inside = far_bytes - over
    done = time
    if inside > 0:
        busy = priced(inside, m[CROSSING_COST])
        m[CROSSING_BYTES] += inside
        m[CROSSING_BUSY_PS] += busy
        done = serve(m, here + CROSSING_FREE, time, busy) + m[CROSSING_LATENCY_PS]
    if over > 0:
        busy = priced(over, m[DIE_COST])
        m[DIE_BYTES] += over
        m[DIE_BUSY_PS] += busy
        done = max(done, serve(m, m[DIES] + die, time, busy) + m[DIE_LATENCY_PS])
    return done


@compiled
def _hbm(m: Words, read_bytes: int, written_bytes: int, time: int) -> int:
    """Queue at the channels: transfer, turnarounds, and the rows opened where runs are shorter than a row."""
    moved = read_bytes + written_bytes
    run = max(min(m[RUN], m[PAGE_BYTES]), m[ACCESS_BYTES])
    opened = moved // run - moved // m[PAGE_BYTES]
    busy = priced(moved, m[CHANNEL_COST]) + priced(written_bytes, m[TURNAROUND_COST])
    busy += priced(opened, m[ROW_OPENING_COST])
    m[HBM_BUSY_PS] += busy
    m[HBM_READ_BYTES] += read_bytes
    m[HBM_WRITE_BYTES] += written_bytes
    parts = (moved + (1 << m[LINE_SHIFT]) - 1) >> m[LINE_SHIFT]
    return spread(m, m[CHANNELS], m[CHANNEL_COUNT], m[FIRST_HASH] >> 5, parts, time, busy)


@compiled
def _read(m: Words, cu: int, start: int, by_tda: int, receivers: int) -> int:
    """Returns when the tile is there; of a tile that several blocks receive, each one's share is asked for."""
    shift = m[SECTOR_SHIFT]
    partition = m[cu + CU_PARTITION]
    filled, missed, evicted = m[SECTORS] << shift, m[MISSED] << shift, m[EVICTED] << shift
    total = (filled + receivers - 1) // receivers
    far = min(m[FAR] << shift, filled) // receivers
    m[L2_READ_BYTES] += total
    m[L2_HIT_BYTES] += max(total - missed, 0)
    queued = _slices(m, partition, far, total, m[SLICE_READ_COST], start)
    busy = priced(total, m[SPC_COST])
    m[NOC_BUSY_PS] += busy
    queued = max(queued, serve(m, m[SPCS] + m[cu + CU_SPC] * SPC_WIDTH + SPC_IN_FREE, start, busy))
    busy = priced(filled, m[FILL_COST])
    m[FILL_BUSY_PS] += busy
    queued = max(queued, serve(m, cu + FILL_FREE, start, busy))
    if far > 0:
        queued = max(queued, _cross(m, partition, far, start))
    done = queued + m[L2_LATENCY_PS]
    beyond = m[MISS_LATENCY_PS] if m[ROWS] > 1 else m[HBM_LATENCY_PS]
    if missed + evicted > 0:
        fetched = _hbm(m, missed, evicted, start)
        if missed > 0:
            done = max(done, max(fetched, queued) + m[L2_LATENCY_PS] + beyond)
    done = _with_others(m, missed, done)
    if not by_tda:
        alone = m[L2_LATENCY_PS] + beyond * missed // max(filled, 1)
        done = max(done, serve(m, cu + MISS_FREE, start, m[LINES] * alone // m[OUTSTANDING_LINES]))
    return done


@compiled
def _with_others(m: Words, missed: int, done: int) -> int:
    """A tile that another block has asked for and that is still on its way arrives with it."""
    line = (m[ADDRESS] >> m[LINE_SHIFT]) + 1  # 0 is no tile
    fetch = m[FETCHES] + (m[FIRST_HASH] & (FETCH_COUNT - 1)) * FETCH_WIDTH
    if m[fetch + FETCH_LINE] == line:
        done = max(done, m[fetch + FETCH_READY])
    if missed > 0:
        m[fetch + FETCH_LINE] = line
        m[fetch + FETCH_READY] = done
    return done


@compiled
def _write(m: Words, cu: int, start: int, kind: int) -> tuple[int, int]:
    """Returns when the CU has sent everything, and when it is written."""
    shift = m[SECTOR_SHIFT]
    partition = m[cu + CU_PARTITION]
    total = m[SECTORS] << shift
    far = min(m[FAR] << shift, total)
    m[L2_WRITE_BYTES] += total
    done = taken = serve(m, cu + WRITE_FREE, start, priced(total, m[WRITE_COST]))
    busy = priced(total, m[SPC_COST])
    m[NOC_BUSY_PS] += busy
    done = max(done, serve(m, m[SPCS] + m[cu + CU_SPC] * SPC_WIDTH + SPC_OUT_FREE, start, busy))
    done = max(done, _slices(m, partition, far, total, m[SLICE_WRITE_COST], start))
    if kind == ATOMIC:
        done = max(done, _reduce(m, partition, start))
    if far > 0:
        done = max(done, _cross(m, partition, far, start))
    if m[EVICTED] > 0:
        _hbm(m, 0, m[EVICTED] << shift, start)
    return taken, done


@compiled
def _reduce(m: Words, partition: int, start: int) -> int:
    """The arithmetic of an atomic access at the slices that hold its lines."""
    count = m[SLICE_COUNT]
    work = priced(m[ELEMENTS], m[SLICE_ATOMIC_COST])
    if m[ELEMENTS] == 1:
        work = max(work, m[ATOMIC_CHAIN_PS])
    m[ATOMIC_OPS] += m[ELEMENTS]
    m[L2_BUSY_PS] += work
    home = partition if m[LOCAL_HOMES] else ((m[FIRST_HASH] >> 24) * m[PARTITION_COUNT]) >> 7
    return spread(m, m[SLICES] + home * count, count, m[FIRST_HASH], m[LINES], start, work)


@compiled
def preload(m: Words, address: int, size: int) -> None:
    """Put a range of memory into the tags as it lies there after an earlier kernel has read it."""
    m[ADDRESS], m[SPAN], m[OUTER], m[ROWS] = address, size, 0, 1
    for partition in range(m[PARTITION_COUNT]):
        walk_tags(m, partition, LOAD)
