"""What a launch may pass besides its arguments (`num_warps=8, ...`), as Triton's front end and our compiler need it.

The names and defaults are those of Triton's CUDA back end, so that kernels written for it launch unchanged. Not here:
what they do to the generated code (`compiler`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from typing import Any

from supa.base.errors import OptionError, UnsupportedError
from supa.jit.sanitizer.settings import kinds

WARP_SIZE = 32


@dataclass(frozen=True)
class KernelOptions:
    """Options of one kernel. Triton reads fields by name and keys its caches by `hash()` and `str()`."""

    num_warps: int = 4
    num_stages: int = 3
    num_ctas: int = 1  # blocks that share a program's tiles: answers do not depend on it, the clock takes them as one
    maxnreg: int | None = None  # cap on 32-bit registers of a thread
    warp_size: int = WARP_SIZE
    enable_fp_fusion: bool = True
    launch_cooperative_grid: bool = False
    launch_pdl: bool = False
    ptx_version: int | None = None
    ptx_options: str | None = None
    ir_override: str | None = None
    enable_reflect_ftz: bool = True
    extern_libs: tuple[tuple[str, str], ...] = ()
    debug: bool = False
    sanitize_overflow: bool = True
    instrumentation_mode: str = ""
    supported_fp8_dtypes: tuple[str, ...] = ("fp8e4b15", "fp8e4b8", "fp8e4nv", "fp8e5", "fp8e5b16")
    deprecated_fp8_dot_operand_dtypes: tuple[str, ...] = ()
    default_dot_input_precision: str = "tf32"
    allowed_dot_input_precisions: tuple[str, ...] = ("tf32", "tf32x3", "ieee", "bf16x3", "bf16x6")
    max_num_imprecise_acc_default: int = 0
    sanitize: tuple[str, ...] = ()  # checks in the code (`jit.sanitizer`)
    backend_name: str = "supa"
    arch: str = ""
    # Hints to AMD's instruction selection, in the configurations of programs for several vendors: no effect here.
    waves_per_eu: int = 0
    matrix_instr_nonkdim: int = 0
    kpack: int = 1
    schedule_hint: str = "none"

    def __post_init__(self) -> None:
        if not isinstance(self.num_warps, int) or not 1 <= self.num_warps <= 32 or self.num_warps.bit_count() != 1:
            raise OptionError(f"num_warps must be a power of 2 from 1 to 32, found {self.num_warps!r}")
        if not isinstance(self.num_stages, int) or self.num_stages < 0:
            raise OptionError(f"num_stages must be an integer not below 0, found {self.num_stages!r}")
        if not isinstance(self.num_ctas, int) or not 1 <= self.num_ctas <= 16 or self.num_ctas.bit_count() != 1:
            raise OptionError(f"num_ctas must be a power of 2 from 1 to 16, found {self.num_ctas!r}")
        others = {name: path for name, path in self.extern_libs if name != "libdevice"}  # that one is here anyway
        if others:
            raise UnsupportedError(
                f"extern_libs={others}: bitcode of other devices can not be linked",
                hint="use triton.language.extra.libdevice, which this device brings itself",
            )

    def hash(self) -> str:
        """A digest of every option: Triton makes it part of the cache's key."""
        named = "_".join(f"{field.name}-{getattr(self, field.name)}" for field in fields(self))
        return hashlib.sha256(named.encode()).hexdigest()


FIELDS = frozenset(field.name for field in fields(KernelOptions))


def parse_options(given: dict[str, Any], arch: str, fp_fusion: bool) -> KernelOptions:
    """The options among a launch's keyword arguments; others are Triton's to refuse. `fp_fusion` is its default."""
    known = {name: value for name, value in given.items() if name in FIELDS and value is not None}
    if "extern_libs" in known:
        known["extern_libs"] = tuple(sorted(dict(known["extern_libs"]).items()))
    for name in ("supported_fp8_dtypes", "deprecated_fp8_dot_operand_dtypes", "allowed_dot_input_precisions"):
        if name in known:
            known[name] = tuple(known[name])
    if checks := kinds():  # with asserts, and with the sanitizer's own test for overflow
        known |= {"sanitize": checks, "debug": True, "sanitize_overflow": False}
    return KernelOptions(**{"enable_fp_fusion": fp_fusion, **known, "arch": arch})
