"""Attention that never holds its matrix of scores (flash attention), forward and backward, in fp32. Not here: the
choice between this and other ways (torch's).

q (batch, heads, queries, width), k and v (batch, groups of heads, keys, width) with any strides; heads of a group share
its k and v. A bias is added to the scores; CAUSAL lets query i see keys up to i; with dropout probability `share` a
Philox number of each score's place decides. Rows that see no key give 0.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _kept(seed, offset, pair, row, column, queries, keys, share):
    """Whether each score survives dropout."""
    place = (pair.to(tl.int64) * queries + row.to(tl.int64)[:, None]) * keys + column[None, :]
    return tl.rand(seed, offset + place) >= share


@triton.jit
def _scores(
    q, k, row, column, queries, keys, scale, bias_ptr, bias_q, bias_k, CAUSAL: tl.constexpr, BIASED: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """scale * q @ k transposed, with the bias; -inf where nothing may be seen."""
    found = tl.dot(q, k, input_precision=PRECISION) * scale
    seen = (row < queries)[:, None] & (column < keys)[None, :]
    if CAUSAL:
        seen = seen & (column[None, :] <= row[:, None])
    if BIASED:
        places = bias_ptr + row.to(tl.int64)[:, None] * bias_q + column[None, :] * bias_k
        found += tl.load(places, mask=seen, other=0.0).to(tl.float32)
    return tl.where(seen, found, float("-inf"))


@triton.jit(do_not_specialize=["seed", "offset"])
def forward(
    out_ptr, sums_ptr, seed_ptr, offset_ptr, q_ptr, k_ptr, v_ptr, bias_ptr, scale, share, heads, group, queries, keys,
    width, o_b, o_h, o_m, q_b, q_h, q_m, q_d, k_b, k_h, k_n, k_d, v_b, v_h, v_n, v_d, b_b, b_h, b_m, b_n,
    seed: tl.int64, offset: tl.int64, CAUSAL: tl.constexpr, BIASED: tl.constexpr, DROPS: tl.constexpr,
    PRECISION: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """out, its last axis contiguous; sums (batch, heads, queries): the logarithm of each row's sum of powers."""
    pair = tl.program_id(1)
    image, head = (pair // heads).to(tl.int64), (pair % heads).to(tl.int64)
    row = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    across = tl.arange(0, BLOCK_D)
    wide = across < width
    q_at = q_ptr + image * q_b + head * q_h + row[:, None] * q_m + across[None, :] * q_d
    q = tl.load(q_at, mask=(row < queries)[:, None] & wide[None, :], other=0.0)
    k_base = k_ptr + image * k_b + (head // group) * k_h
    v_base = v_ptr + image * v_b + (head // group) * v_h
    bias = bias_ptr + image * b_b + head * b_h
    most = tl.full((BLOCK_M,), float("-inf"), tl.float32)
    total = tl.zeros((BLOCK_M,), tl.float32)
    result = tl.zeros((BLOCK_M, BLOCK_D), tl.float32)
    end = tl.minimum(keys, (tl.program_id(0) + 1) * BLOCK_M) if CAUSAL else keys
    for begin in range(0, end, BLOCK_N):
        column = begin + tl.arange(0, BLOCK_N)
        there = (column < keys)[:, None] & wide[None, :]
        k = tl.load(k_base + column[:, None] * k_n + across[None, :] * k_d, mask=there, other=0.0)
        score = _scores(q, tl.trans(k), row, column, queries, keys, scale, bias, b_m, b_n, CAUSAL, BIASED, PRECISION)
        higher = tl.maximum(most, tl.max(score, axis=1))
        shift = tl.where(higher == float("-inf"), 0.0, higher)
        power = tl.exp(score - shift[:, None])
        shrink = tl.exp(most - shift)
        total = total * shrink + tl.sum(power, axis=1)
        if DROPS:
            power = tl.where(_kept(seed, offset, pair, row, column, queries, keys, share), power / (1.0 - share), 0.0)
        v = tl.load(v_base + column[:, None] * v_n + across[None, :] * v_d, mask=there, other=0.0)
        result = tl.dot(power.to(v.dtype), v, result * shrink[:, None], input_precision=PRECISION)
        most = higher
    whole = tl.where(total > 0.0, total, 1.0)
    result = result / whole[:, None]
    o_at = out_ptr + image * o_b + head * o_h + row[:, None] * o_m + across[None, :]
    tl.store(o_at, result.to(out_ptr.dtype.element_ty), mask=(row < queries)[:, None] & wide[None, :])
    logs = tl.where(total > 0.0, most + tl.log(whole), float("inf"))
    tl.store(sums_ptr + pair.to(tl.int64) * queries + row, logs, mask=row < queries)
    if DROPS:
        is_first = (tl.program_id(0) == 0) & (tl.program_id(1) == 0)
        tl.store(seed_ptr, seed, mask=is_first)
        tl.store(offset_ptr, offset, mask=is_first)


@triton.jit
def row_products(out_ptr, grad_ptr, o_ptr, rows, queries, heads, width, g_b, g_h, g_m, g_d, o_b, o_h, o_m,
                 BLOCK_M: tl.constexpr, BLOCK_D: tl.constexpr):  # fmt: skip
    """The sum of grad * out of each row, (batch, heads, queries)."""
    at = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    across = tl.arange(0, BLOCK_D)
    row, head, image = at % queries, (at // queries) % heads, (at // (queries * heads)).to(tl.int64)
    mask = (at < rows)[:, None] & (across < width)[None, :]
    grads = (image * g_b + head * g_h + row * g_m)[:, None] + across[None, :] * g_d
    outs = (image * o_b + head * o_h + row * o_m)[:, None] + across[None, :]
    grad = tl.load(grad_ptr + grads, mask=mask, other=0.0).to(tl.float32)
    found = tl.load(o_ptr + outs, mask=mask, other=0.0).to(tl.float32)
    tl.store(out_ptr + at, tl.sum(grad * found, axis=1), mask=at < rows)


@triton.jit
def backward_queries(
    dq_ptr, grad_ptr, q_ptr, k_ptr, v_ptr, bias_ptr, sums_ptr, along_ptr, seed_ptr, offset_ptr, scale, share, heads,
    group, queries, keys, width, g_b, g_h, g_m, g_d, q_b, q_h, q_m, q_d, k_b, k_h, k_n, k_d, v_b, v_h, v_n, v_d,
    b_b, b_h, b_m, b_n, o_b, o_h, o_m, o_d, CAUSAL: tl.constexpr, BIASED: tl.constexpr,
    DROPS: tl.constexpr, PRECISION: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """The gradient of q, (batch, heads, queries, width), with strides o."""
    pair = tl.program_id(1)
    image, head = (pair // heads).to(tl.int64), (pair % heads).to(tl.int64)
    row = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    across = tl.arange(0, BLOCK_D)
    wide = across < width
    mask = (row < queries)[:, None] & wide[None, :]
    q = tl.load(q_ptr + image * q_b + head * q_h + row[:, None] * q_m + across[None, :] * q_d, mask=mask, other=0.0)
    grad = tl.load(
        grad_ptr + image * g_b + head * g_h + row[:, None] * g_m + across[None, :] * g_d, mask=mask, other=0.0
    )
    rows = pair.to(tl.int64) * queries + row
    logs = tl.load(sums_ptr + rows, mask=row < queries, other=float("inf"))
    along = tl.load(along_ptr + rows, mask=row < queries, other=0.0)
    seed, offset = tl.load(seed_ptr), tl.load(offset_ptr)
    result = tl.zeros((BLOCK_M, BLOCK_D), tl.float32)
    end = tl.minimum(keys, (tl.program_id(0) + 1) * BLOCK_M) if CAUSAL else keys
    for begin in range(0, end, BLOCK_N):
        column = begin + tl.arange(0, BLOCK_N)
        there = (column < keys)[:, None] & wide[None, :]
        k_at = k_ptr + image * k_b + (head // group) * k_h + column[:, None] * k_n + across[None, :] * k_d
        v_at = v_ptr + image * v_b + (head // group) * v_h + column[:, None] * v_n + across[None, :] * v_d
        k, v = tl.load(k_at, mask=there, other=0.0), tl.load(v_at, mask=there, other=0.0)
        score = _scores(q, tl.trans(k), row, column, queries, keys, scale, bias_ptr + image * b_b + head * b_h, b_m,
        b_n,
                        CAUSAL, BIASED, PRECISION)  # fmt: skip
        power = tl.exp(score - logs[:, None])
        inner = tl.dot(grad, tl.trans(v), input_precision=PRECISION)
        if DROPS:
            inner = tl.where(_kept(seed, offset, pair, row, column, queries, keys, share), inner / (1.0 - share), 0.0)
        change = power * (inner - along[:, None])
        result = tl.dot(change.to(k.dtype), k, result, input_precision=PRECISION)
    at = dq_ptr + image * o_b + head * o_h + row[:, None] * o_m + across[None, :] * o_d
    tl.store(at, (result * scale).to(dq_ptr.dtype.element_ty), mask=mask)


@triton.jit
def backward_keys(
    dk_ptr, dv_ptr, grad_ptr, q_ptr, k_ptr, v_ptr, bias_ptr, sums_ptr, along_ptr, seed_ptr, offset_ptr, scale, share,
    heads, group, queries, keys, width, g_b, g_h, g_m, g_d, q_b, q_h, q_m, q_d, k_b, k_h, k_n, k_d, v_b, v_h, v_n, v_d,
    b_b, b_h, b_m, b_n, x_b, x_h, x_n, x_d, y_b, y_h, y_n, y_d, CAUSAL: tl.constexpr, BIASED: tl.constexpr,
    DROPS: tl.constexpr, PRECISION: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """The gradients of k and v, (batch, groups of heads, keys, width), with strides x and y."""
    number = tl.program_id(1)
    groups = heads // group
    image, own = (number // groups).to(tl.int64), (number % groups).to(tl.int64)
    column = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    across = tl.arange(0, BLOCK_D)
    wide = across < width
    there = (column < keys)[:, None] & wide[None, :]
    k = tl.load(k_ptr + image * k_b + own * k_h + column[:, None] * k_n + across[None, :] * k_d, mask=there, other=0.0)
    v = tl.load(v_ptr + image * v_b + own * v_h + column[:, None] * v_n + across[None, :] * v_d, mask=there, other=0.0)
    seed, offset = tl.load(seed_ptr), tl.load(offset_ptr)
    dk = tl.zeros((BLOCK_N, BLOCK_D), tl.float32)
    dv = tl.zeros((BLOCK_N, BLOCK_D), tl.float32)
    first = (tl.program_id(0) * BLOCK_N) // BLOCK_M * BLOCK_M if CAUSAL else 0
    for member in range(group):
        head = own * group + member
        pair = image * heads + head
        for begin in range(first, queries, BLOCK_M):
            row = begin + tl.arange(0, BLOCK_M)
            mask = (row < queries)[:, None] & wide[None, :]
            q_at = q_ptr + image * q_b + head * q_h + row[:, None] * q_m + across[None, :] * q_d
            g_at = grad_ptr + image * g_b + head * g_h + row[:, None] * g_m + across[None, :] * g_d
            q, grad = tl.load(q_at, mask=mask, other=0.0), tl.load(g_at, mask=mask, other=0.0)
            logs = tl.load(sums_ptr + pair * queries + row, mask=row < queries, other=float("inf"))
            along = tl.load(along_ptr + pair * queries + row, mask=row < queries, other=0.0)
            score = _scores(q, tl.trans(k), row, column, queries, keys, scale, bias_ptr + image * b_b + head * b_h, b_m,
                            b_n, CAUSAL, BIASED, PRECISION)  # fmt: skip
            power = tl.exp(score - logs[:, None])
            inner = tl.dot(grad, tl.trans(v), input_precision=PRECISION)
            dropped = power
            if DROPS:
                kept = _kept(seed, offset, pair, row, column, queries, keys, share)
                dropped = tl.where(kept, power / (1.0 - share), 0.0)
                inner = tl.where(kept, inner / (1.0 - share), 0.0)
            dv = tl.dot(tl.trans(dropped).to(grad.dtype), grad, dv, input_precision=PRECISION)
            change = power * (inner - along[:, None])
            dk = tl.dot(tl.trans(change).to(q.dtype), q, dk, input_precision=PRECISION)
    x_at = dk_ptr + image * x_b + own * x_h + column[:, None] * x_n + across[None, :] * x_d
    y_at = dv_ptr + image * y_b + own * y_h + column[:, None] * y_n + across[None, :] * y_d
    tl.store(x_at, (dk * scale).to(dk_ptr.dtype.element_ty), mask=there)
    tl.store(y_at, dv.to(dv_ptr.dtype.element_ty), mask=there)
