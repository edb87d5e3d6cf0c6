"""What tensors, storages and modules say of where they are: to the program "cuda", to torch's own code `supa`.

A program compares devices it made ("cuda") with those of tensors, and asks `is_cuda`; torch decides by them what to do.
Who asks is told by the module of the calling code. Not here: devices that the program passes (`arguments`).
"""

from __future__ import annotations

import sys
from typing import Any

import torch

from supa.frameworks.torch.as_cuda.arguments import CUDA
from supa.frameworks.torch.device_index import NAME

_INSIDERS = ("torch.", "supa.", "triton.")


def install() -> None:
    """Replace the properties."""
    for kind in (torch.Tensor, torch.UntypedStorage, torch.TypedStorage):
        owner: Any = kind
        owner.device = _device(kind.device)
        owner.is_cuda = _is_cuda(owner.device)
    tensor: Any = torch.Tensor
    tensor.type = _type(torch.Tensor.type)


def insider(depth: int) -> bool:
    """Whether the code `depth` calls above is torch's, Triton's or ours."""
    name: str = sys._getframe(depth + 1).f_globals.get("__name__", "")
    return name.startswith(_INSIDERS) or name == "torch"


def _device(stock: Any) -> property:
    read = stock.__get__

    def device(owner: Any) -> torch.device:
        found: torch.device = read(owner)
        if found.type == NAME and not insider(1):
            return torch.device(CUDA, found.index)
        return found

    return property(device)


def _is_cuda(device: Any) -> property:
    def is_cuda(owner: Any) -> bool:
        return _type_of(owner) == NAME and not insider(1)

    return property(is_cuda)


def _type_of(owner: Any) -> str:
    kind: str = owner.device.type  # this module's code is an insider
    return kind


def _type(stock: Any) -> Any:
    def type_(tensor: torch.Tensor, dtype: Any = None, *args: Any, **options: Any) -> Any:
        """`Tensor.type`: names of CUDA's tensor types mean ours."""
        if dtype is None:
            found: str = stock(tensor)
            return found if insider(1) else found.replace(f"torch.{NAME}.", f"torch.{CUDA}.")
        if isinstance(dtype, str) and dtype.startswith(f"torch.{CUDA}."):
            return stock(tensor.to(NAME), _dtype_named(dtype), *args, **options)
        wanted = getattr(dtype, "dtype_on_device", None)
        return stock(tensor, dtype, *args, **options) if wanted is None else tensor.to(NAME, wanted)

    return type_


def _dtype_named(name: str) -> torch.dtype:
    """The type of "torch.cuda.FloatTensor"."""
    return getattr(torch, name.rpartition(".")[2]).dtype  # type: ignore[no-any-return]
