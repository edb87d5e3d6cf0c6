"""Common subexpressions and dead code, as passes. The work is `ir.rewrite`'s."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from supa.ir import ops
from supa.ir.rewrite import erase_dead, merge_common


@dataclass(frozen=True, kw_only=True)
class MergeCommon:
    """Equal pure operations of one region, or of a region and one around it, share one result."""

    name: ClassVar[str] = "merge_common"

    def run(self, func: ops.Func) -> None:
        """Merge in place."""
        merge_common(func)


@dataclass(frozen=True, kw_only=True)
class EraseDead:
    """Operations without effect go if nobody uses their results."""

    name: ClassVar[str] = "erase_dead"

    def run(self, func: ops.Func) -> None:
        """Erase in place."""
        erase_dead(func)
