"""One resident block walks its work: steps in order, each when what it waits for is there. Not here: the event queue.

A block has two agents. The consumer starts steps in program order; a step starts when its waits are over and the step
before has started, and steps finish in any order. The producer issues the pipelined loads of a flat loop: those of
iteration i + stages when the users of iteration i have finished, which frees the buffers.
"""

from __future__ import annotations

from typing import Any

from supa.timing.machine.compiled import compiled
from supa.timing.machine.engines import compute
from supa.timing.machine.layout import (
    ATOMIC,
    BARRIER,
    BRANCH,
    END,
    END_FLAT,
    END_LOOP,
    ENGINE_COUNT,
    ENGINE_EXCHANGE,
    ENGINE_LSC,
    ENGINE_MATRIX,
    ENGINE_TDA,
    ENGINE_VECTOR,
    EXCHANGE,
    FLAT_LOOP,
    JUMP,
    LOAD,
    LOOP,
    MATRIX,
    REPEAT,
    STEP,
    STORE,
    VECTOR,
)
from supa.timing.machine.memory import access
from supa.timing.machine.queue import push

MEMORY_CAUSE, BARRIER_CAUSE = ENGINE_COUNT, ENGINE_COUNT + 1
LAST_WRITE = 34  # place in the scratch array: when the latest write lands


@compiled
def advance(tape: Any, spec: Any, costs: Any, state: Any, stream: Any, slot: int, cu: int, now: int) -> int:
    """Let the consumer start every step that it can at `now`.

    Returns the time at which it goes on, -1 when it waits for its producer, or -2 - t when the block ends at time t.
    """
    while True:
        pc = state.pc[slot]
        op = tape.op[pc]
        if op != STEP:
            if op == END:
                return -2 - max(state.latest[slot], state.issued[slot])
            _control(tape, state, stream, slot, pc, op, now)
            continue
        step = tape.step[pc]
        in_flat = state.flat[slot] >= 0
        if not (in_flat and tape.pipelined[step]):
            ready, reason = _ready(tape, state, slot, step)
            if ready < 0:
                state.blocked[slot] = 1
                return -1
            if ready > now:
                return ready
            _start(tape, spec, costs, state, stream, slot, cu, step, reason, now)
        state.pc[slot] = pc + 1
        if not in_flat:
            state.cursor[slot] += tape.value_count[step]
        elif tape.release[state.flat[slot]] == step:
            _release(tape, state, slot, now)
        if state.issued[slot] > now:
            return state.issued[slot]


@compiled
def _ready(tape: Any, state: Any, slot: int, step: int) -> tuple[int, int]:
    """When the step's waits are over (-1: not known yet), and the kind of step that it waited for last (-1: none)."""
    ready = state.issued[slot]
    reason = -1
    flat = state.flat[slot]
    for index in range(tape.wait_from[step], tape.wait_from[step + 1]):
        other = tape.wait_on[index]
        time = state.done[slot, other]
        if flat >= 0 and tape.pipelined[other] and tape.in_loop[other] == flat:
            trip = state.trip[slot] - (1 if other >= step else 0)
            if trip < 0:
                continue
            if trip >= state.produced[slot]:
                return -1, LOAD
            time = state.ring[slot, other, trip % (tape.depth + 1)]
        if time > ready:
            ready = time
            reason = tape.kind[other]
    if tape.kind[step] == BARRIER and state.latest[slot] > ready:
        return state.latest[slot], BARRIER
    return ready, reason


@compiled
def _start(
    tape: Any, spec: Any, costs: Any, state: Any, stream: Any, slot: int, cu: int, step: int, reason: int, now: int
) -> None:
    """Start a step at `now`: take its engines or issue its access, and book what it stood still for."""
    kind = tape.kind[step]
    before = state.issued[slot]
    if kind <= ATOMIC:
        started, done = _issue_access(tape, spec, state, stream, slot, cu, step, state.trip[slot], now)
        queue = ENGINE_TDA if tape.by_tda[step] else ENGINE_LSC
        landed = kind == STORE or (kind == ATOMIC and tape.returns[step] == 0)
        if landed:
            state.scratch[LAST_WRITE] = max(state.scratch[LAST_WRITE], done)
            done = started
    else:
        started, done, queue = compute(costs, state, cu, step, now)
    state.issued[slot] = started
    state.done[slot, step] = done
    state.latest[slot] = max(state.latest[slot], done)
    state.step_count[step] += 1
    state.step_stall[step] += started - before
    if now > before:
        _book(state, reason, now - before)
    if started > now and queue >= 0:
        state.cause[queue] += started - now


@compiled
def _book(state: Any, reason: int, waited: int) -> None:
    """Add standing still to the account of what was waited for."""
    if reason == BARRIER:
        state.cause[BARRIER_CAUSE] += waited
    elif 0 <= reason <= ATOMIC:
        state.cause[MEMORY_CAUSE] += waited
    elif reason == MATRIX:
        state.cause[ENGINE_MATRIX] += waited
    elif reason == VECTOR:
        state.cause[ENGINE_VECTOR] += waited
    elif reason == EXCHANGE:
        state.cause[ENGINE_EXCHANGE] += waited


@compiled
def _issue_access(
    tape: Any, spec: Any, state: Any, stream: Any, slot: int, cu: int, step: int, trip: int, now: int
) -> tuple[int, int]:
    """Issue an access whose values are at the cursor or, inside a flat loop, those of iteration `trip`."""
    flat = state.flat[slot]
    if flat < 0:
        return access(tape, spec, state, cu, step, stream, state.cursor[slot], -1, 0, now)
    base = state.loop_cursor[slot] + tape.value_offset[step]
    if tape.op[flat] == REPEAT:
        return access(tape, spec, state, cu, step, stream, base, base + tape.values[flat], trip, now)
    return access(tape, spec, state, cu, step, stream, base + trip * tape.values[flat], -1, 0, now)


@compiled
def produce(tape: Any, spec: Any, state: Any, stream: Any, slot: int, cu: int, now: int) -> None:
    """Issue the pipelined loads of the next iteration."""
    flat = state.flat[slot]
    trip = state.produced[slot]
    pc = flat + 1
    while tape.op[pc] == STEP:
        step = tape.step[pc]
        if tape.pipelined[step]:
            ready = now
            for index in range(tape.wait_from[step], tape.wait_from[step + 1]):
                other = tape.wait_on[index]
                if tape.in_loop[other] != flat:
                    ready = max(ready, state.done[slot, other])
                elif tape.pipelined[other] and other < step:
                    ready = max(ready, state.ring[slot, other, trip % (tape.depth + 1)])
            _, done = _issue_access(tape, spec, state, stream, slot, cu, step, trip, ready)
            state.ring[slot, step, trip % (tape.depth + 1)] = done
            state.done[slot, step] = max(done, state.done[slot, step])
            state.step_count[step] += 1
        pc += 1
    state.produced[slot] = trip + 1


@compiled
def _release(tape: Any, state: Any, slot: int, now: int) -> None:
    """All users of this iteration's buffers have started: when they finish, the producer may fill them again."""
    flat = state.flat[slot]
    if state.trip[slot] + tape.stages[flat] >= state.trips[slot]:
        return
    free = now
    pc = flat + 1
    while tape.op[pc] == STEP:
        step = tape.step[pc]
        for index in range(tape.user_from[step], tape.user_from[step + 1]):
            free = max(free, state.done[slot, tape.user[index]])
        pc += 1
    push(state.heap, state.size, free, 2 * slot + 1)


@compiled
def _control(tape: Any, state: Any, stream: Any, slot: int, pc: int, op: int, now: int) -> None:
    """Follow one control instruction."""
    if op == REPEAT or op == FLAT_LOOP:
        _enter_flat(tape, state, stream, slot, pc, op, now)
    elif op == END_FLAT:
        state.trip[slot] += 1
        if state.trip[slot] < state.trips[slot]:
            state.pc[slot] = tape.jump[pc] + 1
        else:
            flat = state.flat[slot]
            copies = 2 if tape.op[flat] == REPEAT else state.trips[slot]
            state.cursor[slot] = state.loop_cursor[slot] + copies * tape.values[flat]
            state.flat[slot] = -1
            state.trip[slot] = 0
            state.pc[slot] = pc + 1
    elif op == LOOP:
        trips = stream[state.cursor[slot]]
        state.cursor[slot] += 1
        if trips > 0:
            state.level[slot] += 1
            state.counters[slot, state.level[slot]] = trips
            state.pc[slot] = pc + 1
        else:
            state.pc[slot] = tape.jump[pc]
    elif op == END_LOOP:
        level = state.level[slot]
        state.counters[slot, level] -= 1
        if state.counters[slot, level] > 0:
            state.pc[slot] = tape.jump[pc] + 1
        else:
            state.level[slot] = level - 1
            state.pc[slot] = pc + 1
    elif op == BRANCH:
        side = stream[state.cursor[slot]]
        state.cursor[slot] += 1
        state.pc[slot] = pc + 1 if side != 0 else tape.jump[pc]
    elif op == JUMP:
        state.pc[slot] = tape.jump[pc]


@compiled
def _enter_flat(tape: Any, state: Any, stream: Any, slot: int, pc: int, op: int, now: int) -> None:
    """Begin a loop of steps; its producer fills the first buffers at once."""
    trips = stream[state.cursor[slot]]
    state.cursor[slot] += 1
    if trips <= 0:
        state.pc[slot] = tape.jump[pc]
        return
    state.flat[slot] = pc
    state.trip[slot] = 0
    state.trips[slot] = trips
    state.produced[slot] = 0
    state.loop_cursor[slot] = state.cursor[slot]
    state.pc[slot] = pc + 1
    if tape.release[pc] >= 0:
        for _ in range(min(tape.stages[pc], trips)):
            push(state.heap, state.size, now, 2 * slot + 1)
