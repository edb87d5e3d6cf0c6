"""Every scalar function against an independent reference: torch in float64, big integers, published tables."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from supa.base.dtypes import BF16, DTYPES, F16, F32, F64, I1, I8, I16, I32, I64
from supa.ir.functions import FUNCTIONS
from supa.ir.oracle import Numerics, from_float64, to_float64
from supa.ir.oracle.formats import storage_of
from supa.ir.oracle.functions import FLOAT_RULES, INTEGER_RULES, STORED_RULES, apply_function

NUMERICS = Numerics()
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, -0.5, 1e-30, 3e38]


def call(name, element, *arrays):
    return apply_function(name, [np.asarray(array) for array in arrays], element, NUMERICS)


def test_every_function_has_one_rule():
    rules = [*FLOAT_RULES, *INTEGER_RULES, *STORED_RULES]
    assert sorted(rules) == sorted(FUNCTIONS)


def samples(low, high, count=4000, seed=5):
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.uniform(low, high, count), rng.uniform(-1, 1, 200), SPECIAL]).astype(np.float32)


UNARY = {
    "fneg": (torch.neg, -10, 10), "fabs": (torch.abs, -10, 10), "floor": (torch.floor, -10, 10),
    "ceil": (torch.ceil, -10, 10), "trunc": (torch.trunc, -10, 10), "rint": (torch.round, -10, 10),
    "exp": (torch.exp, -104, 89), "exp2": (torch.exp2, -150, 128), "log": (torch.log, 0, 1e6),
    "log2": (torch.log2, 0, 1e6), "log10": (torch.log10, 0, 1e6), "log1p": (torch.log1p, -1, 100),
    "expm1": (torch.expm1, -20, 80), "sqrt": (torch.sqrt, 0, 1e9), "rsqrt": (torch.rsqrt, 0, 1e9),
    "sin": (torch.sin, -1e4, 1e4), "cos": (torch.cos, -1e4, 1e4), "tan": (torch.tan, -100, 100),
    "tanh": (torch.tanh, -10, 10), "sinh": (torch.sinh, -80, 80), "cosh": (torch.cosh, -80, 80),
    "asin": (torch.asin, -1, 1), "acos": (torch.acos, -1, 1), "atan": (torch.atan, -100, 100),
    "asinh": (torch.asinh, -1e5, 1e5), "acosh": (torch.acosh, 1, 1e5), "atanh": (torch.atanh, -1, 1),
    "erf": (torch.erf, -5, 5), "erfc": (torch.erfc, -5, 10), "erfinv": (torch.erfinv, -1, 1),
    "lgamma": (torch.lgamma, -10, 100), "normcdf": (torch.special.ndtr, -6, 6),
    "normcdfinv": (torch.special.ndtri, 0, 1), "erfcx": (torch.special.erfcx, -9, 100),
    "cyl_bessel_i0": (torch.special.i0, -80, 80), "cyl_bessel_i1": (torch.special.i1, -80, 80),
    "exp10": (lambda x: torch.pow(10.0, x), -44, 38),
}  # fmt: skip


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("element", [F32, F16, BF16])
def test_unary_functions_are_torchs_in_float64_rounded_once(name, element):
    reference, low, high = UNARY[name]
    count = 300 if "bessel" in name else 4000
    stored = from_float64(samples(low, high, count), element)
    exact = to_float64(stored, element)
    expected = from_float64(reference(torch.from_numpy(exact)).numpy(), element)
    found = call(name, element, stored)
    wide, wanted = to_float64(found, element), to_float64(expected, element)
    special = np.isnan(wanted) | np.isinf(wanted)
    if "bessel" in name:
        keep = np.isfinite(exact) & (np.abs(exact) < 1e30)  # torch gives nan at infinity, and loses the phase
        wide, wanted, special = wide[keep], wanted[keep], special[keep]
    assert np.array_equal(wide[special], wanted[special], equal_nan=True)
    scale = np.ldexp(np.maximum(np.abs(wanted[~special]), 1e-38), -element.mantissa_bits)
    assert (np.abs(wide[~special] - wanted[~special]) <= scale * 1.001 + 2.0**-149).all()
    assert (wide[~special] == wanted[~special]).mean() > 0.99


@pytest.mark.parametrize(("name", "inverse"), [("erfinv", math.erf), ("erfcinv", math.erfc)])
def test_inverses_in_float64(name, inverse):
    low = -0.999 if name == "erfinv" else 1e-300
    points = np.concatenate([np.linspace(low, 0.999 if name == "erfinv" else 1.999, 101), [1e-12, 1e-5, 0.4999]])
    for x, y in zip(points, call(name, F64, points), strict=True):
        slope = 2 / math.sqrt(math.pi) * math.exp(-y * y)
        assert abs(inverse(y) - x) <= 4e-16 * abs(x) + 4e-16 * slope * abs(y), x


# Abramowitz and Stegun, tables 9.1 (J, Y), 9.8 (I, scaled by exp(-x)), 6.1 (gamma)
PUBLISHED = [
    ("j0", 1.0, 0.7651976865579666), ("j0", 10.0, -0.2459357644513483), ("j1", 1.0, 0.4400505857449335),
    ("j1", 10.0, 0.04347274616886144), ("y0", 1.0, 0.08825696421567698), ("y0", 10.0, 0.05567116728359939),
    ("y1", 1.0, -0.7812128213002887), ("y1", 10.0, 0.2490154242069539), ("cyl_bessel_i0", 1.0, 1.2660658777520084),
    ("cyl_bessel_i1", 1.0, 0.5651591039924851), ("tgamma", 0.5, 1.7724538509055159), ("tgamma", 6.0, 120.0),
    ("lgamma", 0.5, 0.5723649429247001), ("tgamma", -0.5, -3.5449077018110318),
]  # fmt: skip


@pytest.mark.parametrize(("name", "x", "expected"), PUBLISHED)
def test_published_values(name, x, expected):
    assert float(call(name, F64, np.array(x))) == pytest.approx(expected, rel=1e-14)


def test_bessel_wronskian_holds_across_the_change_of_method():
    x = np.concatenate([[0.01, 24.9, 25.1, 200.0, 5000.0], np.linspace(0.1, 60, 60)])
    j0, j1, y0, y1 = (call(name, F64, x) for name in ("j0", "j1", "y0", "y1"))
    assert np.allclose((j1 * y0 - j0 * y1) * np.pi * x / 2, 1, rtol=1e-13, atol=0)


@pytest.mark.parametrize("order", [0, 1])
def test_bessel_j_is_its_integral(order):
    """The mean of cos(n t - x sin t) over a period; the midpoint rule is exact to rounding there (torch is not)."""
    x = np.linspace(-60, 60, 101)
    t = (np.arange(400) + 0.5) * (np.pi / 400)
    expected = np.cos(order * t - x[:, None] * np.sin(t)).mean(axis=1)
    assert np.allclose(call(f"j{order}", F64, x), expected, rtol=0, atol=3e-15)


def test_functions_of_pi():
    eighths = np.arange(-40, 41) / 8.0
    for name, reference in (("sinpi", math.sin), ("cospi", math.cos)):
        expected = [reference(math.pi * float(Fraction(x) % 2)) for x in eighths]
        assert np.allclose(call(name, F64, eighths), expected, rtol=0, atol=1e-15)
    assert call("sinpi", F64, np.array([1e15, 0.5, 2.5, -0.5, 1.5])).tolist() == [0.0, 1.0, 1.0, -1.0, -1.0]
    assert call("cospi", F64, np.array([0.5, 1.0, 2.0, -1.5])).tolist() == [0.0, -1.0, 1.0, 0.0]
    assert np.allclose(call("tanpi", F64, np.array([0.25, 0.125])), [1.0, math.tan(math.pi / 8)], rtol=1e-15)


def test_halves_and_exponents():
    x = np.array([0.5, 1.5, 2.5, -0.5, -2.5, 0.49999997, -0.0], np.float32)
    assert call("round", F32, x).tolist() == [1, 2, 3, -1, -3, 0, 0]
    assert call("rint", F32, x).tolist() == [0, 2, 2, 0, -2, 0, 0]
    assert np.signbit(call("round", F32, x))[-1]
    y = np.array([1.0, 0.75, 10.0, 1e-40, 0.0, -np.inf, -8.0], np.float32)
    assert call("logb", F32, y).tolist() == [0, -1, 3, -133, -np.inf, np.inf, 3]
    assert np.allclose(call("rcbrt", F64, np.array([8.0, -27.0])), [0.5, -1 / 3], rtol=1e-15)
    assert np.allclose(call("cbrt", F64, np.array([8.0, -27.0])), [2, -3], rtol=1e-15)
    assert np.allclose(call("rhypot", F64, np.array([3.0]), np.array([4.0])), [0.2], rtol=1e-15)


BINARY = {
    "fadd": torch.add, "fsub": torch.sub, "fmul": torch.mul, "fdiv": torch.div, "frem": torch.fmod,
    "copysign": torch.copysign, "fmin": torch.fmin, "fmax": torch.fmax, "fminimum": torch.minimum,
    "fmaximum": torch.maximum, "atan2": torch.atan2, "hypot": torch.hypot, "pow": torch.pow,
}  # fmt: skip


def pairs(element, seed=11):
    rng = np.random.default_rng(seed)
    x = from_float64(np.concatenate([rng.standard_normal(3000) * 8, np.repeat(SPECIAL, len(SPECIAL))]), element)
    y = from_float64(np.concatenate([rng.standard_normal(3000) * 8, np.tile(SPECIAL, len(SPECIAL))]), element)
    return x, y


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("element", [F32, F16, BF16, F64])
def test_binary_functions(name, element):
    x, y = pairs(element)
    exact = [torch.from_numpy(to_float64(array, element)) for array in (x, y)]
    expected = to_float64(from_float64(BINARY[name](*exact).numpy(), element), element)
    found = to_float64(call(name, element, x, y), element)
    if name in ("atan2", "hypot", "pow"):
        finite = np.isfinite(expected) & (np.abs(expected) > 1e-37)
        assert np.array_equal(found[~np.isfinite(expected)], expected[~np.isfinite(expected)], equal_nan=True)
        tolerance = 2.0**-50 if element is F64 else 2.0 ** (-element.mantissa_bits)
        assert np.allclose(found[finite], expected[finite], rtol=tolerance, atol=0)
    else:
        assert np.array_equal(found, expected, equal_nan=True)


@pytest.mark.parametrize("name", ["fadd", "fsub", "fmul", "fdiv"])
def test_f32_arithmetic_is_ieee(name):
    x, y = pairs(F32)
    expected = BINARY[name](torch.from_numpy(x), torch.from_numpy(y)).numpy()
    assert np.array_equal(call(name, F32, x, y), expected, equal_nan=True)


def test_fdim_remainder_nextafter():
    x, y = (np.array(v) for v in ([5.0, 2.0, np.nan, 7.0], [3.0, 4.0, 1.0, 0.0]))
    assert np.array_equal(call("fdim", F64, x, y), [2.0, 0.0, np.nan, 7.0], equal_nan=True)
    rem = call("remainder", F64, np.array([5.0, 7.0, -7.0, 1.0, np.inf]), np.array([3.0, 2.0, 2.0, 0.0, 1.0]))
    assert np.array_equal(rem, [-1.0, -1.0, 1.0, np.nan, np.nan], equal_nan=True)
    half = np.array([0.0, 1.0, -1.0, 65472.0], np.float16)
    up = np.full(4, np.inf, np.float16)
    assert np.array_equal(call("nextafter", F16, half, up), np.nextafter(half, up))


@pytest.mark.parametrize("name", ["bf16", "f8E4M3FN", "f8E5M2FNUZ"])
def test_nextafter_steps_through_all_values_of_a_format(name):
    element = DTYPES[name]
    codes = np.arange(1 << element.bits).astype(storage_of(element))
    values = np.unique(to_float64(codes, element))
    values = values[np.isfinite(values)]
    stored = from_float64(values, element)
    top = np.broadcast_to(stored[-1], stored.shape)
    assert np.array_equal(to_float64(call("nextafter", element, stored, top), element)[:-1], values[1:])
    bottom = np.broadcast_to(stored[0], stored.shape)
    assert np.array_equal(to_float64(call("nextafter", element, stored, bottom), element)[1:], values[:-1])


@pytest.mark.parametrize("element", [F16, BF16, F32, F64])
def test_fma_is_rounded_once(element):
    rng = np.random.default_rng(2)
    x, y = (from_float64(rng.standard_normal(2000), element) for _ in range(2))
    exact = [to_float64(array, element) for array in (x, y)]
    near = -exact[0] * exact[1] * (1 + rng.standard_normal(2000) * 2.0 ** -rng.integers(1, 30, 2000))
    z = from_float64(near, element)
    found = to_float64(call("fma", element, x, y, z), element)
    digits = element.mantissa_bits + 1
    for a, b, c, result in zip(*exact, to_float64(z, element), found, strict=True):
        true = Fraction(a) * Fraction(b) + Fraction(c)
        if abs(true) < Fraction(2) ** -14:
            continue  # f16 may be subnormal there
        exponent = math.floor(math.log2(abs(true))) - digits + 1
        step = Fraction(2) ** exponent
        assert abs(Fraction(float(result)) - true) <= step / 2, (a, b, c)


def test_fma_extremes():
    cases = [
        (1e308, 10.0, -np.inf, -np.inf),
        (np.inf, 0.0, 1.0, np.nan),
        (-0.0, 1.0, -0.0, -0.0),
        (2.0, 3.0, -6.0, 0.0),
    ]
    for x, y, z, expected in cases:
        found = call("fma", F64, *(np.array(v) for v in (x, y, z)))
        assert np.array_equal(found, expected, equal_nan=True)
        assert np.isnan(expected) or np.signbit(found) == np.signbit(expected)


@pytest.mark.parametrize("element", [F32, BF16])
def test_predicates(element):
    x, y = pairs(element)
    a, b = to_float64(x, element), to_float64(y, element)
    unordered = np.isnan(a) | np.isnan(b)
    with np.errstate(invalid="ignore"):
        truth = {"eq": a == b, "ne": (a < b) | (a > b), "lt": a < b, "le": a <= b, "gt": a > b, "ge": a >= b}
    for key, value in truth.items():
        assert np.array_equal(call(f"fcmp_o{key}", element, x, y), value & ~unordered)
        assert np.array_equal(call(f"fcmp_u{key}", element, x, y), value | unordered)
    assert np.array_equal(call("fcmp_uno", element, x, y), unordered)
    assert np.array_equal(call("fcmp_ord", element, x, y), ~unordered)
    for name in ("isnan", "isinf", "isfinite", "signbit"):
        assert np.array_equal(call(name, element, x), getattr(np, name)(a))


# ---- integers: the same definitions in Python's unbounded integers ---------------------------------------------


def as_signed(value, bits):
    value %= 1 << bits
    return value - (1 << bits) if value >> (bits - 1) else value


def truncating(x, y):
    return abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)


INTEGERS = {
    "add": lambda x, y, n: x + y, "sub": lambda x, y, n: x - y, "mul": lambda x, y, n: x * y,
    "smin": lambda x, y, n: min(x, y), "smax": lambda x, y, n: max(x, y),
    "umin": lambda x, y, n: min(x % 2**n, y % 2**n), "umax": lambda x, y, n: max(x % 2**n, y % 2**n),
    "mulhi_s": lambda x, y, n: x * y >> n, "mulhi_u": lambda x, y, n: (x % 2**n) * (y % 2**n) >> n,
    "sdiv": lambda x, y, n: truncating(x, y) if y else -1, "srem": lambda x, y, n: x - truncating(x, y) * y if y else x,
    "udiv": lambda x, y, n: x % 2**n // (y % 2**n) if y else -1,
    "urem": lambda x, y, n: x % 2**n % (y % 2**n) if y else x,
    "and": lambda x, y, n: x & y, "or": lambda x, y, n: x | y, "xor": lambda x, y, n: x ^ y,
    "shl": lambda x, y, n: x << y % 2**n if y % 2**n < n else 0,
    "lshr": lambda x, y, n: x % 2**n >> y % 2**n if y % 2**n < n else 0,
    "ashr": lambda x, y, n: x >> min(y % 2**n, n - 1),
    "icmp_eq": lambda x, y, n: x == y, "icmp_ne": lambda x, y, n: x != y, "icmp_slt": lambda x, y, n: x < y,
    "icmp_sle": lambda x, y, n: x <= y, "icmp_sgt": lambda x, y, n: x > y, "icmp_sge": lambda x, y, n: x >= y,
    "icmp_ult": lambda x, y, n: x % 2**n < y % 2**n, "icmp_ule": lambda x, y, n: x % 2**n <= y % 2**n,
    "icmp_ugt": lambda x, y, n: x % 2**n > y % 2**n, "icmp_uge": lambda x, y, n: x % 2**n >= y % 2**n,
    "abs": lambda x, n: abs(x), "popcount": lambda x, n: bin(x % 2**n).count("1"),
    "clz": lambda x, n: n - (x % 2**n).bit_length(),
    "ffs": lambda x, n: 0 if x == 0 else (x & -x).bit_length(),
    "brev": lambda x, n: int(format(x % 2**n, f"0{n}b")[::-1], 2),
}  # fmt: skip


def test_every_integer_function_is_checked():
    assert sorted(INTEGERS) == sorted(INTEGER_RULES)


@pytest.mark.parametrize("name", INTEGERS)
@pytest.mark.parametrize("element", [I1, I8, I16, I32, I64])
def test_integer_functions(name, element):
    bits = element.bits
    rng = np.random.default_rng(bits)
    edges = [0, 1, -1, 2, bits, bits - 1, -(1 << (bits - 1)), (1 << (bits - 1)) - 1, 7, -7]
    numbers = [as_signed(int(v), bits) for v in [*edges, *rng.integers(-(1 << 62), 1 << 62, 30)]]
    x, y = (list(v) for v in zip(*((a, b) for a in numbers for b in numbers), strict=True))
    arity = FUNCTIONS[name].arity
    stored = [
        np.array([v % 2 for v in one] if bits == 1 else one).astype(storage_of(element)) for one in (x, y)[:arity]
    ]
    found = call(name, element, *stored)
    for index, result in enumerate(found):
        wanted = INTEGERS[name](*(one[index] for one in (x, y)[:arity]), bits)
        if FUNCTIONS[name].result == "i1":
            assert bool(result) == wanted
        else:
            assert int(result) % (1 << bits) == int(wanted) % (1 << bits), (x[index], y[index])
    assert found.dtype == storage_of(I1 if FUNCTIONS[name].result == "i1" else element)
