"""Runs something once a module of torch has been imported, or now if it has. Not here: what is run.

Torch's compiler costs seconds to import; who never compiles shall not pay for it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_waiting: dict[str, list[Callable[[ModuleType], None]]] = {}


class _Watcher(MetaPathFinder):
    """Sees the one import of each module that somebody waits for, and acts when it is done."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The module's spec with a loader that acts; None for modules that nobody waits for."""
        actions = _waiting.pop(name, None)
        if actions is None:
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_act(module: ModuleType) -> None:
                load(module)
                for action in actions:
                    action(module)

            spec.loader.exec_module = load_and_act  # type: ignore[method-assign]
        return spec


_watcher = _Watcher()


def after_import(module: str, action: Callable[[ModuleType], None]) -> None:
    """`action(module)` now, or as soon as it is there; several are run in the order in which they came."""
    loaded = sys.modules.get(module)
    if loaded is not None:
        action(loaded)
        return
    if _watcher not in sys.meta_path:
        sys.meta_path.insert(0, _watcher)
    _waiting.setdefault(module, []).append(action)
