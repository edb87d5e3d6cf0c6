"""Kernels that say what they were specialised for. Not tests."""

import triton
import triton.language as tl

FACTOR: tl.constexpr = tl.constexpr(3)
OFFSET = tl.constexpr(2)


@triton.jit
def scale(out_ptr, x_ptr, n, alpha, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out_ptr + at, tl.load(x_ptr + at, mask=at < n) * alpha, mask=at < n)


@triton.jit
def numbers(out_ptr, a, b: tl.int64, c, flag, LIMIT: tl.constexpr = 5):
    value = tl.full((), 0, tl.int64) + a + b + c
    if flag:
        value += LIMIT
    tl.store(out_ptr, value)


@triton.jit(do_not_specialize=["a"], do_not_specialize_on_alignment=["c", "out_ptr"])
def unspecialised(out_ptr, a, c):
    tl.store(out_ptr, tl.full((), 0, tl.int64) + a + c)


@triton.jit
def odd_names(_grid, _options, self, key, bound, BLOCK: tl.constexpr):
    tl.store(_grid + tl.arange(0, BLOCK), _options + self + key + bound)


@triton.jit
def with_global(out_ptr):
    tl.store(out_ptr, OFFSET)


@triton.jit
def optional(out_ptr, x_ptr, n):
    if x_ptr is None:
        tl.store(out_ptr, n)
    else:
        tl.store(out_ptr, tl.load(x_ptr))


@triton.jit
def times_constant(out, x, VALUE: tl.constexpr):
    tl.store(out, tl.load(x) * VALUE)
