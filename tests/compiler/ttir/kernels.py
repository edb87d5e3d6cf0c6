"""The Triton kernels behind the golden `*.mlir` texts: one per thing that TTIR can say. Not tests; see `make.py`."""
# Arguments are named as in Triton programs.

import triton
import triton.language as tl
from triton.language.extra import libdevice


@triton.jit
def vector_add(x, y, out, n, BLOCK: tl.constexpr):
    index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = index < n
    total = tl.load(x + index, mask=inside, other=0.0) + tl.load(y + index, mask=inside)
    tl.store(out + index, total, mask=inside)


@triton.jit
def softmax(out, x, row_stride, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    index = tl.arange(0, BLOCK)
    values = tl.load(x + row * row_stride + index, mask=index < columns, other=-float("inf"))
    powers = tl.exp(values - tl.max(values, axis=0))
    tl.store(out + row * row_stride + index, powers / tl.sum(powers, axis=0), mask=index < columns)


@triton.jit
def leaky(x):
    return tl.where(x >= 0, x, 0.01 * x)


@triton.jit
def matmul(a, b, c, M, N, K, lda, ldb, ldc, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, GROUP: tl.constexpr):
    pid = tl.program_id(0)
    tall, wide = tl.cdiv(M, BM), tl.cdiv(N, BN)
    group = pid // (GROUP * wide)
    height = min(tall - group * GROUP, GROUP)
    row = group * GROUP + (pid % (GROUP * wide)) % height
    column = (pid % (GROUP * wide)) // height
    rows = row * BM + tl.arange(0, BM)
    columns = column * BN + tl.arange(0, BN)
    inner = tl.arange(0, BK)
    a_at = a + (rows % M)[:, None] * lda + inner[None, :]
    b_at = b + inner[:, None] * ldb + (columns % N)[None, :]
    total = tl.zeros((BM, BN), dtype=tl.float32)
    for k in range(0, tl.cdiv(K, BK)):
        left = tl.load(a_at, mask=inner[None, :] < K - k * BK, other=0.0)
        right = tl.load(b_at, mask=inner[:, None] < K - k * BK, other=0.0)
        total = tl.dot(left, right, total)
        a_at += BK
        b_at += BK * ldb
    inside = (rows[:, None] < M) & (columns[None, :] < N)
    tl.store(c + rows[:, None] * ldc + columns[None, :], leaky(total).to(tl.float16), mask=inside)


@triton.jit
def attention(
    q, k, v, out, lse, scale, stride_h, stride_n, N,
    D: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, CAUSAL: tl.constexpr,
):  # fmt: skip
    first = tl.program_id(0) * BM
    head = tl.program_id(1) * stride_h
    rows, columns, depth = first + tl.arange(0, BM), tl.arange(0, BN), tl.arange(0, D)
    queries = tl.load(q + head + rows[:, None] * stride_n + depth[None, :], mask=rows[:, None] < N, other=0.0)
    peak = tl.full([BM], float("-inf"), tl.float32)
    norm = tl.full([BM], 1.0, tl.float32)
    total = tl.zeros([BM, D], tl.float32)
    factor = scale * 1.44269504
    end = tl.minimum(first + BM, N) if CAUSAL else N
    for start in tl.range(0, end, BN, num_stages=2):
        start = tl.multiple_of(start, BN)
        keys = tl.load(k + head + (start + columns)[None, :] * stride_n + depth[:, None],
                       mask=(start + columns)[None, :] < N, other=0.0)  # fmt: skip
        scores = tl.dot(queries, keys) * factor
        seen = (start + columns)[None, :] < N
        if CAUSAL:
            seen = seen & (rows[:, None] >= (start + columns)[None, :])
        scores = tl.where(seen, scores, float("-inf"))
        new_peak = tl.maximum(peak, tl.max(scores, 1))
        weights = tl.math.exp2(scores - new_peak[:, None])
        shrink = tl.math.exp2(peak - new_peak)
        values = tl.load(v + head + (start + columns)[:, None] * stride_n + depth[None, :],
                         mask=(start + columns)[:, None] < N, other=0.0)  # fmt: skip
        norm = norm * shrink + tl.sum(weights, 1)
        total = tl.dot(weights.to(tl.float16), values, total * shrink[:, None])
        peak = new_peak
    tl.store(lse + tl.program_id(1) * N + rows, peak + tl.math.log2(norm), mask=rows < N)
    total = total / norm[:, None]
    tl.store(out + head + rows[:, None] * stride_n + depth[None, :], total.to(tl.float16), mask=rows[:, None] < N)


@triton.jit
def layer_norm_backward(dx, dy, dw, db, x, w, mean, rstd, lock, stride, n, GROUP: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    inside = at < n
    xs = tl.load(x + row * stride + at, mask=inside, other=0).to(tl.float32)
    dys = tl.load(dy + row * stride + at, mask=inside, other=0).to(tl.float32)
    ws = tl.load(w + at, mask=inside).to(tl.float32)
    scale = tl.load(rstd + row)
    normal = tl.where(inside, (xs - tl.load(mean + row)) * scale, 0.0)
    weighted = tl.where(inside, ws * dys, 0.0)
    c1 = tl.sum(normal * weighted, axis=0) / n
    c2 = tl.sum(weighted, axis=0) / n
    tl.store(dx + row * stride + at, (weighted - (normal * c1 + c2)) * scale, mask=inside)
    mine = lock + row % GROUP
    count = mine + GROUP
    while tl.atomic_cas(mine, 0, 1) == 1:
        pass
    dws, dbs = dys * normal, dys
    if tl.load(count) == 0:
        tl.atomic_xchg(count, 1)
    else:
        dws += tl.load(dw + (row % GROUP) * n + at, mask=inside)
        dbs += tl.load(db + (row % GROUP) * n + at, mask=inside)
    tl.store(dw + (row % GROUP) * n + at, dws, mask=inside)
    tl.store(db + (row % GROUP) * n + at, dbs, mask=inside)
    tl.debug_barrier()
    tl.atomic_xchg(mine, 0)


@triton.jit
def atomics(ints, unsigned, floats, halves, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    inside = at < n
    tl.atomic_add(ints + at, 1, mask=inside)
    tl.atomic_add(floats + at, 1.5, mask=inside, sem="relaxed")
    tl.atomic_add(halves + at, 0.5, mask=inside, scope="cta")
    tl.atomic_max(ints + at, at, mask=inside)
    tl.atomic_min(unsigned + at, 7, mask=inside)
    tl.atomic_max(unsigned + at, 7, mask=inside, sem="acquire")
    tl.atomic_max(floats + at, 0.25, mask=inside)
    tl.atomic_and(ints + at, 3, mask=inside, sem="release", scope="sys")
    tl.atomic_or(ints + at, 4, mask=inside)
    old = tl.atomic_xor(ints + at, -5, mask=inside)
    tl.atomic_xchg(floats + at, old.to(tl.float32), mask=inside)
    tl.atomic_cas(ints, 0, 1, sem="acq_rel")


@triton.jit
def argmax(x, values, indices, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    rows = tl.arange(0, 4)[:, None] * n + at[None, :]
    loaded = tl.load(x + rows, mask=at[None, :] < n, other=-float("inf"))
    best, where = tl.max(loaded, axis=1, return_indices=True)
    tl.store(values + tl.arange(0, 4), best)
    tl.store(indices + tl.arange(0, 4), where)


@triton.jit
def affine(a_left, b_left, a_right, b_right):
    return a_left * a_right, b_left * a_right + b_right


@triton.jit
def scans(x, y, out, N: tl.constexpr):
    at = tl.arange(0, N)
    a, b = tl.associative_scan((tl.load(x + at), tl.load(y + at)), 0, affine, reverse=True)
    tl.store(out + at, a + b + tl.cumsum(a, 0) * tl.cumprod(b, 0))


@triton.jit
def descriptors(a, b, c, ids, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    a_tile = tl.make_tensor_descriptor(a, [M, K], [K, 1], [BM, BK])
    b_tile = tl.make_tensor_descriptor(b, [N, K], [K, 1], [BN, BK], padding_option="nan")
    c_tile = tl.make_tensor_descriptor(c, [M, N], [N, 1], [BM, BN])
    row, column = tl.program_id(0) * BM, tl.program_id(1) * BN
    total = tl.zeros((BM, BN), tl.float32)
    for k in range(0, K, BK):
        total = tl.dot(a_tile.load([row, k]), b_tile.load([column, k]).T, total, input_precision="ieee")
    c_tile.store([row, column], total.to(tl.float16))
    c_tile.atomic_add([row, column], total.to(tl.float16))
    line = tl.make_tensor_descriptor(c, [M, N], [N, 1], [1, BN])
    picked = tl.load(ids + tl.arange(0, 32))
    line.scatter(line.gather(picked, column), picked, column)


@triton.jit
def host_descriptor(source, target, unsigned):
    target.store([0, 0], source.load([tl.program_id(0) * 16, 0]))
    unsigned.atomic_max([0, 0], unsigned.load([0, 0]))


@triton.jit
def early_return(x, out, n):
    row = tl.program_id(0)
    if row >= n:
        return
    value = tl.load(x + row)
    if value < 0:
        tl.store(out + row, 0.0)
        return
    tl.store(out + row, tl.sqrt(value))


@triton.jit
def collatz(x, out):
    value = tl.load(x + tl.program_id(0))
    steps = 0
    while value != 1:
        if value % 2 == 0:
            value = value // 2
        else:
            value = 3 * value + 1
        steps += 1
    tl.store(out + tl.program_id(0), steps)


@triton.jit
def sort(x, out, N: tl.constexpr):
    at = tl.arange(0, N)
    tl.store(out + at, tl.sort(tl.load(x + at), descending=True))
    tl.store(out + N + at, tl.flip(tl.load(x + at), 0))


@triton.jit
def dropout(x, out, n, p, seed, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    values = tl.load(x + at, mask=at < n)
    kept = tl.rand(seed, at) > p
    tl.store(out + at, tl.where(kept, values / (1 - p), 0.0), mask=at < n)


@triton.jit
def scaled_dot(a, a_scale, b, b_scale, out, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr):
    m, n, k = tl.arange(0, M), tl.arange(0, N), tl.arange(0, K)
    half, blocks = tl.arange(0, K // 2), tl.arange(0, K // 32)
    left = tl.load(a + m[:, None] * K + k[None, :])
    right = tl.load(b + half[:, None] * N + n[None, :])
    left_scale = tl.load(a_scale + m[:, None] * (K // 32) + blocks[None, :])
    right_scale = tl.load(b_scale + n[:, None] * (K // 32) + blocks[None, :])
    total = tl.dot_scaled(left, left_scale, "e4m3", right, right_scale, "e2m1")
    total = tl.dot_scaled(left, left_scale, "e4m3", right, right_scale, "e2m1", acc=total)
    tl.store(out + m[:, None] * N + n[None, :], total)


@triton.jit
def inline_assembly(x, out, N: tl.constexpr):
    at = tl.arange(0, N)
    doubled = tl.inline_asm_elementwise(
        '{\n\t.reg .b32 "odd";\n\tshl.b32 $0, $1, 1;\n}',
        "=r,r",
        [tl.load(x + at)],
        dtype=tl.int32,
        is_pure=True,
        pack=1,
    )
    tl.store(out + at, doubled)


@triton.jit
def clipped(x, y):
    if x > y:
        return x - y, x
    return y, x + y


@triton.jit
def elementwise_map(x, y, out, N: tl.constexpr):
    at = tl.arange(0, N)
    a, b = tl.map_elementwise(clipped, tl.load(x + at), tl.load(y + at))
    tl.store(out + at, a * b)


@triton.jit(noinline=True)
def inner(x, factor):
    return x * factor, x - factor


@triton.jit(noinline=True)
def outer(x):
    a, b = inner(x, 2.0)
    return a + b


@triton.jit
def nested_calls(x, out, N: tl.constexpr):
    at = tl.arange(0, N)
    tl.store(out + at, tl.load(x + at) + outer(tl.load(x)) + outer(tl.load(x + N)))


@triton.jit
def mathematics(x, out, halves, ints, n, N: tl.constexpr):
    at = tl.arange(0, N)
    a = tl.load(x + at)
    b = tl.exp(a) + tl.exp2(a) + tl.log(a) + tl.log2(a) + tl.sin(a) + tl.cos(a) + tl.sqrt(a) + tl.rsqrt(a) + tl.erf(a)
    b += (
        tl.abs(a) + tl.floor(a) + tl.ceil(a) + tl.fma(a, a, a) + tl.sqrt_rn(a) + tl.div_rn(a, b) + tl.clamp(a, 0.0, 1.0)
    )
    b += tl.fdiv(a, b) + a % b + libdevice.tanh(a) + libdevice.pow(a, b) - float("nan") + (-float("inf")) + 3.4e38 + 0.1
    b += tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL) + tl.minimum(a, b) + tl.minimum(a, b, tl.PropagateNan.ALL)
    tl.store(out + at, b, cache_modifier=".cs", eviction_policy="evict_first")
    i = tl.load(ints + at, eviction_policy="evict_last", cache_modifier=".cg", volatile=True)
    u = i.to(tl.uint32)
    i = (i // 3) + (i % 7) - (i << 2) + (i >> 1) + tl.umulhi(u, u).to(tl.int32) + tl.abs(i) + (~i) + (i & 5) + (i | -9)
    u = (u >> 3) + u // 5 + u % 11 + (i ^ 3).to(tl.uint32)
    i += tl.where((i > 3) & (u < 9), 1, -(2**31)) + tl.minimum(i, 3) + tl.maximum(u, 5).to(tl.int32) + b.to(tl.int32)
    tl.store(ints + at, i + u.to(tl.float32).to(tl.int64).to(tl.int32) + (b.to(tl.int32, bitcast=True) + (a > b)))
    h = b.to(tl.float16) + 65504.0
    t = (h + h.to(tl.bfloat16).to(tl.float32)).to(tl.float8e5, fp_downcast_rounding="rtne").to(tl.float32)
    tl.store(halves + at, (t + b.to(tl.float8e4nv).to(tl.float32) + float("inf")).to(tl.bfloat16))
    d = a.to(tl.float64) * 0.1
    tl.store(out + at, d.to(tl.float32) + (at.to(tl.uint8).to(tl.int16) + n).to(tl.float32))
    tl.device_print("a", a)
    tl.device_assert(a < 10.0, 'too "large"')
    tl.assume(n > 0)
    tl.static_assert(N > 1)


@triton.jit
def shapes(x, out, wide, n, N: tl.constexpr):
    at = tl.arange(0, N)
    a = tl.load(x + at)
    square = tl.reshape(a, (4, N // 4))
    both = tl.join(square, tl.trans(tl.trans(square)))
    left, right = tl.split(both)
    cube = tl.permute(tl.reshape(both, (2, 2, N // 4, 2)), (3, 1, 0, 2))
    tail = tl.reshape(tl.cat(a, a, can_reorder=True), (2, N))
    tail += tl.ravel(tl.interleave(square, right)).reshape(2, N)
    picked = tl.gather(left, tl.broadcast_to((tl.arange(0, 4) % 2)[:, None], (4, N // 4)), 0)
    counts = tl.histogram(at % 8, 8, mask=at < n)
    tl.store(wide + tl.arange(0, 8), counts)
    tl.store(out + at, tl.reshape(picked, (N,)) + tl.sum(cube) + tl.sum(tail) + tl.num_programs(1) + tl.program_id(2))
    address = wide.to(tl.int64) + 8
    tl.store(
        address.to(tl.pointer_type(tl.int32)), tl.reduce_or(at, 0) + tl.xor_sum(at, 0) + tl.min(at, 0) + tl.max(at, 0)
    )
    tl.store(tl.load(out.to(tl.pointer_type(tl.pointer_type(tl.float32)), bitcast=True)), 1.0)


@triton.jit
def loop_hints(x, out, n, N: tl.constexpr):
    total = tl.zeros((N,), tl.float32)
    for i in tl.range(0, n, 2, num_stages=3, flatten=True, disallow_acc_multi_buffer=True, warp_specialize=True):
        total += tl.load(x + i * N + tl.arange(0, N))
    for i in tl.range(n, 0, -1, loop_unroll_factor=2, disable_licm=True):
        total += tl.load(x + i * N + tl.arange(0, N))
        for j in tl.static_range(2):
            total += j
    tl.store(out + tl.arange(0, N), total)


@triton.jit
def block_pointers(x, out, M, N):
    source = tl.make_block_ptr(x, (M, N), (N, 1), (0, 0), (16, 32), (1, 0))
    total = tl.zeros((16, 32), tl.float32)
    for _ in range(0, N, 32):
        total += tl.load(source, boundary_check=(0, 1), padding_option="nan")
        source = tl.advance(source, (0, 32))
    tl.store(tl.make_block_ptr(out, (M, 32), (32, 1), (0, 0), (16, 32), (1, 0)), total, boundary_check=(0,))


@triton.jit
def nested_returns(x, out, n):
    value = tl.load(x)
    if value > 1:
        if n > 2:
            tl.store(out, 1)
            return
        tl.store(out + 1, 2)
    else:
        if n > 5:
            return
        elif n > 4:
            tl.store(out + 5, 3)
            return
        else:
            value = value + 5
    tl.store(out + 2, value)
    if n == 1:
        if value == 7:
            return
        tl.store(out + 3, 4)
    tl.store(out + 4, 5)


@triton.jit(noinline=True)
def hasty(x, y):
    if x > 3:
        return y + 1
    y = y * 2
    if y > 20:
        return x
    return y - x


@triton.jit
def early_call(out, n):
    tl.store(out, hasty(n, n + 1))
    for i in range(n):
        tl.store(out + 1 + i, hasty(i, n))


@triton.jit
def while_pointers(x, out, n, N: tl.constexpr):
    at = x + tl.arange(0, N)
    total = tl.zeros((N,), tl.float32)
    done = 0
    while done < n:
        total += tl.load(at)
        at += N
        done += N
    tl.store(out + tl.arange(0, N), total)
