"""The sanitizer of this process: its findings, told as they come, and how the process ends. Not here: their text."""

from __future__ import annotations

import atexit
import os
import sys
from typing import Any

from supa.jit.sanitizer.extents import extents
from supa.jit.sanitizer.findings import Findings
from supa.jit.sanitizer.settings import kinds
from supa.jit.sanitizer.text import describe, summary
from supa.runtime import Kernel
from supa.runtime.checked import launch_checked
from supa.runtime.memory import mark_fresh_memory

FOUND = 1
"""The exit status of a process with findings."""

findings = Findings()
_state = {"on": False, "ends by itself": True}


def begin() -> None:
    """Turn the sanitizer on for the rest of the process, if `SUPA_SANITIZE` asks for it.

    Launches run on the host's time unless `SUPA_MODE` says otherwise: predictions would follow wrong addresses too.
    """
    if _state["on"] or not kinds():
        return
    _state["on"] = True
    os.environ.setdefault("SUPA_MODE", "execute")
    mark_fresh_memory(True)
    from supa.jit.triton_backend.torch_device import mark_fresh_tensors

    mark_fresh_tensors()
    atexit.register(_end)


def launch(kernel: Kernel, grid_x: int, grid_y: int, grid_z: int, slots: bytes, pointers: tuple[Any, ...]) -> None:
    """Launch a kernel with checks; `pointers` are the objects of its pointer arguments, in order.

    Findings are written to standard error. Raises `LaunchError` for failures that are no finding.
    """
    if kernel.device.mode == "time":  # nothing runs
        kernel(grid_x, grid_y, grid_z, slots)
        return
    names = [argument.name for argument in kernel.program.arguments if argument.type == "ptr"]
    known = extents(names, pointers)
    checked = launch_checked(kernel, (grid_x, grid_y, grid_z), slots, known)
    fresh = findings.add_launch(kernel.program, known, checked)
    for finding in fresh:
        print(describe(finding), file=sys.stderr, flush=True)
    if checked.error is not None and "assertion failed" not in str(checked.error):
        raise checked.error


def conclude() -> int:
    """Write what is known only now, and the summary; returns the exit status, 0 without findings."""
    _state["ends by itself"] = False
    for finding in findings.finish():
        print(describe(finding), file=sys.stderr)
    print(summary(list(findings.all.values()), findings.launches), end="", file=sys.stderr, flush=True)
    return FOUND if findings.all else 0


def _end() -> None:
    """At the end of a program that was started without `supa run`."""
    if not _state["ends by itself"] or not findings.launches:
        return
    status = conclude()
    if status:
        sys.stdout.flush()
        os._exit(status)  # the only way to change a status that Python has decided
