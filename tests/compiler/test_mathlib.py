"""The mathematics library against NumPy in extended precision, PyTorch in float64, the C library and mpmath."""

import ctypes
import functools
import itertools
import math
import sys

import llvmlite.binding as llvm
import mpmath as mp
import numpy as np
import pytest
import torch

from supa.compiler.native import mathlib
from supa.compiler.native.emitter import Emitter
from supa.compiler.native.host import Host, detect, target_machine
from supa.compiler.native.mathlib import registry
from supa.ir.functions import FUNCTIONS
from supa.runtime.loader import link

NUMPY = {"f32": np.float32, "f64": np.float64}
LIBRARY = sorted(mathlib.FUNCTIONS_F32)


# ---- running a function of the library on arrays -------------------------------------------------------------------


def module_text(function: str, dtype: str, lanes: int) -> str:
    emitter = Emitter()
    name = mathlib.require(emitter, function, dtype, lanes)
    element = registry.TYPES[dtype]
    vector, align = f"<{lanes} x {element}>", NUMPY[dtype]().itemsize
    inputs = "ab"[: registry.ROUTINES[function, dtype].arity]
    loads = "".join(
        f"  %p{i} = getelementptr {element}, ptr %{i}, i64 %n\n  %v{i} = load {vector}, ptr %p{i}, align {align}\n"
        for i in inputs
    )
    run = (
        f"define void @run({', '.join(f'ptr %{i}' for i in inputs)}, ptr %out, i64 %count) {{\nentry:\n"
        f"  br label %loop\nloop:\n  %n = phi i64 [ 0, %entry ], [ %next, %loop ]\n{loads}"
        f"  %made = call {vector} {name}({', '.join(f'{vector} %v{i}' for i in inputs)})\n"
        f"  %to = getelementptr {element}, ptr %out, i64 %n\n  store {vector} %made, ptr %to, align {align}\n"
        f"  %next = add i64 %n, {lanes}\n  %more = icmp ult i64 %next, %count\n"
        "  br i1 %more, label %loop, label %done\ndone:\n  ret void\n}\n"
    )
    return "\n".join([*sorted(emitter.declarations), *emitter.definitions.values(), run])


_NUMBERS = itertools.count()


def compiled(text: str, host: Host):
    machine = target_machine(host)
    module = llvm.parse_assembly(text)
    module.verify()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=2))
    builder.getModulePassManager().run(module, builder)
    return link(machine.emit_object(module), ["run"], f"mathlib.{next(_NUMBERS)}")


@functools.cache
def function_on_arrays(function: str, dtype: str, lanes: int):
    tracker = compiled(module_text(function, dtype, lanes), detect())
    arity = registry.ROUTINES[function, dtype].arity
    native = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (arity + 1), ctypes.c_int64)(tracker["run"])

    def call(*arrays):
        kept = tracker  # the code must outlive its callers
        count = arrays[0].size
        padded = [np.concatenate([a, np.ones(-count % lanes, a.dtype)]) for a in arrays]
        out = np.full(padded[0].size, np.nan, NUMPY[dtype])
        assert kept and all(a.dtype == out.dtype for a in arrays)
        native(*[a.ctypes.data for a in padded], out.ctypes.data, out.size)
        return out[:count]

    return call


def apply(function: str, dtype: str, *arrays, lanes: int = 0):
    lanes = lanes or detect().vector_bits // (32 if dtype == "f32" else 64)
    with np.errstate(invalid="ignore"):  # signalling NaNs among the samples
        converted = [np.ascontiguousarray(a, NUMPY[dtype]) for a in arrays]
    return function_on_arrays(function, dtype, lanes)(*converted)


def errors_in_ulp(got, want):
    """Distance of `got` from the extended-precision `want` in units of the last place; infinite if one is special."""
    dtype = got.dtype.type
    with np.errstate(all="ignore"):
        nearest = want.astype(dtype)
        spacing = np.spacing(np.abs(np.where(np.isfinite(nearest), nearest, 1))).astype(np.longdouble)
        error = np.abs(got.astype(np.longdouble) - want) / spacing
    same = (got == nearest) | (np.isnan(got) & np.isnan(nearest))
    finite = np.isfinite(got) & np.isfinite(nearest)
    return np.where(finite, error, np.where(same, 0, np.inf)).astype(float)


# ---- samples and references ----------------------------------------------------------------------------------------

EDGES = np.array(
    [0.0, -0.0, 1, -1, 2, -2, 0.5, -0.5, np.inf, -np.inf, np.nan, 2.0**-149, -(2.0**-149), 2.0**-126, 3.4e38, -3.4e38,
     88.722, 88.723, -87.3, -103.97, -103.98, 128, 127.99999, -149, -149.5, -150, -151, 1.5, 2.5, 1e10, -1e10, 1e22,
     3.0, -3.0, 0.9999999, 1.0000001]
).astype(np.float32)  # fmt: skip


@functools.cache
def samples(count: int) -> np.ndarray:
    """Every exponent and sign evenly by bits, then the ranges where functions bend."""
    rng = np.random.default_rng(count)
    step = 2**32 // count
    bits = (np.arange(count, dtype=np.uint64) * step + rng.integers(0, step, count).astype(np.uint64)).astype(np.uint32)
    ranges = [rng.uniform(-high, high, count // 4) for high in (1.0, 4.0, 12.0, 110.0)]
    near_one = rng.uniform(0.5, 2.0, count // 4)
    return np.concatenate([EDGES, bits.view(np.float32), *(r.astype(np.float32) for r in [*ranges, near_one])])


def extended(function):
    return lambda *arrays: function(*[a.astype(np.longdouble) for a in arrays])


def double(function):
    return lambda *arrays: function(*[a.astype(np.float64) for a in arrays]).astype(np.longdouble)


def from_torch(function):
    return double(lambda *arrays: function(*[torch.from_numpy(a) for a in arrays]).numpy())


def each(function):
    """A scalar function of Python floats; a ValueError stands for NaN, an OverflowError for infinity."""

    def one(*numbers):
        try:
            return function(*numbers)
        except OverflowError:
            return math.inf
        except ValueError:
            return math.nan

    return double(np.vectorize(one, otypes=[float]))


def exactly(function):
    """A scalar function of mpmath; good for finite arguments."""

    def one(*numbers):
        with mp.workdps(40):
            made = function(*[mp.mpf(float(x)) for x in numbers])
            if isinstance(made, mp.mpc) or mp.isnan(made):
                return np.longdouble(np.nan)
            high = float(made)
            return np.longdouble(high) + (np.longdouble(float(made - high)) if math.isfinite(high) else 0)

    def call(*arrays):
        return np.array([one(*numbers) for numbers in zip(*arrays, strict=True)], dtype=np.longdouble)

    call.is_slow = True
    return call


def mp_tail_inverse(q):
    """The z with erfc z = q, 0 < q < 0.4, by Newton's method on log erfc."""
    z = mp.sqrt(-mp.log(q)) * 0.9
    for _ in range(60):
        tail = mp.erfc(z)
        step = (mp.log(tail / q)) * tail * mp.sqrt(mp.pi) / 2 * mp.exp(z * z)
        z += step
        if abs(step) < mp.mpf(10) ** -32:
            break
    return z


def mp_erfcinv(x):
    if not 0 < x < 2:
        return mp.mpf(math.inf if x == 0 else -math.inf if x == 2 else math.nan)
    if 0.4 <= x <= 1.6:
        return mp.erfinv(1 - x)
    return mp_tail_inverse(x) if x < 1 else -mp_tail_inverse(2 - x)


def mp_erfinv(x):
    return mp.erfinv(x) if abs(x) < 0.5 else mp.sign(x) * mp_erfcinv(1 - abs(x))


def mp_tanpi(x):
    sine, cosine = mp.sinpi(x), mp.cospi(x)
    return sine / cosine if cosine else mp.mpf(math.copysign(math.inf, sine))


def mp_poles(function):
    """A function whose pole mpmath refuses."""

    def call(x):
        return function(x) if x > 0 else mp.mpf(-math.inf if x == 0 else math.nan)

    return call


REFERENCES = {
    "exp": extended(np.exp), "exp2": extended(np.exp2), "log": extended(np.log), "log2": extended(np.log2),
    "rsqrt": extended(lambda x: 1 / np.sqrt(x)), "sin": double(np.sin), "cos": double(np.cos), "tan": double(np.tan),
    "tanh": extended(np.tanh), "erf": each(math.erf), "erfc": each(math.erfc),
    "exp10": extended(lambda x: np.exp2(x * np.log2(np.longdouble(10)))), "expm1": extended(np.expm1),
    "log10": extended(np.log10), "log1p": extended(np.log1p),
    "asin": extended(np.arcsin), "acos": extended(np.arccos), "atan": extended(np.arctan),
    "sinh": extended(np.sinh), "cosh": extended(np.cosh), "asinh": extended(np.arcsinh),
    "acosh": extended(np.arccosh), "atanh": extended(np.arctanh),
    "cbrt": extended(np.cbrt), "rcbrt": extended(lambda x: 1 / np.cbrt(x)),
    "sinpi": exactly(mp.sinpi), "cospi": exactly(mp.cospi),
    "tanpi": exactly(mp_tanpi),
    "lgamma": from_torch(torch.lgamma),
    "tgamma": each(lambda x: math.copysign(math.inf, x) if x == 0 else math.gamma(x)),
    "erfinv": from_torch(torch.special.erfinv), "erfcinv": exactly(mp_erfcinv),
    "normcdfinv": exactly(lambda p: -mp.sqrt(2) * mp_erfcinv(2 * p)), "erfcx": from_torch(torch.special.erfcx),
    "normcdf": each(lambda x: math.erfc(-x / math.sqrt(2)) / 2),
    "j0": exactly(lambda x: mp.besselj(0, x)), "j1": exactly(lambda x: mp.besselj(1, x)),
    "y0": exactly(mp_poles(lambda x: mp.bessely(0, x))), "y1": exactly(mp_poles(lambda x: mp.bessely(1, x))),
    "cyl_bessel_i0": exactly(lambda x: mp.besseli(0, x)), "cyl_bessel_i1": exactly(lambda x: mp.besseli(1, x)),
    "logb": extended(lambda x: np.where(np.isfinite(x) & (x != 0), np.frexp(x)[1] - 1, np.log(np.abs(x)))),
    "pow": extended(np.power), "atan2": extended(np.arctan2), "hypot": extended(np.hypot),
    "rhypot": extended(lambda x, y: 1 / np.hypot(x, y)),
    "nextafter": lambda x, y: np.nextafter(x, y).astype(np.longdouble),
    "fdim": extended(lambda x, y: np.where(np.isnan(x) | np.isnan(y), np.nan, np.where(x > y, x - y, 0))),
    "remainder": each(lambda x, y: math.remainder(x, y)),
}  # fmt: skip
ONE_ULP = {"exp", "exp2", "log", "log2", "rsqrt"}
THROUGH_DOUBLE = set(LIBRARY) - ONE_ULP - {"sin", "cos", "tanh", "erf"}  # rounded once, from double
SLOW_LIBRARY_REACH = {"j0", "j1", "y0", "y1"}  # mpmath is slow, and the functions lose all digits, far out


def arguments(function: str, count: int) -> list[np.ndarray]:
    slow = getattr(REFERENCES[function], "is_slow", False)
    x = samples(512 if slow else count)
    x = x[np.isfinite(x)] if slow else x
    if function in SLOW_LIBRARY_REACH:
        x = x[np.abs(x) < 30]
    if "bessel_i" in function:
        x = x[np.abs(x) < 120]
    if FUNCTIONS[function].arity == 1:
        return [x]
    first, second = (grid.ravel() for grid in np.meshgrid(EDGES, EDGES))
    rng = np.random.default_rng(1)
    return [np.concatenate([first, rng.permutation(x)]), np.concatenate([second, rng.permutation(x)])]


# ---- f32 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", LIBRARY)
def test_f32_over_the_whole_range(function):
    arrays = arguments(function, 1 << 14 if function in ("tgamma", "remainder", "erfc", "normcdf", "erf") else 1 << 16)
    with np.errstate(all="ignore"):
        want = REFERENCES[function](*arrays)
    error = errors_in_ulp(apply(function, "f32", *arrays), want)
    worst = int(np.argmax(error))
    bound = 1.0 if function in ONE_ULP else 0.6 if function in THROUGH_DOUBLE else 2.0
    assert error[worst] <= bound, [array[worst] for array in arrays]


@pytest.mark.parametrize("function", ["sin", "cos", "tan"])
def test_f32_reduction_of_hard_and_huge_arguments(function):
    """Floats next to multiples of pi/2 (where little is left after reduction), and far beyond 2^48."""
    with mp.workdps(60):
        multiples = [mp.pi / 2 * k for k in [*range(1, 60), 10**5, 10**9, 10**15, 10**20, 10**30]]
        x = np.array([float(m) for m in multiples]).astype(np.float32)
        x = np.concatenate([x, [16367173 * 2.0**72, 3.4e38, 2.0**48, 2.0**49, 1e15]]).astype(np.float32)
    want = exactly(getattr(mp, function))(x)
    assert errors_in_ulp(apply(function, "f32", x), want).max() <= 2.0


ODD = ["sin", "tan", "tanh", "erf", "expm1", "log1p", "asin", "atan", "sinh", "asinh", "atanh", "cbrt", "rcbrt",
       "sinpi", "tanpi", "erfinv", "j1", "cyl_bessel_i1"]  # fmt: skip


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("function", ODD)
def test_odd_functions_keep_the_sign_of_zero(function, dtype):
    made = apply(function, dtype, np.array([0.0, -0.0]))
    assert np.signbit(made).tolist() == [False, True]


SPECIALS = {
    "sinpi": ([np.inf, np.nan, 2.0**23 + 1], [np.nan, np.nan, 0]),
    "cospi": ([np.inf, np.nan, 2.0**23 + 1, 1e30, 0.5], [np.nan, np.nan, -1, 1, 0]),
    "tanpi": ([np.inf, 0.5, -0.5, 1.5, 2], [np.nan, np.inf, -np.inf, -np.inf, 0]),
    "erfcinv": ([np.nan, -1, 3, 0, 2, 1], [np.nan, np.nan, np.nan, np.inf, -np.inf, 0]),
    "erfinv": ([np.nan, -1, 1, 1.5], [np.nan, -np.inf, np.inf, np.nan]),
    "normcdfinv": ([np.nan, -1, 0, 0.5, 1, 2], [np.nan, np.nan, -np.inf, 0, np.inf, np.nan]),
    "normcdf": ([np.nan, np.inf, -np.inf, 0], [np.nan, 1, 0, 0.5]),
    "erfcx": ([np.nan, np.inf, -np.inf, 0], [np.nan, 0, np.inf, 1]),
    "cyl_bessel_i0": ([np.nan, np.inf, -np.inf, 0], [np.nan, np.inf, np.inf, 1]),
    "cyl_bessel_i1": ([np.nan, np.inf, -np.inf, 0], [np.nan, np.inf, -np.inf, 0]),
    "j0": ([np.nan, np.inf, 0], [np.nan, 0, 1]),
    "y0": ([np.nan, np.inf, 0, -1], [np.nan, 0, -np.inf, np.nan]),
    "y1": ([np.nan, np.inf, 0, -1], [np.nan, 0, -np.inf, np.nan]),
    "lgamma": ([np.nan, np.inf, -np.inf, 0, -2, 1], [np.nan, np.inf, np.inf, np.inf, np.inf, 0]),
    "rcbrt": ([np.inf, -np.inf, np.nan, 0, -0.0, -8], [0, -0.0, np.nan, np.inf, -np.inf, -0.5]),
    "rsqrt": ([np.inf, np.nan, 0, -0.0, -1, 4], [0, np.nan, np.inf, -np.inf, np.nan, 0.5]),
    "logb": ([np.inf, -np.inf, np.nan, 0, -8], [np.inf, np.inf, np.nan, -np.inf, 3]),
}


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("function", sorted(SPECIALS))
def test_special_values(function, dtype):
    arguments_, want = SPECIALS[function]
    np.testing.assert_array_equal(apply(function, dtype, np.array(arguments_)), np.array(want, NUMPY[dtype]))


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("function", sorted(name for name in LIBRARY if FUNCTIONS[name].arity == 2))
def test_pairs_of_special_values(function, dtype):
    first, second = (grid.ravel().astype(NUMPY[dtype]) for grid in np.meshgrid(EDGES, EDGES))
    with np.errstate(all="ignore"):
        want = REFERENCES[function](first, second)
    error = errors_in_ulp(apply(function, dtype, first, second), want)
    worst = int(np.argmax(error))
    assert error[worst] <= 2.0, (first[worst], second[worst])


# ---- f64 -----------------------------------------------------------------------------------------------------------


def spread(low: float, high: float, count: int = 60) -> np.ndarray:
    return np.exp(np.random.default_rng(7).uniform(math.log(low), math.log(high), count))


def between(low: float, high: float, count: int = 120) -> np.ndarray:
    return np.random.default_rng(8).uniform(low, high, count)


POSITIVE = np.concatenate([spread(5e-324, 1e308), between(0.4, 2.5)])
UNIT = np.concatenate([between(0, 1), spread(1e-320, 1), 1 - spread(1e-15, 0.4)])
F64 = {  # our own double versions: arguments, reference, largest error in ulp
    "exp": (np.concatenate([between(-3, 3), between(-745, 709)]), mp.exp, 1.0),
    "exp2": (np.concatenate([between(-3, 3), between(-1074, 1023)]), lambda x: mp.mpf(2) ** x, 1.0),
    "log": (POSITIVE, mp.log, 1.0),
    "log2": (POSITIVE, lambda x: mp.log(x, 2), 1.0),
    "rsqrt": (POSITIVE, lambda x: 1 / mp.sqrt(x), 1.0),
    "cbrt": (-POSITIVE, lambda x: -mp.cbrt(-x), 1.0),
    "rcbrt": (-POSITIVE, lambda x: -1 / mp.cbrt(-x), 1.0),
    "sinpi": (np.concatenate([between(-3, 3), between(-1e4, 1e4)]), mp.sinpi, 1.0),
    "cospi": (np.concatenate([between(-3, 3), between(-1e4, 1e4)]), mp.cospi, 1.0),
    "tanpi": (np.concatenate([between(-3, 3), between(-1e4, 1e4)]), lambda x: mp.sinpi(x) / mp.cospi(x), 2.5),
    "erfinv": (np.concatenate([UNIT, -UNIT]), mp_erfinv, 3.0),
    "erfcinv": (2 * UNIT, mp_erfcinv, 3.0),
    "normcdfinv": (UNIT, lambda p: -mp.sqrt(2) * mp_erfcinv(2 * p), 3.0),
    "erfcx": (np.concatenate([between(-26, 26), spread(1e-10, 1e4)]), lambda x: mp.exp(x * x) * mp.erfc(x), 3.5),
    "normcdf": (between(-37, 9), mp.ncdf, 3.0),
    "cyl_bessel_i0": (np.concatenate([between(-12, 12), between(0, 700)]), lambda x: mp.besseli(0, x), 4.0),
    "cyl_bessel_i1": (np.concatenate([between(-12, 12), between(0, 700)]), lambda x: mp.besseli(1, x), 4.0),
}


@pytest.mark.parametrize("function", sorted(F64))
def test_f64_of_our_own(function):
    x, reference, bound = F64[function]
    error = errors_in_ulp(apply(function, "f64", x), exactly(reference)(x))
    worst = int(np.argmax(error))
    assert error[worst] <= bound, x[worst]


BY_THE_C_LIBRARY = sorted(set(LIBRARY) - set(F64) - SLOW_LIBRARY_REACH)


@pytest.mark.parametrize("function", BY_THE_C_LIBRARY)
def test_f64_of_the_rest(function):
    with np.errstate(all="ignore"):
        arrays = [a[:4000].astype(np.float64) for a in arguments(function, 1 << 12)]
        want = REFERENCES[function](*arrays)
    assert errors_in_ulp(apply(function, "f64", *arrays), want).max() <= (8.0 if function == "lgamma" else 4.0)


# ---- every width, every host -----------------------------------------------------------------------------------------


def test_the_library_covers_the_special_functions():
    special = {name for name, of in FUNCTIONS.items() if of.work in ("special", "special2")}
    assert special - {"sqrt"} <= mathlib.FUNCTIONS_F32
    for (name, _), of in registry.ROUTINES.items():
        assert of.internal or (of.arity == FUNCTIONS[name].arity and (name, "f64") in registry.ROUTINES)


@pytest.mark.parametrize("bits", [128, 256, 512])
def test_every_width_is_valid_llvm(bits, monkeypatch):
    monkeypatch.setattr(mathlib, "detect", lambda: Host(cpu="", features="", vector_bits=bits, has_bf16_dot=False))
    for lanes in (1, 2, 4, 8, 16):
        for dtype in ("f32", "f64"):
            emitter = Emitter()
            for function in LIBRARY:
                mathlib.require(emitter, function, dtype, lanes)
            llvm.parse_assembly("\n".join([*emitter.declarations, *emitter.definitions.values()])).verify()


@pytest.mark.parametrize("function", ["exp", "exp2", "erf"])
@pytest.mark.parametrize("bits", [128, 256])
def test_the_same_bits_on_narrower_hosts(function, bits, monkeypatch):
    arrays = arguments(function, 1 << 10)
    whole = apply(function, "f32", *arrays)
    monkeypatch.setenv("SUPA_HOST_VECTOR_BITS", str(bits))
    host = detect.__wrapped__()
    monkeypatch.setattr(mathlib, "detect", lambda: host)
    monkeypatch.setattr(sys.modules[__name__], "detect", lambda: host)
    narrow = function_on_arrays.__wrapped__(function, "f32", bits // 32)(*arrays)
    np.testing.assert_array_equal(narrow, whole)


@pytest.mark.parametrize("function", ["exp", "log2", "sin", "tanh", "erf", "erfcinv", "pow", "rcbrt", "tgamma"])
def test_the_same_bits_at_every_width(function):
    arrays = arguments(function, 1 << 10)
    whole = apply(function, "f32", *arrays, lanes=16)
    for lanes in (1, 2, 4, 8):
        np.testing.assert_array_equal(apply(function, "f32", *arrays, lanes=lanes), whole)


@pytest.mark.parametrize("function", ["exp", "exp2", "exp10", "erfcx", "cyl_bessel_i0"])
@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_the_same_bits_without_an_instruction_that_scales(function, dtype, monkeypatch):
    x = np.concatenate([samples(1 << 12), between(-1080, 1030, 4000).astype(np.float32)])
    whole = apply(function, dtype, x, lanes=8)
    monkeypatch.setattr(mathlib, "detect", lambda: Host(cpu="", features="", vector_bits=256, has_bf16_dot=False))
    assert "ldexp" not in module_text(function, dtype, 8)
    function_on_arrays.cache_clear()
    np.testing.assert_array_equal(apply(function, dtype, x, lanes=8), whole)
    function_on_arrays.cache_clear()
