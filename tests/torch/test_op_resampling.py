"""Resampling, adaptive means and pooling of lines, planes and volumes, with gradients; products that no matrix unit
takes; small compositions.
"""

import pytest
import torch
from device_check import check_on_device, with_gradient
from torch.nn import functional as fn

from supa.frameworks.torch.ops import padding

PLANES, VOLUMES = (2, 3, 9, 11), (2, 3, 6, 7, 8)
SIZES = {"larger": {"size": (13, 17)}, "by a factor": {"scale_factor": 1.7}, "smaller": {"size": (5, 4)},
         "aligned": {"size": (5, 20), "align_corners": True}}  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("mode", ["bicubic", "bilinear"])
def test_planes_are_resampled(mode, smooth, size):
    function = with_gradient(lambda x: fn.interpolate(x, mode=mode, antialias=smooth, **SIZES[size]))
    check_on_device(function, torch.randn(PLANES), tolerance=1e-4)


OTHERS = {
    "line": (PLANES[1:], lambda x: fn.interpolate(x, size=17, mode="linear")),
    "volume": (VOLUMES, lambda x: fn.interpolate(x, scale_factor=1.5, mode="trilinear", align_corners=True)),
    "adaptive mean": (VOLUMES, lambda x: fn.adaptive_avg_pool3d(x, (3, 2, 5))),
    "largest": (VOLUMES, lambda x: fn.max_pool3d(x, (2, 3, 2), (1, 2, 1), (1, 1, 0), (1, 1, 2), ceil_mode=True)),
    "mean": (VOLUMES, lambda x: fn.avg_pool3d(x, (2, 3, 2), (1, 2, 1), (1, 1, 0), ceil_mode=True)),
    "mean without padding": (VOLUMES, lambda x: fn.avg_pool3d(x, 3, 2, 1, count_include_pad=False)),
    "mean by a number": (VOLUMES, lambda x: fn.avg_pool3d(x, 2, divisor_override=3)),
    "adaptive largest of planes": (PLANES, lambda x: fn.adaptive_max_pool2d(x, (3, 2))),
    "adaptive largest": (VOLUMES, lambda x: fn.adaptive_max_pool3d(x, (2, 3, 2))),
    "line to the nearest": (PLANES[1:], lambda x: fn.interpolate(x, size=17, mode="nearest")),
    "line to the exactly nearest": (PLANES[1:], lambda x: fn.interpolate(x, size=5, mode="nearest-exact")),
    "plane to the exactly nearest": (PLANES, lambda x: fn.interpolate(x, scale_factor=1.7, mode="nearest-exact")),
    "volume to the nearest": (VOLUMES, lambda x: fn.interpolate(x, scale_factor=1.5, mode="nearest")),
    "line padded by its ends": (PLANES[1:], lambda x: fn.pad(x, (3, 1), mode="replicate")),
    "plane padded by its edges": (PLANES, lambda x: fn.pad(x, (3, 1, -1, 2), mode="replicate")),
    "volume padded by its faces": (VOLUMES, lambda x: fn.pad(x, (1, 1, 0, 2, 3, 1), mode="replicate")),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", OTHERS)
def test_other_ranks(name, dtype):
    shape, function = OTHERS[name]
    if dtype == torch.bfloat16 and "largest" in name:
        x = torch.randperm(torch.Size(shape).numel()).view(shape).remainder(251).to(dtype)
    else:
        x = torch.randn(shape, dtype=dtype)
    check_on_device(with_gradient(function), x, tolerance=2e-2 if dtype == torch.bfloat16 else 1e-5)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.float64], ids=str)
def test_products_that_no_matrix_unit_takes(dtype):
    a = torch.randint(-9, 9, (17, 33)).to(dtype)
    check_on_device(lambda a: (a @ a.t(), torch.addmm(a[:, :1], a, a.t(), beta=2, alpha=3)), a)
    check_on_device(lambda a: (a @ a[0], torch.bmm(a[None], a.t()[None])), a)


def test_numbers_of_products_in_fp64_keep_their_digits():
    a = torch.randn(5, 7, dtype=torch.float64)
    check_on_device(lambda a: torch.addmm(a[:, :1], a, a.t(), beta=0.1, alpha=0.3), a, tolerance=1e-14)


COMPOSED = {
    "addmv": lambda x: torch.addmv(x[:, 0, 0], x[:, :, 0], x[0, :, 0], beta=0.5, alpha=2),
    "addbmm": lambda x: torch.addbmm(x[0, :, :1], x, x.transpose(1, 2)),
    "roll": lambda x: (x.roll(2, 1), x.roll((1, -2), (0, 2)), x.roll(5)),
    "linspace": lambda x: torch.linspace(-3, 10, 7, device=x.device),
    "logspace": lambda x: torch.logspace(-1, 2, 5, device=x.device),
    "softmax in another type": lambda x: (x.double().softmax(-1), x.double().log_softmax(1)),
    "powers": lambda x: (2.0**x, x.double() ** 3, x.double().abs() ** 0.3),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_compositions(name):
    check_on_device(COMPOSED[name], torch.randn(7, 5, 3))


def test_whole_numbers():
    x = torch.randint(0, 9, (6, 7))
    check_on_device(lambda x: (x.ceil(), x.floor(), x.trunc(), x.round(), x.copysign(-x)), x)
    check_on_device(lambda x: (x**x, x**3, 2**x, (x - 5) ** x), x)


def test_products_of_nothing():
    x = torch.randn(3, 4)
    check_on_device(lambda x: (x[:0] @ x.t(), x[:, :0] @ x[:0, :].reshape(0, 5), x[None, :, :0] @ x[None, :0]), x)


@pytest.mark.parametrize("p", [0.0, 1.0, 2.0, 3.0, float("inf")])
def test_distances(p):
    def both(x, y):
        x, y = x.detach().requires_grad_(), y.detach().requires_grad_()
        found = torch.cdist(x, y, p)
        return found, *torch.autograd.grad(found.square().sum(), [x, y])

    check_on_device(both, torch.randn(7, 5, 3), torch.randn(7, 4, 3), tolerance=1e-4)


@pytest.mark.parametrize("mode", ["reflect", "replicate"])
def test_rims_are_filled(mode, monkeypatch):
    monkeypatch.setattr(padding, "is_priced", lambda _: False)
    for shape, rims in (
        ((2, 9), (3, 8)), ((2, 3, 7, 9), (0, 2, 6, 1)), ((3, 7, 9), (8, 0, 0, 0)),
        ((2, 3, 4, 5, 6), (1, 5, 4, 2, 3, 0)), ((2, 3, 7, 9), (-1, 2, 3, -2)), ((5, 300), (299, 7)),
    ):  # fmt: skip
        for dtype in (torch.float32, torch.float16, torch.int32):
            x = torch.arange(torch.Size(shape).numel()).view(shape).remainder(997).to(dtype)
            check_on_device(lambda x, rims=rims: fn.pad(x, rims, mode=mode), x)
    x = torch.randn(2, 3, 7, 9).to(memory_format=torch.channels_last)
    check_on_device(lambda x: fn.pad(x, (1, 2, 3, 4), mode=mode), x)
    if mode == "reflect":
        with pytest.raises(RuntimeError, match="should be less"):
            fn.pad(torch.zeros(1, 3, 4, device="supa"), (4, 0), mode=mode)
