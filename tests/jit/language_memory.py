"""Atomics and tensor descriptors by element type, measured for docs/language.md: all exact. Not the page."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import triton
import triton.language as tl
from language_section import Errors, Section, equal, unless_refused

N, CELLS = 64, 8
ATOMIC_COLUMNS = (
    "int8", "int16", "int32", "int64", "uint32", "uint64", "float16", "bfloat16", "float32", "float64",
)  # fmt: skip


@triton.jit
def atomic(x_ptr, z_ptr, N: tl.constexpr, CELLS: tl.constexpr, OP: tl.constexpr):
    at = tl.arange(0, N)
    x, cell = tl.load(x_ptr + at), z_ptr + at % CELLS
    if OP == "atomic_add":
        tl.atomic_add(cell, x)
    elif OP == "atomic_max":
        tl.atomic_max(cell, x)
    elif OP == "atomic_min":
        tl.atomic_min(cell, x)
    elif OP == "atomic_and":
        tl.atomic_and(cell, x)
    elif OP == "atomic_or":
        tl.atomic_or(cell, x)
    elif OP == "atomic_xor":
        tl.atomic_xor(cell, x)
    elif OP == "atomic_xchg":
        tl.atomic_xchg(z_ptr + at, x)
    elif OP == "atomic_cas":
        tl.atomic_cas(z_ptr + at, tl.load(z_ptr + at), x)


ATOMICS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "atomic_add": lambda z, x: z + x.sum(0, dtype=z.dtype), "atomic_max": lambda z, x: np.maximum(z, x.max(0)),
    "atomic_min": lambda z, x: np.minimum(z, x.min(0)), "atomic_and": lambda z, x: z & np.bitwise_and.reduce(x),
    "atomic_or": lambda z, x: z | np.bitwise_or.reduce(x), "atomic_xor": lambda z, x: z ^ np.bitwise_xor.reduce(x),
}  # fmt: skip
BITS = ("atomic_and", "atomic_or", "atomic_xor")
MOVES = ("atomic_xchg", "atomic_cas")


def whole(dtype: torch.dtype, count: int, seed: int) -> torch.Tensor:
    """Small whole numbers: sums are exact in every format."""
    signed = dtype.is_floating_point or dtype.is_signed
    return torch.from_numpy(np.random.default_rng(seed).integers(-3 if signed else 0, 4, count)).to(dtype)


def measure_atomics(column: str) -> Errors:
    """0 where memory ends as it should. Triton's front end does not refuse bits of floats; no device has them."""
    rows = [row for row in (*ATOMICS, *MOVES) if not ("float" in column and row in BITS)]
    return {row: unless_refused(lambda row=row: _atomic_error(row, column)) for row in rows}


def _atomic_error(row: str, column: str) -> float:
    dtype = getattr(torch, column)
    x, z = whole(dtype, N, 1), whole(dtype, N if row in MOVES else CELLS, 2)
    before = z.clone()
    atomic[(1,)](x, z, N, CELLS, row)
    if row in MOVES:
        return equal(z, x)
    wide = torch.float64 if dtype.is_floating_point else dtype
    expected = ATOMICS[row](before.to(wide).numpy(), x.to(wide).numpy().reshape(-1, CELLS))
    return equal(z.to(wide), torch.from_numpy(expected))


# ---- tensor descriptors ------------------------------------------------------------------------------------------

DESCRIPTOR_COLUMNS = (
    "int8", "int16", "int32", "int64", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2", "float16", "bfloat16",
    "float32", "float64",
)  # fmt: skip
HEIGHT, WIDTH, SIZE = 13, 48, 32


@triton.jit
def described(x_ptr, z_ptr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr, SIZE: tl.constexpr, OP: tl.constexpr):
    if OP == "gather":
        x = tl.make_tensor_descriptor(x_ptr, [HEIGHT, WIDTH], [WIDTH, 1], [1, SIZE])
    else:
        x = tl.make_tensor_descriptor(x_ptr, [HEIGHT, WIDTH], [WIDTH, 1], [SIZE, SIZE])
    if OP == "scatter":
        z = tl.make_tensor_descriptor(z_ptr, [HEIGHT, WIDTH], [WIDTH, 1], [1, SIZE])
    else:
        z = tl.make_tensor_descriptor(z_ptr, [HEIGHT, WIDTH], [WIDTH, 1], [SIZE, SIZE])
    rows = SIZE - 1 - tl.arange(0, SIZE)
    if OP == "load, store":
        z.store([3, 24], x.load([3, 24]))
    elif OP == "gather":
        z.store([0, 0], x.gather(rows, 24))
    elif OP == "scatter":
        z.scatter(x.load([0, 0]), rows, 24)
    elif OP == "reduce add":
        z.atomic_add([3, 24], x.load([3, 24]))
    elif OP == "reduce min":
        z.atomic_min([3, 24], x.load([3, 24]))
    elif OP == "reduce max":
        z.atomic_max([3, 24], x.load([3, 24]))
    elif OP == "reduce and":
        z.atomic_and([3, 24], x.load([3, 24]))
    elif OP == "reduce or":
        z.atomic_or([3, 24], x.load([3, 24]))
    elif OP == "reduce xor":
        z.atomic_xor([3, 24], x.load([3, 24]))


COMBINED: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "load, store": lambda z, x: x, "reduce add": lambda z, x: z + x, "reduce min": np.minimum,
    "reduce max": np.maximum, "reduce and": np.bitwise_and, "reduce or": np.bitwise_or, "reduce xor": np.bitwise_xor,
}  # fmt: skip


def measure_descriptors(column: str) -> Errors:
    """0 where memory ends as it should; blocks reach over the tensor's edges."""
    rows = (*COMBINED, "gather", "scatter")
    return {row: unless_refused(lambda row=row: _descriptor_error(row, column)) for row in rows}


def _descriptor_error(row: str, column: str) -> float:
    dtype = getattr(torch, column)
    x, z = (whole(dtype, HEIGHT * WIDTH, seed).reshape(HEIGHT, WIDTH) for seed in (1, 2))
    wide = torch.float64 if dtype.is_floating_point else dtype
    before, given = z.to(wide).numpy().copy(), x.to(wide).numpy()
    described[(1,)](x, z, HEIGHT, WIDTH, SIZE, row)
    expected = before.copy()
    if row == "gather":
        taken = np.zeros((SIZE, SIZE), before.dtype)
        taken[SIZE - HEIGHT :, : WIDTH - 24] = given[::-1, 24:]
        expected[:, :SIZE] = taken[:HEIGHT]
    elif row == "scatter":
        padded = np.zeros((SIZE, SIZE), before.dtype)
        padded[:HEIGHT] = given[:, :SIZE]
        expected[:, 24:] = padded[SIZE - 1 - np.arange(HEIGHT)][:, : WIDTH - 24]
    else:
        expected[3:, 24:] = COMBINED[row](before[3:, 24:], given[3:, 24:])
    return equal(z.to(wide), torch.from_numpy(expected))


ATOMIC_SECTION = Section(
    title="Atomics", text="64 elements on 8 cells; whole numbers, so that sums are exact.",
    rows=(*ATOMICS, *MOVES), columns=ATOMIC_COLUMNS, measure=measure_atomics,
)  # fmt: skip
DESCRIPTOR_SECTION = Section(
    title="Tensor descriptors", text="Blocks that reach over the tensor's edges.",
    rows=(*COMBINED, "gather", "scatter"), columns=DESCRIPTOR_COLUMNS, measure=measure_descriptors,
)  # fmt: skip
