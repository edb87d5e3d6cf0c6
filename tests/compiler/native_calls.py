"""Runs kernels natively and in the oracle on the same memory, and compares every byte. Not tests."""

from __future__ import annotations

import ctypes
import itertools
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from supa.base.dtypes import DType
from supa.compiler.native.build import build
from supa.compiler.native.generate import Rounding, generate
from supa.compiler.native.host import Host, detect
from supa.ir import ops
from supa.ir.oracle import Memory, Strict, run, to_float64
from supa.ir.types import Pointer
from supa.program.abi import READ, READ_ALONE, REPORT, Launch
from supa.runtime.loader import link

GUARD_BYTES = 256
_GUARD = 0x5B
_NUMBERS = itertools.count()


class Area:
    """Device memory of one argument: an array between guard zones, at one address for both ways of running."""

    def __init__(self, initial: np.ndarray) -> None:
        raw = np.full(initial.nbytes + 2 * GUARD_BYTES + 64, _GUARD, np.uint8)
        start = GUARD_BYTES + -(raw.ctypes.data + GUARD_BYTES) % 64
        self.raw, self.start, self.initial = raw, start, initial
        self.array = raw[start : start + initial.nbytes].view(initial.dtype).reshape(initial.shape)
        self.reset()

    def reset(self) -> None:
        """What the memory held at first."""
        self.raw[:] = _GUARD
        self.array[...] = self.initial

    @property
    def address(self) -> int:
        """Where the array begins."""
        return int(self.array.ctypes.data)

    def guards_are_whole(self) -> bool:
        """Whether nobody wrote beside the array."""
        end = self.start + self.array.nbytes
        return bool((self.raw[: self.start] == _GUARD).all() and (self.raw[end:] == _GUARD).all())


def build_as_shipped(text: str, host: Host) -> bytes:
    """The object that the product makes."""
    return build(text, host).object_code


@dataclass
class Native:
    """One kernel's machine code in this process."""

    func: ops.Func
    host: Host = field(default_factory=detect)
    rounding: Rounding = field(default_factory=Rounding)
    to_object: Callable[[str, Host], bytes] = build_as_shipped

    def __post_init__(self) -> None:
        self.module = generate(self.func, self.host, self.rounding)
        object_code = self.to_object(self.module.text, self.host)
        number = next(_NUMBERS)
        self.read = READ(lambda _, what: number % 2 if what == READ_ALONE else 0)
        self.tracker = link(object_code, [self.module.symbol], f"differential.{number}")
        make = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
        self.entry = make(self.tracker[self.module.symbol])

    def __call__(self, grid: Sequence[int], args: Sequence[Any]) -> None:
        """Run all blocks of a grid, in order."""
        slots = np.zeros(max(1, len(args)), np.uint64)
        for index, (arg, value) in enumerate(zip(args, self.func.regions[0].args, strict=True)):
            slots[index] = slot(arg, value.type)
        launch = Launch()
        launch.grid[:] = (*grid, 1, 1)[:3]
        launch.report = REPORT(lambda *_: None)
        launch.read = self.read  # every other kernel is told that no other thread runs any
        order = np.arange(int(np.prod(grid)), dtype=np.int32)
        launch.order = order.ctypes.data  # blocks of these kernels may race: the grid's own order, but looked up
        scratch = np.full(self.module.scratch_bytes + 64, 0xA5, np.uint8)
        at = scratch.ctypes.data + -scratch.ctypes.data % 64
        self.entry(slots.ctypes.data, ctypes.addressof(launch), 0, int(np.prod(grid)), at)


def slot(arg: Any, type_: Any) -> int:
    """The 8-byte slot of one argument; floats are given as numbers."""
    if isinstance(arg, Area):
        return arg.address
    if isinstance(type_, DType) and type_.is_float:
        form, code = {"f16": ("<e", "<H"), "f32": ("<f", "<I"), "f64": ("<d", "<Q")}[type_.name]
        return int(struct.unpack(code, struct.pack(form, arg))[0])
    bits = 64 if isinstance(type_, Pointer) else type_.bits
    return int(arg) & ((1 << bits) - 1)


@dataclass(frozen=True)
class Difference:
    """The first element of an argument in which the two ways of running differ."""

    argument: int
    element: int
    native: Any
    oracle: Any
    count: int
    reason: str = ""

    def __str__(self) -> str:
        if self.reason:
            return f"argument {self.argument}: {self.reason}"
        return (
            f"argument {self.argument} differs in {self.count} elements, first {self.element}:"
            f" native {self.native!r}, oracle {self.oracle!r}"
        )


def compare(
    func: ops.Func, native: Native, grid: Sequence[int], args: Sequence[Any], tolerance: float = 0.0
) -> Difference | None:
    """Run natively and in the oracle, at the same addresses; None where all memory ends equal.

    `args` holds an `Area` for each pointer. Floats are equal if their bits are, or if both are NaN, or if they differ
    by no more than `tolerance` times the larger of 1 and the oracle's.
    """
    areas = [(index, arg) for index, arg in enumerate(args) if isinstance(arg, Area)]
    for _, area in areas:
        area.reset()
    native(grid, args)
    found = [area.array.copy() for _, area in areas]
    broken = [index for index, area in areas if not area.guards_are_whole()]
    if broken:
        return Difference(broken[0], 0, None, None, 0, "native code wrote outside")
    oracle(func, grid, args)
    for (index, area), array in zip(areas, found, strict=True):
        pointee = func.regions[0].args[index].type.pointee
        difference = _difference(index, array, area.array, pointee, tolerance)
        if difference is not None:
            return difference
    return None


def oracle(func: ops.Func, grid: Sequence[int], args: Sequence[Any]) -> None:
    """Run in the oracle, in place."""
    memory = Memory()
    for index, arg in enumerate(args):
        if isinstance(arg, Area):
            arg.reset()
            memory.at(f"argument {index}", arg.array)
    bound = [arg.address if isinstance(arg, Area) else arg for arg in args]
    run(func, grid, bound, memory, strict=Strict(races=False, unspecified="zero", uninitialised=False))


def _difference(
    index: int, native: np.ndarray, expected: np.ndarray, element: Any, tolerance: float
) -> Difference | None:
    native, expected = native.reshape(-1), expected.reshape(-1)
    raw = f"u{native.dtype.itemsize}"
    same = native.view(raw) == expected.view(raw)
    if isinstance(element, DType) and element.is_float:
        found, wanted = to_float64(native, element), to_float64(expected, element)
        same |= np.isnan(found) & np.isnan(wanted)
        if tolerance:
            with np.errstate(invalid="ignore"):
                same |= np.abs(found - wanted) <= tolerance * np.maximum(1.0, np.abs(wanted))
    if same.all():
        return None
    at = int(np.argmin(same))
    return Difference(index, at, native[at], expected[at], int((~same).sum()))
