"""Rows whose lanes are combined in groups: the same results, bit by bit, as in tiles of too few rows for a group."""

import pytest
import torch
import triton
import triton.language as tl

ROWS = 64
DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int32, torch.int8]


@triton.jit
def reduced(x, sums, most, least, places, X: tl.constexpr, R: tl.constexpr):
    row = tl.program_id(0) * X + tl.arange(0, X)
    value = tl.load(x + row[:, None] * R + tl.arange(0, R)[None, :])
    top, place = tl.max(value, 1, return_indices=True)
    tl.store(sums + row, tl.sum(value, 1))
    tl.store(most + row, top)
    tl.store(least + row, tl.min(value, 1))
    tl.store(places + row, place)


@triton.jit
def stacked(x, out, Z: tl.constexpr, X: tl.constexpr, R: tl.constexpr):
    at = tl.arange(0, Z)[:, None, None] * X * R + tl.arange(0, X)[None, :, None] * R + tl.arange(0, R)[None, None, :]
    value = tl.load(x + at)
    scaled = value * tl.sum(value, 2)[:, :, None]
    tl.store(out + tl.arange(0, Z)[:, None] * X + tl.arange(0, X)[None, :], tl.max(scaled, 2))


def outcome(x, block):
    """Sums, maxima, minima and places of the rows of x, from tiles of `block` rows."""
    made = [torch.empty(ROWS, dtype=x.dtype) for _ in range(3)] + [torch.empty(ROWS, dtype=torch.int32)]
    reduced[(ROWS // block,)](x, *made, X=block, R=x.shape[1])
    return made


@pytest.mark.parametrize("columns", [16, 32, 64, 256])
@pytest.mark.parametrize("dtype", DTYPES)
def test_groups_of_rows_give_what_single_rows_do(dtype, columns):
    torch.manual_seed(columns)
    whole = not dtype.is_floating_point
    x = torch.randint(-100, 100, (ROWS, columns)).to(dtype) if whole else torch.randn(ROWS, columns).to(dtype)
    sums, most, least, places = outcome(x, ROWS)
    assert torch.equal(most, x.amax(1)) and torch.equal(least, x.amin(1))
    first = (x == x.amax(1, keepdim=True)).int().argmax(1)  # of equal ones Triton takes the leftmost
    assert torch.equal(places.long(), first)
    if whole:
        assert torch.equal(sums, x.sum(1).to(dtype))
    else:
        torch.testing.assert_close(sums.double(), x.double().sum(1), rtol=0, atol=2 * torch.finfo(dtype).eps * columns)
    for block in (8, 16):
        for one, other in zip(outcome(x, block), (sums, most, least, places), strict=True):
            assert torch.equal(one, other)


def test_a_row_of_nans_leaves_the_others_alone():
    x = torch.randn(ROWS, 64)
    x[5], x[20, :63], x[33] = float("nan"), float("nan"), float("-inf")
    _, most, least, _ = outcome(x, ROWS)
    expected = x.clone()
    expected[20] = x[20, 63]  # numbers win
    assert torch.equal(most.isnan(), torch.arange(ROWS) == 5) and torch.equal(least.isnan(), most.isnan())
    assert torch.equal(most.nan_to_num(7.0), expected.amax(1).nan_to_num(7.0))
    assert torch.equal(least.nan_to_num(7.0), expected.amin(1).nan_to_num(7.0))


@pytest.mark.parametrize("rows", [8, 16, 32])
def test_rows_of_several_dimensions(rows):
    x, out = torch.randn(4, rows, 32), torch.empty(4, rows)
    stacked[(1,)](x, out, Z=4, X=rows, R=32)
    expected = (x.double() * x.double().sum(2, keepdim=True)).amax(2)
    torch.testing.assert_close(out.double(), expected, rtol=1e-5, atol=1e-5)
