"""Kernels that this device refuses. Not a test; the texts of the refusals hold these lines' numbers."""

import triton
import triton.language as tl
from triton.language.extra import libdevice


@triton.jit
def printed_maximum(a, b):
    tl.device_print("a", a)
    c = tl.maximum(a, b)
    return c


@triton.jit
def reducing_with_an_effect(x_ptr):
    x = tl.load(x_ptr + tl.arange(0, 16))
    tl.store(x_ptr, tl.reduce(x, 0, printed_maximum))


@triton.jit
def assembly(x_ptr, TEXT: tl.constexpr, PACK: tl.constexpr):
    at = tl.arange(0, 16)
    x = tl.load(x_ptr + at)
    tl.store(x_ptr + at, tl.inline_asm_elementwise(TEXT, "=r,r", [x], dtype=tl.int32, is_pure=False, pack=PACK))


@triton.jit
def atomic_assembly(x_ptr):
    text: tl.constexpr = "{ .reg .pred p; setp.eq.s64 p, $1, 0; @p atom.global.cas.b32 $0, [$1], 0, 1; }"
    tl.inline_asm_elementwise(text, "=r,l", [x_ptr], dtype=tl.int32, is_pure=False, pack=1)


@triton.jit
def counting(x_ptr):
    tl.store(x_ptr, tl.load(x_ptr) + 1)


@triton.jit
def too_few_arguments(x_ptr):
    tl.store(x_ptr, libdevice.pow(tl.load(x_ptr)))


@triton.jit
def wrong_type(x_ptr):
    tl.store(x_ptr, libdevice.tanh(tl.load(x_ptr)))


@triton.jit
def copying_a_block(descriptor, out):
    out.store([0, 0], descriptor.load([0, 0]))
