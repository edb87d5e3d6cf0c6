"""Kernels of libdevice's directed roundings and Bessel functions of order n. Not a test."""

import triton
import triton.language as tl
from triton.language.extra import libdevice


@triton.jit
def _put(out_ptr, index, value, N: tl.constexpr):
    tl.store(out_ptr + index * N + tl.arange(0, N), value)


@triton.jit
def rounded_kernel(a_ptr, b_ptr, c_ptr, out_ptr, N: tl.constexpr):
    at = tl.arange(0, N)
    a, b, c = tl.load(a_ptr + at), tl.load(b_ptr + at), tl.load(c_ptr + at)
    _put(out_ptr, 0, libdevice.add_rz(a, b), N)
    _put(out_ptr, 1, libdevice.add_rd(a, b), N)
    _put(out_ptr, 2, libdevice.add_ru(a, b), N)
    _put(out_ptr, 3, libdevice.sub_rz(a, b), N)
    _put(out_ptr, 4, libdevice.sub_rd(a, b), N)
    _put(out_ptr, 5, libdevice.sub_ru(a, b), N)
    _put(out_ptr, 6, libdevice.mul_rz(a, b), N)
    _put(out_ptr, 7, libdevice.mul_rd(a, b), N)
    _put(out_ptr, 8, libdevice.mul_ru(a, b), N)
    _put(out_ptr, 9, libdevice.div_rz(a, b), N)
    _put(out_ptr, 10, libdevice.div_rd(a, b), N)
    _put(out_ptr, 11, libdevice.div_ru(a, b), N)
    _put(out_ptr, 12, libdevice.fma_rz(a, b, c), N)
    _put(out_ptr, 13, libdevice.fma_rd(a, b, c), N)
    _put(out_ptr, 14, libdevice.fma_ru(a, b, c), N)
    _put(out_ptr, 15, libdevice.rcp_rz(a), N)
    _put(out_ptr, 16, libdevice.rcp_rd(a), N)
    _put(out_ptr, 17, libdevice.rcp_ru(a), N)
    _put(out_ptr, 18, libdevice.sqrt_rz(libdevice.abs(a)), N)
    _put(out_ptr, 19, libdevice.sqrt_rd(libdevice.abs(a)), N)
    _put(out_ptr, 20, libdevice.sqrt_ru(libdevice.abs(a)), N)


@triton.jit
def narrowed_kernel(x_ptr, out_ptr, N: tl.constexpr):
    x = tl.load(x_ptr + tl.arange(0, N))
    _put(out_ptr, 0, tl.extra.cuda.libdevice.double2float_rz(x), N)
    _put(out_ptr, 1, tl.extra.cuda.libdevice.double2float_rd(x), N)
    _put(out_ptr, 2, tl.extra.cuda.libdevice.double2float_ru(x), N)


@triton.jit
def integers_kernel(x_ptr, float_ptr, double_ptr, N: tl.constexpr):
    x = tl.load(x_ptr + tl.arange(0, N))
    unsigned = x.to(tl.uint64, bitcast=True)
    _put(float_ptr, 0, libdevice.ll2float_rz(x), N)
    _put(float_ptr, 1, libdevice.ll2float_rd(x), N)
    _put(float_ptr, 2, libdevice.ll2float_ru(x), N)
    _put(float_ptr, 3, libdevice.ull2float_rz(unsigned), N)
    _put(float_ptr, 4, libdevice.ull2float_rd(unsigned), N)
    _put(float_ptr, 5, libdevice.ull2float_ru(unsigned), N)
    _put(float_ptr, 6, libdevice.int2float_rz(x.to(tl.int32)), N)
    _put(float_ptr, 7, libdevice.int2float_rd(x.to(tl.int32)), N)
    _put(float_ptr, 8, libdevice.int2float_ru(x.to(tl.int32)), N)
    _put(float_ptr, 9, libdevice.uint2float_rz(x.to(tl.uint32)), N)
    _put(float_ptr, 10, libdevice.uint2float_rd(x.to(tl.uint32)), N)
    _put(float_ptr, 11, libdevice.uint2float_ru(x.to(tl.uint32)), N)
    _put(double_ptr, 0, libdevice.ll2double_rz(x), N)
    _put(double_ptr, 1, libdevice.ll2double_rd(x), N)
    _put(double_ptr, 2, libdevice.ll2double_ru(x), N)
    _put(double_ptr, 3, libdevice.ull2double_rz(unsigned), N)
    _put(double_ptr, 4, libdevice.ull2double_rd(unsigned), N)
    _put(double_ptr, 5, libdevice.ull2double_ru(unsigned), N)


@triton.jit
def bessel_kernel(n_ptr, x_ptr, out_ptr, N: tl.constexpr):
    at = tl.arange(0, N)
    n, x = tl.load(n_ptr + at), tl.load(x_ptr + at)
    _put(out_ptr, 0, libdevice.jn(n, x), N)
    _put(out_ptr, 1, libdevice.yn(n, x), N)
    tl.store(out_ptr + 2 * N, libdevice.jn(tl.load(n_ptr), tl.load(x_ptr)))
    _put(out_ptr, 3, libdevice.norm3d(x, x * 0.5, x * 3.0), N)
    _put(out_ptr, 4, libdevice.rnorm3d(x, x * 0.5, x * 3.0), N)
    _put(out_ptr, 5, libdevice.norm4d(x, x * 0.5, x * 3.0, x), N)
    _put(out_ptr, 6, libdevice.rnorm4d(x, x * 0.5, x * 3.0, x), N)
