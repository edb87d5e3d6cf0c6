"""Functions of `torch.cuda` that have one answer on this device. Not here: what it can do (`module`)."""

from __future__ import annotations

from supa.frameworks.torch.device_index import DeviceLike, index_of
from supa.frameworks.torch.registration import clock


def can_device_access_peer(device: DeviceLike, peer_device: DeviceLike) -> bool:
    """Whether two cards are joined by links."""
    ours, other = index_of(device), index_of(peer_device)
    return ours != other and clock.devices[ours].pair_bytes_per_s > 0


def get_arch_list() -> list[str]:
    """No binary architectures: kernels are compiled for what the description says."""
    return []


def ipc_collect() -> None:
    """Nothing: memory is not shared between processes."""


def is_tf32_supported() -> bool:
    """fp32 products may be computed in the chip's TF32+."""
    return True
