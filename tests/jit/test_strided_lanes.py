"""Lanes at equal distances that arguments decide: loads and stores of their own; ragged edges, steps of any sign."""

import pytest
import torch
import triton
import triton.language as tl


@triton.jit
def copy(x, out, rows, columns, row, column, out_row, out_column, R: tl.constexpr, C: tl.constexpr):
    i, j = tl.program_id(0) * R + tl.arange(0, R), tl.program_id(1) * C + tl.arange(0, C)
    inside = (i[:, None] < rows) & (j[None, :] < columns)
    v = tl.load(x + i[:, None] * row + j[None, :] * column, mask=inside)
    tl.store(out + i[:, None] * out_row + j[None, :] * out_column, v, mask=inside)


@pytest.mark.parametrize("dtype", [torch.float32, torch.int8, torch.bfloat16, torch.int64, torch.bool])
@pytest.mark.parametrize("shape", [(64, 64), (61, 75)])
@pytest.mark.parametrize("step", [1, 2, 3, -1, -5])
def test_copies_with_steps(dtype, shape, step):
    (rows, columns), far = shape, abs(step)
    x = torch.randint(0, 100, (rows, columns * far)).to(dtype)
    first = 0 if step > 0 else (columns - 1) * far
    picked = x[:, ::far] if step > 0 else x[:, ::far].flip(1)
    grid = (triton.cdiv(rows, 16), triton.cdiv(columns, 32))
    out = torch.zeros(rows, columns, dtype=dtype)
    copy[grid](x.view(-1)[first:], out, rows, columns, columns * far, step, columns, 1, R=16, C=32)
    assert torch.equal(out, picked)
    back = torch.zeros_like(x)
    copy[grid](out, back.view(-1)[first:], rows, columns, columns, 1, columns * far, step, R=16, C=32)
    expected = torch.zeros_like(x)
    expected[:, ::far] = picked if step > 0 else picked.flip(1)
    assert torch.equal(back, expected)
