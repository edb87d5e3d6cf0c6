"""Type rules: what each operation takes and gives. One rule an operation, in files by kind; `TYPE_RULES` holds all."""

from supa.ir.rules import control, elements, memory, shapes, tiles
from supa.ir.rules.table import INFERS, TYPE_RULES

__all__ = ["INFERS", "TYPE_RULES", "control", "elements", "memory", "shapes", "tiles"]
