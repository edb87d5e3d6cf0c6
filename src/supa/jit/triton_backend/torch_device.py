"""The one place of this floor that imports torch: which torch device tensors of the active driver live on."""

from __future__ import annotations

from typing import Any


def active_torch_device() -> Any:
    """The `torch.device` that kernels' tensors live on: the host's, until a framework brings the device's own."""
    import torch

    return torch.device("cpu")
