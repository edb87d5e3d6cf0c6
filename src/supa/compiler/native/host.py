"""What the host's processor offers, and LLVM's target machine for it. Not here: what to generate for it."""

from __future__ import annotations

import ctypes
import functools
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm

_HALF_WIDE = (
    "znver4",
)  # vectors of 512 bits in two halves; measured: 7 to 14 % on sums of two arrays out of the caches

_AMX = ("amx-tile", "amx-bf16", "amx-int8")
_ARCH_PRCTL, _GET_PERMISSIONS, _ASK_PERMISSION = 158, 0x1022, 0x1023  # Linux on x86-64: asm/unistd_64.h, asm/prctl.h
_AMX_DATA = 18  # the state component of the registers' contents


@dataclass(frozen=True, kw_only=True)
class Host:
    """The features that choose code: `vector_bits` of a register, bf16 and int8 products on vectors and on AMX."""

    cpu: str
    features: str
    vector_bits: int
    has_bf16_dot: bool
    has_int8_dot: bool = False
    has_bf16_amx: bool = False
    has_int8_amx: bool = False
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
    """The machine we run on. SUPA_HOST_VECTOR_BITS (128, 256, 512) narrows it, to test other hosts' code.

    AMX is used where this process was granted it; SUPA_HOST_AMX=0 does without, 1 takes it for granted: for tests that
    carry its instructions out themselves.
    """
    _initialize()
    found = dict(llvm.get_host_cpu_features())
    forced = os.environ.get("SUPA_HOST_AMX", "")
    has_amx = forced == "1" or (forced != "0" and offers_amx() and _grants_amx())
    found = {name: on and (has_amx or not name.startswith("amx")) for name, on in found.items()}
    if forced == "1":
        found.update(dict.fromkeys(_AMX, True))
    bits = (
        512
        if all(found.get(f"avx512{part}") for part in ("f", "bw", "vl", "dq"))
        else 256
        if found.get("avx2")
        else 128
    )
    bits = min(bits, int(os.environ.get("SUPA_HOST_VECTOR_BITS", bits)))
    if bits < 512:
        found = {name: on and not name.startswith(("avx512", "amx")) for name, on in found.items()}
    if bits < 256:
        found = {name: on and not name.startswith(("avx", "fma", "f16c", "vaes", "vpcl")) for name, on in found.items()}
    features = ",".join(("+" if on else "-") + name for name, on in sorted(found.items()))
    return Host(
        cpu=llvm.get_host_cpu_name() if bits == 512 else "x86-64",
        features=features,
        vector_bits=bits,
        has_bf16_dot=bits == 512 and bool(found.get("avx512bf16")),
        has_int8_dot=bits == 512 and bool(found.get("avx512vnni")),
        has_bf16_amx=bool(found.get("amx-bf16")),
        has_int8_amx=bool(found.get("amx-int8")),
        cache_bytes=_last_cache_bytes() or Host.cache_bytes,
        halves_streams=bits == 512 and llvm.get_host_cpu_name() in _HALF_WIDE,
    )


def offers_amx() -> bool:
    """Whether the processor has AMX and the system saves its registers, granted to this process or not."""
    return bool(llvm.get_host_cpu_features().get("amx-tile"))


def _grants_amx() -> bool:
    """Asks Linux for AMX's registers, for this process and its children: whether it grants them. What a processor has
    is not enough: other systems, filters of system calls and signal stacks that are too small keep them from us.
    """
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return False
    libc, granted = ctypes.CDLL(None), ctypes.c_uint64(0)
    libc.syscall(ctypes.c_long(_ARCH_PRCTL), ctypes.c_long(_ASK_PERMISSION), ctypes.c_ulong(_AMX_DATA))
    failed = libc.syscall(ctypes.c_long(_ARCH_PRCTL), ctypes.c_long(_GET_PERMISSIONS), ctypes.byref(granted))
    return not failed and bool(granted.value >> _AMX_DATA & 1)


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
