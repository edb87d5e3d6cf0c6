"""`torch.supa`: the device's functions under the names of `torch.cuda`. Not here: how they work.

Sizes are bytes, times milliseconds of the simulated clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import torch

from supa.frameworks.torch import amp
from supa.frameworks.torch.answers import (
    can_device_access_peer,
    get_arch_list,
    ipc_collect,
    is_tf32_supported,
)
from supa.frameworks.torch.device_index import DeviceLike, current_index, index_of
from supa.frameworks.torch.extension import library
from supa.frameworks.torch.graphs import (
    SUPAGraph,
    graph,
    graph_pool_handle,
    is_current_stream_capturing,
    refuse_to_wait,
)
from supa.frameworks.torch.random import (
    default_generators,
    get_rng_state,
    get_rng_state_all,
    initial_seed,
    manual_seed,
    manual_seed_all,
    seed,
    seed_all,
    set_rng_state,
    set_rng_state_all,
)
from supa.frameworks.torch.registration import NAME, clock
from supa.frameworks.torch.statistics import (
    empty_cache,
    get_per_process_memory_fraction,
    host_operators,
    max_memory_allocated,
    max_memory_cached,
    max_memory_reserved,
    mem_get_info,
    memory_allocated,
    memory_cached,
    memory_reserved,
    memory_stats,
    memory_summary,
    reset_accumulated_memory_stats,
    reset_max_memory_allocated,
    reset_max_memory_cached,
    reset_peak_memory_stats,
    set_per_process_memory_fraction,
)
from supa.frameworks.torch.streams import (
    Event,
    Stream,
    StreamContext,
    current_stream,
    default_stream,
    set_stream,
    stream,
)

__all__ = [
    "Event",
    "OutOfMemoryError",
    "SUPAGraph",
    "Stream",
    "StreamContext",
    "amp",
    "can_device_access_peer",
    "current_device",
    "current_stream",
    "default_generators",
    "default_stream",
    "device",
    "device_count",
    "device_of",
    "empty_cache",
    "get_amp_supported_dtype",
    "get_arch_list",
    "get_device_capability",
    "get_device_name",
    "get_device_properties",
    "get_per_process_memory_fraction",
    "get_rng_state",
    "get_rng_state_all",
    "graph",
    "graph_pool_handle",
    "host_operators",
    "init",
    "initial_seed",
    "ipc_collect",
    "is_available",
    "is_bf16_supported",
    "is_current_stream_capturing",
    "is_initialized",
    "is_tf32_supported",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "max_memory_cached",
    "max_memory_reserved",
    "mem_get_info",
    "memory_allocated",
    "memory_cached",
    "memory_reserved",
    "memory_stats",
    "memory_summary",
    "reset_accumulated_memory_stats",
    "reset_max_memory_allocated",
    "reset_max_memory_cached",
    "reset_peak_memory_stats",
    "seed",
    "seed_all",
    "set_device",
    "set_per_process_memory_fraction",
    "set_rng_state",
    "set_rng_state_all",
    "set_stream",
    "set_strict",
    "stream",
    "synchronize",
]

OutOfMemoryError = torch.OutOfMemoryError


@dataclass(frozen=True, kw_only=True)
class DeviceProperties:
    """What the description says of a device, under torch's names."""

    name: str
    total_memory: int
    multi_processor_count: int
    warp_size: int
    max_threads_per_block: int
    max_threads_per_multi_processor: int
    regs_per_multiprocessor: int
    shared_memory_per_block: int
    shared_memory_per_multiprocessor: int
    L2_cache_size: int
    clock_rate: int  # kHz
    memory_clock_rate: int  # kHz
    memory_bus_width: int  # bits
    pci_bus_id: int
    uuid: str
    major: int = 9
    minor: int = 0
    pci_device_id: int = 0
    pci_domain_id: int = 0
    is_integrated: int = 0
    is_multi_gpu_board: int = 0

    @property
    def gcnArchName(self) -> str:  # noqa: N802
        """What torch's compiler takes a device without a CUDA version by."""
        return self.name

    @property
    def shared_memory_per_block_optin(self) -> int:
        """What a block may ask for: the same, there is nothing to opt in to."""
        return self.shared_memory_per_block


def _index(device: DeviceLike = None, optional: bool = True) -> int:
    return index_of(device)


_utils = SimpleNamespace(_get_device_index=_index)  # torch.load looks here


def is_available() -> bool:
    """There is always a virtual device."""
    return True


def is_initialized() -> bool:
    """Whether the device can be used: from import on."""
    return True


def init() -> None:
    """Nothing: the device is ready."""


def _lazy_init() -> None:
    """Nothing, under the name that torch looks for."""


def _is_in_bad_fork() -> bool:
    """Whether this process is a fork of one that used a device: it can not use it."""
    return bool(library().supa_torch_forked())


def device_count() -> int:
    """How many devices there are."""
    return len(clock.devices)


def current_device() -> int:
    """The calling thread's device."""
    return current_index()


def set_device(device: DeviceLike) -> None:
    """Make `device` the calling thread's current one."""
    if (index := index_of(device)) >= 0:
        torch.accelerator.set_device_index(index)


class device:  # noqa: N801
    """Within, another device is current. A negative number or None changes nothing."""

    def __init__(self, device: DeviceLike) -> None:
        self._index = -1 if device is None else index_of(device)

    def __enter__(self) -> None:
        self._before = current_device()
        if self._index >= 0:
            set_device(self._index)

    def __exit__(self, *_: object) -> None:
        set_device(self._before)


class device_of(device):  # noqa: N801
    """Within, a tensor's device is current."""

    def __init__(self, tensor: torch.Tensor) -> None:
        super().__init__(tensor.get_device() if tensor.device.type == NAME else None)


def _exchange_device(index: int) -> int:
    before = current_device()
    if index >= 0:
        set_device(index)
    return before


def _maybe_exchange_device(index: int) -> int:  # torch's compiler keeps the two apart by identity
    return _exchange_device(index)


def synchronize(device: DeviceLike = None) -> None:
    """Let the host wait for everything submitted to a device."""
    refuse_to_wait("synchronize()")
    clock.devices[index_of(device)].synchronize()


def get_device_name(device: DeviceLike = None) -> str:
    """The catalogue's name: "bili100"."""
    return clock.devices[index_of(device)].name


def get_device_capability(device: DeviceLike = None) -> tuple[int, int]:
    """A pair as CUDA's: what code that asks for it takes for a device with bf16 and tensor cores."""
    found = get_device_properties(device)
    return found.major, found.minor


def get_device_properties(device: DeviceLike = None) -> DeviceProperties:
    """The description of a device."""
    index = index_of(device)
    description = clock.devices[index].description
    chip = description.chip
    return DeviceProperties(
        name=description.name,
        total_memory=description.hbm_capacity_bytes,
        multi_processor_count=chip.cu_count,
        warp_size=chip.warp.size,
        max_threads_per_block=chip.cu.max_threads_per_block,
        max_threads_per_multi_processor=chip.cu.eu_count * chip.eu.max_warps * chip.warp.size,
        regs_per_multiprocessor=chip.registers_bytes_per_cu // 4,
        shared_memory_per_block=chip.lsc.shared_per_block_bytes,
        L2_cache_size=chip.l2.capacity_bytes,
        clock_rate=chip.clocks.boost_hz // 1000,
        memory_clock_rate=chip.hbm.bandwidth_bytes_per_s * 8 // (2 * chip.hbm.bus_bits) // 1000,
        memory_bus_width=chip.hbm.bus_bits,
        shared_memory_per_multiprocessor=chip.lsc.shared_capacity_bytes * chip.cu.eu_count // chip.lsc.eu_count,
        pci_bus_id=index,
        uuid=str(uuid5(NAMESPACE_OID, f"{description.name} {index}")),
    )


def get_amp_supported_dtype() -> list[torch.dtype]:
    """What autocast may lower to."""
    return [torch.float16, torch.bfloat16]


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """bf16 is the chip's own."""
    return True


def set_strict(strict: bool = True) -> None:
    """Make an operator without a device kernel an error (`SUPA_STRICT=1` from the start) instead of counting it."""
    library().supa_torch_strict(int(strict))


@contextmanager
def strict_mode(strict: bool = True) -> Iterator[None]:
    """Within, as `set_strict`; afterwards not strict."""
    set_strict(strict)
    try:
        yield
    finally:
        set_strict(False)


_COMPILER = "torch._inductor.codegen"
_GENERATORS = {
    "Scheduling": (f"{_COMPILER}.triton", "TritonScheduling"),
    "PythonWrapperCodegen": (f"{_COMPILER}.wrapper", "PythonWrapperCodegen"),
    "CppWrapperCodegen": (f"{_COMPILER}.cpp_wrapper_gpu", "CppWrapperGpu"),
    "WrapperFxCodegen": (f"{_COMPILER}.wrapper_fxir", "WrapperFxCodegen"),
}


def __getattr__(name: str) -> Any:
    """What torch's compiler asks for by name: its own code generators for Triton."""
    if name in _GENERATORS:
        module, attribute = _GENERATORS[name]
        return getattr(import_module(module), attribute)
    raise AttributeError(f"torch.{NAME} has no attribute {name!r}")
