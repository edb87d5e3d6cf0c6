"""Triton kernels that bench.host times, as GPU authors write them. Not the twelve example programs."""

import triton
import triton.language as tl


@triton.jit
def add_kernel(x, y, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < n
    tl.store(out + i, tl.load(x + i, mask=inside) + tl.load(y + i, mask=inside), mask=inside)


@triton.jit
def gelu_kernel(x, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < n
    v = tl.load(x + i, mask=inside).to(tl.float32)
    tl.store(out + i, 0.5 * v * (1 + tl.erf(v * 0.7071067811865476)), mask=inside)


@triton.jit
def silu_mul_kernel(x, y, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < n
    v = tl.load(x + i, mask=inside).to(tl.float32)
    tl.store(out + i, v * tl.sigmoid(v) * tl.load(y + i, mask=inside).to(tl.float32), mask=inside)


@triton.jit
def chain_kernel(x, y, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < n
    a, b = tl.load(x + i, mask=inside), tl.load(y + i, mask=inside)
    c = (a * b + a) * 0.5 - b
    tl.store(out + i, tl.maximum(c, 0.0) + a, mask=inside)


@triton.jit
def row_sum_kernel(x, out, columns, BLOCK: tl.constexpr):
    row, i = tl.program_id(0), tl.arange(0, BLOCK)
    v = tl.load(x + row * columns + i, mask=i < columns, other=0.0).to(tl.float32)
    tl.store(out + row, tl.sum(v, 0))


@triton.jit
def row_max_kernel(x, out, columns, BLOCK: tl.constexpr):
    row, i = tl.program_id(0), tl.arange(0, BLOCK)
    v = tl.load(x + row * columns + i, mask=i < columns, other=-float("inf"))
    tl.store(out + row, tl.max(v, 0))


@triton.jit
def column_sum_kernel(x, out, rows, columns, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr):
    j = tl.program_id(0) * BLOCK_C + tl.arange(0, BLOCK_C)
    total = tl.zeros((BLOCK_C,), dtype=tl.float32)
    for start in range(0, rows, BLOCK_R):
        i = start + tl.arange(0, BLOCK_R)
        inside = (i[:, None] < rows) & (j[None, :] < columns)
        total += tl.sum(tl.load(x + i[:, None] * columns + j[None, :], mask=inside, other=0.0).to(tl.float32), 0)
    tl.store(out + j, total, mask=j < columns)


@triton.jit
def rms_norm_kernel(x, weight, out, columns, eps, BLOCK: tl.constexpr):
    row, i = tl.program_id(0), tl.arange(0, BLOCK)
    inside = i < columns
    v = tl.load(x + row * columns + i, mask=inside, other=0.0).to(tl.float32)
    scale = tl.rsqrt(tl.sum(v * v, 0) / columns + eps)
    tl.store(out + row * columns + i, v * scale * tl.load(weight + i, mask=inside).to(tl.float32), mask=inside)


@triton.jit
def cross_entropy_kernel(logits, labels, out, columns, BLOCK: tl.constexpr):
    row, i = tl.program_id(0), tl.arange(0, BLOCK)
    v = tl.load(logits + row * columns + i, mask=i < columns, other=-float("inf")).to(tl.float32)
    top = tl.max(v, 0)
    label = tl.load(labels + row)
    chosen = tl.load(logits + row * columns + label).to(tl.float32)
    tl.store(out + row, tl.log(tl.sum(tl.exp(v - top), 0)) + top - chosen)


@triton.jit
def embedding_kernel(table, ids, out, width, BLOCK: tl.constexpr):
    row, i = tl.program_id(0), tl.arange(0, BLOCK)
    inside = i < width
    source = tl.load(ids + row) * width
    tl.store(out + row * width + i, tl.load(table + source + i, mask=inside), mask=inside)


@triton.jit
def gather_kernel(x, index, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < n
    tl.store(out + i, tl.load(x + tl.load(index + i, mask=inside), mask=inside), mask=inside)


@triton.jit
def scatter_kernel(x, index, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < n
    tl.store(out + tl.load(index + i, mask=inside), tl.load(x + i, mask=inside), mask=inside)


@triton.jit
def scatter_add_kernel(x, index, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < n
    tl.atomic_add(out + tl.load(index + i, mask=inside), tl.load(x + i, mask=inside), mask=inside)


@triton.jit
def column_cumsum_kernel(x, out, rows, columns, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr):
    j = tl.program_id(0) * BLOCK_C + tl.arange(0, BLOCK_C)
    carried = tl.zeros((BLOCK_C,), dtype=tl.float32)
    for start in range(0, rows, BLOCK_R):
        i = start + tl.arange(0, BLOCK_R)
        inside = (i[:, None] < rows) & (j[None, :] < columns)
        places = i[:, None] * columns + j[None, :]
        v = tl.load(x + places, mask=inside, other=0.0)
        tl.store(out + places, tl.cumsum(v, 0) + carried[None, :], mask=inside)
        carried += tl.sum(v, 0)


@triton.jit
def int8_matmul_kernel(a, b, c, m, n, depth, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr):
    across = tl.cdiv(n, BLOCK_N)
    i = tl.program_id(0) // across * BLOCK_M + tl.arange(0, BLOCK_M)
    j = tl.program_id(0) % across * BLOCK_N + tl.arange(0, BLOCK_N)
    at = tl.arange(0, BLOCK_K)
    total = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.int32)
    for start in range(0, depth, BLOCK_K):
        p = start + at
        left = tl.load(a + i[:, None] * depth + p[None, :], mask=(i[:, None] < m) & (p[None, :] < depth), other=0)
        right = tl.load(b + p[:, None] * n + j[None, :], mask=(p[:, None] < depth) & (j[None, :] < n), other=0)
        total = tl.dot(left, right, total, out_dtype=tl.int32)
    tl.store(c + i[:, None] * n + j[None, :], total, mask=(i[:, None] < m) & (j[None, :] < n))


@triton.jit
def strided_copy_kernel(x, out, rows, columns, stride_r, stride_c, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    j = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = (i[:, None] < rows) & (j[None, :] < columns)
    v = tl.load(x + i[:, None] * stride_r + j[None, :] * stride_c, mask=inside)
    tl.store(out + i[:, None] * columns + j[None, :], v, mask=inside)


@triton.jit
def one_softmax_kernel(x, out, n, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    v = tl.load(x + i, mask=i < n, other=-float("inf"))
    e = tl.exp(v - tl.max(v, 0))
    tl.store(out + i, e / tl.sum(e, 0), mask=i < n)


@triton.jit
def one_cumsum_kernel(x, out, n, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    tl.store(out + i, tl.cumsum(tl.load(x + i, mask=i < n, other=0.0), 0), mask=i < n)


@triton.jit
def small_products_kernel(a, b, c, N: tl.constexpr, PRECISION: tl.constexpr):
    i, j = tl.arange(0, N)[:, None], tl.arange(0, N)[None, :]
    at = tl.program_id(0).to(tl.int64) * N * N + i * N + j
    product = tl.dot(tl.load(a + at), tl.load(b + at), input_precision=PRECISION)
    tl.store(c + at, product.to(c.dtype.element_ty))


@triton.jit
def split_k_kernel(a, b, c, m, n, depth, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr):
    """Programs along axis 1 share a tile of the result, which begins as zeros."""
    across = tl.cdiv(n, BLOCK_N)
    i = tl.program_id(0) // across * BLOCK_M + tl.arange(0, BLOCK_M)
    j = tl.program_id(0) % across * BLOCK_N + tl.arange(0, BLOCK_N)
    total = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    for start in range(tl.program_id(1) * BLOCK_K, depth, tl.num_programs(1) * BLOCK_K):
        p = start + tl.arange(0, BLOCK_K)
        left = tl.load(a + i[:, None] * depth + p[None, :], mask=(i[:, None] < m) & (p[None, :] < depth), other=0)
        right = tl.load(b + p[:, None] * n + j[None, :], mask=(p[:, None] < depth) & (j[None, :] < n), other=0)
        total = tl.dot(left, right, total, input_precision="ieee")
    tl.atomic_add(c + i[:, None] * n + j[None, :], total, mask=(i[:, None] < m) & (j[None, :] < n))


@triton.jit
def persistent_kernel(a, b, c, m, n, depth, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr):
    """Each program takes every so many tiles of the result."""
    across = tl.cdiv(n, BLOCK_N)
    for tile in range(tl.program_id(0), tl.cdiv(m, BLOCK_M) * across, tl.num_programs(0)):
        i = tile // across * BLOCK_M + tl.arange(0, BLOCK_M)
        j = tile % across * BLOCK_N + tl.arange(0, BLOCK_N)
        total = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
        for start in range(0, depth, BLOCK_K):
            p = start + tl.arange(0, BLOCK_K)
            left = tl.load(a + i[:, None] * depth + p[None, :], mask=(i[:, None] < m) & (p[None, :] < depth), other=0)
            right = tl.load(b + p[:, None] * n + j[None, :], mask=(p[:, None] < depth) & (j[None, :] < n), other=0)
            total = tl.dot(left, right, total, input_precision="ieee")
        tl.store(
            c + i[:, None] * n + j[None, :], total.to(c.dtype.element_ty), mask=(i[:, None] < m) & (j[None, :] < n)
        )


@triton.jit
def descriptor_kernel(a, b, c, m, n, depth, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr):
    lefts = tl.make_tensor_descriptor(a, [m, depth], [depth, 1], [BLOCK_M, BLOCK_K])
    rights = tl.make_tensor_descriptor(b, [depth, n], [n, 1], [BLOCK_K, BLOCK_N])
    sums = tl.make_tensor_descriptor(c, [m, n], [n, 1], [BLOCK_M, BLOCK_N])
    across = tl.cdiv(n, BLOCK_N)
    i, j = tl.program_id(0) // across * BLOCK_M, tl.program_id(0) % across * BLOCK_N
    total = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    for start in range(0, depth, BLOCK_K):
        total = tl.dot(lefts.load([i, start]), rights.load([start, j]), total, input_precision="ieee")
    sums.store([i, j], total.to(c.dtype.element_ty))
