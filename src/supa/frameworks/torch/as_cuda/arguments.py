"""Devices in the arguments of torch's functions: "cuda" becomes `supa` where torch's core would not see to it.

Factories need nothing: the extension answers for their operators (`csrc/cuda.h`). Not here: what tensors say of
themselves (`tensors`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch

from supa.frameworks.torch.device_index import NAME, names

CUDA = "cuda"


def ours(value: Any) -> Any:
    """A "cuda" device, as an object or a string, under our name; anything else as it is."""
    if isinstance(value, str):
        return NAME + value[len(CUDA) :] if value == CUDA or value.startswith(f"{CUDA}:") else value
    if isinstance(value, torch.device) and value.type == CUDA:
        return torch.device(NAME) if value.index is None else torch.device(NAME, value.index)
    return value


def with_our_devices(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with every device among its arguments under our name."""

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        if options:
            options = {name: ours(value) for name, value in options.items()}
        return function(*map(ours, args), **options)

    return call


def install() -> None:
    """Rewrite the functions that decide by a device before any operator does."""
    names.add(CUDA)
    tensor: Any = torch.Tensor
    tensor.to = with_our_devices(tensor.to)
    tensor.cuda = _to_ours
    storage: Any = torch.UntypedStorage
    storage.to, storage.cuda = with_our_devices(storage.to), _storage_to_ours
    for kind in (torch.autocast, torch.amp.GradScaler):
        owner: Any = kind
        owner.__init__ = with_our_devices(owner.__init__)
    for name in ("get_autocast_dtype", "set_autocast_dtype", "set_autocast_enabled", "get_device_module"):
        setattr(torch, name, with_our_devices(getattr(torch, name)))
    torch.__dict__.update(is_autocast_enabled=_is_autocast_enabled, Generator=Generator)
    for name in ("custom_fwd", "custom_bwd"):
        setattr(torch.amp, name, with_our_devices(getattr(torch.amp, name)))


class _AnyGenerator(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, torch._C.Generator)


class Generator(metaclass=_AnyGenerator):
    """`torch.Generator` of any device: torch's core makes those of "cuda" itself."""

    def __new__(cls, device: Any = "cpu") -> Any:
        """A stock generator."""
        return torch._C.Generator(device=ours(device))


def _to_ours(
    tensor: torch.Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = torch.preserve_format
) -> torch.Tensor:
    target = NAME if device is None else device if isinstance(device, int) else ours(device)
    return tensor.to(torch.device(NAME, target) if isinstance(target, int) else target, non_blocking=non_blocking,
                     memory_format=memory_format)  # fmt: skip


def _storage_to_ours(storage: torch.UntypedStorage, device: Any = None, non_blocking: bool = False) -> Any:
    return storage.to(device=torch.device(NAME) if device is None else torch.device(ours(device)))


_stock_is_autocast_enabled = torch.is_autocast_enabled


def _is_autocast_enabled(device_type: str = NAME) -> bool:
    """Without a device this means CUDA's, as programs that know no other expect."""
    return _stock_is_autocast_enabled(ours(device_type))
