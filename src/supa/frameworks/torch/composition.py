"""Operators composed of other operators by torch's own decompositions: each part runs on the device, and the whole is
one recipe. Not here: operators with kernels of their own (`ops`), what is composed inside torch (its composite ones).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch

from supa.frameworks.torch.names import ALSO_COMPOSED, NOT_COMPOSED


@cache
def _table() -> dict[str, Any]:
    from torch._decomp import decomposition_table

    found = {}
    for operator, function in decomposition_table.items():
        name = str(operator.name())
        if name.startswith("aten::"):
            found[name.removeprefix("aten::")] = function
    return found


def composed_names() -> tuple[str, ...]:
    """The operators of torch's table that each device brings itself (others torch composes), without those that are
    views, or quicker or only right elsewhere.
    """
    return tuple(
        name
        for name in _table()
        if name.partition(".")[0].rstrip("_") not in NOT_COMPOSED
        and (name in ALSO_COMPOSED or torch._C._dispatch_has_kernel_for_dispatch_key(f"aten::{name}", "CPU"))
    )


def _settle(written: list[torch.Tensor], returned: Any) -> None:
    """What a decomposition returned instead of writing it (those that compute in fp32 cast their `out` too)."""
    results = [returned] if isinstance(returned, torch.Tensor) else list(returned)
    for target, result in zip(written, results, strict=True):
        if result is not target and isinstance(result, torch.Tensor):
            if target.shape != result.shape:
                target.resize_(result.shape)
            target.copy_(result)


def decomposition(name: str, schema: Any, values: list[Any]) -> Any:
    """The operator's result by its decomposition; `values` are all its arguments in the schema's order.

    Raises `Declined` where the decomposition gives up.
    """
    from supa.frameworks.torch.recorder import Declined

    positional = [value for argument, value in zip(schema.arguments, values, strict=True) if not argument.kwarg_only]
    named = {argument.name: value for argument, value in zip(schema.arguments, values, strict=True)
             if argument.kwarg_only and value is not None}  # fmt: skip
    try:
        returned = _table()[name](*positional, **named)
    except (NotImplementedError, RuntimeError, TypeError, ValueError, AssertionError, IndexError) as error:
        raise Declined from error  # the host's form words the error, if it is one
    written = [value for argument, value in zip(schema.arguments, values, strict=True)
               if argument.alias_info is not None and argument.alias_info.is_write]  # fmt: skip
    if returned is NotImplemented:
        raise Declined
    if written and all(one.alias_info is not None and one.alias_info.is_write for one in schema.returns):
        _settle(written, returned)
        return written[0] if len(schema.returns) == 1 else tuple(written)
    if isinstance(returned, torch.Tensor) and any(returned is value for value in values):
        raise Declined  # a result that is its argument: torch's own form decides about copies
    return returned
