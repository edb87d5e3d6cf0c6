"""Operators of one tensor: new, in place, and with `out`. Not here: activations with options (`weighted`)."""

from __future__ import annotations

from typing import Any

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.names import LOGICAL, SPECIAL, UNARY
from supa.frameworks.torch.ops.elementwise import FLOATS, INTEGERS, apply, operand
from supa.frameworks.torch.recorder import Declined, Number, Recorder
from supa.libs.elementwise.table import OPERATIONS

_ROUNDING = ("floor", "ceil", "trunc", "round")


def result_dtype(name: str, tensor: torch.Tensor) -> torch.dtype:
    """A float operation of integers gives the default float type; rounding an integer leaves it."""
    if OPERATIONS[name].kind == "float" and tensor.dtype not in (*FLOATS, torch.float64) and not tensor.is_complex():
        return tensor.dtype if name in _ROUNDING else torch.get_default_dtype()
    return tensor.dtype


def _served(name: str, tensor: torch.Tensor) -> str:
    """The operation that does it: whole numbers are rounded by copying them."""
    return "copy" if name in _ROUNDING and tensor.dtype in INTEGERS else name


def _run(
    recorder: Recorder,
    name: str,
    tensor: torch.Tensor,
    out: torch.Tensor | None = None,
    numbers: tuple[Number, ...] = (),
) -> torch.Tensor:
    dtype = result_dtype(name, tensor)
    return apply(recorder, _served(name, tensor), [operand(tensor, 0)], numbers, dtype=dtype, out=out)


def _enter(torch_name: str, name: str, *, in_place: bool) -> None:
    @device_op(torch_name)
    def plain(recorder: Recorder, tensor: torch.Tensor, *_: Any) -> torch.Tensor:
        return _run(recorder, name, tensor)

    @device_op(f"{torch_name}.out")
    def with_out(recorder: Recorder, tensor: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        return _run(recorder, name, tensor, out)

    if in_place:

        @device_op(f"{torch_name}_")
        def into_itself(recorder: Recorder, tensor: torch.Tensor, *_: Any) -> torch.Tensor:
            return _run(recorder, name, tensor, tensor)


@device_op("polygamma", "polygamma.out")
def _polygamma(recorder: Recorder, order: int, tensor: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
    if order < 0:
        raise Declined  # the host words the error
    if order < 2:
        return _run(recorder, ("digamma", "trigamma")[order], tensor, out)
    return _run(recorder, "polygamma", tensor, out, (Number(order),))


def _enter_logical(torch_name: str, name: str) -> None:
    @device_op(torch_name)
    def plain(recorder: Recorder, tensor: torch.Tensor) -> torch.Tensor:
        return apply(recorder, name, [operand(tensor, 0)], dtype=tensor.dtype)


for _torch_name, _name in LOGICAL.items():
    _enter_logical(_torch_name, _name)

for _torch_name, _name in UNARY.items():
    _enter(_torch_name, _name, in_place=True)
for _torch_name in SPECIAL:
    _enter(_torch_name, _torch_name, in_place=False)
