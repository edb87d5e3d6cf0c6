"""Which hosts and which products take AMX. That the code is right: tests/jit/test_amx_kernels.py."""

import ctypes

import pytest

from supa.compiler.native import host as hosts
from supa.compiler.native.generate import Rounding, generate
from supa.compiler.native.host import detect
from supa.ir.parser import parse_function

ASK, GET, DATA = 0x1023, 0x1022, 18  # Linux: ARCH_REQ_XCOMP_PERM, ARCH_GET_XCOMP_PERM, the registers' contents


class System:
    """Linux's arch_prctl, which may not know what is asked, or not grant it."""

    def __init__(self, known=True, grants=True, before=0):
        self.known, self.grants, self.granted, self.asked = known, grants, before, []

    def syscall(self, number, code, argument):
        assert number.value == 158
        if not self.known:
            return -1
        if code.value == ASK:
            self.asked.append(argument.value)
            self.granted |= self.grants << argument.value
            return 0 if self.grants else -1
        assert code.value == GET
        ctypes.cast(argument, ctypes.POINTER(ctypes.c_uint64))[0] = self.granted
        return 0


@pytest.mark.parametrize(
    ("system", "granted"),
    [
        (System(), True),
        (System(grants=False), False),
        (System(grants=False, before=7), False),
        (System(known=False), False),
    ],
)
@pytest.mark.parametrize("offered", [True, False])
def test_amx_is_used_where_the_system_grants_it(system, granted, offered, monkeypatch):
    features = {**hosts.llvm.get_host_cpu_features(), **dict.fromkeys(("amx-tile", "amx-bf16", "amx-int8"), offered)}
    features.update(dict.fromkeys(("avx2", "avx512f", "avx512bw", "avx512vl", "avx512dq"), True))
    system.asked.clear()
    monkeypatch.delenv("SUPA_HOST_AMX", raising=False)  # set by `--amx`
    monkeypatch.setattr(hosts.llvm, "get_host_cpu_features", lambda: features)
    monkeypatch.setattr(hosts.ctypes, "CDLL", lambda name: system)
    monkeypatch.setattr(hosts.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(hosts.platform, "system", lambda: "Linux")
    found = detect.__wrapped__()
    assert found.has_bf16_amx == found.has_int8_amx == (offered and granted)
    assert ("+amx-tile" in found.features) == (offered and granted)
    assert system.asked == ([DATA] if offered and system.known else [])


@pytest.mark.parametrize("machine", ["aarch64", "x86_64"])
def test_other_systems_are_not_asked(machine, monkeypatch):
    monkeypatch.setattr(hosts.ctypes, "CDLL", lambda name: pytest.fail("asked"))
    monkeypatch.setattr(hosts.platform, "machine", lambda: machine)
    monkeypatch.setattr(hosts.platform, "system", lambda: "Linux" if machine == "aarch64" else "Windows")
    assert not hosts._grants_amx()


def as_if(monkeypatch, amx, bits=512):
    monkeypatch.setenv("SUPA_HOST_AMX", amx)
    monkeypatch.setenv("SUPA_HOST_VECTOR_BITS", str(bits))
    return detect.__wrapped__()


def test_the_environment_decides_for_tests(monkeypatch):
    without, narrow = as_if(monkeypatch, "0"), as_if(monkeypatch, "1", 256)
    assert not (without.has_bf16_amx or narrow.has_bf16_amx or "+amx" in without.features + narrow.features)
    if without.vector_bits == 512:
        host = as_if(monkeypatch, "1")
        assert host.has_bf16_amx and host.has_int8_amx and host.key() != without.key()


PRODUCT = """func {{sym_name="k"}} {{
  body(%0: ptr<{total}>):
    %1 = constant {{value=1}} : () -> tile<{m}x{k}x{element}>
    %2 = constant {{value=1}} : () -> tile<{k}x{n}x{element}>
    %3 = constant {{value=1}} : () -> tile<{m}x{n}x{total}>
    %4 = dot %1, %2, %3 {{precision="ieee"}} : \
(tile<{m}x{k}x{element}>, tile<{k}x{n}x{element}>, tile<{m}x{n}x{total}>) -> tile<{m}x{n}x{total}>
    %5 = range {{start=0, end={size}}} : () -> tile<{size}xi32>
    %6 = reshape %4 : (tile<{m}x{n}x{total}>) -> tile<{size}x{total}>
    %7 = splat %0 : (ptr<{total}>) -> tile<{size}xptr<{total}>>
    %8 = addptr %7, %5 : (tile<{size}xptr<{total}>>, tile<{size}xi32>) -> tile<{size}xptr<{total}>>
    store %8, %6, _ : (tile<{size}xptr<{total}>>, tile<{size}x{total}>) -> ()
    return
}}
"""


@pytest.mark.skipif(detect().vector_bits < 512, reason="this processor has no vectors of 512 bits")
@pytest.mark.parametrize(
    ("element", "m", "n", "k", "instruction"),
    [
        ("bf16", 16, 16, 16, "tdpbf16ps"), ("f8E5M2", 32, 16, 8, "tdpbf16ps"), ("i8", 16, 32, 16, "tdpbssd"),
        ("bf16", 8, 16, 16, ""), ("bf16", 16, 8, 16, ""), ("bf16", 16, 16, 4, ""), ("i8", 16, 16, 8, ""),
        ("f16", 64, 64, 64, ""), ("f32", 64, 64, 64, ""),
    ],
)  # fmt: skip
def test_products_that_take_amx(element, m, n, k, instruction, monkeypatch):
    """Of 16 rows and columns or more, and 16 bytes of k: others are for vectors, and so are other formats."""
    total = "i32" if element == "i8" else "f32"
    text = PRODUCT.format(element=element, m=m, n=n, k=k, total=total, size=m * n)
    for amx in "01":
        made = generate(parse_function(text), as_if(monkeypatch, amx), Rounding()).text
        used = {word for word in ("tdpbf16ps", "tdpbssd") if f"call void @llvm.x86.{word}(" in made}
        assert used == ({instruction} if amx == "1" and instruction else set())
