"""AMX where the processor has none: its instructions are trapped and carried out (`amx_trap.cpp`). Not tests.

The real machine code of hosts with AMX runs, on any thread of this process, thousands of times slower than there.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from supa.compiler.native.host import Host, detect

SOURCE = Path(__file__).with_name("amx_trap.cpp")
KINDS = (
    "ldtilecfg", "sttilecfg", "tilerelease", "tilezero", "tileloadd", "tilestored",
    "tdpbf16ps", "tdpbssd", "tdpbsud", "tdpbusd", "tdpbuud",
)  # fmt: skip


@functools.cache
def can_run() -> bool:
    """Whether this processor runs all else that is in such code: vectors of 512 bits."""
    return detect.__wrapped__().vector_bits == 512


@functools.cache
def _library() -> Any:
    """The handler's library, compiled once in a process."""
    chosen = [os.environ["CXX"]] if "CXX" in os.environ else ["c++", "g++", "clang++"]
    command = next(parts for text in chosen if shutil.which((parts := shlex.split(text))[0]))
    folder = Path(tempfile.mkdtemp(prefix="supa-amx-"))
    try:
        made = folder / "amx_trap.so"
        flags = ["-O2", "-std=c++17", "-fPIC", "-shared", "-mavx512f", "-Wall", "-Wextra", "-Werror"]
        subprocess.run([*command, *flags, "-o", made, SOURCE], check=True)
        library = ctypes.CDLL(str(made))
    finally:
        shutil.rmtree(folder)
    for call in (library.amx_executed, library.amx_configured, library.amx_threads):
        call.restype = ctypes.c_int64
    return library


def executed() -> dict[str, int]:
    """How often instructions were carried out in this process so far, by name."""
    return {name: _library().amx_executed(kind) for kind, name in enumerate(KINDS)}


def configured_threads() -> int:
    """How many threads of the process have registers that are configured."""
    return int(_library().amx_configured())


def threads() -> int:
    """How many threads of the process ever carried an AMX instruction out."""
    return int(_library().amx_threads())


def install() -> None:
    """Carry AMX instructions out from now on; again, where faulthandler or a library has taken SIGILL since."""
    if _library().amx_install():
        raise OSError("the system refuses a handler of SIGILL")


@contextlib.contextmanager
def trapped() -> Iterator[None]:
    """A process that carries AMX instructions out, and a compiler (`detect`) that takes the host for one with AMX."""
    install()
    detect.cache_clear()
    try:
        with mock.patch.dict(os.environ, SUPA_HOST_AMX="1"):
            yield
    finally:
        detect.cache_clear()
        _library().amx_uninstall()


def host() -> Host:
    """This host, as if it had AMX."""
    with mock.patch.dict(os.environ, SUPA_HOST_AMX="1"):
        return detect.__wrapped__()
