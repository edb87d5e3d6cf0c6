"""Top-k and sort against NumPy: exact values, exact places, the first of equals first."""

import numpy as np
import pytest
import torch
from float64_bounds import FLOATS
from top_k import top_k


def check(x: torch.Tensor, k: int) -> None:
    values, indices = top_k(x, k)
    order = np.argsort(-x.double().numpy(), axis=-1, kind="stable")[:, :k]
    np.testing.assert_array_equal(indices.numpy(), order)
    np.testing.assert_array_equal(values.double().numpy(), np.take_along_axis(x.double().numpy(), order, -1))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("shape", "k"), [((1, 2), 1), ((7, 61), 5), ((3, 64), 64), ((5, 500), 10), ((2, 500), 300)])
def test_largest(shape: tuple[int, int], k: int, dtype: torch.dtype) -> None:
    check(torch.randn(shape).to(dtype), k)


def test_equals_and_infinities() -> None:
    x = torch.randint(-2, 3, (9, 101)).float()
    x[:, ::7], x[:, 3::7] = -float("inf"), float("inf")
    check(x, 101)
    check(x, 9)


def test_refuses_more_than_there_are() -> None:
    with pytest.raises(ValueError, match="k = 6 of 5"):
        top_k(torch.ones(2, 5), 6)
