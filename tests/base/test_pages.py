"""Memory of short-lived arrays: it is the system's again when they die."""

import numpy as np
import pytest

from supa.base import pages

MIB = 1 << 20


def resident_bytes() -> int:
    with open("/proc/self/statm") as sizes:
        return int(sizes.read().split()[1]) * 4096


@pytest.mark.parametrize("count", [0, 1, 1000, MIB])
def test_arrays_are_writable_zeros(count: int) -> None:
    array = pages.zeros(count)
    assert array.shape == (count,) and array.dtype == np.int64 and not array.any()
    array.fill(7)
    assert (array == 7).all()


def test_a_dead_array_takes_no_memory() -> None:
    np.zeros(20 * MIB, np.uint8).fill(1)  # from here on the C library keeps arrays of that size when they die
    before = resident_bytes()
    array = pages.zeros(MIB)
    array.fill(1)
    assert resident_bytes() - before > 7 * MIB
    kept = np.ones(1000)  # lies behind an array that an allocator would have kept
    del array
    assert resident_bytes() - before < MIB, kept


def test_a_host_without_memory_says_so() -> None:
    with pytest.raises(MemoryError, match="the host has no"):
        pages.zeros(1 << 58)
