"""C = alpha * A @ B + beta * D for batches of matrices with any strides; sums of a batch's products. Not here: which
tensors these are.

Shapes: A (M, K), B (K, N), C and D (M, N); D's strides may be 0. Accumulates in fp32.
"""

from __future__ import annotations

from dataclasses import dataclass

import triton
import triton.language as tl


@dataclass(frozen=True, kw_only=True)
class Tile:
    """Block sizes of a product and what a block holds."""

    m: int
    n: int
    k: int
    num_warps: int
    num_stages: int


TILES = (
    Tile(m=128, n=128, k=32, num_warps=8, num_stages=3),
    Tile(m=128, n=64, k=32, num_warps=4, num_stages=3),
    Tile(m=64, n=64, k=32, num_warps=4, num_stages=3),
    Tile(m=32, n=32, k=32, num_warps=4, num_stages=3),
    Tile(m=16, n=16, k=128, num_warps=4, num_stages=3),
)
"""From the one that reuses most to the smallest, which reads long runs: products of few rows wait for memory alone."""

HOST_TILES = (
    Tile(m=64, n=256, k=64, num_warps=8, num_stages=3),
    Tile(m=64, n=64, k=32, num_warps=4, num_stages=3),
    Tile(m=32, n=32, k=32, num_warps=4, num_stages=3),
    Tile(m=16, n=16, k=32, num_warps=2, num_stages=3),
)
"""The same where only the host's speed counts: wide rows of the result stay in its vector registers."""


def choose(m: int, n: int, batch: int, unit_count: int, tiles: tuple[Tile, ...] = TILES) -> Tile:
    """The largest tile that gives each of `unit_count` units (CUs, or the host's threads) a block and is not mostly
    padding; else the best filler.
    """
    fitting = [tile for tile in tiles if tile.m <= max(16, 2 * m - 1) and tile.n <= max(16, 2 * n - 1)] or [tiles[-1]]
    for tile in fitting:
        if triton.cdiv(m, tile.m) * triton.cdiv(n, tile.n) * batch >= unit_count:
            return tile
    return fitting[-1] if fitting[-1].m >= 32 else fitting[max(0, len(fitting) - 2)]


@triton.jit
def grouped_block(M, N, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, GROUP_M: tl.constexpr):
    """(rows, columns) of the program's block of C; groups of GROUP_M block rows go through all columns together."""
    block_rows, block_columns = tl.cdiv(M, BLOCK_M), tl.cdiv(N, BLOCK_N)
    group = tl.program_id(0) // (GROUP_M * block_columns)
    first = group * GROUP_M
    height = tl.minimum(block_rows - first, GROUP_M)
    inside = tl.program_id(0) % (GROUP_M * block_columns)
    rows = (first + inside % height) * BLOCK_M + tl.arange(0, BLOCK_M)
    return rows, (inside // height) * BLOCK_N + tl.arange(0, BLOCK_N)


@triton.jit
def add_product(total, a, b, PRECISION: tl.constexpr):
    """total + a @ b; "bf16" rounds operands of fp32 first."""
    if PRECISION == "bf16":
        total = tl.dot(a.to(tl.bfloat16), b.to(tl.bfloat16), total)
    else:
        total = tl.dot(a, b, total, input_precision=PRECISION)
    return total


@triton.jit
def _with_product(
    total, a_at, b_at, depth, K, a_k, b_k, PRECISION: tl.constexpr, BLOCK_K: tl.constexpr
):  # fmt: skip
    """`total` and the product of a block's rows of A and columns of B along all of K."""
    for done in range(0, K, BLOCK_K):
        a = tl.load(a_at, mask=depth[None, :] < K - done, other=0.0)
        b = tl.load(b_at, mask=depth[:, None] < K - done, other=0.0)
        total = add_product(total, a, b, PRECISION)
        a_at += BLOCK_K * a_k
        b_at += BLOCK_K * b_k
    return total


@triton.jit
def matrix_product(
    a_ptr, b_ptr, d_ptr, c_ptr, alpha, beta, M, N, K,
    a_batch, a_m, a_k, b_batch, b_k, b_n, d_batch, d_m, d_n, c_batch, c_m, c_n,
    ADDS: tl.constexpr, PRECISION: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, GROUP_M: tl.constexpr,
):  # fmt: skip
    """One block of C; programs of a group of GROUP_M block rows share B's columns in L2."""
    batch = tl.program_id(1).to(tl.int64)
    rows, columns = grouped_block(M, N, BLOCK_M, BLOCK_N, GROUP_M)
    depth = tl.arange(0, BLOCK_K)
    a_at = a_ptr + batch * a_batch + (rows % M)[:, None] * a_m + depth[None, :] * a_k
    b_at = b_ptr + batch * b_batch + depth[:, None] * b_k + (columns % N)[None, :] * b_n
    total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    total = _with_product(total, a_at, b_at, depth, K, a_k, b_k, PRECISION, BLOCK_K)
    result = total * alpha
    mask = (rows < M)[:, None] & (columns < N)[None, :]
    if ADDS:
        d_at = d_ptr + batch * d_batch + rows[:, None] * d_m + columns[None, :] * d_n
        result += beta * tl.load(d_at, mask=mask, other=0.0).to(tl.float32)
    c_at = c_ptr + batch * c_batch + rows.to(tl.int64)[:, None] * c_m + columns[None, :] * c_n
    tl.store(c_at, result.to(c_ptr.dtype.element_ty), mask=mask)


@triton.jit
def summed_product(
    a_ptr, b_ptr, c_ptr, M, N, K, batches, chunk, a_batch, a_m, a_k, b_batch, b_k, b_n, c_split, c_m, c_n,
    PRECISION: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """C[split] = the sum of the products A[i] @ B[i] of a split's `chunk` of the batch, a block of it; neighbouring
    blocks share B's columns.
    """
    block_rows = tl.cdiv(M, BLOCK_M)
    rows = (tl.program_id(0) % block_rows) * BLOCK_M + tl.arange(0, BLOCK_M)
    columns = (tl.program_id(0) // block_rows) * BLOCK_N + tl.arange(0, BLOCK_N)
    depth = tl.arange(0, BLOCK_K)
    first = tl.program_id(1) * chunk
    total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for number in range(first, tl.minimum(first + chunk, batches)):
        batch = tl.cast(number, tl.int64)
        a_at = a_ptr + batch * a_batch + (rows % M)[:, None] * a_m + depth[None, :] * a_k
        b_at = b_ptr + batch * b_batch + depth[:, None] * b_k + (columns % N)[None, :] * b_n
        total = _with_product(total, a_at, b_at, depth, K, a_k, b_k, PRECISION, BLOCK_K)
    mask = (rows < M)[:, None] & (columns < N)[None, :]
    c_at = c_ptr + tl.program_id(1).to(tl.int64) * c_split + rows.to(tl.int64)[:, None] * c_m + columns[None, :] * c_n
    tl.store(c_at, total.to(c_ptr.dtype.element_ty), mask=mask)
