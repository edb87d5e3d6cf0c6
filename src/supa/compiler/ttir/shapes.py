"""Rules of operations that make, reshape and combine whole tiles: shapes, dots, reductions, scans."""

from __future__ import annotations

from supa.compiler.ttir.conversion import RULES, Conversion, Rule, flag, integer, rule, text
from supa.compiler.ttir.structure import MlirOp
from supa.compiler.ttir.structuring import region_block
from supa.ir import ops
from supa.ir.core import Op

_PRECISIONS = {0: "tf32", 1: "tf32x3", 2: "ieee", 3: "bf16x3", 4: "bf16x6"}
_SCALED_FORMATS = {0: "e4m3", 1: "e5m2", 2: "e2m3", 3: "e3m2", 4: "e2m1", 5: "bf16", 6: "fp16"}


def _same(cls: type[Op], *keys: str) -> Rule:
    """The rule of an operation that is the tile IR's own but for its name; `keys` are integer attributes it keeps."""

    def convert(conversion: Conversion, op: MlirOp) -> None:
        conversion.emit(op, cls, conversion.operands(op), {key: integer(op, key) for key in keys})

    return convert


RULES.update(
    {
        "tt.get_program_id": _same(ops.ProgramId, "axis"),
        "tt.get_num_programs": _same(ops.NumPrograms, "axis"),
        "tt.make_range": _same(ops.Range, "start", "end"),
        "tt.splat": _same(ops.Splat),
        "tt.unsplat": _same(ops.Reshape),
        "tt.broadcast": _same(ops.Broadcast),
        "tt.expand_dims": _same(ops.ExpandDims, "axis"),
        "tt.join": _same(ops.Join),
        "tt.split": _same(ops.Split),
        "tt.cat": _same(ops.Cat),
        "tt.gather": _same(ops.Gather, "axis"),
    }
)


@rule("ttg.convert_layout")
def _keep(conversion: Conversion, op: MlirOp) -> None:
    """The same elements in other threads of a GPU."""
    conversion.bind(op, conversion.operands(op))


@rule("tt.reshape")
def _reshape(conversion: Conversion, op: MlirOp) -> None:
    conversion.emit(op, ops.Reshape, conversion.operands(op), {"reorder": flag(op, "allow_reorder")})


@rule("tt.trans")
def _transpose(conversion: Conversion, op: MlirOp) -> None:
    conversion.emit(op, ops.Transpose, conversion.operands(op), {"order": op.attributes["order"]})


@rule("tt.dot")
def _dot(conversion: Conversion, op: MlirOp) -> None:
    attributes = {
        "precision": text(conversion, op, _PRECISIONS, "inputPrecision", 2),
        "max_imprecise": integer(op, "maxNumImpreciseAcc"),
    }
    conversion.emit(op, ops.Dot, conversion.operands(op), attributes)


@rule("tt.dot_scaled")
def _dot_scaled(conversion: Conversion, op: MlirOp) -> None:
    left, right, accumulator, left_scale, right_scale = conversion.optional_operands(op)
    formats = [text(conversion, op, _SCALED_FORMATS, key, -1) for key in ("a_elem_type", "b_elem_type")]
    refused = [name for name in formats if name in ("e2m3", "e3m2")]
    if refused:
        conversion.refuse(op, f"tt.dot_scaled of {refused[0]} is not supported", "use e2m1, e4m3 or e5m2")
    attributes = {
        "left_format": formats[0],
        "right_format": formats[1],
        "left_k_pack": flag(op, "lhs_k_pack"),
        "right_k_pack": flag(op, "rhs_k_pack"),
        "fast_math": flag(op, "fastMath"),
    }
    conversion.emit(op, ops.DotScaled, (left, left_scale, right, right_scale, accumulator), attributes)


@rule("tt.reduce")
def _reduce(conversion: Conversion, op: MlirOp) -> None:
    combine = region_block(conversion, op, op.regions[0])
    conversion.emit(op, ops.Reduce, conversion.operands(op), {"axis": integer(op, "axis")}, [combine])


@rule("tt.scan")
def _scan(conversion: Conversion, op: MlirOp) -> None:
    combine = region_block(conversion, op, op.regions[0])
    attributes = {"axis": integer(op, "axis"), "reverse": flag(op, "reverse")}
    conversion.emit(op, ops.Scan, conversion.operands(op), attributes, [combine])


@rule("tt.map_elementwise")
def _map_elementwise(conversion: Conversion, op: MlirOp) -> None:
    body = region_block(conversion, op, op.regions[0])
    conversion.emit(op, ops.MapRegion, conversion.operands(op), {"pack": integer(op, "pack", 1)}, [body])


@rule("tt.histogram")
def _histogram(conversion: Conversion, op: MlirOp) -> None:
    source, *mask = conversion.operands(op)
    conversion.emit(op, ops.Histogram, (source, mask[0] if mask else None))
