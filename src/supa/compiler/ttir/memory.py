"""Rules of memory and effects: loads, stores, atomics, tensor descriptors, barriers, prints, asserts."""

from __future__ import annotations

from supa.compiler.ttir.conversion import Conversion, flag, rule, text
from supa.compiler.ttir.structure import MlirOp
from supa.ir import ops

_CACHES = {1: "", 2: "ca", 3: "cg", 4: "wb", 5: "cs", 6: "wt", 7: "cv"}
_EVICTIONS = {1: "", 2: "evict_first", 3: "evict_last"}
_ATOMIC_KINDS = {
    1: "and", 2: "or", 3: "xor", 4: "add", 5: "fadd", 6: "smax", 7: "smin", 8: "umax", 9: "umin", 10: "xchg",
}  # fmt: skip
_ORDERS = {1: "relaxed", 2: "acquire", 3: "release", 4: "acq_rel"}
_SCOPES = {1: "gpu", 2: "cta", 3: "sys"}
_PADDINGS = {1: "zero", 2: "nan"}
_REDUCTIONS = {1: "add", 2: "min", 3: "max", 4: "inc", 5: "dec", 6: "and", 7: "or", 8: "xor"}


def _cache(conversion: Conversion, op: MlirOp) -> dict[str, str]:
    return {
        "cache": text(conversion, op, _CACHES, "cache", 1),
        "eviction": text(conversion, op, _EVICTIONS, "evict", 1),
    }


def _order(conversion: Conversion, op: MlirOp) -> dict[str, str]:
    return {"order": text(conversion, op, _ORDERS, "sem", 4), "scope": text(conversion, op, _SCOPES, "scope", 1)}


@rule("tt.addptr")
def _address(conversion: Conversion, op: MlirOp) -> None:
    conversion.emit(op, ops.AddPtr, conversion.operands(op))


@rule("tt.load")
def _load(conversion: Conversion, op: MlirOp) -> None:
    attributes = {**_cache(conversion, op), "volatile": flag(op, "isVolatile")}
    conversion.emit(op, ops.Load, conversion.optional_operands(op), attributes)


@rule("tt.store")
def _store(conversion: Conversion, op: MlirOp) -> None:
    conversion.emit(op, ops.Store, conversion.operands(op), _cache(conversion, op))


@rule("tt.atomic_rmw")
def _atomic(conversion: Conversion, op: MlirOp) -> None:
    kind = text(conversion, op, _ATOMIC_KINDS, "atomic_rmw_op", -1)
    conversion.emit(op, ops.AtomicRmw, conversion.operands(op), {"kind": kind, **_order(conversion, op)})


@rule("tt.atomic_cas")
def _compare_and_swap(conversion: Conversion, op: MlirOp) -> None:
    conversion.emit(op, ops.AtomicCas, conversion.operands(op), _order(conversion, op))


@rule("tt.make_tensor_descriptor")
def _make_descriptor(conversion: Conversion, op: MlirOp) -> None:
    padding = text(conversion, op, _PADDINGS, "padding", 1)
    conversion.emit(op, ops.MakeDescriptor, conversion.operands(op), {"padding": padding})


@rule("tt.descriptor_load")
def _descriptor_load(conversion: Conversion, op: MlirOp) -> None:
    conversion.emit(op, ops.DescriptorLoad, conversion.operands(op), _cache(conversion, op))


@rule("tt.descriptor_store")
def _descriptor_store(conversion: Conversion, op: MlirOp) -> None:
    conversion.emit(op, ops.DescriptorStore, conversion.operands(op))


@rule("tt.descriptor_reduce")
def _descriptor_reduce(conversion: Conversion, op: MlirOp) -> None:
    kind = text(conversion, op, _REDUCTIONS, "kind", -1)
    conversion.emit(op, ops.DescriptorReduce, conversion.operands(op), {"kind": kind})


@rule("tt.descriptor_gather")
def _descriptor_gather(conversion: Conversion, op: MlirOp) -> None:
    conversion.emit(op, ops.DescriptorGather, conversion.operands(op))


@rule("tt.descriptor_scatter")
def _descriptor_scatter(conversion: Conversion, op: MlirOp) -> None:
    descriptor, rows, column, value = conversion.operands(op)
    conversion.emit(op, ops.DescriptorScatter, (descriptor, value, rows, column))


@rule("ttg.barrier", "gpu.barrier")
def _barrier(conversion: Conversion, op: MlirOp) -> None:
    conversion.emit(op, ops.Barrier, ())


@rule("tt.assert")
def _assert(conversion: Conversion, op: MlirOp) -> None:
    conversion.emit(op, ops.Assert, conversion.operands(op), {"message": op.attributes["message"]})


@rule("tt.print")
def _print(conversion: Conversion, op: MlirOp) -> None:
    signs = op.attributes.get("isSigned", ())
    assert isinstance(signs, tuple)
    attributes = {
        "prefix": op.attributes["prefix"],
        "hexadecimal": flag(op, "hex"),
        "signed": tuple(bool(sign) for sign in signs),
    }
    conversion.emit(op, ops.Print, conversion.operands(op), attributes)


@rule("llvm.intr.assume")
def _assume(conversion: Conversion, op: MlirOp) -> None:
    """A promise to the optimiser: nothing is done with it."""
