"""What tests trust when they run code for AMX: its instructions, one by one, against arithmetic of whole numbers."""

import ctypes
import itertools
import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path

import amx_trap
import numpy as np
import pytest

from supa.compiler.native.build import build
from supa.runtime.loader import link

pytestmark = pytest.mark.skipif(not amx_trap.can_run(), reason="this processor has no vectors of 512 bits")
NUMBERS = itertools.count()
WORDS = {
    "ldtilecfg": "ptr", "sttilecfg": "ptr", "tilerelease": "", "tilezero": "i8", "tileloadd64": "i8, ptr, i64",
    "tileloaddt164": "i8, ptr, i64", "tilestored64": "i8, ptr, i64", "tdpbf16ps": "i8, i8, i8", "tdpbssd": "i8, i8, i8",
    "tdpbsud": "i8, i8, i8", "tdpbusd": "i8, i8, i8", "tdpbuud": "i8, i8, i8",
}  # fmt: skip


@pytest.fixture(autouse=True)
def trap():
    with amx_trap.trapped():
        yield
    assert amx_trap.configured_threads() == 0


def calls(text):
    """LLVM's calls of lines like `tilezero 3`: numbers are registers, the rest is LLVM's."""
    for line in text.strip().splitlines():
        word, _, rest = line.strip().partition(" ")
        given = [part.strip() for part in rest.split(",") if part.strip()]
        kinds = WORDS[word].split(", ") if WORDS[word] else []
        typed = ", ".join(f"{kind} {value}" for kind, value in zip(kinds, given, strict=True))
        yield f"  call void @llvm.x86.{word}({typed})"


def function(text, before=""):
    """A function of three pointers and two numbers that does what the lines say."""
    declarations = "\n".join(f"declare void @llvm.x86.{word}({types})" for word, types in WORDS.items())
    body = "\n".join(calls(text))
    code = (
        f"{declarations}\ndefine void @f(ptr %a, ptr %b, ptr %c, i64 %n, i64 %m) {{\n{before}\n{body}\n  ret void\n}}\n"
    )
    tracker = link(build(code, amx_trap.host()).object_code, ["f"], f"amx.{next(NUMBERS)}")
    made = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, ctypes.c_int64, ctypes.c_int64)(tracker["f"])
    made.tracker = tracker
    return made


def configuration(*sizes):
    """The 64 bytes for registers of (rows, bytes of a row)."""
    data = np.zeros(64, np.uint8)
    data[0] = 1
    for number, (rows, row_bytes) in enumerate(sizes):
        data[16 + 2 * number], data[48 + number] = row_bytes, rows
    return data


PRODUCT = """
  ldtilecfg %c
  tileloadd64 0, %sums, 64
  tileloadd64 1, %a, 64
  tileloaddt164 2, %b, 64
  {word} 0, 1, 2
  tilestored64 0, %sums, 64
  tilerelease
"""
SUMS = "  %sums = getelementptr i8, ptr %c, i64 64"
SIZES = [(16, 16, 16), (5, 3, 7), (1, 16, 1), (16, 1, 4)]  # rows, columns, units of 4 bytes


def multiply(word, sums, left, right, units):
    """`sums` + left @ right by one instruction; all of them 16 x 64 bytes, of which parts are used."""
    rows, columns = sums.shape
    sizes = (rows, 4 * columns), (rows, 4 * units), (units, 4 * columns)
    memory = np.zeros(64 + 1024, np.uint8)
    memory[:64] = configuration(*sizes)
    place = memory[64:].view(sums.dtype).reshape(16, 16)
    place[:rows, :columns] = sums
    function(PRODUCT.format(word=word), SUMS)(left.ctypes.data, right.ctypes.data, memory.ctypes.data, 0, 0)
    return place[:rows, :columns].copy()


@pytest.mark.parametrize(
    ("word", "signs"), [("tdpbssd", "bb"), ("tdpbsud", "bB"), ("tdpbusd", "Bb"), ("tdpbuud", "BB")]
)
@pytest.mark.parametrize(("rows", "columns", "units"), SIZES)
def test_products_of_bytes(word, signs, rows, columns, units):
    chance = np.random.default_rng(rows)
    left, right = (chance.integers(0, 256, (16, 64), np.uint8) for _ in range(2))
    sums = chance.integers(-(2**31), 2**31, (rows, columns), np.int64).astype(np.int32)
    a = left.view(signs[0]).astype(np.int64)[:rows, : 4 * units]
    b = (
        right.view(signs[1])
        .astype(np.int64)
        .reshape(16, 16, 4)[:units, :columns]
        .transpose(0, 2, 1)
        .reshape(-1, columns)
    )
    assert np.array_equal(multiply(word, sums, left, right, units), (sums + a @ b).astype(np.int32))


def rounded(exact):
    """The f32 nearest to a fraction, ties to even, no subnormals: its value."""
    if exact == 0:
        return Fraction(0)
    exponent = exact.numerator.bit_length() - exact.denominator.bit_length()
    exponent -= abs(exact) < Fraction(2) ** exponent
    unit = Fraction(2) ** (exponent - 23)
    near = round(exact / unit) * unit  # Python rounds halves to even
    return near if abs(near) >= Fraction(1, 2**126) else Fraction(0)


def as_fractions(words):
    """bf16, of which subnormal ones are zero."""
    bits = words.astype(np.uint32) << 16
    return [[Fraction(float(value)) if exponent else Fraction(0) for value, exponent in zip(*line, strict=True)]
            for line in zip(bits.view(np.float32), (words >> 7) & 255, strict=True)]  # fmt: skip


@pytest.mark.parametrize(("rows", "columns", "units"), SIZES)
@pytest.mark.parametrize("exponents", [(120, 134), (60, 68), (0, 3)])  # near 1; sums near the least; subnormal too
def test_products_of_bf16(rows, columns, units, exponents):
    chance = np.random.default_rng(units)
    words = chance.integers(0, 1 << 7, (2, 16, 32)) | chance.integers(0, 2, (2, 16, 32)) << 15
    left, right = (words | chance.integers(*exponents, (2, 16, 32)) << 7).astype(np.uint16)
    if exponents[0] == 0:
        right = (right & 0x807F | chance.integers(124, 132, (16, 32)) << 7).astype(np.uint16)
    sums = chance.standard_normal((rows, columns)).astype(np.float32) * np.float32(2.0 ** (2 * (exponents[0] - 126)))
    sums = np.where(np.abs(sums) < 2.0**-126, np.float32(0), sums).astype(np.float32)
    found = multiply("tdpbf16ps", sums, left, right, units)
    a, b = as_fractions(left), as_fractions(right)
    for row, column in np.ndindex(rows, columns):
        chains = [Fraction(0), Fraction(0)]
        for unit, odd in itertools.product(range(units), (0, 1)):
            chains[odd] = rounded(chains[odd] + a[row][2 * unit + odd] * b[unit][2 * column + odd])
        wanted = rounded(Fraction(float(sums[row, column])) + rounded(sum(chains)))
        assert Fraction(float(found[row, column])) == wanted


@pytest.mark.parametrize("stride", [64, 80, 0, -72])
def test_rows_any_way_apart(stride):
    source = np.random.default_rng(0).integers(0, 256, 4096, np.uint8)
    memory, rows = np.zeros(64 + 4096, np.uint8), 11
    memory[:64] = configuration((16, 64), (rows, 40))
    lines = "ldtilecfg %c\ntileloadd64 1, %at, %n\ntilestored64 1, %to, 64\ntilerelease"
    before = "  %to = getelementptr i8, ptr %c, i64 64\n  %at = getelementptr i8, ptr %a, i64 2000"
    function(lines, before)(source.ctypes.data, 0, memory.ctypes.data, stride, 0)
    wanted = [source[2000 + row * stride :][:40] for row in range(rows)]
    assert np.array_equal(memory[64:].reshape(-1, 64)[:rows, :40], wanted)
    assert not memory[64:].reshape(-1, 64)[:, 40:].any() and not memory[64:].reshape(-1, 64)[rows:].any()


def test_configurations_come_back_and_clear_the_registers():
    ones, memory = np.full(1024, 255, np.uint8), np.zeros(64 + 64 + 1024, np.uint8)
    memory[:64] = configuration((16, 64))
    before = "  %to = getelementptr i8, ptr %c, i64 64\n  %sums = getelementptr i8, ptr %c, i64 128"
    lines = "ldtilecfg %c\ntileloadd64 0, %a, 64\nldtilecfg %c\ntilestored64 0, %sums, 64\nsttilecfg %to\ntilerelease"
    memory[128:] = 7
    function(lines, before)(ones.ctypes.data, 0, memory.ctypes.data, 0, 0)
    assert np.array_equal(memory[:64], memory[64:128])
    assert not memory[128:].any()


def test_every_thread_has_registers_of_its_own():
    config, ready = configuration((16, 64)), threading.Barrier(2)
    load, store = function("ldtilecfg %c\ntileloadd64 0, %a, 64"), function("tilestored64 0, %a, 64\ntilerelease")
    found = {}

    def run(byte):
        source, target = np.full(1024, byte, np.uint8), np.zeros(1024, np.uint8)
        load(source.ctypes.data, 0, config.ctypes.data, 0, 0)
        ready.wait()
        store(target.ctypes.data, 0, 0, 0, 0)
        found[byte] = target

    threads = [threading.Thread(target=run, args=(byte,)) for byte in (3, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((target == byte).all() for byte, target in found.items()) and len(found) == 2


@pytest.mark.parametrize(
    ("sizes", "lines", "words"),
    [
        ([(16, 64)] * 3, "tilezero 0", "nobody configured"),
        ([(16, 64)] * 3, "ldtilecfg %a\ntdpbssd 0, 1, 1", "not three"),
        ([(16, 64), (16, 32), (16, 64)], "ldtilecfg %a\ntdpbssd 0, 1, 2", "do not fit"),
    ],
)
def test_what_a_processor_would_refuse_ends_the_process(sizes, lines, words):
    code = f"""
import test_amx_trap as t
with t.amx_trap.trapped():
    config = t.configuration(*{sizes})
    t.function({lines!r})(config.ctypes.data, 0, 0, 0, 0)
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True)
    assert run.returncode == 132 and words in run.stderr, run.stderr
