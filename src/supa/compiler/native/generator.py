"""State of the generation of one function, and the table of operations that emit code of their own.

An operation whose result can be computed at any index has a rule in `tiles` instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from typing import Any

from supa.base.errors import UnsupportedError
from supa.compiler.native.buffers import Buffer, Scratch, tile_bytes
from supa.compiler.native.emitter import Emitter
from supa.compiler.native.host import Host
from supa.compiler.native.plan import Nest, Planner, Root
from supa.compiler.native.tiles import Environment, Evaluator, compute_scalar, is_virtual
from supa.compiler.native.vec import Vec
from supa.ir.core import Block, Op, Value
from supa.ir.types import Scalar, storage_bytes

Emit = Callable[["Generator", Any], None]
EMITTERS: dict[type, Emit] = {}
"""How nests, and operations with loops or effects of their own, are emitted; filled beside each emitter."""


def emits(*types: type) -> Callable[[Emit], Emit]:
    """Register the emitter of these kinds of action."""

    def register(function: Emit) -> Emit:
        for type_ in types:
            EMITTERS[type_] = function
        return function

    return register


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """How f32 operands enter the device's tf32 matrix step: stored mantissa bits, truncated or to nearest even."""

    tf32_mantissa_bits: int = 10
    tf32_truncates: bool = False


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
    waits: bool = False  # some loop may wait for another block
    streams: bool = False  # some stores may go past the caches
    turns: list[str] = field(default_factory=lambda: ["%blocks"])  # how often the place in hand runs in a launch
    reads: dict[object, int] = field(default_factory=dict)  # by `ahead`: nests that read from some pointers so far
    block_start: list[str] = field(default_factory=list)  # what every block does first
    batch_loops: list[tuple[str, str, str]] = field(default_factory=list)
    scopes: list[list[Buffer]] = field(default_factory=lambda: [[]])
    kept_bytes: int = 0  # of scratch that lasts from block to block, behind all buffers
    kept: list[tuple[str, int, int, bool]] = field(default_factory=list)  # name, offset, bytes, cleared at first

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

    def lasting(self, size: int, *, clear: bool) -> str:
        """Memory of the thread that keeps what it holds from block to block, until the entry ends; its address."""
        name = self.emitter.fresh("kept")
        self.kept.append((name, self.kept_bytes, size, clear))
        self.kept_bytes += -(-size // 64) * 64
        return name

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
        actions = self.planner.plan(block, closing)
        last = self.planner.last_reads(actions)
        for position, action in enumerate(actions):
            self._emit(action)
            self._release_after(position, last)

    def _release_after(self, position: int, last: dict[Value, int]) -> None:
        """Give back the buffers that nothing reads after the action at `position`."""
        own = {buffer.offset: buffer for buffer in self.scopes[-1]}
        later = {
            buffer.offset
            for value, buffer in self.environment.buffers.items()
            if last.get(value, position + 1) > position
        }
        done = [value for value, read in last.items() if read == position]
        for value in done:
            buffer = self.environment.buffers.get(value)
            if buffer is not None and buffer.offset in own and buffer.offset not in later:
                self.release(own.pop(buffer.offset))

    def run_roots(self, roots: list[Root]) -> None:
        """Emit roots that belong to no block's own operations: initial values of loops."""
        for nest in self.planner.group(roots):
            self._emit(nest)

    def _emit(self, action: Nest | Op) -> None:
        if type(action) in EMITTERS:
            EMITTERS[type(action)](self, action)
            return
        assert isinstance(action, Op)
        if not is_virtual(action):
            raise UnsupportedError(f"operation {action.name!r} has no native code", action.location)
        compute_scalar(self.evaluator(), action)
