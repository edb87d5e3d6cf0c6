"""Values of libdevice's names, through the whole plug-in, against float64 and exact integers of Python."""

import math

import libdevice_kernels as kernels
import numpy as np
import pytest
import torch

X = [-7.5, -2.5, -1.0, -0.3, 0.25, 0.5, 0.75, 1.5, 2.5, 3.49, 4.0, 5.5, 6.25, 8.0, 11.0, 12.5]
Y = [2.0, -3.0, 0.7, 1.9, -0.4, 8.0, 1.0, -1.0, 2.25, 0.1, -6.0, 5.0, 3.0, 0.125, -11.0, 4.5]
EXPECTED_FLOATS = [
    lambda x, y: math.exp(x),
    lambda x, y: 1 / x,
    lambda x, y: min(max(x, 0), 1),
    lambda x, y: math.hypot(x, y, x),
    lambda x, y: 1 / math.hypot(x, y, x, y),
    lambda x, y: math.copysign(x, y),
    lambda x, y: abs(x) ** 3,
    lambda x, y: math.fmod(x, y),
    lambda x, y: x / y,
    lambda x, y: math.tanh(x),
    lambda x, y: math.erf(x),
    lambda x, y: 1,
    lambda x, y: x < 0,
    lambda x, y: math.copysign(math.floor(abs(x) + 0.5), x),
    lambda x, y: math.floor(x),
    lambda x, y: math.ceil(x),
    lambda x, y: round(x),
    lambda x, y: math.trunc(x),
    lambda x, y: math.frexp(x)[1] - 1,
    lambda x, y: round(abs(x)),
    lambda x, y: x * y + x,
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_float_functions(on_device, dtype):
    on_device(mode="execute")
    x, y = torch.tensor(X, dtype=dtype), torch.tensor(Y, dtype=dtype)
    out = torch.full((len(EXPECTED_FLOATS), len(X)), torch.nan, dtype=torch.float64)
    kernels.floats_kernel[(1,)](x, y, out, N=len(X))
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    for index, function in enumerate(EXPECTED_FLOATS):
        expected = [float(function(a, b)) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
        np.testing.assert_allclose(out[index].numpy(), expected, rtol=tolerance, atol=tolerance, err_msg=f"{index}")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ldexp_rounds_once_even_among_subnormals(on_device, dtype):
    on_device(mode="execute")
    steps = [-3000, -1080, -1074, -1060, -150, -149, -140, -1, 0, 1, 127, 128, 140, 1023, 1024, 3000]
    x, n = torch.full((16,), 1.7320508, dtype=dtype), torch.tensor(steps, dtype=torch.int32)
    out = torch.full((16,), torch.nan, dtype=dtype)
    kernels.ldexp_kernel[(1,)](x, n, out, N=16)
    with np.errstate(over="ignore", under="ignore"):
        expected = np.ldexp(x.numpy(), n.numpy())
    np.testing.assert_array_equal(out.numpy(), expected)


def signed(value):
    return (value + 2**31) % 2**32 - 2**31


def low24(value):
    return (value + 2**23) % 2**24 - 2**23


def chosen_bytes(a, b):
    eight = (a % 2**32).to_bytes(4, "little") + (b % 2**32).to_bytes(4, "little")
    return signed(int.from_bytes(bytes(eight[((a ^ b) >> 4 * index) & 7] for index in range(4)), "little"))


EXPECTED_INTS = [
    lambda a, b: (a + b) >> 1,
    lambda a, b: (a + b + 1) >> 1,
    lambda a, b: signed(low24(a) * low24(b)),
    lambda a, b: (a * b) >> 32,
    lambda a, b: (a % 2**32).bit_count(),
    lambda a, b: 32 - (a % 2**32).bit_length(),
    lambda a, b: (a & -a).bit_length(),
    lambda a, b: signed(int(f"{a % 2**32:032b}"[::-1], 2)),
    lambda a, b: signed(abs(a)),
    chosen_bytes,
    lambda a, b: a,
    lambda a, b: a,
    lambda a, b: b,
    lambda a, b: signed(abs(a - b) + a),
]


def test_integer_functions(on_device):
    on_device(mode="execute")
    random = np.random.default_rng(7)
    a = [0, 1, -1, 5, 2**23, -(2**23), 2**30, *random.integers(-(2**29), 2**29, 9).tolist()]
    b = [0, -1, -1, 8, 2**22 + 3, 77, 2**30, *random.integers(-(2**29), 2**29, 9).tolist()]
    out = torch.full((len(EXPECTED_INTS), 16), -99, dtype=torch.int32)
    kernels.ints_kernel[(1,)](torch.tensor(a, dtype=torch.int32), torch.tensor(b, dtype=torch.int32), out, N=16)
    for index, function in enumerate(EXPECTED_INTS):
        assert out[index].tolist() == [function(left, right) for left, right in zip(a, b, strict=True)], index


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_floats_are_computed_in_fp32_and_rounded_once(on_device, dtype):
    on_device(mode="execute")
    x, y = torch.tensor(X, dtype=dtype), torch.tensor(Y, dtype=dtype)
    out = torch.full((4, len(X)), torch.nan)
    kernels.narrow_kernel[(1,)](x, y, out, N=len(X))
    wide = x.double()
    expected = [wide.tanh(), torch.atan2(wide, y.double()), torch.zeros_like(wide), wide.exp()]
    assert torch.equal(out, torch.stack([value.to(dtype).float() for value in expected]))
