"""Layer norm, forward and backward, against float64 autograd, at ragged sizes."""

import math

import pytest
import torch
from float64_bounds import ACCUMULATOR_ROUNDOFF, FLOATS, assert_reduction, assert_within
from layer_norm import GROUP_SIZE, LayerNorm

EPS = 1e-5


def gradients(function: object, leaves: list[torch.Tensor], dy: torch.Tensor) -> list[torch.Tensor]:
    leaves = [leaf.detach().clone().requires_grad_() for leaf in leaves]
    y = function(*leaves)  # type: ignore[operator]
    return [y.detach(), *torch.autograd.grad(y, leaves, dy)]


def torch_layer_norm(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.layer_norm(x, weight.shape, weight, bias, EPS)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(1, 5), (3, 61), (GROUP_SIZE + 67, 256), (5, 4999)])
def test_output_and_gradients(shape: tuple[int, int], dtype: torch.dtype) -> None:
    leaves = [torch.randn(shape).to(dtype), torch.rand(shape[1]).to(dtype), torch.randn(shape[1]).to(dtype)]
    dy = torch.randn(shape).to(dtype)
    ours = gradients(lambda *args: LayerNorm.apply(*args, EPS), leaves, dy)
    theirs = gradients(torch_layer_norm, leaves, dy)
    reference = gradients(torch_layer_norm, [leaf.double() for leaf in leaves], dy.double())
    for got, torchs, expected in zip(ours, theirs, reference, strict=True):
        assert_reduction(got, torchs, expected)


def test_a_far_mean_does_not_cancel() -> None:
    """The variance is taken about the mean: only the mean's own rounding, of a sum in a tree, may show."""
    x, weight, bias = 1000 + torch.randn(7, 501), torch.ones(501), torch.zeros(501)
    y = LayerNorm.apply(x, weight, bias, EPS)
    reference = torch_layer_norm(x.double(), weight.double(), bias.double())
    mean_error = (math.ceil(math.log2(501)) + 3) * ACCUMULATOR_ROUNDOFF * x.double().mean(-1, keepdim=True)
    rstd = 1 / x.double().var(-1, correction=0, keepdim=True).sqrt()
    assert_within(y, reference, (mean_error * rstd).expand_as(reference))
