"""From the text of a kernel to a `Program`, stage by named stage. Not here: what any stage does."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from supa.base.errors import UnsupportedError
from supa.compiler import ttir
from supa.compiler.native.build import Built, build
from supa.compiler.native.generate import NativeModule, generate
from supa.compiler.options import Options
from supa.compiler.passes.pipeline import simplify
from supa.compiler.recursion import deep_recursion
from supa.compiler.work import WorkResult, extract
from supa.ir import ops
from supa.ir.types import Pointer, element_of
from supa.ir.verify import verify
from supa.program.program import Argument, Program


@dataclass(frozen=True, kw_only=True)
class Compilation:
    """Everything that the stages made of one kernel, for whoever wants to look (`supa dump`, tests)."""

    func: ops.Func
    native: NativeModule
    work: WorkResult
    module: str
    built: Built
    program: Program


def compile(text: str, options: Options) -> Program:
    """The program of one kernel, given as TTIR in MLIR's generic form.

    Raises `UnsupportedError` for what can not be compiled yet, `CompileError` for text that is not understood; both
    name the user's file and line.
    """
    return compile_all(text, options).program


def compile_all(text: str, options: Options, *, listing: bool = False) -> Compilation:
    """Like `compile`, keeping what every stage made; `listing` adds optimised LLVM IR and assembly."""
    with _no_collection(), deep_recursion():
        return _compile(text, options, listing)


def _compile(text: str, options: Options, listing: bool) -> Compilation:
    seconds: dict[str, float] = {}
    with _timed(seconds, "read"):
        func = ttir.read(text)
    with _timed(seconds, "passes"):
        simplify(func)
    with _timed(seconds, "verify"):
        verify(func)
    with _timed(seconds, "work"):
        work = extract(func, options.work)
    with _timed(seconds, "native"):
        try:
            native = generate(func, options.host, options.rounding, options.sanitize)
        except UnsupportedError as error:
            raise _located(error, func) from None
    module = _join(native.text, work.llvm, native.order)
    built = build(module, options.host, listing=listing, inline=bool(options.sanitize))
    seconds.update(built.seconds)
    arguments = tuple(
        Argument(name=name, type="ptr" if isinstance(element_of(value.type), Pointer) else str(value.type))
        for name, value in zip(_argument_names(func), func.regions[0].args, strict=True)
    )
    program = Program(
        name=func.sym_name,
        arguments=arguments,
        object_code=built.object_code,
        entry_symbol=native.symbol,
        work_symbol=f"{func.sym_name}.work",
        scratch_bytes=native.scratch_bytes,
        work=work.work,
        resources=work.resources,
        order_symbol=f"{func.sym_name}.order" if native.order else "",
        waits=native.waits,
        messages=native.messages,
        sites=native.sites,
        compile_seconds=seconds,
    )
    return Compilation(func=func, native=native, work=work, module=module, built=built, program=program)


@contextmanager
def _no_collection() -> Iterator[None]:
    """The stages make many objects that live to the end: collecting garbage among them takes longer than they do."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - start


def _located(error: UnsupportedError, func: ops.Func) -> UnsupportedError:
    """The error with at least the kernel's own line."""
    if error.location.file:
        return error
    return UnsupportedError(f"{error.what} (in kernel {func.sym_name!r})", func.location, error.hint)


def _argument_names(func: ops.Func) -> list[str]:
    names = list(func.arg_names)
    return names + [f"arg{index}" for index in range(len(names), len(func.regions[0].args))]


def _join(*texts: str) -> str:
    """One module of several texts: each declaration once, and none of what is defined."""
    bodies: list[str] = []
    declarations: dict[str, None] = {}
    for text in texts:
        body, found, rest = f"\n{text}".partition("\ndeclare ")  # few lines, as a rule the last
        lines = (found[1:] + rest).split("\n")
        bodies += [body, *(line for line in lines if not line.startswith("declare "))]
        declarations.update(dict.fromkeys(line for line in lines if line.startswith("declare ")))
    return "\n".join([*bodies, *declarations]) + "\n"
