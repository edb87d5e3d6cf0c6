"""Makes a failing kernel small: drops and simplifies operations as long as it still fails. Not tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from supa.base.dtypes import DType
from supa.base.errors import SupaError
from supa.ir import ops
from supa.ir.core import Block, Op
from supa.ir.parser import parse_function
from supa.ir.rewrite import erase_dead
from supa.ir.text import print_function
from supa.ir.types import Descriptor, element_of
from supa.ir.verify import verify

Check = Callable[[ops.Func], bool]
Change = Callable[[Op], bool]


def reduce_program(text: str, fails: Check) -> str:
    """The text of a smaller kernel for which `fails` still holds."""
    for changes in ((_drop,), (_inline, _make_constant), (_drop, _inline, _bypass, _make_constant)):
        size = _count(text) + 1
        while _count(text) < size:
            size = _count(text)
            text = _sweep(text, changes, fails)
    return text


def _sweep(text: str, changes: Sequence[Change], fails: Check) -> str:
    position = _count(text) - 1
    while position >= 0:
        for change in changes:
            smaller = _attempt(text, position, change, fails)
            if smaller is not None:
                text = smaller
                break
        position = min(position - 1, _count(text) - 1)
    return text


def _count(text: str) -> int:
    return len(list(parse_function(text).walk()))


def _attempt(text: str, position: int, change: Change, fails: Check) -> str | None:
    func = parse_function(text)
    op = list(func.walk())[position]
    if isinstance(op, ops.Func) or op.is_terminator or not change(op):
        return None
    while erase_dead(func):
        pass
    smaller = print_function(func)
    if smaller == text:
        return None
    try:
        again = parse_function(smaller)
        verify(again)
        return smaller if fails(again) else None
    except SupaError:
        return None


def _drop(op: Op) -> bool:
    """Without its results, if nobody uses them."""
    if any(result.uses for result in op.results):
        return False
    op.drop()
    return True


def _inline(op: Op) -> bool:
    """The first block of a branch in its place."""
    if not isinstance(op, ops.If | ops.For) or op.parent is None or _is_in_region(op):
        return False
    block = op.regions[0]
    if isinstance(op, ops.For):
        for argument, value in zip(block.args, [op.lower, *op.inits], strict=True):
            argument.replace_by(value)
    yielded = list(block.terminator.operands)
    for inner in block.ops[:-1]:
        inner.parent = op.parent
    place = op.parent.ops.index(op)
    op.parent.ops[place:place] = block.ops[:-1]
    block.ops[:-1] = []
    for result, value in zip(op.results, yielded, strict=True):
        assert value is not None
        result.replace_by(value)
    op.drop()
    return True


def _is_in_region(op: Op) -> bool:
    parent = op.parent.parent if op.parent is not None else None
    return isinstance(parent, ops.MapRegion | ops.Reduce | ops.Scan)


def _bypass(op: Op) -> bool:
    """An operand of the same type instead of the result."""
    if op.regions or not any(result.uses for result in op.results):
        return False
    for result in op.results:
        same = next((value for value in op.operands if value is not None and value.type == result.type), None)
        if same is None:
            return False
        result.replace_by(same)
    op.drop()
    return True


def _make_constant(op: Op) -> bool:
    """Ones instead of what is computed."""
    if isinstance(op, ops.Constant) or not any(result.uses for result in op.results) or op.parent is None:
        return False
    block: Block = op.parent
    for result in op.results:
        if result.uses and (isinstance(result.type, Descriptor) or not isinstance(element_of(result.type), DType)):
            return False
    for result in op.results:
        if result.uses:
            constant = ops.Constant((), [result.type], {"value": 1})
            block.insert_before(op, constant)
            result.replace_by(constant.result)
    op.drop()
    return True
