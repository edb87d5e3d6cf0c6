"""Indexing, scans, sorting and atomics of the collection: memory that data chooses."""

import torch
import triton
import triton.language as tl
from registry import blocks, case


@triton.jit
def gather_rows_kernel(x_ptr, index_ptr, out_ptr, width, BLOCK: tl.constexpr):
    row, at = tl.program_id(0), tl.arange(0, BLOCK)
    source = tl.load(index_ptr + row)
    tl.store(out_ptr + row * width + at, tl.load(x_ptr + source * width + at, at < width), at < width)


@case
def gather_rows():
    x, index = torch.randn(20, 33), torch.randint(0, 20, (50,))
    out = torch.empty(50, 33)
    gather_rows_kernel[(50,)](x, index, out, 33, BLOCK=64)
    return [(out, x[index])]


@triton.jit
def scatter_add_kernel(x_ptr, index_ptr, out_ptr, n, width, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    row, at = tl.program_id(0) * ROWS + tl.arange(0, ROWS), tl.arange(0, BLOCK)
    inside = (row < n)[:, None] & (at < width)[None, :]
    target = tl.load(index_ptr + row, row < n, other=0)
    x = tl.load(x_ptr + row[:, None] * width + at, inside, other=0.0)
    tl.atomic_add(out_ptr + target[:, None] * width + at, x, inside)


@case
def scatter_add_rows():
    x, index, out = torch.randn(60, 20), torch.randint(0, 7, (60,)), torch.zeros(7, 20)
    scatter_add_kernel[(8,)](x, index, out, 60, 20, ROWS=8, BLOCK=32)
    return [(out, torch.zeros(7, 20).index_add(0, index, x))]


@triton.jit
def compact_kernel(x_ptr, out_ptr, count_ptr, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at, at < n, other=0)
    keep = (x > 0) & (at < n)
    place = tl.cumsum(keep.to(tl.int32), 0) - 1
    tl.store(out_ptr + place, x, keep)
    tl.store(count_ptr, tl.sum(keep.to(tl.int32)))


@case
def stream_compaction():
    x, out, count = torch.randint(-50, 50, (400,)), torch.zeros(400, dtype=torch.int64), torch.zeros(1)
    compact_kernel[(1,)](x, out, count, 400, BLOCK=512)
    kept = x[x > 0]
    return [(out[: len(kept)], kept), (count, torch.tensor([float(len(kept))]))]


@triton.jit
def embedding_bag_kernel(table_ptr, index_ptr, offset_ptr, out_ptr, width, BLOCK: tl.constexpr):
    bag, at = tl.program_id(0), tl.arange(0, BLOCK)
    first, last = tl.load(offset_ptr + bag), tl.load(offset_ptr + bag + 1)
    total = tl.zeros([BLOCK], tl.float32)
    for position in range(first, last):
        row = tl.load(index_ptr + position)
        total += tl.load(table_ptr + row * width + at, at < width, other=0.0)
    tl.store(out_ptr + bag * width + at, total / tl.maximum(last - first, 1), at < width)


@case
def embedding_bag():
    table, index = torch.randn(30, 24), torch.randint(0, 30, (20,))
    offset, out = torch.tensor([0, 3, 3, 11, 20]), torch.empty(4, 24)
    embedding_bag_kernel[(4,)](table, index, offset, out, 24, BLOCK=32)
    expected = torch.nn.functional.embedding_bag(index, table, offset[:-1], mode="mean")
    return [(out, expected)]


@triton.jit
def one_hot_kernel(index_ptr, out_ptr, n, classes, ROWS: tl.constexpr, CLASSES: tl.constexpr):
    row, column = tl.program_id(0) * ROWS + tl.arange(0, ROWS), tl.arange(0, CLASSES)
    index = tl.load(index_ptr + row, row < n, other=-1)
    hot = (index[:, None] == column[None, :]).to(tl.int64)
    tl.store(out_ptr + row[:, None] * classes + column, hot, (row < n)[:, None] & (column < classes))


@case
def one_hot():
    index, out = torch.randint(0, 11, (29,)), torch.empty(29, 11, dtype=torch.int64)
    one_hot_kernel[(4,)](index, out, 29, 11, ROWS=8, CLASSES=16)
    return [(out, torch.nn.functional.one_hot(index, 11))]


@triton.jit
def combine_segments(value_a, flag_a, value_b, flag_b):
    return tl.where(flag_b != 0, value_b, value_a + value_b), flag_a | flag_b


@triton.jit
def segmented_sum_kernel(x_ptr, flag_ptr, out_ptr, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    x, flag = tl.load(x_ptr + at, at < n, other=0), tl.load(flag_ptr + at, at < n, other=0)
    total, _ = tl.associative_scan((x, flag), 0, combine_segments)
    tl.store(out_ptr + at, total, at < n)


@case
def segmented_sum():
    x, flag = torch.randint(-9, 9, (100,)), (torch.rand(100) < 0.1).long()
    out, expected, total = torch.empty(100, dtype=torch.int64), [], 0
    segmented_sum_kernel[(1,)](x, flag, out, 100, BLOCK=128)
    for value, starts in zip(x.tolist(), flag.tolist(), strict=True):
        total = value if starts else total + value
        expected.append(total)
    return [(out, torch.tensor(expected))]


@triton.jit
def multiply(a, b):
    return a * b


@triton.jit
def suffix_product_kernel(x_ptr, out_ptr, width, BLOCK: tl.constexpr):
    row, at = tl.program_id(0), tl.arange(0, BLOCK)
    x = tl.load(x_ptr + row * width + at, at < width, other=1.0)
    tl.store(out_ptr + row * width + at, tl.associative_scan(x, 0, multiply, reverse=True), at < width)


@case
def suffix_products():
    x, out = torch.rand(5, 50) + 0.5, torch.empty(5, 50)
    suffix_product_kernel[(5,)](x, out, 50, BLOCK=64)
    return [(out, x.flip(1).cumprod(1).flip(1))]


@triton.jit
def selective_scan_kernel(x_ptr, a_ptr, b_ptr, c_ptr, out_ptr, length, STATES: tl.constexpr):
    channel, state_at = tl.program_id(0), tl.arange(0, STATES)
    a = tl.load(a_ptr + channel * STATES + state_at)
    state = tl.zeros([STATES], tl.float32)
    for step in range(length):
        x = tl.load(x_ptr + channel * length + step)
        state = state * a + x * tl.load(b_ptr + step * STATES + state_at)
        tl.store(out_ptr + channel * length + step, tl.sum(state * tl.load(c_ptr + step * STATES + state_at)))


@case
def selective_scan():
    x, a, b, c = torch.randn(4, 30), torch.rand(4, 8), torch.randn(30, 8), torch.randn(30, 8)
    out, state, expected = torch.empty(4, 30), torch.zeros(4, 8), []
    selective_scan_kernel[(4,)](x, a, b, c, out, 30, STATES=8)
    for step in range(30):
        state = state * a + x[:, step, None] * b[step]
        expected.append((state * c[step]).sum(1))
    return [(out, torch.stack(expected, 1))]


@triton.jit
def sort_rows_kernel(x_ptr, out_ptr, width, DESCENDING: tl.constexpr, BLOCK: tl.constexpr):
    row, at = tl.program_id(0), tl.arange(0, BLOCK)
    x = tl.load(x_ptr + row * width + at, at < width, other=-float("inf") if DESCENDING else float("inf"))
    tl.store(out_ptr + row * width + at, tl.sort(x, descending=DESCENDING), at < width)


@case
def sort_rows():
    x, out = torch.randn(6, 50), torch.empty(6, 50)
    sort_rows_kernel[(6,)](x, out, 50, DESCENDING=True, BLOCK=64)
    return [(out, x.sort(1, descending=True).values)]


@triton.jit
def digit_counts_kernel(x_ptr, out_ptr, n, shift, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    digit = (tl.load(x_ptr + at, at < n, other=0) >> shift) & 15
    counts = tl.histogram(digit, 16, mask=at < n)
    tl.atomic_add(out_ptr + tl.arange(0, 16), counts)


@case
def radix_digit_counts():
    x, out = torch.randint(0, 1 << 20, (3000,), dtype=torch.int32), torch.zeros(16, dtype=torch.int32)
    digit_counts_kernel[blocks(3000, 512)](x, out, 3000, 8, BLOCK=512)
    return [(out, ((x >> 8) & 15).bincount(minlength=16).int())]


@triton.jit
def locked_kernel(lock_ptr, total_ptr, x_ptr, BLOCK: tl.constexpr):
    x = tl.sum(tl.load(x_ptr + tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)))
    while tl.atomic_cas(lock_ptr, 0, 1) == 1:
        pass
    tl.store(total_ptr, tl.load(total_ptr) + x)
    tl.debug_barrier()
    tl.atomic_xchg(lock_ptr, 0)


@case
def sums_under_a_lock():
    lock, total, x = torch.zeros(1, dtype=torch.int32), torch.zeros(1), torch.randn(8 * 64)
    locked_kernel[(8,)](lock, total, x, BLOCK=64)
    return [(total, x.sum()[None]), (lock, torch.zeros(1, dtype=torch.int32))]


@triton.jit
def pooled_maximum_kernel(x_ptr, index_ptr, out_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.atomic_max(out_ptr + tl.load(index_ptr + at, at < n, other=0), tl.load(x_ptr + at, at < n), at < n)


@case
def maximum_by_key():
    x, index = torch.randint(-99, 99, (300,), dtype=torch.int32), torch.randint(0, 9, (300,))
    out = torch.full((9,), -1000, dtype=torch.int32)
    pooled_maximum_kernel[blocks(300, 128)](x, index, out, 300, BLOCK=128)
    return [(out, torch.full((9,), -1000, dtype=torch.int32).scatter_reduce(0, index, x, "amax"))]


@triton.jit
def permute_kernel(x_ptr, out_ptr, A: tl.constexpr, B: tl.constexpr, C: tl.constexpr):
    a, b, c = tl.arange(0, A)[:, None, None], tl.arange(0, B)[None, :, None], tl.arange(0, C)[None, None, :]
    x = tl.load(x_ptr + (a * B + b) * C + c)
    flat = tl.reshape(tl.permute(x, (2, 0, 1)), (A * B * C,))
    tl.store(out_ptr + tl.arange(0, A * B * C), flat)


@case
def permute_dimensions():
    x, out = torch.randn(4, 8, 16), torch.empty(16, 4, 8)
    permute_kernel[(1,)](x, out, A=4, B=8, C=16)
    return [(out, x.permute(2, 0, 1).contiguous())]


@triton.jit
def descriptor_transpose_kernel(x_ptr, out_ptr, rows, columns, BLOCK: tl.constexpr):
    source = tl.make_tensor_descriptor(x_ptr, [rows, columns], [columns, 1], [BLOCK, BLOCK])
    target = tl.make_tensor_descriptor(out_ptr, [columns, rows], [rows, 1], [BLOCK, BLOCK])
    row, column = tl.program_id(0) * BLOCK, tl.program_id(1) * BLOCK
    target.store([column, row], source.load([row, column]).T)


@case
def transpose_with_descriptors():
    x, out = torch.randn(40, 24), torch.empty(24, 40)
    descriptor_transpose_kernel[(3, 2)](x, out, 40, 24, BLOCK=16)
    return [(out, x.T.contiguous())]
