"""The launcher of a compiled kernel: Triton's call, its hooks, and the slots of `packing`. Not here: running blocks.

Triton asks for one launcher a kernel and calls it with the grid, the stream, the loaded kernel and all bound arguments.
A launch must cost microseconds, so the launcher is a function made for the kernel's signature, and chains of hooks
(`calls`) that are empty are not called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from supa.jit.sanitizer.settings import kinds
from supa.jit.triton_backend.packing import compile_packer, slots
from supa.jit.triton_backend.torch_device import follow_threads

_BODY = """
def launch(grid_x, grid_y, grid_z, meter, kernel, packed, metadata, enter, exit, {parameters}):
    try:
        slots = {quick}
    except REFUSALS:
        slots = {slow}
    if enter is not None and getattr(enter, 'calls', True):
        enter(metadata)
    if grid_x and grid_y and grid_z:
        if meter is None:
            kernel(grid_x, grid_y, grid_z, slots)
        else:
            meter.launch(kernel, grid_x, grid_y, grid_z, slots)
    if exit is not None and getattr(exit, 'calls', True):
        exit(metadata)
"""

_CHECKED = "kernel, grid_x, grid_y, grid_z, slots"


def make_launcher(source: Any, metadata: Any) -> Callable[..., None]:
    """Triton's `launcher_cls`: a function for `source.signature`. The kernel it is called with takes a grid and slots.

    What Triton holds for a stream is None, or a `measuring.Meter` in the place of the device.
    Raises `TypeError` for a signature with a type that has no slot.
    """
    follow_threads()
    if not kinds():
        launch = compile_packer(source.signature, _BODY, {})
        launch.slots = slots(source.signature)  # type: ignore[attr-defined] # for `guards`, which launch without it
        return launch
    from supa.jit.sanitizer import process

    pointers = "".join(f"{slot.value}, " for slot in slots(source.signature) if slot.type[0] == "*")
    body = _BODY.replace("kernel(grid_x, grid_y, grid_z, slots)", f"checked({_CHECKED}, ({pointers}))")
    return compile_packer(source.signature, body, {"checked": process.launch})
