"""Micro-kernels of tile products as LLVM text: sums of a register tile stay in registers over the whole k loop.

Not here: where operands come from (`dot`). A kernel reads the left operand by strides and the right one from panels.
"""

from __future__ import annotations

from dataclasses import dataclass

from supa.base.dtypes import BF16, F32, F64, I8, I16, I32, DType
from supa.compiler.native.emitter import Emitter, llvm_bytes
from supa.compiler.native.lanes import suffix

_LLVM = {F32: "float", F64: "double", I32: "i32", I16: "i32", I8: "i32", BF16: "i32"}


_EXCESS = "splat (i32 -2139062144)"  # 128 in each byte
_MOST_PANEL_BYTES = 16 << 10  # with the sums and the rows of a register tile beside it in the nearest cache
_MOST_TURNS = 4
_LINE_BYTES = 64


@dataclass(frozen=True, kw_only=True)
class KernelSpec:
    """One kernel: operands of `input_type`, sums of `sum_type`, `vectors` vectors of `lanes` columns at a time."""

    input_type: DType
    sum_type: DType
    lanes: int
    vectors: int
    wide: bool  # 32 vector registers rather than 16
    amx: bool = False  # on AMX registers (`amx`)

    @property
    def columns(self) -> int:
        """Columns of a panel."""
        return self.lanes * self.vectors

    @property
    def per_step(self) -> int:
        """Values of k that one step takes."""
        return 4 if self.input_type is I8 else 2 if self.input_type in (BF16, I16) else 1

    @property
    def has_excess(self) -> bool:
        """Whether the left operand enters 128 too high, so that columns get too much: `require_excess`."""
        return self.input_type is I8 and not self.amx

    @property
    def has_units_of_32_bits(self) -> bool:
        """Whether what one step takes of a column is 32 bits."""
        return llvm_bytes(_LLVM[self.input_type]) == 4

    @property
    def most_rows(self) -> int:
        """Rows of a full register tile."""
        return 8 if self.wide else 4


def specify(input_type: DType, sum_type: DType, n: int, width: int, *, amx: bool = False) -> KernelSpec:
    """The kernel for n columns on a host with vectors of `width` lanes, or on its AMX registers."""
    lanes = min(width, n)
    wide = width * sum_type.bytes >= 64
    return KernelSpec(
        input_type=input_type, sum_type=sum_type, lanes=lanes, vectors=2 if n >= 2 * lanes else 1, wide=wide, amx=amx
    )


def turns_at_once(spec: KernelSpec, k: int) -> int:
    """How many turns of a loop, of depth k each, one call may take: sums are then fetched and put back less often."""
    turns = min(_MOST_TURNS, _MOST_PANEL_BYTES // (k * spec.columns * spec.input_type.bytes))
    return 1 << (turns.bit_length() - 1) if turns > 1 else 1


def require(emitter: Emitter, spec: KernelSpec, m: int, *, table: bool = False, result_bytes: int = 0) -> str:
    """The name of the kernel, defined on first use; `m` bounds the rows of its register tile.

    Its arguments: the left operand, bytes between its rows and between its k steps; panels, sums, bytes between rows of
    the sums; rows and columns to compute, k steps, k steps of a panel; whether the sums begin at zero. With `table` the
    left operand is a table of its rows' addresses, one row of the table for each of so many turns (a last argument) of
    k steps; the bytes between its rows are those between rows of the table. Not for a kernel with an excess, whose last
    arguments are the rows of excess of the turns in the panels, the bytes between them and their number. With
    `result_bytes` the result will be stored in rows of elements of so many bytes: two arguments more tell where (null:
    not yet) and the bytes between its rows, and each group's lines are asked for before the group is computed.
    """
    rows = min(spec.most_rows, m)
    suffixes = (".rows" if table else "") + (f".to{result_bytes}" if result_bytes else "")
    name = f"@supa.dot.{spec.input_type}.{rows}x{spec.vectors}x{spec.lanes}{suffixes}"
    if name not in emitter.definitions:
        emitter.definitions[name] = "\n".join(_Kernel(emitter, spec, rows, table, result_bytes).text(name))
    return name


def require_excess(emitter: Emitter, spec: KernelSpec) -> str:
    """The name of a function that finds what the columns of packed panels get too much: 128 times their sums.

    Its arguments: panels, bytes between them, their number, k steps; where the columns' numbers go, side by side.
    """
    name = f"@supa.dot.excess.{spec.vectors}x{spec.lanes}"
    if name not in emitter.definitions:
        emitter.definitions[name] = "\n".join(_excess_text(emitter, spec, name))
    return name


def _excess_text(emitter: Emitter, spec: KernelSpec, name: str) -> list[str]:
    type_, parts = f"<{spec.lanes} x i32>", range(spec.vectors)
    text = [
        f"define internal void {name}(ptr noalias %b, i64 %bs, i64 %panels, i64 %k, ptr noalias %x) noinline {{",
        "entry:",
        "  br label %panel",
        "panel:",
        "  %j = phi i64 [ 0, %entry ], [ %j.next, %write ]",
        "  %j.offset = mul i64 %j, %bs",
        "  %j.at = getelementptr i8, ptr %b, i64 %j.offset",
        "  br label %sum",
        "sum:",
        "  %q = phi i64 [ 0, %panel ], [ %q.next, %sum ]",
        "  %at = phi ptr [ %j.at, %panel ], [ %at.next, %sum ]",
        *(f"  %y{part} = phi {type_} [ zeroinitializer, %panel ], [ %x{part}, %sum ]" for part in parts),
    ]
    for part in parts:
        text.append(f"  %qp{part} = getelementptr {type_}, ptr %at, i64 {part}")
        text.append(f"  %qv{part} = load {type_}, ptr %qp{part}, align 4")
        text += _step(emitter, spec, f"%y{part}", _EXCESS, f"%qv{part}", f"%x{part}")
    text += [f"  %at.next = getelementptr i32, ptr %at, i64 {spec.columns}", "  %q.next = add nuw nsw i64 %q, 1"]
    text += ["  %q.more = icmp slt i64 %q.next, %k", "  br i1 %q.more, label %sum, label %write", "write:"]
    text += [f"  %to.column = mul i64 %j, {spec.columns}", "  %to = getelementptr i32, ptr %x, i64 %to.column"]
    for part in parts:
        text.append(f"  %to{part} = getelementptr {type_}, ptr %to, i64 {part}")
        text.append(f"  store {type_} %x{part}, ptr %to{part}, align 4")
    text += ["  %j.next = add nuw nsw i64 %j, 1", "  %j.more = icmp slt i64 %j.next, %panels"]
    return [*text, "  br i1 %j.more, label %panel, label %end", "end:", "  ret void", "}\n"]


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


class _Kernel:
    """The text of one kernel: for each panel, for each group of rows, sums in registers over k."""

    def __init__(self, emitter: Emitter, spec: KernelSpec, rows: int, table: bool, result_bytes: int) -> None:
        self.emitter, self.spec, self.rows, self.table = emitter, spec, rows, table
        self.result_bytes = result_bytes
        self.unit = _LLVM[spec.input_type]
        self.sum = {F32: "float", F64: "double", I32: "i32"}[spec.sum_type]
        self.unit_bytes, self.sum_bytes = llvm_bytes(self.unit), llvm_bytes(self.sum)
        self.unit_vector, self.sum_vector = f"<{spec.lanes} x {self.unit}>", f"<{spec.lanes} x {self.sum}>"
        self.tile = [(row, part) for row in range(rows) for part in range(spec.vectors)]

    def text(self, name: str) -> list[str]:
        """The whole function."""
        last = ", i64 %turns" if self.table else ", ptr noalias %x, i64 %xs, i64 %turns" if self.spec.has_excess else ""
        last += ", ptr %w, i64 %wr" if self.result_bytes else ""
        return [
            f"define internal void {name}(ptr noalias %a, i64 %am, i64 %ak, ptr noalias %b, ptr noalias %c, i64 %cm,"
            f" i64 %m, i64 %n, i64 %k, i64 %panel.steps, i1 %zero{last}) noinline {{",
            "entry:",
            "  br label %panel",
            "panel:",
            "  %j = phi i64 [ 0, %entry ], [ %j.next, %panel.next ]",
            "  %panel.start = mul i64 %j, %panel.steps",
            f"  %panel.at = getelementptr {self.unit}, ptr %b, i64 %panel.start",
            *(self._excess() if self.spec.has_excess else ["  br label %ranges", "ranges:"]),
            "  br label %group",
            "group:",
            "  %i = phi i64 [ 0, %ranges ], [ %i.next, %group.next ]",
            *(self._ask() if self.result_bytes else []),
            *self._sums(),
            *(self._turns() if self.table else self._rows()),
            *(f"  store {self.sum_vector} %n{row}.{part}, ptr %c{row}.{part}, align {self.sum_bytes}"
              for row, part in self.tile),
            "  br label %group.next",
            "group.next:",
            f"  %i.next = add nuw nsw i64 %i, {self.rows}",
            "  %i.more = icmp slt i64 %i.next, %m",
            "  br i1 %i.more, label %group, label %panel.next",
            "panel.next:",
            f"  %j.next = add nuw nsw i64 %j, {self.spec.columns}",
            "  %j.more = icmp slt i64 %j.next, %n",
            "  br i1 %j.more, label %panel, label %end",
            "end:",
            "  ret void",
            "}\n",
        ]  # fmt: skip

    def _ask(self) -> list[str]:
        """Asks for the lines that a group of rows will be stored in."""
        self.emitter.declare("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        text = ["  %w.not = icmp eq ptr %w, null", "  br i1 %w.not, label %sums, label %ask", "ask:"]
        text += ["  %w.row = mul i64 %i, %wr", f"  %w.column = mul i64 %j, {self.result_bytes}"]
        text += ["  %w.offset = add i64 %w.row, %w.column", "  %w.start = getelementptr i8, ptr %w, i64 %w.offset"]
        for row in range(self.rows):
            text.append(f"  %wo{row} = mul i64 %wr, {row}")
            text.append(f"  %wr{row} = getelementptr i8, ptr %w.start, i64 %wo{row}")
            for place in range(0, self.spec.columns * self.result_bytes, _LINE_BYTES):
                text.append(f"  %w{row}.{place} = getelementptr i8, ptr %wr{row}, i64 {place}")
                text.append(f"  call void @llvm.prefetch.p0(ptr %w{row}.{place}, i32 1, i32 3, i32 1)")
        return [*text, "  br label %sums", "sums:"]

    def _sums(self) -> list[str]:
        """Fetches the sums of a group of rows: %e or, without a correction, %s."""
        vector, size, before = self.sum_vector, self.sum_bytes, "sums" if self.result_bytes else "group"
        text = ["  %c.row = mul i64 %i, %cm", f"  %c.column = mul i64 %j, {size}"]
        text += ["  %c.offset = add i64 %c.row, %c.column", "  %c.start = getelementptr i8, ptr %c, i64 %c.offset"]
        for row in range(self.rows):
            text.append(f"  %co{row} = mul i64 %cm, {row}")
            text.append(f"  %cr{row} = getelementptr i8, ptr %c.start, i64 %co{row}")
        text += [f"  %c{row}.{part} = getelementptr {vector}, ptr %cr{row}, i64 {part}" for row, part in self.tile]
        text += ["  br i1 %zero, label %ready, label %fetch", "fetch:"]
        text += [f"  %f{row}.{part} = load {vector}, ptr %c{row}.{part}, align {size}" for row, part in self.tile]
        text += ["  br label %ready", "ready:"]
        text += [
            f"  %s{row}.{part} = phi {vector} [ zeroinitializer, %{before} ], [ %f{row}.{part}, %fetch ]"
            for row, part in self.tile
        ]
        if self.spec.has_excess:
            text += [f"  %e{row}.{part} = sub {vector} %s{row}.{part}, %x{part}" for row, part in self.tile]
        return text

    @property
    def _first(self) -> str:
        """What the names of a group's first sums begin with."""
        return "e" if self.spec.has_excess else "s"

    def _rows(self) -> list[str]:
        """All k steps, of rows that lie `%am` bytes apart."""
        text = ["  %row.bytes = mul i64 %i, %am", "  %a.start = getelementptr i8, ptr %a, i64 %row.bytes"]
        text += [f"  %ro{row} = mul i64 %am, {row}" for row in range(self.rows)]
        place = "  %a.at = phi ptr [ %a.start, %ready ], [ %a.next, %step ]"
        text += self._steps("%ready", "%panel.at", self._first, place)
        text += ["  %a.next = getelementptr i8, ptr %a.at, i64 %ak", *self._again("write"), "write:"]
        return text  # fmt: skip

    def _turns(self) -> list[str]:
        """The k steps of each turn, of rows that lie where the table says."""
        text = ["  %i.row = getelementptr ptr, ptr %a, i64 %i", "  br label %turn", "turn:"]
        text += ["  %u = phi i64 [ 0, %ready ], [ %u.next, %turned ]"]
        text += ["  %u.row = phi ptr [ %i.row, %ready ], [ %u.row.next, %turned ]"]
        text += ["  %u.panel = phi ptr [ %panel.at, %ready ], [ %b.next, %turned ]"]
        text += [
            f"  %u{row}.{part} = phi {self.sum_vector} [ %{self._first}{row}.{part}, %ready ],"
            f" [ %n{row}.{part}, %turned ]"
            for row, part in self.tile
        ]
        for row in range(self.rows):
            text.append(f"  %rp{row} = getelementptr ptr, ptr %u.row, i64 {row}")
            text.append(f"  %r{row} = load ptr, ptr %rp{row}, align 8")
        text += self._steps("%turn", "%u.panel", "u", "  %o = phi i64 [ 0, %turn ], [ %o.next, %step ]")
        text += ["  %o.next = add i64 %o, %ak", *self._again("turned"), "turned:"]
        text += ["  %u.row.next = getelementptr i8, ptr %u.row, i64 %am", "  %u.next = add nuw nsw i64 %u, 1"]
        text += ["  %u.more = icmp slt i64 %u.next, %turns", "  br i1 %u.more, label %turn, label %write", "write:"]
        return text

    def _steps(self, before: str, panel: str, first: str, place: str) -> list[str]:
        """The head and the body of the loop over k, from sums named after `first`; `place` walks the left operand."""
        lanes = self.spec.lanes
        text = ["  br label %step", "step:", f"  %p = phi i64 [ 0, {before} ], [ %p.next, %step ]", place]
        text.append(f"  %b.at = phi ptr [ {panel}, {before} ], [ %b.next, %step ]")
        text += [
            f"  %t{row}.{part} = phi {self.sum_vector} [ %{first}{row}.{part}, {before} ], [ %n{row}.{part}, %step ]"
            for row, part in self.tile
        ]
        for part in range(self.spec.vectors):
            text.append(f"  %bp{part} = getelementptr {self.unit_vector}, ptr %b.at, i64 {part}")
            text.append(f"  %bv{part} = load {self.unit_vector}, ptr %bp{part}, align {self.unit_bytes}")
        align = min(self.unit_bytes, self.spec.input_type.bytes)
        for row in range(self.rows):
            at = f"ptr %r{row}, i64 %o" if self.table else f"ptr %a.at, i64 %ro{row}"
            text += [
                f"  %ap{row} = getelementptr i8, {at}",
                f"  %as{row} = load {self.unit}, ptr %ap{row}, align {align}",
                f"  %ai{row} = insertelement {self.unit_vector} poison, {self.unit} %as{row}, i64 0",
                f"  %av{row} = shufflevector {self.unit_vector} %ai{row}, {self.unit_vector} poison,"
                f" <{lanes} x i32> zeroinitializer",
            ]
            for part in range(self.spec.vectors):
                text += _step(self.emitter, self.spec, f"%t{row}.{part}", f"%av{row}", f"%bv{part}", f"%n{row}.{part}")
        return text

    def _again(self, done: str) -> list[str]:
        """The end of the loop over k."""
        return [
            f"  %b.next = getelementptr {self.unit}, ptr %b.at, i64 {self.spec.columns}",
            "  %p.next = add nuw nsw i64 %p, 1",
            "  %p.more = icmp slt i64 %p.next, %k",
            f"  br i1 %p.more, label %step, label %{done}",
        ]

    def _excess(self) -> list[str]:
        """What a panel's columns get too much in all turns."""
        type_, parts = self.unit_vector, range(self.spec.vectors)
        text = ["  %x.at = getelementptr i32, ptr %x, i64 %j", "  br label %sum", "sum:"]
        text.append("  %q = phi i64 [ 0, %panel ], [ %q.next, %sum ]")
        text.append("  %q.at = phi ptr [ %x.at, %panel ], [ %q.after, %sum ]")
        text += [f"  %y{part} = phi {type_} [ zeroinitializer, %panel ], [ %x{part}, %sum ]" for part in parts]
        for part in parts:
            text.append(f"  %qp{part} = getelementptr {type_}, ptr %q.at, i64 {part}")
            text.append(f"  %qv{part} = load {type_}, ptr %qp{part}, align 4")
            text.append(f"  %x{part} = add {type_} %y{part}, %qv{part}")
        text += ["  %q.after = getelementptr i8, ptr %q.at, i64 %xs", "  %q.next = add nuw nsw i64 %q, 1"]
        return [
            *text,
            "  %q.more = icmp slt i64 %q.next, %turns",
            "  br i1 %q.more, label %sum, label %ranges",
            "ranges:",
        ]
