"""What torch calls at the end of its own import, by the package's entry point: afterwards device `supa` is there.

It must never keep torch from being imported, nor take the place of a GPU that is present. An extension that is not
built yet, or can not be, is met at the first use of the device. Not here: making the device known (`registration`).
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch.utils import backend_registration

_DOOR, _NAME = "supa.torch", "supa"


def autoload() -> None:
    """Make the device known, now where that is quick. `TORCH_DEVICE_BACKEND_AUTOLOAD=0` is torch's way to say no.

    Two installed copies of the package name it twice: the first call counts.
    """
    if _DOOR in sys.modules or hasattr(torch, _NAME) or _has_other_device():
        return
    from supa.frameworks.torch.build import built_extension

    try:
        if built_extension(Path(torch.__file__).parent, torch.__version__) is not None:
            import_module(_DOOR)
            return
        reason = None
    except Exception as error:  # whatever it is, torch must stay usable; who uses the device is told
        reason = error
    _promise(reason)


def _has_other_device() -> bool:
    """Whether torch has a device of its own here; one that is asked for by name goes first."""
    if os.environ.get("SUPA_DEVICE") or os.environ.get("SUPA_AS_CUDA"):
        return False
    if _another_backend():
        return True
    return bool(torch.version.cuda or torch.version.hip) and torch.cuda.is_available()


def _another_backend() -> bool:
    """Whether another package has taken the place that torch has for devices from outside."""
    name: str = torch._C._get_privateuse1_backend_name()
    return name not in ("privateuseone", _NAME)


def _promise(reason: Exception | None) -> None:
    """The device's name, and a module that brings the device when it is first asked for anything."""
    backend_registration.rename_privateuse1_backend(_NAME)
    torch._register_device_module(_NAME, _Promise(reason))


class _Promise(ModuleType):
    """`torch.supa` before the device is there; its first use builds and loads it, or says why that can not be.

    What torch itself asks of every device, used or not, is answered without an error.
    """

    def __init__(self, reason: Exception | None) -> None:
        super().__init__(f"torch.{_NAME}", "The virtual device, not loaded yet.")
        self.__dict__.update(_reason=reason, _seed=None)

    def is_available(self) -> bool:
        """Whether the device can be had."""
        try:
            return bool(self._keep().is_available())
        except Exception:  # who asks wants to know, not to fail
            return False

    def device_count(self) -> int:
        """How many devices can be had."""
        return int(self._keep().device_count()) if self.is_available() else 0

    def manual_seed_all(self, seed: int) -> None:
        """The seed that the device will begin with."""
        self.__dict__["_seed"] = seed

    def _is_in_bad_fork(self) -> bool:
        return False

    def _lazy_init(self) -> None:
        self._keep()

    def _keep(self) -> ModuleType:
        if self._reason is not None:
            raise self._reason
        withdraw_promise()
        try:
            module = import_module(_DOOR)
        except Exception as error:
            _promise(error)
            raise
        if self._seed is not None:
            module.manual_seed_all(self._seed)
        return module

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what the import system and inspection ask of any module
            raise AttributeError(name)
        return getattr(self._keep(), name)


def withdraw_promise() -> None:
    """Take the placeholder away, if there is one, so that the device's own module can be registered."""
    if isinstance(getattr(torch, _NAME, None), _Promise):
        del torch.__dict__[_NAME], sys.modules[f"torch.{_NAME}"]
