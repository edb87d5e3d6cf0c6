"""The engines of one CU: matrix, vector, special, LSC, exchange. Not here: memory traffic beyond the CU, dependences."""

from __future__ import annotations

from typing import Any

from supa.timing.machine.compiled import compiled
from supa.timing.machine.layout import ENGINE_COUNT


@compiled
def compute(costs: Any, state: Any, cu: int, step: int, time: int) -> tuple[int, int, int]:
    """Queue a step's work at every engine that it needs, at once.

    Returns when its last engine took it on, when its result is there, and the engine it queued longest for (-1: none).
    """
    started = time
    done = time
    queued_for = -1
    for engine in range(ENGINE_COUNT):
        busy = costs.busy_ps[step, engine]
        if busy > 0:
            begin = state.engine_free[cu, engine]
            if begin <= time:
                begin = time
            state.engine_free[cu, engine] = begin + busy
            state.engine_busy[cu, engine] += busy
            state.step_busy[step] += busy
            if begin > started:
                started = begin
                queued_for = engine
            done = max(done, begin + costs.own_ps[step, engine])
    return started, done + costs.latency_ps[step], queued_for
