"""LLVM text to a relocatable object for this host."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import llvmlite.binding as llvm

from supa.base.errors import CompileError
from supa.compiler.native.half import CONVERSIONS
from supa.compiler.native.host import Host, target_machine


@dataclass(frozen=True, kw_only=True)
class Built:
    """An ELF object, its assembly if asked for, and the seconds that parsing, optimising and emitting took."""

    object_code: bytes
    optimised: str
    assembly: str
    seconds: dict[str, float]


_PASSES = (
    "always_inliner",
    "sroa",
    "aggressive_dce",
    "instruction_combine",
    "simplify_cfg",
    "global_dead_code_eliminate",
)
"""What pays for its time: values are written once, at the loop level where they are known, and helpers say that they
are inlined, so that LLVM's level 2 only takes longer (docs/design/native.md)."""


def build(text: str, host: Host, *, listing: bool = False, inline: bool = False) -> Built:
    """Optimise and emit; `listing` also gives the optimised IR and the assembly.

    `inline`: functions are inlined by what they cost, and what this shows is simplified (LLVM's level 2).

    Raises `CompileError` for text that LLVM refuses.
    """
    machine = target_machine(host)
    marks = [time.perf_counter()]
    if "+f16c" not in host.features and "half" in text:
        text += CONVERSIONS
    try:
        module = llvm.parse_assembly(text)
        module.verify()  # the passes would abort the process on what it finds
    except RuntimeError as error:
        raise CompileError(
            f"supa made LLVM IR that is not valid, a defect of supa: {error}",
            hint="please report it with the kernel",
        ) from None
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    marks.append(time.perf_counter())
    _optimise(module, machine, inline)
    marks.append(time.perf_counter())
    object_code = machine.emit_object(module)
    marks.append(time.perf_counter())
    names = ("llvm.parse", "llvm.optimise", "llvm.emit")
    seconds = {name: later - earlier for name, earlier, later in zip(names, marks, marks[1:], strict=False)}
    return Built(
        object_code=object_code,
        optimised=str(module) if listing else "",
        assembly=machine.emit_assembly(module) if listing else "",
        seconds=seconds,
    )


def _optimise(module: Any, machine: Any, inline: bool) -> None:
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = False  # vectors are ours
    options.slp_vectorization = False
    options.loop_unrolling = False  # bodies are long already; it costs a third of the time here
    builder = llvm.create_pass_builder(machine, options)
    if inline:
        passes = builder.getModulePassManager()
    else:
        passes = llvm.create_new_module_pass_manager()
        for name in _PASSES:
            getattr(passes, f"add_{name}_pass")()
    passes.run(module, llvm.create_pass_builder(machine, options))
