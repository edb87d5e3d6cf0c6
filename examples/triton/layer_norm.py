"""Layer normalisation over the last dimension, forward and backward.

Shapes: x (rows, columns) contiguous rows, weight and bias (columns,), mean and rstd (rows,) float32. Dtypes: float32,
float16, bfloat16; the arithmetic is float32. Backward: each program finishes dx of its row and adds its share of
dweight and dbias into one of GROUP_SIZE float32 partial sums by atomics; a second kernel adds the partial sums up.
"""

import torch
import triton
import triton.language as tl

GROUP_SIZE = 64
LARGEST_ROW = 65536


@triton.jit
def forward_kernel(
    x_ptr, y_ptr, weight_ptr, bias_ptr, mean_ptr, rstd_ptr, row_stride, n_cols, eps, BLOCK_SIZE: tl.constexpr
):
    row = tl.program_id(0)
    x_ptr += row * row_stride
    y_ptr += row * n_cols
    total = tl.zeros([BLOCK_SIZE], dtype=tl.float32)
    for start in range(0, n_cols, BLOCK_SIZE):
        cols = start + tl.arange(0, BLOCK_SIZE)
        total += tl.load(x_ptr + cols, mask=cols < n_cols, other=0.0).to(tl.float32)
    mean = tl.sum(total, axis=0) / n_cols
    squares = tl.zeros([BLOCK_SIZE], dtype=tl.float32)
    for start in range(0, n_cols, BLOCK_SIZE):
        cols = start + tl.arange(0, BLOCK_SIZE)
        x = tl.load(x_ptr + cols, mask=cols < n_cols, other=0.0).to(tl.float32)
        centred = tl.where(cols < n_cols, x - mean, 0.0)
        squares += centred * centred
    rstd = 1 / tl.sqrt(tl.sum(squares, axis=0) / n_cols + eps)
    tl.store(mean_ptr + row, mean)
    tl.store(rstd_ptr + row, rstd)
    for start in range(0, n_cols, BLOCK_SIZE):
        cols = start + tl.arange(0, BLOCK_SIZE)
        mask = cols < n_cols
        weight = tl.load(weight_ptr + cols, mask=mask).to(tl.float32)
        bias = tl.load(bias_ptr + cols, mask=mask).to(tl.float32)
        x = tl.load(x_ptr + cols, mask=mask, other=0.0).to(tl.float32)
        tl.store(y_ptr + cols, (x - mean) * rstd * weight + bias, mask=mask)


@triton.jit
def backward_dx_kernel(
    dx_ptr,
    dy_ptr,
    partial_dweight_ptr,
    partial_dbias_ptr,
    x_ptr,
    weight_ptr,
    mean_ptr,
    rstd_ptr,
    row_stride,
    n_cols,
    GROUP: tl.constexpr,
    BLOCK_SIZE: tl.constexpr,
):
    row = tl.program_id(0)
    cols = tl.arange(0, BLOCK_SIZE)
    mask = cols < n_cols
    x = tl.load(x_ptr + row * row_stride + cols, mask=mask, other=0.0).to(tl.float32)
    dy = tl.load(dy_ptr + row * n_cols + cols, mask=mask, other=0.0).to(tl.float32)
    weight = tl.load(weight_ptr + cols, mask=mask, other=0.0).to(tl.float32)
    mean = tl.load(mean_ptr + row)
    rstd = tl.load(rstd_ptr + row)

    x_hat = tl.where(mask, (x - mean) * rstd, 0.0)
    weighted_dy = weight * dy
    mean_of_product = tl.sum(x_hat * weighted_dy, axis=0) / n_cols
    mean_of_dy = tl.sum(weighted_dy, axis=0) / n_cols
    dx = (weighted_dy - (x_hat * mean_of_product + mean_of_dy)) * rstd
    tl.store(dx_ptr + row * n_cols + cols, dx, mask=mask)

    group_offset = (row % GROUP) * n_cols
    tl.atomic_add(partial_dweight_ptr + group_offset + cols, dy * x_hat, mask=mask)
    tl.atomic_add(partial_dbias_ptr + group_offset + cols, dy, mask=mask)


@triton.jit
def backward_parameters_kernel(
    partial_dweight_ptr,
    partial_dbias_ptr,
    dweight_ptr,
    dbias_ptr,
    n_groups,
    n_cols,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    cols = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    dweight = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    dbias = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    for start in range(0, n_groups, BLOCK_M):
        rows = start + tl.arange(0, BLOCK_M)
        mask = (rows[:, None] < n_groups) & (cols[None, :] < n_cols)
        offsets = rows[:, None] * n_cols + cols[None, :]
        dweight += tl.load(partial_dweight_ptr + offsets, mask=mask, other=0.0)
        dbias += tl.load(partial_dbias_ptr + offsets, mask=mask, other=0.0)
    tl.store(dweight_ptr + cols, tl.sum(dweight, axis=0), mask=cols < n_cols)
    tl.store(dbias_ptr + cols, tl.sum(dbias, axis=0), mask=cols < n_cols)


def layer_norm_forward(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float = 1e-5
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return (y, mean, rstd) of the rows of x."""
    n_rows, n_cols = x.shape
    y = torch.empty((n_rows, n_cols), device=x.device, dtype=x.dtype)
    mean = torch.empty(n_rows, device=x.device, dtype=torch.float32)
    rstd = torch.empty(n_rows, device=x.device, dtype=torch.float32)
    block_size = min(triton.next_power_of_2(n_cols), 4096)
    forward_kernel[(n_rows,)](
        x, y, weight, bias, mean, rstd, x.stride(0), n_cols, eps, BLOCK_SIZE=block_size, num_warps=4
    )
    return y, mean, rstd


def layer_norm_backward(
    dy: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, mean: torch.Tensor, rstd: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return (dx, dweight, dbias) for the gradient dy of the output."""
    n_rows, n_cols = x.shape
    if n_cols > LARGEST_ROW:
        raise ValueError(f"a row of {n_cols} does not fit one block; at most {LARGEST_ROW} columns")
    dx = torch.empty((n_rows, n_cols), device=x.device, dtype=x.dtype)
    dweight, dbias = torch.empty_like(weight), torch.empty_like(weight)
    n_groups = min(GROUP_SIZE, n_rows)
    partial_dweight = torch.zeros((n_groups, n_cols), device=x.device, dtype=torch.float32)
    partial_dbias = torch.zeros_like(partial_dweight)
    backward_dx_kernel[(n_rows,)](
        dx,
        dy,
        partial_dweight,
        partial_dbias,
        x,
        weight,
        mean,
        rstd,
        x.stride(0),
        n_cols,
        GROUP=n_groups,
        BLOCK_SIZE=triton.next_power_of_2(n_cols),
        num_warps=8,
    )
    grid = lambda meta: (triton.cdiv(n_cols, meta["BLOCK_N"]),)  # noqa: E731
    backward_parameters_kernel[grid](
        partial_dweight, partial_dbias, dweight, dbias, n_groups, n_cols, BLOCK_M=32, BLOCK_N=128
    )
    return dx, dweight, dbias


class LayerNorm(torch.autograd.Function):
    """The two directions as one differentiable function: LayerNorm.apply(x, weight, bias, eps)."""

    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        y, mean, rstd = layer_norm_forward(x, weight, bias, eps)
        ctx.save_for_backward(x, weight, mean, rstd)
        return y

    @staticmethod
    def backward(ctx, dy):
        dx, dweight, dbias = layer_norm_backward(dy.contiguous(), *ctx.saved_tensors)
        return dx, dweight, dbias, None


def main() -> None:
    torch.manual_seed(0)
    n_rows, n_cols = 151, 1000
    leaves = [torch.randn(n_rows, n_cols), torch.rand(n_cols), torch.randn(n_cols)]
    dy = torch.randn(n_rows, n_cols)
    ours = [leaf.clone().requires_grad_() for leaf in leaves]
    theirs = [leaf.double().requires_grad_() for leaf in leaves]
    y = LayerNorm.apply(*ours, 1e-5)
    y.backward(dy)
    reference = torch.nn.functional.layer_norm(theirs[0], (n_cols,), theirs[1], theirs[2], 1e-5)
    reference.backward(dy.double())
    pairs = [(y, reference)] + [(a.grad, b.grad) for a, b in zip(ours, theirs, strict=True)]
    for got, expected in pairs:
        torch.testing.assert_close(got.double(), expected, rtol=1e-5, atol=5e-5)
    errors = ", ".join(f"{(got - expected).abs().max():.2e}" for got, expected in pairs)
    print(f"layer_norm: {n_rows}x{n_cols} float32, largest errors of y, dx, dweight, dbias: {errors}")


if __name__ == "__main__":
    main()
