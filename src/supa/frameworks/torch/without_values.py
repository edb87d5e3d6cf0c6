"""Mode `time`: what torch's own Python code decides by values, decided as in a step that goes well. Installed once,
only in that mode. Not here: what a program reads itself, which is NaN or an error (`csrc/tensors.h`).
"""

from __future__ import annotations

from typing import Any

import torch

from supa.frameworks.torch.device_index import NAME


def install() -> None:
    """Optimizers step whatever gradient scaling would find; printed tensors of the device are their shape."""
    scaler: Any = torch.amp.GradScaler
    scaler._maybe_opt_step = _step
    printing: Any = torch._tensor_str
    stock = printing._tensor_str

    def text(tensor: torch.Tensor, indent: int) -> str:
        without = tensor.device.type == NAME
        return f"no values in mode time, size={tuple(tensor.shape)}" if without else stock(tensor, indent)

    printing._tensor_str = text


def _step(_: Any, optimizer: torch.optim.Optimizer, state: Any, *args: Any, **kwargs: Any) -> Any:
    return optimizer.step(*args, **kwargs)
