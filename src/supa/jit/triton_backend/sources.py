"""A digest of the sources that decide what a kernel compiles to: Triton's own cache key does not cover them."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

_FLOORS = ("base", "ir", "program", "compiler", "jit/triton_backend")


@cache
def digest() -> str:
    """SHA-256 over names and texts of those floors' files, once a process (about 10 ms)."""
    package = Path(__file__).parents[2]
    found = hashlib.sha256()
    for floor in _FLOORS:
        for path in sorted((package / floor).rglob("*.py")):
            found.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()
