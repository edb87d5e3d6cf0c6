"""`torch.supa.amp`: mixed precision of this device, as `torch.cuda.amp`. Not here: which operators it lowers."""

from __future__ import annotations

from typing import Any

import torch

from supa.frameworks.torch.device_index import NAME

__all__ = ["GradScaler", "autocast"]


class autocast(torch.autocast):  # noqa: N801
    """`torch.autocast` of this device; float16 unless another type is given."""

    def __init__(self, enabled: bool = True, dtype: torch.dtype = torch.float16, cache_enabled: bool = True) -> None:
        super().__init__(NAME, dtype=dtype, enabled=enabled, cache_enabled=cache_enabled)


class GradScaler(torch.amp.GradScaler):
    """`torch.amp.GradScaler` of this device."""

    def __init__(self, **options: Any) -> None:
        super().__init__(NAME, **options)
