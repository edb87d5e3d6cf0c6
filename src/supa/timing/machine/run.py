"""The dispatcher and the loop over events: from a stream to the end of its last block. Not here: costs, power."""

from __future__ import annotations

from typing import Any

from supa.timing.machine.block import advance, produce
from supa.timing.machine.compiled import Words, compiled
from supa.timing.machine.layout import (
    BLOCK,
    BLOCK_LATENCY_PS,
    BLOCKED,
    BLOCKS_DONE,
    CU_COUNT,
    CU_WIDTH,
    CURSOR,
    CUS,
    DISPATCH_PS,
    DONE,
    EVENTS,
    FLAT,
    HEAP_SIZE,
    ISSUED,
    LAST_WRITE,
    LATEST,
    LEVEL,
    MISREAD,
    OPS,
    ORDER,
    PC,
    RESIDENT_PS,
    SLOT_COUNT,
    SLOT_WIDTH,
    SLOTS,
    STEP_COUNT,
    TRIP,
)
from supa.timing.machine.queue import WHO_BITS, WHO_MASK, is_next, pop, push

UNSTEADY = -1


@compiled
def find_blocks(stream: Words, begins: Words) -> int:
    """Where each block's values begin; returns the length that the stream should have, -1 when it is too short."""
    place = 0
    for block in range(begins.shape[0]):
        if place >= stream.shape[0]:
            return -1
        begins[block] = place + 1
        place += 1 + stream[place]
    return place


@compiled
def simulate(
    m: Words, stream: Words, begins: Words, first: int, last: int, gap: Words, marks: Any, marks_ps: Words, seen: Any
) -> int:
    """Run blocks [first, last) of the grid; returns when the last one, and its last write, has ended.

    Blocks from `gap[0]` on, `gap[1]` of them, are left out. When block `marks[i]` is placed, the time goes to
    `marks_ps[i]` and the memory before the slots to `seen[i]`; ends with `UNSTEADY` when they are not evenly spaced.
    """
    dispatcher = 0
    upcoming = first
    end = 0
    mark = 0
    for slot in range(min(m[SLOT_COUNT], last - first)):
        dispatcher += m[DISPATCH_PS]
        _place(m, begins, slot, upcoming, dispatcher)
        upcoming += 1
    while m[HEAP_SIZE] > 0:
        key = pop(m)
        now = key >> WHO_BITS
        who = key & WHO_MASK
        slot = who >> 1
        block = m[SLOTS] + slot * m[SLOT_WIDTH]
        m[EVENTS] += 1
        if m[block + BLOCK] >= 0:
            _wake(m, stream, begins, block, slot, who, now)
            continue
        end = max(end, now)
        if upcoming < last:
            dispatcher = max(dispatcher, now) + m[DISPATCH_PS]
            if mark < marks.shape[0] and upcoming == marks[mark]:
                marks_ps[mark] = dispatcher
                for place in range(seen.shape[1]):
                    seen[mark, place] = m[place]
                mark += 1
                if mark == marks.shape[0] and not _alike(marks_ps):
                    return UNSTEADY
            if upcoming == gap[0]:
                upcoming += gap[1]
            _place(m, begins, slot, upcoming, dispatcher)
            upcoming += 1
    return max(end, m[LAST_WRITE])


@compiled
def _alike(marks_ps: Words) -> bool:
    """Whether the windows between marks took the same time, to a hundredth."""
    shortest = marks_ps[1] - marks_ps[0]
    longest = shortest
    for mark in range(2, marks_ps.shape[0]):
        window = marks_ps[mark] - marks_ps[mark - 1]
        shortest = min(shortest, window)
        longest = max(longest, window)
    return (longest - shortest) * 100 <= longest


@compiled
def _place(m: Words, begins: Words, slot: int, number: int, time: int) -> None:
    """Make a block resident at `time`: everything about it starts afresh."""
    block = m[SLOTS] + slot * m[SLOT_WIDTH]
    m[block + BLOCK] = number
    m[block + PC] = m[OPS]
    m[block + CURSOR] = begins[number]
    m[block + FLAT] = -1
    m[block + TRIP] = 0
    m[block + LEVEL] = 0
    m[block + BLOCKED] = 0
    m[block + ISSUED] = time + m[BLOCK_LATENCY_PS]
    m[block + LATEST] = 0
    for place in range(m[block + DONE], m[block + DONE] + m[STEP_COUNT]):
        m[place] = 0
    m[RESIDENT_PS] -= time
    push(m, time + m[BLOCK_LATENCY_PS], 2 * slot)


@compiled
def _wake(m: Words, stream: Words, begins: Words, block: int, slot: int, who: int, now: int) -> None:
    """One agent of a resident block has something to do; then the block advances as far as nothing else comes first."""
    cu = m[CUS] + m[m[ORDER] + slot % m[CU_COUNT]] * CU_WIDTH
    if who & 1:
        produce(m, stream, block, cu, now)
        if m[block + BLOCKED] == 0:
            return
        m[block + BLOCKED] = 0
    time = now
    while True:
        following = advance(m, stream, block, cu, 2 * slot + 1, time)
        if following == -1:
            return
        if following <= -2:
            ended = -2 - following
            begin = begins[m[block + BLOCK]]
            if m[block + CURSOR] != begin + stream[begin - 1]:
                m[MISREAD] = m[block + BLOCK] + 1
            m[block + BLOCK] = -1
            m[BLOCKS_DONE] += 1
            m[RESIDENT_PS] += ended
            push(m, ended, 2 * slot)
            return
        if not is_next(m, following, 2 * slot):
            push(m, following, 2 * slot)
            return
        time = following
