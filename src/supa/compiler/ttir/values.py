"""Which SSA value a name means at a place of the text: scopes by region, and values that are used before their line.

A value may be used in a block that is printed before the block that defines it; such a use gets the very object that
the definition completes later.
"""

from __future__ import annotations

from supa.base.location import UNKNOWN
from supa.compiler.ttir.cursor import Cursor
from supa.compiler.ttir.locations import Place
from supa.compiler.ttir.structure import NONE, MlirBlock, MlirOp, MlirType, MlirValue


class Values:
    """The names that are visible now. `known` maps `%a` or `%0#1` to its value."""

    def __init__(self, cursor: Cursor) -> None:
        self.known: dict[str, MlirValue] = {}
        self._cursor = cursor
        self._defined: list[list[str]] = [[]]
        self._awaited: list[dict[str, int]] = [{}]

    def enter(self) -> None:
        """Opens a region."""
        self._defined.append([])
        self._awaited.append({})

    def leave(self) -> None:
        """Closes a region: its names end; what it used and did not define is awaited from the region around it."""
        for name in self._defined.pop():
            del self.known[name]
        awaited = self._awaited.pop()
        if awaited:
            self._awaited[-1].update(awaited)

    def forward(self, name: str, position: int) -> MlirValue:
        """A value whose definition is still to come; `position` is that of the use."""
        value = self.known[name] = MlirValue(NONE, "", UNKNOWN, None)
        self._awaited[-1][name] = position
        return value

    def define(self, name: str, type_: MlirType, place: Place, owner: MlirOp | MlirBlock, position: int) -> MlirValue:
        """The value that `name` means from here to the end of the region."""
        if self._awaited[-1].pop(name, None) is not None:
            value = self.known[name]
            if value.type is not NONE:
                self.agree(value, type_, position)
            value.type, value.name, value.location, value.owner = type_, place.name, place.location, owner
        else:
            if name in self.known:
                self._cursor.fail(f"expected a new name, {name} is defined already", position)
            value = self.known[name] = MlirValue(type_, place.name, place.location, owner)
        self._defined[-1].append(name)
        return value

    def agree(self, value: MlirValue, type_: MlirType, position: int) -> None:
        """Checks a use's type; a value without a definition yet takes it."""
        if value.owner is None and value.type is NONE:
            value.type = type_
        elif value.type != type_:
            self._cursor.fail(f"expected an operand of type {value.type}, the signature says {type_}", position)

    def check_all_defined(self) -> None:
        """`CompileError` at the first use of a name that nothing defines."""
        for name, position in self._awaited[-1].items():
            self._cursor.fail(f"expected a value, {name} is defined nowhere", position)
