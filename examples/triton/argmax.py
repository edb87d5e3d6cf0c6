"""The largest element of each row and where it is; of equals, the first.

Shapes: x (rows, columns), contiguous rows of any length; values (rows,) in the dtype of x, indices (rows,) int64.
Dtypes: float32, float16, bfloat16, int32; no NaN. Long rows are walked block by block by one program each; short
rows are taken many at a time as a two-dimensional block.
"""

import torch
import triton
import triton.language as tl

SHORT_ROW = 64


@triton.jit
def long_rows_kernel(x_ptr, values_ptr, indices_ptr, n_cols, BLOCK_SIZE: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    x_ptr += row * n_cols
    best_value = tl.load(x_ptr)
    best_index = 0
    for start in range(0, n_cols, BLOCK_SIZE):
        cols = start + tl.arange(0, BLOCK_SIZE)
        # A lane past the edge repeats the row's first element: a tie goes to the lower index, so it never wins.
        x = tl.load(x_ptr + cols, mask=cols < n_cols, other=0)
        x = tl.where(cols < n_cols, x, best_value)
        value, index = tl.max(x, axis=0, return_indices=True)
        better = value > best_value
        best_index = tl.where(better, start + index, best_index)
        best_value = tl.where(better, value, best_value).to(x_ptr.dtype.element_ty)
    tl.store(values_ptr + row, best_value)
    tl.store(indices_ptr + row, best_index)


@triton.jit
def short_rows_kernel(x_ptr, values_ptr, indices_ptr, n_rows, n_cols, ROWS: tl.constexpr, BLOCK_SIZE: tl.constexpr):
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    cols = tl.arange(0, BLOCK_SIZE)
    row_mask = rows < n_rows
    # Columns past the edge read the row's last element again: of equals the first wins.
    safe_cols = tl.minimum(cols, n_cols - 1)
    offsets = rows[:, None].to(tl.int64) * n_cols + safe_cols[None, :]
    x = tl.load(x_ptr + offsets, mask=row_mask[:, None], other=0)
    tl.store(indices_ptr + rows, tl.argmax(x, axis=1), mask=row_mask)
    tl.store(values_ptr + rows, tl.max(x, axis=1), mask=row_mask)


def argmax(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (values, indices) of the largest element of each row of a contiguous matrix."""
    n_rows, n_cols = x.shape
    values = torch.empty(n_rows, device=x.device, dtype=x.dtype)
    indices = torch.empty(n_rows, device=x.device, dtype=torch.int64)
    if n_cols <= SHORT_ROW:
        grid = lambda meta: (triton.cdiv(n_rows, meta["ROWS"]),)  # noqa: E731
        block_size = triton.next_power_of_2(n_cols)
        short_rows_kernel[grid](x, values, indices, n_rows, n_cols, ROWS=32, BLOCK_SIZE=block_size)
    else:
        block_size = min(triton.next_power_of_2(n_cols), 4096)
        long_rows_kernel[(n_rows,)](x, values, indices, n_cols, BLOCK_SIZE=block_size)
    return values, indices


def main() -> None:
    torch.manual_seed(0)
    for shape in ((37, 10007), (1001, 13)):
        x = torch.randn(shape)
        values, indices = argmax(x)
        reference = x.double().max(dim=-1)
        torch.testing.assert_close(values.double(), reference.values, rtol=0, atol=0)
        torch.testing.assert_close(indices, reference.indices, rtol=0, atol=0)
        print(f"argmax: {shape[0]}x{shape[1]} float32, every value and index exact")


if __name__ == "__main__":
    main()
