"""Micro-kernels on AMX registers as LLVM text: four registers keep 32 x 32 sums over the whole k loop.

Of the eight registers 0 to 3 hold sums, 4 and 5 two times 16 rows of the left operand, 6 and 7 two times 16 columns of
a panel. A step of k loads four and multiplies four times, so that each load serves two products, and the sums of one
product are not awaited by the next. Panels are those of `kernels`: a panel's step is a row of a register. The left
operand is read by rows, equally far apart, wherever each turn's begin.

A call configures the registers and releases them: no other code, no other block that takes over the thread meanwhile
and no fault finds them in use. Not here: vectors' kernels (`kernels`), where operands come from (`operands`, `tables`).
"""

from __future__ import annotations

from supa.base.dtypes import BF16
from supa.compiler.native.emitter import Emitter
from supa.compiler.native.kernels import KernelSpec

ROWS = 16
"""Of a register; of 64 bytes each."""

ENTRY_BYTES = 16
"""Of a turn in a kernel's table: where its rows begin, and the bytes between them, both i64."""

SCATTERED = -(1 << 63)
"""What `require_spacing`'s function says of rows that are not equally far apart."""

_LEAST_UNITS = 4
_SUMS, _LEFT, _RIGHT = 0, 4, 6


def suits(m: int, n: int, units: int) -> bool:
    """Whether a product of m rows, n columns and `units` times 32 bits of k is for these kernels."""
    return m >= ROWS and n >= ROWS and units >= _LEAST_UNITS


def require(emitter: Emitter, spec: KernelSpec, m: int, units: int) -> str:
    """The name of the kernel, defined on first use: of m rows at most, and `units` steps of k in a turn.

    Its arguments: a table of the left operand's turns (`ENTRY_BYTES`) and their number; panels, sums, bytes between
    rows of the sums; rows and columns to compute, k steps of a turn, k steps of a panel; whether the sums begin at
    zero.
    """
    depth, rows = min(ROWS, units), 2 if m > ROWS else 1
    name = f"@supa.dot.amx.{spec.input_type}.{rows}x{spec.vectors}x{depth}"
    if name not in emitter.definitions:
        config = f"@supa.amx.{depth}"
        emitter.definitions[config] = f"{config} = private constant [64 x i8] [{_configuration(depth)}], align 64\n"
        emitter.definitions[name] = "\n".join(_Kernel(emitter, spec, rows, depth).text(name, config))
    return name


def require_spacing(emitter: Emitter) -> str:
    """The name of a function that takes addresses of rows and their number, a multiple of 8: the bytes between rows."""
    name = "@supa.rows.spacing"
    emitter.definitions[name] = _SPACING.format(name=name, scattered=SCATTERED)
    return name


def _configuration(depth: int) -> str:
    """What LDTILECFG reads: bytes of each register's rows, then how many rows; of a panel's columns one row a unit."""
    row_bytes = [64] * 4 + [4 * depth] * 2 + [64] * 2
    data = [1, *[0] * 15, *(byte for each in row_bytes for byte in (each, 0)), *[0] * 16]
    data += [ROWS] * 6 + [depth] * 2 + [0] * 8
    return ", ".join(f"i8 {byte}" for byte in data)


class _Kernel:
    """The text of one kernel: for each panel, for each 32 rows, or the last 16, sums in registers over k."""

    def __init__(self, emitter: Emitter, spec: KernelSpec, rows: int, depth: int) -> None:
        self.emitter, self.spec, self.rows, self.depth = emitter, spec, rows, depth
        self.product = "tdpbf16ps" if spec.input_type is BF16 else "tdpbssd"

    def text(self, name: str, config: str) -> list[str]:
        """The whole function."""
        choice = ["  br label %one", *self._group("one", 1)]
        if self.rows == 2:
            choice = ["  %i.left = sub i64 %m, %i", f"  %i.more16 = icmp sgt i64 %i.left, {ROWS}"]
            choice += ["  br i1 %i.more16, label %two, label %one", *self._group("two", 2), *self._group("one", 1)]
        return [
            f"define internal void {name}(ptr noalias %a, i64 %turns, ptr noalias %b, ptr noalias %c, i64 %cm, i64 %m,"
            " i64 %n, i64 %k, i64 %panel.steps, i1 %zero) noinline {",
            "entry:",
            self._do("ldtilecfg", f"ptr {config}"),
            "  br label %panel",
            "panel:",
            "  %j = phi i64 [ 0, %entry ], [ %j.next, %panel.next ]",
            "  %panel.start = mul i64 %j, %panel.steps",
            "  %panel.at = getelementptr i32, ptr %b, i64 %panel.start",
            "  br label %group",
            "group:",
            "  %i = phi i64 [ 0, %panel ], [ %i.next, %group.next ]",
            *choice,
            "group.next:",
            f"  %i.next = add nuw nsw i64 %i, {self.rows * ROWS}",
            "  %i.more = icmp slt i64 %i.next, %m",
            "  br i1 %i.more, label %group, label %panel.next",
            "panel.next:",
            f"  %j.next = add nuw nsw i64 %j, {self.spec.columns}",
            "  %j.more = icmp slt i64 %j.next, %n",
            "  br i1 %j.more, label %panel, label %end",
            "end:",
            self._do("tilerelease"),
            "  ret void",
            "}\n",
        ]

    def _do(self, what: str, *operands: str) -> str:
        """A call of an instruction on registers; numbers of registers are i8."""
        types = ", ".join(operand.split()[0] for operand in operands)
        self.emitter.declare(f"declare void @llvm.x86.{what}({types})")
        return f"  call void @llvm.x86.{what}({', '.join(operands)})"

    def _group(self, p: str, rows: int) -> list[str]:
        """`rows` times 16 rows of sums; names and labels begin with `p`."""
        sums = [(row, part) for row in range(rows) for part in range(self.spec.vectors)]
        places = {at: f"i8 {_SUMS + 2 * at[0] + at[1]}" for at in sums}
        text = [f"{p}:", f"  %{p}.row = mul i64 %i, %cm", f"  %{p}.column = mul i64 %j, 4"]
        text += [f"  %{p}.offset = add i64 %{p}.row, %{p}.column", f"  %{p}.down = mul i64 %cm, {ROWS}"]
        text += [f"  %{p}.c0 = getelementptr i8, ptr %c, i64 %{p}.offset"]
        text += [f"  %{p}.c1 = getelementptr i8, ptr %{p}.c0, i64 %{p}.down"] if rows == 2 else []
        text += [f"  %{p}.c{row}.{part} = getelementptr i8, ptr %{p}.c{row}, i64 {64 * part}" for row, part in sums]
        text += [f"  br i1 %zero, label %{p}.clear, label %{p}.fetch", f"{p}.clear:"]
        text += [self._do("tilezero", places[at]) for at in sums]
        text += [f"  br label %{p}.ready", f"{p}.fetch:"]
        text += [self._move("tileloadd64", places[row, part], f"%{p}.c{row}.{part}", "%cm") for row, part in sums]
        text += [f"  br label %{p}.ready", f"{p}.ready:", f"  br label %{p}.turn", *self._turns(p, rows), f"{p}.write:"]
        text += [self._move("tilestored64", places[row, part], f"%{p}.c{row}.{part}", "%cm") for row, part in sums]
        return [*text, "  br label %group.next"]

    def _move(self, what: str, place: str, address: str, stride: str) -> str:
        return self._do(what, place, f"ptr {address}", f"i64 {stride}")

    def _turns(self, p: str, rows: int) -> list[str]:
        """All turns' steps of k."""
        return [
            f"{p}.turn:",
            f"  %{p}.u = phi i64 [ 0, %{p}.ready ], [ %{p}.u.next, %{p}.turned ]",
            f"  %{p}.panel = phi ptr [ %panel.at, %{p}.ready ], [ %{p}.b.next, %{p}.turned ]",
            f"  %{p}.entry = getelementptr [2 x i64], ptr %a, i64 %{p}.u",
            f"  %{p}.first = load ptr, ptr %{p}.entry, align 8",
            f"  %{p}.am.at = getelementptr i64, ptr %{p}.entry, i64 1",
            f"  %{p}.am = load i64, ptr %{p}.am.at, align 8",
            f"  %{p}.above = mul i64 %i, %{p}.am",
            f"  %{p}.a.start = getelementptr i8, ptr %{p}.first, i64 %{p}.above",
            f"  %{p}.below = mul i64 %{p}.am, {ROWS}",
            f"  br label %{p}.step",
            *self._step(p, rows),
            f"{p}.turned:",
            f"  %{p}.u.next = add nuw nsw i64 %{p}.u, 1",
            f"  %{p}.u.more = icmp slt i64 %{p}.u.next, %turns",
            f"  br i1 %{p}.u.more, label %{p}.turn, label %{p}.write",
        ]

    def _step(self, p: str, rows: int) -> list[str]:
        """A step of k: what is needed first is loaded first."""
        wide, stride = self.spec.vectors == 2, str(4 * self.spec.columns)
        text = [
            f"{p}.step:",
            f"  %{p}.p = phi i64 [ 0, %{p}.turn ], [ %{p}.p.next, %{p}.step ]",
            f"  %{p}.a0 = phi ptr [ %{p}.a.start, %{p}.turn ], [ %{p}.a.next, %{p}.step ]",
            f"  %{p}.b0 = phi ptr [ %{p}.panel, %{p}.turn ], [ %{p}.b.next, %{p}.step ]",
            f"  %{p}.a1 = getelementptr i8, ptr %{p}.a0, i64 %{p}.below",
            f"  %{p}.b1 = getelementptr i8, ptr %{p}.b0, i64 64",
            self._move("tileloadd64", f"i8 {_LEFT}", f"%{p}.a0", f"%{p}.am"),
        ]
        for part in range(self.spec.vectors):
            text += [self._move("tileloadd64", f"i8 {_RIGHT + part}", f"%{p}.b{part}", stride), self._multiply(0, part)]
        if rows == 2:
            text.append(self._move("tileloadd64", f"i8 {_LEFT + 1}", f"%{p}.a1", f"%{p}.am"))
            text += [self._multiply(1, part) for part in range(1 + wide)]
        return [
            *text,
            f"  %{p}.a.next = getelementptr i8, ptr %{p}.a0, i64 {4 * self.depth}",
            f"  %{p}.b.next = getelementptr i8, ptr %{p}.b0, i64 {4 * self.depth * self.spec.columns}",
            f"  %{p}.p.next = add nuw nsw i64 %{p}.p, {self.depth}",
            f"  %{p}.p.more = icmp slt i64 %{p}.p.next, %k",
            f"  br i1 %{p}.p.more, label %{p}.step, label %{p}.turned",
        ]

    def _multiply(self, row: int, part: int) -> str:
        return self._do(self.product, f"i8 {_SUMS + 2 * row + part}", f"i8 {_LEFT + row}", f"i8 {_RIGHT + part}")


_SPACING = """define internal i64 {name}(ptr noalias %rows, i64 %count) noinline {{
entry:
  %first = load i64, ptr %rows, align 8
  %second.at = getelementptr i64, ptr %rows, i64 1
  %second = load i64, ptr %second.at, align 8
  %spacing = sub i64 %second, %first
  %first.one = insertelement <8 x i64> poison, i64 %first, i64 0
  %first.all = shufflevector <8 x i64> %first.one, <8 x i64> poison, <8 x i32> zeroinitializer
  %spacing.one = insertelement <8 x i64> poison, i64 %spacing, i64 0
  %spacing.all = shufflevector <8 x i64> %spacing.one, <8 x i64> poison, <8 x i32> zeroinitializer
  %offsets = mul <8 x i64> %spacing.all, <i64 0, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7>
  %start = add <8 x i64> %first.all, %offsets
  %advance = shl <8 x i64> %spacing.all, splat (i64 3)
  br label %look
look:
  %i = phi i64 [ 0, %entry ], [ %i.next, %look ]
  %expected = phi <8 x i64> [ %start, %entry ], [ %following, %look ]
  %wrong = phi <8 x i64> [ zeroinitializer, %entry ], [ %wrong.next, %look ]
  %at = getelementptr i64, ptr %rows, i64 %i
  %some = load <8 x i64>, ptr %at, align 8
  %differ = xor <8 x i64> %some, %expected
  %wrong.next = or <8 x i64> %wrong, %differ
  %following = add <8 x i64> %expected, %advance
  %i.next = add nuw nsw i64 %i, 8
  %left = icmp slt i64 %i.next, %count
  br i1 %left, label %look, label %end
end:
  %any = icmp ne <8 x i64> %wrong.next, zeroinitializer
  %bits = bitcast <8 x i1> %any to i8
  %scattered = icmp ne i8 %bits, 0
  %result = select i1 %scattered, i64 {scattered}, i64 %spacing
  ret i64 %result
}}
"""
