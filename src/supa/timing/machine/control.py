"""How a block moves through its tape: loops, branches, and the cursor in the stream. Not here: steps."""

from __future__ import annotations

from supa.timing.machine.compiled import Words, compiled
from supa.timing.machine.layout import (
    BRANCH,
    CURSOR,
    END_FLAT,
    END_LOOP,
    FLAT,
    FLAT_CURSOR,
    FLAT_LOOP,
    JUMP,
    LEVEL,
    LEVELS,
    LOOP,
    OP_CODE,
    OP_JUMP,
    OP_RELEASE,
    OP_STAGES,
    OP_VALUES,
    OP_WIDTH,
    PC,
    PRODUCED,
    REPEAT,
    TRIP,
    TRIPS,
)
from supa.timing.machine.queue import push


@compiled
def control(m: Words, stream: Words, block: int, producer: int, pc: int, now: int) -> None:
    """Follow the control instruction at `pc`; `producer` is who issues the loads of a loop that begins."""
    op = m[pc + OP_CODE]
    if op in (REPEAT, FLAT_LOOP):
        _enter_flat(m, stream, block, producer, pc, now)
    elif op == END_FLAT:
        _next_trip(m, block, pc)
    elif op == LOOP:
        trips = _take(m, stream, block)
        if trips > 0:
            m[block + LEVEL] += 1
            m[block + LEVELS + m[block + LEVEL]] = trips
        m[block + PC] = pc + OP_WIDTH if trips > 0 else m[pc + OP_JUMP]
    elif op == END_LOOP:
        level = m[block + LEVEL]
        m[block + LEVELS + level] -= 1
        again = m[block + LEVELS + level] > 0
        m[block + PC] = m[pc + OP_JUMP] + OP_WIDTH if again else pc + OP_WIDTH
        m[block + LEVEL] = level if again else level - 1
    elif op == BRANCH:
        m[block + PC] = pc + OP_WIDTH if _take(m, stream, block) != 0 else m[pc + OP_JUMP]
    elif op == JUMP:
        m[block + PC] = m[pc + OP_JUMP]


@compiled
def _take(m: Words, stream: Words, block: int) -> int:
    """The next value of the stream."""
    value = stream[m[block + CURSOR]]
    m[block + CURSOR] += 1
    return value


@compiled
def _enter_flat(m: Words, stream: Words, block: int, producer: int, pc: int, now: int) -> None:
    """Begin a loop of steps; its producer fills the first buffers at once."""
    trips = _take(m, stream, block)
    if trips <= 0:
        m[block + PC] = m[pc + OP_JUMP]
        return
    m[block + FLAT] = pc
    m[block + TRIP] = 0
    m[block + TRIPS] = trips
    m[block + PRODUCED] = 0
    m[block + FLAT_CURSOR] = m[block + CURSOR]
    m[block + PC] = pc + OP_WIDTH
    if m[pc + OP_RELEASE] >= 0:
        for _ in range(min(m[pc + OP_STAGES], trips)):
            push(m, now, producer)


@compiled
def _next_trip(m: Words, block: int, pc: int) -> None:
    """At the end of a loop of steps: once more, or on with the values behind those of the loop."""
    flat = m[block + FLAT]
    m[block + TRIP] += 1
    if m[block + TRIP] < m[block + TRIPS]:
        m[block + PC] = flat + OP_WIDTH
        return
    copies = 2 if m[flat + OP_CODE] == REPEAT else m[block + TRIPS]
    m[block + CURSOR] = m[block + FLAT_CURSOR] + copies * m[flat + OP_VALUES]
    m[block + FLAT] = -1
    m[block + TRIP] = 0
    m[block + PC] = pc + OP_WIDTH
