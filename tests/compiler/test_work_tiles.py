"""Affine tiles and masks against NumPy: whatever a transfer function claims is true of the tile itself."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from supa.compiler.work.expressions import Expressions
from supa.compiler.work.tiles import Index, Tiles, move_dims

POWERS = st.sampled_from([1, 2, 4, 8])
SHAPES = st.lists(POWERS, min_size=1, max_size=4)
X = Expressions()
TILES = Tiles(X)


def evaluate(expr):
    """The value of an expression over constants."""
    args = [evaluate(arg) for arg in expr.args]
    if expr.kind == "const":
        return expr.payload
    if expr.kind == "binary" and expr.payload == "sdiv":
        return int(args[0] / args[1])
    if expr.kind == "binary":
        return {"add": int.__add__, "sub": int.__sub__, "mul": int.__mul__, "and": int.__and__, "or": int.__or__,
                "xor": int.__xor__, "srem": math.fmod}[expr.payload](*args)  # fmt: skip
    if expr.kind == "icmp":
        return {"slt": int.__lt__, "sle": int.__le__, "sgt": int.__gt__, "sge": int.__ge__, "eq": int.__eq__,
                "ne": int.__ne__}[expr.payload](*args)  # fmt: skip
    raise AssertionError(expr.kind)


def array_of(index, shape):
    """The tile that an index describes."""
    result = np.full(shape, evaluate(index.base))
    for dim, coefficient in enumerate(index.coefficients):
        if coefficient is not None:
            steps = [1] * len(shape)
            steps[dim] = shape[dim]
            result = result + evaluate(coefficient) * np.arange(shape[dim]).reshape(steps)
    return result


def mask_array(mask, shape):
    """The elements that a mask lets in."""
    inside = np.full(shape, all(evaluate(c) for c in mask.conditions))
    grid = np.indices(shape)
    for bound in mask.bounds:
        at = grid[bound.dim]
        inside &= at < evaluate(bound.value) if bound.upper else at >= evaluate(bound.value)
    return inside


@st.composite
def affine(draw, shape):
    coefficients = []
    for extent in shape:
        c = draw(st.integers(-9, 9)) if extent > 1 else 0
        coefficients.append(X.const(c) if c else None)
    return Index(X.const(draw(st.integers(-50, 50))), tuple(coefficients))


@st.composite
def pairs(draw):
    shape = draw(SHAPES)
    return shape, draw(affine(shape)), draw(affine(shape))


@given(pairs())
@settings(max_examples=60, deadline=None)
def test_sums_and_differences(case):
    shape, left, right = case
    assert (array_of(TILES.add(left, right), shape) == array_of(left, shape) + array_of(right, shape)).all()
    difference = TILES.add(left, right, subtract=True)
    assert (array_of(difference, shape) == array_of(left, shape) - array_of(right, shape)).all()


@given(pairs())
@settings(max_examples=60, deadline=None)
def test_products_are_affine_only_if_one_side_is_uniform(case):
    shape, left, right = case
    product = TILES.mul(left, right)
    if product.base is None:
        assert not left.uniform and not right.uniform
    else:
        assert (array_of(product, shape) == array_of(left, shape) * array_of(right, shape)).all()


@given(st.data(), SHAPES)
@settings(max_examples=200, deadline=None)
def test_reshapes(data, shape):
    source = data.draw(affine(shape))
    size = math.prod(shape)
    new = []
    while size > 1:
        new.append(data.draw(st.sampled_from([f for f in (1, 2, 4, 8) if f <= size])))
        size //= new[-1]
    new = new or [1]
    result = TILES.reshape(source, shape, new)
    want = array_of(source, shape).reshape(new)
    assert len(result.coefficients) == len(new)
    if result.base is not None:
        assert (array_of(result, new) == want).all()
    for dim, coefficient in enumerate(result.coefficients):
        if coefficient is None:
            assert (want == np.take(want, [0], axis=dim)).all()


def test_reshapes_that_must_stay_affine():
    row = Index(X.const(3), (X.const(8), X.const(2)))
    merged = TILES.reshape(row, (16, 4), (64,))
    assert (array_of(merged, (64,)) == 3 + 2 * np.arange(64)).all()
    split = TILES.reshape(merged, (64,), (2, 1, 8, 4))
    assert (array_of(split, (2, 1, 8, 4)).ravel() == 3 + 2 * np.arange(64)).all()
    assert TILES.reshape(Index(X.const(0), (X.const(9), X.const(2))), (16, 4), (64,)).base is None


@given(pairs(), st.sampled_from(["slt", "sle", "sgt", "sge", "eq", "ne"]))
@settings(max_examples=300, deadline=None)
def test_comparisons(case, predicate):
    shape, left, right = case
    mask = TILES.compare(predicate, left, right)
    a, b = array_of(left, shape), array_of(right, shape)
    want = {"slt": a < b, "sle": a <= b, "sgt": a > b, "sge": a >= b, "eq": a == b, "ne": a != b}[predicate]
    got = mask_array(mask, shape)
    if mask.complete:
        exact = predicate != "eq" or all(
            c is None or abs(c.payload) == 1 for c in TILES.add(left, right, subtract=True).coefficients
        )
        assert (got == want).all() if exact else (got >= want).all()
    else:
        assert (got >= want).all()  # what is left out only lets more in


@given(pairs(), st.sampled_from(["slt", "sgt"]), st.sampled_from(["sle", "sge"]))
@settings(max_examples=100, deadline=None)
def test_logic_of_masks(case, first, second):
    shape, left, right = case
    a, b = TILES.compare(first, left, right), TILES.compare(second, right, left)
    both, neither = TILES.conjunction(a, b), TILES.negation(a)
    assert (mask_array(both, shape) == (mask_array(a, shape) & mask_array(b, shape))).all()
    if neither.complete:
        assert (mask_array(neither, shape) == ~mask_array(a, shape)).all()
    either = TILES.disjunction(a, b)
    if either.complete:
        assert (mask_array(either, shape) == (mask_array(a, shape) | mask_array(b, shape))).all()


@given(pairs())
@settings(max_examples=40, deadline=None)
def test_transposed_masks(case):
    shape, left, right = case
    mask = TILES.compare("slt", left, right)
    turned = move_dims(mask, list(reversed(range(len(shape)))))
    assert (mask_array(turned, shape[::-1]) == mask_array(mask, shape).T).all()
