"""Device kernels against the host in float64: every elementwise operation, reductions, products, layers; in fp32, fp16
and bf16, contiguous, strided and broadcast. Each call is made twice: the second is the extension's replay.
"""

import pytest
import torch
from torch.nn import functional

from supa.frameworks.torch import names
from supa.frameworks.torch.kernels import implementations

ROUNDING = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 1.6e-2}


def check(function, *tensors, rounding=None):
    ours = [one.to("supa") if isinstance(one, torch.Tensor) else one for one in tensors]
    exact = [one.double() if isinstance(one, torch.Tensor) and one.is_floating_point() else one for one in tensors]
    before = torch.supa.host_operators()
    function(*ours)
    found = function(*ours)
    after = torch.supa.host_operators()
    expected = function(*exact)
    dtype = next(one.dtype for one in tensors if isinstance(one, torch.Tensor) and one.is_floating_point())
    tolerance = rounding or ROUNDING[dtype]
    torch.testing.assert_close(found.cpu().double(), expected.double(), rtol=tolerance, atol=tolerance, equal_nan=True)
    assert after == before, "it ran on the host"
    return found


def test_the_table_of_names_is_the_table_of_kernels():
    assert set(implementations()) == {*names.NAMES, *names.INSIDE}
    assert set(names.OPEN) <= set(names.NAMES)


@pytest.mark.parametrize("name", names.UNARY)
def test_unary(name):
    x = torch.rand(7, 5) * 0.9 + 0.05
    operator = getattr(torch, name, None) or getattr(functional, name)
    check(operator, x)
    check(operator, x.t())


@pytest.mark.parametrize("dtype", ROUNDING)
def test_arithmetic_broadcasts_and_strides(dtype):
    x, y = torch.randn(6, 5, dtype=dtype), torch.randn(6, 5, dtype=dtype)
    check(lambda x, y: x + y, x, y)
    check(lambda x, y: x * y[0] + y[:, :1], x, y)
    check(lambda x, y: x.t() - 2 * y.t(), x, y)
    check(lambda x, y: torch.where(x > 0, x, y / (1 + y.abs())), x, y)
    check(lambda x, y: (1 - x).pow(3) + x**2 + (3 * y).clamp(-1, 1), x, y)
    check(lambda x, y: x[::2, 1:4] * y[::2, 1:4], x, y)


def test_numbers_change_from_call_to_call():
    x = torch.randn(5, device="supa")
    recipes = [torch.allclose((x * number).cpu(), x.cpu() * number) for number in (1.5, 2.5, -7)]
    assert all(recipes)
    assert torch.equal((torch.arange(4, device="supa") * 3).cpu(), torch.arange(4) * 3)
    assert torch.equal((torch.arange(4, device="supa") * 5).cpu(), torch.arange(4) * 5)


def test_the_same_tensor_twice_is_not_remembered_as_one():
    x, y = torch.randn(2, 9, device="supa")
    assert torch.equal((x + x).cpu(), 2 * x.cpu())
    assert torch.equal((x + y).cpu(), x.cpu() + y.cpu())


@pytest.mark.parametrize("dims", [None, 0, 1, 2, (0, 1), (1, 2)])
def test_reductions(dims):
    x = torch.randn(5, 33, 7)
    if dims is None:
        for function in (torch.sum, torch.mean):
            check(function, x)
        return
    for function in (torch.sum, torch.mean, torch.amax, torch.amin):
        check(lambda x, function=function: function(x, dims), x)
        check(lambda x, function=function: function(x, dims, keepdim=True), x)


def test_long_sums_are_split_and_extremes_keep_nan():
    check(lambda x: x.sum() / x.numel(), torch.randn(100_003))
    x = torch.randn(4, 9)
    x[1, 3] = float("nan")
    check(lambda x: x.amax(1), x)


@pytest.mark.parametrize("dtype", ROUNDING)
def test_products(dtype):
    a, b, c = torch.randn(33, 17, dtype=dtype), torch.randn(17, 20, dtype=dtype), torch.randn(20, dtype=dtype)
    rounding = 20 * ROUNDING[dtype]
    check(torch.mm, a, b, rounding=rounding)
    check(lambda a, b: b.t() @ a.t(), a, b, rounding=rounding)
    check(lambda a, b, c: torch.addmm(c, a, b, beta=0.5, alpha=2), a, b, c, rounding=rounding)
    check(lambda a: torch.bmm(a, a.transpose(1, 2)), torch.randn(3, 9, 31, dtype=dtype), rounding=rounding)


def test_the_precision_of_fp32_products_is_torchs_setting():
    a, b = torch.randn(64, 64), torch.randn(64, 64)
    exact, errors = a.double() @ b.double(), {}
    try:
        for precision in ("highest", "high", "medium"):
            torch.set_float32_matmul_precision(precision)
            errors[precision] = ((a.to("supa") @ b.to("supa")).cpu() - exact).abs().max().item()
    finally:
        torch.set_float32_matmul_precision("highest")
    assert errors["highest"] < 1e-4 < errors["high"] < errors["medium"] < 0.5


@pytest.mark.parametrize("dtype", ROUNDING)
def test_layers(dtype):
    x, w, b = torch.randn(6, 21, dtype=dtype), torch.randn(21, dtype=dtype), torch.randn(21, dtype=dtype)
    check(lambda x: x.softmax(-1), x)
    check(lambda x: x.log_softmax(-1), x)
    check(lambda x, w, b: functional.layer_norm(x, (21,), w, b), x, w, b, rounding=3 * ROUNDING[dtype])
    check(lambda i, x: functional.embedding(i, x), torch.tensor([[1, 0], [5, 2]]), x)
    image, kernel = torch.randn(2, 3, 9, 8, dtype=dtype), torch.randn(4, 3, 3, 3, dtype=dtype)
    check(
        lambda x, k: functional.conv2d(x, k, k[:, 0, 0, 0], padding=1, stride=2),
        image,
        kernel,
        rounding=9 * ROUNDING[dtype],
    )


def gradients(function, *tensors):
    leaves = [one.clone().requires_grad_() for one in tensors]
    (function(*leaves) * torch.linspace(-1, 1, function(*leaves).numel(), device=tensors[0].device).to(
        tensors[0].dtype).view_as(function(*leaves))).sum().backward()  # fmt: skip
    return [leaf.grad for leaf in leaves]


LAYERS = {
    "softmax": (lambda x: x.softmax(-1), (5, 9)),
    "log_softmax": (lambda x: x.log_softmax(-1), (5, 9)),
    "layer_norm": (lambda x, w, b: functional.layer_norm(x, (9,), w, b), (5, 9), (9,), (9,)),
    "gelu": (functional.gelu, (5, 9)),
    "gelu_tanh": (lambda x: functional.gelu(x, approximate="tanh"), (5, 9)),
    "silu": (functional.silu, (5, 9)),
    "tanh": (torch.tanh, (5, 9)),
    "leaky_relu": (lambda x: functional.leaky_relu(x, 0.2), (5, 9)),
    "conv2d": (lambda x, w, b: functional.conv2d(x, w, b, stride=2, padding=1), (2, 3, 7, 6), (4, 3, 3, 3), (4,)),
    "linear": (functional.linear, (5, 9), (4, 9), (4,)),
    "attention": (
        lambda q, k, v: functional.scaled_dot_product_attention(q, k, v, is_causal=True),
        *[(2, 2, 6, 4)] * 3,
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_gradients(name):
    function, *shapes = LAYERS[name]
    tensors = [torch.randn(shape) for shape in shapes]
    found = gradients(function, *(one.to("supa") for one in tensors))
    for ours, exact in zip(found, gradients(function, *(one.double() for one in tensors)), strict=True):
        torch.testing.assert_close(ours.cpu().double(), exact, rtol=1e-4, atol=1e-4)
