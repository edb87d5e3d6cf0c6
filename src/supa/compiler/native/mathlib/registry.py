"""Which functions the library has, and their text as LLVM IR definitions. Not here: how any of them is computed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

from supa.compiler.native.mathlib.code import Code, Value

Body = Callable[..., Value]
TYPES = {"f32": "float", "f64": "double"}


@dataclass(frozen=True, kw_only=True)
class Routine:
    """How one function of one element type is written. `inline`: short enough to stand in the caller's loop."""

    body: Body
    arity: int
    inline: bool
    internal: bool


@dataclass(frozen=True, kw_only=True)
class Text:
    """A routine for one width: its definition, and what else the module then needs."""

    definition: str
    declarations: frozenset[str]
    callees: tuple[str, ...]


ROUTINES: dict[tuple[str, str], Routine] = {}


def routine(
    name: str, *dtypes: str, arity: int = 1, inline: bool = False, internal: bool = False
) -> Callable[[Body], Body]:
    """Register the body of a function for element types f32, f64. `internal`: called only by others of the library."""

    def register(body: Body) -> Body:
        for dtype in dtypes:
            ROUTINES[name, dtype] = Routine(body=body, arity=arity, inline=inline, internal=internal)
        return body

    return register


def symbol(function: str, dtype: str, lanes: int) -> str:
    """The LLVM function's name."""
    return f"@supa.{function}.{dtype}.v{lanes}"


@functools.cache
def text(function: str, dtype: str, lanes: int, vector_bits: int) -> Text:
    """The definition of a function for vectors of `lanes` elements; `vector_bits`: see `Code`."""
    of = ROUTINES[function, dtype]
    callees: dict[str, None] = {}

    def require(other: str) -> str:
        callees[other] = None
        return symbol(other, dtype, lanes)

    code = Code(TYPES[dtype], lanes, vector_bits=vector_bits, require=require)
    vector = code.vector(code.type)
    parameters = [Value(code, code.type, f"%x{index}") for index in range(of.arity)]
    result = of.body(code, *parameters)
    attributes = ("alwaysinline" if of.inline else "noinline") + (" cold" if of.internal else "") + " nounwind"
    attributes += " optsize" if code.slots else ""  # keeps the loop a loop
    head = f"define internal {vector} {symbol(function, dtype, lanes)}"
    head += f"({', '.join(f'{vector} {p.name}' for p in parameters)}) {attributes} {{"
    lines = [head, "entry:", *code.slots, *code.lines, f"  ret {vector} {result.name}", "}", ""]
    return Text(definition="\n".join(lines), declarations=frozenset(code.declarations), callees=tuple(callees))
