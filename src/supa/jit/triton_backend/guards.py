"""What must be equal for a launch to be the launch of a compiled variant, as Python expressions. Not here: launching.

The conditions are those of Triton's specialisation: a tensor's dtype and whether its address is a multiple of 16, an
integer's width and whether it is 1 or a multiple of 16, a constant's value.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import triton.language as tl

from supa.jit.triton_backend.packing import Slot
from supa.runtime.kernel import SLOTS_AT, Kernel

_ALIGNMENT = 15
_CONSTANTS = (int, float, bool, str, type(None), tl.dtype)


class Unguarded(Exception):  # noqa: N818 (it is an answer, not an error)
    """An argument of a kind that no guard compares."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A compiled kernel on a device, and when it is meant: `conditions` over parameters' names and `constants`."""

    compiled: Any
    device_number: int
    key: str
    conditions: tuple[str, ...]
    values: tuple[str, ...]
    layout: struct.Struct
    constants: Mapping[str, Any]

    def names(self, number: int) -> dict[str, Any]:
        """What `text` uses, under names of this variant's own."""
        kernel: Kernel = self.compiled.function
        own = {
            "compiled": self.compiled, "key": self.key, "kernel": kernel, "device": kernel.device,
            "write": self.layout.pack_into, "pack": self.layout.pack, **self.constants,
        }  # fmt: skip
        return {f"_supa_{name}{number}": value for name, value in own.items()}

    def text(self, number: int, bound: str) -> str:
        """Its part of the function that `quick_launch` makes: it launches and returns, or falls through. `bound` is an
        expression for the arguments by name.
        """
        values = ", ".join(self.values)
        text = _VARIANT.format(
            conditions="\n                and ".join(self.conditions) or "True", values=values, at=SLOTS_AT,
            number=self.device_number, bound=bound, is_silent=not self.compiled.function.speaks,
        )  # fmt: skip
        return text.replace("$", str(number))


# @ stands for the prefix of names that no kernel's parameter has, $ for the variant's number.
_VARIANT = """            if (
                @device is @device$
                and {conditions}
                and @function.device_caches.get({number}, @nothing)[0].get(@key$) is @compiled$
            ):
                if callable(@grid):
                    @grid = @grid({bound})
                @rank = len(@grid)
                @x, @y, @z = @grid[0], @grid[1] if @rank > 1 else 1, @grid[2] if @rank > 2 else 1
                if @x > 0 and @y > 0 and @z > 0:
                    @direct = @kernel$.direct
                    @session = @direct.session
                    if (
                        {is_silent} and @device.mode == 'execute' and not @device.streams_are_chosen
                        and @device.session is @session and @session.watch is None
                    ):
                        try:
                            @call = @direct.calls.pop()
                        except IndexError:
                            @call = @direct.new()
                        if @call.x != @x or @call.y != @y or @call.z != @z:
                            @call.set_grid(@x, @y, @z)
                        @write$(@call.buffer, {at}, {values})
                        if @launch(@call.reference) < 0:
                            @kernel$.failed(@call, @x, @y, @z)
                        @direct.calls.append(@call)
                    else:
                        @kernel$(@x, @y, @z, @pack$({values}))
                    return @compiled$"""


def variant_of(
    compiled: Any, device_number: int, key: str, bound: Mapping[str, Any], specialization: Sequence[Any],
    options: Mapping[str, Any],
) -> Variant:  # fmt: skip
    """The variant that a launch with these arguments had. Raises `Unguarded` where some argument is no simple one."""
    constants: dict[str, Any] = {"options": dict(options)}
    conditions = [] if options else ["not @options"]
    if options:
        if not all(isinstance(value, _CONSTANTS) for value in options.values()):
            raise Unguarded
        conditions.append("@options == @options$")
    slots = {slot.parameter: slot for slot in compiled.run.slots}
    values, formats = [], ""
    for index, ((name, value), (kind, special, *_)) in enumerate(zip(bound.items(), specialization, strict=True)):
        conditions += _conditions(name, value, kind, special, index, constants)
        slot: Slot | None = slots.get(name)
        if slot is not None:
            is_pointer = slot.type[0] == "*"
            values.append(f"@address{index}" if is_pointer else f"@bf16_bits({name})" if slot.type == "bf16" else name)
            formats += slot.format
    return Variant(
        compiled=compiled, device_number=device_number, key=key, conditions=tuple(conditions), values=tuple(values),
        layout=compiled.function.slots_layout(formats), constants=constants,
    )  # fmt: skip


def _conditions(name: str, value: Any, kind: Any, special: Any, index: int, constants: dict[str, Any]) -> list[str]:
    if kind == "constexpr":
        return _of_constant(name, value, index, constants)
    if not isinstance(kind, str):
        raise Unguarded
    if kind[0] == "*":
        return _of_pointer(name, value, special, index, constants)
    if type(value) is bool or type(value) is float:
        constants[f"class{index}_"] = type(value)
        return [f"@type({name}) is @class{index}_$"]
    if type(value) is int and kind[0] in "iu":
        return _of_integer(name, value, special)
    raise Unguarded


def _of_constant(name: str, value: Any, index: int, constants: dict[str, Any]) -> list[str]:
    if value is None:
        return [f"{name} is None"]
    if type(value) not in _CONSTANTS or value != value:
        raise Unguarded
    constants[f"class{index}_"] = type(value)
    is_float = type(value) is float  # of which two zeros are equal and not the same
    constants[f"value{index}_"] = value.hex() if is_float else value
    found = f"{name}.hex()" if is_float else name
    return [f"@type({name}) is @class{index}_$", f"{found} == @value{index}_$"]


def _of_pointer(name: str, value: Any, special: Any, index: int, constants: dict[str, Any]) -> list[str]:
    if not hasattr(value, "data_ptr") or not hasattr(value, "dtype"):
        raise Unguarded
    constants[f"class{index}_"], constants[f"dtype{index}_"] = type(value), value.dtype
    conditions = [f"@type({name}) is @class{index}_$", f"{name}.dtype is @dtype{index}_$"]
    address = f"(@address{index} := {name}.data_ptr())"
    if special:
        return [*conditions, f"not {address} & {_ALIGNMENT}"]
    # Without "D" the address was no multiple of 16, or nobody asked. The first is taken for the stricter.
    return [*conditions, f"{address} & {_ALIGNMENT}" if value.data_ptr() & _ALIGNMENT else f"{address} is not None"]


def _of_integer(name: str, value: int, special: Any) -> list[str]:
    conditions = [f"@type({name}) is int", _range(name, value)]
    if special == 1 or value == 1:
        return [*conditions, f"{name} == 1"] if special is not None else conditions
    if special:
        return [*conditions, f"not {name} & {_ALIGNMENT}"]
    if special is None:
        return conditions
    return [*conditions, f"{name} & {_ALIGNMENT}" if value & _ALIGNMENT else "True", f"{name} != 1"]


def _range(name: str, value: int) -> str:
    """The values of which Triton makes the same type."""
    for bits in (31, 63):
        if -(1 << bits) <= value < 1 << bits:
            outside = f" and not {-(1 << 31)} <= {name} <= {(1 << 31) - 1}" if bits == 63 else ""
            return f"{-(1 << bits)} <= {name} <= {(1 << bits) - 1}{outside}"
    return f"{1 << 63} <= {name} <= {(1 << 64) - 1}"
