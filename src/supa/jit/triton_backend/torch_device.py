"""The one place of this floor that imports torch: which torch device tensors of the active driver live on."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from supa.runtime.memory import mark_unwritten


def active_torch_device() -> Any:
    """The `torch.device` that kernels' tensors live on: `supa` once `supa.torch` brought it, else the host's."""
    import torch

    module = getattr(torch, "supa", None)
    return torch.device("cpu") if module is None else torch.device("supa", module.current_device())


def mark_fresh_tensors() -> None:
    """From now on tensors that torch leaves uninitialised are filled with the sanitizer's mark of unwritten memory."""
    import torch

    for owner, name in (
        (torch, "empty"),
        (torch, "empty_like"),
        (torch, "empty_strided"),
        (torch.Tensor, "new_empty"),
    ):
        setattr(owner, name, _marking(getattr(owner, name)))


def _marking(make: Callable[..., Any]) -> Callable[..., Any]:
    import torch

    @functools.wraps(make)
    def made(*args: Any, **options: Any) -> Any:
        tensor = make(*args, **options)
        plain = type(tensor) is torch.Tensor and tensor.layout is torch.strided and not tensor.is_quantized
        if plain and tensor.device.type in ("cpu", "supa") and options.get("out") is None and tensor.numel():
            storage = tensor.untyped_storage()
            mark_unwritten(storage.data_ptr(), storage.nbytes())
        return tensor

    return made
