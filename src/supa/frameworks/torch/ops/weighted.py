"""Operators of three operands or with options: addcmul, where, clamp, activations. Not here: plain ones (`binary`)."""

from __future__ import annotations

import math
from typing import Any

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.elementwise import FLOATS, INTEGERS, apply, operand, promoted
from supa.frameworks.torch.recorder import Declined, Number, Recorder

Tensor = torch.Tensor


def _addc(recorder: Recorder, name: str, values: tuple[Any, ...], out: Tensor | None) -> Tensor:
    tensors = [operand(value, index) for index, value in enumerate(values[:3])]
    dtype = promoted(*values[:3])
    if dtype not in FLOATS:
        raise Declined
    return apply(recorder, name, tensors, [Number(values[3], 3)], dtype=dtype, out=out)


@device_op("addcmul")
def _addcmul(recorder: Recorder, *values: Any) -> Tensor:
    return _addc(recorder, "addcmul", values, None)


@device_op("addcmul_")
def _addcmul_in_place(recorder: Recorder, *values: Any) -> Tensor:
    return _addc(recorder, "addcmul", values, values[0])


@device_op("addcdiv")
def _addcdiv(recorder: Recorder, *values: Any) -> Tensor:
    return _addc(recorder, "addcdiv", values, None)


@device_op("addcdiv_")
def _addcdiv_in_place(recorder: Recorder, *values: Any) -> Tensor:
    return _addc(recorder, "addcdiv", values, values[0])


@device_op("where.self")
def _where(recorder: Recorder, condition: Tensor, chosen: Any, other: Any) -> Tensor:
    if condition.dtype != torch.bool:
        raise Declined
    return apply(recorder, "where", [operand(condition, 0), operand(chosen, 1), operand(other, 2)],
                 dtype=promoted(chosen, other))  # fmt: skip


@device_op("masked_fill.Scalar")
def _masked_fill(recorder: Recorder, tensor: Tensor, mask: Tensor, value: float) -> Tensor:
    return _masked(recorder, tensor, mask, value, None)


@device_op("masked_fill_.Scalar")
def _masked_fill_in_place(recorder: Recorder, tensor: Tensor, mask: Tensor, value: float) -> Tensor:
    return _masked(recorder, tensor, mask, value, tensor)


def _masked(recorder: Recorder, tensor: Tensor, mask: Tensor, value: float, out: Tensor | None) -> Tensor:
    if mask.dtype != torch.bool or not isinstance(value, (int, float)):
        raise Declined
    operands = [operand(tensor, 0), operand(mask, 1)]
    return apply(recorder, "masked_fill", operands, [Number(value, 2)], dtype=tensor.dtype, out=out)


@device_op("clamp")
def _clamp(recorder: Recorder, tensor: Tensor, least: float | None, most: float | None) -> Tensor:
    return _between(recorder, tensor, least, most, None)


@device_op("clamp_")
def _clamp_in_place(recorder: Recorder, tensor: Tensor, least: float | None, most: float | None) -> Tensor:
    return _between(recorder, tensor, least, most, tensor)


@device_op("clamp_min")
def _clamp_min(recorder: Recorder, tensor: Tensor, least: float) -> Tensor:
    return _between(recorder, tensor, least, None, None)


@device_op("clamp_max")
def _clamp_max(recorder: Recorder, tensor: Tensor, most: float) -> Tensor:
    return _between(recorder, tensor, None, most, None)


def _between(recorder: Recorder, tensor: Tensor, least: float | None, most: float | None, out: Tensor | None) -> Tensor:
    bounds = [one for one in (least, most) if one is not None]
    if tensor.dtype in INTEGERS:
        if tensor.dtype == torch.bool or not bounds or any(not isinstance(one, int) for one in bounds):
            raise Declined
        if least is not None:
            tensor = apply(recorder, "maximum", [operand(tensor, 0), Number(least)], dtype=tensor.dtype, out=out)
        if most is not None:
            tensor = apply(recorder, "minimum", [operand(tensor, 0), Number(most)], dtype=tensor.dtype, out=out)
        return tensor
    if any(one != one for one in bounds):
        raise Declined
    ends = [Number(-math.inf if least is None else least), Number(math.inf if most is None else most)]
    return apply(recorder, "clamp", [operand(tensor, 0)], ends, dtype=tensor.dtype, out=out)


def _activation(recorder: Recorder, name: str, tensor: Tensor, out: Tensor | None, *numbers: Number) -> Tensor:
    return apply(recorder, name, [operand(tensor, 0)], list(numbers), dtype=tensor.dtype, out=out)


@device_op("relu")
def _relu(recorder: Recorder, tensor: Tensor) -> Tensor:
    return _activation(recorder, "relu", tensor, None)


@device_op("relu_")
def _relu_in_place(recorder: Recorder, tensor: Tensor) -> Tensor:
    return _activation(recorder, "relu", tensor, tensor)


@device_op("leaky_relu")
def _leaky_relu(recorder: Recorder, tensor: Tensor, slope: float) -> Tensor:
    return _activation(recorder, "leaky_relu", tensor, None, Number(slope, 1))


@device_op("leaky_relu_")
def _leaky_relu_in_place(recorder: Recorder, tensor: Tensor, slope: float) -> Tensor:
    return _activation(recorder, "leaky_relu", tensor, tensor, Number(slope, 1))


@device_op("leaky_relu_backward")
def _leaky_relu_backward(recorder: Recorder, grad: Tensor, tensor: Tensor, slope: float, _: bool) -> Tensor:
    operands = [operand(grad, 0), operand(tensor, 1)]
    return apply(recorder, "leaky_relu_backward", operands, [Number(slope, 2)], dtype=grad.dtype)


@device_op("gelu")
def _gelu(recorder: Recorder, tensor: Tensor, approximate: str) -> Tensor:
    return _activation(recorder, "gelu_tanh" if approximate == "tanh" else "gelu", tensor, None)


@device_op("gelu_backward")
def _gelu_backward(recorder: Recorder, grad: Tensor, tensor: Tensor, approximate: str) -> Tensor:
    name = "gelu_tanh_backward" if approximate == "tanh" else "gelu_backward"
    return apply(recorder, name, [operand(grad, 0), operand(tensor, 1)], dtype=grad.dtype)


@device_op("softplus")
def _softplus(recorder: Recorder, tensor: Tensor, beta: float, threshold: float) -> Tensor:
    return _activation(recorder, "softplus", tensor, None, Number(beta), Number(threshold))
