"""In which order one thread should run a grid's blocks: where each block begins to read, as a function of its own.

A product's blocks read columns of one operand and rows of the other, whatever their numbers; blocks of a plane read
rectangles of it, whichever axis of the grid runs along memory. What the blocks are good for is in the addresses that
they begin at: of a product's right and left operands, of any other kernel's largest load. The function gives them for
one block, from arguments and program ids alone; the runtime makes an order of them (`core/order.h`).
Not here: kernels whose blocks may hear of each other, or whose order somebody may see.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from supa.compiler.native.emitter import Emitter, register_type
from supa.compiler.native.sharing import LOADS, TileLoad, loaded
from supa.compiler.native.tiles import ZERO, Environment, Evaluator, compute_scalar, coordinates_access, is_virtual
from supa.compiler.native.vec import Vec
from supa.ir import ops
from supa.ir.core import Block, Op, Value
from supa.ir.types import Tile, element_of, shape_of

_ORDERED = (
    ops.While, ops.InlineAsm, ops.AtomicRmw, ops.AtomicCas, ops.DescriptorReduce, ops.Assert, ops.Print, ops.ReadDevice,
)  # fmt: skip
_FOLLOWED = (
    ops.Map, ops.Cast, ops.AddPtr, ops.Splat, ops.Broadcast, ops.ExpandDims, ops.Range, ops.Constant, ops.Reshape,
    ops.Transpose,
)  # fmt: skip


def order_function(func: ops.Func, symbol: str) -> str:
    """The text of the function `symbol` (`program.abi`), empty where the grid's own order is to stay."""
    everything = list(func.walk())
    if any(isinstance(op, _ORDERED) for op in everything):
        return ""
    start = _Start(func)
    for loads, is_product in _candidates(everything):
        places = [start.address(load) for load in loads]
        if None not in places and not start.emitter.definitions and len(start.axes) > (0 if is_product else 1):
            return start.text(symbol, [place for place in places if place is not None])
    return ""


def _candidates(everything: Iterable[Op]) -> Iterable[tuple[list[TileLoad], bool]]:
    """The loads whose places decide: a product's right and left operand, or the largest load of a kernel without."""
    everything = list(everything)
    products = [op for op in everything if isinstance(op, ops.Dot)]
    for product in products[:1]:
        right, left = loaded(product.right), loaded(product.left)
        if isinstance(right, LOADS) and isinstance(left, LOADS):
            yield [right, left], True
    if products or any(isinstance(op, ops.DotScaled) for op in everything):
        return
    loads = [op for op in everything if isinstance(op, LOADS) and isinstance(op.results[0].type, Tile)]
    if loads:
        yield [max(loads, key=lambda load: prod(shape_of(load.results[0].type)))], False


class _Start:
    """Scalars and first elements of tiles, as they are before a block's first turn of every loop."""

    def __init__(self, func: ops.Func) -> None:
        self.emitter = Emitter()
        self.evaluator = Evaluator(self.emitter, 1, [self.emitter.sink], Environment())
        self.axes: set[int] = set()  # of the grid, that what was followed depends on
        for index, argument in enumerate(func.regions[0].args):
            self._load_argument(index, argument)

    def address(self, load: TileLoad) -> str | None:
        """Where a load begins, an i64; None where memory, or a branch, decides it."""
        if not _is_always_reached(load):
            return None
        if isinstance(load, ops.Load):
            return self._at_start(load.pointer).name if self._follow(load.pointer) else None
        made = load.descriptor.op
        if not isinstance(made, ops.MakeDescriptor) or not all(
            self._follow(value) for value in (made.base, *made.extents_and_strides, *load.indices)
        ):
            return None
        coordinates = [self.evaluator.scalar(index) for index in load.indices]
        return coordinates_access(self.evaluator, made, coordinates)[0].name

    def text(self, symbol: str, places: list[str]) -> str:
        """The whole function, which stores `places`."""
        for number, place in enumerate(places):
            at = self.emitter.op(f"getelementptr i64, ptr %keys, i64 {number}")
            self.emitter.do(f"store i64 {place}, ptr {at}")
        lines = [_HEAD.format(name=symbol), *self.emitter.entry, *self.emitter.sink, f"  ret i64 {len(places)}\n}}"]
        return "\n".join([*lines, *sorted(self.emitter.declarations)])

    def _load_argument(self, index: int, argument: Value) -> None:
        type_, name = register_type(element_of(argument.type)), f"%arg{index}"
        self.emitter.entry.append(f"  {name}.at = getelementptr i64, ptr %args, i64 {index}")
        if type_ == "i1":
            self.emitter.entry.append(f"  {name}.raw = load i8, ptr {name}.at\n  {name} = icmp ne i8 {name}.raw, 0")
        else:
            self.emitter.entry.append(f"  {name} = load {type_}, ptr {name}.at")
        self.evaluator.environment.scalars[argument] = name

    def _follow(self, value: Value) -> bool:
        """Whether `value` is known at a block's start; then the evaluator knows it too."""
        if value in self.evaluator.bound or value in self.evaluator.environment.scalars:
            return True
        op = value.op
        if op is None:
            return self._follow_carried(value)
        if isinstance(op, ops.ProgramId | ops.NumPrograms):
            if isinstance(op, ops.ProgramId):
                self.axes.add(op.axis)
            name = f"%{'pid' if isinstance(op, ops.ProgramId) else 'grid'}{op.axis}"
            self.evaluator.environment.scalars[value] = name
            return True
        if not isinstance(op, _FOLLOWED) or not is_virtual(op):
            return False
        if not all(self._follow(operand) for operand in op.operands if operand is not None):
            return False
        if not isinstance(value.type, Tile):
            compute_scalar(self.evaluator, op)
        return True

    def _follow_carried(self, value: Value) -> bool:
        """What a counted loop begins with."""
        loop = value.owner.parent if isinstance(value.owner, Block) else None
        if not isinstance(loop, ops.For):
            return False
        first = loop.lower if value.index == 0 else loop.inits[value.index - 1]
        if not self._follow(first):
            return False
        if isinstance(value.type, Tile):
            self.evaluator.bound[value] = self._at_start(first)
        else:
            self.evaluator.environment.scalars[value] = self._at_start(first).name
        return True

    def _at_start(self, value: Value) -> Vec:
        """The first element of a tile, or a scalar itself."""
        return self.evaluator.at(value, tuple(ZERO for _ in shape_of(value.type)))


def _is_always_reached(op: Op) -> bool:
    """Whether only counted loops stand around an operation."""
    block = op.parent
    while block is not None and isinstance(block.parent, ops.For):
        block = block.parent.parent
    return block is not None and isinstance(block.parent, ops.Func)


_HEAD = """define i64 @"{name}"(ptr %args, ptr %launch, i64 %block, ptr %keys) {{
  %grid0 = load i32, ptr %launch
  %grid1.at = getelementptr i32, ptr %launch, i64 1
  %grid1 = load i32, ptr %grid1.at
  %grid2.at = getelementptr i32, ptr %launch, i64 2
  %grid2 = load i32, ptr %grid2.at
  %gx = zext i32 %grid0 to i64
  %gy = zext i32 %grid1 to i64
  %x = urem i64 %block, %gx
  %row = udiv i64 %block, %gx
  %y = urem i64 %row, %gy
  %z = udiv i64 %row, %gy
  %pid0 = trunc i64 %x to i32
  %pid1 = trunc i64 %y to i32
  %pid2 = trunc i64 %z to i32"""
