"""A Triton module as text in MLIR's generic form, with locations: what `compiler.ttir` reads.

libtriton has no switch for it, but MLIR's printer falls back to the generic form when a module does not verify. So the
entry function gets, for the time of printing, a visibility that does not exist. The module is unchanged afterwards.
Not here: reading the text. This file needs no import of triton: the module object brings everything.
"""

from __future__ import annotations

import sys
from typing import Any

from supa.base.errors import CompileError

_BROKEN = "generic"
_GENERIC_START = '"builtin.module"('


def generic_text(module: Any) -> str:
    """The generic form of `module` (a `triton._C.libtriton.ir.module` with one public function), locations included.

    Raises `CompileError` if the printer did not fall back to the generic form (another Triton than the supported ones).
    """
    bindings = sys.modules[type(module).__module__]
    builder = bindings.builder(module.context)
    entry = module.get_function(module.get_entry_func_name())
    entry.set_attr("sym_visibility", builder.get_string_attr(_BROKEN))
    try:
        text = str(module)
    finally:
        entry.set_attr("sym_visibility", builder.get_string_attr("public"))
    if _GENERIC_START not in text:
        raise CompileError("expected MLIR's generic form from Triton's printer, found its pretty form")
    return text.replace(f'sym_visibility = "{_BROKEN}"', 'sym_visibility = "public"', 1)
