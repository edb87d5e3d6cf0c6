"""Kernel arguments as the 8-byte slots of `program.abi`. Not here: tensors and a front end's own types.

`pack` is for values given one by one; a front end with its own generated packer passes the bytes as they are.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from supa.base.dtypes import DTYPES
from supa.base.errors import LaunchError
from supa.program.program import Argument

_FLOAT_FORMATS = {"f16": "<e6x", "f32": "<f4x", "f64": "<d"}
_MASK = (1 << 64) - 1


def pack(arguments: Sequence[Argument], values: Sequence[int | float]) -> bytes:
    """One slot for each argument: pointers as addresses, integers sign-extended, floats as their own bits.

    Raises `LaunchError` for a wrong number of values or a value that its argument can not hold.
    """
    if len(arguments) != len(values):
        raise LaunchError(f"expected {len(arguments)} kernel arguments, found {len(values)}")
    return b"".join(_slot(argument, value) for argument, value in zip(arguments, values, strict=True))


def _slot(argument: Argument, value: int | float) -> bytes:
    dtype = DTYPES.get(argument.type)
    if dtype is not None and dtype.is_float:
        return _float_slot(argument, float(value))
    bits = 64 if dtype is None else dtype.bits
    if not isinstance(value, int):
        raise LaunchError(f"kernel argument {argument.name!r}: expected an integer ({argument.type}), found {value!r}")
    if not -(1 << (bits - 1)) <= value < 1 << bits:
        raise LaunchError(f"kernel argument {argument.name!r}: {value} does not fit into {argument.type}")
    return (int(value) & _MASK).to_bytes(8, "little")


def _float_slot(argument: Argument, value: float) -> bytes:
    try:
        if argument.type == "bf16":
            return _bf16_bits(value).to_bytes(8, "little")
        return struct.pack(_FLOAT_FORMATS[argument.type], value)
    except OverflowError:
        infinity = float("inf") if value > 0 else float("-inf")
        return _float_slot(argument, infinity)
    except KeyError:
        raise LaunchError(f"kernel argument {argument.name!r}: no scalar of type {argument.type} is passed") from None


def _bf16_bits(value: float) -> int:
    """To nearest even by way of f32; a NaN stays one."""
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    if bits & 0x7FFFFFFF > 0x7F800000:
        return int(bits >> 16 | 0x40)
    return int(bits + 0x7FFF + (bits >> 16 & 1)) >> 16
