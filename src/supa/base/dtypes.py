"""Element types of tiles and memory. Not here: pointer and tile types (`ir.types`), engine formats of a chip (`arch`).

Integers are signless, as in MLIR: the operation says how bits are read.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class DType:
    """One element type: `bits` in memory; floats also state their exponent and stored mantissa bits."""

    name: str
    bits: int
    is_float: bool = False
    exponent_bits: int = 0
    mantissa_bits: int = 0

    @property
    def bytes(self) -> int:
        """Bytes one element takes in memory; i1 takes one."""
        return max(1, self.bits // 8)

    @property
    def is_int(self) -> bool:
        """True for the signless integers, i1 among them."""
        return not self.is_float

    def __str__(self) -> str:
        return self.name


def _integer(bits: int) -> DType:
    return DType(name=f"i{bits}", bits=bits)


def _float(name: str, bits: int, exponent_bits: int, mantissa_bits: int) -> DType:
    return DType(name=name, bits=bits, is_float=True, exponent_bits=exponent_bits, mantissa_bits=mantissa_bits)


I1, I8, I16, I32, I64 = (_integer(bits) for bits in (1, 8, 16, 32, 64))
F16 = _float("f16", 16, 5, 10)
BF16 = _float("bf16", 16, 8, 7)
F32 = _float("f32", 32, 8, 23)
F64 = _float("f64", 64, 11, 52)
F8E4M3FN = _float("f8E4M3FN", 8, 4, 3)
F8E5M2 = _float("f8E5M2", 8, 5, 2)
F8E4M3FNUZ = _float("f8E4M3FNUZ", 8, 4, 3)
F8E5M2FNUZ = _float("f8E5M2FNUZ", 8, 5, 2)
F8E4M3B11FNUZ = _float("f8E4M3B11FNUZ", 8, 4, 3)

DTYPES: dict[str, DType] = {
    dtype.name: dtype
    for dtype in (
        I1, I8, I16, I32, I64, F16, BF16, F32, F64,
        F8E4M3FN, F8E5M2, F8E4M3FNUZ, F8E5M2FNUZ, F8E4M3B11FNUZ,
    )
}  # fmt: skip
