"""The queue of pending events: a binary heap of keys `time << WHO_BITS | who`. Ties go to the smaller `who`."""

from __future__ import annotations

from supa.timing.machine.compiled import Words, compiled
from supa.timing.machine.layout import HEAP, HEAP_SIZE

WHO_BITS = 15
WHO_MASK = (1 << WHO_BITS) - 1


@compiled
def push(m: Words, time: int, who: int) -> None:
    """Add an event."""
    heap = m[HEAP]
    key = (time << WHO_BITS) | who
    child = m[HEAP_SIZE]
    m[HEAP_SIZE] = child + 1
    while child > 0:
        parent = (child - 1) >> 1
        if m[heap + parent] <= key:
            break
        m[heap + child] = m[heap + parent]
        child = parent
    m[heap + child] = key


@compiled
def pop(m: Words) -> int:
    """Take the earliest event's key; there must be one."""
    heap = m[HEAP]
    top = m[heap]
    last = m[HEAP_SIZE] - 1
    m[HEAP_SIZE] = last
    key = m[heap + last]
    parent = 0
    while True:
        child = 2 * parent + 1
        if child >= last:
            break
        if child + 1 < last and m[heap + child + 1] < m[heap + child]:
            child += 1
        if m[heap + child] >= key:
            break
        m[heap + parent] = m[heap + child]
        parent = child
    m[heap + parent] = key
    return top


@compiled
def is_next(m: Words, time: int, who: int) -> bool:
    """Whether an event would come before all that are pending."""
    return m[HEAP_SIZE] == 0 or (time << WHO_BITS) | who < m[m[HEAP]]
