"""The queue of pending events: a binary heap of int64 keys `time << SLOT_BITS | who`. Ties go to the smaller `who`."""

from __future__ import annotations

from typing import Any

from supa.timing.machine.compiled import compiled

SLOT_BITS = 15
SLOT_MASK = (1 << SLOT_BITS) - 1


@compiled
def push(heap: Any, size: Any, time: int, who: int) -> None:
    """Add an event."""
    key = (time << SLOT_BITS) | who
    child = size[0]
    size[0] = child + 1
    while child > 0:
        parent = (child - 1) >> 1
        if heap[parent] <= key:
            break
        heap[child] = heap[parent]
        child = parent
    heap[child] = key


@compiled
def pop(heap: Any, size: Any) -> int:
    """Take the earliest event's key; the heap must hold one."""
    top = heap[0]
    last = size[0] - 1
    size[0] = last
    key = heap[last]
    parent = 0
    while True:
        child = 2 * parent + 1
        if child >= last:
            break
        if child + 1 < last and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= key:
            break
        heap[parent] = heap[child]
        parent = child
    heap[parent] = key
    return top
