"""The machine's memory: one int64 array of records, so that compiled code hands one pointer on. Not here: behaviour.

The header holds the chip's figures, the machine's counters and the addresses of the tables behind it. A record is an
address, a field an offset: `m[block + PC]`. Costs are fixed-point picoseconds per unit, times 2**20; times are integer
picoseconds from the kernel's launch on.
"""

from __future__ import annotations

COST_SHIFT = 20

# Kinds of steps.
LOAD, STORE, ATOMIC, MATRIX, VECTOR, EXCHANGE, BARRIER = range(7)

# Instructions of the flattened work tree.
STEP, REPEAT, LOOP, FLAT_LOOP, END_FLAT, END_LOOP, BRANCH, JUMP, END = range(9)

# Engines of a CU that steps queue for.
ENGINE_MATRIX, ENGINE_VECTOR, ENGINE_SPECIAL, ENGINE_LSC, ENGINE_EXCHANGE, ENGINE_TDA = range(6)
ENGINE_COUNT = 6
MAX_RANK = 5

FIGURES = (
    "cu_count",
    "dispatch_ps",
    "block_latency_ps",
    "line_shift",
    "sector_shift",
    "sets",  # of one partition, of those simulated
    "ways",
    "sample_mask",  # of the lines, those whose hash has these bits 0 are simulated, each standing for mask + 1
    "replicates",
    "local_homes",  # every line lives in the partition that asks for it
    "partitions",
    "slices",  # queues of one partition's slices
    "slice_read_cost",  # per byte
    "slice_write_cost",
    "slice_atomic_cost",  # per operation
    "atomic_chain_ps",  # between two atomics on one address
    "channels",
    "channel_cost",  # per byte
    "row_opening_cost",  # per row
    "page_bytes",
    "turnaround_cost",  # per written byte
    "access_bytes",
    "lsc_cost",  # per byte of the sectors that pass the LSC
    "fill_cost",  # per byte
    "write_cost",
    "outstanding_lines",
    "spc_cost",  # per byte into or out of an SPC
    "crossing_cost",  # per byte; 0: no limit
    "crossing_latency_ps",
    "die_cost",
    "die_latency_ps",
    "l2_latency_ps",
    "hbm_latency_ps",  # of neighbouring bytes
    "miss_latency_ps",  # of rows apart
    "tda_issue_ps",
)
(
    CU_COUNT, DISPATCH_PS, BLOCK_LATENCY_PS, LINE_SHIFT, SECTOR_SHIFT, SETS, WAYS, SAMPLE_MASK, REPLICATES, LOCAL_HOMES,
    PARTITION_COUNT, SLICE_COUNT, SLICE_READ_COST, SLICE_WRITE_COST, SLICE_ATOMIC_COST, ATOMIC_CHAIN_PS, CHANNEL_COUNT,
    CHANNEL_COST, ROW_OPENING_COST, PAGE_BYTES, TURNAROUND_COST, ACCESS_BYTES, LSC_COST, FILL_COST, WRITE_COST,
    OUTSTANDING_LINES, SPC_COST, CROSSING_COST, CROSSING_LATENCY_PS, DIE_COST, DIE_LATENCY_PS, L2_LATENCY_PS,
    HBM_LATENCY_PS, MISS_LATENCY_PS, TDA_ISSUE_PS,
) = range(len(FIGURES))  # fmt: skip

TABLES = (
    "ops", "steps", "lists", "order", "cus", "spcs", "partitions", "dies", "slices", "channels", "fetches", "slots",
    "heap",
)  # fmt: skip
(
    OPS, STEPS, LISTS, ORDER, CUS, SPCS, PARTITIONS, DIES, SLICES, CHANNELS, FETCHES, SLOTS, HEAP, TAGS,
) = range(40, 54)  # fmt: skip
SLOT_COUNT, SLOT_WIDTH, STEP_COUNT, DEPTH, HEAP_SIZE, LAST_WRITE, MISREAD = range(56, 63)  # MISREAD: block + 1

# What is counted.
COUNTERS = (
    "hbm_read_bytes", "hbm_write_bytes", "l2_read_bytes", "l2_write_bytes", "l2_hit_bytes", "crossing_bytes",
    "die_bytes", "lsc_bytes", "requested_bytes", "lines", "atomics", "blocks", "events", "hbm_busy_ps", "l2_busy_ps",
    "noc_busy_ps", "fill_busy_ps", "crossing_busy_ps", "die_busy_ps", "resident_ps",
)  # fmt: skip
COUNTS = 64
(
    HBM_READ_BYTES, HBM_WRITE_BYTES, L2_READ_BYTES, L2_WRITE_BYTES, L2_HIT_BYTES, CROSSING_BYTES, DIE_BYTES, LSC_BYTES,
    REQUESTED_BYTES, LINES_WALKED, ATOMIC_OPS, BLOCKS_DONE, EVENTS, HBM_BUSY_PS, L2_BUSY_PS, NOC_BUSY_PS, FILL_BUSY_PS,
    CROSSING_BUSY_PS, DIE_BUSY_PS, RESIDENT_PS,
) = range(COUNTS, COUNTS + len(COUNTERS))  # fmt: skip

# Time that blocks stood still, by what they waited for: each engine, memory, a barrier.
CAUSES = 88
MEMORY_CAUSE, BARRIER_CAUSE = CAUSES + ENGINE_COUNT, CAUSES + ENGINE_COUNT + 1

# The access under way: its footprint (`footprint`) and what the tags said of it (`memory`).
ADDRESS, SPAN, OUTER, ELEMENTS, ROWS = range(100, 105)
RUN = 119  # neighbouring bytes that reach the HBM together
ROW_COUNTS, ROW_STRIDES, ROW_INDICES = 105, 110, 115
LINES, SECTORS, MISSED, EVICTED, FAR, FAR_MISSED, SEEN, FIRST_HASH = range(120, 128)
HEADER_LENGTH = 128

# An instruction. `OP_JUMP`: where a loop's end goes back to, or where a skipped side or loop goes on.
# `OP_VALUES`: values of one iteration. `OP_RELEASE`: the step after whose start an iteration's buffers are let go.
OP_CODE, OP_STEP, OP_JUMP, OP_VALUES, OP_STAGES, OP_RELEASE = range(6)
OP_WIDTH = 6

# A step; `OP_STEP`, `OP_RELEASE` and the lists of steps hold such records' addresses.
(
    KIND, INDEX, VALUE_COUNT, VALUE_OFFSET, PIPELINED, IN_LOOP, RANK, ELEMENT_BYTES, BY_TDA, SCATTERED, RETURNS,
    WAIT_FROM, WAIT_TO, USER_FROM, USER_TO, LATENCY_PS, TIMES, BUSY_SUM_PS, STALL_SUM_PS, PIECE_BYTES, MULTICAST,
) = range(21)  # fmt: skip
SHAPE = 21  # MAX_RANK values
BUSY_PS = SHAPE + MAX_RANK  # of each engine: how long it is taken
OWN_PS = BUSY_PS + ENGINE_COUNT  # of each engine: until the block has its result
STEP_WIDTH = OWN_PS + ENGINE_COUNT

# A CU.
CU_SPC, CU_PARTITION, FILL_FREE, WRITE_FREE, MISS_FREE = range(5)
ENGINE_FREE = 5
ENGINE_BUSY = ENGINE_FREE + ENGINE_COUNT
CU_WIDTH = ENGINE_BUSY + ENGINE_COUNT

SPC_IN_FREE, SPC_OUT_FREE = range(2)
SPC_WIDTH = 2

# Tiles on their way from the HBM: the first line, and when they are there; one for each hash.
FETCH_LINE, FETCH_READY = range(2)
FETCH_WIDTH = 2
FETCH_COUNT = 4096

PARTITION_DIE, CROSSING_FREE = range(2)
PARTITION_WIDTH = 2

# A slot: a place for one resident block, and behind the fields its counters, `done` times and rings.
(
    BLOCK, SLOT_CU, PC, CURSOR, FLAT, TRIP, TRIPS, FLAT_CURSOR, LEVEL, ISSUED, LATEST, PRODUCED, BLOCKED, DONE, RING,
) = range(15)  # fmt: skip
LEVELS = 15
