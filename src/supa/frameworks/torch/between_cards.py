"""`torch.nn.parallel.comm` for the virtual cards: what `DataParallel` does with tensors; torch has it for CUDA alone.

Copies from card to card are torch's own and priced as such. Not here: collectives of processes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn.parallel import comm

from supa.frameworks.torch.device_index import NAME, DeviceLike, device_like

Tensor = torch.Tensor
Devices = Sequence[DeviceLike]


def install() -> None:
    """Serve tensors of ours, and tensors of the host on their way to us; others go torch's way."""
    for own in (broadcast, broadcast_coalesced, reduce_add, reduce_add_coalesced, scatter, gather):
        setattr(comm, own.__name__, _chosen(getattr(comm, own.__name__), own))


def _chosen(stock: Callable[..., Any], own: Callable[..., Any]) -> Callable[..., Any]:
    def call(tensors: Any, *args: Any, **options: Any) -> Any:
        first = tensors
        while not isinstance(first, Tensor) and len(first):
            first = first[0]
        is_ours = isinstance(first, Tensor) and first.device.type in (NAME, "cpu")
        return (own if is_ours else stock)(tensors, *args, **options)

    call.__name__, call.__doc__ = own.__name__, own.__doc__
    return call


def _to(tensor: Tensor, device: DeviceLike) -> Tensor:
    return tensor.to("cpu" if device in ("cpu", -1) else device_like(device))


def broadcast(
    tensor: Tensor, devices: Devices | None = None, *, out: Sequence[Tensor] | None = None
) -> tuple[Any, ...]:
    """The tensor on every device, or copied into every one of `out`."""
    if out is None:
        return tuple(_to(tensor, one) for one in devices or ())
    return tuple(target.copy_(tensor) for target in out)


def broadcast_coalesced(tensors: Sequence[Tensor], devices: Devices, buffer_size: int = 0) -> list[list[Tensor]]:
    """All tensors on every device."""
    return [[_to(tensor, one) for tensor in tensors] for one in devices]


def reduce_add(inputs: Sequence[Tensor], destination: DeviceLike = None) -> Tensor:
    """The sum of one tensor from each device, on `destination`, the current device by default."""
    total = _to(inputs[0], destination).clone()
    for one in inputs[1:]:
        total += _to(one, destination)
    return total


def reduce_add_coalesced(
    inputs: Sequence[Sequence[Tensor]], destination: DeviceLike = None, buffer_size: int = 0
) -> tuple[Tensor, ...]:
    """The sums of several tensors from each device."""
    return tuple(reduce_add(same, destination) for same in zip(*inputs, strict=True))


def scatter(
    tensor: Tensor, devices: Devices | None = None, chunk_sizes: Sequence[int] | None = None, dim: int = 0,
    streams: Sequence[torch.Stream | None] | None = None, *, out: Sequence[Tensor] | None = None,
) -> tuple[Any, ...]:  # fmt: skip
    """Parts of the tensor along `dim`, one for each device, or copied into `out`."""
    if out is not None:
        parts = tensor.split([target.shape[dim] for target in out], dim)
        return tuple(target.copy_(part) for target, part in zip(out, parts, strict=True))
    targets = list(devices or ())
    parts = tensor.chunk(len(targets), dim) if chunk_sizes is None else tensor.split(list(chunk_sizes), dim)
    return tuple(_to(part, device) for part, device in zip(parts, targets, strict=False))


def gather(
    tensors: Sequence[Tensor], dim: int = 0, destination: DeviceLike = None, *, out: Tensor | None = None
) -> Tensor:
    """The tensors one after the other along `dim`, on `destination` ("cpu" and -1 mean the host) or in `out`."""
    if out is not None:
        return torch.cat([one.to(out.device) for one in tensors], dim, out=out)
    return torch.cat([_to(one, destination) for one in tensors], dim)
