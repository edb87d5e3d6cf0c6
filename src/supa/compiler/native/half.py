"""Conversions between f16 and f32 for hosts that have no instruction for them: the functions that LLVM then calls."""

from __future__ import annotations

CONVERSIONS = """
define weak hidden float @__extendhfsf2(half %half) {
  %bits = bitcast half %half to i16
  %wide = zext i16 %bits to i32
  %magnitude = and i32 %wide, 32767
  %sign16 = and i32 %wide, 32768
  %sign = shl i32 %sign16, 16
  %moved = shl i32 %magnitude, 13
  %small = bitcast i32 %moved to float
  %scaled = fmul float %small, 0x46F0000000000000
  %scaled.bits = bitcast float %scaled to i32
  %is.special = icmp uge i32 %magnitude, 31744
  %is.nan = icmp ugt i32 %magnitude, 31744
  %quiet = select i1 %is.nan, i32 2143289344, i32 2139095040
  %special = or i32 %moved, %quiet
  %value = select i1 %is.special, i32 %special, i32 %scaled.bits
  %signed = or i32 %value, %sign
  %result = bitcast i32 %signed to float
  ret float %result
}
define weak hidden half @__truncsfhf2(float %float) {
  %bits = bitcast float %float to i32
  %magnitude = and i32 %bits, 2147483647
  %high = lshr i32 %bits, 16
  %sign = and i32 %high, 32768
  %rebased = sub i32 %magnitude, 939524096
  %unit = lshr i32 %rebased, 13
  %odd = and i32 %unit, 1
  %bias = add i32 %odd, 4095
  %rounded = add i32 %rebased, %bias
  %normal = lshr i32 %rounded, 13
  %absolute = bitcast i32 %magnitude to float
  %aligned = fadd float %absolute, 5.0e-1
  %aligned.bits = bitcast float %aligned to i32
  %subnormal = sub i32 %aligned.bits, 1056964608
  %is.tiny = icmp ult i32 %magnitude, 947912704
  %code = select i1 %is.tiny, i32 %subnormal, i32 %normal
  %is.beyond = icmp ugt i32 %code, 31744
  %finite = select i1 %is.beyond, i32 31744, i32 %code
  %is.nan = icmp ugt i32 %magnitude, 2139095040
  %value = select i1 %is.nan, i32 32256, i32 %finite
  %signed = or i32 %value, %sign
  %half = trunc i32 %signed to i16
  %result = bitcast i16 %half to half
  ret half %result
}
"""
"""LLVM text. Weak and hidden: each module brings its own."""
