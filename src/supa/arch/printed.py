"""The peaks that the maker prints. Nothing is computed from them: they check the peaks derived from the parts."""

from __future__ import annotations

from dataclasses import dataclass

from supa.arch.leaf import leaf


@dataclass(frozen=True, kw_only=True)
class Printed:
    """Printed dense peaks, by tensor format and for the plain vector path; 0 where none is printed."""

    fp64_flops: int = leaf("FLOPS", "best fp64 peak", zero=True)
    fp32_flops: int = leaf("FLOPS", "headline fp32 peak", zero=True)
    tf32_flops: int = leaf("FLOPS", "tf32 or TF32+ peak", zero=True)
    bf16_flops: int = leaf("FLOPS", "bf16 peak", zero=True)
    fp16_flops: int = leaf("FLOPS", "fp16 peak", zero=True)
    fp8_flops: int = leaf("FLOPS", "fp8 peak", zero=True)
    int8_flops: int = leaf("FLOPS", "int8 peak, operations per second", zero=True)
