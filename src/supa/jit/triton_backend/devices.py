"""The runtime's devices under the small numbers and target names that Triton keys its caches by. Not here: the devices.

A number and a name are never given to a second device, so that a kernel compiled and loaded for one is not launched on
another.
"""

from __future__ import annotations

import hashlib
import threading

from triton.backends.compiler import GPUTarget

from supa.arch import Device as Description
from supa.base.errors import DeviceError
from supa.jit.triton_backend.options import WARP_SIZE
from supa.runtime import Device, current_device

_numbers: dict[Device, int] = {}
_devices: list[Device] = []
_targets: list[GPUTarget] = []
_descriptions: dict[str, Description] = {}
_lock = threading.Lock()


def current_number() -> int:
    """The number of the process's current device."""
    device = current_device()
    number = _numbers.get(device)
    return _enter(device) if number is None else number


def device(number: int) -> Device:
    """The device of a number that `current_number` gave."""
    if not 0 <= number < len(_devices):
        raise DeviceError(f"no device has the number {number}; {len(_devices)} are in use")
    return _devices[number]


def target(number: int) -> GPUTarget:
    """What Triton compiles for: `arch` is the device's name and a digest of what it is."""
    return _targets[number]


def description(arch: str) -> Description:
    """What the device of a target is; raises `DeviceError` for a target of another process's device."""
    if arch not in _descriptions:
        current_number()  # a process that only compiles has not met its device yet
    try:
        return _descriptions[arch]
    except KeyError:
        raise DeviceError(f"no device of this process is a {arch!r}; in use: {', '.join(_descriptions)}") from None


def _enter(device: Device) -> int:
    with _lock:
        if device not in _numbers:
            facts = device.description
            arch = f"{facts.name}-{hashlib.sha256(repr(facts).encode()).hexdigest()[:12]}"
            _descriptions[arch] = facts
            _targets.append(GPUTarget("supa", arch, WARP_SIZE))
            _devices.append(device)
            _numbers[device] = len(_devices) - 1
        return _numbers[device]
