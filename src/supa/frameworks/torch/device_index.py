"""Which device a program means by a device, a number, a string or nothing. Not here: choosing the current one."""

from __future__ import annotations

import torch

from supa.frameworks.torch.extension import library

NAME = "supa"
DeviceLike = torch.device | int | str | None

names = {NAME}
"""What the devices are called: more while a program written for another kind is served (`as_cuda`)."""


def current_index() -> int:
    """The calling thread's current device."""
    return int(library().supa_torch_current_device())


def index_of(device: DeviceLike = None) -> int:
    """A device's number; the current one's for None, a negative number, and a device without a number.

    Raises `ValueError` for a device of another kind, `RuntimeError` for a number that there is no device of.
    """
    if device is None:
        return current_index()
    if isinstance(device, int):
        return _checked(device) if device >= 0 else current_index()
    found = torch.device(device)
    if found.type not in names:
        raise ValueError(f"expected a {NAME} device, found {found}")
    return current_index() if found.index is None else _checked(found.index)


def _checked(index: int) -> int:
    if index and index >= (count := torch.accelerator.device_count()):
        there = f"is 1 device ({NAME}:0)" if count == 1 else f"are {count} devices ({NAME}:0 to {NAME}:{count - 1})"
        raise RuntimeError(f"invalid device {NAME}:{index}: there {there}")
    return index


def device_like(device: DeviceLike = None) -> torch.device:
    """The device as torch's own functions take it."""
    return torch.device(NAME, index_of(device))
