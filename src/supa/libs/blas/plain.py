"""C = alpha * A @ B + beta * D in fp64 and whole numbers, which no matrix unit takes: the vector units do it.

Shapes and strides as in `product`; alpha and beta are each the sum of three numbers in fp32. COMPUTE is fp64 or int64.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def plain_product(
    a_ptr, b_ptr, d_ptr, c_ptr, alpha0, alpha1, alpha2, beta0, beta1, beta2, M, N, K,
    a_batch, a_m, a_k, b_batch, b_k, b_n, d_batch, d_m, d_n, c_batch, c_m, c_n,
    ADDS: tl.constexpr, COMPUTE: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """One block of C as a sum of outer products."""
    batch = tl.program_id(2).to(tl.int64)
    rows = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    columns = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    a_at = a_ptr + batch * a_batch + rows.to(tl.int64) * a_m
    b_at = b_ptr + batch * b_batch + columns.to(tl.int64) * b_n
    total = tl.zeros((BLOCK_M, BLOCK_N), COMPUTE)
    for _ in range(0, K):
        a = tl.load(a_at, mask=rows < M, other=0).to(COMPUTE)
        b = tl.load(b_at, mask=columns < N, other=0).to(COMPUTE)
        total += a[:, None] * b[None, :]
        a_at += a_k
        b_at += b_k
    zero = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    total *= (zero + alpha0).to(COMPUTE) + (zero + alpha1).to(COMPUTE) + (zero + alpha2).to(COMPUTE)
    mask = (rows < M)[:, None] & (columns < N)[None, :]
    if ADDS:
        beta = (zero + beta0).to(COMPUTE) + (zero + beta1).to(COMPUTE) + (zero + beta2).to(COMPUTE)
        d_at = d_ptr + batch * d_batch + rows.to(tl.int64)[:, None] * d_m + columns[None, :] * d_n
        total += beta * tl.load(d_at, mask=mask, other=0).to(COMPUTE)
    c_at = c_ptr + batch * c_batch + rows.to(tl.int64)[:, None] * c_m + columns[None, :] * c_n
    tl.store(c_at, total.to(c_ptr.dtype.element_ty), mask=mask)
