"""Square blocks of 32-bit units transposed in registers, on the way into panels. Not here: the panels (`operands`)."""

from __future__ import annotations

from supa.compiler.native.emitter import Emitter
from supa.compiler.native.kernels import KernelSpec


def transpose_block(spec: KernelSpec, n: int, units: int) -> int:
    """Side of the square blocks of 32-bit units in which a right operand is transposed; 0 where it can not be."""
    if not spec.has_units_of_32_bits:
        return 0
    block = min(spec.lanes, units, n)
    return block if block >= 4 else 0


def require_transpose(emitter: Emitter, side: int) -> str:
    """A function that transposes a side x side block of 32-bit units: (source, row stride, target, row stride)."""
    name = f"@supa.transpose.{side}"
    if name in emitter.definitions:
        return name
    type_ = f"<{side} x i32>"
    text = [f"define internal void {name}(ptr noalias %s, i64 %ss, ptr noalias %t, i64 %ts) noinline {{"]
    rows = []
    for row in range(side):
        text += [
            f"  %so{row} = mul i64 %ss, {row}",
            f"  %sp{row} = getelementptr i32, ptr %s, i64 %so{row}",
            f"  %r0.{row} = load {type_}, ptr %sp{row}, align 4",
        ]
        rows.append(f"%r0.{row}")
    distance, stage = side // 2, 1
    while distance:
        made = list(rows)
        for row in range(side):
            if row & distance:
                continue
            other = row + distance
            # Lanes without the bit stay; lanes with it swap between the two rows: Eklundh's algorithm.
            low = [lane if not lane & distance else side + lane - distance for lane in range(side)]
            high = [lane + distance if not lane & distance else side + lane for lane in range(side)]
            for target, order in ((row, low), (other, high)):
                mask = ", ".join(f"i32 {lane}" for lane in order)
                made[target] = f"%r{stage}.{target}"
                both = f"{type_} {rows[row]}, {type_} {rows[other]}"
                text.append(f"  {made[target]} = shufflevector {both}, <{side} x i32> <{mask}>")
        rows, distance, stage = made, distance // 2, stage + 1
    for row in range(side):
        text += [
            f"  %to{row} = mul i64 %ts, {row}",
            f"  %tp{row} = getelementptr i32, ptr %t, i64 %to{row}",
            f"  store {type_} {rows[row]}, ptr %tp{row}, align 4",
        ]
    emitter.definitions[name] = "\n".join([*text, "  ret void", "}\n"])
    return name
