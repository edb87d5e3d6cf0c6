"""The compiler: front ends, passes on the tile IR, native code and the work entry. Sees neither timing nor runtime."""

from __future__ import annotations

from supa.compiler.compile import Compilation, Options, compile, compile_all

__all__ = ["Compilation", "Options", "compile", "compile_all"]
