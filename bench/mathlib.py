"""The mathematics library: nanoseconds per f32 element beside PyTorch on one thread, milliseconds to compile."""

import ctypes
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import llvmlite.binding as llvm
import torch

from bench.clock import side_by_side
from bench.figure import Figure
from supa.compiler.native import mathlib
from supa.compiler.native.emitter import Emitter
from supa.compiler.native.host import detect, target_machine
from supa.runtime.loader import link

ELEMENTS, REPEATS = 4096, 50
HOT = ("exp", "exp2", "log", "log2", "rsqrt", "sin", "cos", "tanh", "erf")


@dataclass(frozen=True, kw_only=True)
class Native:
    """A compiled loop over one function, and what LLVM took to optimise it."""

    call: Any
    optimise_ms: float
    kept: Any


def loop_text(function: str | None) -> str:
    """A module that applies a function (None: copies) to an array of floats, one register at a time."""
    emitter, lanes = Emitter(), detect().lanes
    vector = f"<{lanes} x float>"
    made = "%x"
    if function is not None:
        made = "%y"
        call = f"  %y = call {vector} {mathlib.require(emitter, function, 'f32', lanes)}({vector} %x)\n"
    else:
        call = ""
    run = (
        "define void @run(ptr %a, ptr %o, i64 %count) {\nentry:\n  br label %loop\nloop:\n"
        "  %n = phi i64 [ 0, %entry ], [ %next, %loop ]\n  %p = getelementptr float, ptr %a, i64 %n\n"
        f"  %x = load {vector}, ptr %p, align 4\n{call}  %q = getelementptr float, ptr %o, i64 %n\n"
        f"  store {vector} {made}, ptr %q, align 4\n  %next = add i64 %n, {lanes}\n"
        "  %more = icmp ult i64 %next, %count\n  br i1 %more, label %loop, label %done\ndone:\n  ret void\n}\n"
    )
    return "\n".join([*sorted(emitter.declarations), *emitter.definitions.values(), run])


def optimised(text: str, machine: Any) -> tuple[Any, float]:
    """The module after LLVM's O2 pipeline, and the milliseconds that this took."""
    module = llvm.parse_assembly(text)
    start = time.perf_counter()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=2))
    builder.getModulePassManager().run(module, builder)
    return module, (time.perf_counter() - start) * 1e3


def native(function: str | None) -> Native:
    """The loop, ready to be called with two addresses and a count."""
    machine = target_machine(detect())
    text = loop_text(function)
    taken = statistics.median(optimised(text, machine)[1] for _ in range(5))
    tracker = link(machine.emit_object(optimised(text, machine)[0]), ["run"], f"mathlib.{function}")
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(tracker["run"])
    return Native(call=call, optimise_ms=taken, kept=tracker)


def figures() -> Iterator[Figure]:
    """For each hot function the ratio to PyTorch; the parts are both times and the cost of compiling it."""
    torch.set_num_threads(1)
    tensor = torch.empty(ELEMENTS).uniform_(0.1, 3.0, generator=torch.Generator().manual_seed(1))
    into = torch.empty_like(tensor)  # the same memory for both: alignment decides as much as the code
    empty_ms = native(None).optimise_ms
    for function in HOT:
        ours, theirs = native(function), getattr(torch, function)

        def run_ours(ours: Native = ours) -> None:
            for _ in range(REPEATS):
                ours.call(tensor.data_ptr(), into.data_ptr(), ELEMENTS)

        def run_theirs(theirs: Any = theirs) -> None:
            for _ in range(REPEATS):
                theirs(tensor, out=into)

        times = side_by_side({"ours": run_ours, "torch": run_theirs})
        per_element = {f"{name}_ns": taken / REPEATS / ELEMENTS * 1e9 for name, taken in times.items()}
        yield Figure(
            section="maths",
            name=f"{function}, torch CPU on one thread / ours",
            figure=times["torch"] / times["ours"],
            unit="times",
            bar=1.0,
            at_least=True,
            parts={**per_element, "optimise_ms": ours.optimise_ms - empty_ms},
        )
