"""Fused softmax against float64, at ragged sizes, strided rows and extreme values."""

import pytest
import torch
from float64_bounds import FLOATS, assert_elementwise
from fused_softmax import softmax


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (37, 781), (5, 1024), (2, 4999), (1031, 17)])
def test_rows(shape: tuple[int, int], dtype: torch.dtype) -> None:
    x = torch.randn(shape).to(dtype)
    assert_elementwise(softmax(x), torch.softmax(x, -1), torch.softmax(x.double(), -1))


def test_strided_rows() -> None:
    x = torch.randn(19, 300)[:, 7:250]
    assert_elementwise(softmax(x), torch.softmax(x, -1), torch.softmax(x.double(), -1))


def test_large_and_masked_scores() -> None:
    x = torch.tensor([[1e4, 1e4 - 1, -1e4], [-float("inf"), 0.0, 2.0], [-3e38, 3e38, 0.0]])
    assert_elementwise(softmax(x), torch.softmax(x, -1), torch.softmax(x.double(), -1))


def test_refuses_a_row_too_long() -> None:
    with pytest.raises(ValueError, match="does not fit one block"):
        softmax(torch.ones(1, 65537))
