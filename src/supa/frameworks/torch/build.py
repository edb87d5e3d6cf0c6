"""Builds the C++ extension (`csrc/`) once for this torch, this compiler and this driver core, into the user's cache.

Not here: loading it (`extension`). The folder is the user's own: its files are code that this process will run.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from supa.base.errors import DeviceError
from supa.runtime.native import LIBRARY as CORE

SOURCES = Path(__file__).with_name("csrc")
_FLAGS = ("-std=c++20", "-O2", "-fPIC", "-shared", "-pthread", "-DNDEBUG", "-DUSE_KINETO")
_PRIVATE = 0o700
_COMPILERS = ("c++", "g++", "clang++")


class BuildError(DeviceError):
    """The torch extension can not be built here: no compiler, or it failed."""


def extension_path(torch_folder: Path, torch_version: str) -> Path:
    """The extension's library, built if it is not there (half a minute, once). `torch_folder` is torch's package.

    Raises `BuildError` when there is no C++20 compiler or it refuses the sources.
    """
    target = _target(torch_folder, torch_version)
    if not target.exists():
        with _alone(target):
            if not target.exists():
                _build(target, torch_folder)
    return target


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """One process builds, others that start meanwhile wait for it; a killed one leaves no lock behind."""
    with target.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def built_extension(torch_folder: Path, torch_version: str) -> Path | None:
    """The extension's library if it has been built; `BuildError` where its folder is not the user's own."""
    target = _target(torch_folder, torch_version)
    return target if target.exists() else None


def _target(torch_folder: Path, torch_version: str) -> Path:
    core_header = (CORE.parent / "core" / "supa_core.h").read_bytes()
    content = [path.read_bytes() for path in sorted(SOURCES.iterdir())]
    told = "\0".join((torch_version, str(torch_folder), str(CORE), *_FLAGS)).encode()
    digest = hashlib.sha256(b"\0".join([told, core_header, *content])).hexdigest()[:20]
    return cache_folder() / f"libsupa_torch-{digest}.so"


def cache_folder() -> Path:
    """The user's own folder for what this machine builds (`SUPA_CACHE_DIR`); `BuildError` where others may write."""
    chosen = os.environ.get("SUPA_CACHE_DIR")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(chosen) if chosen else base / "supa"
    folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    found = folder.stat()
    if found.st_uid != os.getuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise BuildError(
            f"{folder} can be written by other users, and its files are run\n"
            "  chmod go-w it, or set SUPA_CACHE_DIR to a folder of your own"
        )
    return folder


def _compiler() -> list[str]:
    chosen = os.environ.get("CXX")
    for candidate in [chosen] if chosen else _COMPILERS:
        command = shlex.split(candidate)
        if command and shutil.which(command[0]):
            return command
    raise BuildError(
        f"supa.torch needs a C++20 compiler, once; found none of: {chosen or ', '.join(_COMPILERS)}\n"
        "  install one (Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++) or set CXX to its path"
    )


def _build(target: Path, torch_folder: Path) -> None:
    fresh = target.with_suffix(f".{os.getpid()}")
    include, libraries = torch_folder / "include", torch_folder / "lib"
    command = [
        *_compiler(), *_FLAGS, "-w", f"-I{include}", f"-I{include / 'torch' / 'csrc' / 'api' / 'include'}",
        f"-I{include / 'kineto'}", f"-I{CORE.parent / 'core'}", str(SOURCES / "extension.cpp"), "-o", str(fresh),
        f"-L{libraries}", "-ltorch", "-ltorch_cpu", "-lc10", f"-L{CORE.parent}", f"-l:{CORE.name}",
        f"-Wl,-rpath,{CORE.parent}",
    ]  # fmt: skip
    print("supa.torch: building the extension, once (about half a minute)", file=sys.stderr, flush=True)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        first = "\n  ".join(line for line in done.stderr.splitlines() if "error" in line.lower())[:2000]
        raise BuildError(
            f"the torch extension did not compile (exit {done.returncode}): {shlex.join(command[:1])} says\n  {first}"
        )
    os.replace(fresh, target)
