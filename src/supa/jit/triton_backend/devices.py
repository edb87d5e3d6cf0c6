"""The runtime's devices under the small numbers and target names that Triton keys its caches by. Not here: the devices.

A number and a name are never given to a second device, so that a kernel compiled and loaded for one is not launched on
another. The process's cards are numbered in their order.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass

from triton.backends.compiler import GPUTarget

from supa.arch import Device as Description
from supa.base.errors import DeviceError
from supa.jit.triton_backend.options import WARP_SIZE
from supa.runtime import Device, current_device
from supa.runtime.current import cards

_numbers: dict[Device, int] = {}
_devices: list[Device] = []
_names: list[str] = []
_descriptions: dict[str, Description] = {}
_presented: list[tuple[str, int]] = []
_lock = threading.Lock()


@dataclass(frozen=True)
class PresentedTarget(GPUTarget):  # type: ignore[misc]
    """A device of ours (`device` names it) that programs take for another kind's by `backend` and `arch`."""

    device: str = ""


def present_as(backend: str, arch: int) -> None:
    """From now on programs are told that they compile for this kind of device: many choose their code by it."""
    _presented[:] = [(backend, arch)]


def presented() -> str | None:
    """The kind of device that programs are told, where it is not ours."""
    return _presented[0][0] if _presented else None


def current_number() -> int:
    """The number of the process's current device."""
    device = current_device()
    number = _numbers.get(device)
    return _enter(device) if number is None else number


def device(number: int) -> Device:
    """The device of a number that `current_number` gave, or may give."""
    if number >= len(_devices):
        current_number()  # a program that asks before it launches anything
    if not 0 <= number < len(_devices):
        raise DeviceError(f"no device has the number {number}; {len(_devices)} are in use")
    return _devices[number]


def target(number: int) -> GPUTarget:
    """What Triton compiles for: `arch` is the device's name and a digest of what it is, but for `present_as`."""
    if _presented:
        backend, arch = _presented[0]
        return PresentedTarget(backend, arch, WARP_SIZE, device=_names[number])
    return GPUTarget("supa", _names[number], WARP_SIZE)


def is_ours(target: GPUTarget) -> bool:
    """Whether a target is one of the process's devices."""
    return target.backend in ("supa", presented())


def name(target: GPUTarget) -> str:
    """The device of a target, by its name and a digest of what it is."""
    if isinstance(target, PresentedTarget):
        return target.device
    return str(target.arch) if target.backend == "supa" else _names[current_number()]


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
        for one in (*cards(), device):
            if one not in _numbers:
                facts = one.description
                named = f"{facts.name}-{hashlib.sha256(repr(facts).encode()).hexdigest()[:12]}"
                _descriptions[named] = facts
                _names.append(named)
                _devices.append(one)
                _numbers[one] = len(_devices) - 1
        return _numbers[device]
