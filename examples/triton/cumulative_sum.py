"""Scans along rows: the cumulative sum, and the linear recurrence h[t] = a[t] h[t-1] + b[t].

Shapes: (rows, columns), contiguous rows of any length: a row is scanned block by block, with a carry. Dtypes: float32,
float16, bfloat16 (accumulated in float32) and int32. The sum is tl.cumsum; the recurrence is an associative scan of
the pairs (a, b), which compose as (a1, b1) then (a2, b2) = (a1 a2, a2 b1 + b2).
"""

import torch
import triton
import triton.language as tl


@triton.jit
def cumsum_kernel(x_ptr, out_ptr, n_cols, BLOCK_SIZE: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    x_ptr += row * n_cols
    out_ptr += row * n_cols
    carry = tl.sum(tl.zeros([BLOCK_SIZE], dtype=tl.int32 if x_ptr.dtype.element_ty.is_int() else tl.float32))
    for start in range(0, n_cols, BLOCK_SIZE):
        cols = start + tl.arange(0, BLOCK_SIZE)
        x = tl.load(x_ptr + cols, mask=cols < n_cols, other=0).to(carry.dtype)
        tl.store(out_ptr + cols, tl.cumsum(x, axis=0) + carry, mask=cols < n_cols)
        carry += tl.sum(x, axis=0)


@triton.jit
def compose(a1, b1, a2, b2):
    return a1 * a2, a2 * b1 + b2


@triton.jit
def recurrence_kernel(a_ptr, b_ptr, out_ptr, n_cols, BLOCK_SIZE: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    a_ptr += row * n_cols
    b_ptr += row * n_cols
    out_ptr += row * n_cols
    lanes = tl.arange(0, BLOCK_SIZE)
    state = 0.0
    for start in range(0, n_cols, BLOCK_SIZE):
        cols = start + lanes
        mask = cols < n_cols
        a = tl.load(a_ptr + cols, mask=mask, other=1.0).to(tl.float32)
        b = tl.load(b_ptr + cols, mask=mask, other=0.0).to(tl.float32)
        a_total, b_total = tl.associative_scan((a, b), axis=0, combine_fn=compose)
        h = a_total * state + b_total
        tl.store(out_ptr + cols, h, mask=mask)
        state = tl.sum(tl.where(lanes == BLOCK_SIZE - 1, h, 0.0), axis=0)


def block_size_of(n_cols: int) -> int:
    """One block for a short row, blocks of 2048 for a long one."""
    return min(triton.next_power_of_2(n_cols), 2048)


def cumulative_sum(x: torch.Tensor) -> torch.Tensor:
    """Return torch.cumsum(x, dim=-1) of a contiguous matrix, in the dtype of x."""
    n_rows, n_cols = x.shape
    out = torch.empty_like(x)
    cumsum_kernel[(n_rows,)](x, out, n_cols, BLOCK_SIZE=block_size_of(n_cols))
    return out


def linear_recurrence(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return h with h[:, t] = a[:, t] * h[:, t-1] + b[:, t] and h[:, -1] = 0, for two contiguous matrices."""
    if a.shape != b.shape:
        raise ValueError(f"a is {tuple(a.shape)}, b is {tuple(b.shape)}: they must agree")
    n_rows, n_cols = a.shape
    out = torch.empty_like(b)
    recurrence_kernel[(n_rows,)](a, b, out, n_cols, BLOCK_SIZE=block_size_of(n_cols))
    return out


def main() -> None:
    torch.manual_seed(0)
    x = torch.randn(7, 5000)
    reference = torch.cumsum(x.double(), dim=-1)
    out = cumulative_sum(x)
    torch.testing.assert_close(out.double(), reference, rtol=1e-5, atol=1e-3)
    a = torch.rand(7, 3000)
    b = torch.randn(7, 3000)
    h = linear_recurrence(a, b)
    state, states = torch.zeros(7, dtype=torch.float64), []
    for a_t, b_t in zip(a.double().unbind(1), b.double().unbind(1), strict=True):
        state = a_t * state + b_t
        states.append(state)
    expected = torch.stack(states, dim=1)
    torch.testing.assert_close(h.double(), expected, rtol=1e-5, atol=1e-5)
    errors = f"{(out - reference).abs().max():.2e}, {(h - expected).abs().max():.2e}"
    print(f"cumulative_sum: 7x5000 and 7x3000 float32, largest errors of the sum and the recurrence: {errors}")


if __name__ == "__main__":
    main()
