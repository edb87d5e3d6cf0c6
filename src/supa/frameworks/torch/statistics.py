"""Memory statistics of the devices, and how often operators ran on the host. Not here: the allocator (`csrc`)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch

from supa.frameworks.torch.device_index import NAME, DeviceLike, index_of
from supa.frameworks.torch.extension import library
from supa.frameworks.torch.registration import clock

_HOST = "host: "
_fractions: dict[int, float] = {}


def memory_stats(device: DeviceLike = None) -> OrderedDict[str, Any]:
    """Everything counted, under the names of `torch.cuda.memory_stats`."""
    return torch.accelerator.memory_stats(index_of(device))


def memory_allocated(device: DeviceLike = None) -> int:
    """Bytes in live tensors, each rounded up to 512."""
    return clock.devices[index_of(device)].memory.use().allocated_bytes


def max_memory_allocated(device: DeviceLike = None) -> int:
    """The largest `memory_allocated` since the last reset."""
    return clock.devices[index_of(device)].memory.use().peak_bytes


def memory_reserved(device: DeviceLike = None) -> int:
    """Bytes that are live or cached."""
    return clock.devices[index_of(device)].memory.use().reserved_bytes


def max_memory_reserved(device: DeviceLike = None) -> int:
    """The largest bytes seen live and cached together."""
    return int(memory_stats(device)["reserved_bytes.all.peak"])


def mem_get_info(device: DeviceLike = None) -> tuple[int, int]:
    """Free bytes and capacity."""
    use = clock.devices[index_of(device)].memory.use()
    return use.capacity_bytes - use.allocated_bytes, use.capacity_bytes


def reset_peak_memory_stats(device: DeviceLike = None) -> None:
    """Count peaks from now on."""
    torch.accelerator.reset_peak_memory_stats(index_of(device))


def reset_accumulated_memory_stats(device: DeviceLike = None) -> None:
    """Count allocations from now on."""
    torch.accelerator.reset_accumulated_memory_stats(index_of(device))


def set_per_process_memory_fraction(fraction: float, device: DeviceLike = None) -> None:
    """Refuse allocations beyond this part of the device's memory; `ValueError` for a part that is none."""
    if not 0 <= fraction <= 1:
        raise ValueError(f"Invalid fraction value: {fraction}. Allowed range: 0~1")
    index = index_of(device)
    capacity_bytes = clock.devices[index].memory.use().capacity_bytes
    _fractions[index] = float(fraction)
    library().supa_torch_limit(index, -1 if fraction == 1 else int(fraction * capacity_bytes))


def get_per_process_memory_fraction(device: DeviceLike = None) -> float:
    """The part that was set, 1.0 if none was."""
    return _fractions.get(index_of(device), 1.0)


def empty_cache() -> None:
    """Give the host pages of free device memory back."""
    torch.accelerator.empty_cache()


def memory_summary(device: DeviceLike = None, abbreviated: bool = False) -> str:
    """A few lines for people."""
    index = index_of(device)
    use = clock.devices[index].memory.use()
    rows = ("capacity", use.capacity_bytes), ("allocated", use.allocated_bytes), ("peak", use.peak_bytes), (
        "reserved", use.reserved_bytes)  # fmt: skip
    lines = [f"  {name:<10}{size / (1 << 20):12.1f} MiB" for name, size in rows]
    return "\n".join([f"{NAME}:{index} {clock.devices[index].name}, {use.live_count} tensors", *lines])


def host_operators(device: DeviceLike = None) -> Mapping[str, int]:
    """Operators that had no device kernel and ran on the host, with how often: {"aten::cumsum": 3}.

    Cards of one machine count together.
    """
    found = clock.devices[index_of(device)]
    found.synchronize()
    records = found.session.records
    return {one.name.removeprefix(_HOST): one.launches for one in records if one.name.startswith(_HOST)}


memory_cached, max_memory_cached = memory_reserved, max_memory_reserved
reset_max_memory_allocated = reset_max_memory_cached = reset_peak_memory_stats
"""Older names, which programs still use."""
