"""Operators of two operands, one of which may be a number: new, in place, and with `out`. Not here: three operands."""

from __future__ import annotations

from typing import Any

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.names import BINARY, IN_PLACE
from supa.frameworks.torch.ops.elementwise import FLOATS, INTEGERS, Operand, apply, operand, promoted
from supa.frameworks.torch.recorder import Declined, Number, Recorder
from supa.libs.elementwise.table import OPERATIONS

_OF_FLOATS = ("div", "atan2", "copysign", "igamma", "igammac", "special_zeta")


def _dtype(name: str, first: object, second: object) -> torch.dtype:
    found = promoted(first, second) if isinstance(first, torch.Tensor) else promoted(second, first)
    if name in _OF_FLOATS and not found.is_floating_point and not found.is_complex:
        return torch.get_default_dtype()
    return found


def run(recorder: Recorder, name: str, values: tuple[Any, ...], out: torch.Tensor | None = None) -> torch.Tensor:
    """An operation of two operands and at most one number (`alpha`, a threshold) after them."""
    operands: list[Operand] = [operand(values[0], 0), operand(values[1], 1)]
    dtype = _dtype(name, values[0], values[1])
    if name == "pow" and isinstance(operands[1], Number):
        if operands[1].value == 2:
            return apply(recorder, "mul", [operands[0], operands[0]], dtype=dtype, out=out)
        if dtype not in FLOATS and operands[1].value < 0:
            raise Declined
    if name == "pow" and dtype in INTEGERS and dtype != torch.bool:
        name = "whole_power"
    numbers: list[Number] = []
    if OPERATIONS[name].numbers:
        value = operand(values[2], 2)
        if not isinstance(value, Number):
            raise Declined
        numbers.append(value)
    if name in ("sigmoid_backward", "tanh_backward") and dtype.is_complex:
        raise Declined
    return apply(recorder, name, operands, numbers, dtype=dtype, out=out)


def _enter(torch_name: str, name: str) -> None:
    @device_op(torch_name)
    def plain(recorder: Recorder, *values: Any) -> torch.Tensor:
        return run(recorder, name, values)


def _enter_in_place(torch_name: str, name: str) -> None:
    @device_op(torch_name)
    def in_place(recorder: Recorder, *values: Any) -> torch.Tensor:
        return run(recorder, name, values, out=values[-1] if torch_name.endswith(".out") else values[0])


_MODES = {"floor": "floor_divide", "trunc": "trunc_divide"}


@device_op("div.Tensor_mode")
def _divided(recorder: Recorder, x: Any, y: Any, mode: str | None) -> torch.Tensor:
    return run(recorder, "div" if mode is None else _MODES[mode], (x, y))


@device_op("div_.Tensor_mode")
def _divided_in_place(recorder: Recorder, x: Any, y: Any, mode: str | None) -> torch.Tensor:
    return run(recorder, "div" if mode is None else _MODES[mode], (x, y), out=x)


for _torch_name, _name in BINARY.items():
    _enter(_torch_name, _name)
for _torch_name in IN_PLACE:
    _enter_in_place(_torch_name, _torch_name.partition(".")[0].rstrip("_"))
