"""The range that a prediction is read with, from the chip's stated uncertainty. Not here: predictions."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from supa.arch import Device

CLASSES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("matrix", "vector", "special", "lsc", "exchange", "tensor_data", "power"), "engines"),
        **dict.fromkeys(("l2", "noc", "fill", "crossing", "die"), "on_chip"),
        "hbm": "hbm",
        **dict.fromkeys(("latency", "launch"), "latency"),
        **dict.fromkeys(("link", "links", "host_bus"), "links"),
    }
)
"""What bounds a kernel -> which of the chip's uncertainties counts."""


def spread(device: Device, bound_by: str) -> tuple[float, float]:
    """Shares by which a kernel with this bound may be faster and slower than predicted; `KeyError` for no bound."""
    stated, kind = device.chip.uncertainty, CLASSES[bound_by]
    return float(getattr(stated, f"{kind}_faster")), float(getattr(stated, f"{kind}_slower"))
