"""What random kernels are made of: decisions, element types, functions, and the contents of memory. Not tests."""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from supa.base.dtypes import DTYPES, I1, DType
from supa.ir.functions import FUNCTIONS
from supa.ir.oracle.formats import from_float64, storage_of, to_float64

ELEMENTS = tuple(DTYPES.values())
AREA_ELEMENTS = 2048
SPARE_ELEMENTS = 320  # behind what positions reach: for pointers that move on, and areas that begin elsewhere
MOST_ELEMENTS = 512


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(" "))


FLOAT_MAPS = _words(
    "fadd fsub fmul fdiv fmin fmax fminimum fmaximum frem fma fneg fabs floor ceil trunc round rint copysign sqrt fdim"
    " nextafter remainder select"
)
INTEGER_MAPS = _words(
    "add sub mul smin smax umin umax mulhi_s mulhi_u sdiv udiv srem urem and or xor shl lshr ashr abs clz popcount ffs"
    " brev select"
)
FLOAT_TESTS = tuple(name for name in FUNCTIONS if name.startswith(("fcmp", "is", "signbit")))
INTEGER_TESTS = tuple(name for name in FUNCTIONS if name.startswith("icmp"))
BIT_MAPS = _words("and or xor select add sub mul")
INTEGER_REDUCTIONS = _words("add mul smin smax umin umax and or xor")
INTEGER_ATOMICS = _words("add and or xor smax smin umax umin xchg")


class Chooser:
    """Where decisions come from: a seeded generator."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def integer(self, low: int, high: int) -> int:
        """A number from low to high."""
        return self.random.randint(low, high)

    def pick(self, choices: Sequence[Any]) -> Any:
        """One of the choices."""
        return choices[self.integer(0, len(choices) - 1)]

    def chance(self, percent: int) -> bool:
        """True in about `percent` of 100 cases; what shrinks, shrinks to False."""
        return self.integer(0, 99) >= 100 - percent


class DataChooser(Chooser):
    """Decisions drawn by Hypothesis."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def integer(self, low: int, high: int) -> int:
        """A number from low to high."""
        return int(self.data.draw(st.integers(low, high)))


def fill(element: DType, count: int, generator: np.random.Generator) -> np.ndarray:
    """Stored elements: a mix of random bits, special values and small whole numbers."""
    storage = storage_of(element)
    if element == I1:
        return generator.integers(0, 2, count).astype(np.bool_)
    bits = generator.integers(0, 256, count * storage.itemsize, np.uint8).view(storage).copy()
    small = generator.integers(-20, 21, count)
    if element.is_int:
        edges = np.array([0, 1, -1, 2, 1 << (element.bits - 2)], np.int64)
        limits = np.array([-(1 << (element.bits - 1)), (1 << (element.bits - 1)) - 1], np.int64)
        special = generator.choice(np.concatenate([edges, limits]), count).astype(storage)
        return np.where(
            generator.random(count) < 0.4, small.astype(storage), np.where(generator.random(count) < 0.5, special, bits)
        )
    values = np.array(
        [0.0, -0.0, 1.0, -1.5, np.inf, -np.inf, np.nan, 1e-40, 6e-8, 65504.0, 65520.0, 448.0, 3e38, 0.5, 2.5]
    )
    special = from_float64(generator.choice(values, count), element)
    normal = from_float64(generator.standard_normal(count) * 4, element)
    whole = from_float64(small / 2, element)
    kind = generator.integers(0, 10, count)
    return np.select([kind < 4, kind < 6, kind < 8], [normal, whole, special], bits).astype(storage)


POOL_ELEMENTS = 1 << 16


@functools.cache
def _pool(element: DType) -> np.ndarray:
    return fill(element, POOL_ELEMENTS, np.random.default_rng(ELEMENTS.index(element)))


def some_elements(element: DType, count: int, start: int) -> np.ndarray:
    """`count` stored elements out of a pool that is filled once, from a place that `start` chooses."""
    pool = _pool(element)
    repeats = 1 + -(-count // POOL_ELEMENTS)
    start %= POOL_ELEMENTS
    return (np.tile(pool, repeats) if start + count > POOL_ELEMENTS else pool)[start : start + count]


def without_sign(stored: np.ndarray, element: DType) -> np.ndarray:
    """Floats without NaN and without a sign, also of zero; integers as they are."""
    if not element.is_float:
        return stored
    return from_float64(np.abs(np.nan_to_num(to_float64(stored, element), nan=1.0, posinf=7.0, neginf=7.0)), element)
