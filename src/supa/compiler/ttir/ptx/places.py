"""PTX's special registers: where a program runs in the grid and on the device, and what time it is.

`%globaltimer` counts nanoseconds of the host that computes the answers, the clocks the same; `%smid` is the host thread
that runs the program, so that programs of one number never run at once. Threads of a program are not told apart.
"""

from __future__ import annotations

from supa.base.dtypes import I32, I64
from supa.compiler.ttir.conversion import Conversion
from supa.compiler.ttir.structure import MlirOp
from supa.ir import ops
from supa.ir.core import Value

_AXES = {"x": 0, "y": 1, "z": 2}
_GRID = {"%ctaid": ops.ProgramId, "%nctaid": ops.NumPrograms}
_DEVICE = {
    "%globaltimer": ("nanoseconds", I64), "%globaltimer_lo": ("nanoseconds", I32),
    "%clock64": ("cycles", I64), "%clock": ("cycles", I32),
    "%smid": ("processor", I32), "%nsmid": ("processors", I32),
}  # fmt: skip
_THREADS = ("%tid", "%ntid", "%laneid", "%warpid", "%nwarpid", "%lanemask")


def read(conversion: Conversion, op: MlirOp, name: str) -> Value | None:
    """The scalar that a special register holds, or None if it is none that programs have here."""
    if name in _DEVICE:
        what, dtype = _DEVICE[name]
        value = conversion.make(op, ops.ReadDevice, (), I64, {"what": what})
        return value if dtype == I64 else conversion.make(op, ops.Cast, (value,), dtype, {"kind": "trunc"})
    register, _, axis = name.partition(".")
    if register in _GRID and axis in _AXES:
        return conversion.make(op, _GRID[register], (), I32, {"axis": _AXES[axis]})
    return None


def tells_threads_apart(name: str) -> bool:
    """Whether the register differs among the threads of a program."""
    return name.startswith(_THREADS)
