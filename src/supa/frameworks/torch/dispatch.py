"""What happens around each call of an operator that Python is asked for: its kernel, or torch's decomposition.

The extension asks once for each key (`csrc/replay.h`). Operators without an entry are composed of others
(`composition`); what neither serves is declined, and the extension goes on with the host's form. Not here: the table of
kernels (`kernels`), the operators themselves (`ops`).
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import torch
from torch._C._dynamo import eval_frame

from supa.frameworks.torch.composition import composed_names, decomposition
from supa.frameworks.torch.extension import library
from supa.frameworks.torch.kernels import implementations
from supa.frameworks.torch.names import INSIDE, NAMES, OPEN
from supa.frameworks.torch.recorder import Declined, Recorder, recording
from supa.frameworks.torch.refusals import refused

_kept: list[torch.library.Library] = []
_composed: frozenset[str] = frozenset()
_composed_where_declined: frozenset[str] = frozenset()


def registered() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Registers every name, own and composed; those that are served at the top, and those whose numbers are a kernel's
    arguments.
    """
    global _composed, _composed_where_declined
    _keep_from_compiler()
    entered = torch.library.Library("aten", "IMPL")
    _kept.append(entered)
    composed = frozenset(composed_names())
    _composed = composed - set(NAMES) - set(INSIDE)
    _composed_where_declined = composed & set(NAMES)
    names = (*NAMES, *sorted(_composed))
    for name in (*names, *INSIDE):
        entered.impl(name, partial(_asked, name), "PrivateUse2")
    return names, OPEN


def _keep_from_compiler() -> None:
    """Where a compiled module calls an operator outside of its graphs, torch's compiler looks at every frame below."""
    skip = eval_frame._FrameAction.SKIP
    eval_frame.set_code_exec_strategy(_asked.__code__, eval_frame._FrameExecStrategy(skip, skip))


@cache
def _schema(name: str) -> Any:
    packet, _, overload = name.partition(".")
    return getattr(getattr(torch.ops.aten, packet), overload or "default")._schema


def _asked(name: str, *args: Any, **kwargs: Any) -> Any:
    schema = _schema(name)
    values = [
        args[index] if index < len(args) else kwargs.get(argument.name, argument.default_value)
        for index, argument in enumerate(schema.arguments)
    ]
    values, tensors = _distinct(values)
    try:
        if len({tensor.device for tensor in tensors}) != 1:
            raise Declined  # the host's form words the error
        if not recording() and refused(name, schema, values):
            raise Declined
        returned = _run(name, schema, values, tensors)
    except Declined:
        library().supa_torch_decline()
        count = len(schema.returns)
        return None if count <= 1 else (None,) * count  # dropped: the extension goes on with the host's form
    return returned


def _run(name: str, schema: Any, values: list[Any], tensors: list[torch.Tensor]) -> Any:
    """By the operator's kernel; where it has none for these arguments, by torch's decomposition, if there is one."""
    from supa.frameworks.torch.ops import complexes

    implementation = implementations().get(name)
    if any(complexes.concerns(value) for value in values) and complexes.form_of(name) is not None:
        with Recorder(f"{name} of complex numbers", tensors) as recorder:  # it is made of the real one
            returned = complexes.run(recorder, name, values)
            recorder.finish(returned)
        return returned
    if implementation is not None:
        try:
            with Recorder(name, tensors) as recorder:
                returned = implementation(recorder, *values)
                recorder.finish(returned if schema.returns else ())
            return returned
        except Declined:
            if name not in _composed_where_declined or _lies_elsewhere(values):
                raise
    if name not in _composed and name not in _composed_where_declined:
        raise Declined
    with Recorder(name, tensors) as recorder:
        returned = decomposition(name, schema, values)
        recorder.finish(returned if schema.returns else ())
    return returned


def _lies_elsewhere(values: list[Any]) -> bool:
    """Whether a tensor that is no number lies on the host: most operators refuse it, decompositions may not."""
    flat = [part for one in values for part in (one if isinstance(one, (list, tuple)) else (one,))]
    return any(isinstance(one, torch.Tensor) and one.device.type != "supa" and one.dim() for one in flat)


def _distinct(values: list[Any]) -> tuple[list[Any], list[torch.Tensor]]:
    """The arguments with each device tensor as an object of its own, and these in order."""
    tensors: list[torch.Tensor] = []

    def one(value: Any) -> Any:
        if isinstance(value, torch.Tensor) and value.device.type == "supa":
            if any(value is other for other in tensors):
                value = value.detach()
            tensors.append(value)
        elif isinstance(value, (list, tuple)) and any(isinstance(part, torch.Tensor) for part in value):
            return [one(part) for part in value]
        return value

    return [one(value) for value in values], tensors
