"""Writes the golden texts `*.mlir` from `kernels.py` with Triton's own front end (no GPU): `python make.py [name ...]`.

Not a test. `NAME.mlir` is what Triton's passes leave, `NAME.raw.mlir` what its front end emits. Both are MLIR's generic
form with locations, the file's folder stripped.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import kernels
from triton._C.libtriton import ir, passes
from triton.compiler import ASTSource
from triton.language.extra.cuda import libdevice

from supa.jit.triton_backend.generic_form import generic_text

FOLDER = Path(__file__).parent
OPTIONS = SimpleNamespace(
    num_warps=4,
    sanitize_overflow=False,
    debug=True,
    arch="none",
    supported_fp8_dtypes=("fp8e5", "fp8e4nv"),
    deprecated_fp8_dot_operand_dtypes=(),
    allowed_dot_input_precisions=("tf32", "tf32x3", "ieee", "bf16x3", "bf16x6"),
    default_dot_input_precision="tf32",
    max_num_imprecise_acc_default=0,
)


@dataclass(frozen=True, kw_only=True)
class Golden:
    """One text to make: the kernel, its arguments' types in order ("*fp32:16" is divisible by 16) and constants."""

    kernel: str
    types: str
    raw: bool = False
    constants: tuple[tuple[str, object], ...] = ()


def golden(kernel: str, types: str, raw: bool = False, **constants: object) -> Golden:
    return Golden(kernel=kernel, types=types, raw=raw, constants=tuple(constants.items()))


GOLDENS = {
    "vector_add": golden("vector_add", "*fp32:16 *fp32:16 *fp32:16 i32:16", BLOCK=1024),
    "vector_add.raw": golden("vector_add", "*fp32:16 *fp32:16 *fp32:16 i32:16", raw=True, BLOCK=1024),
    "softmax": golden("softmax", "*fp32:16 *fp32:16 i32:16 i32", BLOCK=1024),
    "matmul": golden("matmul", "*fp16:16 *fp16:16 *fp16:16 i32 i32 i32 i32:16 i32:16 i32:16",
                     BM=64, BN=64, BK=32, GROUP=8),
    "attention": golden("attention", "*fp16:16 *fp16:16 *fp16:16 *fp16:16 *fp32:16 fp32 i32:16 i32:16 i32",
                        D=64, BM=64, BN=64, CAUSAL=True),
    "attention.raw": golden("attention", "*fp16:16 *fp16:16 *fp16:16 *fp16:16 *fp32:16 fp32 i32:16 i32:16 i32",
                            raw=True, D=64, BM=64, BN=64, CAUSAL=True),
    "layer_norm_backward": golden("layer_norm_backward", "*fp16 *fp16 *fp32 *fp32 *fp16 *fp16 *fp32 *fp32 *i32 i32 i32",
                                  GROUP=64, BLOCK=512),
    "atomics": golden("atomics", "*i32 *u32 *fp32 *fp16 i32", BLOCK=128),
    "argmax": golden("argmax", "*fp32 *fp32 *i32 i32", BLOCK=128),
    "scans": golden("scans", "*fp32 *fp32 *fp32", N=128),
    "descriptors": golden("descriptors", "*fp16 *fp16 *fp16 *i32 i32 i32 i32", BM=64, BN=32, BK=64),
    "host_descriptor": golden("host_descriptor",
                              "tensordesc<fp16[16,64]> tensordesc<bf16[16,64]> tensordesc<u32[8,8]>"),
    "early_return": golden("early_return", "*fp32 *fp32 i32"),
    "collatz": golden("collatz", "*i64 *i32"),
    "sort": golden("sort", "*fp32 *fp32", N=16),
    "dropout": golden("dropout", "*fp32 *fp32 i32 fp32 i32", BLOCK=256),
    "scaled_dot": golden("scaled_dot", "*fp8e4nv *u8 *u8 *u8 *fp32", M=32, N=32, K=64),
    "inline_assembly": golden("inline_assembly", "*i32 *i32", N=64),
    "elementwise_map": golden("elementwise_map", "*i32 *i32 *i32", N=64),
    "nested_calls": golden("nested_calls", "*fp32 *fp32", N=64),
    "mathematics": golden("mathematics", "*fp32 *fp32 *bf16 *i32 i32", N=64),
    "shapes": golden("shapes", "*fp32 *fp32 *i32 i32", N=64),
    "loop_hints": golden("loop_hints", "*fp32 *fp32 i32", N=64),
    "nested_returns": golden("nested_returns", "*i32 *i32 i32"),
    "early_call": golden("early_call", "*i32 i32"),
    "while_pointers": golden("while_pointers", "*fp32 *fp32 i32", N=64),
    "block_pointers": golden("block_pointers", "*fp32:16 *fp32:16 i32 i32"),
    "block_pointers.raw": golden("block_pointers", "*fp32:16 *fp32:16 i32 i32", raw=True),
}  # fmt: skip


def build(golden: Golden) -> object:
    """The module that Triton's front end (and, unless raw, its TTIR passes) makes of a kernel."""
    function = getattr(kernels, golden.kernel)
    constants = dict(golden.constants)
    runtime_names = [name for name in function.arg_names if name not in constants]
    signature, attributes = dict.fromkeys(constants, "constexpr"), {}
    for name, text in zip(runtime_names, golden.types.split(), strict=True):
        signature[name], _, divisor = text.partition(":")
        if divisor:
            attributes[(function.arg_names.index(name),)] = [["tt.divisibility", int(divisor)]]
    ordered = {name: signature[name] for name in function.arg_names}
    context = ir.context()
    ir.load_dialects(context)
    source = ASTSource(function, ordered, constants, attributes)
    codegen = {"min_dot_size": lambda left, right: (1, 1, 1)}
    module = source.make_ir(None, OPTIONS, codegen, {"triton.language.extra.libdevice": libdevice}, context)
    if not golden.raw:
        run_passes(module)
    return module


def run_passes(module: object) -> None:
    """Triton's own target-independent pipeline."""
    manager = ir.pass_manager(module.context)
    passes.common.add_inliner(manager)
    if hasattr(passes.ttir, "add_rewrite_tensor_pointer"):
        passes.ttir.add_rewrite_tensor_pointer(manager)
    passes.common.add_canonicalizer(manager)
    passes.ttir.add_combine(manager)
    passes.ttir.add_reorder_broadcast(manager)
    passes.common.add_cse(manager)
    passes.ttir.add_triton_licm(manager)
    passes.common.add_symbol_dce(manager)
    passes.ttir.add_loop_unroll(manager)
    manager.run(module, "make_ttir")


def text_of(golden: Golden) -> str:
    """The generic form with the machine's folders stripped."""
    import triton

    text = generic_text(build(golden))
    for folder in (FOLDER, Path(triton.__file__).parent.parent):
        text = text.replace(f"{folder}/", "")
    return text


if __name__ == "__main__":
    for name in sys.argv[1:] or GOLDENS:
        (FOLDER / f"{name}.mlir").write_text(text_of(GOLDENS[name]))
        print(name)
