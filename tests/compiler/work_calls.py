"""Calls a kernel's native work entry, and lists what the oracle's programs really touch. Not tests."""

from __future__ import annotations

import ctypes
import itertools
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from supa.compiler.native.host import detect, target_machine
from supa.compiler.passes.pipeline import simplify
from supa.compiler.ttir import read
from supa.compiler.work import WorkOptions, WorkResult, extract
from supa.ir import ops
from supa.ir.oracle import Memory, Strict, run
from supa.ir.oracle.access import Access as OracleAccess
from supa.ir.types import Pointer
from supa.program.abi import Launch
from supa.program.stream import Touch, decode, touch
from supa.program.work import Access
from supa.runtime.loader import link

FOLDER = Path(__file__).parent


def kernel(name: str, *, simplified: bool = False) -> ops.Func:
    """A kernel of `work/` or `ttir/` by its file's name, as it is read or as the passes leave it."""
    own = FOLDER / "work" / f"{name}.mlir"
    func = read((own if own.exists() else FOLDER / "ttir" / f"{name}.mlir").read_text())
    if simplified:
        simplify(func)
    return func


def slot(value: Any, type_: Any) -> int:
    """The 8-byte slot of one argument."""
    if isinstance(value, np.ndarray):
        return value.ctypes.data
    if not isinstance(type_, Pointer) and type_.is_float:
        return struct.unpack("<I", struct.pack("<f", value))[0]
    return int(value) & (1 << 64) - 1


_NUMBERS = itertools.count()


class Native:
    """A compiled work entry."""

    def __init__(self, func: ops.Func, result: WorkResult) -> None:
        self.func, self.result = func, result
        module = llvm.parse_assembly(result.llvm)
        module.verify()
        symbol = f"{func.sym_name}.work"
        self.tracker = link(target_machine(detect()).emit_object(module), [symbol], f"work.{next(_NUMBERS)}")
        pointer = ctypes.c_void_p
        make = ctypes.CFUNCTYPE(
            ctypes.c_int64, pointer, pointer, ctypes.c_int64, ctypes.c_int64, pointer, ctypes.c_int64
        )
        self.entry = make(self.tracker[symbol])

    def call(
        self, grid: Sequence[int], args: Sequence[Any], first: int, last: int, capacity: int
    ) -> tuple[int, np.ndarray]:
        """The entry's answer and the buffer, which is -77 where nothing was written."""
        types = [value.type for value in self.func.regions[0].args]
        slots = np.array([slot(a, t) for a, t in zip(args, types, strict=True)], np.uint64)
        launch = Launch()
        launch.grid[:] = (*grid, 1, 1)[:3]
        out = np.full(max(1, capacity), -77, np.int64)
        answer = self.entry(slots.ctypes.data, ctypes.addressof(launch), first, last, out.ctypes.data, capacity)
        return int(answer), out

    def stream(self, grid: Sequence[int], args: Sequence[Any]) -> np.ndarray:
        """All blocks' values."""
        blocks = int(np.prod(grid))
        needed, _ = self.call(grid, args, 0, blocks, 0)
        answer, out = self.call(grid, args, 0, blocks, -needed)
        assert answer == -needed == len(out) or needed == 0
        return out


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One memory operation of one program: where it is in the source and which addresses it touched."""

    place: str
    addresses: tuple[int, ...]


def streamed(func: ops.Func, grid: Sequence[int], args: Sequence[Any]) -> dict[int, list[tuple[Access, Touch]]]:
    """What the work says that each block touches, accesses of nothing left out."""
    result = extract(func, WorkOptions())
    blocks: dict[int, list[tuple[Access, Touch]]] = {block: [] for block in range(int(np.prod(grid)))}
    for block, step, values in decode(result.work, Native(func, result).stream(grid, args)):
        if isinstance(step, Access):
            touched = touch(step, values)
            if touched.elements:
                blocks[block].append((step, touched))
    return blocks


def executed(func: ops.Func, grid: Sequence[int], args: Sequence[Any], monkeypatch: Any) -> dict[int, list[Seen]]:
    """What each program touches when the oracle runs it, in order; an atomic's lanes are one operation."""
    blocks: dict[int, list[Seen]] = {block: [] for block in range(int(np.prod(grid)))}
    last: dict[int, Any] = {}
    load, store = OracleAccess.load, OracleAccess.store

    def note(place: Any, addresses: np.ndarray, lanes: np.ndarray, *, atomic: bool) -> None:
        touched = tuple(int(a) for a in addresses[lanes])
        seen = blocks[place.program]
        whole = atomic and last.get(place.program) is place and seen
        if whole:
            seen[-1] = Seen(place=seen[-1].place, addresses=seen[-1].addresses + touched)
        elif touched:
            seen.append(Seen(place=str(place.op.location), addresses=touched))
        last[place.program] = place

    def noted_load(self: Any, place: Any, addresses: Any, lanes: Any, *rest: Any, atomic: bool = False) -> Any:
        note(place, addresses, lanes, atomic=atomic)
        return load(self, place, addresses, lanes, *rest, atomic=atomic)

    def noted_store(self: Any, place: Any, addresses: Any, lanes: Any, data: Any, *, atomic: bool) -> Any:
        if not (atomic and last.get(place.program) is place):
            note(place, addresses, lanes, atomic=atomic)
        return store(self, place, addresses, lanes, data, atomic=atomic)

    monkeypatch.setattr(OracleAccess, "load", noted_load)
    monkeypatch.setattr(OracleAccess, "store", noted_store)
    memory = Memory()
    for number, arg in enumerate(args):
        if isinstance(arg, np.ndarray):
            memory.at(f"argument {number}", arg)
    values = [arg.ctypes.data if isinstance(arg, np.ndarray) else arg for arg in args]
    run(func, grid, values, memory, strict=Strict(races=False, alignment=False))
    return blocks
