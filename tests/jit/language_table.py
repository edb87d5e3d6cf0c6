"""Operations of the Triton language by element type, measured: what the table in docs/language.md is made of.

One kernel runs many operations of one type; each is compared with NumPy: integers exactly, floats in units in the last
place of the correctly rounded float64 result.
"""

import math

import language_casts
import language_combining
import language_dots
import language_memory
import numpy as np
import torch
import triton
import triton.language as tl
from language_section import Section

N = 256
INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
FLOATS = ["float16", "bfloat16", "float32", "float64"]
ON_INTEGERS = {
    "x + y": lambda x, y: x + y,
    "x - y": lambda x, y: x - y,
    "x * y": lambda x, y: x * y,
    "x // y": lambda x, y: _quotient(x, y),
    "x % y": lambda x, y: np.fmod(x, y),
    "x & y": lambda x, y: x & y,
    "x or y, bitwise": lambda x, y: x | y,
    "x ^ y": lambda x, y: x ^ y,
    "x << 3": lambda x, y: x << 3,
    "x >> 3": lambda x, y: x >> 3,
    "minimum": np.minimum,
    "maximum": np.maximum,
    "where": lambda x, y: np.where(x < y, x, y + y),
    "cumsum": lambda x, y: np.cumsum(x, dtype=x.dtype),
    "sort": lambda x, y: np.sort(x),
    "max": lambda x, y: np.full_like(x, x.max()),
    "argmax": lambda x, y: np.full_like(x, x.argmax() % 128),
    "atomic_xchg, load": lambda x, y: x,
}
ON_FLOATS = {
    "x + y": lambda x, y: x + y,
    "x - y": lambda x, y: x - y,
    "x * y": lambda x, y: x * y,
    "x / y": lambda x, y: x / y,
    "-x": lambda x, y: -x,
    "abs": lambda x, y: np.abs(x),
    "minimum": np.minimum,
    "maximum": np.maximum,
    "where": lambda x, y: np.where(x < y, x, y),
    "sort": lambda x, y: np.sort(x),
    "max": lambda x, y: np.full_like(x, x.max()),
    "argmin": lambda x, y: np.full_like(x, x.argmin()),
}
ON_WIDE_FLOATS = {
    "exp": lambda x, y: np.exp(x),
    "exp2": lambda x, y: np.exp2(x),
    "log": lambda x, y: np.log(np.abs(x)),
    "log2": lambda x, y: np.log2(np.abs(x)),
    "sin": lambda x, y: np.sin(x),
    "cos": lambda x, y: np.cos(x),
    "sqrt": lambda x, y: np.sqrt(np.abs(x)),
    "rsqrt": lambda x, y: 1 / np.sqrt(np.abs(x)),
    "erf": lambda x, y: np.vectorize(math.erf)(x),
    "floor": lambda x, y: np.floor(x),
    "ceil": lambda x, y: np.ceil(x),
}


@triton.jit
def on_integers(x_ptr, y_ptr, z_ptr, N: tl.constexpr, WIDE: tl.constexpr):
    at = tl.arange(0, N)
    x, y = tl.load(x_ptr + at), tl.load(y_ptr + at)
    tl.store(z_ptr + at, x + y)
    tl.store(z_ptr + N + at, x - y)
    tl.store(z_ptr + 2 * N + at, x * y)
    tl.store(z_ptr + 3 * N + at, x // y)
    tl.store(z_ptr + 4 * N + at, x % y)
    tl.store(z_ptr + 5 * N + at, x & y)
    tl.store(z_ptr + 6 * N + at, x | y)
    tl.store(z_ptr + 7 * N + at, x ^ y)
    tl.store(z_ptr + 8 * N + at, x << 3)
    tl.store(z_ptr + 9 * N + at, x >> 3)
    tl.store(z_ptr + 10 * N + at, tl.minimum(x, y))
    tl.store(z_ptr + 11 * N + at, tl.maximum(x, y))
    tl.store(z_ptr + 12 * N + at, tl.where(x < y, x, y + y))
    tl.store(z_ptr + 13 * N + at, tl.cumsum(x, 0, dtype=x.dtype))
    tl.store(z_ptr + 14 * N + at, tl.sort(x))
    tl.store(z_ptr + 15 * N + at, tl.max(x, 0))
    tl.store(z_ptr + 16 * N + at, tl.argmax(x, 0) % 128)
    if WIDE:
        tl.atomic_xchg(z_ptr + 17 * N + at, x)


@triton.jit
def on_floats(x_ptr, y_ptr, z_ptr, N: tl.constexpr, WIDE: tl.constexpr):
    at = tl.arange(0, N)
    x, y = tl.load(x_ptr + at), tl.load(y_ptr + at)
    tl.store(z_ptr + at, x + y)
    tl.store(z_ptr + N + at, x - y)
    tl.store(z_ptr + 2 * N + at, x * y)
    tl.store(z_ptr + 3 * N + at, x / y)
    tl.store(z_ptr + 4 * N + at, -x)
    tl.store(z_ptr + 5 * N + at, tl.abs(x))
    tl.store(z_ptr + 6 * N + at, tl.minimum(x, y))
    tl.store(z_ptr + 7 * N + at, tl.maximum(x, y))
    tl.store(z_ptr + 8 * N + at, tl.where(x < y, x, y))
    tl.store(z_ptr + 9 * N + at, tl.sort(x))
    tl.store(z_ptr + 10 * N + at, tl.max(x, 0))
    tl.store(z_ptr + 11 * N + at, tl.argmin(x, 0))
    if WIDE:
        tl.store(z_ptr + 12 * N + at, tl.exp(x))
        tl.store(z_ptr + 13 * N + at, tl.exp2(x))
        tl.store(z_ptr + 14 * N + at, tl.log(tl.abs(x)))
        tl.store(z_ptr + 15 * N + at, tl.log2(tl.abs(x)))
        tl.store(z_ptr + 16 * N + at, tl.sin(x))
        tl.store(z_ptr + 17 * N + at, tl.cos(x))
        tl.store(z_ptr + 18 * N + at, tl.sqrt(tl.abs(x)))
        tl.store(z_ptr + 19 * N + at, tl.rsqrt(tl.abs(x)))
        tl.store(z_ptr + 20 * N + at, tl.erf(x))
        tl.store(z_ptr + 21 * N + at, tl.floor(x))
        tl.store(z_ptr + 22 * N + at, tl.ceil(x))


def measure(dtype: str) -> dict[str, float]:
    """Operation -> largest error: integers 0 or infinity (wrong), floats in units in the last place."""
    random = np.random.default_rng(5)
    wide = dtype in ("int32", "uint32", "int64", "uint64", "float32", "float64")
    if dtype in INTEGERS:
        expected = dict(ON_INTEGERS) if wide else dict(list(ON_INTEGERS.items())[:-1])
        kernel, limits = on_integers, np.iinfo(dtype)
        x = random.integers(limits.min, limits.max, N, dtype=dtype, endpoint=True)
        y = random.integers(1, 99, N).astype(dtype)
        given = [torch.from_numpy(x), torch.from_numpy(y)]
    else:
        expected = {**ON_FLOATS, **(ON_WIDE_FLOATS if wide else {})}
        kernel = on_floats
        given = [torch.from_numpy(random.standard_normal(N)).to(getattr(torch, dtype)) for _ in range(2)]
        x, y = (one.double().numpy() for one in given)
    z = torch.zeros((len(expected), N), dtype=getattr(torch, dtype))
    kernel[(1,)](*given, z, N, wide)
    with np.errstate(all="ignore"):
        if dtype in INTEGERS:
            return {
                name: 0.0 if (found.numpy() == reference(x, y)).all() else math.inf
                for (name, reference), found in zip(expected.items(), z, strict=True)
            }
        return {
            name: _ulps(found.double().numpy(), reference(x, y), dtype)
            for (name, reference), found in zip(expected.items(), z, strict=True)
        }


def _quotient(x, y):
    whole = [abs(int(a)) // abs(int(b)) * (1 if (a < 0) == (b < 0) else -1) for a, b in zip(x, y, strict=True)]
    return np.array(whole).astype(x.dtype)


def _ulps(found, exact, dtype):
    facts = torch.finfo(getattr(torch, dtype))
    exponent = np.floor(np.log2(np.maximum(np.abs(exact), facts.tiny)))
    return float(np.max(np.abs(found - exact) / (2.0**exponent * facts.eps)))


SECTIONS = {
    section.title: section
    for section in (
        Section(title="Integers", text="", rows=list(ON_INTEGERS), columns=INTEGERS, measure=measure),
        Section(title="Floats", text="", rows=[*ON_FLOATS, *ON_WIDE_FLOATS], columns=FLOATS, measure=measure),
        language_casts.SECTION,
        language_combining.SECTION,
        language_dots.PAIRS,
        language_dots.INPUT_PRECISIONS,
        language_dots.MICROSCALED,
        language_memory.ATOMIC_SECTION,
        language_memory.DESCRIPTOR_SECTION,
    )
}
"""The page's tables by title."""


def document() -> str:
    """The page, from measurements of now."""
    return "\n".join([_HEAD, *(line for section in SECTIONS.values() for line in section.lines())])


_HEAD = """# The Triton language: operations by element type

Generated by `make golden`; the tests hold it. A number is the largest error seen, in units in the last place of the
result's type (`2^-k`: as a fraction of the sum of magnitudes), against float64; `-` is what Triton's front end refuses
for that type.
"""
