"""Room for recursion as deep as a kernel's longest chain of operations. Not here: what recurses.

An expression is evaluated by following its operands, so a straight line of a thousand dependent operations (a sort of
4096 elements) is some thousands of Python calls, more than Python allows by default.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

DEPTH = 200_000
_lock = threading.Lock()
_users = [0]
_before = [0]


@contextmanager
def deep_recursion() -> Iterator[None]:
    """Allows `DEPTH` nested calls; the last of several threads puts the process's own limit back."""
    with _lock:
        if not _users[0]:
            _before[0] = sys.getrecursionlimit()
            sys.setrecursionlimit(max(DEPTH, _before[0]))
        _users[0] += 1
    try:
        yield
    finally:
        with _lock:
            _users[0] -= 1
            if not _users[0]:
                sys.setrecursionlimit(_before[0])
