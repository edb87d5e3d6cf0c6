"""Kernel arguments as 8-byte slots (`program.abi`), by code generated once for each kernel signature. Not here: what a
launch does with them (`launching`).

A signature maps each parameter to Triton's name of its type: "*fp16", "i32", "constexpr" (takes no slot),
"tensordesc<fp16[16,64]>" (base, whether it pads with NaN, then int32 shapes, then int64 strides), or a tuple of such.
The generated expression is the quick way and takes only what a launch usually brings. Whatever it refuses goes through
`pack_slowly`, which knows every accepted value and names the argument in its errors.
"""

from __future__ import annotations

import ctypes
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Signature = Mapping[str, Any]

_INT_BITS = {f"{sign}{bits}": bits for sign in "iu" for bits in (1, 8, 16, 32, 64)}
_FLOAT_FORMATS = {"fp16": "e6x", "fp32": "f4x", "f32": "f4x", "fp64": "d"}
_DESCRIPTOR = re.compile(r"tensordesc<[^\[>]*\[([^\]]*)\]")
REFUSALS = (AttributeError, TypeError, OverflowError, struct.error)
"""What the quick way raises at a value that it does not take."""


@dataclass(frozen=True, kw_only=True)
class Slot:
    """One slot: the parameter it belongs to, its type, and the Python expression that reaches its value."""

    parameter: str
    type: str
    value: str  # over the parameters' names a0, a1, ...

    @property
    def format(self) -> str:
        """The slot's code for `struct`."""
        if self.type[0] == "*" or self.type in ("u64", "bf16"):
            return "Q"
        return _FLOAT_FORMATS.get(self.type, "q")

    @property
    def quick(self) -> str:
        """The expression whose result `struct` packs."""
        if self.type[0] == "*":
            return f"{self.value}.data_ptr()"
        return f"bf16_bits({self.value})" if self.type == "bf16" else self.value


def slots(signature: Signature) -> list[Slot]:
    """The slots of a kernel's arguments in order."""
    return [slot for index, (name, type_) in enumerate(signature.items()) for slot in _slots(name, type_, f"a{index}")]


def _slots(name: str, type_: Any, value: str) -> Iterator[Slot]:
    if isinstance(type_, tuple):
        for index, item in enumerate(type_):
            yield from _slots(f"{name}[{index}]", item, f"{value}[{index}]")
    elif descriptor := _DESCRIPTOR.match(type_):
        rank = descriptor[1].count(",") + 1
        yield Slot(parameter=name, type="*", value=f"descriptor_base({value})")
        yield Slot(parameter=f"{name}.padding", type="i1", value=f"({value}.padding == 'nan')")
        for part, kind in (("shape", "i32"), ("strides", "i64")):
            for index in range(rank):
                yield Slot(parameter=f"{name}.{part}[{index}]", type=kind, value=f"{value}.{part}[{index}]")
    elif type_[0] == "*" or type_ in _INT_BITS or type_ in _FLOAT_FORMATS or type_ == "bf16":
        yield Slot(parameter=name, type=type_, value=value)
    elif type_ != "constexpr":
        raise TypeError(f"kernel argument {name!r}: arguments of type {type_} are not supported")


def bf16_bits(value: float) -> int:
    """The bits of `value` as bf16, to nearest even by way of fp32."""
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    if bits & 0x7FFFFFFF > 0x7F800000:
        return int(bits >> 16 | 0x40)
    return int(bits + 0x7FFF + (bits >> 16 & 1)) >> 16


def descriptor_base(descriptor: Any) -> Any:
    """The tensor under a host descriptor; refuses what a descriptor's slots can not carry."""
    if descriptor.round_f32_to_tf32:
        raise ValueError(
            "a host TensorDescriptor with round_f32_to_tf32=True is not supported: convert what the kernel has loaded"
        )
    return descriptor.base


def pack_slowly(needed: list[Slot], arguments: tuple[Any, ...]) -> bytes:
    """The slots of `arguments` (all parameters' values in order); `TypeError` names the argument that does not fit."""
    names: dict[str, Any] = {f"a{index}": value for index, value in enumerate(arguments)}
    names["descriptor_base"] = descriptor_base
    return b"".join(_slot_bytes(slot, eval(slot.value, names)) for slot in needed)


def _slot_bytes(slot: Slot, value: Any) -> bytes:
    try:
        if slot.type[0] == "*":
            return _pointer(value).to_bytes(8, "little")
        if slot.type in _INT_BITS:
            return (int(value.__index__()) & (1 << 64) - 1).to_bytes(8, "little")
        return _float_bytes(slot, float(value))
    except (AttributeError, TypeError, ValueError) as error:
        found = type(value).__name__
        raise TypeError(f"kernel argument {slot.parameter!r} ({slot.type}) can not be {found}: {error}") from None


def _float_bytes(slot: Slot, value: float) -> bytes:
    """As a C cast does it: too large for the format is infinity."""
    if slot.type != "fp64":
        value = ctypes.c_float(value).value
    try:
        return struct.pack("<" + slot.format, bf16_bits(value) if slot.type == "bf16" else value)
    except OverflowError:
        return struct.pack("<" + slot.format, float("inf") if value > 0 else float("-inf"))


def _pointer(value: Any) -> int:
    address = value if isinstance(value, int) else value.data_ptr()
    if address == 0 and not isinstance(value, int) and value.numel() > 0:
        raise ValueError("the tensor has no memory (a meta tensor?)")
    return int(address)


def compile_packer(signature: Signature, body: str, names: Mapping[str, Any]) -> Callable[..., Any]:
    """A function made for `signature` from `body`, Python source with the places `{parameters}` (a0, a1, ...: all
    parameters), `{quick}` (an expression that gives the slots' bytes) and `{slow}` (the same, slower and forgiving).

    `names` are what else the body uses.
    """
    needed = slots(signature)
    parameters = [f"a{index}" for index in range(len(signature))]
    packer = struct.Struct("<" + "".join(slot.format for slot in needed))
    source = body.format(
        parameters=", ".join(parameters),
        quick=f"pack({', '.join(slot.quick for slot in needed)})",
        slow=f"pack_slowly(needed, ({' '.join(name + ',' for name in parameters)}))",
    )
    scope = {
        "pack": packer.pack,
        "pack_slowly": pack_slowly,
        "needed": needed,
        "bf16_bits": bf16_bits,
        "descriptor_base": descriptor_base,
        "REFUSALS": REFUSALS,
        **names,
    }
    exec(compile(source, "<launcher of a kernel>", "exec"), scope)
    return scope["launch"]  # type: ignore[no-any-return]
