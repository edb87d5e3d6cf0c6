"""The one place of this floor that imports torch: which torch device tensors of the active driver live on."""

from __future__ import annotations

from typing import Any


def active_torch_device() -> Any:
    """The `torch.device` that kernels' tensors live on: `supa` once `supa.torch` brought it, else the host's."""
    import torch

    module = getattr(torch, "supa", None)
    return torch.device("cpu") if module is None else torch.device("supa", module.current_device())
