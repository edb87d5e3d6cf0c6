"""Front end 1: Triton's TTIR (MLIR's generic form) to tile IR. `read(text)` is the door.

Not here: Triton itself (its front end and passes run in `jit`), passes on tile IR (`compiler.passes`).
"""

from __future__ import annotations

from supa.compiler.ttir.convert import convert
from supa.compiler.ttir.mlir import parse
from supa.ir.ops import Func

__all__ = ["convert", "parse", "read"]


def read(text: str) -> Func:
    """The kernel that a TTIR module in generic form describes.

    `CompileError` where the text can not be read, `UnsupportedError` where a kernel uses what is not supported.
    """
    return convert(parse(text))
