"""Makes `triton.testing.do_bench` and `do_bench_cudagraph` ask the active driver. Not here: our answer (`measuring`).

Triton's own repeat a launch for 100 ms of the device's time, which on the host can be minutes, to average out a noise
that a simulated clock does not have. They are the only functions of Triton that are replaced; with another driver they
do what they did. The functions keep their identity, so it does not matter who imported them when.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import FunctionType, ModuleType
from typing import Any

_MODULE = "triton.testing"


class _AfterImport(MetaPathFinder):
    """Sees the one import of the module, and patches it once it is there."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The module's spec with a loader that patches; None for all others."""
        if name != _MODULE:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_patch(module: ModuleType) -> None:
                load(module)
                _patch(module)

            spec.loader.exec_module = load_and_patch  # type: ignore[method-assign]
        return spec


def install() -> None:
    """Patch the module now, or as soon as it is imported (Triton loads drivers first)."""
    module = sys.modules.get(_MODULE)
    if module is not None:
        _patch(module)
    elif not any(isinstance(finder, _AfterImport) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AfterImport())


def _patch(module: ModuleType) -> None:
    for name, asking in (("do_bench", _ask_the_driver), ("do_bench_cudagraph", _ask_the_driver_for_graphs)):
        function: FunctionType = getattr(module, name)
        if f"stock_{name}" not in module.__dict__:
            stock = FunctionType(function.__code__, module.__dict__, function.__name__, function.__defaults__)
            module.__dict__[f"stock_{name}"] = stock
            function.__code__ = asking.__code__


def _ask_the_driver(  # its code runs with the names of `triton.testing`
    fn: Any,
    warmup: float = 25,
    rep: float = 100,
    grad_to_none: Any = None,
    quantiles: Any = None,
    return_mode: str = "mean",
) -> Any:
    own = getattr(runtime.driver.active, "do_bench", stock_do_bench)  # type: ignore[name-defined]  # noqa: F821
    return own(fn, warmup, rep, grad_to_none, quantiles, return_mode)


def _ask_the_driver_for_graphs(  # as above
    fn: Any, rep: float = 20, grad_to_none: Any = None, quantiles: Any = None, return_mode: str = "mean"
) -> Any:
    own = getattr(runtime.driver.active, "do_bench", None)  # type: ignore[name-defined]  # noqa: F821
    if own is None:
        return stock_do_bench_cudagraph(fn, rep, grad_to_none, quantiles, return_mode)  # type: ignore[name-defined]  # noqa: F821
    return own(fn, 0, rep, grad_to_none, quantiles, return_mode)
