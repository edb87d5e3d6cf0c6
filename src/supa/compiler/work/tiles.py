"""What is known of a tile without its data: an affine `Index` of integers or addresses, or a `Mask`.

An index tile is value(i0, i1, ..) = base + sum_d coefficient_d * i_d. Where that is not so, approximations keep
what matters to traffic, the number of elements and their spacing: a remainder, a clamp by a scalar and a select keep
the first element's value and the coefficients. A 32-bit sum is taken not to wrap. A coefficient that is not a
constant is taken to be positive where a mask is solved for its dimension. Not here: scalars (`scalars`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from supa.compiler.work.expressions import Expr, Expressions

Coefficients = tuple["Expr | None", ...]


@dataclass(slots=True)
class Index:
    """base + sum of coefficients; None where the tile does not vary along a dimension. `base` None: not affine, and
    the coefficients only say along which dimensions it varies.
    """

    base: Expr | None
    coefficients: Coefficients

    @property
    def uniform(self) -> bool:
        """Whether all elements are equal."""
        return self.base is not None and not any(self.coefficients)


@dataclass(slots=True)
class Bound:
    """Elements whose index along `dim` is below (`upper`) or not below the bound are in."""

    dim: int
    upper: bool
    value: Expr


@dataclass(slots=True)
class Mask:
    """A conjunction of bounds and scalar conditions. Not `complete`: some part was not understood and is left out."""

    bounds: tuple[Bound, ...] = ()
    conditions: tuple[Expr, ...] = ()
    complete: bool = True

    @property
    def single(self) -> Bound | None:
        """The bound, where the mask is nothing but one bound."""
        alone = self.complete and not self.conditions and len(self.bounds) == 1
        return self.bounds[0] if alone else None


class Tiles:
    """Transfer functions of indices and masks."""

    def __init__(self, expressions: Expressions) -> None:
        self.x = expressions

    # ---- indices

    def opaque(self, shape: Sequence[int]) -> Index:
        """An index of which nothing is known."""
        return Index(None, tuple(self.x.one if extent > 1 else None for extent in shape))

    def blur(self, *sources: Index) -> Index:
        """Not affine, varying where any source varies."""
        columns = zip(*(source.coefficients for source in sources), strict=True)
        return Index(None, tuple(self.x.one if any(column) else None for column in columns))

    def range(self, start: int, end: int) -> Index:
        """start .. end-1."""
        return Index(self.x.const(start), (self.x.one if end - start > 1 else None,))

    def add(self, left: Index, right: Index, *, subtract: bool = False) -> Index:
        """Element-wise sum or difference."""
        if left.base is None or right.base is None:
            return self.blur(left, right)
        join = self.x.sub if subtract else self.x.add
        pairs = zip(left.coefficients, right.coefficients, strict=True)
        return Index(join(left.base, right.base), tuple(self._join(a, b, subtract) for a, b in pairs))

    def _join(self, left: Expr | None, right: Expr | None, subtract: bool) -> Expr | None:
        if right is None:
            return left
        if subtract:
            right = self.x.mul(right, self.x.const(-1))
        return right if left is None else self._nonzero(self.x.add(left, right))

    def _nonzero(self, coefficient: Expr) -> Expr | None:
        return None if coefficient is self.x.zero else coefficient

    def scale(self, source: Index, factor: Expr) -> Index:
        """Every element times a scalar."""
        if source.base is None:
            return source
        coefficients = (c if c is None else self._nonzero(self.x.mul(c, factor)) for c in source.coefficients)
        return Index(self.x.mul(source.base, factor), tuple(coefficients))

    def mul(self, left: Index, right: Index) -> Index:
        """Element-wise product; affine if one side is uniform."""
        if right.uniform and right.base is not None:
            return self.scale(left, right.base)
        if left.uniform and left.base is not None:
            return self.scale(right, left.base)
        return self.blur(left, right)

    def function(self, name: str, left: Index, right: Index) -> Index:
        """Any other integer function of two tiles."""
        if left.base is None or right.base is None or not right.uniform:
            return self.blur(left, right)
        if name in ("smin", "smax", "umin", "umax"):
            pick = self.x.smin if name.endswith("min") else self.x.smax
            return Index(pick(left.base, right.base), left.coefficients)
        if name in ("srem", "urem"):
            return Index(self.x.binary(name, left.base, right.base), left.coefficients)
        if name in ("sdiv", "udiv", "and", "or", "xor", "shl", "lshr", "ashr"):
            return self._uneven(name, left, right.base)
        return self.blur(left, right)

    def _uneven(self, name: str, left: Index, right: Expr) -> Index:
        base = left.base
        assert base is not None
        if name == "shl" and right.kind == "const" and 0 <= right.payload < 63:
            return self.scale(left, self.x.const(1 << right.payload))
        if left.uniform:
            return Index(self.x.binary(name, base, right), left.coefficients)
        if name == "and" and right.kind == "const" and right.payload > 0 and right.payload & (right.payload + 1) == 0:
            return Index(self.x.binary(name, base, right), left.coefficients)  # a remainder of a power of two
        known = all(c is None or c.kind == "const" for c in (*left.coefficients, right))
        divisor = right.payload if known else 0
        if name in ("sdiv", "udiv") and divisor > 0 and not any(c and c.payload % divisor for c in left.coefficients):
            parts = (c and self.x.const(c.payload // divisor) for c in left.coefficients)
            return Index(self.x.binary(name, base, right), tuple(parts))
        return self.blur(left)

    def choose(self, left: Index, right: Index) -> Index:
        """A select: the side that varies, taken to be chosen everywhere."""
        if left.base is None or right.base is None:
            return self.blur(left, right)
        return right if left.uniform and not right.uniform else left

    def reshape(self, source: Index, old: Sequence[int], new: Sequence[int]) -> Index:
        """The same elements in row-major order; splits and exact merges of dimensions stay affine."""
        result: list[Expr | None] = []
        affine, position = source.base is not None, 0
        for olds, news in _groups(old, new):
            coefficients = source.coefficients[position : position + len(olds)]
            position += len(olds)
            parts = self._regroup(olds, news, coefficients)
            if parts is None:
                affine = False
                parts = tuple(self.x.one if extent > 1 and any(coefficients) else None for extent in news)
            result.extend(parts)
        return Index(source.base if affine else None, tuple(result))

    def _regroup(self, olds: Sequence[int], news: Sequence[int], coefficients: Coefficients) -> Coefficients | None:
        """Coefficients of one group of dimensions under its new extents, None if that is not affine."""
        unit: Expr | None = None  # coefficient of the group's flat index
        inner = 1
        pairs = [(o, c) for o, c in zip(olds, coefficients, strict=True) if o > 1]
        for position, (extent, coefficient) in enumerate(reversed(pairs)):
            if position == 0:
                unit = coefficient
            elif unit is None or coefficient is None:
                if unit is not coefficient:
                    return None
            elif coefficient is not self.x.mul(unit, self.x.const(inner)):
                return None
            inner *= extent
        parts: list[Expr | None] = []
        inner = 1
        for extent in reversed(news):
            parts.append(None if extent == 1 or unit is None else self.x.mul(unit, self.x.const(inner)))
            inner *= extent
        return tuple(reversed(parts))

    # ---- masks

    def compare(self, predicate: str, left: Index, right: Index) -> Mask:
        """The mask of an integer comparison (unsigned ones as signed)."""
        if left.base is None or right.base is None:
            return Mask(complete=False)
        kind = predicate[-2:]
        varying = [d for d, pair in enumerate(zip(left.coefficients, right.coefficients, strict=True)) if any(pair)]
        if not varying:
            return Mask(conditions=(self.x.cmp(predicate, left.base, right.base),))
        if kind == "eq":
            return self.conjunction(self._below(left, right, True), self._below(right, left, True))
        if kind == "ne":
            return Mask(complete=False)
        if kind in ("gt", "ge"):
            left, right = right, left
        return self._below(left, right, kind in ("le", "ge"))

    def _below(self, left: Index, right: Index, equal: bool) -> Mask:
        """left < right, or left <= right, solved for the one dimension along which the difference varies."""
        difference = self.add(left, right, subtract=True)
        varying = [dim for dim, coefficient in enumerate(difference.coefficients) if coefficient is not None]
        assert left.base is not None and right.base is not None
        if not varying:
            return Mask(conditions=(self.x.cmp("sle" if equal else "slt", left.base, right.base),))
        if len(varying) > 1:
            return Mask(complete=False)
        (dim,) = varying
        coefficient = difference.coefficients[dim]
        assert coefficient is not None
        if coefficient.kind == "const" and coefficient.payload < 0:
            return self._lower(dim, left.base, right.base, equal, -coefficient.payload)
        room = self.x.sub(right.base, left.base)  # coefficient * i < room
        if equal:
            room = self.x.add(room, self.x.one)
        if coefficient is not self.x.one:
            room = self.x.binary("sdiv", self.x.add(room, self.x.sub(coefficient, self.x.one)), coefficient)
        return Mask((Bound(dim, True, room),))

    def _lower(self, dim: int, left: Expr, right: Expr, equal: bool, step: int) -> Mask:
        """left - right < step * i as a lower bound of i; nothing where it provably always holds."""
        slack = self.x.sub(right, left)
        if not equal:
            slack = self.x.sub(slack, self.x.one)
        if slack.nonneg:
            return Mask()
        least = self.x.sub(left, right)  # step * i >= least
        if not equal:
            least = self.x.add(least, self.x.one)
        if step != 1:
            least = self.x.binary("sdiv", self.x.add(least, self.x.const(step - 1)), self.x.const(step))
        return Mask((Bound(dim, False, least),))

    def conjunction(self, left: Mask, right: Mask) -> Mask:
        """Both."""
        bounds = list(left.bounds)
        for bound in right.bounds:
            if not any(bound.dim == b.dim and bound.upper == b.upper and bound.value is b.value for b in bounds):
                bounds.append(bound)
        conditions = left.conditions + tuple(c for c in right.conditions if c not in left.conditions)
        return Mask(tuple(bounds), conditions, left.complete and right.complete)

    def disjunction(self, left: Mask, right: Mask) -> Mask:
        """Either: understood for scalar conditions only."""
        if left.bounds or right.bounds or not (left.complete and right.complete):
            return Mask(complete=False)
        first, second = self.x.both(list(left.conditions)), self.x.both(list(right.conditions))
        if first is None or second is None:
            return Mask()
        return Mask(conditions=(self.x.binary("or", first, second),))

    def negation(self, source: Mask) -> Mask:
        """Not: understood for one bound or one scalar condition."""
        bound = source.single
        if bound is not None:
            return Mask((Bound(bound.dim, not bound.upper, bound.value),))
        if source.complete and not source.bounds and len(source.conditions) == 1:
            return Mask(conditions=(self.x.binary("xor", source.conditions[0], self.x.const(1, "i1")),))
        return Mask(complete=False)


def _groups(old: Sequence[int], new: Sequence[int]) -> list[tuple[Sequence[int], Sequence[int]]]:
    """Pairs of runs of dimensions of equal size, as short as possible."""
    groups: list[tuple[Sequence[int], Sequence[int]]] = []
    i = j = 0
    while i < len(old) or j < len(new):
        first, second = i, j
        left = right = 1
        while True:
            if i < len(old) and (left <= right or j >= len(new)):
                left *= old[i]
                i += 1
            elif j < len(new):
                right *= new[j]
                j += 1
            if left == right and (i > first or j > second):
                break
        groups.append((old[first:i], new[second:j]))
    return groups


def move_dims(mask: Mask, place: Sequence[int]) -> Mask:
    """The mask with dimension d renamed place[d]."""
    return Mask(tuple(Bound(place[b.dim], b.upper, b.value) for b in mask.bounds), mask.conditions, mask.complete)
