"""Matmul with grouped ordering, activation and autotune against float64, at ragged sizes."""

import pytest
import torch
from float64_bounds import ACCUMULATOR_ROUNDOFF, FLOATS, TF32_INPUT_ERROR, assert_within, dot_bound
from matmul import matmul

SHAPES = [(1, 1, 1), (1, 257, 31), (127, 65, 300), (128, 128, 128), (513, 67, 131)]


def operands(shape: tuple[int, int, int], dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    m, n, k = shape
    return torch.randn(m, k).to(dtype), torch.randn(k, n).to(dtype)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", SHAPES)
def test_product(shape: tuple[int, int, int], dtype: torch.dtype) -> None:
    a, b = operands(shape, dtype)
    assert_within(matmul(a, b), a.double() @ b.double(), dot_bound(a.double(), b.double(), dtype))


@pytest.mark.parametrize("activation", ["leaky_relu", "gelu"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_activation(activation: str, dtype: torch.dtype) -> None:
    a, b = operands((127, 65, 300), dtype)
    a64, b64 = a.double(), b.double()
    reference = getattr(torch.nn.functional, activation)(a64 @ b64)
    # No slope of either is above 1.13, and erf adds a few roundings of its argument's product.
    own = 16 * ACCUMULATOR_ROUNDOFF * (a64 @ b64).abs()
    assert_within(matmul(a, b, activation), reference, 1.13 * dot_bound(a64, b64, dtype) + own)


def test_tf32_truncates_no_more_than_its_inputs() -> None:
    a, b = operands((67, 129, 200), torch.float32)
    bound = dot_bound(a.double(), b.double(), torch.float32, input_error=TF32_INPUT_ERROR)
    assert_within(matmul(a, b, precision="tf32"), a.double() @ b.double(), bound)


def test_transposed_operands() -> None:
    a, b = torch.randn(130, 77).half().T, torch.randn(91, 130).half().T
    assert_within(matmul(a, b), a.double() @ b.double(), dot_bound(a.double(), b.double(), torch.float16))


def test_refuses_unequal_inner_sizes() -> None:
    with pytest.raises(ValueError, match="inner sizes differ"):
        matmul(torch.ones(3, 4), torch.ones(5, 6))
