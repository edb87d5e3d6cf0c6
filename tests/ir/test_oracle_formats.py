"""Conversions of small floats, every code and many values, against torch."""

import numpy as np
import pytest
import torch

from supa.base.dtypes import BF16, DTYPES, F16, F32, F64, I1, I8, I16, I32, I64
from supa.ir.functions import CASTS
from supa.ir.oracle import Numerics, from_float64, to_float64
from supa.ir.oracle.casts import CAST_RULES, apply_cast
from supa.ir.oracle.formats import FLOAT_FORMATS, round_mantissa, storage_of
from supa.ir.types import Pointer

EIGHT_BITS = {
    "f8E4M3FN": torch.float8_e4m3fn,
    "f8E5M2": torch.float8_e5m2,
    "f8E4M3FNUZ": torch.float8_e4m3fnuz,
    "f8E5M2FNUZ": torch.float8_e5m2fnuz,
}
PLAIN = Numerics(fp8_saturates=False)


def same(left, right):
    return np.array_equal(left, right, equal_nan=True) and np.array_equal(np.signbit(left), np.signbit(right))


@pytest.mark.parametrize("name", EIGHT_BITS)
def test_every_code_has_torchs_value(name):
    codes = np.arange(256, dtype=np.uint8)
    expected = torch.from_numpy(codes.copy()).view(EIGHT_BITS[name]).to(torch.float64).numpy()
    found = to_float64(codes, DTYPES[name])
    assert np.array_equal(found, expected, equal_nan=True)
    number = ~np.isnan(found)
    assert np.array_equal(np.signbit(found[number]), np.signbit(expected[number]))


def test_every_bf16_code_has_torchs_value():
    codes = np.arange(65536, dtype=np.uint16)
    expected = torch.from_numpy(codes.view(np.int16).copy()).view(torch.bfloat16).to(torch.float64).numpy()
    assert np.array_equal(to_float64(codes, BF16), expected, equal_nan=True)


def many_floats():
    rng = np.random.default_rng(7)
    bits = rng.integers(0, 1 << 32, 200_000, dtype=np.uint64).astype(np.uint32).view(np.float32)
    bits = np.where(np.isnan(bits), np.float32(np.nan), bits)  # signalling ones make NumPy warn
    near = (rng.standard_normal(100_000) * np.exp(rng.uniform(-20, 12, 100_000))).astype(np.float32)
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
    return np.concatenate([bits, near, halves, np.array([0.0, -0.0, np.inf, -np.inf, np.nan], np.float32)])


@pytest.mark.parametrize("name", [*EIGHT_BITS, "bf16", "f16"])
def test_rounding_to_nearest_is_torchs(name):
    values = many_floats()
    torch_type = {**EIGHT_BITS, "bf16": torch.bfloat16, "f16": torch.float16}[name]
    expected = torch.from_numpy(values).to(torch_type).to(torch.float64).numpy()
    numerics = Numerics(fp8_saturates=name == "f8E4M3FN")  # the one that torch saturates
    found = to_float64(from_float64(values, DTYPES[name], "rtne", numerics), DTYPES[name])
    assert np.array_equal(found, expected, equal_nan=True)


@pytest.mark.parametrize("name", FLOAT_FORMATS)
@pytest.mark.parametrize("rounding", ["rtne", "rtz"])
def test_every_value_converts_to_itself(name, rounding):
    dtype = DTYPES[name]
    codes = np.arange(1 << dtype.bits).astype(storage_of(dtype))
    values = to_float64(codes, dtype)
    back = from_float64(values, dtype, rounding, PLAIN)
    assert same(to_float64(back, dtype)[~np.isnan(values)], values[~np.isnan(values)])
    assert np.isnan(to_float64(back, dtype)[np.isnan(values)]).all()


@pytest.mark.parametrize("name", [*FLOAT_FORMATS, "f16", "f32"])
def test_toward_zero_is_the_largest_value_not_beyond(name):
    """Expectation by search in the sorted list of all values of the format (or by neighbours in f32)."""
    dtype = DTYPES[name]
    wide = many_floats()[:20_000].astype(np.float64) * (1 + 2.0**-30)
    wide = wide[np.isfinite(wide)]
    found = to_float64(from_float64(wide, dtype, "rtz"), dtype)
    assert (np.abs(found) <= np.abs(wide)).all()
    if name == "f32":
        following = np.nextafter(np.abs(found).astype(np.float32), np.float32(np.inf)).astype(np.float64)
        assert (following > np.abs(wide)).all()
        return
    codes = np.arange(1 << dtype.bits).astype(f"u{dtype.bytes}")
    values = to_float64(codes.view(np.float16) if name == "f16" else codes, dtype)
    values = np.unique(values[np.isfinite(values) & (values >= 0)])
    expected = values[np.searchsorted(values, np.abs(wide), side="right") - 1]
    assert np.array_equal(np.abs(found), expected)


def test_eight_bits_saturate_as_ptx_says():
    beyond = np.array([1e9, -1e9, np.inf, -np.inf, np.nan])
    for name, largest in {"f8E4M3FN": 448.0, "f8E5M2": 57344.0, "f8E4M3FNUZ": 240.0}.items():
        found = to_float64(from_float64(beyond, DTYPES[name]), DTYPES[name])
        assert np.array_equal(found, [largest, -largest, largest, -largest, np.nan], equal_nan=True)


@pytest.mark.parametrize("element", [I8, I16, I32, I64])
@pytest.mark.parametrize("name", ["f16", "bf16", "f32", "f64"])
def test_integers_to_floats_round_once(element, name):
    info = np.iinfo(storage_of(element))
    rng = np.random.default_rng(3)
    integers = np.concatenate([
        rng.integers(info.min, info.max, 5000, dtype=np.int64, endpoint=True),
        [info.min, info.max, 0, 1, -1],
    ]).astype(storage_of(element))  # fmt: skip
    if element is I64:  # just beside the middle of two f32: 2**60 + 2**36 is a tie, one more is not
        integers = np.concatenate([integers, np.int64(1 << 60) + (1 << 36) + np.arange(-2, 3)])
    signed = to_float64(apply_cast("sitofp", integers, element, DTYPES[name], "rtne", Numerics()), DTYPES[name])
    expected = [nearest(int(i), DTYPES[name]) for i in integers]
    assert np.array_equal(signed, expected)
    as_unsigned = integers.view(f"u{element.bytes}")
    found = to_float64(apply_cast("uitofp", integers, element, DTYPES[name], "rtne", Numerics()), DTYPES[name])
    assert np.array_equal(found, [nearest(int(i), DTYPES[name]) for i in as_unsigned])


def nearest(integer, dtype):
    """The nearest value with 1 + mantissa_bits significant bits, ties to even, in integer arithmetic."""
    magnitude, digits = abs(integer), dtype.mantissa_bits + 1
    drop = max(0, magnitude.bit_length() - digits)
    kept, rest = magnitude >> drop, magnitude & ((1 << drop) - 1)
    if drop and (rest > 1 << (drop - 1) or (rest == 1 << (drop - 1) and kept & 1)):
        kept += 1
    value = float(kept << drop)
    value = np.inf if dtype is F16 and value > 65504 else value
    return -value if integer < 0 else value


@pytest.mark.parametrize("target", [I1, I8, I16, I32, I64])
@pytest.mark.parametrize("source", [F16, F32, F64, BF16])
def test_floats_to_integers_saturate(source, target):
    values = np.array([0.5, -0.5, 1.9, -1.9, 126.9, 300.0, -300.0, 1e10, -1e10, 1e30, -1e30, np.inf, -np.inf, np.nan])
    stored = from_float64(values, source)
    exact = to_float64(stored, source)
    for kind, low, high in (
        ("fptosi", -(1 << (target.bits - 1)), (1 << (target.bits - 1)) - 1),
        ("fptoui", 0, (1 << target.bits) - 1),
    ):
        found = apply_cast(kind, stored, source, target, "rtne", Numerics())
        for value, one in zip(exact, found, strict=True):
            if np.isnan(value):
                expected = 0
            else:
                expected = high if value > high else low if value < low else max(low, min(high, int(value)))
            assert int(one) % (1 << target.bits) == expected % (1 << target.bits), (value, kind)


def test_narrow_mantissas():
    values = many_floats()[:50_000]
    for bits, rounding in ((10, "rtne"), (15, "rtz"), (7, "rtne")):
        found = round_mantissa(values, bits, rounding).astype(np.float64)
        normal = np.isfinite(values) & (np.abs(values) > 1e-37) & (np.abs(values) < 1e38)
        mantissa, exponent = np.frexp(values[normal].astype(np.float64))
        scaled = mantissa * 2.0 ** (bits + 1)
        whole = np.rint(scaled) if rounding == "rtne" else np.trunc(scaled)
        assert np.array_equal(found[normal], np.ldexp(whole, exponent - bits - 1))
    assert np.isnan(round_mantissa(np.array([np.nan], np.float32), 10, "rtne"))[0]
    assert np.array_equal(
        round_mantissa(values, 7, "rtne")[np.isfinite(values)],
        torch.from_numpy(values).bfloat16().float().numpy()[np.isfinite(values)],
    )


def test_every_cast_has_a_rule():
    assert sorted(CAST_RULES) == sorted(CASTS)


@pytest.mark.parametrize(("kind", "source", "target", "given", "expected"), [
    ("trunc", I32, I8, [300, -1, 128], [44, -1, -128]),
    ("trunc", I32, I1, [2, 3, -1], [False, True, True]),
    ("sext", I8, I32, [-128, 5], [-128, 5]),
    ("sext", I1, I8, [True, False], [-1, 0]),
    ("zext", I8, I32, [-128, 5], [128, 5]),
    ("zext", I1, I64, [True, False], [1, 0]),
    ("sitofp", I1, F32, [True, False], [-1.0, 0.0]),
    ("uitofp", I1, F32, [True, False], [1.0, 0.0]),
    ("bitcast", F32, I32, [1.0, -0.0], [0x3F800000, -(2**31)]),
    ("ptrtoint", Pointer(F32), I64, [4096], [4096]),
    ("inttoptr", I64, Pointer(F32), [4096], [4096]),
])  # fmt: skip
def test_casts_of_integers_and_bits(kind, source, target, given, expected):
    found = apply_cast(kind, np.array(given).astype(storage_of(source)), source, target, "rtne", Numerics())
    assert found.tolist() == expected and found.dtype == storage_of(target)
