"""Values, operations and blocks: the graph every pass walks. Not here: which operations exist (`ir.ops`).

An operation class declares its operands, attributes and results; parser, printer, verifier and documentation read
that declaration. Control flow is structured: a region is one `Block`, ended by a terminator.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

from supa.base.location import UNKNOWN, Location
from supa.ir.types import Type

OPERATIONS: dict[str, type[Op]] = {}
"""Every operation class by its name in the text form; filled where the class is defined."""


class Value:
    """One SSA value: the result of `owner`, or an argument of the block `owner`, at position `index`."""

    __slots__ = ("index", "op", "owner", "type", "uses")

    def __init__(self, type_: Type, owner: Op | Block, index: int) -> None:
        self.type = type_
        self.owner = owner
        self.op = owner if isinstance(owner, Op) else None  # the defining operation, or None for a block argument
        self.index = index
        self.uses: list[Op] = []  # one entry for each operand position that reads this value

    def replace_by(self, other: Value) -> None:
        """Make every user read `other` instead."""
        for user in list(self.uses):
            for position, operand in enumerate(user.operands):
                if operand is self:
                    user.set_operand(position, other)


class Block:
    """A straight line of operations with arguments; `parent` is the operation whose region it is."""

    __slots__ = ("args", "ops", "parent")

    def __init__(self, arg_types: Iterable[Type] = ()) -> None:
        self.parent: Op | None = None
        self.ops: list[Op] = []
        self.args: list[Value] = []
        for type_ in arg_types:
            self.add_arg(type_)

    def add_arg(self, type_: Type) -> Value:
        """Append one more argument."""
        value = Value(type_, self, len(self.args))
        self.args.append(value)
        return value

    def append(self, op: Op) -> Op:
        """Put `op` at the end."""
        op.parent = self
        self.ops.append(op)
        return op

    def insert_before(self, anchor: Op, op: Op) -> Op:
        """Put `op` just before `anchor`."""
        op.parent = self
        self.ops.insert(self.ops.index(anchor), op)
        return op

    @property
    def terminator(self) -> Op:
        """The last operation."""
        return self.ops[-1]


class Operand:
    """Declares one operand position; None where an `optional` one is absent; a `variadic` one takes the rest."""

    def __init__(self, doc: str = "", *, optional: bool = False, variadic: bool = False) -> None:
        self.doc, self.optional, self.variadic = doc, optional, variadic
        self.position = -1
        self.name = ""

    def __get__(self, op: Op | None, owner: type[Op]) -> Any:
        if op is None:
            return self
        return op.operands[self.position :] if self.variadic else op.operands[self.position]


class Attribute:
    """Declares one attribute with its Python type and default (no default: required)."""

    _REQUIRED: ClassVar[object] = object()

    def __init__(self, type_: type | tuple[type, ...], doc: str = "", *, default: Any = _REQUIRED) -> None:
        self.type, self.doc, self.default = type_, doc, default
        self.name = ""

    @property
    def required(self) -> bool:
        """Whether the attribute must be given."""
        return self.default is Attribute._REQUIRED

    def __get__(self, op: Op | None, owner: type[Op]) -> Any:
        if op is None:
            return self
        return op.attributes.get(self.name, self.default)


class Op:
    """Base of all operations. A subclass sets `name`, declares `Operand`s, `Attribute`s, `region_names`, traits."""

    name: ClassVar[str] = ""
    operand_specs: ClassVar[tuple[Operand, ...]] = ()
    attribute_specs: ClassVar[dict[str, Attribute]] = {}
    region_names: ClassVar[tuple[str, ...]] = ()
    reads_memory: ClassVar[bool] = False
    writes_memory: ClassVar[bool] = False
    has_effect: ClassVar[bool] = False  # must be kept and kept in order even if no result is used
    is_terminator: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        operands: list[Operand] = []
        attributes: dict[str, Attribute] = {}
        for key, spec in vars(cls).items():
            if isinstance(spec, Operand):
                spec.name, spec.position = key, len(operands)
                operands.append(spec)
            elif isinstance(spec, Attribute):
                spec.name = key
                attributes[key] = spec
        cls.operand_specs, cls.attribute_specs = tuple(operands), attributes
        if cls.name:
            OPERATIONS[cls.name] = cls

    def __init__(
        self,
        operands: Sequence[Value | None] = (),
        result_types: Sequence[Type] = (),
        attributes: dict[str, Any] | None = None,
        regions: Sequence[Block] = (),
        location: Location = UNKNOWN,
    ) -> None:
        self.operands: list[Value | None] = list(operands)
        missing = len(self.operand_specs) - len(self.operands)
        if missing > 0 and all(spec.optional for spec in self.operand_specs[-missing:]):
            self.operands.extend([None] * missing)
        for value in self.operands:
            if value is not None:
                value.uses.append(self)
        self.results = [Value(type_, self, index) for index, type_ in enumerate(result_types)]
        self.attributes = attributes or {}
        self.regions = list(regions)
        for block in self.regions:
            block.parent = self
        self.location = location
        self.parent: Block | None = None

    @property
    def result(self) -> Value:
        """The only result."""
        (value,) = self.results
        return value

    def set_operand(self, position: int, value: Value | None) -> None:
        """Replace one operand and keep both values' uses right."""
        old = self.operands[position]
        if old is not None:
            old.uses.remove(self)
        self.operands[position] = value
        if value is not None:
            value.uses.append(self)

    def drop(self) -> None:
        """Take the operation (and all inside it) out of its block; its results must have no users left."""
        for block in self.regions:
            for inner in list(block.ops):
                inner.drop()
        for position in range(len(self.operands)):
            self.set_operand(position, None)
        if self.parent is not None:
            self.parent.ops.remove(self)
            self.parent = None

    def walk(self) -> Iterator[Op]:
        """This operation and all inside it, in program order."""
        yield self
        for block in self.regions:
            for inner in list(block.ops):
                yield from inner.walk()
