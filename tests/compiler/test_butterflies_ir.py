"""Exchanges of pairs: floats are exchanged as what they are, so that no tile of their bits is made."""

from pathlib import Path

from supa.base.dtypes import F32
from supa.compiler import ttir
from supa.compiler.native.butterflies import with_butterflies
from supa.compiler.passes import simplify
from supa.ir import ops
from supa.ir.types import element_of
from supa.ir.verify import verify


def test_a_sort_of_floats_exchanges_floats():
    func = ttir.read((Path(__file__).parent / "ttir" / "sort.mlir").read_text())
    simplify(func)
    func = with_butterflies(func)
    verify(func)
    found = [op for op in func.walk() if isinstance(op, ops.Butterfly)]
    assert len(found) >= 10  # of 16 elements: 1 + 2 + 3 + 4 comparisons
    sorting = [op for op in found if any(isinstance(user, ops.Map) for user in op.result.uses)]
    assert all(element_of(op.source.type) is F32 for op in sorting)
    assert len(sorting) == 10
