"""Turns a tile IR function into the text of an LLVM module whose entry runs any range of the grid's blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod

from supa.base.errors import UnsupportedError
from supa.compiler.native import atomics, control, dot, effects, scan
from supa.compiler.native.buffers import Buffer, Scratch, tile_bytes
from supa.compiler.native.emitter import Emitter, register_type
from supa.compiler.native.host import Host
from supa.compiler.native.nest import emit_nest
from supa.compiler.native.plan import Nest, Planner, Root
from supa.compiler.native.tiles import Environment, Evaluator, compute_scalar, is_virtual
from supa.compiler.native.vec import Vec
from supa.ir import ops
from supa.ir.core import Block, Op, Value
from supa.ir.types import Scalar, Tile, element_of, storage_bytes


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """How f32 operands enter the device's tf32 matrix step: stored mantissa bits, truncated or to nearest even."""

    tf32_mantissa_bits: int = 10
    tf32_truncates: bool = False


@dataclass(frozen=True, kw_only=True)
class NativeModule:
    """LLVM text and what its caller must know of it."""

    text: str
    symbol: str
    scratch_bytes: int
    messages: tuple[str, ...]


@dataclass
class Generator:
    """State of the generation of one function."""

    host: Host
    rounding: Rounding
    planner: Planner
    emitter: Emitter = field(default_factory=Emitter)
    environment: Environment = field(default_factory=Environment)
    scratch: Scratch = field(default_factory=Scratch)
    in_place: dict[Value, Buffer] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    batch_loops: list[tuple[str, str, str]] = field(default_factory=list)
    scopes: list[list[Buffer]] = field(default_factory=lambda: [[]])

    @property
    def width(self) -> int:
        """Lanes of an element-wise vector."""
        return self.host.lanes

    # ---- buffers -----------------------------------------------------------------------------------------------

    def new_buffer(self, shape: Sequence[int], element: Scalar) -> Buffer:
        """A tile in scratch, until the current scope ends or `release`."""
        size = tile_bytes(tuple(shape), element)
        offset = self.scratch.take(size)
        address = self.emitter.fresh("buf")
        self.emitter.entry.append(f"  {address} = getelementptr i8, ptr %scratch, i64 {offset}")
        buffer = Buffer(address, tuple(shape), element, offset, size)
        self.scopes[-1].append(buffer)
        return buffer

    def release(self, buffer: Buffer) -> None:
        """Give a buffer back before its scope ends."""
        self.scratch.give(buffer.offset)
        self.scopes[-1].remove(buffer)

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Buffers made inside are given back at the end."""
        self.scopes.append([])
        yield
        for buffer in self.scopes.pop():
            self.scratch.give(buffer.offset)

    def copy_buffer(self, source: Buffer, target: Buffer) -> None:
        """Copy one whole tile."""
        size = prod(source.shape) * storage_bytes(source.element)
        self.emitter.declare("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")
        places = f"ptr align 64 {target.address}, ptr align 64 {source.address}"
        self.emitter.do(f"call void @llvm.memcpy.p0.p0.i64({places}, i64 {size}, i1 false)")

    # ---- values ------------------------------------------------------------------------------------------------

    def evaluator(self, lanes: int | None = None) -> Evaluator:
        """An evaluator that writes straight into the current place."""
        return Evaluator(self.emitter, lanes or self.width, [self.emitter.sink], self.environment)

    def scalar(self, value: Value) -> Vec:
        """A scalar value."""
        return self.evaluator().scalar(value)

    # ---- blocks ------------------------------------------------------------------------------------------------

    def emit_block(self, block: Block, closing: list[Root]) -> None:
        """Everything a block does, then `closing`."""
        for action in self.planner.plan(block, closing):
            if isinstance(action, Nest):
                emit_nest(self, action)
            else:
                self._emit_op(action)

    def run_roots(self, roots: list[Root]) -> None:
        """Emit roots that belong to no block's own operations: initial values of loops."""
        for nest in self.planner.group(roots):
            emit_nest(self, nest)

    def _emit_op(self, op: Op) -> None:
        if isinstance(op, ops.For):
            control.emit_for(self, op)
        elif isinstance(op, ops.If):
            control.emit_if(self, op)
        elif isinstance(op, ops.While):
            control.emit_while(self, op)
        elif isinstance(op, ops.Dot):
            dot.emit_dot(self, op)
        elif isinstance(op, ops.Scan):
            scan.emit_scan(self, op)
        elif isinstance(op, ops.Histogram):
            scan.emit_histogram(self, op)
        elif isinstance(op, ops.AtomicRmw | ops.AtomicCas | ops.DescriptorReduce):
            atomics.emit_atomic(self, op)
        elif isinstance(op, ops.Assert | ops.Print):
            effects.emit_report(self, op)
        elif isinstance(op, ops.ProgramId):
            self.environment.scalars[op.result] = f"%pid{op.axis}"
        elif isinstance(op, ops.NumPrograms):
            self.environment.scalars[op.result] = f"%grid{op.axis}"
        elif isinstance(op, ops.Barrier):
            pass  # a block's tiles are computed by one thread, in order
        elif isinstance(op, ops.Store):
            effects.emit_scalar_store(self, op)
        elif is_virtual(op):
            compute_scalar(self.evaluator(), op)
        else:
            raise UnsupportedError(f"operation {op.name!r} has no native code", op.location)


def generate(func: ops.Func, host: Host, rounding: Rounding) -> NativeModule:
    """The LLVM module of `func`; its entry is `program.abi`'s."""
    generator = Generator(host, rounding, Planner(func))
    emitter, body = generator.emitter, func.regions[0]
    for index, argument in enumerate(body.args):
        if isinstance(argument.type, Tile):
            raise UnsupportedError("a kernel argument that is a tile", func.location)
        _load_argument(generator, index, argument)
    generator.emit_block(body, [])
    symbol = func.sym_name
    lines = [_HEAD.format(name=symbol), *emitter.entry, _LOOP, *emitter.sink, _TAIL]
    text = "\n".join([*emitter.definitions.values(), "\n".join(lines), *sorted(emitter.declarations)])
    return NativeModule(
        text=text, symbol=symbol, scratch_bytes=generator.scratch.peak, messages=tuple(generator.messages)
    )


def _load_argument(generator: Generator, index: int, argument: Value) -> None:
    emitter, type_ = generator.emitter, register_type(element_of(argument.type))
    name = f"%arg{index}"
    emitter.entry.append(f"  {name}.at = getelementptr i64, ptr %args, i64 {index}")
    if type_ == "i1":
        emitter.entry.append(f"  {name}.raw = load i8, ptr {name}.at\n  {name} = icmp ne i8 {name}.raw, 0")
    else:
        emitter.entry.append(f"  {name} = load {type_}, ptr {name}.at")
    generator.environment.scalars[argument] = name


_HEAD = """define void @"{name}"(
    ptr noalias readonly %args, ptr %launch, i64 %first, i64 %last, ptr noalias %scratch) {{
entry:
  %grid0 = load i32, ptr %launch
  %grid1.at = getelementptr i32, ptr %launch, i64 1
  %grid1 = load i32, ptr %grid1.at
  %grid2.at = getelementptr i32, ptr %launch, i64 2
  %grid2 = load i32, ptr %grid2.at
  %stopped.at = getelementptr i32, ptr %launch, i64 3
  %gx = zext i32 %grid0 to i64
  %gy = zext i32 %grid1 to i64"""

_LOOP = """  br label %block.head
block.head:
  %block = phi i64 [ %first, %entry ], [ %block.following, %block.next ]
  %block.more = icmp slt i64 %block, %last
  br i1 %block.more, label %block.check, label %block.end
block.check:
  %stopped = load atomic i32, ptr %stopped.at monotonic, align 4
  %stop = icmp ne i32 %stopped, 0
  br i1 %stop, label %block.end, label %block.body
block.body:
  %px = urem i64 %block, %gx
  %prow = udiv i64 %block, %gx
  %py = urem i64 %prow, %gy
  %pz = udiv i64 %prow, %gy
  %pid0 = trunc i64 %px to i32
  %pid1 = trunc i64 %py to i32
  %pid2 = trunc i64 %pz to i32"""

_TAIL = """  br label %block.next
block.next:
  %block.following = add i64 %block, 1
  br label %block.head
block.end:
  ret void
}"""
