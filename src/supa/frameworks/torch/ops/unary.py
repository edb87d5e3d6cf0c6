"""Operators of one tensor: new, in place, and with `out`. Not here: activations with options (`weighted`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.names import LOGICAL, UNARY
from supa.frameworks.torch.ops.elementwise import FLOATS, INTEGERS, apply, operand
from supa.frameworks.torch.recorder import Recorder
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


def _enter(torch_name: str, name: str) -> None:
    @device_op(torch_name)
    def plain(recorder: Recorder, tensor: torch.Tensor, *_: Any) -> torch.Tensor:
        return apply(recorder, _served(name, tensor), [operand(tensor, 0)], dtype=result_dtype(name, tensor))

    @device_op(f"{torch_name}_")
    def in_place(recorder: Recorder, tensor: torch.Tensor, *_: Any) -> torch.Tensor:
        return apply(
            recorder, _served(name, tensor), [operand(tensor, 0)], dtype=result_dtype(name, tensor), out=tensor
        )

    @device_op(f"{torch_name}.out")
    def with_out(recorder: Recorder, tensor: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        return apply(recorder, _served(name, tensor), [operand(tensor, 0)], dtype=result_dtype(name, tensor), out=out)

    _kept.extend((plain, in_place, with_out))


def _enter_logical(torch_name: str, name: str) -> None:
    @device_op(torch_name)
    def plain(recorder: Recorder, tensor: torch.Tensor) -> torch.Tensor:
        return apply(recorder, name, [operand(tensor, 0)], dtype=tensor.dtype)


for _torch_name, _name in LOGICAL.items():
    _enter_logical(_torch_name, _name)

_kept: list[Callable[..., Any]] = []
for _torch_name, _name in UNARY.items():
    _enter(_torch_name, _name)
