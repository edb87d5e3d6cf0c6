"""Keeps the folder of compiled kernels the user's own: its files are machine code that this process will run.

Not here: what is in it (Triton's cache of serialised programs).
"""

from __future__ import annotations

import os
import stat
import warnings
from pathlib import Path

_PRIVATE = 0o700
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def keep_private(folder: Path, is_default: bool) -> None:
    """Create `folder` for the user alone; the default one is made private again if it is not.

    A folder that the user chose keeps its mode; if others can write there, a warning says so.
    """
    try:
        folder.mkdir(mode=_PRIVATE, parents=True)
        return
    except FileExistsError:
        pass
    except OSError:
        return  # Triton says it better when it needs the folder
    found = folder.stat()
    if found.st_uid == os.getuid() and is_default:
        folder.chmod(_PRIVATE)
    elif found.st_mode & _OTHERS_WRITE or found.st_uid not in (os.getuid(), 0):
        warnings.warn(
            f"the kernel cache {folder} can be written by other users, and its files are run: set TRITON_CACHE_DIR",
            stacklevel=2,
        )
