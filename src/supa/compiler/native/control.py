"""Loops and branches: carried scalars in stack slots, carried tiles in buffers that are updated in place where safe."""

from __future__ import annotations

from supa.compiler.native.buffers import Buffer
from supa.compiler.native.emitter import register_type
from supa.compiler.native.generator import Generator, emits
from supa.compiler.native.plan import Planner, Root
from supa.compiler.native.streaming import enter_loop, leave_loop
from supa.compiler.native.tiles import is_virtual
from supa.ir import ops
from supa.ir.core import Block, Op, Value
from supa.ir.types import Tile, element_of, shape_of


class _Places:
    """Where a list of carried values lives: one slot or buffer for each."""

    def __init__(self, generator: Generator, types: list[object]) -> None:
        self.generator = generator
        self.places: list[str | Buffer] = []
        for type_ in types:
            if isinstance(type_, Tile):
                self.places.append(generator.new_buffer(type_.shape, type_.element))
            else:
                self.places.append(generator.emitter.alloca(register_type(element_of(type_))))  # type: ignore[arg-type]

    def bind(self, values: list[Value]) -> None:
        """Make `values` read from here, as of now."""
        environment, emitter = self.generator.environment, self.generator.emitter
        for value, place in zip(values, self.places, strict=True):
            if isinstance(place, Buffer):
                environment.buffers[value] = place
            else:
                type_ = register_type(element_of(value.type))
                environment.scalars[value] = emitter.op(f"load {type_}, ptr {place}")

    def put_scalars(self, values: list[Value]) -> None:
        """Store the scalars among `values`: read all, then write all."""
        found = [(place, self.generator.scalar(value)) for place, value in zip(self.places, values, strict=True)
                 if not isinstance(place, Buffer)]  # fmt: skip
        for place, vec in found:
            self.generator.emitter.do(f"store {vec.type} {vec.name}, ptr {place}")

    def roots(self, op: Op, values: list[Value], first: int = 0) -> list[Root]:
        """Roots that write the tiles among `values`, operands of `op` from position `first`, into their buffers."""
        return [
            Root("keep", op, value, shape_of(value.type), target=place, position=first + index)
            for index, (place, value) in enumerate(zip(self.places, values, strict=True))
            if isinstance(place, Buffer) and self.generator.environment.buffers.get(value) != place
        ]


def _operands(op: Op, first: int = 0) -> list[Value]:
    return [operand for operand in op.operands[first:] if operand is not None]


@emits(ops.For)
def emit_for(generator: Generator, op: ops.For) -> None:
    """A counted loop."""
    emitter, body = generator.emitter, op.regions[0]
    inits = list(op.inits)
    places = _Places(generator, [])
    adopted = []
    for init in inits:
        own = generator.environment.buffers.get(init)
        if own is not None and len(init.uses) == 1 and not _is_enclosing_argument(init):
            places.places.append(own)  # nobody else reads it: the loop may update it in place
        else:
            places.places.append(_Places(generator, [init.type]).places[0])
        adopted.append(own)
    generator.run_roots(places.roots(op, inits, 3))
    places.put_scalars(inits)
    lower, upper, step = (generator.scalar(value) for value in (op.lower, op.upper, op.step))
    counter = emitter.alloca(lower.type)
    emitter.do(f"store {lower.type} {lower.name}, ptr {counter}")
    enter_loop(generator, op, lower.name, upper.name, step.name)
    head, inside, done = (emitter.fresh_label(hint) for hint in ("for", "body", "done"))
    emitter.do(f"br label %{head}")
    emitter.label(head)
    iv = emitter.op(f"load {lower.type}, ptr {counter}")
    order = "ult" if op.unsigned else "slt"
    emitter.do(f"br i1 {emitter.op(f'icmp {order} {lower.type} {iv}, {upper.name}')}, label %{inside}, label %{done}")
    emitter.label(inside)
    with generator.scope():
        generator.environment.scalars[body.args[0]] = iv
        places.bind(body.args[1:])
        _emit_carrying_body(generator, body, places)
        following = emitter.op(f"add {lower.type} {iv}, {step.name}")
        emitter.do(f"store {lower.type} {following}, ptr {counter}")
    emitter.do(f"br label %{head}")
    emitter.label(done)
    leave_loop(generator)
    places.bind(op.results)


def _is_enclosing_argument(value: Value) -> bool:
    return isinstance(value.owner, Block)


def _emit_carrying_body(generator: Generator, body: Block, places: _Places) -> None:
    """The body of a for: its yields end in the carried places."""
    yields, arguments = _operands(body.terminator), body.args[1:]
    for index, (value, argument) in enumerate(zip(yields, arguments, strict=True)):
        place = places.places[index]
        if isinstance(place, Buffer) and _dot_in_place(generator, value, argument, body):
            generator.environment.buffers[value] = place
            generator.in_place[value] = place
    roots = places.roots(body.terminator, yields)
    shadows = []
    for root in roots:
        argument = arguments[root.position]
        others = [other.value for other in roots if other is not root]
        crossed = any(_reads(generator.planner, value, argument, False) for value in others if value is not None)
        assert root.value is not None
        if crossed or _reads(generator.planner, root.value, argument, True):
            shadow = generator.new_buffer(root.shape, element_of(root.value.type))
            assert isinstance(root.target, Buffer)
            shadows.append((shadow, root.target))
            root.target = shadow
    generator.emit_block(body, roots)
    places.put_scalars(yields)
    for shadow, target in shadows:
        generator.copy_buffer(shadow, target)


def _dot_in_place(generator: Generator, value: Value, argument: Value, body: Block) -> bool:
    """Whether a yielded dot may accumulate right in the carried buffer: no one else reads the old tile."""
    dot = value.op
    if not isinstance(dot, ops.Dot | ops.DotScaled) or dot.parent is not body:
        return False
    readers = generator.planner.uses[argument].readers
    if readers != {(dot, 0)} or any(_reads(generator.planner, side, argument, False) for side in (dot.left, dot.right)):
        return False
    return not _reads(generator.planner, dot.accumulator, argument, True)


def _reads(planner: Planner, value: Value, argument: Value, only_moved: bool) -> bool:
    """Whether `value`, computed at an index, reads `argument`; with `only_moved`, at another index than its own."""
    waiting, seen = [(value, False)], set()
    while waiting:
        item = waiting.pop()
        if item in seen:
            continue
        seen.add(item)
        reading, moved = item
        if reading is argument and (moved or not only_moved):
            return True
        op = reading.op
        if op is None or not is_virtual(op):
            continue
        moved = moved or not planner.keeps_index(op)
        waiting.extend((operand, moved) for operand in op.operands if operand is not None)
    return False


@emits(ops.If)
def emit_if(generator: Generator, op: ops.If) -> None:
    """A branch on a scalar."""
    emitter = generator.emitter
    places = _Places(generator, [result.type for result in op.results])
    condition = generator.scalar(op.condition)
    labels = [emitter.fresh_label(hint) for hint in ("then", "else", "endif")]
    emitter.do(f"br i1 {condition.name}, label %{labels[0]}, label %{labels[1]}")
    for label, block in zip(labels, op.regions, strict=False):
        emitter.label(label)
        with generator.scope():
            values = _operands(block.terminator) if block.ops else []
            if block.ops:
                generator.emit_block(block, places.roots(block.terminator, values))
                places.put_scalars(values)
        emitter.do(f"br label %{labels[2]}")
    if len(op.regions) == 1:
        emitter.label(labels[1])
        emitter.do(f"br label %{labels[2]}")
    emitter.label(labels[2])
    places.bind(op.results)


@emits(ops.While)
def emit_while(generator: Generator, op: ops.While) -> None:
    """A loop with a computed condition."""
    emitter = generator.emitter
    before, after = op.regions
    inits = list(op.inits)
    carried = _Places(generator, [init.type for init in inits])
    handed = _Places(generator, [result.type for result in op.results])
    generator.run_roots(carried.roots(op, inits))
    carried.put_scalars(inits)
    head, inside, done = (emitter.fresh_label(hint) for hint in ("while", "body", "done"))
    emitter.do(f"br label %{head}")
    emitter.label(head)
    with generator.scope():
        carried.bind(before.args)
        condition = before.terminator
        assert isinstance(condition, ops.Condition)
        values = list(condition.values)
        generator.emit_block(before, handed.roots(condition, values, 1))
        handed.put_scalars(values)
        flag = generator.scalar(condition.condition)
        emitter.do(f"br i1 {flag.name}, label %{inside}, label %{done}")
    emitter.label(inside)
    with generator.scope():
        handed.bind(after.args)
        _emit_way_out(generator)
        if _may_wait(op):
            _emit_yield(generator)
        values = _operands(after.terminator)
        generator.emit_block(after, carried.roots(after.terminator, values))
        carried.put_scalars(values)
    emitter.do(f"br label %{head}")
    emitter.label(done)
    handed.bind(op.results)


def _emit_way_out(generator: Generator) -> None:
    """Leave the block where the launch was stopped meanwhile: the condition may never end the loop."""
    emitter = generator.emitter
    stopped = emitter.op("load atomic i32, ptr %stopped.at monotonic, align 4")
    go = emitter.fresh_label("go")
    emitter.do(f"br i1 {emitter.op(f'icmp ne i32 {stopped}, 0')}, label %block.next, label %{go}")
    emitter.label(go)


def _may_wait(loop: ops.While) -> bool:
    """Whether the loop looks at memory that another block may write: by atomics, volatile loads, or nothing else."""
    inside = [op for block in loop.regions for op in block.ops]
    if all(not op.operands or op.is_terminator for op in loop.regions[1].ops) and any(op.reads_memory for op in inside):
        return True
    everything = [part for op in inside for part in op.walk()]
    return any(
        isinstance(op, ops.AtomicRmw | ops.AtomicCas)
        or (isinstance(op, ops.Load) and (op.volatile or op.cache == "cv"))
        for op in everything
    )


def _emit_yield(generator: Generator) -> None:
    """Let other blocks run."""
    generator.waits = True
    emitter = generator.emitter
    at = emitter.op("getelementptr i8, ptr %launch, i64 24")
    function = emitter.op(f"load ptr, ptr {at}")
    call, done = emitter.fresh_label("yield"), emitter.fresh_label("go")
    emitter.do(f"br i1 {emitter.op(f'icmp eq ptr {function}, null')}, label %{done}, label %{call}")
    emitter.label(call)
    emitter.do(f"call void {function}(ptr %launch)")
    emitter.do(f"br label %{done}")
    emitter.label(done)
