"""The table of operators with device kernels. Not here: the operators (`ops`), their calls (`dispatch`).

Modules of `ops` fill it; they are imported, and triton with them, when the first such operator is called.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

_implementations: dict[str, Callable[..., Any]] = {}
_loading = threading.RLock()


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
