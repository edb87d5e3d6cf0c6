"""Whether kernels are compiled with checks, as the environment says. Not here: the checks."""

from __future__ import annotations

import os

from supa.base.errors import DeviceError

VARIABLE = "SUPA_SANITIZE"
WAIT_VARIABLE = "SUPA_SANITIZE_WAIT"
DEFAULT_WAIT_S = 10.0
_CHOICES: dict[str, tuple[str, ...]] = {"": (), "0": (), "1": ("memory",), "nan": ("memory", "nan")}


def wait_s() -> float:
    """Seconds after which a launch whose blocks do nothing but wait for one another is stopped.

    Raises `DeviceError` where `SUPA_SANITIZE_WAIT` is no positive number.
    """
    text = os.environ.get(WAIT_VARIABLE) or str(DEFAULT_WAIT_S)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e9:
        raise DeviceError(f"{WAIT_VARIABLE}: expected seconds, a number above 0, found {text!r}")
    return seconds


def kinds() -> tuple[str, ...]:
    """The kinds of checks that `SUPA_SANITIZE` asks for: none, `memory`, and with `nan` the birth of NaNs too.

    Raises `DeviceError` for any other value.
    """
    text = os.environ.get(VARIABLE, "")
    if text not in _CHOICES:
        raise DeviceError(f"{VARIABLE}: expected 1, nan, or 0 for no checks, found {text!r}")
    return _CHOICES[text]
