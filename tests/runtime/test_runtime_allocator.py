"""Laws of the allocator, and who sees whose bytes."""

from __future__ import annotations

import ctypes
import itertools
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supa.base.errors import DeviceError, OutOfMemoryError
from supa.runtime import Device
from supa.runtime.memory import Arena, Memory, locate

CAPACITY = 4 << 20
ARENA = Arena(CAPACITY)


def round_up(size: int) -> int:
    return max(512, -(-size // 512) * 512)


# A step allocates (size, owner), or frees the n-th live allocation.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.integers(0, CAPACITY // 3), st.integers(1, 3)),
        st.integers(0, 30),
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_allocations_are_aligned_disjoint_and_accounted(steps: list[Any]) -> None:
    memory = Memory(ARENA.base, CAPACITY, "test")
    live: dict[int, int] = {}
    peak = total = 0
    for step in steps:
        if isinstance(step, int):
            if live:
                address = list(live)[step % len(live)]
                memory.free(address)
                del live[address]
        else:
            size, owner = step
            try:
                address = memory.allocate(size, owner)
            except OutOfMemoryError:
                largest = memory.use().largest_free_bytes
                assert round_up(size) > largest, "refused although a free block is large enough"
                continue
            total += 1
            assert address % 512 == 0
            assert ARENA.base <= address and address + round_up(size) <= ARENA.base + CAPACITY
            for other, other_size in live.items():
                assert address + round_up(size) <= other or other + round_up(other_size) <= address
            live[address] = size
        used = sum(map(round_up, live.values()))
        peak = max(peak, used)
        use = memory.use()
        assert (use.allocated_bytes, use.live_count, use.total_count) == (used, len(live), total)
        assert use.peak_bytes == peak
        assert used + use.cached_bytes <= CAPACITY
        assert use.reserved_bytes == used + use.cached_bytes
    for address in live:
        memory.free(address)
    use = memory.use()
    assert (use.allocated_bytes, use.largest_free_bytes) == (0, CAPACITY), "free blocks did not join again"
    memory.close()


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_no_owner_sees_bytes_of_another(steps: list[Any]) -> None:
    memory = Memory(ARENA.base, CAPACITY, "test")
    live: list[int] = []
    for step in steps:
        if isinstance(step, int):
            if live:
                memory.free(live.pop(step % len(live)))
            continue
        size, owner = step
        try:
            address = memory.allocate(size, owner)
        except OutOfMemoryError:
            continue
        live.append(address)
        seen = set(ctypes.string_at(address, round_up(size)))
        assert seen <= {0, owner}, f"owner {owner} reads {seen}"
        ctypes.memset(address, owner, round_up(size))
    memory.close(force=True)
    assert not any(ctypes.string_at(ARENA.base, CAPACITY)), "a closed region keeps bytes"


def test_memory_of_the_same_owner_is_reused_without_giving_pages_back() -> None:
    memory = Memory(ARENA.base, CAPACITY, "test")
    first = memory.allocate(1 << 20)
    ctypes.memset(first, 7, 1 << 20)
    memory.free(first)
    assert memory.use().cached_bytes == 1 << 20
    assert memory.allocate(1 << 20) == first
    assert memory.use().cached_bytes == 0
    memory.free(first)
    memory.release_cached()
    assert memory.use().reserved_bytes == 0
    assert not any(ctypes.string_at(first, 1 << 20))
    memory.close()


def test_cached_pages_never_exceed_the_peak_by_much() -> None:
    arena = Arena(4 << 30)
    memory = Memory(arena.base, 4 << 30, "test")
    piece = 100 << 20
    first = [memory.allocate(piece) for _ in range(10)]
    for address in first:
        memory.free(address)
    whole = memory.allocate(1100 << 20)  # covers what was freed and more
    memory.free(whole)
    memory.allocate(3000 << 20)
    use = memory.use()
    assert use.reserved_bytes <= use.peak_bytes * 1.05
    memory.close(force=True)
    arena.close()


def test_peak_is_counted_from_a_reset() -> None:
    memory = Memory(ARENA.base, CAPACITY, "test")
    memory.free(memory.allocate(1 << 20))
    memory.reset_peak()
    kept = memory.allocate(1000)
    assert memory.use().peak_bytes == 1024
    memory.free(kept)
    memory.close()


def test_out_of_memory_names_capacity_request_and_use(host_device: Device) -> None:
    host_device.memory.allocate(48 << 20)
    with pytest.raises(OutOfMemoryError) as raised:
        host_device.memory.allocate(32 << 20)
    text = str(raised.value)
    for part in ("bili100", str(64 << 20), str(48 << 20), str(32 << 20), str(16 << 20)):
        assert part in text


def test_out_of_memory_by_fragments_says_so() -> None:
    memory = Memory(ARENA.base, CAPACITY, "test")
    pieces = [memory.allocate(CAPACITY // 8) for _ in range(8)]
    for address in pieces[::2]:
        memory.free(address)
    with pytest.raises(OutOfMemoryError, match=r"in pieces, the largest of 512\.00 KiB"):
        memory.allocate(CAPACITY // 4)
    memory.close(force=True)


def test_requests_beyond_any_integer_are_refused() -> None:
    memory = Memory(ARENA.base, CAPACITY, "test")
    for size in (CAPACITY + 1, 1 << 62, 1 << 80):
        with pytest.raises(OutOfMemoryError):
            memory.allocate(size)
    with pytest.raises(DeviceError, match="0 or more"):
        memory.allocate(-1)
    memory.close()


def test_freeing_twice_or_inside_is_refused() -> None:
    memory = Memory(ARENA.base, CAPACITY, "test")
    address = memory.allocate(4096)
    with pytest.raises(DeviceError, match="not the start"):
        memory.free(address + 512)
    memory.free(address)
    with pytest.raises(DeviceError, match="twice"):
        memory.free(address)
    memory.close()


def test_locate_finds_the_allocation_around_and_below() -> None:
    memory = Memory(ARENA.base, CAPACITY, "test")
    address = memory.allocate(1000)
    inside, behind = locate(address + 999), locate(address + 1000)
    assert inside is not None and inside.inside and (inside.start, inside.bytes) == (address, 1000)
    assert behind is not None and not behind.inside and behind.start == address
    outside = ctypes.c_int()
    assert locate(ctypes.addressof(outside)) is None
    memory.close(force=True)


def test_threads_allocate_at_once() -> None:
    memory = Memory(ARENA.base, CAPACITY, "test")
    clashes: list[int] = []

    def work(mark: int) -> None:
        for size in (1, 700, 5000, 512, 30000) * 40:
            address = memory.allocate(size, mark)
            ctypes.memset(address, mark, size)
            if set(ctypes.string_at(address, size)) != {mark}:
                clashes.append(address)
            memory.free(address)

    workers = [threading.Thread(target=work, args=(mark,)) for mark in range(1, 5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not clashes
    assert memory.use().largest_free_bytes == CAPACITY
    memory.close()


def test_a_closed_device_gives_its_memory_back(small_description: Any) -> None:
    device = Device(small_description, mode="execute")
    address = device.memory.allocate(1000)
    memory = device.memory
    device.close()
    assert locate(address) is None
    with pytest.raises(DeviceError, match="closed"):
        memory.allocate(1)
    assert device.memory.allocate(1 << 20) % 512 == 0, "a closed device does not open again"
    device.close()


def test_instances_divide_the_memory_and_inherit_nothing(small_description: Any) -> None:
    device = Device(small_description, mode="execute")
    secret = device.memory.allocate(1 << 20)
    ctypes.memset(secret, 0xAB, 1 << 20)
    with pytest.raises(DeviceError, match="1 allocations are still in use"):
        device.split(4)
    device.memory.free(secret)
    parts = device.split(4)
    assert sum(part.memory.capacity_bytes for part in parts) == 64 << 20
    ranges = sorted((part.memory.base, part.memory.base + part.memory.capacity_bytes) for part in parts)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(ranges))
    for part in parts:
        address = part.memory.allocate(16 << 20)
        assert not any(ctypes.string_at(address, 1 << 20))
        ctypes.memset(address, 0xCD, 1 << 20)
        with pytest.raises(OutOfMemoryError, match="1/4"):
            part.memory.allocate(1)
    with pytest.raises(DeviceError, match="split into 4"):
        _ = device.memory
    with pytest.raises(DeviceError, match="4 instances"):
        device.merge()
    for part in parts:
        part.memory.free(part.memory.base)
    device.merge()
    assert not any(ctypes.string_at(device.memory.allocate(64 << 20), 64 << 20))
