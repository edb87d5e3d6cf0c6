"""The sanitizer of this process: its findings, told as they come, and how the process ends. Not here: their text."""

from __future__ import annotations

import atexit
import os
import sys
from typing import Any

from supa.jit.sanitizer.extents import extents
from supa.jit.sanitizer.findings import Findings
from supa.jit.sanitizer.parts import WrittenParts
from supa.jit.sanitizer.settings import kinds, wait_s
from supa.jit.sanitizer.taken import TakenTensors
from supa.jit.sanitizer.text import describe, summary
from supa.runtime import Kernel
from supa.runtime.checked import launch_checked
from supa.runtime.memory import mark_fresh_memory

FOUND = 1
"""The exit status of a process with findings."""

findings = Findings()
parts = WrittenParts()
_taken: list[TakenTensors] = []
_ACCESSES = ("load", "store", "atomic")
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
    watch_tensors()
    atexit.register(_end)


def watch_tensors() -> None:
    """From now on fresh tensors are marked, and tensors whose addresses the program asks for are remembered."""
    from supa.jit.triton_backend.torch_device import mark_fresh_tensors, watch_addresses

    mark_fresh_tensors(parts)
    _taken[:] = [watch_addresses()]


def launch(kernel: Kernel, grid_x: int, grid_y: int, grid_z: int, slots: bytes, pointers: tuple[Any, ...]) -> None:
    """Launch a kernel with checks; `pointers` are the objects of its pointer arguments, in order.

    Findings are written to standard error. Raises `LaunchError` for failures that are no finding.
    """
    if kernel.device.mode == "time":  # nothing runs
        kernel(grid_x, grid_y, grid_z, slots)
        return
    from supa.jit.triton_backend.torch_device import written_parts

    program = kernel.program
    names = [argument.name for argument in program.arguments if argument.type == "ptr"]
    known = extents(names, pointers, lambda value: written_parts(parts, value))
    goes_anywhere = any(not site.argument and site.kind in _ACCESSES for site in program.sites)
    others = [extent for taken in _taken for extent in taken.extents()] if goes_anywhere else []
    checked = launch_checked(kernel, (grid_x, grid_y, grid_z), slots, known, others, wait_s=wait_s())
    fresh = findings.add_launch(program, [*known, *others], checked)
    for finding in fresh:
        print(describe(finding), file=sys.stderr, flush=True)
    is_told = any(one.problem == "waits" for one in checked.found)
    if checked.error is not None and not is_told and "assertion failed" not in str(checked.error):
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
