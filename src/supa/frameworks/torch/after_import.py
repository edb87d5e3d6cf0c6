"""Runs something once a module of torch has been imported, or now if it has. Not here: what is run.

Torch's compiler costs seconds to import; who never compiles shall not pay for it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


class _Once(MetaPathFinder):
    """Sees the one import of the module, and acts when it is done."""

    def __init__(self, module: str, action: Callable[[ModuleType], None]) -> None:
        self._module, self._action = module, action

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The module's spec with a loader that acts; None for all others."""
        if name != self._module:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_act(module: ModuleType) -> None:
                load(module)
                self._action(module)

            spec.loader.exec_module = load_and_act  # type: ignore[method-assign]
        return spec


def after_import(module: str, action: Callable[[ModuleType], None]) -> None:
    """`action(module)` now, or as soon as it is there."""
    loaded = sys.modules.get(module)
    if loaded is not None:
        action(loaded)
    else:
        sys.meta_path.insert(0, _Once(module, action))
