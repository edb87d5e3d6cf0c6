"""Micro-kernels of tile products as LLVM text: sums of a register tile stay in registers over the whole k loop.

Not here: where operands come from (`dot`). A kernel reads the left operand by strides and the right one from panels.
"""

from __future__ import annotations

from dataclasses import dataclass

from supa.base.dtypes import BF16, F32, F64, I8, I16, I32, DType
from supa.compiler.native.emitter import Emitter, llvm_bytes
from supa.compiler.native.lanes import suffix

_LLVM = {F32: "float", F64: "double", I32: "i32", I16: "i32", I8: "i32", BF16: "i32"}


_MOST_PANEL_BYTES = 16 << 10  # with the sums and the rows of a register tile beside it in the nearest cache
_MOST_TURNS = 4


@dataclass(frozen=True, kw_only=True)
class KernelSpec:
    """One kernel: operands of `input_type`, sums of `sum_type`, `vectors` vectors of `lanes` columns at a time."""

    input_type: DType
    sum_type: DType
    lanes: int
    vectors: int
    wide: bool  # 32 vector registers rather than 16

    @property
    def columns(self) -> int:
        """Columns of a panel."""
        return self.lanes * self.vectors

    @property
    def per_step(self) -> int:
        """Values of k that one step takes."""
        return 4 if self.input_type is I8 else 2 if self.input_type in (BF16, I16) else 1

    @property
    def most_rows(self) -> int:
        """Rows of a full register tile."""
        return 8 if self.wide else 4


def specify(input_type: DType, sum_type: DType, n: int, width: int) -> KernelSpec:
    """The kernel for n columns on a host with vectors of `width` lanes."""
    lanes = min(width, n)
    wide = width * sum_type.bytes >= 64
    return KernelSpec(
        input_type=input_type, sum_type=sum_type, lanes=lanes, vectors=2 if n >= 2 * lanes else 1, wide=wide
    )


def turns_at_once(spec: KernelSpec, k: int) -> int:
    """How many turns of a loop, of depth k each, one call may take: sums are then fetched and put back less often."""
    turns = min(_MOST_TURNS, _MOST_PANEL_BYTES // (k * spec.columns * spec.input_type.bytes))
    return 1 << (turns.bit_length() - 1) if turns > 1 else 1


def require(emitter: Emitter, spec: KernelSpec, m: int) -> str:
    """The name of the kernel, defined on first use; `m` bounds the rows of its register tile."""
    rows = min(spec.most_rows, m)
    name = f"@supa.dot.{spec.input_type}.{rows}x{spec.vectors}x{spec.lanes}"
    if name not in emitter.definitions:
        emitter.definitions[name] = _kernel_text(emitter, spec, rows, name)
    return name


def _step(emitter: Emitter, spec: KernelSpec, total: str, left: str, right: str, name: str) -> list[str]:
    """name = total + left * right, on vectors."""
    lanes = spec.lanes
    type_ = f"<{lanes} x {'float' if spec.input_type is BF16 else _LLVM[spec.input_type]}>"
    if spec.input_type is BF16:
        half = f"<{2 * lanes} x bfloat>"
        intrinsic = f"@llvm.x86.avx512bf16.dpbf16ps.{32 * lanes}"
        emitter.declare(f"declare {type_} {intrinsic}({type_}, {half}, {half})")
        return [
            f"  {name}.l = bitcast <{lanes} x i32> {left} to {half}",
            f"  {name}.r = bitcast <{lanes} x i32> {right} to {half}",
            f"  {name} = call {type_} {intrinsic}({type_} {total}, {half} {name}.l, {half} {name}.r)",
        ]
    if spec.input_type is I16:
        half = f"<{2 * lanes} x i16>"
        intrinsic = {16: "@llvm.x86.avx512.pmaddw.d.512", 8: "@llvm.x86.avx2.pmadd.wd", 4: "@llvm.x86.sse2.pmadd.wd"}[
            lanes
        ]
        emitter.declare(f"declare {type_} {intrinsic}({half}, {half})")
        return [
            f"  {name}.l = bitcast {type_} {left} to {half}",
            f"  {name}.r = bitcast {type_} {right} to {half}",
            f"  {name}.p = call {type_} {intrinsic}({half} {name}.l, {half} {name}.r)",
            f"  {name} = add {type_} {total}, {name}.p",
        ]
    if spec.input_type is I8:
        intrinsic = f"@llvm.x86.avx512.vpdpbusd.{32 * lanes}"
        emitter.declare(f"declare {type_} {intrinsic}({type_}, {type_}, {type_})")
        return [f"  {name} = call {type_} {intrinsic}({type_} {total}, {type_} {left}, {type_} {right})"]
    if spec.input_type is I32:
        return [f"  {name}.p = mul {type_} {left}, {right}", f"  {name} = add {type_} {total}, {name}.p"]
    emitter.declare(f"declare {type_} @llvm.fma.{suffix(type_)}({type_}, {type_}, {type_})")
    return [f"  {name} = call {type_} @llvm.fma.{suffix(type_)}({type_} {left}, {type_} {right}, {type_} {total})"]


def _kernel_text(emitter: Emitter, spec: KernelSpec, rows: int, name: str) -> str:
    """for each panel, for each group of rows: sums in registers over k."""
    unit = _LLVM[spec.input_type]
    sums = {F32: "float", F64: "double", I32: "i32"}[spec.sum_type]
    lanes, vectors = spec.lanes, spec.vectors
    unit_vector, sum_vector = f"<{lanes} x {unit}>", f"<{lanes} x {sums}>"
    unit_bytes, sum_bytes = llvm_bytes(unit), llvm_bytes(sums)
    tile = [(row, part) for row in range(rows) for part in range(vectors)]
    text = [
        f"define internal void {name}(ptr noalias %a, i64 %am, i64 %ak, ptr noalias %b, ptr noalias %c, i64 %m, i64 %n,"
        f" i64 %k, i64 %panel.steps, i1 %zero) noinline {{",
        "entry:",
        f"  %cm = mul i64 %n, {sum_bytes}",
        "  br label %panel",
        "panel:",
        "  %j = phi i64 [ 0, %entry ], [ %j.next, %panel.next ]",
        "  %panel.start = mul i64 %j, %panel.steps",
        f"  %panel.at = getelementptr {unit}, ptr %b, i64 %panel.start",
        *(_excess(emitter, spec) if spec.input_type is I8 else ["  br label %ranges", "ranges:"]),
        "  br label %group",
        "group:",
        "  %i = phi i64 [ 0, %ranges ], [ %i.next, %group.next ]",
        "  %row.bytes = mul i64 %i, %am",
        "  %a.start = getelementptr i8, ptr %a, i64 %row.bytes",
        "  %c.row = mul i64 %i, %cm",
        f"  %c.column = mul i64 %j, {sum_bytes}",
        "  %c.offset = add i64 %c.row, %c.column",
        "  %c.start = getelementptr i8, ptr %c, i64 %c.offset",
    ]
    for row in range(rows):
        text += [f"  %ro{row} = mul i64 %am, {row}", f"  %co{row} = mul i64 %cm, {row}"]
        text += [f"  %cr{row} = getelementptr i8, ptr %c.start, i64 %co{row}"]
        text += [f"  %c{row}.{part} = getelementptr {sum_vector}, ptr %cr{row}, i64 {part}" for part in range(vectors)]
    text += ["  br i1 %zero, label %ready, label %fetch", "fetch:"]
    text += [f"  %f{row}.{part} = load {sum_vector}, ptr %c{row}.{part}, align {sum_bytes}" for row, part in tile]
    text += ["  br label %ready", "ready:"]
    text += [
        f"  %s{row}.{part} = phi {sum_vector} [ zeroinitializer, %group ], [ %f{row}.{part}, %fetch ]"
        for row, part in tile
    ]
    start = "s"
    if spec.input_type is I8:
        start = "e"
        text += [f"  %e{row}.{part} = sub {sum_vector} %s{row}.{part}, %x{part}" for row, part in tile]
    text += ["  br label %step", "step:", "  %p = phi i64 [ 0, %ready ], [ %p.next, %step ]"]
    text += ["  %a.at = phi ptr [ %a.start, %ready ], [ %a.next, %step ]"]
    text += ["  %b.at = phi ptr [ %panel.at, %ready ], [ %b.next, %step ]"]
    text += [
        f"  %t{row}.{part} = phi {sum_vector} [ %{start}{row}.{part}, %ready ], [ %n{row}.{part}, %step ]"
        for row, part in tile
    ]
    for part in range(vectors):
        text.append(f"  %bp{part} = getelementptr {unit_vector}, ptr %b.at, i64 {part}")
        text.append(f"  %bv{part} = load {unit_vector}, ptr %bp{part}, align {unit_bytes}")
    for row in range(rows):
        text += [
            f"  %ap{row} = getelementptr i8, ptr %a.at, i64 %ro{row}",
            f"  %as{row} = load {unit}, ptr %ap{row}, align {min(unit_bytes, spec.input_type.bytes)}",
            f"  %ai{row} = insertelement {unit_vector} poison, {unit} %as{row}, i64 0",
            f"  %av{row} = shufflevector {unit_vector} %ai{row}, {unit_vector} poison, <{lanes} x i32> zeroinitializer",
        ]
        for part in range(vectors):
            text += _step(emitter, spec, f"%t{row}.{part}", f"%av{row}", f"%bv{part}", f"%n{row}.{part}")
    text += [
        "  %a.next = getelementptr i8, ptr %a.at, i64 %ak",
        f"  %b.next = getelementptr {unit}, ptr %b.at, i64 {spec.columns}",
        "  %p.next = add nuw nsw i64 %p, 1",
        "  %p.more = icmp slt i64 %p.next, %k",
        "  br i1 %p.more, label %step, label %write",
        "write:",
    ]
    text += [f"  store {sum_vector} %n{row}.{part}, ptr %c{row}.{part}, align {sum_bytes}" for row, part in tile]
    text += [
        "  br label %group.next",
        "group.next:",
        f"  %i.next = add nuw nsw i64 %i, {rows}",
        "  %i.more = icmp slt i64 %i.next, %m",
        "  br i1 %i.more, label %group, label %panel.next",
        "panel.next:",
        f"  %j.next = add nuw nsw i64 %j, {spec.columns}",
        "  %j.more = icmp slt i64 %j.next, %n",
        "  br i1 %j.more, label %panel, label %end",
        "end:",
        "  ret void",
        "}\n",
    ]
    return "\n".join(text)


def _excess(emitter: Emitter, spec: KernelSpec) -> list[str]:
    """128 times the sums of a panel's columns: what they get too much, as the left operand is 128 too large."""
    type_, parts = f"<{spec.lanes} x i32>", range(spec.vectors)
    text = ["  br label %sum", "sum:", "  %q = phi i64 [ 0, %panel ], [ %q.next, %sum ]"]
    text.append("  %q.at = phi ptr [ %panel.at, %panel ], [ %q.after, %sum ]")
    text += [f"  %y{part} = phi {type_} [ zeroinitializer, %panel ], [ %x{part}, %sum ]" for part in parts]
    for part in parts:
        text.append(f"  %qp{part} = getelementptr {type_}, ptr %q.at, i64 {part}")
        text.append(f"  %qv{part} = load {type_}, ptr %qp{part}, align 4")
        text += _step(emitter, spec, f"%y{part}", "splat (i32 -2139062144)", f"%qv{part}", f"%x{part}")
    text += [f"  %q.after = getelementptr i32, ptr %q.at, i64 {spec.columns}", "  %q.next = add nuw nsw i64 %q, 1"]
    return [*text, "  %q.more = icmp slt i64 %q.next, %k", "  br i1 %q.more, label %sum, label %ranges", "ranges:"]


# ---- transposition -----------------------------------------------------------------------------------------------


def transpose_block(spec: KernelSpec, n: int, units: int) -> int:
    """Side of the square blocks of 32-bit units in which a right operand is transposed; 0 where it can not be."""
    if llvm_bytes(_LLVM[spec.input_type]) != 4:
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
