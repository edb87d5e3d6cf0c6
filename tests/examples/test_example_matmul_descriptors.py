"""Matmul through tensor descriptors against float64: tiles that hang over every edge."""

import pytest
import torch
from float64_bounds import FLOATS, assert_within, dot_bound
from matmul_descriptors import descriptor_matmul


@pytest.mark.parametrize("built_on", ["host", "device"])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(1, 8, 8), (131, 72, 200), (128, 64, 64), (257, 136, 24)])
def test_product(shape: tuple[int, int, int], dtype: torch.dtype, built_on: str) -> None:
    m, n, k = shape
    a, b = torch.randn(m, k).to(dtype), torch.randn(n, k).to(dtype)
    reference = a.double() @ b.double().T
    assert_within(descriptor_matmul(a, b, built_on), reference, dot_bound(a.double(), b.double().T, dtype))


def test_refuses_rows_that_are_not_aligned() -> None:
    with pytest.raises(ValueError, match="multiples of 16 bytes"):
        descriptor_matmul(torch.ones(4, 7), torch.ones(8, 7))
