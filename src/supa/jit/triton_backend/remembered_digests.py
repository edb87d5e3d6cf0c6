"""Digests of large files that stay as they are, kept between processes: Triton's own key hashes a library of 460 MB for
the first kernel of every process.

A digest holds for files of the same names, sizes and times of change. Not here: what digests are for.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

_ENDINGS = (".py", ".so", ".pyd", ".dylib")


def remembered(name: str, files: Callable[[], Iterable[Path]], make: Callable[[], str], folder: Path) -> str:
    """What `make` gives for these files, from a file of `folder` where they have not changed since."""
    place = folder / f"supa-{name}-{_stamp(files())}"
    try:
        return place.read_text()
    except OSError:
        pass
    made = make()
    try:
        fresh = place.with_suffix(f".{os.getpid()}")
        fresh.write_text(made)
        os.replace(fresh, place)
    except OSError:
        pass  # a folder that can not be written costs the next process the same time again
    return made


def _stamp(files: Iterable[Path]) -> str:
    found = hashlib.sha256()
    for path in sorted(files):
        facts = path.stat()
        found.update(f"{path}\0{facts.st_size}\0{facts.st_mtime_ns}\0{facts.st_ino}\n".encode())
    return found.hexdigest()[:32]


def sources_under(*folders: Path) -> Iterable[Path]:
    """The modules and libraries in these folders, and in those inside them."""
    for folder in folders:
        for where, _, names in os.walk(folder):
            yield from (Path(where, name) for name in names if name.endswith(_ENDINGS))


def install(folder: Path) -> None:
    """Let Triton remember its own key in `folder`, the kernel cache: the same text, found sooner."""
    from triton.runtime import cache

    stock = cache.triton_key
    if getattr(stock, "_is_remembered", False):
        return
    triton = Path(cache.__file__).parents[1]

    @functools.cache
    def triton_key() -> str:
        places = (triton / name for name in ("_C", "compiler", "backends", "language", "runtime"))
        return remembered("triton", lambda: sources_under(*places), stock, folder)

    triton_key._is_remembered = True  # type: ignore[attr-defined]
    cache.triton_key = triton_key
