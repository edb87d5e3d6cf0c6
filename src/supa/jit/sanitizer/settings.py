"""Whether kernels are compiled with checks, as the environment says. Not here: the checks."""

from __future__ import annotations

import os

from supa.base.errors import DeviceError

VARIABLE = "SUPA_SANITIZE"
_CHOICES: dict[str, tuple[str, ...]] = {"": (), "0": (), "1": ("memory",), "nan": ("memory", "nan")}


def kinds() -> tuple[str, ...]:
    """The kinds of checks that `SUPA_SANITIZE` asks for: none, `memory`, and with `nan` the birth of NaNs too.

    Raises `DeviceError` for any other value.
    """
    text = os.environ.get(VARIABLE, "")
    if text not in _CHOICES:
        raise DeviceError(f"{VARIABLE}: expected 1, nan, or 0 for no checks, found {text!r}")
    return _CHOICES[text]
