"""Vectorised mathematics as LLVM IR: one internal function per (function, element type, width). Not here: its callers.

Accuracy and methods: docs/design/mathlib.md.
"""

from __future__ import annotations

from supa.compiler.native.emitter import Emitter
from supa.compiler.native.host import detect
from supa.compiler.native.mathlib import (  # noqa: F401  (each fills the registry)
    bessel,
    error_functions,
    exponential,
    gamma,
    hyperbolic,
    logarithm,
    powers,
    steps,
    trigonometric,
)
from supa.compiler.native.mathlib.registry import ROUTINES, symbol, text

FUNCTIONS_F32 = frozenset(name for (name, dtype), of in ROUTINES.items() if dtype == "f32" and not of.internal)
"""Functions with an f32 version; each has an f64 version too."""


def require(emitter: Emitter, function: str, dtype: str, lanes: int) -> str:
    """Make sure that the module defines `function` on vectors of `lanes` (1 to 16) f32 or f64; gives its LLVM name."""
    name = symbol(function, dtype, lanes)
    if name not in emitter.definitions:
        made = text(function, dtype, lanes, detect().vector_bits)
        emitter.definitions[name] = made.definition
        for declaration in made.declarations:
            emitter.declare(declaration)
        for callee in made.callees:
            require(emitter, callee, dtype, lanes)
    return name
