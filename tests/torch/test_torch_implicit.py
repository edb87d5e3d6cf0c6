"""Convolutions as implicit products, used where nothing is priced: values and gradients against float64, and that they
ran.
"""

import pytest
import torch
from torch.nn import functional

from supa.frameworks.torch.ops import implicit
from supa.frameworks.torch.ops.windows import Geometry

CASES = {
    "two axes": ((2, 3, 17, 23), (5, 3, 3, 3), {"padding": 1}, "yxw"),
    "stride": ((2, 8, 9, 7), (16, 8, 3, 3), {"padding": 1, "stride": 2}, "y"),
    "step": ((1, 4, 12, 13), (6, 4, 5, 3), {"padding": (2, 1), "dilation": (1, 2)}, "yxw"),
    "one axis": ((2, 4, 31), (8, 4, 3), {"padding": 1}, "yxw"),
    "three axes": ((2, 4, 6, 7, 9), (8, 4, 3, 3, 3), {"padding": 1}, "yx"),
    "flat windows of three axes": ((2, 4, 6, 7, 9), (8, 4, 1, 3, 3), {"padding": (0, 1, 1)}, "yx"),
    "single elements": ((3, 16, 14, 15), (33, 16, 1, 1), {"stride": 2}, "y"),
    "more padding than a window": ((2, 4, 9, 11), (6, 4, 3, 3), {"padding": 4}, "yw"),
    "no padding": ((2, 4, 9, 10), (6, 4, 2, 2), {}, "yxw"),
    "more weights than windows": ((1, 70, 3, 4), (90, 70, 3, 3), {"padding": 1}, "yw"),
}
LIMITS = {torch.float32: 2e-6, torch.float16: 2e-3, torch.bfloat16: 1e-2}


@pytest.fixture
def ran(monkeypatch):
    """What ran of: y, the gradients of x and of the weight."""
    found = set()
    for letter, name in zip("yxw", ("convolve", "input_gradient", "weight_gradient"), strict=True):
        real = getattr(implicit, name)

        def noted(*arguments, real=real, letter=letter):
            found.add(letter)
            return real(*arguments)

        monkeypatch.setattr(implicit, name, noted)
    monkeypatch.setattr(implicit, "is_priced", lambda _: False)
    return found


@pytest.mark.parametrize("dtype", LIMITS, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name, dtype, ran):
    x_shape, weight_shape, options, expected = CASES[name]
    call = (functional.conv1d, functional.conv2d, functional.conv3d)[len(x_shape) - 3]
    given = [torch.randn(shape, dtype=torch.float64).to(dtype) for shape in (x_shape, weight_shape, weight_shape[:1])]
    host = [one.double().requires_grad_() for one in given]
    ours = [one.to("supa").requires_grad_() for one in given]
    found, wanted = call(*ours, **options), call(*host, **options)
    grad = torch.randn(wanted.shape, dtype=torch.float64).to(dtype)
    found.backward(grad.to("supa"))
    wanted.backward(grad.double())
    pairs = [(found, wanted), *((one.grad, other.grad) for one, other in zip(ours, host, strict=True))]
    for one, other in pairs:
        error = (one.detach().cpu().double() - other.detach()).abs().max() / other.detach().abs().max()
        assert error < LIMITS[dtype]
    assert ran == set(expected)


def test_an_input_whose_channels_are_last(ran):
    x, weight = torch.randn(2, 5, 8, 19, dtype=torch.float64), torch.randn(7, 5, 3, 3, dtype=torch.float64)
    ours = x.float().to("supa").contiguous(memory_format=torch.channels_last)
    found = functional.conv2d(ours, weight.float().to("supa"), stride=2)
    torch.testing.assert_close(found.cpu().double(), functional.conv2d(x, weight, stride=2), rtol=1e-5, atol=1e-5)
    assert ran == {"y"}


@pytest.mark.usefixtures("ran")
@pytest.mark.parametrize(("pad", "expected"), [(1, True), (4000, False)])
def test_a_padded_image_has_fewer_elements_than_32_bits_count(pad, expected):
    x = torch.empty(1, 1, 40000, 40000, device="meta")
    geometry = Geometry((1, 3, 3), (1, 1, 1), (0, pad, pad), (1, 1, 1))
    assert implicit.serves(x, geometry, 1) is expected
