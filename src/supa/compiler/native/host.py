"""What the host's processor offers, and LLVM's target machine for it. Not here: what to generate for it."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm

_HALF_WIDE = (
    "znver4",
)  # vectors of 512 bits in two halves; measured: 7 to 14 % on sums of two arrays out of the caches


@dataclass(frozen=True, kw_only=True)
class Host:
    """The features that choose code: `vector_bits` of a register, fused bf16 and int8 dot instructions."""

    cpu: str
    features: str
    vector_bits: int
    has_bf16_dot: bool
    has_int8_dot: bool = False
    cache_bytes: int = 16 << 20  # of the last level
    halves_streams: bool = False  # memory is read sooner by vectors of half the width

    @property
    def lanes(self) -> int:
        """32-bit elements in a vector register."""
        return self.vector_bits // 32

    def key(self) -> str:
        """Identifies the code that this host needs, for caches."""
        return f"{self.cpu};{self.features};{self.cache_bytes};{self.halves_streams}"


@functools.cache
def _initialize() -> None:
    """LLVM for this processor. Its register allocator is kept from splitting live ranges around regions: with more
    constants than registers that moves every one of them in every iteration, where a load from memory costs nothing."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.set_option("", "--grow-region-complexity-budget=0")


@functools.cache
def detect() -> Host:
    """The machine we run on. SUPA_HOST_VECTOR_BITS (128, 256, 512) narrows it, to test other hosts' code."""
    _initialize()
    found = dict(llvm.get_host_cpu_features())
    bits = (
        512
        if all(found.get(f"avx512{part}") for part in ("f", "bw", "vl", "dq"))
        else 256
        if found.get("avx2")
        else 128
    )
    bits = min(bits, int(os.environ.get("SUPA_HOST_VECTOR_BITS", bits)))
    if bits < 512:
        found = {name: on and not name.startswith("avx512") for name, on in found.items()}
    if bits < 256:
        found = {name: on and not name.startswith(("avx", "fma", "f16c", "vaes", "vpcl")) for name, on in found.items()}
    features = ",".join(("+" if on else "-") + name for name, on in sorted(found.items()))
    return Host(
        cpu=llvm.get_host_cpu_name() if bits == 512 else "x86-64",
        features=features,
        vector_bits=bits,
        has_bf16_dot=bits == 512 and bool(found.get("avx512bf16")),
        has_int8_dot=bits == 512 and bool(found.get("avx512vnni")),
        cache_bytes=_last_cache_bytes() or Host.cache_bytes,
        halves_streams=bits == 512 and llvm.get_host_cpu_name() in _HALF_WIDE,
    )


def _last_cache_bytes() -> int:
    """The size of the last cache level as Linux tells it; 0 where it does not."""
    try:
        text = Path("/sys/devices/system/cpu/cpu0/cache/index3/size").read_text(encoding="ascii").strip()
        return int(text.removesuffix("K")) << 10
    except (OSError, ValueError):
        return 0


def target_machine(host: Host) -> Any:
    """LLVM's code generator for the host. Its own level 2 takes a third longer and gives no faster code."""
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(
        cpu=host.cpu, features=host.features, opt=1, reloc="pic", codemodel="small", jit=False
    )
