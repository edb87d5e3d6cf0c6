"""What a chip computes, not how fast: rounding of matrix operands, subnormals, fp64. The functional plane obeys it.

Sums of a matrix step are in fp32 (int32 for int8, fp64 for fp64). bf16, fp16, fp8 and fp32 operands enter as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

from supa.arch.leaf import leaf

ROUNDINGS = ("nearest", "truncate")
"""nearest: ties to even."""


@dataclass(frozen=True, kw_only=True)
class Numerics:
    """Formats and rounding of one chip."""

    tf32_exponent_bits: int = leaf("bit", "exponent of a tf32 operand")
    tf32_mantissa_bits: int = leaf("bit", "stored mantissa of a tf32 operand: fp32's 23 are cut to this")
    tf32_rounding: str = leaf(doc="how fp32 becomes a tf32 operand", choices=ROUNDINGS)
    bf16_rounding: str = leaf(doc="how fp32 becomes bf16 when converted", choices=ROUNDINGS)
    accumulator: str = leaf(doc="format of a matrix step's running sum", choices=("fp32",))
    matrix_subnormals: bool = leaf(doc="matrix steps keep subnormal operands and results")
    vector_subnormals: bool = leaf(doc="vector operations keep subnormals")
    fp64: str = leaf(doc="how fp64 arithmetic runs", choices=("native", "emulated"))
    fp64_emulation_ops: int = leaf(doc="fp32 operations that one emulated fp64 operation costs; 0: native", zero=True)

    def key(self) -> str:
        """A short stable text, equal for chips that compute alike: part of the name of compiled code."""
        return "-".join(
            (
                f"tf32e{self.tf32_exponent_bits}m{self.tf32_mantissa_bits}{self.tf32_rounding[0]}",
                f"bf16{self.bf16_rounding[0]}",
                f"acc{self.accumulator}",
                f"sub{int(self.matrix_subnormals)}{int(self.vector_subnormals)}",
                f"fp64{self.fp64[0]}",
            )
        )
