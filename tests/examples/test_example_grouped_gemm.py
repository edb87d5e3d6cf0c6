"""Persistent grouped GEMM against float64: products of unlike sizes in one launch."""

import pytest
import torch
from float64_bounds import FLOATS, assert_within, dot_bound
from grouped_gemm import grouped_matmul

GROUPS = [[(1, 1, 1)], [(37, 129, 65), (1, 67, 200), (256, 3, 31)], [(64, 64, 64)] * 5 + [(131, 130, 17)]]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("group", GROUPS)
def test_every_product(group: list[tuple[int, int, int]], dtype: torch.dtype) -> None:
    a_group = [torch.randn(m, k).to(dtype) for m, _, k in group]
    b_group = [torch.randn(k, n).to(dtype) for _, n, k in group]
    for a, b, c in zip(a_group, b_group, grouped_matmul(a_group, b_group), strict=True):
        a64, b64 = a.double(), b.double()
        assert_within(c, a64 @ b64, dot_bound(a64, b64, dtype))


def test_padded_rows() -> None:
    a, b = torch.randn(40, 96)[:, :50], torch.randn(50, 128)[:, :77]
    (c,) = grouped_matmul([a], [b])
    assert_within(c, a.double() @ b.double(), dot_bound(a.double(), b.double(), torch.float32))


def test_refuses_a_column_major_operand() -> None:
    with pytest.raises(ValueError, match="row-major"):
        grouped_matmul([torch.ones(4, 5).T.contiguous().T], [torch.ones(5, 6)])
