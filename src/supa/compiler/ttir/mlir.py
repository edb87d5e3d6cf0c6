"""Reads MLIR's generic form: the operations of a TTIR module, with SSA values resolved and source locations.

    "tt.splat"(%i) <{properties}> ({regions}) {attributes} : (i32) -> tensor<128xi32> loc(#loc2)

Not here: what an operation means; the pretty form; passes. Errors name the line and column of the TTIR text.
"""

from __future__ import annotations

import re

from supa.compiler.ttir.attributes import AttributeReader
from supa.compiler.ttir.cursor import Cursor
from supa.compiler.ttir.locations import LocationReader, Place
from supa.compiler.ttir.structure import Attribute, FunctionType, MlirBlock, MlirOp, MlirRegion, MlirValue
from supa.compiler.ttir.types import read_function_type, read_type
from supa.compiler.ttir.values import Values

_ALIAS_DEFINITION = re.compile(r"^(#[A-Za-z_][\w.$-]*)\s*=\s*", re.MULTILINE)
_ALIAS_LINES = re.compile(r"(?:#[A-Za-z_][\w.$-]*\s*=[^\n]*\s*)+")
_RESULTS = re.compile(r"(%[^=\"]*?)\s*=\s*(?=\")")
_RESULT = re.compile(r"(%[\w$.-]+)(?::(\d+))?")
_NAME = re.compile(r'"([A-Za-z_][\w.$]*)"\(')
_OPERANDS = re.compile(r"([^()]*)\)")
_OPERAND = re.compile(r"%[\w$.-]+(?:#\d+)?")
_LABEL = re.compile(r"\^[\w$.-]+")
_SIMPLE_SIGNATURE = re.compile(r"(\([^\"{}\n]*?) loc\((#[A-Za-z]\w*)\)")
_PLAIN = re.compile(  # an operation on one line without regions, as nearly all are
    r'(?:(%[^="\n]*?) = )?"([A-Za-z_][\w.$]*)"\(([^()\n]*)\)(?: <(\{[^{}"\n]*\})>)?'
    r' : (\([^"{}\n]*?) loc\((#[A-Za-z]\w*)\)'
)


def parse(text: str, source: str = "<ttir>") -> MlirOp:
    """The module that `text` says. `source` names the text in errors.

    Raises `CompileError` (with the line and column in the text) on anything that is not understood.
    """
    return _Reader(text, source).module()


class _Reader:
    """The state of one reading."""

    def __init__(self, text: str, source: str) -> None:
        aliases = {match[1]: match.end() for match in _ALIAS_DEFINITION.finditer(text)}
        self.cursor = Cursor(text, source)
        self.locations = LocationReader(text, source, aliases)
        self.attributes = AttributeReader(text, source, aliases, self.locations)
        self.values = Values(self.cursor)
        self.blocks: list[dict[str, MlirBlock]] = []
        self.signatures: dict[str, FunctionType] = {}
        self.dictionaries: dict[str, dict[str, Attribute]] = {}

    def module(self) -> MlirOp:
        self._skip_aliases()
        op = self.operation()
        self._skip_aliases()
        if self.cursor.position != len(self.cursor.text):
            self.cursor.fail("expected the end of the module")
        self.values.check_all_defined()
        return op

    def _skip_aliases(self) -> None:
        while self.cursor.take(_ALIAS_LINES):
            pass

    def operation(self) -> MlirOp:
        """One operation with everything inside it."""
        cursor = self.cursor
        plain = _PLAIN.match(cursor.text, cursor.position)
        if plain is not None:
            return self._plain(plain)
        start = cursor.position
        results = cursor.take(_RESULTS)
        name = cursor.need(_NAME, "an operation in generic form")[1]
        operands_at = cursor.position
        operand_names = cursor.need(_OPERANDS, "operands")[1]
        op = MlirOp(name, [], {})
        if operand_names:
            op.operands = self._operands(operand_names, operands_at)
        if cursor.accept("["):
            self._successors(op)
        if cursor.accept("<"):
            op.attributes = self.attributes.dictionary(cursor)
            cursor.expect(">")
        if cursor.accept("("):
            self._regions(op)
        if cursor.peek("{"):
            self._discardable(op)
        cursor.expect(":")
        signature, place = self._signature()
        op.location = place.location
        self._check_operands(op, signature, operands_at)
        self._define_results(op, results[1] if results else "", signature, place, start)
        return op

    def _plain(self, form: re.Match[str]) -> MlirOp:
        results, name, operands, properties, signature_text, alias = form.groups()
        cursor, signature = self.cursor, self.signatures.get(signature_text)
        if signature is None:
            cursor.position = form.start(5)
            signature = self.signatures[signature_text] = read_function_type(cursor)
        op = MlirOp(name, [], {})
        if operands:
            op.operands = self._operands(operands, form.start(3))
        if properties:
            op.attributes = self._properties(properties, form.start(4))
        self._check_operands(op, signature, form.start(3))
        place = self.locations.of_alias(alias, cursor)
        op.location = place.location
        self._define_results(op, results or "", signature, place, form.start())
        cursor.move_to(form.end())
        return op

    def _properties(self, text: str, position: int) -> dict[str, Attribute]:
        known = self.dictionaries.get(text)
        if known is None:
            self.cursor.position = position
            known = self.dictionaries[text] = self.attributes.dictionary(self.cursor)
        return dict(known)

    def _operands(self, text: str, position: int) -> list[MlirValue]:
        known, values = self.values.known, []
        for name in text.split(", "):
            value = known.get(name)
            if value is None:
                if not _OPERAND.fullmatch(name):
                    self.cursor.fail("expected operands", position)
                value = self.values.forward(name, position)
            values.append(value)
        return values

    def _successors(self, op: MlirOp) -> None:
        while not self.cursor.accept("]"):
            if op.successors:
                self.cursor.expect(",")
            op.successors.append(self._block(self.cursor.need(_LABEL, "a block's label")[0]))

    def _block(self, label: str) -> MlirBlock:
        """The block of the open region with this label, which may come later in the text."""
        if not self.blocks:
            self.cursor.fail("expected successors inside a region only")
        return self.blocks[-1].setdefault(label, MlirBlock(label))

    def _discardable(self, op: MlirOp) -> None:
        start = self.cursor.position
        for name, value in self.attributes.dictionary(self.cursor).items():
            if name in op.attributes:
                self.cursor.fail(f"expected each attribute once, '{name}' is a property too", start)
            op.attributes[name] = value

    def _signature(self) -> tuple[FunctionType, Place]:
        """The type and the location that end an operation."""
        cursor = self.cursor
        simple = _SIMPLE_SIGNATURE.match(cursor.text, cursor.position)
        known = self.signatures.get(simple[1]) if simple else None
        if simple and known:
            cursor.move_to(simple.end())
            return known, self.locations.of_alias(simple[2], cursor)
        start = cursor.position
        signature = read_function_type(cursor)
        self.signatures[cursor.text[start : cursor.position].rstrip()] = signature
        return signature, self.locations.trailing(cursor)

    def _check_operands(self, op: MlirOp, signature: FunctionType, position: int) -> None:
        if len(signature.inputs) != len(op.operands):
            self.cursor.fail(f"expected {len(op.operands)} operand types of '{op.name}'", position)
        for value, type_ in zip(op.operands, signature.inputs, strict=True):
            if value.type is not type_ and value.type != type_:
                self.values.agree(value, type_, position)

    def _define_results(self, op: MlirOp, text: str, signature: FunctionType, place: Place, position: int) -> None:
        names = _result_names(text)
        if len(names) != len(signature.results):
            self.cursor.fail(f"expected {len(signature.results)} result names of '{op.name}'", position)
        op.results = tuple(
            self.values.define(name, type_, place, op, position)
            for name, type_ in zip(names, signature.results, strict=True)
        )

    def _regions(self, op: MlirOp) -> None:
        while True:
            op.regions.append(self._region())
            if self.cursor.accept(")"):
                return
            self.cursor.expect(",")

    def _region(self) -> MlirRegion:
        cursor, region = self.cursor, MlirRegion()
        cursor.expect("{")
        self.values.enter()
        labels: dict[str, MlirBlock] = {}
        self.blocks.append(labels)
        block = None
        while not cursor.accept("}"):
            if cursor.peek("^"):
                block = self._open_block(region)
            else:
                if block is None:
                    block = MlirBlock("")
                    region.blocks.append(block)
                block.ops.append(self.operation())
        self.blocks.pop()
        self.values.leave()
        missing = [label for label, target in labels.items() if target not in region.blocks]
        if missing:
            cursor.fail(f"expected the block {missing[0]} in the region that ends here")
        return region

    def _open_block(self, region: MlirRegion) -> MlirBlock:
        start = self.cursor.position
        block = self._block(self.cursor.need(_LABEL, "a block's label")[0])
        if block in region.blocks:
            self.cursor.fail("expected each block once", start)
        region.blocks.append(block)
        if self.cursor.accept("("):
            while not self.cursor.accept(")"):
                if block.arguments:
                    self.cursor.expect(",")
                block.arguments.append(self._argument(block))
        self.cursor.expect(":")
        return block

    def _argument(self, block: MlirBlock) -> MlirValue:
        start = self.cursor.position
        name = self.cursor.need(_OPERAND, "a block argument")[0]
        self.cursor.expect(":")
        type_ = read_type(self.cursor)
        return self.values.define(name, type_, self.locations.trailing(self.cursor), block, start)


def _result_names(text: str) -> list[str]:
    """`%a` is one name, `%0:2` stands for `%0#0` and `%0#1`."""
    if ":" not in text and "," not in text:
        return [text] if text else []
    names: list[str] = []
    for match in _RESULT.finditer(text):
        names.extend([match[1]] if match[2] is None else [f"{match[1]}#{index}" for index in range(int(match[2]))])
    return names


__all__ = ["Attribute", "MlirBlock", "MlirOp", "MlirRegion", "MlirValue", "parse"]
