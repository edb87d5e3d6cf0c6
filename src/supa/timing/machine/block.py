"""One resident block walks its work: steps in order, each when what it waits for is there. Not here: the event queue.

A block has two agents. The consumer starts steps in program order; a step starts when its waits are over and the step
before has started, and steps finish in any order. The producer issues the pipelined loads of a flat loop: those of
iteration i + stages when the users of iteration i have finished, which frees the buffers.
"""

from __future__ import annotations

from supa.timing.machine.compiled import Words, compiled
from supa.timing.machine.control import control
from supa.timing.machine.engines import compute
from supa.timing.machine.layout import (
    ATOMIC,
    BARRIER,
    BARRIER_CAUSE,
    BLOCKED,
    CAUSES,
    CURSOR,
    DEPTH,
    DONE,
    END,
    ENGINE_EXCHANGE,
    ENGINE_MATRIX,
    ENGINE_VECTOR,
    EXCHANGE,
    FLAT,
    FLAT_CURSOR,
    IN_LOOP,
    INDEX,
    ISSUED,
    KIND,
    LAST_WRITE,
    LATEST,
    LOAD,
    MATRIX,
    MEMORY_CAUSE,
    OP_CODE,
    OP_RELEASE,
    OP_STAGES,
    OP_STEP,
    OP_VALUES,
    OP_WIDTH,
    PC,
    PIPELINED,
    PRODUCED,
    REPEAT,
    RETURNS,
    RING,
    STALL_SUM_PS,
    STEP,
    STORE,
    TIMES,
    TRIP,
    TRIPS,
    USER_FROM,
    USER_TO,
    VALUE_COUNT,
    VALUE_OFFSET,
    VECTOR,
    WAIT_FROM,
    WAIT_TO,
)
from supa.timing.machine.memory import access
from supa.timing.machine.queue import push

UNKNOWN = -1


@compiled
def advance(m: Words, stream: Words, block: int, cu: int, producer: int, now: int) -> int:
    """Let the consumer start every step that it can at `now`.

    Returns the time at which it goes on, -1 when it waits for its producer, or -2 - t when the block ends at time t.
    """
    while True:
        pc = m[block + PC]
        if m[pc + OP_CODE] != STEP:
            if m[pc + OP_CODE] == END:
                return -2 - max(m[block + LATEST], m[block + ISSUED])
            control(m, stream, block, producer, pc, now)
            continue
        step = m[pc + OP_STEP]
        flat = m[block + FLAT]
        if flat < 0 or not m[step + PIPELINED]:
            ready, reason = _ready(m, block, step, flat)
            if ready == UNKNOWN:
                m[block + BLOCKED] = 1
                return -1
            if ready > now:
                return ready
            _start(m, stream, block, cu, step, reason, now)
        m[block + PC] = pc + OP_WIDTH
        if flat < 0:
            m[block + CURSOR] += m[step + VALUE_COUNT]
        elif m[flat + OP_RELEASE] == step:
            _release(m, block, flat, producer, now)
        if m[block + ISSUED] > now:
            return m[block + ISSUED]


@compiled
def _ready(m: Words, block: int, step: int, flat: int) -> tuple[int, int]:
    """When the step's waits are over, and the kind of step that it waited for last (-1: none)."""
    ready = m[block + ISSUED]
    reason = -1
    for place in range(m[step + WAIT_FROM], m[step + WAIT_TO]):
        other = m[place]
        if flat >= 0 and m[other + PIPELINED] and m[other + IN_LOOP] == flat:
            trip = m[block + TRIP] - (1 if other >= step else 0)
            if trip >= m[block + PRODUCED]:
                return UNKNOWN, LOAD
            time = m[_ring(m, block, other, trip)] if trip >= 0 else 0
        else:
            time = m[m[block + DONE] + m[other + INDEX]]
        if time > ready:
            ready = time
            reason = m[other + KIND]
    if m[step + KIND] == BARRIER and m[block + LATEST] > ready:
        return m[block + LATEST], BARRIER
    return ready, reason


@compiled
def _ring(m: Words, block: int, step: int, trip: int) -> int:
    """Where the finish of a pipelined load of an iteration is kept."""
    depth = m[DEPTH] + 1
    return m[block + RING] + m[step + INDEX] * depth + trip % depth


@compiled
def _start(m: Words, stream: Words, block: int, cu: int, step: int, reason: int, now: int) -> None:
    """Start a step at `now`: take its engines or issue its access, and book what it stood still for."""
    kind = m[step + KIND]
    before = m[block + ISSUED]
    if kind <= ATOMIC:
        started, done = _issue_access(m, stream, block, cu, step, m[block + TRIP], now)
        if kind == STORE or (kind == ATOMIC and m[step + RETURNS] == 0):
            m[LAST_WRITE] = max(m[LAST_WRITE], done)
            done = started
    else:
        started, done = compute(m, cu, step, now)
    m[block + ISSUED] = started
    m[m[block + DONE] + m[step + INDEX]] = done
    m[block + LATEST] = max(m[block + LATEST], done)
    m[step + TIMES] += 1
    m[step + STALL_SUM_PS] += started - before
    if now > before:
        m[_cause(reason)] += now - before


@compiled
def _cause(reason: int) -> int:
    """The account of what was waited for, from the kind of step that was."""
    if reason == MATRIX:
        return CAUSES + ENGINE_MATRIX
    if reason == VECTOR:
        return CAUSES + ENGINE_VECTOR
    if reason == EXCHANGE:
        return CAUSES + ENGINE_EXCHANGE
    return BARRIER_CAUSE if reason == BARRIER else MEMORY_CAUSE


@compiled
def _issue_access(m: Words, stream: Words, block: int, cu: int, step: int, trip: int, now: int) -> tuple[int, int]:
    """Issue an access whose values are at the cursor or, inside a flat loop, those of iteration `trip`."""
    flat = m[block + FLAT]
    base = m[block + CURSOR]
    delta = -1
    if flat >= 0:
        base = m[block + FLAT_CURSOR] + m[step + VALUE_OFFSET]
        if m[flat + OP_CODE] == REPEAT:
            delta = base + m[flat + OP_VALUES]
        else:
            base += trip * m[flat + OP_VALUES]
    return access(m, cu, step, stream, base, delta, trip, now)


@compiled
def produce(m: Words, stream: Words, block: int, cu: int, now: int) -> None:
    """Issue the pipelined loads of the next iteration."""
    flat = m[block + FLAT]
    trip = m[block + PRODUCED]
    pc = flat + OP_WIDTH
    while m[pc + OP_CODE] == STEP:
        step = m[pc + OP_STEP]
        if m[step + PIPELINED]:
            ready = now
            for place in range(m[step + WAIT_FROM], m[step + WAIT_TO]):
                other = m[place]
                if m[other + IN_LOOP] != flat:
                    ready = max(ready, m[m[block + DONE] + m[other + INDEX]])
                elif m[other + PIPELINED] and other < step:
                    ready = max(ready, m[_ring(m, block, other, trip)])
            _, done = _issue_access(m, stream, block, cu, step, trip, ready)
            m[_ring(m, block, step, trip)] = done
            last = m[block + DONE] + m[step + INDEX]
            m[last] = max(m[last], done)
            m[step + TIMES] += 1
        pc += OP_WIDTH
    m[block + PRODUCED] = trip + 1


@compiled
def _release(m: Words, block: int, flat: int, producer: int, now: int) -> None:
    """All users of this iteration's buffers have started: when they finish, the producer may fill them again."""
    if m[block + TRIP] + m[flat + OP_STAGES] >= m[block + TRIPS]:
        return
    free = now
    pc = flat + OP_WIDTH
    while m[pc + OP_CODE] == STEP:
        step = m[pc + OP_STEP]
        for place in range(m[step + USER_FROM], m[step + USER_TO]):
            free = max(free, m[m[block + DONE] + m[m[place] + INDEX]])
        pc += OP_WIDTH
    push(m, free, producer)
