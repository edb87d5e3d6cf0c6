"""What a TTIR text says, as plain objects: operations, blocks, regions, values, attributes; no meaning attached.

Not here: reading the text (`mlir`), the meaning of an operation (the translation to tile IR).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Union

from supa.base.location import UNKNOWN, Location
from supa.ir.types import Tile, Type


@dataclass(frozen=True)
class OpaqueType:
    """A type that only its text describes and no value of a kernel may compute with: `none`."""

    text: str

    def __str__(self) -> str:
        return self.text


NONE = OpaqueType("none")


@dataclass(frozen=True)
class FunctionType:
    """The type of a function: `(inputs) -> (results)`."""

    inputs: tuple[MlirType, ...]
    results: tuple[MlirType, ...]

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.inputs))}) -> ({', '.join(map(str, self.results))})"


@dataclass(frozen=True)
class TupleType:
    """The type of a fixed list of values: `tuple<...>`."""

    elements: tuple[MlirType, ...]

    def __str__(self) -> str:
        return f"tuple<{', '.join(map(str, self.elements))}>"


MlirType = Type | FunctionType | TupleType | OpaqueType


class Unit(Enum):
    """The attribute that says only that it is there."""

    UNIT = "unit"


UNIT = Unit.UNIT


@dataclass(frozen=True)
class SymbolRef:
    """A reference to a function by name: `@outer`, nested names joined by `::`."""

    name: str


@dataclass(frozen=True)
class DialectAttribute:
    """An attribute that a dialect prints in its own way: `#arith.fastmath<none>` is ("arith.fastmath", "none")."""

    name: str
    body: str


@dataclass(frozen=True)
class Dense:
    """The elements of a constant tile in row-major order; of a splat only the one value is kept."""

    type: Tile
    values: tuple[int | float | bool, ...]

    @property
    def is_splat(self) -> bool:
        """True if all elements are `values[0]`."""
        return len(self.values) == 1


Attribute = Union[
    bool,
    int,
    float,
    str,
    Unit,
    SymbolRef,
    DialectAttribute,
    Dense,
    Location,
    MlirType,
    "tuple[Attribute, ...]",
    "dict[str, Attribute]",
]


class MlirValue:
    """One SSA value: a result of `owner` or an argument of a block. `name` is the user's name for it, "" if none."""

    __slots__ = ("location", "name", "owner", "type")

    def __init__(self, type_: MlirType, name: str, location: Location, owner: MlirOp | MlirBlock | None) -> None:
        self.type, self.name, self.location, self.owner = type_, name, location, owner

    def __repr__(self) -> str:
        return f"MlirValue({self.name or '_'}: {self.type})"


class MlirOp:
    """One operation. `attributes` holds properties and discardable attributes alike; `successors` are blocks of the
    region that it ends a block of, their arguments are among `operands` (split by `operandSegmentSizes`).
    """

    __slots__ = ("attributes", "location", "name", "operands", "regions", "results", "successors")

    def __init__(self, name: str, operands: list[MlirValue], attributes: dict[str, Attribute]) -> None:
        self.name, self.operands, self.attributes = name, operands, attributes
        self.results: tuple[MlirValue, ...] = ()
        self.regions: list[MlirRegion] = []
        self.successors: list[MlirBlock] = []
        self.location: Location = UNKNOWN

    @property
    def result_types(self) -> tuple[MlirType, ...]:
        """The types of the results, in order."""
        return tuple(result.type for result in self.results)

    def walk(self) -> Iterator[MlirOp]:
        """This operation and all inside it, in the order of the text."""
        yield self
        for region in self.regions:
            for block in region.blocks:
                for op in block.ops:
                    yield from op.walk()

    def __repr__(self) -> str:
        return f"MlirOp({self.name} at {self.location})"


class MlirBlock:
    """Operations that run one after another; the last one ends the block."""

    __slots__ = ("arguments", "label", "ops")

    def __init__(self, label: str) -> None:
        self.label = label
        self.arguments: list[MlirValue] = []
        self.ops: list[MlirOp] = []

    def __repr__(self) -> str:
        return f"MlirBlock({self.label}, {len(self.ops)} ops)"


class MlirRegion:
    """Blocks; the first one is entered."""

    __slots__ = ("blocks",)

    def __init__(self) -> None:
        self.blocks: list[MlirBlock] = []

    @property
    def entry(self) -> MlirBlock:
        """The first block."""
        return self.blocks[0]
