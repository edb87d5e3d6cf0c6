"""The C++ extension as Python calls it: loaded once, its C functions typed. Not here: what they mean to users."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

import torch

from supa.frameworks.torch.build import extension_path

_I32, _I64, _U64, _P = ctypes.c_int32, ctypes.c_int64, ctypes.c_uint64, ctypes.c_void_p


class DeviceFacts(ctypes.Structure):
    """`SupaTorchDevice`: memory, and what moving bytes costs in picoseconds."""

    _fields_ = (
        ("region", _P),
        ("base", _U64),
        ("capacity_bytes", _I64),
        ("bus_latency_ps", _I64),
        ("bus_ps_per_mib", _I64),
        ("bus_pageable_ps_per_mib", _I64),
        ("device_latency_ps", _I64),
        ("device_ps_per_mib", _I64),
        ("name", ctypes.c_char * 64),
    )


class Entry(ctypes.Structure):
    """`SupaTorchEntry`: what the host did in a row that costs device time."""

    _fields_ = (
        ("stream", _I64),
        ("kind", _I32),
        ("name", _I32),
        ("count", _I64),
        ("down_bytes", _I64),
        ("up_bytes", _I64),
        ("down_ps", _I64),
        ("up_ps", _I64),
        ("host_ns", _I64),
        ("asked_by", _I64),
    )


CALLBACKS = {
    "new_stream": ctypes.CFUNCTYPE(_I64, _I32, _I32),
    "new_event": ctypes.CFUNCTYPE(_I64, _I32),
    "forget_event": ctypes.CFUNCTYPE(None, _I64),
    "record": ctypes.CFUNCTYPE(None, _I32, _I64, _I64),
    "wait": ctypes.CFUNCTYPE(None, _I32, _I64, _I64),
    "event_passed": ctypes.CFUNCTYPE(_I32, _I64),
    "await_event": ctypes.CFUNCTYPE(None, _I64),
    "elapsed_ms": ctypes.CFUNCTYPE(ctypes.c_double, _I64, _I64),
    "stream_passed": ctypes.CFUNCTYPE(_I32, _I32, _I64),
    "await_stream": ctypes.CFUNCTYPE(None, _I32, _I64),
    "await_device": ctypes.CFUNCTYPE(None, _I32),
    "chosen": ctypes.CFUNCTYPE(None, _I32, _I64),
    "peer": ctypes.CFUNCTYPE(None, _I32, _I64, _I32, _I64, _I64, _I64),
    "profile": ctypes.CFUNCTYPE(None, _I32),
}
"""The members of `SupaTorchClock` in order."""


class ClockCalls(ctypes.Structure):
    """`SupaTorchClock`."""

    _fields_ = tuple(CALLBACKS.items())


_PROTOTYPES: dict[str, tuple[object, tuple[object, ...]]] = {
    "start": (None, (_P, _I32, _I32, _I32)),
    "register": (_I32, (ctypes.c_char_p, ctypes.c_char_p)),
    "may_learn": (_I32, ()),
    "learn": (None, (_P,)),
    "decline": (None, ()),
    "recipes": (_I64, ()),
    "clock": (None, (_P,)),
    "strict": (None, (_I32,)),
    "as_cuda": (_I32, ()),
    "forked": (_I32, ()),
    "span": (None, (_I32, _I32, _I64, _I64, _I64, _I32, ctypes.c_char_p)),
    "correlation": (_I64, ()),
    "limit": (None, (_I32, _I64)),
    "current_device": (_I32, ()),
    "current_stream": (_I64, (_I32,)),
    "pending": (_I64, (_I32,)),
    "take": (_I64, (_I32, _P, _I64)),
    "name": (ctypes.c_char_p, (_I32,)),
    "seed": (_U64, (_I32,)),
    "draw": (_U64, (_I32, _U64)),
}


@cache
def library() -> ctypes.PyDLL:
    """The loaded extension; builds it if need be. Its functions are named `supa_torch_...`.

    Raises `BuildError`.
    """
    path = extension_path(Path(torch.__file__).parent, torch.__version__)
    torch.ops.load_library(str(path))
    loaded = ctypes.PyDLL(str(path))  # the functions are short: keeping the interpreter's lock is cheaper
    for name, (result, arguments) in _PROTOTYPES.items():
        function = getattr(loaded, f"supa_torch_{name}")
        function.restype, function.argtypes = result, arguments
    return loaded
