"""Kernels that call libdevice's names. Not a test."""

import triton
import triton.language as tl
from triton.language.extra import libdevice


@triton.jit
def _store(out_ptr, index, value, N: tl.constexpr):
    tl.store(out_ptr + index * N + tl.arange(0, N), value.to(out_ptr.dtype.element_ty))


@triton.jit
def floats_kernel(x_ptr, y_ptr, out_ptr, N: tl.constexpr):
    x, y = tl.load(x_ptr + tl.arange(0, N)), tl.load(y_ptr + tl.arange(0, N))
    _store(out_ptr, 0, libdevice.exp(x), N)
    _store(out_ptr, 1, libdevice.rcp_rn(x), N)
    _store(out_ptr, 2, libdevice.saturatef(x), N)
    _store(out_ptr, 3, libdevice.norm3d(x, y, x), N)
    _store(out_ptr, 4, libdevice.rnorm4d(x, y, x, y), N)
    _store(out_ptr, 5, libdevice.copysign(x, y), N)
    _store(out_ptr, 6, libdevice.pow(libdevice.abs(x), 3), N)
    _store(out_ptr, 7, libdevice.fmod(x, y), N)
    _store(out_ptr, 8, libdevice.div_rn(x, y), N)
    _store(out_ptr, 9, libdevice.tanh(x), N)
    _store(out_ptr, 10, libdevice.erf(x), N)
    _store(out_ptr, 11, libdevice.isnan(x / 0.0 * 0.0), N)
    _store(out_ptr, 12, libdevice.signbit(x), N)
    _store(out_ptr, 13, libdevice.llround(x), N)
    _store(out_ptr, 14, libdevice.float2int_rd(x), N)
    _store(out_ptr, 15, libdevice.float2int_ru(x), N)
    _store(out_ptr, 16, libdevice.float2int_rn(x), N)
    _store(out_ptr, 17, libdevice.float2int_rz(x), N)
    _store(out_ptr, 18, libdevice.ilogb(x), N)
    _store(out_ptr, 19, libdevice.float2ull_rn(libdevice.abs(x)), N)
    _store(out_ptr, 20, libdevice.fma_rn(x, y, x), N)


@triton.jit
def ldexp_kernel(x_ptr, n_ptr, out_ptr, N: tl.constexpr):
    _store(out_ptr, 0, libdevice.ldexp(tl.load(x_ptr + tl.arange(0, N)), tl.load(n_ptr + tl.arange(0, N))), N)


@triton.jit
def ints_kernel(a_ptr, b_ptr, out_ptr, N: tl.constexpr):
    a, b = tl.load(a_ptr + tl.arange(0, N)), tl.load(b_ptr + tl.arange(0, N))
    _store(out_ptr, 0, libdevice.hadd(a, b), N)
    _store(out_ptr, 1, libdevice.rhadd(a, b), N)
    _store(out_ptr, 2, libdevice.mul24(a, b), N)
    _store(out_ptr, 3, libdevice.mulhi(a, b), N)
    _store(out_ptr, 4, libdevice.popc(a), N)
    _store(out_ptr, 5, libdevice.clz(a), N)
    _store(out_ptr, 6, libdevice.ffs(a), N)
    _store(out_ptr, 7, libdevice.brev(a), N)
    _store(out_ptr, 8, libdevice.abs(a), N)
    _store(out_ptr, 9, libdevice.byte_perm(a, b, a ^ b), N)
    _store(out_ptr, 10, libdevice.float_as_int(libdevice.int_as_float(a)), N)
    _store(out_ptr, 11, libdevice.double2hiint(libdevice.hiloint2double(a, b)), N)
    _store(out_ptr, 12, libdevice.double2loint(libdevice.hiloint2double(a, b)), N)
    _store(out_ptr, 13, libdevice.sad(a, b, a.to(tl.uint32, bitcast=True)), N)


@triton.jit
def narrow_kernel(x_ptr, y_ptr, out_ptr, N: tl.constexpr):
    x, y = tl.load(x_ptr + tl.arange(0, N)), tl.load(y_ptr + tl.arange(0, N))
    tl.static_assert(libdevice.tanh(x).dtype == x.dtype)
    _store(out_ptr, 0, libdevice.tanh(x), N)
    _store(out_ptr, 1, libdevice.atan2(x, y), N)
    _store(out_ptr, 2, libdevice.isnan(x), N)
    _store(out_ptr, 3, libdevice.fast_expf(x), N)
