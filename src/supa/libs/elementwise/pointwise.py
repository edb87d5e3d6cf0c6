"""Kernels of elementwise operations, written out for each operation, number of operands and number of loops.

Two forms: `flat` walks memory that all operands share element by element; `tiled` walks rows and columns with a stride
for each operand and loop, 0 where it is broadcast. Not here: the operations (`table`), which form serves a call.
"""

from __future__ import annotations

import linecache
from functools import cache
from typing import Any

import triton
import triton.language as tl
from triton.language.extra import libdevice

from supa.libs.elementwise import special
from supa.libs.elementwise.table import OPERATIONS, Operation

MOST_ROW_LOOPS = 4
COMPUTE = {
    "f32": tl.float32, "f64": tl.float64, "u8": tl.uint8, "i8": tl.int8, "i16": tl.int16, "i32": tl.int32,
    "i64": tl.int64, "i1": tl.int1,
}  # fmt: skip
"""The types that kernels compute in, by our names."""


@triton.jit
def divide(x, y):
    """x / y, rounded to nearest even."""
    return x / y if x.dtype == tl.float64 else tl.div_rn(x, y)


@triton.jit
def root(x):
    """The square root, rounded to nearest even."""
    return tl.sqrt(x) if x.dtype == tl.float64 else tl.sqrt_rn(x)


@triton.jit
def remainder_towards_zero(x, y):
    """x - y * trunc(x / y): the sign is x's."""
    return libdevice.fmod(x, y) if x.dtype.is_floating() else x % y


@triton.jit
def remainder_of_floor(x, y):
    """x - y * floor(x / y): the sign is y's."""
    left = remainder_towards_zero(x, y)
    return tl.where((left != 0) & ((left < 0) != (y < 0)), left + y, left)


@triton.jit
def quotient_towards_zero(x, y):
    """x / y without its fraction."""
    return libdevice.trunc(divide(x, y)) if x.dtype.is_floating() else x // y


@triton.jit
def _float_quotient_of_floor(x, y):
    left = libdevice.fmod(x, y)
    whole = divide(x - left, y)
    whole = tl.where((left != 0) & ((left < 0) != (y < 0)), whole - 1.0, whole)
    low = tl.floor(whole)
    low = tl.where(whole - low > 0.5, low + 1.0, low)
    plain = divide(x, y)
    return tl.where(y == 0, plain, tl.where(whole != 0, low, plain * 0.0))


@triton.jit
def _whole_quotient_of_floor(x, y):
    left = x % y
    return tl.where((left != 0) & ((left < 0) != (y < 0)), x // y - 1, x // y)


@triton.jit
def quotient_of_floor(x, y):
    """The largest whole number that is not above x / y."""
    return _float_quotient_of_floor(x, y) if x.dtype.is_floating() else _whole_quotient_of_floor(x, y)


@triton.jit
def whole_power(x, y):
    """x ** y of whole numbers, which wraps; for negative y the whole part of what is at most 1."""
    result = x * 0 + 1
    base, left = x, y
    for _ in range(0, 63):
        result = tl.where((left & 1) != 0, result * base, result)
        base = base * base
        left = left >> 1
    odd = (y & 1) != 0
    inverse = tl.where(x == 1, x, tl.where(x == -1, tl.where(odd, x, x * x), x * 0))
    return tl.where(y < 0, inverse, result)


_SPECIAL = (
    "digamma", "trigamma", "polygamma", "zeta", "scaled_i0", "scaled_i1", "modified_k0", "modified_k1", "scaled_k0",
    "scaled_k1", "log_ndtr", "incomplete_gamma", "greatest_divisor", "least_multiple",
)  # fmt: skip
_OPERANDS, _NUMBERS = "xyz", "st"


@cache
def flat(name: str, form: str) -> Any:
    """kernel(out, operands.., numbers.., n, COMPUTE, BLOCK): elements [0, n) in memory's order.

    `form` has a letter for each operand: p, a tensor; n, a number in fp32; w, a number as the sum of three in fp32. A w
    after the operands: so are the operation's own numbers.
    """
    operation = OPERATIONS[name]
    lines = [
        f"def elementwise_{name}(out_ptr, {_parameters(operation, form)}n, COMPUTE: tl.constexpr, "
        "BLOCK: tl.constexpr):",
        "    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)",
        "    mask = index < n",
        *(f"    {one} = tl.load({one}_ptr + index, mask=mask).to(COMPUTE)" for one in _tensors(form)),
        *_compute(operation, form),
        "    tl.store(out_ptr + index, result.to(out_ptr.dtype.element_ty), mask=mask)",
    ]
    return _compiled(name, f"flat {name} {form}", lines)


@cache
def tiled(name: str, form: str, row_loops: int) -> Any:
    """kernel(out, operands.., numbers.., rows, columns, sizes of the inner row loops.., then for out and each tensor
    its column stride and its row strides, COMPUTE, BLOCK_R, BLOCK_C).
    """
    operation = OPERATIONS[name]
    moving = ["out", *_tensors(form)]
    sizes = [f"size{loop}" for loop in range(1, row_loops)]
    strides = [f"{one}_{part}" for one in moving for part in ["c", *(f"r{loop}" for loop in range(row_loops))]]
    lines = [
        f"def elementwise_{name}(out_ptr, {_parameters(operation, form)}rows, columns, "
        f"{''.join(f'{one}, ' for one in sizes + strides)}"
        "COMPUTE: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr):",
        "    blocks = tl.cdiv(columns, BLOCK_C)",
        "    row = (tl.program_id(0) // blocks).to(tl.int64) * BLOCK_R + tl.arange(0, BLOCK_R)",
        "    column = (tl.program_id(0) % blocks).to(tl.int64) * BLOCK_C + tl.arange(0, BLOCK_C)",
        "    mask = (row < rows)[:, None] & (column < columns)[None, :]",
        "    left = row",
    ]
    for loop in reversed(range(1, row_loops)):
        lines += [f"    i{loop} = left % size{loop}", f"    left = left // size{loop}"]
    lines += ["    i0 = left"]
    for one in moving:
        rows = " + ".join(f"i{loop} * {one}_r{loop}" for loop in range(row_loops))
        lines += [f"    {one}_at = {one}_ptr + ({rows})[:, None] + (column * {one}_c)[None, :]"]
    lines += [f"    {one} = tl.load({one}_at, mask=mask).to(COMPUTE)" for one in moving[1:]]
    lines += _compute(operation, form)
    lines += ["    tl.store(out_at, result.to(out_ptr.dtype.element_ty), mask=mask)"]
    return _compiled(name, f"tiled {name} {form} {row_loops}", lines)


def _tensors(form: str) -> list[str]:
    return [one for one, kind in zip(_OPERANDS, form, strict=False) if kind == "p"]


def _held(operation: Operation, form: str) -> list[str]:
    held = [one for one, kind in zip(_OPERANDS, form[: operation.arity], strict=False) if kind in "nw"]
    return [*held, *_NUMBERS[: operation.numbers]]


def _parameters(operation: Operation, form: str) -> str:
    wide = "w" in form
    found = []
    for one, kind in zip(_OPERANDS, form[: operation.arity], strict=False):
        found += [f"{one}_ptr"] if kind == "p" else _names(one, kind == "w")
    for one in _NUMBERS[: operation.numbers]:
        found += _names(one, wide)
    return "".join(f"{one}, " for one in found)


def _names(one: str, wide: bool) -> list[str]:
    return [f"{one}_value{part}" for part in range(3)] if wide else [f"{one}_value"]


def _compute(operation: Operation, form: str) -> list[str]:
    shape = f"{_tensors(form)[0]}.shape"
    wide = "w" in form
    lines = []
    for one in _held(operation, form):
        parts = " + ".join(f"tl.full({shape}, {name}, tl.float32).to(COMPUTE)" for name in _names(one, wide))
        lines.append(f"    {one} = {parts}")
    return [*lines, f"    result = {operation.expression}"]


def _compiled(name: str, title: str, lines: list[str]) -> Any:
    """Triton reads a kernel's source again, so it must be found where Python looks for it."""
    file = f"<supa elementwise: {title}>"
    text = "\n".join(["@triton.jit", *lines, ""])
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    scope: dict[str, Any] = {
        "triton": triton,
        "tl": tl,
        "libdevice": libdevice,
        "divide": divide,
        "root": root,
        "__name__": __name__,
    }
    for one in (remainder_towards_zero, remainder_of_floor, quotient_towards_zero, quotient_of_floor, whole_power,
                *(getattr(special, function) for function in _SPECIAL)):  # fmt: skip
        scope[one.__name__] = one
    exec(compile(text, file, "exec"), scope)
    return scope[f"elementwise_{name}"]
