"""PTX instructions of inline assembly: answers in the oracle against exact arithmetic of Python and NumPy."""

import math
import re
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from test_ttir_convert_assembly import N, computed, floats, text_of, words

from supa.compiler.passes import simplify
from supa.compiler.ttir import read
from supa.compiler.ttir.ptx.table import EFFECTS, RULES
from supa.ir.oracle import Memory, run

RANDOM = np.random.default_rng(23)


def unsigned(array):
    return [int(value) & 0xFFFFFFFF for value in array]


def as_words(numbers):
    return np.array([number & 0xFFFFFFFF for number in numbers], np.uint32).view(np.int32)


def signed(number, bits=32):
    number &= (1 << bits) - 1
    return number - (1 << bits) if number >> (bits - 1) else number


def small(limit):
    return RANDOM.integers(0, limit, N).astype(np.int32)


# ---- integers, one by one ----------------------------------------------------------------------------------------


def bit_field(a, position, length, is_signed):
    """PTX manual, bfe: beyond the word the bits are the word's sign."""
    value = signed(a) if is_signed else a
    field = (value >> position) & ((1 << length) - 1)
    return signed(field, length) if is_signed and length else field


def inserted(a, b, position, length):
    mask = (((1 << length) - 1) << position) & 0xFFFFFFFF
    return (b & ~mask) | ((a << position) & mask)


def permuted(a, b, selector):
    eight = a | b << 32
    total = 0
    for place in range(4):
        digit = selector >> 4 * place & 15
        byte = eight >> 8 * (digit & 7) & 255
        byte = 255 * (byte >> 7) if digit & 8 else byte
        total |= byte << 8 * place
    return total


def bytes_of(word, is_signed):
    return [signed(word >> 8 * i & 255, 8) if is_signed else word >> 8 * i & 255 for i in range(4)]


def highest(a, is_signed):
    if is_signed and a >> 31:
        a ^= 0xFFFFFFFF
    return a.bit_length() - 1


INTEGERS = [
    ("mad.hi.u32 $0, $1, $2, $3;", lambda a, b, c: (a * b >> 32) + c),
    ("mul.hi.s32 $0, $1, $2;", lambda a, b, c: signed(a) * signed(b) >> 32),
    ("mul24.lo.u32 $0, $1, $2;", lambda a, b, c: (a & 0xFFFFFF) * (b & 0xFFFFFF)),
    ("{ .reg .b64 w; mul.wide.s32 w, $1, $2; shr.u64 w, w, 8; cvt.u32.u64 $0, w; }",
     lambda a, b, c: signed(a) * signed(b) >> 8),
    ("{ .reg .b64 w; mad.wide.u32 w, $1, $2, 5; mov.b64 {_, $0}, w; }", lambda a, b, c: (a * b + 5) >> 32),
    ("sad.s32 $0, $1, $2, $3;", lambda a, b, c: abs(signed(a) - signed(b)) + c),
    ("sad.u32 $0, $1, $2, $3;", lambda a, b, c: abs(a - b) + c),
    ("dp4a.s32.u32 $0, $1, $2, $3;",
     lambda a, b, c: sum(x * y for x, y in zip(bytes_of(a, True), bytes_of(b, False), strict=True)) + c),
    ("dp2a.hi.u32.s32 $0, $1, $2, $3;",
     lambda a, b, c: sum(x * y for x, y in zip((a & 0xFFFF, a >> 16), bytes_of(b, True)[2:], strict=True)) + c),
    ("neg.s32 $0, $1;", lambda a, b, c: -a),
    ("cnot.b32 $0, $1;", lambda a, b, c: int(a == 0)),
    ("add.sat.s32 $0, $1, $2;", lambda a, b, c: min(max(signed(a) + signed(b), -(2**31)), 2**31 - 1)),
    ("prmt.b32 $0, $1, $2, $3;", lambda a, b, c: permuted(a, b, c)),
    ("prmt.b32 $0, $1, $2, 0xBA98;", lambda a, b, c: permuted(a, b, 0xBA98)),
    ("popc.b32 $0, $1;", lambda a, b, c: a.bit_count()),
    ("{ .reg .b64 w; mov.b64 w, {$1, $2}; popc.b64 $0, w; }", lambda a, b, c: a.bit_count() + b.bit_count()),
    ("brev.b32 $0, $1;", lambda a, b, c: int(f"{a:032b}"[::-1], 2)),
    ("bfind.u32 $0, $1;", lambda a, b, c: highest(a, False)),
    ("bfind.s32 $0, $1;", lambda a, b, c: highest(a, True)),
    ("lop3.b32 $0, $1, $2, $3, 0x6A;", lambda a, b, c: (a & b) ^ c),
    ("min.s16x2 $0, $1, $2;",
     lambda a, b, c: sum((min(signed(a >> s, 16), signed(b >> s, 16)) & 0xFFFF) << s for s in (0, 16))),
    ("{ .reg .pred p, q; setp.lo.u32 p|q, $1, $2; selp.b32 $0, $1, $2, q; }", lambda a, b, c: max(a, b)),
    ("{ .reg .pred p; setp.ne.s32 p, $1, 0; setp.lt.and.s32 p, $1, $2, p; selp.s32 $0, 1, 0, p; }",
     lambda a, b, c: int(signed(a) < signed(b) and a != 0)),
    ("set.gt.u32.s32 $0, $1, $2;", lambda a, b, c: -int(signed(a) > signed(b))),
    ("slct.b32.s32 $0, $1, $2, $3;", lambda a, b, c: a if signed(c) >= 0 else b),
    ("cvt.pack.sat.s8.s32.b32 $0, $1, $2, $3;",
     lambda a, b, c: (c << 16) | (min(max(signed(a), -128), 127) & 255) << 8 | min(max(signed(b), -128), 127) & 255),
    ("cvt.sat.u8.s32 $0, $1;", lambda a, b, c: min(max(signed(a), 0), 255)),
    ("{ .reg .b16 l, h; mov.b32 {l, h}, $1; mov.b32 $0, {h, l}; }", lambda a, b, c: a >> 16 | a << 16),
]  # fmt: skip


@pytest.mark.parametrize(("assembly", "reference"), INTEGERS, ids=[text.split(";")[0][:40] for text, _ in INTEGERS])
def test_words(assembly, reference):
    a, b, c = words(), words(), words()
    a[:3], b[:3] = [0, -(2**31), 2**31 - 1], [-1, -(2**31), 2**31 - 1]
    expected = [reference(x, y, z) for x, y, z in zip(unsigned(a), unsigned(b), unsigned(c), strict=True)]
    assert np.array_equal(computed(assembly, a, b, c), as_words(expected))


@pytest.mark.parametrize(
    ("assembly", "reference"),
    [
        ("bfe.u32 $0, $1, $2, $3;", lambda a, p, n: bit_field(a, p, n, False)),
        ("bfe.s32 $0, $1, $2, $3;", lambda a, p, n: bit_field(a, p, n, True)),
        ("bfi.b32 $0, $1, 0x12345678, $2, $3;", lambda a, p, n: inserted(a, 0x12345678, p, n)),
        ("bmsk.clamp.b32 $0, $2, $3;", lambda a, p, n: ((1 << n) - 1) << p),
        ("shl.b32 $0, $1, $2;", lambda a, p, n: a << p),
        ("shr.s32 $0, $1, $2;", lambda a, p, n: signed(a) >> p),
        ("shf.l.clamp.b32 $0, $1, $3, $2;", lambda a, p, n: (n << 32 | a) << min(p, 32) >> 32),
    ],
)
def test_fields_and_shifts_of_any_length(assembly, reference):
    a, position, length = words(), small(40), small(40)
    expected = [reference(*both) for both in zip(unsigned(a), unsigned(position), unsigned(length), strict=True)]
    assert np.array_equal(computed(assembly, a, position, length), as_words(expected))


def test_a_constraint_may_tie_an_operand_to_a_result():
    a = words()
    text = text_of("add.s32 $0, $0, 1;", [a], "i32").replace('constraints = ""', 'constraints = "=r,0"')
    memory = Memory()
    place, out = memory.copy_of("in", a), memory.new("out", 4 * N)
    run(simplify(read(text)), (1,), [place, out], memory)
    assert np.array_equal(out.array(np.int32), a + np.int32(1))


# ---- predicates, branches, memory --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "assembly",
    [
        "{ .reg .pred p; setp.lt.s32 p, $1, 0; mov.b32 $0, $1; @p neg.s32 $0, $1; }",
        "{ .reg .pred p; setp.lt.s32 p, $1, 0; neg.s32 $0, $1; @!p mov.b32 $0, $1; }",
        "{ .reg .pred p; setp.ge.s32 p, $1, 0; mov.b32 $0, $1; @p bra done; neg.s32 $0, $0; done: }",
        """{ .reg .pred p; setp.ge.s32 p, $1, 0; @p bra $L__plus; neg.s32 $0, $1; bra.uni $L__end;
           $L__plus: mov.b32 $0, $1; $L__end: }""",
    ],
)
def test_guards_and_branches_forward_choose_by_element(assembly):
    a = words()
    assert np.array_equal(computed(assembly, a), np.abs(a))


# ---- floats ------------------------------------------------------------------------------------------------------


def test_floats_round_as_the_instruction_says():
    a, b, c = floats(), floats(), floats()
    exact = [Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z)) for x, y, z in zip(a, b, c, strict=True)]
    down = computed("fma.rm.f32 $0, $1, $2, $3;", a, b, c)
    up = computed("fma.rp.f32 $0, $1, $2, $3;", a, b, c)
    toward = computed("fma.rz.f32 $0, $1, $2, $3;", a, b, c)
    for value, low, high, zero in zip(exact, down, up, toward, strict=True):
        assert Fraction(float(low)) <= value <= Fraction(float(high)) and np.nextafter(low, high) == high
        assert zero == (low if value > 0 else high)


@pytest.mark.parametrize(
    ("assembly", "reference"),
    [
        ("add.sat.f32 $0, $1, $2;", lambda a, b: np.clip(a + b, 0, 1)),
        ("copysign.f32 $0, $1, $2;", lambda a, b: np.copysign(b, a)),
        ("set.lt.f32.f32 $0, $1, $2;", lambda a, b: (a < b).astype(np.float32)),
        ("max.f32 $0, $1, $2, 0f3F000000;", lambda a, b: np.maximum(np.maximum(a, b), 0.5)),
        ("mad.rn.f32 $0, $1, $2, 0f3F800000;", lambda a, b: (a.astype(float) * b + 1).astype(np.float32)),
        ("{ .reg .pred p; testp.finite.f32 p, $1; selp.f32 $0, $1, 0.25, p; }",
         lambda a, b: np.where(np.isfinite(a), a, 0.25)),
        ("{ .reg .pred p; setp.nan.f32 p, $1, $1; @p mov.f32 $0, 0f00000000; @!p mov.f32 $0, $1; }",
         lambda a, b: np.nan_to_num(a, nan=0.0, posinf=np.inf, neginf=-np.inf)),
        ("cvt.sat.f32.f32 $0, $1;", lambda a, b: np.clip(np.nan_to_num(a), 0, 1)),
        ("cvt.rpi.f32.f32 $0, $1;", lambda a, b: np.ceil(a)),
    ],
)  # fmt: skip
def test_floats(assembly, reference):
    a, b = floats(), floats()
    if "setp.nan" in assembly or "cvt.sat" in assembly:
        a[3] = np.nan
    if "testp" in assembly:
        a[3], a[4] = np.inf, np.nan
    with np.errstate(invalid="ignore"):
        assert np.array_equal(computed(assembly, a, b), reference(a, b).astype(np.float32), equal_nan=True)


def halves(word, form):
    return struct.unpack(f"<2{form}", struct.pack("<I", word))


def test_pairs_of_halves():
    a, b = (RANDOM.standard_normal(2 * N).astype(np.float16).view(np.int32) for _ in range(2))
    found = computed("fma.rn.relu.f16x2 $0, $1, $2, $2;", a, b).view(np.float16)
    x, y = (value.view(np.float16).astype(np.float64) for value in (a, b))
    assert np.array_equal(found, np.maximum(x * y + y, 0).astype(np.float16))


def test_pairs_of_floats_in_64_bits():
    a, b = floats(), floats()
    assembly = """{ .reg .b64 x, y; mov.b64 x, {$1, $2}; add.rn.f32x2 y, x, x; .reg .f32 l, h;
                    mov.b64 {l, h}, y; sub.f32 $0, l, h; }"""
    assert np.array_equal(computed(assembly, a, b), (a + a) - (b + b))


E2M1 = [0, 0.5, 1, 1.5, 2, 3, 4, 6]


def nearest_e2m1(value):
    """OCP microscaling formats, E2M1: to the nearest, halves to the even code, at most 6."""
    if math.isnan(value):
        return 7
    size = min(abs(value), 6.0)
    code = min(range(8), key=lambda index: (abs(E2M1[index] - size), index & 1))
    return code | (8 if math.copysign(1, value) < 0 else 0)


def test_four_bit_floats():
    a = np.array(
        [0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5, -0.25, -5.01, 7, -np.inf, np.nan, 0.26, -0.0, 0.5, -3], np.float32
    )
    b = a[::-1].copy()
    found = computed("{ .reg .b8 t; cvt.rn.satfinite.e2m1x2.f32 t, $1, $2; cvt.u32.u8 $0, t; }", a, b, result=np.int32)
    expected = [nearest_e2m1(float(x)) << 4 | nearest_e2m1(float(y)) for x, y in zip(a, b, strict=True)]
    assert found.tolist() == expected
    codes = np.arange(N, dtype=np.int32) | np.arange(N, dtype=np.int32)[::-1] << 4
    back = computed("{ .reg .b8 t; cvt.u8.u32 t, $1; cvt.rn.f16x2.e2m1x2 $0, t; }", codes).view(np.float16)
    signs = [1, -1]
    expected = [signs[code >> 3] * E2M1[code & 7] for word in codes.tolist() for code in (word & 15, word >> 4)]
    assert back.tolist() == expected


def test_powers_of_two_in_eight_bits():
    a = np.array(
        [1, 1.5, 2, 3, 0, 2**-127, 2**-126, 2**-128, 1e-45, np.inf, np.nan, 3e38, 0.75, 4, 1e-38, 5], np.float32
    )
    up = computed("{ .reg .b16 t; cvt.rp.satfinite.ue8m0x2.f32 t, 0.0, $1; cvt.u32.u16 $0, t; }", a, result=np.int32)
    down = computed("{ .reg .b16 t; cvt.rz.satfinite.ue8m0x2.f32 t, 0.0, $1; cvt.u32.u16 $0, t; }", a, result=np.int32)

    def code(value, rounded):
        if math.isnan(value):
            return 255
        if value == 0:
            return 0
        return 254 if math.isinf(value) else min(max(rounded(Fraction(*value.as_integer_ratio())) + 127, 0), 254)

    def floor_log2(value):
        exponent = value.numerator.bit_length() - value.denominator.bit_length() - 1
        return exponent + 1 if value >= Fraction(2) ** (exponent + 1) else exponent

    assert down.tolist() == [code(float(x), floor_log2) for x in a]
    ceil_log2 = lambda value: floor_log2(value) + (value != Fraction(2) ** floor_log2(value))  # noqa: E731
    assert up.tolist() == [code(float(x), ceil_log2) for x in a]
    codes = np.arange(0, 256, 16, dtype=np.int32) | 255 << 8
    back = computed("{ .reg .b16 t; cvt.u16.u32 t, $1; cvt.rn.bf16x2.ue8m0x2 $0, t; }", codes).view(np.uint32)
    low = (back << 16).view(np.float32)
    assert low.tolist() == [2.0 ** ((word & 255) - 127) for word in codes.tolist()]
    assert np.isnan((back & 0xFFFF0000).view(np.float32)).all()


@pytest.mark.parametrize(("form", "largest"), [("e4m3x2", 448.0), ("e5m2x2", 57344.0)])
def test_eight_bit_floats_there_and_back(form, largest):
    a = np.array([1, -1.0625, 1.125, 0.1, 2**-9, 0, 300, 1e6, -1e6, 3.3, 5.5, 17, -0.02, 1 / 3, 100, 2.5], np.float32)
    assembly = f"""{{ .reg .b16 t; .reg .b16 l, h; cvt.rn.satfinite.{form}.f32 t, $2, $1;
                    cvt.rn.f16x2.{form} $0, t; }}"""
    found = computed(assembly, a, -a, result=np.int32).view(np.float16).reshape(N, 2)
    torch = pytest.importorskip("torch")
    dtype = torch.float8_e4m3fn if form == "e4m3x2" else torch.float8_e5m2
    expected = torch.from_numpy(np.clip(a, -largest, largest)).to(dtype).to(torch.float16).numpy()
    assert np.array_equal(found[:, 0], expected) and np.array_equal(found[:, 1], -expected)


@pytest.mark.parametrize("form", ["f16", "bf16"])
def test_random_rounding_goes_to_a_neighbour_as_often_as_it_is_near(form):
    width = 13 if form == "f16" else 16
    value = np.float32(1 + 2.0 ** (width - 23) * 0.25)  # a quarter of the way
    bits = np.arange(0, 1 << width, (1 << width) // N)[:N].astype(np.int32)
    found = computed(f"cvt.rs.{form}x2.f32 $0, $1, $1, $2;", np.full(N, value), bits, result=np.int32)
    low = [word & 0xFFFF for word in unsigned(found)]
    assert sorted(set(low)) == [low[0], low[0] + 1] and low.count(low[0] + 1) == N // 4


def test_every_opcode_that_is_known_is_documented():
    text = (Path(__file__).parents[2] / "docs" / "assembly.md").read_text()
    documented = set(re.findall(r"`(\w+)`", text))
    assert set(RULES) | set(EFFECTS) <= documented
