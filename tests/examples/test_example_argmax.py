"""Argmax against NumPy in float64: exact values and places, the first of equals."""

import numpy as np
import pytest
import torch
from argmax import argmax
from float64_bounds import FLOATS

SHAPES = [(1, 1), (33, 2), (1001, 13), (5, 64), (7, 65), (3, 4096), (3, 10007)]


def check(x: torch.Tensor) -> None:
    values, indices = argmax(x)
    wide = x.double().numpy()
    np.testing.assert_array_equal(indices.numpy(), wide.argmax(-1))
    np.testing.assert_array_equal(values.double().numpy(), wide.max(-1))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", SHAPES)
def test_floats(shape: tuple[int, int], dtype: torch.dtype) -> None:
    check(torch.randn(shape).to(dtype))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_first_of_equals(shape: tuple[int, int]) -> None:
    check(torch.randint(-3, 3, shape, dtype=torch.int32))


@pytest.mark.parametrize("n_cols", [50, 5000])
def test_rows_of_nothing_but_infinities(n_cols: int) -> None:
    check(torch.full((3, n_cols), -float("inf")))
    check(torch.full((3, n_cols), float("inf")))
