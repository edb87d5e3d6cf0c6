"""Scans against float64, at ragged lengths, within one block and over many."""

import pytest
import torch
from cumulative_sum import cumulative_sum, linear_recurrence
from float64_bounds import ACCUMULATOR_ROUNDOFF, FLOATS, assert_within, roundoff

SHAPES = [(1, 1), (5, 7), (3, 2048), (2, 2049), (3, 5003)]


def recurrence(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    state, states = torch.zeros_like(b[:, 0]), []
    for a_t, b_t in zip(a.unbind(1), b.unbind(1), strict=True):
        state = a_t * state + b_t
        states.append(state)
    return torch.stack(states, dim=1)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", SHAPES)
def test_sum_within_its_rounding_bound(shape: tuple[int, int], dtype: torch.dtype) -> None:
    x = torch.randn(shape).to(dtype)
    reference = torch.cumsum(x.double(), -1)
    summands = torch.cumsum(x.double().abs(), -1)
    bound = shape[1] * ACCUMULATOR_ROUNDOFF * summands + roundoff(dtype) * reference.abs()
    assert_within(cumulative_sum(x), reference, bound)


@pytest.mark.parametrize("shape", SHAPES)
def test_integers_are_exact(shape: tuple[int, int]) -> None:
    x = torch.randint(-1000, 1000, shape, dtype=torch.int32)
    assert torch.equal(cumulative_sum(x).long(), torch.cumsum(x.long(), -1))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", SHAPES)
def test_recurrence_within_its_rounding_bound(shape: tuple[int, int], dtype: torch.dtype) -> None:
    a, b = (2 * torch.rand(shape) - 1).to(dtype), torch.randn(shape).to(dtype)
    reference = recurrence(a.double(), b.double())
    magnitude = recurrence(a.double().abs(), b.double().abs())
    bound = 3 * shape[1] * ACCUMULATOR_ROUNDOFF * magnitude + roundoff(dtype) * reference.abs() + 1e-38
    assert_within(linear_recurrence(a, b), reference, bound)


def test_refuses_unequal_shapes() -> None:
    with pytest.raises(ValueError, match="must agree"):
        linear_recurrence(torch.ones(2, 3), torch.ones(2, 4))
