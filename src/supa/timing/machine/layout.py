"""The arrays that the machine runs on: names, shapes, meaning. Not here: behaviour, or where the numbers come from.

Costs are fixed-point: picoseconds per unit, times 2**20. Times are integer picoseconds from the kernel's first block.
"""

from __future__ import annotations

from typing import Any, NamedTuple

COST_SHIFT = 20

# Kinds of steps.
LOAD, STORE, ATOMIC, MATRIX, VECTOR, EXCHANGE, BARRIER = range(7)

# Instructions of the flattened tree. `jump`: where the loop's end goes back to, or the skipped side begins.
STEP, REPEAT, LOOP, FLAT_LOOP, END_FLAT, END_LOOP, BRANCH, JUMP, END = range(9)

# Engines of a CU that steps queue for.
ENGINE_MATRIX, ENGINE_VECTOR, ENGINE_SPECIAL, ENGINE_LSC, ENGINE_EXCHANGE, ENGINE_TDA = range(6)
ENGINE_COUNT = 6

# What is counted.
(
    HBM_READ_BYTES,
    HBM_WRITE_BYTES,
    DIRTY_BYTES,
    L2_READ_BYTES,
    L2_WRITE_BYTES,
    L2_HIT_BYTES,
    CROSSING_BYTES,
    DIE_BYTES,
    LSC_BYTES,
    ATOMIC_OPS,
    END_PS,
    FIRST_PS,
    BLOCKS_DONE,
    MEMORY_STALL_PS,
    BLOCK_PS,
    HBM_BUSY_PS,
    L2_BUSY_PS,
    NOC_BUSY_PS,
    FILL_BUSY_PS,
    CROSSING_BUSY_PS,
    DIE_BUSY_PS,
    REQUESTED_BYTES,
    EVENTS,
    LINES_WALKED,
    COUNTER_COUNT,
) = range(25)


class Tape(NamedTuple):
    """The work tree as arrays. Indices of steps are positions in walking order."""

    op: Any  # int64[instructions]
    step: Any  # int64[instructions]: the step of a STEP
    jump: Any  # int64[instructions]
    values: Any  # int64[instructions]: values of one iteration, for loops
    stages: Any  # int64[instructions]: pipelining depth, for REPEAT and FLAT_LOOP
    release: Any  # int64[instructions]: the step after whose issue the buffers of an iteration are free, -1 none
    kind: Any  # int64[steps]
    value_count: Any  # int64[steps]
    value_offset: Any  # int64[steps]: place of the step's values among those of one iteration of its loop
    pipelined: Any  # int64[steps]: 1 for loads that a software pipeline issues ahead
    in_loop: Any  # int64[steps]: instruction of the flat loop that holds the step, -1 none
    rank: Any  # int64[steps]
    shape: Any  # int64[steps, 5]
    element_bytes: Any  # int64[steps]
    by_tda: Any  # int64[steps]
    scattered: Any  # int64[steps]
    returns: Any  # int64[steps]
    wait_from: Any  # int64[steps + 1]
    wait_on: Any  # int64[waits]
    user_from: Any  # int64[steps + 1]: steps of the same loop that wait for a pipelined load
    user: Any  # int64[...]
    depth: int  # largest pipelining depth
    nesting: int  # deepest nesting of loops


class Costs(NamedTuple):
    """What one step costs on one chip at one clock."""

    busy_ps: Any  # int64[steps, ENGINE_COUNT]: time the engine is taken
    own_ps: Any  # int64[steps, ENGINE_COUNT]: time until the block has its result, not less than busy
    latency_ps: Any  # int64[steps]: from the end of the last engine's work to a step that waits


class Spec(NamedTuple):
    """One chip at one clock, as the machine sees it."""

    cu_count: int
    cu_order: Any  # int64[cu_count]: CUs in the order in which the dispatcher fills them
    cu_spc: Any  # int64[cu_count]
    cu_partition: Any  # int64[cu_count]
    partition_die: Any  # int64[partitions]
    slots_per_cu: int
    dispatch_ps: int
    block_latency_ps: int
    line_shift: int
    sector_shift: int
    sets: int  # of one partition, of those simulated
    ways: int
    sample_mask: int  # lines whose hash has these bits 0 are simulated, each standing for mask + 1
    replicates: int
    local_homes: int  # NUMA placement: every line lives in the partition that asks for it
    slices: int  # of one partition
    slice_read_cost: int  # per byte
    slice_write_cost: int
    slice_atomic_cost: int  # per operation
    atomic_chain_ps: int  # between two atomics on one address
    channels: int
    channel_cost: int  # per byte
    row_miss_ps: int
    page_bytes: int
    turnaround_cost: int  # per written byte
    access_bytes: int
    lsc_line_cost: int  # per line that passes the LSC
    lsc_line_bytes: int
    lsc_latency_ps: int
    fill_cost: int  # per byte
    write_cost: int
    outstanding_lines: int
    spc_cost: int  # per byte in or out of an SPC
    crossing_cost: int  # per byte, 0: no limit
    crossing_latency_ps: int
    die_cost: int
    die_latency_ps: int
    l2_latency_ps: int
    hbm_latency_ps: int
    tda_issue_ps: int


class State(NamedTuple):
    """Everything that changes. `slot` is a place for one resident block."""

    heap: Any  # int64[2 * slots + 1]: keys of pending events
    size: Any  # int64[1]
    engine_free: Any  # int64[cus, ENGINE_COUNT]
    engine_busy: Any  # int64[cus, ENGINE_COUNT]
    fill_free: Any  # int64[cus]
    write_free: Any  # int64[cus]
    miss_free: Any  # int64[cus]: when the LSC's table of outstanding lines has drained
    spc_in_free: Any  # int64[spcs]
    spc_out_free: Any  # int64[spcs]
    slice_free: Any  # int64[partitions * slices]
    channel_free: Any  # int64[channels]
    crossing_free: Any  # int64[partitions]
    die_free: Any  # int64[dies]
    tags: Any  # int64[partitions, sets * ways]: line, dirty sectors, valid sectors; newest first
    block: Any  # int64[slots]: the resident block, -1 none
    pc: Any  # int64[slots]
    cursor: Any  # int64[slots]: place in the stream
    trip: Any  # int64[slots]: iteration of the flat loop
    trips: Any  # int64[slots]
    flat: Any  # int64[slots]: instruction of the flat loop that is running, -1 none
    loop_cursor: Any  # int64[slots]: where the flat loop's values begin
    counters: Any  # int64[slots, nesting + 1]: trips left of enclosing loops
    level: Any  # int64[slots]
    issued: Any  # int64[slots]: when the last step started
    latest: Any  # int64[slots]: when all steps so far have finished, stores aside
    produced: Any  # int64[slots]: iterations whose pipelined loads are under way
    blocked: Any  # int64[slots]: the block waits for a pipelined load not yet issued
    done: Any  # int64[slots, steps]: when a step's last execution finished
    ring: Any  # int64[slots, steps, depth + 1]: the same for pipelined loads, by iteration
    step_busy: Any  # int64[steps]
    step_stall: Any  # int64[steps]: time that blocks stood still before the step could start
    step_count: Any  # int64[steps]
    cause: Any  # int64[ENGINE_COUNT + 2]: the same time by what was waited for: engines, memory, barrier
    count: Any  # int64[COUNTER_COUNT]
    scratch: Any  # int64[40]: of one access, see `footprint` and `memory`
