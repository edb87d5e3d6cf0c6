"""Well-known kernels without a mistake, in the forms in which people write them. Not tests."""

import triton
import triton.language as tl


@triton.jit
def transpose(x_ptr, out_ptr, M, N, BLOCK: tl.constexpr):
    row = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)[:, None]
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)[None, :]
    mask = (row < M) & (column < N)
    tile = tl.load(x_ptr + row * N + column, mask=mask)
    tl.store(out_ptr + column * M + row, tile, mask=mask)


@triton.jit
def split_k(a_ptr, b_ptr, c_ptr, M, N, K, BLOCK: tl.constexpr, SPLIT: tl.constexpr):
    row = (tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)) % M  # wraps, as the tutorials do
    column = (tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)) % N
    k = tl.program_id(2) * BLOCK + tl.arange(0, BLOCK)
    a_at = a_ptr + row[:, None] * K + k[None, :]
    b_at = b_ptr + k[:, None] * N + column[None, :]
    total = tl.zeros((BLOCK, BLOCK), tl.float32)
    for step in range(0, tl.cdiv(K, BLOCK * SPLIT)):
        left = K - step * BLOCK * SPLIT
        a = tl.load(a_at, mask=k[None, :] < left, other=0.0)
        b = tl.load(b_at, mask=k[:, None] < left, other=0.0)
        total += tl.dot(a, b, input_precision="ieee")
        a_at += BLOCK * SPLIT
        b_at += BLOCK * SPLIT * N
    row = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)[:, None]
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)[None, :]
    tl.atomic_add(c_ptr + row * N + column, total, mask=(row < M) & (column < N))


@triton.jit
def embedding(indices_ptr, table_ptr, out_ptr, width, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    index = tl.load(indices_ptr + row)
    at = tl.arange(0, BLOCK)
    values = tl.load(table_ptr + index * width + at, mask=at < width)
    tl.store(out_ptr + row * width + at, values, mask=at < width)


@triton.jit
def rms_norm_in_place(x_ptr, weight_ptr, width, eps, BLOCK: tl.constexpr):
    x_ptr += tl.program_id(0) * width
    at = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at, mask=at < width, other=0.0)
    scale = tl.rsqrt(tl.sum(x * x) / width + eps)
    tl.store(x_ptr + at, x * scale * tl.load(weight_ptr + at, mask=at < width), mask=at < width)


@triton.jit
def persistent_scale(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    for start in range(tl.program_id(0) * BLOCK, n, tl.num_programs(0) * BLOCK):
        at = start + tl.arange(0, BLOCK)
        tl.store(out_ptr + at, tl.load(x_ptr + at, mask=at < n) * 2, mask=at < n)


@triton.jit
def three_point(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    left = tl.load(x_ptr + at - 1, mask=(at > 0) & (at < n), other=0.0)
    right = tl.load(x_ptr + at + 1, mask=at < n - 1, other=0.0)
    tl.store(out_ptr + at, left + right, mask=at < n)


@triton.jit
def arrive_and_finish(x_ptr, partial_ptr, flags_ptr, out_ptr, BLOCK: tl.constexpr):
    """Each program adds to what the one before it has published: a chained scan with flags."""
    program = tl.program_id(0)
    at = program * BLOCK + tl.arange(0, BLOCK)
    sums = tl.cumsum(tl.load(x_ptr + at))
    before = 0.0
    if program > 0:
        while tl.atomic_add(flags_ptr + program - 1, 0, sem="acquire") == 0:
            pass
        before = tl.load(partial_ptr + program - 1)
    tl.store(partial_ptr + program, before + tl.max(sums))
    tl.debug_barrier()
    tl.atomic_xchg(flags_ptr + program, 1, sem="release")
    tl.store(out_ptr + at, before + sums)


@triton.jit
def hashed(x_ptr, out_ptr, slots, BLOCK: tl.constexpr):
    """Multiplication that is meant to wrap, cut to the table's size."""
    x = tl.load(x_ptr + tl.program_id(0) * BLOCK + tl.arange(0, BLOCK))
    tl.atomic_add(out_ptr + ((x * 1103515245 + 12345) & (slots - 1)), 1)


@triton.jit
def wide_rows(x_ptr, out_ptr, stride, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    tl.store(out_ptr + row * BLOCK + at, tl.load(x_ptr + row * stride * 0 + at))
