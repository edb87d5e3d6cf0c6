"""The devices that torch sees as supa:0, supa:1, ...: the process's current one, or all of a server's.

Not here: memory, streams. The list is fixed at the first call: tensors hold pointers into these devices.
"""

from __future__ import annotations

import os
from functools import cache

from supa.arch import kind_of, load_server
from supa.base.errors import DeviceError
from supa.runtime import Device, current_device, set_current_device

MOST = 64


@cache
def cards() -> tuple[Device, ...]:
    """All devices. `SUPA_DEVICE` may name a server ("hearten"): then these are its devices.

    Raises `DescriptionError` for a name that nobody has.
    """
    name = os.environ.get("SUPA_DEVICE", "")
    if name and kind_of(name) == "server":
        server = load_server(name)
        count = server.layout.device_count
        if count > MOST:
            raise DeviceError(f"{name} has {count} devices; torch is given at most {MOST}")
        mode = os.environ.get("SUPA_MODE") or "both"
        made = tuple(Device(server.device, mode=mode) for _ in range(count))  # type: ignore[arg-type]
        set_current_device(made[0])
        return made
    return (current_device(),)
