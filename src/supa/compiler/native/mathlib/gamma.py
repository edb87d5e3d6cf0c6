"""lgamma, tgamma, Bessel functions of the first and second kind: the C library's double versions, lane by lane."""

from __future__ import annotations

from supa.compiler.native.mathlib.code import Code, Value
from supa.compiler.native.mathlib.registry import routine


def _library(name: str) -> None:
    def body(code: Code, x: Value) -> Value:
        made = code.each_lane(name, x.wide())
        return made.narrow() if x.type == "float" else made

    routine(name, "f32", "f64")(body)


for _name in ("lgamma", "tgamma", "j0", "j1", "y0", "y1"):
    _library(_name)
