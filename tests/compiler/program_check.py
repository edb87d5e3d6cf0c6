"""One seed is one random kernel and one way to compile it; both ways of running must leave the same memory. Not tests.

The oracle runs the kernel as it was generated, native code after the passes too. A seed also chooses the width of
the host, whether its tiles are turned, and how hard LLVM optimises: as in the product, or little, which is a different
and much faster check of the same text.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import random
from dataclasses import dataclass
from typing import Any
from unittest import mock

import amx_trap
import llvmlite.binding as llvm
from native_calls import Difference, Native, build_as_shipped, compare
from program_choices import Chooser
from program_generator import generate_program
from program_values import Program

from supa.compiler.native.half import CONVERSIONS
from supa.compiler.native.host import Host, detect
from supa.compiler.native.turned import with_turned_tiles
from supa.compiler.passes.descriptors import SpreadDescriptors
from supa.compiler.passes.pipeline import PIPELINE, simplify
from supa.compiler.passes.regions import SpreadRegions
from supa.compiler.work import WorkOptions, extract
from supa.ir import ops
from supa.ir.parser import parse_function
from supa.ir.text import print_function
from supa.ir.verify import verify

WIDTHS = (512, 512, 256, 128)
SIZES = ((1, 1), (1, 2), (2, 1), (2, 2), (2, 2), (3, 2), (4, 2), (6, 3), (8, 3))  # statements, depth of values
PERCENT_OPTIMISED = 12
NEEDED = (SpreadDescriptors(), SpreadRegions())  # what native code leaves to passes


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How one kernel is made and compiled."""

    vector_bits: int
    passes: bool
    optimised: bool
    statements: int
    depth: int = 3
    turned: bool = False  # every tile that can be
    amx: bool = False  # a kernel of products, on a host with AMX: it is carried out in software (`amx_trap`)

    @staticmethod
    def of(seed: int) -> Setting:
        """The setting of a seed; independent of the kernel's own decisions."""
        choose = random.Random(f"setting {seed}")
        statements, depth = choose.choice(SIZES)
        bits = choose.choice(WIDTHS)
        return Setting(
            vector_bits=bits,
            passes=choose.random() < 0.5,
            optimised=choose.random() * 100 < PERCENT_OPTIMISED,
            statements=statements,
            depth=depth,
            turned=choose.random() < 0.25,
            amx=choose.random() < 0.25 and bits == 512 and amx_trap.can_run(),
        )


def program_of(seed: int) -> Program:
    """The kernel of a seed."""
    setting = Setting.of(seed)
    return generate_program(Chooser(seed), setting.statements, setting.depth, setting.amx)


@functools.cache
def host_of(bits: int, amx: bool = False) -> Host:
    """This host, as if its vector registers had no more than `bits` and no launch's stores fitted its cache.

    With `amx` as if it had that, too: from here on this process carries its instructions out.
    """
    if amx:
        amx_trap.install()
    with mock.patch.dict(os.environ, SUPA_HOST_VECTOR_BITS=str(bits), SUPA_HOST_AMX="1" if amx else "0"):
        return dataclasses.replace(detect.__wrapped__(), cache_bytes=0)


@functools.cache
def _machine(host: Host) -> Any:
    """LLVM's generator at level 0, without the instruction selection that aborts on mask registers there."""
    llvm.set_option("random kernels", "-fast-isel=0")
    detect()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=host.cpu, features=host.features, opt=0, reloc="pic", codemodel="small", jit=False
    )


def build_quickly(text: str, host: Host) -> bytes:
    """The object with few optimisations, in about a third of the time of the product's."""
    machine = _machine(host)
    if "+f16c" not in host.features and "half" in text:
        text += CONVERSIONS
    module = llvm.parse_assembly(text)
    module.verify()
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.add_instruction_combine_pass()
    passes.add_simplify_cfg_pass()
    passes.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))
    return machine.emit_object(module)


def difference_of(func: ops.Func, target: ops.Func, program: Program, seed: int, setting: Setting) -> Difference | None:
    """Where memory differs after the oracle ran `func` and native code `target`, which the passes change here.

    Without passes both may be the same. Raises `UnsupportedError` for what native code refuses.
    """
    simplify(target, PIPELINE if setting.passes else NEEDED)
    verify(target)
    if setting.optimised:
        check_work(target)
    to_object = build_as_shipped if setting.optimised else build_quickly
    if setting.turned:
        target = with_turned_tiles(target, least=-(1 << 60))
        verify(target)
    native = Native(target, host_of(setting.vector_bits, setting.amx), to_object=to_object)
    return compare(func, native, program.grid, program.areas(seed))


def check_work(func: ops.Func) -> None:
    """The work of a kernel can be told, and LLVM takes its entry; what it says is not checked here."""
    work = extract(func, WorkOptions())
    llvm.parse_assembly(work.llvm).verify()


def check_seed(seed: int) -> Difference | None:
    """The difference that the kernel of a seed shows, None if there is none."""
    setting, program = Setting.of(seed), program_of(seed)
    target = program_of(seed).func if setting.passes else program.func
    return difference_of(program.func, target, program, seed, setting)


def check_text(text: str, program: Program, seed: int, setting: Setting) -> Difference | None:
    """The same for the text of a kernel with the grid and the arguments of `program`."""
    func, target = parse_function(text), parse_function(text)
    verify(func)
    return difference_of(func, target, program, seed, setting)


def text_of(seed: int) -> str:
    """The kernel of a seed as text."""
    return print_function(program_of(seed).func)
