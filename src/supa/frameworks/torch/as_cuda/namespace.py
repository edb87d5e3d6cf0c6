"""`torch.cuda` with our functions in it, and the submodules that programs reach into. Not here: their work (`module`).

What the device can not do raises by name; what has no meaning on it (NVTX ranges, CUDA's IPC collection) does nothing.
"""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch

from supa.frameworks.torch import module as supa
from supa.frameworks.torch.device_index import NAME

_PLACES = (
    "torch.cuda",
    "torch.cuda.memory",
    "torch.cuda.random",
    "torch.cuda.streams",
    "torch.cuda._utils",
    "torch.cuda.graphs",
)
_KINDS = ("Double", "Float", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")


def install() -> None:
    """Put our functions in the place of CUDA's."""
    found = {name: getattr(supa, name) for name in supa.__all__ if name != "amp"}
    found |= {
        "is_bf16_supported": supa.is_bf16_supported,
        "_lazy_init": lambda: None,
        "_lazy_call": lambda call, **_: call(),
        "_is_in_bad_fork": supa._is_in_bad_fork,
        "_exchange_device": supa._exchange_device,
        "_maybe_exchange_device": supa._maybe_exchange_device,
        "_get_device_index": supa._index,
    }
    for place in _PLACES:
        owner = sys.modules.get(place)
        for name, value in found.items():
            if owner is not None and (place == "torch.cuda" or hasattr(owner, name)):
                setattr(owner, name, value)
    cuda: Any = torch.cuda
    cuda.CUDAGraph = cuda.graphs.CUDAGraph = supa.SUPAGraph
    cuda.graph = cuda.graphs.graph = supa.graph
    _install_nvtx(cuda.nvtx)
    for kind in _KINDS:
        setattr(cuda, f"{kind}Tensor", _tensor_kind(kind))
    torch.backends.cuda.is_built = lambda: True
    _install_profiler()
    for name in ("torch._utils", "torch.nn.parallel.data_parallel"):
        sys.modules[name].__dict__["_get_available_device_type"] = lambda: NAME  # it asks for "cuda" first
    stream: Any = supa.Stream
    stream.cuda_stream = property(lambda one: one.stream_id)
    stream.priority_range = staticmethod(lambda: (0, 0))
    event: Any = supa.Event
    event.cuda_event = property(lambda one: one.event_id)


def _install_profiler() -> None:
    """`ProfilerActivity.CUDA` records our device."""
    from torch.profiler import ProfilerActivity, profile

    owner: Any = profile
    stock = owner.__init__

    @functools.wraps(stock)
    def init(self: Any, **options: Any) -> None:
        if options.get("activities") is not None:
            renamed = {ProfilerActivity.CUDA: ProfilerActivity.PrivateUse1}
            options["activities"] = [renamed.get(one, one) for one in options["activities"]]
        stock(self, **options)

    owner.__init__ = init


def _install_nvtx(nvtx: ModuleType) -> None:
    def ignore(*_: Any, **__: Any) -> int:
        return 0

    @contextmanager
    def span(*_: Any, **__: Any) -> Iterator[None]:
        yield

    for name in ("mark", "range_push", "range_pop", "range_start", "range_end"):
        setattr(nvtx, name, ignore)
    setattr(nvtx, "range", span)  # noqa: B010


def _tensor_kind(kind: str) -> Callable[..., torch.Tensor]:
    """`torch.cuda.FloatTensor` and its kind: made on the host, brought to the device."""
    on_host = getattr(torch, f"{kind}Tensor")

    def make(*args: Any) -> torch.Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made: torch.Tensor = on_host(*args)
        return made.to(NAME)

    make.__name__ = make.__qualname__ = f"{kind}Tensor"
    make.dtype_on_device = on_host.dtype  # type: ignore[attr-defined]
    return make
