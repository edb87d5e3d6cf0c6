"""Small kernels for the tests of the plug-in. Not a test."""

import triton
import triton.language as tl
from triton.language.extra import libdevice


@triton.jit
def add_kernel(x_ptr, y_ptr, out_ptr, n, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = offsets < n
    tl.store(out_ptr + offsets, tl.load(x_ptr + offsets, inside) + tl.load(y_ptr + offsets, inside), inside)


@triton.jit
def scale_kernel(x_ptr, scale, shift, BLOCK: tl.constexpr):
    offsets = tl.arange(0, BLOCK)
    tl.store(x_ptr + offsets, tl.load(x_ptr + offsets) * scale + shift)


@triton.jit
def optional_kernel(x_ptr, bias_ptr, out_ptr, BLOCK: tl.constexpr):
    offsets = tl.arange(0, BLOCK)
    value = tl.load(x_ptr + offsets)
    if bias_ptr is not None:
        value += tl.load(bias_ptr + offsets)
    tl.store(out_ptr + offsets, value)


@triton.jit
def pair_kernel(pair, out_ptr):
    tl.store(out_ptr, tl.load(pair[0]) + pair[1])


@triton.jit
def descriptor_kernel(source, target, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    row = tl.program_id(0) * ROWS
    target.store([row, 0], source.load([row, 0]) * 2)


@triton.jit
def refused_kernel(x_ptr):
    tl.store(x_ptr, libdevice.fast_sinf(tl.load(x_ptr)))


@triton.jit
def asm_kernel(x_ptr):
    x = tl.load(x_ptr)
    y = tl.inline_asm_elementwise("vote.sync.any.pred $0, $1;", "=r,r", [x], dtype=tl.int32, is_pure=True, pack=1)
    tl.store(x_ptr, y)


@triton.jit
def talking_kernel(x_ptr, i_ptr):
    tl.device_assert(tl.load(x_ptr) > 0, "must be positive")
    tl.device_print("value {x}", tl.load(x_ptr))
    tl.device_print("bits", tl.load(i_ptr + tl.arange(0, 2)), hex=True)
    tl.device_print("number", tl.load(i_ptr))
    tl.device_print("here")


@triton.autotune(
    configs=[triton.Config({"BLOCK": block}, num_warps=4) for block in (16, 1024)],
    key=["n"],
)
@triton.jit
def tuned_add_kernel(x_ptr, y_ptr, out_ptr, n, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = offsets < n
    tl.store(out_ptr + offsets, tl.load(x_ptr + offsets, inside) + tl.load(y_ptr + offsets, inside), inside)
