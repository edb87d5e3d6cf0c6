"""Reductions of the collection: norms, losses, statistics, distances."""

import torch
import triton
import triton.language as tl
from registry import case


@triton.jit
def row_sum_kernel(x_ptr, out_ptr, width, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    total = tl.zeros([BLOCK], tl.float32)
    for start in range(0, width, BLOCK):
        at = start + tl.arange(0, BLOCK)
        total += tl.load(x_ptr + row * width + at, at < width, other=0.0)
    tl.store(out_ptr + row, tl.sum(total))


@case
def row_sums():
    x, out = torch.randn(13, 1000), torch.empty(13)
    row_sum_kernel[(13,)](x, out, 1000, BLOCK=256)
    return [(out, x.sum(1))]


@triton.jit
def log_sum_exp_kernel(x_ptr, out_ptr, width, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    most, total = -float("inf"), 0.0
    for start in range(0, width, BLOCK):
        at = start + tl.arange(0, BLOCK)
        x = tl.load(x_ptr + row * width + at, at < width, other=-float("inf"))
        higher = tl.maximum(most, tl.max(x))
        total = total * tl.exp(most - higher) + tl.sum(tl.exp(x - higher))
        most = higher
    tl.store(out_ptr + row, most + tl.log(total))


@case
def online_log_sum_exp():
    x, out = torch.randn(7, 900) * 5, torch.empty(7)
    log_sum_exp_kernel[(7,)](x, out, 900, BLOCK=128)
    return [(out, x.logsumexp(1))]


@triton.jit
def cross_entropy_kernel(x_ptr, target_ptr, loss_ptr, grad_ptr, width, BLOCK: tl.constexpr):
    row, at = tl.program_id(0), tl.arange(0, BLOCK)
    inside = at < width
    target = tl.load(target_ptr + row)
    x = tl.load(x_ptr + row * width + at, inside, other=-float("inf"))
    x -= tl.max(x)
    e = tl.exp(x)
    total = tl.sum(e)
    picked = tl.sum(tl.where(at == target, x, 0.0))
    tl.store(loss_ptr + row, tl.log(total) - picked)
    tl.store(grad_ptr + row * width + at, e / total - tl.where(at == target, 1.0, 0.0), inside)


@case
def cross_entropy_with_gradient():
    x, target = torch.randn(10, 77, requires_grad=True), torch.randint(0, 77, (10,))
    loss, grad = torch.empty(10), torch.empty(10, 77)
    cross_entropy_kernel[(10,)](x.detach(), target, loss, grad, 77, BLOCK=128)
    expected = torch.nn.functional.cross_entropy(x, target, reduction="none")
    expected.sum().backward()
    return [(loss, expected.detach()), (grad, x.grad)]


@triton.jit
def merge(mean_a, m2_a, count_a, mean_b, m2_b, count_b):
    count = count_a + count_b
    share = tl.where(count == 0, 0.0, count_b / count)
    delta = mean_b - mean_a
    return mean_a + delta * share, m2_a + m2_b + delta * delta * count_a * share, count


@triton.jit
def welford_kernel(x_ptr, mean_ptr, var_ptr, width, BLOCK: tl.constexpr):
    row, at = tl.program_id(0), tl.arange(0, BLOCK)
    inside = at < width
    x = tl.load(x_ptr + row * width + at, inside, other=0.0)
    mean, m2, count = tl.reduce((x, tl.zeros_like(x), inside.to(tl.float32)), 0, merge)
    tl.store(mean_ptr + row, mean)
    tl.store(var_ptr + row, m2 / count)


@case
def welford_statistics():
    x, mean, var = torch.randn(6, 333) + 3, torch.empty(6), torch.empty(6)
    welford_kernel[(6,)](x, mean, var, 333, BLOCK=512)
    return [(mean, x.mean(1)), (var, x.var(1, correction=0))]


@triton.jit
def group_norm_kernel(
    x_ptr, weight_ptr, bias_ptr, out_ptr, groups, area, eps, CHANNELS: tl.constexpr, AREA: tl.constexpr
):
    batch, group = tl.program_id(0), tl.program_id(1)
    channel, pixel = tl.arange(0, CHANNELS)[:, None], tl.arange(0, AREA)[None, :]
    inside = pixel < area
    at = ((batch * groups + group) * CHANNELS + channel) * area + pixel
    x = tl.load(x_ptr + at, inside, other=0.0)
    count = CHANNELS * area
    mean = tl.sum(x) / count
    centred = tl.where(inside, x - mean, 0.0)
    scale = tl.rsqrt(tl.sum(centred * centred) / count + eps)
    weight, bias = tl.load(weight_ptr + group * CHANNELS + channel), tl.load(bias_ptr + group * CHANNELS + channel)
    tl.store(out_ptr + at, centred * scale * weight + bias, inside)


@case
def group_norm():
    x, weight, bias = torch.randn(3, 8, 5, 9), torch.randn(8), torch.randn(8)
    out = torch.empty_like(x)
    group_norm_kernel[(3, 2)](x, weight, bias, out, 2, 45, 1e-5, CHANNELS=4, AREA=64)
    return [(out, torch.nn.functional.group_norm(x, 2, weight, bias))]


@triton.jit
def batch_statistics_kernel(x_ptr, mean_ptr, var_ptr, rows, width, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    column = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    total, squares = tl.zeros([COLUMNS], tl.float32), tl.zeros([COLUMNS], tl.float32)
    for start in range(0, rows, ROWS):
        row = start + tl.arange(0, ROWS)
        inside = (row < rows)[:, None] & (column < width)[None, :]
        x = tl.load(x_ptr + row[:, None] * width + column[None, :], inside, other=0.0)
        total += tl.sum(x, 0)
        squares += tl.sum(x * x, 0)
    mean = total / rows
    tl.store(mean_ptr + column, mean, column < width)
    tl.store(var_ptr + column, squares / rows - mean * mean, column < width)


@case
def batch_statistics():
    x, mean, var = torch.randn(200, 50), torch.empty(50), torch.empty(50)
    batch_statistics_kernel[(2,)](x, mean, var, 200, 50, ROWS=64, COLUMNS=32)
    return [(mean, x.mean(0)), (var, x.var(0, correction=0))]


@triton.jit
def rms_norm_backward_kernel(x_ptr, weight_ptr, grad_ptr, dx_ptr, width, eps, BLOCK: tl.constexpr):
    row, at = tl.program_id(0), tl.arange(0, BLOCK)
    inside = at < width
    x = tl.load(x_ptr + row * width + at, inside, other=0.0)
    grad = tl.load(grad_ptr + row * width + at, inside, other=0.0) * tl.load(weight_ptr + at, inside, other=0.0)
    scale = tl.rsqrt(tl.sum(x * x) / width + eps)
    dot = tl.sum(grad * x) / width
    tl.store(dx_ptr + row * width + at, scale * (grad - x * scale * scale * dot), inside)


@case
def rms_norm_backward():
    x, weight, grad = torch.randn(5, 100, requires_grad=True), torch.randn(100), torch.randn(5, 100)
    torch.nn.functional.rms_norm(x, (100,), weight, 1e-6).backward(grad)
    dx = torch.empty(5, 100)
    rms_norm_backward_kernel[(5,)](x.detach(), weight, grad, dx, 100, 1e-6, BLOCK=128)
    return [(dx, x.grad)]


@triton.jit
def cosine_kernel(x_ptr, y_ptr, out_ptr, width, BLOCK: tl.constexpr):
    row, at = tl.program_id(0), tl.arange(0, BLOCK)
    inside = at < width
    x = tl.load(x_ptr + row * width + at, inside, other=0.0)
    y = tl.load(y_ptr + row * width + at, inside, other=0.0)
    tl.store(out_ptr + row, tl.sum(x * y) / tl.sqrt(tl.sum(x * x) * tl.sum(y * y)))


@case
def cosine_similarity():
    x, y = torch.randn(2, 8, 60)
    out = torch.empty(8)
    cosine_kernel[(8,)](x, y, out, 60, BLOCK=64)
    return [(out, torch.nn.functional.cosine_similarity(x, y))]


@triton.jit
def kl_divergence_kernel(p_ptr, q_ptr, out_ptr, width, BLOCK: tl.constexpr):
    row, at = tl.program_id(0), tl.arange(0, BLOCK)
    inside = at < width
    p = tl.load(p_ptr + row * width + at, inside, other=-float("inf"))
    q = tl.load(q_ptr + row * width + at, inside, other=-float("inf"))
    log_p = p - tl.max(p) - tl.log(tl.sum(tl.exp(p - tl.max(p))))
    log_q = q - tl.max(q) - tl.log(tl.sum(tl.exp(q - tl.max(q))))
    tl.store(out_ptr + row, tl.sum(tl.where(inside, tl.exp(log_p) * (log_p - log_q), 0.0)))


@case
def kl_divergence():
    p, q = torch.randn(2, 6, 90)
    out = torch.empty(6)
    kl_divergence_kernel[(6,)](p, q, out, 90, BLOCK=128)
    expected = torch.nn.functional.kl_div(q.log_softmax(1), p.log_softmax(1), reduction="none", log_target=True)
    return [(out, expected.sum(1))]


@triton.jit
def clip_norm_kernel(x_ptr, squares_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at, at < n, other=0.0)
    tl.atomic_add(squares_ptr, tl.sum(x * x))


@case
def squared_norm_by_atomics():
    x, squares = torch.randn(5000), torch.zeros(1)
    clip_norm_kernel[(10,)](x, squares, 5000, BLOCK=512)
    return [(squares, (x * x).sum()[None])]


@triton.jit
def nearest_kernel(x_ptr, centre_ptr, out_ptr, n, DIMS: tl.constexpr, CENTRES: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    distance = tl.zeros([BLOCK, CENTRES], tl.float32)
    for dim in range(DIMS):
        x = tl.load(x_ptr + at * DIMS + dim, at < n, other=0.0)
        centre = tl.load(centre_ptr + tl.arange(0, CENTRES) * DIMS + dim)
        difference = x[:, None] - centre[None, :]
        distance += difference * difference
    tl.store(out_ptr + at, tl.argmin(distance, 1), at < n)


@case
def nearest_centre():
    x, centre = torch.randn(150, 3), torch.randn(16, 3)
    out = torch.empty(150, dtype=torch.int32)
    nearest_kernel[(3,)](x, centre, out, 150, DIMS=3, CENTRES=16, BLOCK=64)
    return [(out, torch.cdist(x, centre).argmin(1).int())]
