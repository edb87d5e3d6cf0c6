"""Whether torch's own rules of shapes, types and axes refuse an operator's arguments: its form for tensors without
memory (meta) knows them. Asked when a recipe is made; the host's form then words the error. Not here: places out of
bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch

from supa.frameworks.torch.names import INSIDE

_REFUSALS = (RuntimeError, IndexError, ValueError, TypeError, AssertionError)


def _adds_other_lines(x: torch.Tensor, dim: int, _: torch.Tensor, source: torch.Tensor, *rest: Any) -> bool:
    """Whether lines of another shape than x's are added to it."""
    if not x.dim() or not source.dim():
        return False
    shapes = [list(one.shape) for one in (x, source)]
    for shape in shapes:
        if -len(shape) <= dim < len(shape):
            del shape[dim]
    return shapes[0] != shapes[1]


def _resizes_nothing(x: torch.Tensor, size: Any, *rest: Any) -> bool:
    return 0 in x.shape[1:] or 0 in size


def _subtracts_conditions(x: Any, y: Any, *rest: Any) -> bool:
    return any(isinstance(one, torch.Tensor) and one.dtype == torch.bool for one in (x, y))


_MORE: dict[str, Callable[..., bool]] = {
    **dict.fromkeys(("sub.Tensor", "sub_.Tensor", "sub.out", "rsub.Scalar"), _subtracts_conditions),
    "index_add": _adds_other_lines,
    "index_add_": _adds_other_lines,
    **dict.fromkeys(
        ("upsample_linear1d", "upsample_bilinear2d", "upsample_bicubic2d", "upsample_trilinear3d"), _resizes_nothing
    ),
}
"""Rules that torch's forms without memory leave out."""


@cache
def _form(name: str) -> Any:
    """An operator's form for tensors without memory; None where it has none that speaks of all its arguments."""
    packet, _, overload = name.partition(".")
    operator = getattr(getattr(torch.ops.aten, packet), overload or "default")
    if name in INSIDE or torch.Tag.dynamic_output_shape in operator.tags:
        return None
    known = torch._C._dispatch_has_kernel_for_dispatch_key(f"aten::{name}", "Meta")
    return operator if known else None


def _without_memory(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        if value.device.type != "supa":
            return value
        made = torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")
        return made.conj() if value.is_conj() else made
    if isinstance(value, (list, tuple)):
        return [_without_memory(one) for one in value]
    if isinstance(value, torch.Generator):
        return None
    return torch.device("meta") if isinstance(value, torch.device) else value


def refused(name: str, schema: Any, values: list[Any]) -> bool:
    """Whether the arguments, all of them in the schema's order, break torch's rules for the operator."""
    more = _MORE.get(name)
    if more is not None and more(*values):
        return True
    form = _form(name)
    if form is None:
        return False
    given = [_without_memory(one) for one in values]
    positional = [one for argument, one in zip(schema.arguments, given, strict=True) if not argument.kwarg_only]
    named = {argument.name: one for argument, one in zip(schema.arguments, given, strict=True) if argument.kwarg_only}
    try:
        form(*positional, **named)
    except NotImplementedError:
        return False
    except _REFUSALS:
        return True
    return False
