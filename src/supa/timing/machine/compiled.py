"""The decorator of the machine's compiled functions, with a cache on disk of their own. Not here: what they do.

The cache folder is named after the text of all sources of this package, so a change in one file recompiles whatever
it was inlined into; Numba by itself looks only at the file of the outermost function.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


class Words(Protocol):
    """An int64 array, as compiled code reads and writes it."""

    shape: tuple[int, ...]

    def __getitem__(self, place: int) -> int: ...

    def __setitem__(self, place: int, value: int) -> None: ...


@cache
def cache_folder() -> Path:
    """Where compiled machine code is kept: `$SUPA_CACHE_DIR`, else the user's cache, by a hash of our sources."""
    text = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    given = os.environ.get("SUPA_CACHE_DIR")
    user = Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "supa"
    return user / "timing" / f"{numba.__version__}-{hashlib.sha256(text).hexdigest()[:16]}"


def compiled(function: F) -> F:
    """Compile on first use, keep on disk, release the interpreter's lock while running."""
    settings: Any = numba.config
    before = settings.CACHE_DIR
    settings.CACHE_DIR = str(cache_folder())
    try:
        return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
    finally:
        settings.CACHE_DIR = before
