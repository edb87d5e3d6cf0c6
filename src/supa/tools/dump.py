"""`supa dump`: one compiler stage of every kernel that a program launches. Not here: the stages (`compiler`).

The stages go to standard output, what the program itself prints to standard error.
"""

from __future__ import annotations

import contextlib
import re
import sys

from supa.compiler import Options, compile_all
from supa.ir.text import print_function
from supa.program.work_text import format_work
from supa.tools import script
from supa.tools.run import Request, environment, open_device

_ENTRY = re.compile(r'sym_name = "([^"]*)", sym_visibility = "public"')
_COMMENT = {"ttir": "//", "tile": "//", "work": "#", "llvm": ";", "asm": "#"}


def dump(request: Request, stage: str, kernel: str | None) -> int:
    """Run the program and print `stage` of each kernel it compiles, or of those called `kernel`; returns its exit code.

    1 where nothing was printed and the program ended well. Raises `SupaError` before anything runs, as `run`.
    """
    from supa.jit.triton_backend.lowering import watched

    script.check(request.target, request.is_module)
    open_device(request)
    found: list[tuple[str, str]] = []

    def watch(text: str, options: Options) -> None:
        entry = _ENTRY.search(text)
        name = entry[1] if entry else "?"
        found.append((name, stage_text(stage, text, options) if kernel in (None, name) else ""))

    with environment(request, TRITON_ALWAYS_COMPILE="1"), watched(watch), contextlib.redirect_stdout(sys.stderr):
        ending = script.execute(request.target, request.arguments, request.is_module)
    shown = [(name, text) for name, text in found if text]
    for name, text in shown:
        print(f"{_COMMENT[stage]} {stage} of {name}\n{text.rstrip()}\n")
    if not shown:
        names = ", ".join(dict.fromkeys(name for name, _ in found)) or "none"
        wanted = f"no kernel {kernel!r}" if kernel else "no kernel"
        print(f"supa: {wanted} was compiled; kernels compiled: {names}", file=sys.stderr)
    return ending.code or (0 if shown else 1)


def stage_text(stage: str, text: str, options: Options) -> str:
    """`stage` of the kernel whose TTIR in generic form is `text`."""
    if stage == "ttir":
        return text
    made = compile_all(text, options, listing=stage in ("llvm", "asm"))
    if stage == "tile":
        return print_function(made.func)
    if stage == "work":
        return format_work(made.program.work)
    return made.built.optimised if stage == "llvm" else made.built.assembly
