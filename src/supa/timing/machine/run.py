"""The dispatcher and the loop over events: from a grid's stream to the end of its last block. Not here: costs, power."""

from __future__ import annotations

from typing import Any

from supa.timing.machine.block import LAST_WRITE, advance, produce
from supa.timing.machine.compiled import compiled
from supa.timing.machine.layout import BLOCK_PS, BLOCKS_DONE, DIRTY_BYTES, END_PS, EVENTS, FIRST_PS
from supa.timing.machine.queue import SLOT_BITS, SLOT_MASK, pop, push
from supa.timing.machine.tags import dirty_sectors


@compiled
def find_blocks(stream: Any, begins: Any) -> int:
    """Where each block's values begin; returns the length that the stream should have, -1 when it is too short."""
    place = 0
    for block in range(begins.shape[0]):
        if place >= stream.shape[0]:
            return -1
        begins[block] = place + 1
        place += 1 + stream[place]
    return place


@compiled
def simulate(tape: Any, spec: Any, costs: Any, state: Any, stream: Any, begins: Any, first: int, last: int) -> int:
    """Run blocks [first, last) of the grid; returns when the last one, and its last write, has ended."""
    slots = min(state.block.shape[0], last - first)
    dispatcher_free = 0
    upcoming = first
    for slot in range(slots):
        _place(state, begins, slot, upcoming)
        upcoming += 1
        dispatcher_free += spec.dispatch_ps
        push(state.heap, state.size, dispatcher_free + spec.block_latency_ps, 2 * slot)
    end = 0
    state.scratch[LAST_WRITE] = 0
    while state.size[0] > 0:
        key = pop(state.heap, state.size)
        now = key >> SLOT_BITS
        who = key & SLOT_MASK
        slot = who >> 1
        state.count[EVENTS] += 1
        if state.block[slot] == -1:
            end = max(end, now)
            if upcoming < last:
                dispatcher_free = max(dispatcher_free, now) + spec.dispatch_ps
                _place(state, begins, slot, upcoming)
                upcoming += 1
                push(state.heap, state.size, dispatcher_free + spec.block_latency_ps, 2 * slot)
            continue
        cu = spec.cu_order[slot % spec.cu_count]
        if who & 1:
            produce(tape, spec, state, stream, slot, cu, now)
            if state.blocked[slot] == 0:
                continue
            state.blocked[slot] = 0
        elif state.issued[slot] < 0:
            state.issued[slot] = now
            state.latest[slot] = now
            state.count[FIRST_PS] += now
        _go(tape, spec, costs, state, stream, slot, cu, now)
    end = max(end, state.scratch[LAST_WRITE])
    state.count[END_PS] = end
    state.count[DIRTY_BYTES] = (dirty_sectors(state.tags) * (spec.sample_mask + 1)) << spec.sector_shift
    return end


@compiled
def _go(tape: Any, spec: Any, costs: Any, state: Any, stream: Any, slot: int, cu: int, now: int) -> None:
    """Advance a block as far as nothing else happens before its next step."""
    time = now
    while True:
        following = advance(tape, spec, costs, state, stream, slot, cu, time)
        if following == -1:
            return
        if following <= -2:
            ended = -2 - following
            state.block[slot] = -1
            state.count[BLOCKS_DONE] += 1
            state.count[BLOCK_PS] += ended
            push(state.heap, state.size, ended, 2 * slot)
            return
        if state.size[0] > 0 and (following << SLOT_BITS) | (2 * slot) > state.heap[0]:
            push(state.heap, state.size, following, 2 * slot)
            return
        time = following


@compiled
def _place(state: Any, begins: Any, slot: int, block: int) -> None:
    """Make a block resident: everything about it starts afresh."""
    state.block[slot] = block
    state.pc[slot] = 0
    state.cursor[slot] = begins[block]
    state.flat[slot] = -1
    state.trip[slot] = 0
    state.level[slot] = 0
    state.issued[slot] = -1
    state.latest[slot] = 0
    state.blocked[slot] = 0
    for step in range(state.done.shape[1]):
        state.done[slot, step] = 0
