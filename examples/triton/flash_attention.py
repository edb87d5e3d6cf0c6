"""FlashAttention-2, forward and backward: softmax(scale Q K^T) V without ever storing the matrix of scores.

Shapes: q, k, v, out (batch, heads, context, head size), the last dimension contiguous, any context, head size up to
128; the log-sum-exp of each row (batch, heads, context) in float32, base 2. Dtypes: float32, float16, bfloat16;
scores, softmax and sums are float32. Source: Dao, "FlashAttention-2", 2023, algorithms 1 and 2. Every score carries
log2(e), so that the kernels raise 2 to it. The backward is three kernels: delta; dK, dV and parts of dQ, with five
products a block as in FlashAttention's deterministic mode; the sum of the parts, in one order whatever runs when.
"""

import torch
import triton
import triton.language as tl

LOG2_E = 1.4426950408889634
BACKWARD_PROGRAMS = 256  # about so many, as long as there are blocks of keys; each has a part of dQ in memory


@triton.jit
def _attend(
    acc,
    row_sum,
    row_max,
    q,
    k_ptr,
    v_ptr,
    stride_kn,
    stride_vn,
    offs_m,
    scale_log2,
    start,
    stop,
    n_ctx,
    head_size,
    BLOCK_N: tl.constexpr,
    BLOCK_D: tl.constexpr,
    CAUSAL: tl.constexpr,
    MASKED: tl.constexpr,
    PRECISION: tl.constexpr,
):
    offs_d = tl.arange(0, BLOCK_D)
    d_mask = offs_d < head_size
    for start_n in range(start, stop, BLOCK_N):
        start_n = tl.multiple_of(start_n, BLOCK_N)
        offs_n = start_n + tl.arange(0, BLOCK_N)
        kv_mask = (offs_n[:, None] < n_ctx) & d_mask[None, :]
        k = tl.load(k_ptr + offs_n[:, None] * stride_kn + offs_d[None, :], mask=kv_mask, other=0.0)
        scores = tl.dot(q, tl.trans(k), input_precision=PRECISION) * scale_log2
        if MASKED:
            visible = offs_n[None, :] < n_ctx
            if CAUSAL:
                visible = visible & (offs_m[:, None] >= offs_n[None, :])
            scores = tl.where(visible, scores, -float("inf"))
        new_max = tl.maximum(row_max, tl.max(scores, axis=1))
        p = tl.math.exp2(scores - new_max[:, None])
        alpha = tl.math.exp2(row_max - new_max)
        row_sum = row_sum * alpha + tl.sum(p, axis=1)
        v = tl.load(v_ptr + offs_n[:, None] * stride_vn + offs_d[None, :], mask=kv_mask, other=0.0)
        acc = acc * alpha[:, None]
        acc = tl.dot(p.to(v.dtype), v, acc, input_precision=PRECISION)
        row_max = new_max
    return acc, row_sum, row_max


@triton.jit
def forward_kernel(
    q_ptr,
    k_ptr,
    v_ptr,
    out_ptr,
    lse_ptr,
    scale_log2,
    stride_qb,
    stride_qh,
    stride_qm,
    stride_kb,
    stride_kh,
    stride_kn,
    stride_vb,
    stride_vh,
    stride_vn,
    stride_ob,
    stride_oh,
    stride_om,
    n_heads,
    n_ctx,
    head_size,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_D: tl.constexpr,
    CAUSAL: tl.constexpr,
    PRECISION: tl.constexpr,
):
    start_m = tl.program_id(0) * BLOCK_M
    batch_head = tl.program_id(1)
    batch = (batch_head // n_heads).to(tl.int64)
    head = (batch_head % n_heads).to(tl.int64)
    q_ptr += batch * stride_qb + head * stride_qh
    k_ptr += batch * stride_kb + head * stride_kh
    v_ptr += batch * stride_vb + head * stride_vh
    out_ptr += batch * stride_ob + head * stride_oh

    offs_m = start_m + tl.arange(0, BLOCK_M)
    offs_d = tl.arange(0, BLOCK_D)
    q_mask = (offs_m[:, None] < n_ctx) & (offs_d[None, :] < head_size)
    q = tl.load(q_ptr + offs_m[:, None] * stride_qm + offs_d[None, :], mask=q_mask, other=0.0)
    row_max = tl.full([BLOCK_M], -float("inf"), dtype=tl.float32)
    row_sum = tl.zeros([BLOCK_M], dtype=tl.float32)
    acc = tl.zeros([BLOCK_M, BLOCK_D], dtype=tl.float32)

    # Blocks of keys that every row sees whole need no mask; the rest, at the diagonal and at the edge, do.
    if CAUSAL:
        stop = min(start_m + BLOCK_M, n_ctx)
        whole = start_m // BLOCK_N * BLOCK_N
    else:
        stop = n_ctx
        whole = n_ctx // BLOCK_N * BLOCK_N
    acc, row_sum, row_max = _attend(
        acc, row_sum, row_max, q, k_ptr, v_ptr, stride_kn, stride_vn, offs_m, scale_log2, 0, whole, n_ctx, head_size,
        BLOCK_N, BLOCK_D, CAUSAL, False, PRECISION,
    )  # fmt: skip
    acc, row_sum, row_max = _attend(
        acc, row_sum, row_max, q, k_ptr, v_ptr, stride_kn, stride_vn, offs_m, scale_log2, whole, stop, n_ctx, head_size,
        BLOCK_N, BLOCK_D, CAUSAL, True, PRECISION,
    )  # fmt: skip

    acc = acc / row_sum[:, None]
    out_ptrs = out_ptr + offs_m[:, None] * stride_om + offs_d[None, :]
    tl.store(out_ptrs, acc.to(out_ptr.dtype.element_ty), mask=q_mask)
    lse_ptrs = lse_ptr + batch_head.to(tl.int64) * n_ctx + offs_m
    tl.store(lse_ptrs, row_max + tl.math.log2(row_sum), mask=offs_m < n_ctx)


@triton.jit
def delta_kernel(out_ptr, dout_ptr, delta_ptr, n_rows, head_size, BLOCK_M: tl.constexpr, BLOCK_D: tl.constexpr):
    rows = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    offs_d = tl.arange(0, BLOCK_D)
    offsets = rows[:, None].to(tl.int64) * head_size + offs_d[None, :]
    mask = (rows[:, None] < n_rows) & (offs_d[None, :] < head_size)
    out = tl.load(out_ptr + offsets, mask=mask, other=0.0).to(tl.float32)
    dout = tl.load(dout_ptr + offsets, mask=mask, other=0.0).to(tl.float32)
    tl.store(delta_ptr + rows, tl.sum(out * dout, axis=1), mask=rows < n_rows)


@triton.jit
def backward_kernel(
    q_ptr,
    k_ptr,
    v_ptr,
    dout_ptr,
    dq_parts_ptr,
    dk_ptr,
    dv_ptr,
    lse_ptr,
    delta_ptr,
    scale,
    scale_log2,
    n_ctx,
    head_size,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_D: tl.constexpr,
    CAUSAL: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """dK and dV of every so many blocks of keys, and what these blocks add to dQ, in a part of the program's own."""
    split, splits = tl.program_id(0), tl.num_programs(0)
    batch_head = tl.program_id(1).to(tl.int64)
    base = batch_head * n_ctx * head_size
    part_base = split * tl.num_programs(1).to(tl.int64) * n_ctx * head_size + base
    offs_d = tl.arange(0, BLOCK_D)
    d_mask = offs_d[None, :] < head_size
    for block in range(split, tl.cdiv(n_ctx, BLOCK_N), splits):
        start_n = block * BLOCK_N
        offs_n = start_n + tl.arange(0, BLOCK_N)
        kv_offsets = base + offs_n[:, None] * head_size + offs_d[None, :]
        kv_mask = (offs_n[:, None] < n_ctx) & d_mask
        k = tl.load(k_ptr + kv_offsets, mask=kv_mask, other=0.0)
        v = tl.load(v_ptr + kv_offsets, mask=kv_mask, other=0.0)
        dk = tl.zeros([BLOCK_N, BLOCK_D], dtype=tl.float32)
        dv = tl.zeros([BLOCK_N, BLOCK_D], dtype=tl.float32)

        first = start_n // BLOCK_M * BLOCK_M if CAUSAL else 0
        for start_m in range(first, n_ctx, BLOCK_M):
            offs_m = start_m + tl.arange(0, BLOCK_M)
            in_context = offs_m < n_ctx
            q_offsets = offs_m[:, None] * head_size + offs_d[None, :]
            q_mask = in_context[:, None] & d_mask
            q = tl.load(q_ptr + base + q_offsets, mask=q_mask, other=0.0)
            dout = tl.load(dout_ptr + base + q_offsets, mask=q_mask, other=0.0)
            lse = tl.load(lse_ptr + batch_head * n_ctx + offs_m, mask=in_context, other=0.0)
            delta = tl.load(delta_ptr + batch_head * n_ctx + offs_m, mask=in_context, other=0.0)

            scores_t = tl.dot(k, tl.trans(q), input_precision=PRECISION) * scale_log2
            visible = in_context[None, :] & (offs_n[:, None] < n_ctx)
            if CAUSAL:
                visible = visible & (offs_m[None, :] >= offs_n[:, None])
            p_t = tl.where(visible, tl.math.exp2(scores_t - lse[None, :]), 0.0)
            dv = tl.dot(p_t.to(dout.dtype), dout, dv, input_precision=PRECISION)
            dp_t = tl.dot(v, tl.trans(dout), input_precision=PRECISION)
            ds_t = (p_t * (dp_t - delta[None, :])).to(q.dtype)
            dk = tl.dot(ds_t, q, dk, input_precision=PRECISION)
            dq = tl.dot(tl.trans(ds_t), k, input_precision=PRECISION)
            parts = dq_parts_ptr + part_base + q_offsets
            if block == split:  # nothing is there yet
                tl.store(parts, dq, mask=q_mask)
            else:
                tl.store(parts, tl.load(parts, mask=q_mask, other=0.0) + dq, mask=q_mask)

        tl.store(dk_ptr + kv_offsets, (dk * scale).to(dk_ptr.dtype.element_ty), mask=kv_mask)
        tl.store(dv_ptr + kv_offsets, dv.to(dv_ptr.dtype.element_ty), mask=kv_mask)


@triton.jit
def sum_parts_kernel(
    dq_parts_ptr,
    dq_ptr,
    scale,
    n_ctx,
    head_size,
    splits,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_D: tl.constexpr,
    CAUSAL: tl.constexpr,
):
    """dQ from its parts, always in the same order."""
    start_m = tl.program_id(0) * BLOCK_M
    batch_head, n_heads = tl.program_id(1).to(tl.int64), tl.num_programs(1).to(tl.int64)
    offs_m = start_m + tl.arange(0, BLOCK_M)
    offs_d = tl.arange(0, BLOCK_D)
    offsets = (batch_head * n_ctx + offs_m[:, None]) * head_size + offs_d[None, :]
    mask = (offs_m[:, None] < n_ctx) & (offs_d[None, :] < head_size)
    if CAUSAL:  # these rows see no keys of the splits beyond, which have written nothing there
        splits = min(splits, tl.cdiv(start_m + BLOCK_M, BLOCK_N))
    dq = tl.zeros([BLOCK_M, BLOCK_D], dtype=tl.float32)
    for split in range(splits):
        dq += tl.load(dq_parts_ptr + split * n_heads * n_ctx * head_size + offsets, mask=mask, other=0.0)
    tl.store(dq_ptr + offsets, (dq * scale).to(dq_ptr.dtype.element_ty), mask=mask)


def attention_forward(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool, scale: float, precision: str = "ieee"
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (out, log-sum-exp in base 2); precision, "ieee" or "tf32", is for float32 inputs."""
    batch, n_heads, n_ctx, head_size = q.shape
    if k.shape != q.shape or v.shape != q.shape:
        raise ValueError(f"q {tuple(q.shape)}, k {tuple(k.shape)} and v {tuple(v.shape)} must have one shape")
    if head_size > 128:
        raise ValueError(f"head size {head_size} is above 128")
    out = torch.empty((batch, n_heads, n_ctx, head_size), device=q.device, dtype=q.dtype)
    lse = torch.empty((batch, n_heads, n_ctx), device=q.device, dtype=torch.float32)
    block_m, block_n = (64, 64) if q.dtype == torch.float32 else (128, 64)
    grid = (triton.cdiv(n_ctx, block_m), batch * n_heads)
    forward_kernel[grid](
        q,
        k,
        v,
        out,
        lse,
        scale * LOG2_E,
        *q.stride()[:3],
        *k.stride()[:3],
        *v.stride()[:3],
        *out.stride()[:3],
        n_heads,
        n_ctx,
        head_size,
        BLOCK_M=block_m,
        BLOCK_N=block_n,
        BLOCK_D=max(16, triton.next_power_of_2(head_size)),
        CAUSAL=causal,
        PRECISION=precision,
        num_warps=4 if head_size <= 64 else 8,
        num_stages=3,
    )
    return out, lse


def attention_backward(
    dout: torch.Tensor,
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    out: torch.Tensor,
    lse: torch.Tensor,
    causal: bool,
    scale: float,
    precision: str = "ieee",
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return (dq, dk, dv) for the gradient dout of the output; out and lse are those of the forward."""
    batch, n_heads, n_ctx, head_size = q.shape
    dout, q, k, v, out = (tensor.contiguous() for tensor in (dout, q, k, v, out))
    dq, dk, dv = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
    delta = torch.empty_like(lse)
    block_d = max(16, triton.next_power_of_2(head_size))
    n_rows = delta.numel()
    delta_kernel[(triton.cdiv(n_rows, 64),)](out, dout, delta, n_rows, head_size, BLOCK_M=64, BLOCK_D=block_d)
    block_m, block_n = 64, 128
    splits = min(triton.cdiv(n_ctx, block_n), triton.cdiv(BACKWARD_PROGRAMS, batch * n_heads))
    dq_parts = torch.empty((splits, *q.shape), device=q.device, dtype=torch.float32)
    meta = {"BLOCK_M": block_m, "BLOCK_N": block_n, "BLOCK_D": block_d, "CAUSAL": causal}
    backward_kernel[(splits, batch * n_heads)](
        q, k, v, dout, dq_parts, dk, dv, lse, delta, scale, scale * LOG2_E, n_ctx, head_size,
        **meta, PRECISION=precision, num_warps=4, num_stages=2,
    )  # fmt: skip
    sum_parts_kernel[(triton.cdiv(n_ctx, block_m), batch * n_heads)](
        dq_parts, dq, scale, n_ctx, head_size, splits, **meta
    )
    return dq, dk, dv


class FlashAttention(torch.autograd.Function):
    """The two directions as one differentiable function: FlashAttention.apply(q, k, v, causal, scale)."""

    @staticmethod
    def forward(ctx, q, k, v, causal, scale):
        out, lse = attention_forward(q, k, v, causal, scale)
        ctx.save_for_backward(q, k, v, out, lse)
        ctx.causal, ctx.scale = causal, scale
        return out

    @staticmethod
    def backward(ctx, dout):
        return *attention_backward(dout, *ctx.saved_tensors, ctx.causal, ctx.scale), None, None


def main() -> None:
    torch.manual_seed(0)
    shape, scale = (1, 2, 128, 64), 0.125
    q, k, v = (torch.randn(shape, dtype=torch.float16).requires_grad_() for _ in range(3))
    dout = torch.randn(shape, dtype=torch.float16)
    for causal in (False, True):
        wide = [tensor.detach().double().requires_grad_() for tensor in (q, k, v)]
        reference = torch.nn.functional.scaled_dot_product_attention(*wide, is_causal=causal, scale=scale)
        expected = [reference, *torch.autograd.grad(reference, wide, dout.double())]
        out = FlashAttention.apply(q, k, v, causal, scale)
        got = [out, *torch.autograd.grad(out, (q, k, v), dout)]
        for ours, theirs in zip(got, expected, strict=True):
            torch.testing.assert_close(ours.double(), theirs, rtol=2e-2, atol=1e-2)
        errors = ", ".join(f"{(a - b).abs().max():.2e}" for a, b in zip(got, expected, strict=True))
        print(f"flash_attention: {shape} float16, causal {causal}, largest errors of out, dq, dk, dv: {errors}")


if __name__ == "__main__":
    main()
