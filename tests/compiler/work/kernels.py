"""Triton kernels that ask one thing each of the work extractor. Not tests; `make.py` writes their TTIR."""

import triton
import triton.language as tl


@triton.jit
def interior(x, out, M, N, sxm, sxn, som, son, BM: tl.constexpr, BN: tl.constexpr):
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    inside = ((rows >= 1) & (rows < M - 1))[:, None] & (columns > 1)[None, :] & (columns <= N - 3)[None, :]
    values = tl.load(x + rows[:, None] * sxm + columns[None, :] * sxn, mask=inside)
    tl.store(out + columns[:, None] * son + rows[None, :] * som, tl.trans(values), mask=tl.trans(inside))


@triton.jit
def persistent(a, b, c, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    wide = tl.cdiv(N, BN)
    tiles = tl.cdiv(M, BM) * wide
    for tile in range(tl.program_id(0), tiles, tl.num_programs(0)):
        rows = (tile // wide) * BM + tl.arange(0, BM)
        columns = (tile % wide) * BN + tl.arange(0, BN)
        inner = tl.arange(0, BK)
        total = tl.zeros((BM, BN), tl.float32)
        for k in range(0, K, BK):
            left = tl.load(a + rows[:, None] * K + (k + inner)[None, :],
                           mask=(rows < M)[:, None] & (k + inner < K)[None, :], other=0.0)  # fmt: skip
            right = tl.load(b + (k + inner)[:, None] * N + columns[None, :],
                            mask=(k + inner < K)[:, None] & (columns < N)[None, :], other=0.0)  # fmt: skip
            total = tl.dot(left, right, total, input_precision="tf32x3")
        tl.store(c + rows[:, None] * N + columns[None, :], total, mask=(rows < M)[:, None] & (columns < N)[None, :])


@triton.jit
def ragged_rows(starts, x, out, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    first, last = tl.load(starts + row), tl.load(starts + row + 1)
    total = tl.zeros((BLOCK,), tl.float32)
    for at in range(first, last, BLOCK):
        index = at + tl.arange(0, BLOCK)
        total += tl.load(x + index, mask=index < last, other=0.0)
    tl.store(out + row, tl.sum(total, 0))


@triton.jit
def embedding(table, ids, out, n, width, ROWS: tl.constexpr, WIDTH: tl.constexpr):
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    columns = tl.arange(0, WIDTH)
    picked = tl.load(ids + rows, mask=rows < n, other=0)
    inside = (rows < n)[:, None] & (columns < width)[None, :]
    values = tl.load(table + picked[:, None] * width + columns[None, :], mask=inside)
    tl.store(out + rows[:, None] * width + columns[None, :], values, mask=inside)


@triton.jit
def wrapped(x, out, n, period, BLOCK: tl.constexpr):
    total = tl.zeros((BLOCK,), tl.float32)
    for i in range(0, n):
        total += tl.load(x + (i % period) * BLOCK + (i // period) * 3 + tl.arange(0, BLOCK))
    tl.store(out + tl.arange(0, BLOCK), total)


@triton.jit
def grid_stride(x, out, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK
    while at < n:
        index = at + tl.arange(0, BLOCK)
        tl.store(out + index, tl.load(x + index, mask=index < n) + 1, mask=index < n)
        at += tl.num_programs(0) * BLOCK
    tl.store(out + n + tl.program_id(0), at.to(tl.float32))


@triton.jit
def chosen(x, y, out, n, BLOCK: tl.constexpr):
    pid = tl.program_id(0)
    at = pid * BLOCK + tl.arange(0, BLOCK)
    if pid % 2 == 0:
        source = x + at
    else:
        source = y + 2 * at
    values = tl.load(source, mask=at < n)
    for i in range(0, pid):
        if i % 3 == 1:
            values += tl.load(y + i * BLOCK + tl.arange(0, BLOCK))
    tl.store(out + at, values, mask=(at < n) & (pid != 2))


@triton.jit
def doubling(x, out, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    step = 1
    total = tl.zeros((BLOCK,), tl.float32)
    for _ in range(0, 4):
        total += tl.load(x + at)
        total += tl.load(x + step)
        at = at * 2
        step = step * 2
    tl.store(out + tl.arange(0, BLOCK), total)


@triton.jit
def backwards(x, out, n, stride, BLOCK: tl.constexpr):
    at = x + (n - 1 - tl.arange(0, BLOCK)) * stride
    total = tl.zeros((BLOCK,), tl.float32)
    left = n
    while left >= BLOCK:
        total += tl.load(at)
        at -= BLOCK * stride
        left -= BLOCK
    total += tl.load(at, mask=tl.arange(0, BLOCK) < left, other=0.0)
    tl.store(out + tl.arange(0, BLOCK), total)


@triton.jit
def queue(counter, x, out, n, BLOCK: tl.constexpr):
    tile = tl.atomic_add(counter, 1)
    at = tile * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + at, tl.load(x + at, mask=at < n), mask=at < n)


@triton.jit
def cursor(x, out, n, gap, BLOCK: tl.constexpr):
    at = tl.program_id(0) * gap
    source = x + tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), tl.float32)
    for i in range(2, n, 3):
        total += tl.load(source) + tl.load(x + at + tl.arange(0, BLOCK), mask=tl.arange(0, BLOCK) < n - i, other=0.0)
        source += gap
        at += 2 * gap
    total += tl.load(source)
    tl.store(out + at + tl.arange(0, BLOCK), total)


@triton.jit
def nothing(x, n):
    for i in range(0, n):
        if i * i == 40:
            tl.store(x, 1.0)


@triton.jit
def maze(out, a, b, f, DEPTH: tl.constexpr):
    n = tl.program_id(0) * 7 - 20 + a
    mixed = (
        n.to(tl.int64) + n // b + n % b - (n >> 1) + (n << 2) + min(n, b) * max(a, -n) + tl.abs(n) + (n ^ a) + (n | 5)
    )
    mixed += (n.to(tl.uint32) // 3).to(tl.int32) + (n.to(tl.uint32) % 7).to(tl.int32) + (n.to(tl.int64) * 77 >> 3)
    steps = 0
    while n % 5 != 0 and steps < 50:
        if n > 3:
            n -= 2
        else:
            n += 3
            if steps % 2 == 0:
                n *= 2
        steps += 1
    total = 0
    for i in range(0, a):
        if i * i < n + 4:
            total += i
        else:
            for j in range(i, 0, -1):
                total ^= j * steps
    for _ in tl.static_range(DEPTH):
        mixed = mixed * 3 + total
    scale = f * 2.5 - n
    if scale > 3:
        mixed += scale.to(tl.int32)
    elif scale != scale:
        mixed = mixed - 1
    tl.store(out + ((mixed + total * 5 + steps) & 255), 1.0)
    for i in range(0, n % 4):
        tl.store(out + ((mixed ^ i) & 127), 2.0)


@triton.jit
def unrolled(x, out, n, gap, DEPTH: tl.constexpr, BLOCK: tl.constexpr):
    at = x + tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), tl.float32)
    for i in range(0, n):
        for _ in tl.static_range(DEPTH):
            at += gap
            gap_again = gap + i
            at += gap_again
        total += tl.load(at)
        at -= DEPTH * 2 * gap
    tl.store(out + tl.arange(0, BLOCK), total)


@triton.jit
def indirect(sizes, addresses, out, BLOCK: tl.constexpr):
    pid = tl.program_id(0)
    n, stride = tl.load(sizes + 2 * pid), tl.load(sizes + 2 * pid + 1)
    index = tl.arange(0, BLOCK)
    at = tl.load(addresses + pid).to(tl.pointer_type(tl.float32)) + index * stride
    total = tl.zeros((BLOCK,), tl.float32)
    for i in range(0, n, BLOCK):
        total += tl.load(at, mask=index < n - i, other=0.0)
        at += BLOCK * stride
    tl.store(out + pid * BLOCK + index, total)
