"""The work of a kernel: what every engine does for every block, and what a block holds. `extract` is the door.

Not here: native code (`compiler.native`), prices (`timing`).
"""

from __future__ import annotations

from supa.compiler.work.extraction import WorkResult, extract
from supa.compiler.work.walker import WorkOptions

__all__ = ["WorkOptions", "WorkResult", "extract"]
