"""The compiler: front ends, passes on the tile IR, native code and the work entry. Sees neither timing nor runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from supa.compiler.options import Options

if TYPE_CHECKING:
    from supa.compiler.stages import Compilation, compile, compile_all

__all__ = ["Compilation", "Options", "compile", "compile_all"]


def __getattr__(name: str) -> Any:
    """The stages, imported at first use: a kernel out of a cache needs none of them."""
    if name in __all__:
        from supa.compiler import stages

        return getattr(stages, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
