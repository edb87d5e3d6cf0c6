"""Products of the collection: formats, batches, pointers of every style, convolutions, attention."""

import torch
import triton
import triton.language as tl
from registry import case


@triton.jit
def batched_kernel(
    a_ptr, b_ptr, c_ptr, M, N, K, stride_a, stride_b, stride_c, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr
):
    batch = tl.program_id(2)
    rows, columns = tl.program_id(0) * BM + tl.arange(0, BM), tl.program_id(1) * BN + tl.arange(0, BN)
    total = tl.zeros([BM, BN], tl.float32)
    for start in range(0, K, BK):
        k = start + tl.arange(0, BK)
        a = tl.load(a_ptr + batch * stride_a + rows[:, None] * K + k, (rows < M)[:, None] & (k < K), other=0.0)
        b = tl.load(b_ptr + batch * stride_b + k[:, None] * N + columns, (k < K)[:, None] & (columns < N), other=0.0)
        total = tl.dot(a, b, total)
    inside = (rows < M)[:, None] & (columns < N)
    tl.store(c_ptr + batch * stride_c + rows[:, None] * N + columns, total.to(tl.bfloat16), inside)


@case
def batched_bfloat16_matmul():
    a, b = torch.randn(3, 40, 70).bfloat16(), torch.randn(3, 70, 50).bfloat16()
    c = torch.empty(3, 40, 50, dtype=torch.bfloat16)
    batched_kernel[(2, 2, 3)](a, b, c, 40, 50, 70, 2800, 3500, 2000, BM=32, BN=32, BK=32)
    return [(c, (a.float() @ b.float()).bfloat16())]


@triton.jit
def block_pointer_kernel(a_ptr, b_ptr, c_ptr, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    row, column = tl.program_id(0) * BM, tl.program_id(1) * BN
    a = tl.make_block_ptr(a_ptr, (M, K), (K, 1), (row, 0), (BM, BK), (1, 0))
    b = tl.make_block_ptr(b_ptr, (K, N), (N, 1), (0, column), (BK, BN), (1, 0))
    total = tl.zeros([BM, BN], tl.float32)
    for _ in range(0, K, BK):
        left = tl.load(a, boundary_check=(0, 1), padding_option="zero")
        right = tl.load(b, boundary_check=(0, 1), padding_option="zero")
        total += tl.dot(left, right, input_precision="ieee")
        a, b = tl.advance(a, (0, BK)), tl.advance(b, (BK, 0))
    c = tl.make_block_ptr(c_ptr, (M, N), (N, 1), (row, column), (BM, BN), (1, 0))
    tl.store(c, total, boundary_check=(0, 1))


@case
def matmul_with_block_pointers():
    a, b, c = torch.randn(50, 90), torch.randn(90, 70), torch.empty(50, 70)
    block_pointer_kernel[(2, 3)](a, b, c, 50, 70, 90, BM=32, BN=32, BK=32)
    return [(c, a @ b)]


@triton.jit
def int8_kernel(
    a_ptr, b_ptr, row_scale_ptr, column_scale_ptr, c_ptr, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr
):
    rows, columns, k = tl.arange(0, BM), tl.arange(0, BN), tl.arange(0, BK)
    total = tl.zeros([BM, BN], tl.int32)
    for start in range(0, K, BK):
        a = tl.load(a_ptr + rows[:, None] * K + start + k)
        b = tl.load(b_ptr + columns[None, :] * K + start + k[:, None])
        total = tl.dot(a, b, total, out_dtype=tl.int32)
    scale = tl.load(row_scale_ptr + rows)[:, None] * tl.load(column_scale_ptr + columns)[None, :]
    tl.store(c_ptr + rows[:, None] * BN + columns, total.to(tl.float32) * scale)


@case
def int8_matmul_with_scales():
    a, b = torch.randint(-128, 128, (32, 96), dtype=torch.int8), torch.randint(-128, 128, (64, 96), dtype=torch.int8)
    row_scale, column_scale, c = torch.rand(32), torch.rand(64), torch.empty(32, 64)
    int8_kernel[(1,)](a, b, row_scale, column_scale, c, 96, BM=32, BN=64, BK=32)
    return [(c, (a.float() @ b.float().T) * row_scale[:, None] * column_scale)]


@triton.jit
def fp8_kernel(a_ptr, b_ptr, c_ptr, K: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr):
    rows, columns, k = tl.arange(0, BM), tl.arange(0, BN), tl.arange(0, K)
    a = tl.load(a_ptr + rows[:, None] * K + k)
    b = tl.load(b_ptr + k[:, None] * BN + columns)
    tl.store(c_ptr + rows[:, None] * BN + columns, tl.dot(a, b))


@case
def fp8_matmul():
    a, b = torch.randn(16, 64).to(torch.float8_e4m3fn), torch.randn(64, 32).to(torch.float8_e5m2)
    b = b.float().to(torch.float8_e4m3fn)
    c = torch.empty(16, 32)
    fp8_kernel[(1,)](a, b, c, K=64, BM=16, BN=32)
    return [(c, a.float() @ b.float())]


@triton.jit
def microscaled_kernel(
    a_ptr, a_scale_ptr, b_ptr, b_scale_ptr, c_ptr, K: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr
):
    rows, columns = tl.arange(0, BM), tl.arange(0, BN)
    bytes_, groups = tl.arange(0, K // 2), tl.arange(0, K // 32)
    a = tl.load(a_ptr + rows[:, None] * (K // 2) + bytes_)
    b = tl.load(b_ptr + bytes_[:, None] * BN + columns)
    a_scale = tl.load(a_scale_ptr + rows[:, None] * (K // 32) + groups)
    b_scale = tl.load(b_scale_ptr + columns[:, None] * (K // 32) + groups)
    c = tl.dot_scaled(a, a_scale, "e2m1", b, b_scale, "e2m1")
    tl.store(c_ptr + rows[:, None] * BN + columns, c)


@case
def microscaled_fp4_matmul():
    values = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])
    a, b = torch.randint(0, 256, (16, 64), dtype=torch.uint8), torch.randint(0, 256, (64, 32), dtype=torch.uint8)
    a_scale, b_scale = (torch.randint(125, 130, (n, 4), dtype=torch.uint8) for n in (16, 32))
    c = torch.empty(16, 32)
    microscaled_kernel[(1,)](a, a_scale, b, b_scale, c, K=128, BM=16, BN=32)
    left = torch.stack([values[(a & 15).int()], values[(a >> 4).int()]], -1).reshape(16, 128)
    right = torch.stack([values[(b & 15).int()], values[(b >> 4).int()]], 1).reshape(128, 32)
    left = left * 2.0 ** (a_scale.float() - 127).repeat_interleave(32, 1)
    right = right * (2.0 ** (b_scale.float() - 127).repeat_interleave(32, 1)).T
    return [(c, left @ right)]


@triton.jit
def matvec_kernel(a_ptr, x_ptr, y_ptr, M, N, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    total = tl.zeros([ROWS, COLUMNS], tl.float32)
    for start in range(0, N, COLUMNS):
        column = start + tl.arange(0, COLUMNS)
        inside = (row < M)[:, None] & (column < N)[None, :]
        a = tl.load(a_ptr + row[:, None] * N + column[None, :], inside, other=0.0)
        total += a * tl.load(x_ptr + column, column < N, other=0.0)[None, :]
    tl.store(y_ptr + row, tl.sum(total, 1), row < M)


@case
def matrix_vector():
    a, x, y = torch.randn(100, 300), torch.randn(300), torch.empty(100)
    matvec_kernel[(4,)](a, x, y, 100, 300, ROWS=32, COLUMNS=128)
    return [(y, a @ x)]


@triton.jit
def convolution_kernel(
    x_ptr, weight_ptr, out_ptr, H, W, OUT_H, OUT_W, CHANNELS: tl.constexpr, FILTERS: tl.constexpr,
    SIZE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    batch = tl.program_id(1)
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    y, x = pixel // OUT_W, pixel % OUT_W
    channel, filters = tl.arange(0, CHANNELS), tl.arange(0, FILTERS)
    total = tl.zeros([BLOCK, FILTERS], tl.float32)
    for dy in tl.static_range(SIZE):
        for dx in tl.static_range(SIZE):
            inside = (pixel < OUT_H * OUT_W)[:, None] & (channel < CHANNELS)[None, :]
            at = ((batch * CHANNELS + channel)[None, :] * H + (y + dy)[:, None]) * W + (x + dx)[:, None]
            image = tl.load(x_ptr + at, inside, other=0.0)
            weight = tl.load(weight_ptr + ((filters[None, :] * CHANNELS + channel[:, None]) * SIZE + dy) * SIZE + dx)
            total += tl.dot(image, weight, input_precision="ieee")
    at = (batch * FILTERS + filters)[None, :] * OUT_H * OUT_W + pixel[:, None]
    tl.store(out_ptr + at, total, (pixel < OUT_H * OUT_W)[:, None])


@case
def convolution_as_products():
    x, weight = torch.randn(2, 16, 10, 12), torch.randn(16, 16, 3, 3)
    out = torch.empty(2, 16, 8, 10)
    convolution_kernel[(3, 2)](x, weight, out, 10, 12, 8, 10, CHANNELS=16, FILTERS=16, SIZE=3, BLOCK=32)
    return [(out, torch.nn.functional.conv2d(x, weight))]


@triton.jit
def depthwise_kernel(x_ptr, weight_ptr, out_ptr, length, WIDTH: tl.constexpr, BLOCK: tl.constexpr):
    channel = tl.program_id(1)
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    total = tl.zeros([BLOCK], tl.float32)
    for tap in tl.static_range(WIDTH):
        place = at + tap - (WIDTH - 1)
        x = tl.load(x_ptr + channel * length + place, (place >= 0) & (place < length), other=0.0)
        total += x * tl.load(weight_ptr + channel * WIDTH + tap)
    tl.store(out_ptr + channel * length + at, total * tl.sigmoid(total), at < length)


@case
def causal_depthwise_convolution():
    x, weight, out = torch.randn(5, 130), torch.randn(5, 4), torch.empty(5, 130)
    depthwise_kernel[(3, 5)](x, weight, out, 130, WIDTH=4, BLOCK=64)
    padded = torch.nn.functional.pad(x, (3, 0))[None]
    return [(out, torch.nn.functional.silu(torch.nn.functional.conv1d(padded, weight[:, None], groups=5)[0]))]


@triton.jit
def decode_kernel(q_ptr, k_ptr, v_ptr, table_ptr, length_ptr, out_ptr, scale, pages, PAGE: tl.constexpr,
                  D: tl.constexpr):  # fmt: skip
    sequence = tl.program_id(0)
    d, slot = tl.arange(0, D), tl.arange(0, PAGE)
    q = tl.load(q_ptr + sequence * D + d) * scale
    length = tl.load(length_ptr + sequence)
    most, total, out = -float("inf"), 0.0, tl.zeros([D], tl.float32)
    for page in range(tl.cdiv(length, PAGE)):
        at = tl.load(table_ptr + sequence * pages + page) * PAGE + slot
        inside = page * PAGE + slot < length
        k = tl.load(k_ptr + at[:, None] * D + d, inside[:, None], other=0.0)
        v = tl.load(v_ptr + at[:, None] * D + d, inside[:, None], other=0.0)
        score = tl.where(inside, tl.sum(q[None, :] * k, 1), -float("inf"))
        higher = tl.maximum(most, tl.max(score))
        weight, before = tl.exp(score - higher), tl.exp(most - higher)
        out = out * before + tl.sum(weight[:, None] * v, 0)
        total = total * before + tl.sum(weight)
        most = higher
    tl.store(out_ptr + sequence * D + d, out / total)


@case
def paged_decode_attention():
    q, k, v = torch.randn(3, 32), torch.randn(8 * 16, 32), torch.randn(8 * 16, 32)
    table = torch.randperm(8)[:6].reshape(3, 2).int().contiguous()
    length, out = torch.tensor([20, 5, 32], dtype=torch.int32), torch.empty(3, 32)
    decode_kernel[(3,)](q, k, v, table, length, out, 0.25, 2, PAGE=16, D=32)
    expected = []
    for index in range(3):
        at = (table[index].long()[:, None] * 16 + torch.arange(16)).reshape(-1)[: length[index]]
        expected.append((q[index] @ k[at].T * 0.25).softmax(0) @ v[at])
    return [(out, torch.stack(expected))]


@triton.jit
def linear_attention_kernel(q_ptr, k_ptr, v_ptr, out_ptr, length, D: tl.constexpr, CHUNK: tl.constexpr):
    d, step = tl.arange(0, D), tl.arange(0, CHUNK)
    state = tl.zeros([D, D], tl.float32)
    for start in range(0, length, CHUNK):
        at = (start + step)[:, None] * D + d[None, :]
        inside = (start + step < length)[:, None]
        q, k = tl.load(q_ptr + at, inside, other=0.0), tl.load(k_ptr + at, inside, other=0.0)
        v = tl.load(v_ptr + at, inside, other=0.0)
        score = tl.where(step[:, None] >= step[None, :], tl.dot(q, tl.trans(k), input_precision="ieee"), 0.0)
        out = tl.dot(score, v, input_precision="ieee") + tl.dot(q, state, input_precision="ieee")
        tl.store(out_ptr + at, out, inside)
        state += tl.dot(tl.trans(k), v, input_precision="ieee")


@case
def chunked_linear_attention():
    q, k, v = torch.randn(3, 50, 16)
    out = torch.empty(50, 16)
    linear_attention_kernel[(1,)](q, k, v, out, 50, D=16, CHUNK=16)
    return [(out, (q @ k.T).tril() @ v)]


@triton.jit
def alibi_softmax_kernel(x_ptr, out_ptr, length, slope, BLOCK: tl.constexpr):
    row, at = tl.program_id(0), tl.arange(0, BLOCK)
    seen = at <= row
    x = tl.load(x_ptr + row * length + at, seen & (at < length), other=-float("inf"))
    x = tl.where(seen, x + slope * (at - row).to(tl.float32), -float("inf"))
    e = tl.exp(x - tl.max(x))
    tl.store(out_ptr + row * length + at, e / tl.sum(e), at < length)


@case
def causal_softmax_with_alibi():
    x, out = torch.randn(40, 40), torch.empty(40, 40)
    alibi_softmax_kernel[(40,)](x, out, 40, 0.5, BLOCK=64)
    at = torch.arange(40)
    biased = (x + 0.5 * (at[None] - at[:, None])).masked_fill(at[None] > at[:, None], -torch.inf)
    return [(out, biased.softmax(1))]


@triton.jit
def gemm_lora_kernel(
    x_ptr, w_ptr, down_ptr, up_ptr, out_ptr, scale, M, BM: tl.constexpr, N: tl.constexpr, K: tl.constexpr,
    RANK: tl.constexpr,
):  # fmt: skip
    row, n, k, rank = tl.program_id(0) * BM + tl.arange(0, BM), tl.arange(0, N), tl.arange(0, K), tl.arange(0, RANK)
    x = tl.load(x_ptr + row[:, None] * K + k, (row < M)[:, None], other=0.0)
    total = tl.dot(x, tl.load(w_ptr + k[:, None] * N + n))
    low = tl.dot(x, tl.load(down_ptr + k[:, None] * RANK + rank)).to(tl.float16)
    total += scale * tl.dot(low, tl.load(up_ptr + rank[:, None] * N + n))
    tl.store(out_ptr + row[:, None] * N + n, total, (row < M)[:, None])


@case
def matmul_with_low_rank_update():
    x, w = torch.randn(30, 64).half(), torch.randn(64, 32).half()
    down, up, out = torch.randn(64, 16).half(), torch.randn(16, 32).half(), torch.empty(30, 32)
    gemm_lora_kernel[(2,)](x, w, down, up, out, 0.5, 30, BM=16, N=32, K=64, RANK=16)
    low = (x.float() @ down.float()).half().float()
    return [(out, x.float() @ w.float() + 0.5 * low @ up.float())]
