"""The engines of one CU: matrix, vector, special, LSC, exchange. Not here: memory beyond the CU, dependences."""

from __future__ import annotations

from supa.timing.machine.compiled import Words, compiled
from supa.timing.machine.layout import (
    BUSY_PS,
    BUSY_SUM_PS,
    CAUSES,
    ENGINE_BUSY,
    ENGINE_COUNT,
    ENGINE_FREE,
    LATENCY_PS,
    OWN_PS,
)


@compiled
def compute(m: Words, cu: int, step: int, time: int) -> tuple[int, int]:
    """Queue a step's work at every engine that it needs, at once.

    Returns when its last engine took it on, and when its result is there.
    """
    started = time
    done = time
    queued_for = -1
    for engine in range(ENGINE_COUNT):
        busy = m[step + BUSY_PS + engine]
        if busy > 0:
            begin = max(m[cu + ENGINE_FREE + engine], time)
            m[cu + ENGINE_FREE + engine] = begin + busy
            m[cu + ENGINE_BUSY + engine] += busy
            m[step + BUSY_SUM_PS] += busy
            if begin > started:
                started = begin
                queued_for = engine
            done = max(done, begin + m[step + OWN_PS + engine])
    if queued_for >= 0:
        m[CAUSES + queued_for] += started - time
    return started, done + m[step + LATENCY_PS]
