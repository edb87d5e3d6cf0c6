"""`torch.utils.benchmark` on the device's clock: its timer counts device time. Not here: the clock.

Between two readings in which the device worked the timer advances by the device's time, else by the host's, so that
programs which measure host code with it see what they did.
"""

from __future__ import annotations

import time
from types import ModuleType
from typing import Any

from supa.frameworks.torch.after_import import after_import
from supa.frameworks.torch.registration import clock

_PS_PER_S = 1e12


class _Timer:
    """Seconds since its first reading. One thread at a time."""

    def __init__(self) -> None:
        self._seconds, self._device_ps, self._host_s = 0.0, 0, 0.0

    def __call__(self) -> float:
        device_ps, host_s = max(device.synchronize() for device in clock.devices), time.perf_counter()
        moved_ps, self._device_ps = device_ps - self._device_ps, device_ps
        passed_s, self._host_s = host_s - self._host_s, host_s
        self._seconds += moved_ps / _PS_PER_S if moved_ps else passed_s
        return self._seconds


def install() -> None:
    """Act when torch imports its benchmarks."""
    after_import("torch.utils.benchmark.utils.timer", _tell_timer)


def _tell_timer(module: ModuleType) -> None:
    stock, ours = module.__dict__["timer"], _Timer()
    module.__dict__["timer"] = ours
    initialise: Any = module.__dict__["Timer"].__init__
    initialise.__defaults__ = tuple(ours if value is stock else value for value in initialise.__defaults__)
