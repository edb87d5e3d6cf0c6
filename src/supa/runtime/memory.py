"""Device memory as Python sees it: arenas and the regions that allocate from them. Not here: tensors, copies."""

from __future__ import annotations

import ctypes
import threading
from dataclasses import dataclass

from supa.base.errors import DeviceError, OutOfMemoryError
from supa.runtime import native
from supa.runtime.native import core

_fresh = {"marked": False}
INSTANCE_ALIGNMENT_BYTES = 2 << 20  # instances share no huge page of the host


@dataclass(frozen=True, kw_only=True)
class MemoryUse:
    """How a region's memory is used, in bytes: live allocations rounded up to 512, cached is free but still holds
    host pages, reserved is both together, peak is the largest `allocated` since the last reset.
    """

    capacity_bytes: int
    allocated_bytes: int
    cached_bytes: int
    peak_bytes: int
    largest_free_bytes: int
    live_count: int
    total_count: int

    @property
    def reserved_bytes(self) -> int:
        """Host memory that the region may hold."""
        return self.allocated_bytes + self.cached_bytes


@dataclass(frozen=True, kw_only=True)
class Place:
    """The live allocation around or nearest below an address; `start` is 0 where there is none below."""

    start: int
    bytes: int
    inside: bool


class Arena:
    """Address space of `capacity_bytes`: real pointers, pages that appear when touched."""

    def __init__(self, capacity_bytes: int) -> None:
        self.capacity_bytes = capacity_bytes
        self.base: int = core.supa_arena_open(capacity_bytes)
        if self.base == 0:
            raise DeviceError(
                f"the host refuses {capacity_bytes} bytes of address space for the device's memory\n"
                "  lift its limit on address space (ulimit -v, vm.overcommit_memory=2) or choose a smaller device"
            )

    def close(self) -> None:
        """Give the address space back; every pointer into it becomes invalid."""
        core.supa_arena_close(self.base, self.capacity_bytes)


class Memory:
    """The allocator of a device, or of one virtual instance of it, over [base, base + capacity). Thread-safe."""

    def __init__(self, base: int, capacity_bytes: int, device_name: str) -> None:
        self.base, self.capacity_bytes, self.device_name = base, capacity_bytes, device_name
        self._region: int | None = core.supa_region_open(base, capacity_bytes)
        self._closing = threading.Lock()

    @property
    def region(self) -> int:
        """The core's handle (`SupaRegion *`)."""
        if self._region is None:
            raise DeviceError(f"{self.device_name}: this memory was closed (the device was split or merged since)")
        return self._region

    def allocate(self, size_bytes: int, owner: int = 1) -> int:
        """The address of `size_bytes` fresh bytes, aligned to 512. Bytes that another owner wrote read as zero.

        Raises `OutOfMemoryError` with capacity, request and use.
        """
        if size_bytes < 0:
            raise DeviceError(f"{self.device_name}: expected a size of 0 or more bytes, found {size_bytes}")
        address = ctypes.c_uint64()
        if size_bytes <= self.capacity_bytes:
            status = core.supa_allocate(self.region, size_bytes, owner, ctypes.byref(address))
            if status == native.OK:
                if _fresh["marked"]:
                    core.supa_mark_unwritten(address.value, size_bytes)
                return address.value
        raise self._exhausted(size_bytes)

    def _exhausted(self, size_bytes: int) -> OutOfMemoryError:
        use = self.use()
        free_bytes = use.capacity_bytes - use.allocated_bytes
        scattered = ""
        if size_bytes <= free_bytes:
            scattered = f" in pieces, the largest of {describe_bytes(use.largest_free_bytes)}"
        return OutOfMemoryError(
            f"{self.device_name} is out of memory: asked for {describe_bytes(size_bytes)}, "
            f"{describe_bytes(use.allocated_bytes)} of {describe_bytes(use.capacity_bytes)} are in use by "
            f"{use.live_count} allocations, {describe_bytes(free_bytes)} are free{scattered}\n"
            "  free tensors, use smaller batches, or choose a device with more memory (SUPA_DEVICE)"
        )

    def free(self, address: int) -> None:
        """Give an allocation back; raises `DeviceError` for an address that is not the start of a live one."""
        if core.supa_free(self.region, address) != native.OK:
            raise DeviceError(f"{self.device_name}: {address:#x} is not the start of a live allocation (freed twice?)")

    def use(self) -> MemoryUse:
        """Statistics of this moment."""
        raw = native.MemoryStatistics()
        core.supa_memory(self.region, ctypes.byref(raw))
        return MemoryUse(**{name: getattr(raw, name) for name, *_ in raw._fields_})

    def release_cached(self) -> None:
        """Give the host pages of all free memory back."""
        core.supa_release_cached(self.region)

    def reset_peak(self) -> None:
        """Count the peak from what is in use now."""
        core.supa_reset_peak(self.region)

    def close(self, *, force: bool = False) -> None:
        """End this allocator and erase its memory. Raises `DeviceError` while allocations live, unless forced."""
        with self._closing:
            if core.supa_region_close(self.region, int(force)) != native.OK:
                raise DeviceError(
                    f"{self.device_name}: {self.use().live_count} allocations are still in use; free them first"
                )
            self._region = None


def mark_fresh_memory(on: bool) -> None:
    """Whether `allocate` fills memory with the mark by which the sanitizer knows what was never written."""
    _fresh["marked"] = on


def mark_unwritten(address: int, size_bytes: int) -> None:
    """Fill memory with that mark."""
    core.supa_mark_unwritten(address, size_bytes)


def locate(address: int) -> Place | None:
    """The allocation of any device at or below `address`; None where the address lies in no device's memory."""
    raw = native.Place()
    core.supa_locate(address, ctypes.byref(raw))
    if not raw.region:
        return None
    return Place(start=raw.start, bytes=raw.bytes, inside=bool(raw.inside))


def describe_bytes(count: int) -> str:
    """For messages: "64.00 GiB (68719476736 bytes)"."""
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if count >= 1 << power:
            return f"{count / (1 << power):.2f} {unit} ({count} bytes)"
    return f"{count} bytes"
