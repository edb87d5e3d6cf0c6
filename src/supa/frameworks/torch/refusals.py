"""Whether torch's own rules of shapes, types and axes refuse an operator's arguments: its form for tensors without
memory (meta) knows them. Asked when a recipe is made; the host's form then words the error. Not here: places out of
bounds.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch

from supa.frameworks.torch.names import INSIDE

_RULES = (RuntimeError, IndexError, ValueError, TypeError, AssertionError)


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
    except _RULES:
        return True
    return False
