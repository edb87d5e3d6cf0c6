"""Repeated launches of a kernel without Triton's keys: a function made for it compares its arguments with those of
earlier launches and starts the compiled kernel that these had.

Triton's `JITFunction.run` binds, specialises, makes a key of texts and looks it up, every time. Here each compiled
variant of a kernel becomes a row of comparisons (a *guard*) that holds exactly where Triton's key would be the same.
Whatever no guard knows goes to `JITFunction.run`: other kinds of arguments, hooks, debugging, a first launch. Not here:
what a launch does (`runtime`), the slots (`packing`).
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from triton import knobs
from triton.compiler.compiler import CompiledKernel
from triton.runtime.driver import driver
from triton.runtime.jit import JITCallable, JITFunction, KernelInterface, compute_cache_key

from supa.jit.triton_backend.guards import Unguarded, Variant, variant_of
from supa.jit.triton_backend.measuring import DIVERSIONS, current_meter
from supa.jit.triton_backend.packing import REFUSALS, bf16_bits
from supa.runtime import Kernel
from supa.runtime.current import CURRENT
from supa.runtime.native import launch_laid_out

MOST_VARIANTS = 8
MOST_ATTEMPTS = 32
"""Launches that no guard knew, after which a kernel is left to Triton's own way."""

_ATTRIBUTE = "_supa_quick"
_stock_run = JITFunction.run
_stock_parse = JITCallable.parse
_parsing = threading.Lock()


def install(driver_class: type) -> None:
    """From now on kernels are launched this way while a driver of this class is the active one."""
    if JITFunction.__getitem__ is not KernelInterface.__getitem__:
        return

    def run(self: Any, *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> Any:
        if warmup or grid is None or self.pre_run_hooks:  # hooks see what is positional and what is named
            return _stock_run(self, *args, grid=grid, warmup=warmup, **kwargs)
        return _quick(self, driver_class)(grid, *args, **kwargs)

    def launcher(self: Any, grid: Any) -> Callable[..., Any]:
        if self.pre_run_hooks:
            return partial(self.run, grid=grid, warmup=False)
        try:
            return partial(self._supa_quick.launch, grid)
        except AttributeError:
            return partial(_quick(self, driver_class), grid)

    JITFunction.run = run
    JITFunction.__getitem__ = launcher
    JITCallable.parse = _parse


def _parse(self: Any) -> Any:
    """A kernel's source, by one thread at a time: Python 3.11 counts the depth of all threads' trees together, and
    fails ("AST constructor recursion depth mismatch") where one is interrupted by another."""
    with _parsing:
        return _stock_parse(self)


def _quick(function: Any, driver_class: type) -> Callable[..., Any]:
    known = function.__dict__.get(_ATTRIBUTE)
    if known is None:
        known = function.__dict__[_ATTRIBUTE] = _Launches(function, driver_class)
    return known.launch  # type: ignore[no-any-return]


class _Launches:
    """The variants of one kernel, and the function made of them."""

    def __init__(self, function: Any, driver_class: type) -> None:
        self.function, self.driver_class = function, driver_class
        self.variants: list[Variant] = []
        self.attempts = 0
        self.launch: Any = self._compiled()

    def slowly(self, grid: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Triton's own way; then learn from it."""
        compiled = _stock_run(self.function, *args, grid=grid, warmup=False, **options)
        if self.attempts < MOST_ATTEMPTS and len(self.variants) < MOST_VARIANTS:
            self.attempts += 1
            variant = self._learn(compiled, args, options)
            if variant is not None:
                self.variants.append(variant)
                # The same function, for whoever keeps `kernel[grid]`; a call under way goes on in the code it has.
                fresh = self._compiled()
                self.launch.__globals__.update(fresh.__globals__)
                self.launch.__code__ = fresh.__code__
        return compiled

    def _learn(self, compiled: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Variant | None:
        """The variant of a launch that Triton has just done, None where a guard can not stand for it."""
        function = self.function
        plain = type(compiled) is CompiledKernel and type(compiled.function) is Kernel and not _is_special(function)
        if not plain or not getattr(compiled.run, "slots", None):
            return None
        number = driver.active.get_current_device()
        kernels, keys, _, _, binder = function.device_caches[number]
        debug = options.get("debug", function.debug) or knobs.runtime.debug
        full = {**options, "debug": debug, "instrumentation_mode": knobs.compilation.instrumentation_mode}
        bound, specialization, rest = binder(*args, **full)
        key = compute_cache_key(keys, specialization, rest)
        if kernels.get(key) is not compiled:
            return None
        given = {name: value for name, value in rest.items() if name in options}
        try:
            return variant_of(compiled, number, key, bound, specialization, given)
        except Unguarded:
            return None

    def _compiled(self) -> Any:
        function = self.function
        parameters = list(function.signature.parameters.values())
        names = {"_supa_" + name: value for name, value in self._names().items()}
        declared = []
        for parameter in parameters:
            has_default = parameter.default is not inspect.Parameter.empty
            declared.append(f"{parameter.name}=@default_{parameter.name}" if has_default else parameter.name)
            names[f"_supa_default_{parameter.name}"] = parameter.default
        bound = "{" + ", ".join(f"{parameter.name!r}: {parameter.name}" for parameter in parameters) + "}"
        for number, variant in enumerate(self.variants):
            names |= variant.names(number)
        source = _BODY.format(
            name=function.fn.__name__,
            parameters=", ".join(["@grid", "/", *declared, "**@options"]),
            every="".join(f"{parameter.name}, " for parameter in parameters),
            variants="\n".join(variant.text(number, bound) for number, variant in enumerate(self.variants)) or _NONE,
        ).replace("@", "_supa_")
        exec(compile(source, "<quick launch of a kernel>", "exec"), names)
        return names[function.fn.__name__]

    def _names(self) -> dict[str, Any]:
        return {
            "function": self.function, "slowly": self.slowly, "launch": launch_laid_out, "runtime": knobs.runtime,
            "compilation": knobs.compilation, "driver": driver, "driver_class": self.driver_class,
            "current": CURRENT, "diversions": DIVERSIONS, "type": type, "current_meter": current_meter,
            "refusals": REFUSALS, "globals_hold": _globals_hold, "bf16_bits": bf16_bits, "nothing": ({},),
        }  # fmt: skip


def _is_special(function: Any) -> bool:
    """Whether a launch does more than a guard compares."""
    compilation: Mapping[str, Any] = vars(knobs.compilation)
    return bool(
        function.debug or knobs.runtime.debug or compilation.get("instrumentation_mode")
        or knobs.runtime.add_stages_inspection_hook is not None or function.pre_run_hooks
    )  # fmt: skip


def _globals_hold(function: Any) -> bool:
    """Whether the globals that a kernel was compiled with still have their values; where not, Triton says it."""
    missing = object()
    return all(scope.get(name, missing) == value for (name, _), (value, scope) in function.used_global_vals.items())


_NONE = "            pass"
_BODY = """
def {name}({parameters}):
    if (
        @driver._active.__class__ is @driver_class and not @runtime.debug and not @function.debug
        and not @function.pre_run_hooks and not getattr(@runtime.launch_enter_hook, 'calls', True)
        and not getattr(@runtime.launch_exit_hook, 'calls', True) and not @compilation.instrumentation_mode
        and @runtime.add_stages_inspection_hook is None and (not @diversions or @current_meter(0) is None)
        and (not @function.used_global_vals or @globals_hold(@function))
    ):
        @device = @current[0] if @current else None
        try:
{variants}
        except @refusals:
            pass
    return @slowly(@grid, ({every}), @options)
"""
