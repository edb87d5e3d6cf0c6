"""The operators with device kernels: their registration, and what happens around each call that Python is asked for.

The extension asks once for each key (`csrc/replay.h`). Modules of `ops` fill the table; they are imported, and triton
with them, when the first such operator is called. Not here: the operators themselves.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch

from supa.frameworks.torch.extension import library
from supa.frameworks.torch.names import NAMES, OPEN

_implementations: dict[str, Callable[..., Any]] = {}
_loading = threading.RLock()
_kept: list[torch.library.Library] = []


def device_op(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enters a function as the kernel of operators: it takes a `Recorder` and the operator's arguments, all of them in
    the schema's order, and returns what the operator does; it raises `Declined` for arguments that it does not serve.
    """

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            _implementations[name] = function
        return function

    return enter


def implementations() -> dict[str, Callable[..., Any]]:
    """All of them, by name."""
    if not _implementations:
        with _loading:
            import_module("supa.frameworks.torch.ops")
    return _implementations


def registered() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Registers every name in the table; all names, and those whose numbers are a kernel's arguments."""
    entered = torch.library.Library("aten", "IMPL")
    _kept.append(entered)
    for name in NAMES:
        entered.impl(name, _asked(name), "PrivateUse2")
    return NAMES, OPEN


def _asked(name: str) -> Callable[..., Any]:
    packet, _, overload = name.partition(".")
    operator = getattr(getattr(torch.ops.aten, packet), overload or "default")
    schema, returns = operator._schema.arguments, len(operator._schema.returns)

    def call(*args: Any, **kwargs: Any) -> Any:
        from supa.frameworks.torch.recorder import Declined, Recorder

        values = [
            args[index] if index < len(args) else kwargs.get(argument.name, argument.default_value)
            for index, argument in enumerate(schema)
        ]
        values, tensors = _distinct(values)
        try:
            if len({tensor.device for tensor in tensors}) != 1:
                raise Declined  # the host's form words the error
            recorder = Recorder(tensors)
            returned = implementations()[name](recorder, *values)
        except Declined:
            library().supa_torch_decline()
            return None if returns == 1 else (None,) * returns  # dropped: the extension goes on with the host's form
        recorder.finish(returned)
        return returned

    return call


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
