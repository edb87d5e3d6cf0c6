"""What a launch and its device ask of the compiler. Not here: the compiler, which a process that finds its kernels in a
cache never imports.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from supa.arch.numerics import Numerics
from supa.compiler.native.host import Host, detect

if TYPE_CHECKING:
    from supa.compiler.native.generator import Rounding
    from supa.compiler.work import WorkOptions


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a launch and its device ask of the compiler. `numerics` is how the device rounds (`arch`)."""

    numerics: Numerics
    num_warps: int = 4
    num_stages: int = 3
    warp_size: int = 32
    host: Host = field(default_factory=detect)
    sanitize: tuple[str, ...] = ()  # checks in the code: `memory`, `nan`

    @property
    def rounding(self) -> Rounding:
        """How f32 enters the device's tf32 matrix step."""
        from supa.compiler.native.generator import Rounding

        return Rounding(
            tf32_mantissa_bits=self.numerics.tf32_mantissa_bits,
            tf32_truncates=self.numerics.tf32_rounding == "truncate",
        )

    @property
    def work(self) -> WorkOptions:
        """What shapes the work."""
        from supa.compiler.work import WorkOptions

        return WorkOptions(num_warps=self.num_warps, num_stages=self.num_stages, warp_size=self.warp_size)
