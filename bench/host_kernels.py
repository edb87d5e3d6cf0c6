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
