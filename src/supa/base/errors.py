"""The one tree of errors that users see. Every message says what was expected, what was found, where, what to do."""

from __future__ import annotations

from supa.base.location import UNKNOWN, Location


class SupaError(Exception):
    """Root of all errors of supa."""


class DescriptionError(SupaError):
    """A hardware description (TOML) is wrong: unknown key, missing unit, impossible value. Names file and line."""


class CompileError(SupaError):
    """A kernel can not be compiled.

    `what` says what was expected and found, `location` is the user's line, `hint` what to do instead.
    """

    def __init__(self, what: str, location: Location = UNKNOWN, hint: str = "") -> None:
        self.what, self.location, self.hint = what, location, hint
        where = f"{location}: " if location.file else ""
        super().__init__(f"{where}{what}" + (f"\n  {hint}" if hint else ""))


class UnsupportedError(CompileError):
    """The kernel uses something that is valid but not supported yet."""


class OptionError(SupaError, AssertionError, ValueError):
    """A launch option can not have that value. Triton's own back ends assert, and callers catch what they raise."""


class VerifyError(CompileError):
    """The tile IR is malformed: a defect of a front end or a pass, never of the user's program."""


class DeviceError(SupaError):
    """Something failed on the virtual device."""


class OutOfMemoryError(DeviceError):
    """An allocation exceeds the device's capacity; the message gives capacity, request and use, in bytes."""


class LaunchError(DeviceError):
    """A launch was refused or stopped (a `device_assert`, too many threads, not enough shared memory)."""
