"""One way for all tests of this floor to run a few operations on arrays through the oracle."""

from __future__ import annotations

import numpy as np
import pytest

from supa.base.dtypes import I32
from supa.base.location import Location
from supa.ir import ops
from supa.ir.core import Block
from supa.ir.oracle import Memory, Strict, run
from supa.ir.oracle.formats import storage_of
from supa.ir.parser import parse_function
from supa.ir.rewrite import Builder
from supa.ir.text import print_function
from supa.ir.types import Pointer, Tile, element_of, shape_of
from supa.ir.verify import verify


def tile(shape, element):
    return Tile(tuple(shape), element) if shape else element


def pointers(builder, base, type_):
    """Addresses of consecutive elements in row-major order, in the shape of `type_`."""
    shape = shape_of(type_)
    if not shape:
        return base
    size = Tile(shape, I32).size
    offsets = builder.value(ops.Range, (), start=0, end=size)
    offsets = builder.value(ops.Reshape, [offsets], Tile(shape, I32))
    splat = builder.value(ops.Splat, [base], Tile(shape, base.type))
    return builder.value(ops.AddPtr, [splat, offsets])


def evaluate(build, *inputs, numerics=None, strict=None):
    """Load `inputs`, (stored array, element type) each, run `build(builder, *values)`, give what its results hold."""
    block = Block([Pointer(element) for _, element in inputs])
    builder = Builder(block, location=Location("test.py", 1, 1))
    values = []
    for base, (array, element) in zip(list(block.args), inputs, strict=True):
        where = pointers(builder, base, tile(np.shape(array), element))
        values.append(builder.value(ops.Load, [where]))
    results = build(builder, *values)
    results = list(results) if isinstance(results, (list, tuple)) else [results]
    memory = Memory()
    regions = [memory.copy_of(f"in{n}", np.asarray(array)) for n, (array, _) in enumerate(inputs)]
    outputs = []
    for value in results:
        element = element_of(value.type)
        base = block.add_arg(Pointer(element))
        builder.create(ops.Store, [pointers(builder, base, value.type), value])
        nbytes = int(np.prod(shape_of(value.type), dtype=np.int64)) * storage_of(element).itemsize
        outputs.append((memory.new("out", nbytes), value.type))
    builder.create(ops.Return)
    func = ops.Func((), (), {"sym_name": "test"}, [block])
    func = parse_function(print_function(func))
    verify(func)
    run(
        func, (1,), [*regions, *(region for region, _ in outputs)], memory, numerics=numerics, strict=strict or Strict()
    )
    return [region.array(storage_of(element_of(t)), shape_of(t)) for region, t in outputs]


@pytest.fixture(name="evaluate")
def evaluate_fixture():
    return evaluate


@pytest.fixture(name="region")
def region_fixture():
    """A region of scalar code: region([types], lambda builder, *args: values)."""

    def make(types, build):
        block = Block(types)
        builder = Builder(block)
        results = build(builder, *block.args)
        builder.create(ops.Yield, results if isinstance(results, (list, tuple)) else [results])
        return block

    return make
