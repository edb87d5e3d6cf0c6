"""Histogram against NumPy: exact counts, whatever the number of bins and what lies outside them."""

import numpy as np
import pytest
import torch
from histogram import histogram


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
@pytest.mark.parametrize(("n_elements", "n_bins"), [(1, 1), (1023, 10), (1024, 64), (300007, 100)])
def test_counts(n_elements: int, n_bins: int, dtype: torch.dtype) -> None:
    x = torch.randint(0, n_bins, (n_elements,), dtype=dtype)
    np.testing.assert_array_equal(histogram(x, n_bins).numpy(), np.bincount(x.numpy(), minlength=n_bins))


def test_what_lies_outside_is_not_counted() -> None:
    x = torch.randint(-50, 150, (40009,), dtype=torch.int32)
    inside = x[(x >= 0) & (x < 100)].numpy()
    np.testing.assert_array_equal(histogram(x, 100).numpy(), np.bincount(inside, minlength=100))


def test_one_bin_takes_all() -> None:
    assert histogram(torch.full((70001,), 3, dtype=torch.int64), 5).tolist() == [0, 0, 0, 70001, 0]
