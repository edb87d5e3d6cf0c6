"""Triton's other drivers on this machine. Not here: our own (`driver`)."""

from __future__ import annotations

OURS = "supa"


def other_drivers() -> list[str]:
    """The names of those that have a device here."""
    from triton.backends import backends

    return [name for name, backend in backends.items() if name != OURS and backend.driver.is_active()]
