"""The k largest elements of each row, in descending order, with their places; and whole rows sorted.

Shapes: x (rows, columns), contiguous rows that fit one block (up to 4096 columns); values (rows, k), indices (rows, k)
int32. Dtypes: float32 (also for float16 and bfloat16, which widen exactly); no NaN. A value and its place travel as
one 64-bit key that orders as the value does, and among equals puts the lower place first, so one sort moves both.
"""

import torch
import triton
import triton.language as tl

LARGEST_ROW = 4096


@triton.jit
def ordered_bits(x):
    """The bits of a float32 as a signed integer that orders as the float does; its own inverse, by ordered_value."""
    bits = x.to(tl.int32, bitcast=True)
    return tl.where(bits < 0, bits ^ 0x7FFFFFFF, bits)


@triton.jit
def ordered_value(bits):
    return tl.where(bits < 0, bits ^ 0x7FFFFFFF, bits).to(tl.float32, bitcast=True)


@triton.jit
def top_k_kernel(
    x_ptr, values_ptr, indices_ptr, n_cols, k, BLOCK_SIZE: tl.constexpr, BLOCK_K: tl.constexpr, WHOLE: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    cols = tl.arange(0, BLOCK_SIZE)
    x = tl.load(x_ptr + row * n_cols + cols, mask=cols < n_cols, other=-float("inf")).to(tl.float32)
    # The low word counts down from the row's end: among equal values, and against the padding, the first wins.
    keys = (ordered_bits(x).to(tl.int64) << 32) | (BLOCK_SIZE - 1 - cols).to(tl.int64)
    if WHOLE:
        best = tl.sort(keys, descending=True)
    else:
        best = tl.topk(keys, BLOCK_K)
    values = ordered_value((best >> 32).to(tl.int32))
    indices = BLOCK_SIZE - 1 - (best & 0xFFFFFFFF).to(tl.int32)
    places = tl.arange(0, BLOCK_K)
    tl.store(values_ptr + row * k + places, values, mask=places < k)
    tl.store(indices_ptr + row * k + places, indices, mask=places < k)


def top_k(x: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (values, indices) of the k largest elements of each row, largest first; k = columns sorts the row."""
    n_rows, n_cols = x.shape
    if not 1 <= k <= n_cols or n_cols > LARGEST_ROW:
        raise ValueError(f"k = {k} of {n_cols} columns: 1 <= k <= columns <= {LARGEST_ROW}")
    values = torch.empty((n_rows, k), device=x.device, dtype=x.dtype)
    indices = torch.empty((n_rows, k), device=x.device, dtype=torch.int32)
    block_size, block_k = (max(2, triton.next_power_of_2(size)) for size in (n_cols, k))
    top_k_kernel[(n_rows,)](
        x, values, indices, n_cols, k, BLOCK_SIZE=block_size, BLOCK_K=block_k, WHOLE=block_k == block_size
    )
    return values, indices


def main() -> None:
    torch.manual_seed(0)
    x = torch.randn(5, 500)
    for k in (10, 500):
        values, indices = top_k(x, k)
        reference = torch.sort(x.double(), dim=-1, descending=True, stable=True)
        torch.testing.assert_close(values.double(), reference.values[:, :k], rtol=0, atol=0)
        torch.testing.assert_close(indices.long(), reference.indices[:, :k], rtol=0, atol=0)
        print(f"top_k: {k} of 5x500 float32, every value and place exact")


if __name__ == "__main__":
    main()
