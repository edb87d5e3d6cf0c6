"""The devices that torch sees as supa:0, supa:1, ...: the process's cards. Not here: memory, streams.

The list is fixed at the first call: tensors hold pointers into these devices.
"""

from __future__ import annotations

from functools import cache

from supa.runtime import Device
from supa.runtime import cards as cards_of_process


@cache
def cards() -> tuple[Device, ...]:
    """All devices; `SUPA_DEVICE` may name a server ("hearten"), `SUPA_CARDS` how many there are of a single one.

    Raises `DescriptionError` for a name that nobody has, `DeviceError` for a number that can not be.
    """
    return cards_of_process()
