"""Turns a tile IR function into the text of an LLVM module whose entry runs any range of the grid's blocks."""

from __future__ import annotations

from dataclasses import dataclass

from supa.base.errors import UnsupportedError
from supa.compiler.native import atomics, control, dot, dot_scaled, effects, nest, scan  # noqa: F401  (each fills the table of emitters)
from supa.compiler.native.butterflies import with_butterflies
from supa.compiler.native.checks import Checks
from supa.compiler.native.emitter import register_type
from supa.compiler.native.generator import Generator, Rounding
from supa.compiler.native.host import Host
from supa.compiler.native.joined_turns import with_joined_turns
from supa.compiler.native.order import order_function
from supa.compiler.native.plan import Planner
from supa.compiler.native.single_turns import with_single_turns
from supa.compiler.native.tables import formats_in_place
from supa.compiler.native.turned import with_turned_tiles
from supa.ir import ops
from supa.ir.core import Value
from supa.ir.types import Tile, element_of
from supa.program.program import Site


@dataclass(frozen=True, kw_only=True)
class NativeModule:
    """LLVM text and what its caller must know of it."""

    text: str
    symbol: str
    scratch_bytes: int
    messages: tuple[str, ...]
    waits: bool  # the entry calls `yield_`
    order: str = ""  # the text of the function NAME.order, which says where a block begins to read; or none
    sites: tuple[Site, ...] = ()


def generate(func: ops.Func, host: Host, rounding: Rounding, sanitize: tuple[str, ...] = ()) -> NativeModule:
    """The LLVM module of `func`; its entry is `program.abi`'s. `sanitize`: checks in the code, `memory` and `nan`."""
    order = order_function(func, f"{func.sym_name}.order") if not sanitize else ""
    if not sanitize:
        func = with_turned_tiles(with_joined_turns(with_single_turns(func)))
    func = with_butterflies(func)
    generator = Generator(host, rounding, Planner(func, host.lanes, formats_in_place(host)))
    checks = generator.environment.checks = Checks(func, sanitize) if sanitize else None
    emitter, body = generator.emitter, func.regions[0]
    for index, argument in enumerate(body.args):
        if isinstance(argument.type, Tile):
            raise UnsupportedError("a kernel argument that is a tile", func.location)
        _load_argument(generator, index, argument)
    generator.emit_block(body, [])
    symbol = f"{func.sym_name}.entry"  # a bare name may be one of the C library: sin, exit
    if generator.streams:
        emitter.declare("declare void @llvm.x86.sse.sfence()")
    fence = "  call void @llvm.x86.sse.sfence()\n" if generator.streams else ""
    lasting = _lasting(generator)
    body_lines = [*generator.block_start, *emitter.sink]
    loop = _FIRST + (_LISTED if order else _COUNTED)
    names = {"place": "place", "counted": ".counted"} if order else {"place": "block", "counted": ""}
    tail = _TAIL.format(fence=fence, **names)
    lines = [_HEAD.format(name=symbol), *emitter.entry, *lasting, loop, *body_lines, tail]
    text = "\n".join([*emitter.definitions.values(), "\n".join(lines), *sorted(emitter.declarations)])
    return NativeModule(
        text=text,
        symbol=symbol,
        scratch_bytes=generator.scratch.peak + generator.kept_bytes,
        messages=tuple(generator.messages),
        waits=generator.waits,
        order=order,
        sites=tuple(checks.sites) if checks is not None else (),
    )


def _lasting(generator: Generator) -> list[str]:
    """The places of memory that lasts from block to block, behind all buffers; some of it cleared."""
    text = []
    for name, offset, size, clear in generator.kept:
        text.append(f"  {name} = getelementptr i8, ptr %scratch, i64 {generator.scratch.peak + offset}")
        if clear:
            generator.emitter.declare("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
            text.append(f"  call void @llvm.memset.p0.i64(ptr align 64 {name}, i8 0, i64 {size}, i1 false)")
    return text


def _load_argument(generator: Generator, index: int, argument: Value) -> None:
    emitter, type_ = generator.emitter, register_type(element_of(argument.type))
    name = f"%arg{index}"
    emitter.entry.append(f"  {name}.at = getelementptr i64, ptr %args, i64 {index}")
    if type_ == "i1":
        emitter.entry.append(f"  {name}.raw = load i8, ptr {name}.at\n  {name} = icmp ne i8 {name}.raw, 0")
    else:
        emitter.entry.append(f"  {name} = load {type_}, ptr {name}.at")
    generator.environment.scalars[argument] = name


# No loop becomes a call: what lives across a call is in memory, in the loops before it too.
_HEAD = """define void @"{name}"(
    ptr noalias readonly %args, ptr %launch, i64 %first, i64 %last, ptr noalias %scratch)
    "no-builtin-memset" "no-builtin-memcpy" {{
entry:
  %grid0 = load i32, ptr %launch
  %grid1.at = getelementptr i32, ptr %launch, i64 1
  %grid1 = load i32, ptr %grid1.at
  %grid2.at = getelementptr i32, ptr %launch, i64 2
  %grid2 = load i32, ptr %grid2.at
  %stopped.at = getelementptr i32, ptr %launch, i64 3
  %gx = zext i32 %grid0 to i64
  %gy = zext i32 %grid1 to i64
  %gz = zext i32 %grid2 to i64
  %plane = mul i64 %gx, %gy
  %blocks = mul i64 %plane, %gz"""

# The place in the grid is counted on from block to block: divisions would delay each block's first addresses.
_FIRST = """  %first.x = urem i64 %first, %gx
  %first.row = udiv i64 %first, %gx
  %first.y = urem i64 %first.row, %gy
  %first.z = udiv i64 %first.row, %gy
  %first.pid0 = trunc i64 %first.x to i32
  %first.pid1 = trunc i64 %first.y to i32
  %first.pid2 = trunc i64 %first.z to i32
"""

_COUNTED = """  br label %block.head
block.head:
  %block = phi i64 [ %first, %entry ], [ %block.following, %block.next ]
  %pid0 = phi i32 [ %first.pid0, %entry ], [ %pid0.following, %block.next ]
  %pid1 = phi i32 [ %first.pid1, %entry ], [ %pid1.following, %block.next ]
  %pid2 = phi i32 [ %first.pid2, %entry ], [ %pid2.following, %block.next ]
  %block.more = icmp slt i64 %block, %last
  br i1 %block.more, label %block.check, label %block.end
block.check:
  %stopped = load atomic i32, ptr %stopped.at monotonic, align 4
  %stop = icmp ne i32 %stopped, 0
  br i1 %stop, label %block.end, label %block.body
block.body:"""

# The same, but where the launch has an order the block is looked up there.
_LISTED = """  %order.at = getelementptr i8, ptr %launch, i64 48
  %order = load ptr, ptr %order.at
  %is.ordered = icmp ne ptr %order, null
  br label %block.head
block.head:
  %place = phi i64 [ %first, %entry ], [ %place.following, %block.next ]
  %pid0.counted = phi i32 [ %first.pid0, %entry ], [ %pid0.following, %block.next ]
  %pid1.counted = phi i32 [ %first.pid1, %entry ], [ %pid1.following, %block.next ]
  %pid2.counted = phi i32 [ %first.pid2, %entry ], [ %pid2.following, %block.next ]
  %block.more = icmp slt i64 %place, %last
  br i1 %block.more, label %block.check, label %block.end
block.check:
  %stopped = load atomic i32, ptr %stopped.at monotonic, align 4
  %stop = icmp ne i32 %stopped, 0
  br i1 %stop, label %block.end, label %block.which
block.which:
  br i1 %is.ordered, label %block.listed, label %block.body
block.listed:
  %listed.at = getelementptr i32, ptr %order, i64 %place
  %listed = load i32, ptr %listed.at
  %listed.block = zext i32 %listed to i64
  %listed.pid0 = urem i32 %listed, %grid0
  %listed.row = udiv i32 %listed, %grid0
  %listed.pid1 = urem i32 %listed.row, %grid1
  %listed.pid2 = udiv i32 %listed.row, %grid1
  br label %block.body
block.body:
  %block = phi i64 [ %place, %block.which ], [ %listed.block, %block.listed ]
  %pid0 = phi i32 [ %pid0.counted, %block.which ], [ %listed.pid0, %block.listed ]
  %pid1 = phi i32 [ %pid1.counted, %block.which ], [ %listed.pid1, %block.listed ]
  %pid2 = phi i32 [ %pid2.counted, %block.which ], [ %listed.pid2, %block.listed ]"""

_TAIL = """  br label %block.next
block.next:
  %{place}.following = add i64 %{place}, 1
  %pid0.more = add i32 %pid0{counted}, 1
  %row.ends = icmp eq i32 %pid0.more, %grid0
  %pid0.following = select i1 %row.ends, i32 0, i32 %pid0.more
  %pid1.carry = zext i1 %row.ends to i32
  %pid1.more = add i32 %pid1{counted}, %pid1.carry
  %plane.ends = icmp eq i32 %pid1.more, %grid1
  %pid1.following = select i1 %plane.ends, i32 0, i32 %pid1.more
  %pid2.carry = zext i1 %plane.ends to i32
  %pid2.following = add i32 %pid2{counted}, %pid2.carry
  br label %block.head
block.end:
{fence}  ret void
}}"""
