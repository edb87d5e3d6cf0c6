"""What `torch.cuda` asks of NVIDIA's driver and libraries: answers where there is one, and words for the rest.

Not here: devices, streams, memory, random numbers (`namespace`).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

from supa.frameworks.torch import module as supa
from supa.frameworks.torch.device_index import NAME, index_of
from supa.frameworks.torch.registration import clock

_PS_PER_S = 10**12
_SYNC_MODES = {"default": 0, "warn": 1, "error": 2}
_NATIVE = ("_cuda_", "_nccl_", "_cudnn_", "_cusparselt_", "_nvtx_")


def install() -> None:
    """Enter the answers, and the words."""
    cuda: Any = torch.cuda
    for one in (_sleep, cudart, get_sync_debug_mode, set_sync_debug_mode):
        setattr(cuda, one.__name__, one)
    cuda.get_allocator_backend = cuda.memory.get_allocator_backend = lambda: "native"
    core: Any = torch._C
    core._cuda_getCurrentRawStream = current_raw_stream
    core.__getattr__ = _missing
    torch.set_default_tensor_type = set_default_tensor_type


def _missing(name: str) -> Any:
    if name.startswith(_NATIVE):
        raise AttributeError(
            f"torch._C.{name} is part of NVIDIA's driver and libraries, which the virtual device does not have: "
            "--as-cuda serves devices, tensors, streams, events, memory and random numbers"
        )
    raise AttributeError(f"module 'torch._C' has no attribute {name!r}")


def current_raw_stream(device: int = -1) -> int:
    """The current stream of a device (-1: of the current one), as its streams' `cuda_stream` says it."""
    return supa.current_stream(None if device < 0 else device).stream_id


def _sleep(cycles: int) -> None:
    """Keep the current stream of the current device busy for so many of the chip's cycles."""
    index = index_of()
    device = clock.devices[index]
    stream = clock.stream(index, supa.current_stream().stream_id)
    stream.submit(cycles * _PS_PER_S // device.description.chip.clocks.boost_hz)


def cudart() -> SimpleNamespace:
    """What programs call of the CUDA runtime through torch."""
    return SimpleNamespace(
        cudaProfilerStart=lambda: 0,
        cudaProfilerStop=lambda: 0,
        cudaMemGetInfo=lambda device=0: supa.mem_get_info(device),
        cudaDeviceSynchronize=lambda: supa.synchronize(),
        cudaGetErrorString=lambda code: "no error" if not code else f"error {code}",
    )


_sync_mode = [0]


def set_sync_debug_mode(debug_mode: int | str) -> None:
    """Take "default" (0); waits can not be reported here, so the other two raise `NotImplementedError`."""
    mode = _SYNC_MODES[debug_mode] if isinstance(debug_mode, str) else int(debug_mode)
    if mode:
        raise NotImplementedError("the virtual device does not report waits of the host: leave the mode at 'default'")
    _sync_mode[0] = mode


def get_sync_debug_mode() -> int:
    """The mode that was set."""
    return _sync_mode[0]


_stock_set_default_tensor_type = torch.set_default_tensor_type


def set_default_tensor_type(t: Any, /) -> None:
    """`torch.cuda.FloatTensor` and its kind set the default device too, as the name says."""
    if isinstance(t, str) and t.startswith("torch.cuda."):
        t = getattr(torch.cuda, t.rpartition(".")[2])
    dtype = getattr(t, "dtype_on_device", None)
    if dtype is None:
        torch.set_default_device(None)
        _stock_set_default_tensor_type(t)
    else:
        torch.set_default_dtype(dtype)
        torch.set_default_device(NAME)
