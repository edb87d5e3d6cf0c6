"""The driver core's library and its C types (`core/supa_core.h`), as ctypes. Not here: what the calls mean."""

from __future__ import annotations

import ctypes
import hashlib
import os
from pathlib import Path
from typing import Any

from supa.base.errors import DeviceError

OK, OUT_OF_MEMORY, NOT_ALLOCATED, IN_USE = range(4)
STOPPED, FAULT, NO_HOST_MEMORY, INTERRUPTED, WORK_CHANGED = -1, -2, -3, -4, -5
ASSERT, PRINT = 0, 1

LIBRARY = Path(__file__).with_name("libsupa_core.so")
SOURCES = Path(__file__).with_name("core")
MAX_THREADS = 4096


class MemoryStatistics(ctypes.Structure):
    """`SupaMemory`."""

    _fields_ = tuple(
        (name, ctypes.c_int64)
        for name in (
            "capacity_bytes", "allocated_bytes", "cached_bytes", "peak_bytes", "largest_free_bytes",
            "live_count", "total_count",
        )
    )  # fmt: skip


class Place(ctypes.Structure):
    """`SupaPlace`: what lies at an address."""

    _fields_ = (
        ("region", ctypes.c_void_p),
        ("region_base", ctypes.c_uint64),
        ("start", ctypes.c_uint64),
        ("bytes", ctypes.c_int64),
        ("inside", ctypes.c_int32),
    )


class Report(ctypes.Structure):
    """`SupaReport`: one assert or print of a kernel."""

    _fields_ = (
        ("kind", ctypes.c_int32),
        ("message", ctypes.c_int32),
        ("block", ctypes.c_int64),
        ("count", ctypes.c_int64),
        ("values", ctypes.POINTER(ctypes.c_int64)),
    )


class Outcome(ctypes.Structure):
    """`SupaOutcome`: what a launch left behind."""

    _fields_ = (
        ("status", ctypes.c_int32),
        ("signal", ctypes.c_int32),
        ("fault_address", ctypes.c_uint64),
        ("fault_first", ctypes.c_int64),
        ("fault_last", ctypes.c_int64),
        ("report_count", ctypes.c_int64),
        ("reports_dropped", ctypes.c_int64),
        ("reports", ctypes.c_void_p),
    )


class Site(ctypes.Structure):
    """`SupaSite`."""

    _fields_ = tuple((name, ctypes.c_int32) for name in ("kind", "bytes", "extent", "flags"))


class Extent(ctypes.Structure):
    """`SupaExtent`."""

    _fields_ = (
        ("base", ctypes.c_uint64),
        ("bytes", ctypes.c_int64),
        ("group", ctypes.c_int32),
        ("freed", ctypes.c_int32),
        ("written_base", ctypes.c_uint64),
        ("written", ctypes.c_uint64),
    )


class Group(ctypes.Structure):
    """`SupaGroup`."""

    _fields_ = (("base", ctypes.c_uint64), ("bytes", ctypes.c_int64), ("cell_bytes", ctypes.c_int64))


class Finding(ctypes.Structure):
    """`SupaFinding`."""

    _fields_ = (
        ("site", ctypes.c_int32),
        ("problem", ctypes.c_int32),
        ("block", ctypes.c_int64),
        ("other", ctypes.c_int64),
        ("address", ctypes.c_uint64),
        ("element", ctypes.c_int64),
        ("count", ctypes.c_int64),
        ("extent", ctypes.c_int64),
    )


class Tally(ctypes.Structure):
    """`SupaTally`: launches that the core counted; both numbers only grow."""

    _fields_ = (("launches", ctypes.c_int64), ("host_ns", ctypes.c_int64))


_I32, _U32, _I64, _U64, _P = ctypes.c_int32, ctypes.c_uint32, ctypes.c_int64, ctypes.c_uint64, ctypes.c_void_p
_PROTOTYPES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "supa_arena_open": (_U64, (_I64,)),
    "supa_arena_close": (None, (_U64, _I64)),
    "supa_region_open": (_P, (_U64, _I64)),
    "supa_region_close": (_I32, (_P, _I32)),
    "supa_allocate": (_I32, (_P, _I64, _U32, _P)),
    "supa_free": (_I32, (_P, _U64)),
    "supa_release_cached": (None, (_P,)),
    "supa_memory": (None, (_P, _P)),
    "supa_reset_peak": (None, (_P,)),
    "supa_locate": (None, (_U64, _P)),
    "supa_kernel_open": (_P, (_P, _P, _P, _I64, _I32)),
    "supa_kernel_close": (None, (_P,)),
    "supa_outcome_open": (_P, ()),
    "supa_outcome_close": (None, (_P,)),
    "supa_launch": (_I64, (_P,)),
    "supa_report": (None, (_P, _I64, _P)),
    "supa_work": (_I64, (_P,)),
    "supa_work_write": (_I64, (_P, _P)),
    "supa_sanitizer_open": (_P, (_P, _I32, _P, _I32, _I32, _P, _I32, _I64, _I64)),
    "supa_sanitizer_close": (None, (_P,)),
    "supa_sanitizer_result": (_I64, (_P, _P)),
    "supa_sanitizer_finding": (None, (_P, _I64, _P)),
    "supa_mark_unwritten": (None, (_U64, _I64)),
    "supa_threads": (_I32, ()),
    "supa_set_threads": (None, (_I32,)),
}


def _load() -> ctypes.CDLL:
    _check_threads(os.environ.get("SUPA_NUM_THREADS", ""))
    try:
        library = ctypes.CDLL(str(LIBRARY))
    except OSError as error:
        raise DeviceError(
            f"the driver core {LIBRARY.name} can not be loaded from {LIBRARY.parent}: {error}\n"
            "  It is built when the package is installed: run `pip install -e .` in the source tree (needs C++17)."
        ) from None
    check_sources(library, SOURCES)
    for name, (result, arguments) in _PROTOTYPES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def check_sources(library: ctypes.CDLL, folder: Path) -> None:
    """`DeviceError` where the library was built from other sources than those in `folder`: after a pull, say, without a
    build. Its calls may mean something else then. Nothing is checked where there are no sources.
    """
    taken, found = hashlib.sha256(), False
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix in (".cpp", ".h"):  # as setup.py takes it
            taken.update(path.name.encode() + path.read_bytes())
            found = True
    built = getattr(library, "supa_core_sources", None)
    if built is not None:
        built.restype = _U64
    if found and (built is None or built() != int(taken.hexdigest()[:16], 16)):
        raise DeviceError(
            f"the driver core {LIBRARY.name} in {LIBRARY.parent} was built from other sources than those beside it\n"
            "  build it again: run `pip install -e .` in the source tree, or `make setup`"
        )


def _check_threads(text: str) -> None:
    if text and not (text.isdecimal() and 1 <= int(text) <= MAX_THREADS):
        raise DeviceError(f"SUPA_NUM_THREADS: expected a number from 1 to {MAX_THREADS}, found {text!r}")


core = _load()
"""The loaded library, its functions typed."""

launch_laid_out: Any = core["supa_launch"]
"""`supa_launch` of what `ctypes.byref` gives: without types of arguments, which take longer to convert than to pass."""
launch_laid_out.restype = ctypes.c_int64

RECORD: int = ctypes.cast(core.supa_record, ctypes.c_void_p).value or 0
"""Address of `supa_record`, the `report` of launches whose kernel has messages."""


def threads() -> int:
    """Host threads that a launch may use, the calling one included."""
    return int(core.supa_threads())


def set_threads(count: int) -> None:
    """Limit launches to `count` host threads (1 to 4096); by default `SUPA_NUM_THREADS`, else as many as
    `OMP_NUM_THREADS` grants other libraries, else all cores (of the process, of its container), and never more than
    torch takes, where it is loaded."""
    global _chosen
    _check_threads(str(count))
    _chosen = True
    core.supa_set_threads(count)


def threads_are_chosen() -> bool:
    """Whether somebody has said how many threads a launch may use: `SUPA_NUM_THREADS`, or a call of `set_threads`."""
    return _chosen or bool(os.environ.get("SUPA_NUM_THREADS"))


_chosen = False
