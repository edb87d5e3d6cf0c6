"""Programs' machine code in this process: linked by LLVM's JIT linker, kept by content. Not here: compiling, calling.

LLVM's ORC linker takes 0.2 ms for an object where MCJIT takes 0.9 ms. Code pages are never writable and executable
at once. Symbols that an object does not define are looked up in the process (the C and math libraries).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from supa.base.errors import DeviceError
from supa.program.program import Program


@dataclass(frozen=True, kw_only=True)
class LoadedProgram:
    """A program with the addresses of its functions, valid as long as this lives."""

    program: Program
    entry_address: int
    work_address: int
    order_address: int  # 0: the program has none
    tracker: Any  # keeps the code in memory


_lock = threading.Lock()
_loaded: dict[tuple[bytes, str, str], LoadedProgram] = {}
_linker: list[Any] = []


def load(program: Program) -> LoadedProgram:
    """Bring a program's code into this process; the same object code is linked once.

    Raises `DeviceError` when the object does not link (another machine's code, a missing symbol).
    """
    key = (hashlib.blake2b(program.object_code, digest_size=16).digest(), program.entry_symbol, program.work_symbol)
    with _lock:
        known = _loaded.get(key)
        if known is None:
            known = _loaded[key] = _link(program, key[0].hex())
    if known.program is program:
        return known
    return replace(known, program=program)


def link(object_code: bytes, symbols: Sequence[str], name: str) -> Any:
    """Bring machine code into this process under a `name` of its own: addresses by symbol, valid as long as it lives.

    Raises `RuntimeError` (LLVM's) when the object is another machine's or needs a symbol that the process lacks.
    """
    import llvmlite.binding as llvm  # 0.2 s, which who only imports the device shall not pay

    if not _linker:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        machine = llvm.Target.from_default_triple().create_target_machine()
        # JITLink keeps a program's sections in one piece; the older linker may put them beyond 2 GiB of each other,
        # where a device's memory divides the address space, and then aborts the process.
        _linker.append(llvm.create_lljit_compiler(machine, use_jit_link=True))
    builder = llvm.JITLibraryBuilder().add_object_img(object_code).add_current_process()
    for symbol in symbols:
        builder.export_symbol(symbol)
    return builder.link(_linker[0], name)


def _link(program: Program, content: str) -> LoadedProgram:
    symbols = tuple(filter(None, (program.entry_symbol, program.work_symbol, program.order_symbol)))
    try:
        tracker = link(program.object_code, symbols, f"{'.'.join(symbols)}.{content}.{len(_loaded)}")
    except RuntimeError as error:
        raise DeviceError(
            f"the code of kernel {program.name!r} can not be loaded: {error}\n"
            "  it was compiled for another machine or by another version: clear the kernel cache"
        ) from None
    return LoadedProgram(
        program=program,
        entry_address=tracker[program.entry_symbol],
        work_address=tracker[program.work_symbol],
        order_address=tracker[program.order_symbol] if program.order_symbol else 0,
        tracker=tracker,
    )
