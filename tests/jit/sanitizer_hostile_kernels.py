"""Kernels with planted mistakes (lines that end in BUG) in forms that are hard to see, and sound ones. Not tests."""

import triton
import triton.language as tl


@triton.jit
def behind_table(table_ptr, out_ptr, offset, BLOCK: tl.constexpr):
    program = tl.program_id(0)
    pointer = tl.load(table_ptr + program).to(tl.pointer_type(tl.float32))
    at = tl.arange(0, BLOCK)
    x = tl.load(pointer + offset + at)  # BUG
    tl.store(out_ptr + program * BLOCK + at, x)


@triton.jit
def walks_behind_table(table_ptr, out_ptr, n, BLOCK: tl.constexpr):
    pointer = tl.load(table_ptr).to(tl.pointer_type(tl.float32))
    total = tl.zeros((BLOCK,), tl.float32)
    for _ in range(0, n, BLOCK):
        total += tl.load(pointer + tl.arange(0, BLOCK))  # BUG
        pointer += BLOCK
    tl.store(out_ptr + tl.arange(0, BLOCK), total)


@triton.jit
def writes_some(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out_ptr + at, tl.load(x_ptr + at, mask=at < n, other=0), mask=at < n)


@triton.jit
def reads_all(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at, mask=at < n, other=0)  # BUG
    tl.store(out_ptr + at, x.to(tl.float32), mask=at < n)


@triton.jit
def turn_never_comes(flag_ptr, out_ptr, n):
    program = tl.program_id(0)
    while tl.atomic_add(flag_ptr, 0) != program:  # BUG
        pass
    tl.store(out_ptr + program, 1.0)
    tl.debug_barrier()
    tl.atomic_xchg(flag_ptr, program + 1, mask=program < n)


@triton.jit
def lets_go_outside(lock_ptr, out_ptr):
    while tl.atomic_cas(lock_ptr, 0, 1) == 1:  # BUG
        pass
    tl.store(out_ptr, tl.load(out_ptr) + 1)
    tl.debug_barrier()
    tl.atomic_xchg(lock_ptr + 1, 0)  # BUG


@triton.jit
def product(a_ptr, b_ptr, out_ptr, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr, OUT: tl.constexpr):
    m, n, k = tl.arange(0, M), tl.arange(0, N), tl.arange(0, K)
    a = tl.load(a_ptr + m[:, None] * K + k[None, :])
    b = tl.load(b_ptr + k[:, None] * N + n[None, :])
    out = tl.dot(a, b, input_precision="ieee", out_dtype=OUT)  # BUG
    tl.store(out_ptr + m[:, None] * N + n[None, :], out)


@triton.jit
def product_in_loop(a_ptr, b_ptr, out_ptr, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr, STEP: tl.constexpr):
    m, n, k = tl.arange(0, M), tl.arange(0, N), tl.arange(0, STEP)
    total = tl.zeros((M, N), tl.float32)
    for start in range(0, K, STEP):
        a = tl.load(a_ptr + m[:, None] * K + start + k[None, :])
        b = tl.load(b_ptr + (start + k[:, None]) * N + n[None, :])
        total = tl.dot(a, b, total, input_precision="ieee")  # BUG
    tl.store(out_ptr + m[:, None] * N + n[None, :], total)


@triton.jit
def scaled_product(a_ptr, a_scale_ptr, b_ptr, b_scale_ptr, out_ptr, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr):
    m, n, k, g = tl.arange(0, M), tl.arange(0, N), tl.arange(0, K), tl.arange(0, K // 32)
    a = tl.load(a_ptr + m[:, None] * K + k[None, :])
    b = tl.load(b_ptr + k[:, None] * N + n[None, :])
    a_scale = tl.load(a_scale_ptr + m[:, None] * (K // 32) + g[None, :])
    b_scale = tl.load(b_scale_ptr + n[:, None] * (K // 32) + g[None, :])
    out = tl.dot_scaled(a, a_scale, "e5m2", b, b_scale, "e5m2")  # BUG
    tl.store(out_ptr + m[:, None] * N + n[None, :], out)


@triton.jit
def row_sums(x_ptr, out_ptr, M: tl.constexpr, N: tl.constexpr):
    m, n = tl.arange(0, M), tl.arange(0, N)
    x = tl.load(x_ptr + m[:, None] * N + n[None, :])
    tl.store(out_ptr + m, tl.sum(x, axis=1))  # BUG


@triton.jit
def fp8_quotient(x_ptr, out_ptr, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at)
    tl.store(out_ptr + at, (x / x).to(tl.float32))  # BUG


@triton.jit
def block_pointer(x_ptr, out_ptr, M, N, row, BM: tl.constexpr, BN: tl.constexpr):
    source = tl.make_block_ptr(x_ptr, (M, N), (N, 1), (row, 0), (BM, BN), (1, 0))
    x = tl.load(source)  # BUG
    target = tl.make_block_ptr(out_ptr, (BM, BN), (BN, 1), (0, 0), (BM, BN), (1, 0))
    tl.store(target, x)


@triton.jit
def checked_block_pointer(x_ptr, out_ptr, M, N, row, BM: tl.constexpr, BN: tl.constexpr):
    source = tl.make_block_ptr(x_ptr, (M, N), (N, 1), (row, 0), (BM, BN), (1, 0))
    x = tl.load(source, boundary_check=(0, 1), padding_option="zero")
    target = tl.make_block_ptr(out_ptr, (BM, BN), (BN, 1), (0, 0), (BM, BN), (1, 0))
    tl.store(target, x)


@triton.jit
def descriptor_store(x_ptr, M, N, row, BM: tl.constexpr, BN: tl.constexpr):
    descriptor = tl.make_tensor_descriptor(x_ptr, [M, N], [N, 1], [BM, BN])
    descriptor.store([row, 0], tl.full((BM, BN), 1.0, tl.float32))  # BUG


@triton.jit
def backwards(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + n - at)  # BUG
    tl.store(out_ptr + at, x)


@triton.jit
def strided(x_ptr, out_ptr, rows, columns, row_stride, column_stride, BM: tl.constexpr, BN: tl.constexpr):
    m, n = tl.arange(0, BM)[:, None], tl.arange(0, BN)[None, :]
    x = tl.load(x_ptr + m * row_stride + n * column_stride, mask=(m < rows) & (n <= columns))  # BUG
    tl.store(out_ptr + m * BN + n, x)


@triton.jit
def unpack_int4(x_ptr, out_ptr, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at)  # BUG
    low, high = x & 15, x >> 4 & 15
    tl.store(out_ptr + tl.arange(0, 2 * BLOCK), tl.interleave(low, high))


@triton.jit
def exchange(lock_ptr, BLOCK: tl.constexpr):
    zero = tl.zeros((BLOCK,), tl.int32)
    tl.atomic_cas(lock_ptr + tl.arange(0, BLOCK) - 1, zero, zero + 1)  # BUG


@triton.jit
def turns_in_a_row(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at % n)  # BUG
    tl.store(out_ptr + at, x)


@triton.jit
def wide_blocks(x_ptr, out_ptr, n, shift, BLOCK: tl.constexpr):
    at = tl.program_id(0) * (BLOCK - shift) + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at, mask=at < n, other=0)
    tl.store(out_ptr + at, x, mask=at < n)  # BUG


@triton.jit
def scatters(index_ptr, out_ptr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out_ptr + tl.load(index_ptr + at), at)  # BUG


@triton.jit
def fills_what_it_reads(x_ptr, limit, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at, mask=(at & 1) == limit, other=0)  # BUG
    tl.store(x_ptr + at, x)
