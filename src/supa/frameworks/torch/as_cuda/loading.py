"""Files: what was saved on "cuda" loads on `supa`, and what is saved here says "cuda", as the program's readers expect.

Not here: saving and loading themselves (torch).
"""

from __future__ import annotations

from typing import Any

import torch

from supa.frameworks.torch.as_cuda.arguments import CUDA, ours
from supa.frameworks.torch.device_index import NAME

_BEFORE_TORCH_S_OWN = 5


def install() -> None:
    """Enter both directions before torch's own rules."""
    torch.serialization.register_package(_BEFORE_TORCH_S_OWN, _tag, _restore)


def _tag(storage: Any) -> str | None:
    device = storage.device
    return f"{CUDA}:{device.index}" if device.type == NAME else None


def _restore(storage: Any, location: str) -> Any:
    if location != CUDA and not location.startswith(f"{CUDA}:"):
        return None
    return torch.serialization.default_restore_location(storage, ours(location))
