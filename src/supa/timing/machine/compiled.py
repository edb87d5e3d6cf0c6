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
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


@cache
def cache_folder() -> Path:
    """Where compiled machine code is kept: `$SUPA_CACHE_DIR`, else the user's cache folder, by a hash of our sources."""
    text = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    given = os.environ.get("SUPA_CACHE_DIR")
    user = Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "supa"
    return user / "timing" / f"{numba.__version__}-{hashlib.sha256(text).hexdigest()[:16]}"


def compiled(function: F) -> F:
    """Compile on first use, keep on disk, release the interpreter's lock while running."""
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(cache_folder())
    try:
        return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
    finally:
        numba.config.CACHE_DIR = before
