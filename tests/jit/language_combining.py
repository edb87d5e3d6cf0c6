"""Reductions, scans, sorts and the like by element type, measured for docs/language.md. Not the page.

Sums of floats are compared in units in the last place of the sum of magnitudes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import triton
import triton.language as tl
from language_casts import FLOATS
from language_section import Errors, Section, equal, ulps, unless_refused

N = 128
COLUMNS = (
    "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "bfloat16", "float32",
    "float64",
)  # fmt: skip


@triton.jit
def times(a, b):
    return a * b


@triton.jit
def larger(a, b):
    return tl.maximum(a, b)


@triton.jit
def combine(x_ptr, z_ptr, N: tl.constexpr, OP: tl.constexpr):
    at = tl.arange(0, N)
    x = tl.load(x_ptr + at)
    if OP == "sum":
        z = tl.sum(x, 0, dtype=x.dtype)
    elif OP == "min":
        z = tl.min(x, 0)
    elif OP == "argmin":
        z = tl.argmin(x, 0)
    elif OP == "argmax":
        z = tl.argmax(x, 0)
    elif OP == "xor_sum":
        z = tl.xor_sum(x, 0)
    elif OP == "reduce_or":
        z = tl.reduce_or(x, 0)
    elif OP == "reduce, a product":
        z = tl.reduce(x, 0, times)
    elif OP == "cumsum, reverse":
        z = tl.cumsum(x, 0, reverse=True, dtype=x.dtype)
    elif OP == "cumprod":
        z = tl.cumprod(x, 0)
    elif OP == "associative_scan, a maximum":
        z = tl.associative_scan(x, 0, larger)
    elif OP == "sort, descending":
        z = tl.sort(x, descending=True)
    elif OP == "topk":
        z = tl.broadcast_to(tl.reshape(tl.topk(x, 8), (1, 8)), (N // 8, 8)).reshape(N)
    elif OP == "flip":
        z = tl.flip(x, 0)
    elif OP == "gather":
        z = tl.gather(x, N - 1 - at, 0)
    elif OP == "join, split, interleave":
        left, right = tl.split(tl.reshape(x, (N // 2, 2)))
        z = tl.interleave(right, left)
    elif OP == "histogram":
        z = tl.histogram(x, N)
    tl.store(z_ptr + at, z)


ON_ANY: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "min": lambda x: x.min(), "argmin": lambda x: x.argmin(), "argmax": lambda x: x.argmax(),
    "associative_scan, a maximum": np.maximum.accumulate, "sort, descending": lambda x: np.sort(x)[::-1],
    "topk": lambda x: np.tile(np.sort(x)[::-1][:8], N // 8), "flip": lambda x: x[::-1], "gather": lambda x: x[::-1],
    "join, split, interleave": lambda x: x.reshape(-1, 2)[:, ::-1].reshape(-1),
}  # fmt: skip
SUMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sum": lambda x: x.sum(dtype=x.dtype), "cumsum, reverse": lambda x: np.cumsum(x[::-1], dtype=x.dtype)[::-1],
    "reduce, a product": lambda x: x.prod(dtype=x.dtype), "cumprod": lambda x: np.cumprod(x, dtype=x.dtype),
}  # fmt: skip
ON_INTEGERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "xor_sum": np.bitwise_xor.reduce, "reduce_or": np.bitwise_or.reduce,
    "histogram": lambda x: np.bincount(x.astype(np.int64), minlength=N),
}  # fmt: skip
ROWS = (*SUMS, *ON_ANY, *ON_INTEGERS)


def measure(column: str) -> Errors:
    """Errors of every operation on one type."""
    return {row: unless_refused(lambda row=row: _error(row, column)) for row in ROWS}


def _error(row: str, column: str) -> float:
    random, dtype = np.random.default_rng(11), getattr(torch, column)
    reference = {**ON_ANY, **SUMS, **ON_INTEGERS}[row]
    index = row in ("argmin", "argmax", "histogram")
    z = torch.zeros(N, dtype=torch.int32 if index else dtype)
    if not dtype.is_floating_point:
        x = random.integers(0 if row == "histogram" or column[0] == "u" else -99, 100, N).astype(column)
        combine[(1,)](torch.from_numpy(x), z, N, row)
        expected = np.broadcast_to(reference(x), N).astype(np.int32 if index else column)
        return equal(z, torch.from_numpy(expected.copy()))
    near_one = row in ("reduce, a product", "cumprod")
    stored = torch.from_numpy(random.standard_normal(N) * (0.05 if near_one else 1) + near_one).to(dtype)
    combine[(1,)](stored, z, N, row)
    x = stored.double().numpy()
    if index:
        return equal(z, torch.from_numpy(np.broadcast_to(reference(x), N).astype(np.int32).copy()))
    if row in ON_ANY:
        return equal(z.double(), torch.from_numpy(np.broadcast_to(reference(x), N).copy()))
    magnitude = np.broadcast_to(reference(np.abs(x)), N)
    return ulps(z.double() - torch.from_numpy(np.broadcast_to(reference(x), N) - magnitude), magnitude, *FLOATS[column])


SECTION = Section(
    title="Reductions, scans, sorts",
    text="Of 128 elements; errors of sums and products in units in the last place of the sum (product) of magnitudes,"
    " twice the largest seen, since hosts combine in different orders.",
    rows=ROWS, columns=COLUMNS, measure=measure, any_order=True,
)  # fmt: skip
