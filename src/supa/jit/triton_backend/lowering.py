"""From Triton's TTIR to a `Program`: a launch's options and the device's facts as our compiler's options.

Not here: Triton's stages (`compiler`), our own (`supa.compiler`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from supa.compiler.options import Options
from supa.jit.triton_backend import sources
from supa.jit.triton_backend.devices import description
from supa.jit.triton_backend.options import KernelOptions
from supa.program.program import Program

Watcher = Callable[[str, Options], None]

_watchers: list[Watcher] = []


def lower(text: str, options: KernelOptions) -> Program:
    """The program of one module in MLIR's generic form. Raises `CompileError` naming the user's line."""
    from supa.compiler import compile

    chosen = compiler_options(options)
    for watcher in _watchers:
        watcher(text, chosen)
    return compile(text, chosen)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Within, `watcher` sees every module that is compiled, before it is."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


def compiler_options(options: KernelOptions) -> Options:
    """What our compiler wants to know of a launch's options and of the device they are for."""
    device = description(options.arch)
    return Options(
        num_warps=options.num_warps,
        num_stages=options.num_stages,
        warp_size=options.warp_size,
        numerics=device.numerics,
        sanitize=options.sanitize,
    )


@cache
def key(arch: str) -> str:
    """Everything that a kernel's code depends on besides the kernel and its launch options, as a short text."""
    facts = compiler_options(KernelOptions(arch=arch))
    assert dataclasses.is_dataclass(facts)
    return f"{sources.digest()}-{facts!r}"
