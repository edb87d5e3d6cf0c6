"""The oracle: the tile IR executed in plain NumPy, slow, clear and strict. What native code is checked against.

`run(func, grid, args, memory)` executes a launch; `Memory` holds the regions that pointers may reach.
"""

from supa.ir.oracle import control, elements, shapes, tiles, transfers
from supa.ir.oracle.findings import Finding, FindingError, Report, Strict
from supa.ir.oracle.formats import Numerics, from_float64, to_float64
from supa.ir.oracle.launch import run
from supa.ir.oracle.memory import Memory, Region
from supa.ir.oracle.program import RULES, DescriptorValue

__all__ = [
    "RULES",
    "DescriptorValue",
    "Finding",
    "FindingError",
    "Memory",
    "Numerics",
    "Region",
    "Report",
    "Strict",
    "control",
    "elements",
    "from_float64",
    "run",
    "shapes",
    "tiles",
    "to_float64",
    "transfers",
]
