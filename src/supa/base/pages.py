"""Arrays of the host that give their memory back when they die. Not here: the device's memory, which is `runtime`'s.

What an allocator has once had it keeps: after an array of a few megabytes the process stays as large as with it. What
lives for one prediction therefore lies in pages of its own.
"""

from __future__ import annotations

import mmap

import numpy as np
from numpy.typing import NDArray

_SMALL_BYTES = 1 << 20  # fresh pages cost a microsecond each: what is small stays with the allocator


def zeros(count: int) -> NDArray[np.int64]:
    """int64[count] of zeros; pages that nobody writes take no memory. Raises `MemoryError`."""
    size_bytes = count * 8
    if size_bytes <= _SMALL_BYTES:
        return np.zeros(count, np.int64)
    try:
        memory = mmap.mmap(-1, size_bytes, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError(f"the host has no {size_bytes} bytes for an array: {error.strerror}") from None
    return np.frombuffer(memory, np.int64)
