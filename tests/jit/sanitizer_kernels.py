"""Kernels with one planted mistake each, on the line that ends in BUG, and sound ones. Not tests."""

import triton
import triton.language as tl


@triton.jit
def load_past_end(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets)  # BUG
    tl.store(out_ptr + offsets, x, mask=offsets < n)


@triton.jit
def store_past_end(x_ptr, n, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(x_ptr + offsets, 1.0, mask=offsets <= n)  # BUG


@triton.jit
def load_before_start(x_ptr, out_ptr, BLOCK: tl.constexpr):
    offsets = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets - 1)  # BUG
    tl.store(out_ptr + offsets, x)


@triton.jit
def scalar_load(x_ptr, out_ptr, n):
    tl.store(out_ptr, tl.load(x_ptr + n))  # BUG


@triton.jit
def scalar_store(out_ptr, n):
    tl.store(out_ptr + n, 3.0)  # BUG


@triton.jit
def atomic_past_end(out_ptr, BLOCK: tl.constexpr):
    tl.atomic_add(out_ptr + tl.arange(0, BLOCK), 1.0)  # BUG


@triton.jit
def gather_past_end(x_ptr, indices_ptr, out_ptr, BLOCK: tl.constexpr):
    lane = tl.arange(0, BLOCK)
    chosen = tl.load(indices_ptr + lane)
    x = tl.load(x_ptr + chosen)  # BUG
    tl.store(out_ptr + lane, x)


@triton.jit
def rows_past_end(x_ptr, out_ptr, columns, M: tl.constexpr, N: tl.constexpr):
    row, column = tl.arange(0, M)[:, None], tl.arange(0, N)[None, :]
    x = tl.load(x_ptr + row * columns + column, mask=column < columns, other=0.0)  # BUG
    tl.store(out_ptr + tl.arange(0, M), tl.sum(x, axis=1))


@triton.jit
def loop_past_end(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    pointers = x_ptr + tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), tl.float32)
    for _ in range(0, tl.cdiv(n, BLOCK)):
        total += tl.load(pointers)  # BUG
        pointers += BLOCK
    tl.store(out_ptr + tl.arange(0, BLOCK), total)


@triton.jit
def descriptor_past_end(x_ptr, out_ptr, rows, N: tl.constexpr):
    descriptor = tl.make_tensor_descriptor(x_ptr, [rows, N], [N, 1], [4, N])
    x = descriptor.load([4, 0])  # BUG
    tl.store(out_ptr + tl.arange(0, N), tl.sum(x, axis=0))


@triton.jit
def _fetch(pointer, offsets):
    return tl.load(pointer + offsets)  # BUG


@triton.jit
def helper_past_end(x_ptr, out_ptr, BLOCK: tl.constexpr):
    offsets = tl.arange(0, BLOCK)
    tl.store(out_ptr + offsets, _fetch(x_ptr, offsets))


@triton.jit
def copy(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets, mask=offsets < n)  # BUG
    tl.store(out_ptr + offsets, x, mask=offsets < n)


@triton.jit
def through_table(table_ptr, out_ptr):
    pointer = tl.load(table_ptr).to(tl.pointer_type(tl.float32))
    tl.store(out_ptr, tl.load(pointer))  # BUG


@triton.jit
def misaligned(x_ptr, out_ptr):
    pointer = (x_ptr + 2).to(tl.pointer_type(tl.float32))
    tl.store(out_ptr, tl.load(pointer))  # BUG


@triton.jit
def all_write_one_place(out_ptr):
    tl.store(out_ptr, tl.program_id(0).to(tl.float32))  # BUG


@triton.jit
def overlapping_blocks(out_ptr, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * (BLOCK - 1) + tl.arange(0, BLOCK)
    tl.store(out_ptr + offsets, 1.0)  # BUG


@triton.jit
def reads_neighbours_result(x_ptr, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets + 1)  # BUG
    tl.debug_barrier()
    tl.store(x_ptr + offsets, x)  # BUG


@triton.jit
def plain_store_beside_atomics(out_ptr):
    tl.atomic_add(out_ptr, 1.0, sem="relaxed")  # BUG
    if tl.program_id(0) == 0:
        tl.store(out_ptr, 0.0)  # BUG


@triton.jit
def row_times_stride(x_ptr, out_ptr, row, stride, BLOCK: tl.constexpr):
    start = row * stride  # BUG
    offsets = tl.arange(0, BLOCK)
    tl.store(out_ptr + offsets, tl.load(x_ptr + start + offsets, mask=offsets < 0, other=0.0))


@triton.jit
def column_times_stride(out_ptr, stride, BLOCK: tl.constexpr):
    offsets = tl.arange(0, BLOCK) * stride  # BUG
    tl.store(out_ptr + offsets, 1.0, mask=offsets == 0)


@triton.jit
def asserts(x_ptr, BLOCK: tl.constexpr):
    x = tl.load(x_ptr + tl.arange(0, BLOCK))
    tl.device_assert(x < 3, "x is too large")  # BUG


@triton.jit
def never_true(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    offsets = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets)
    tl.store(out_ptr + offsets, x, mask=offsets >= n)  # BUG


@triton.jit
def divides_by_zero(x_ptr, out_ptr, BLOCK: tl.constexpr):
    offsets = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets)
    tl.store(out_ptr + offsets, 1.0 / x)  # BUG


@triton.jit
def narrows_too_much(x_ptr, out_ptr, BLOCK: tl.constexpr):
    offsets = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets).to(tl.float16)  # BUG
    tl.store(out_ptr + offsets, x)


# ---- sound ones --------------------------------------------------------------------------------------------------


@triton.jit
def under_a_lock(lock_ptr, total_ptr, x_ptr, BLOCK: tl.constexpr):
    offsets = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + tl.program_id(0) * BLOCK + offsets)
    while tl.atomic_cas(lock_ptr, 0, 1) == 1:
        pass
    tl.store(total_ptr + offsets, tl.load(total_ptr + offsets) + x)
    tl.debug_barrier()
    tl.atomic_xchg(lock_ptr, 0)


@triton.jit
def last_one_sums(x_ptr, partial_ptr, count_ptr, out_ptr, PROGRAMS: tl.constexpr, BLOCK: tl.constexpr):
    pid = tl.program_id(0)
    tl.store(partial_ptr + pid, tl.sum(tl.load(x_ptr + pid * BLOCK + tl.arange(0, BLOCK))))
    tl.debug_barrier()
    if tl.atomic_add(count_ptr, 1) == PROGRAMS - 1:
        tl.store(out_ptr, tl.sum(tl.load(partial_ptr + tl.arange(0, PROGRAMS))))


@triton.jit
def in_place(x_ptr, n, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets, mask=offsets < n)
    tl.store(x_ptr + offsets, x * 2, mask=offsets < n)


@triton.jit
def counts(x_ptr, out_ptr, BLOCK: tl.constexpr):
    x = tl.load(x_ptr + tl.program_id(0) * BLOCK + tl.arange(0, BLOCK))
    tl.atomic_add(out_ptr + x, 1)
