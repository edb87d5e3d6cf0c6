"""Elementwise kernels of the collection: activations, optimisers, quantisation, number games."""

import torch
import triton
import triton.language as tl
from registry import blocks, case
from triton.language.extra import libdevice


@triton.jit
def swiglu_kernel(gate_ptr, up_ptr, out_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    gate = tl.load(gate_ptr + at, inside, other=0.0).to(tl.float32)
    up = tl.load(up_ptr + at, inside, other=0.0).to(tl.float32)
    tl.store(out_ptr + at, gate * tl.sigmoid(gate) * up, inside)


@case
def swiglu():
    gate, up = torch.randn(2, 5000).half()
    out = torch.empty_like(gate)
    swiglu_kernel[blocks(5000, 1024)](gate, up, out, 5000, BLOCK=1024)
    return [(out, (torch.nn.functional.silu(gate.float()) * up.float()).half())]


@triton.jit
def gelu_tanh_kernel(x_ptr, bias_ptr, out_ptr, n, width, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    x = tl.load(x_ptr + at, inside) + tl.load(bias_ptr + at % width, inside)
    inner = 0.7978845608028654 * (x + 0.044715 * x * x * x)
    tl.store(out_ptr + at, 0.5 * x * (1 + libdevice.tanh(inner)), inside)


@case
def gelu_tanh_with_bias():
    x, bias = torch.randn(37, 100), torch.randn(100)
    out = torch.empty_like(x)
    gelu_tanh_kernel[blocks(3700, 512)](x, bias, out, 3700, 100, BLOCK=512)
    return [(out, torch.nn.functional.gelu(x + bias, approximate="tanh"))]


@triton.jit
def rope_kernel(x_ptr, cos_ptr, sin_ptr, out_ptr, heads, HALF: tl.constexpr):
    token, head = tl.program_id(0), tl.program_id(1)
    row = (token * heads + head) * 2 * HALF
    at = tl.arange(0, HALF)
    cos, sin = tl.load(cos_ptr + token * HALF + at), tl.load(sin_ptr + token * HALF + at)
    left, right = tl.load(x_ptr + row + at), tl.load(x_ptr + row + HALF + at)
    tl.store(out_ptr + row + at, left * cos - right * sin)
    tl.store(out_ptr + row + HALF + at, right * cos + left * sin)


@case
def rotary_embedding():
    x, angle = torch.randn(9, 4, 64), torch.rand(9, 32)
    out, (left, right) = torch.empty_like(x), x.chunk(2, -1)
    cos, sin = angle.cos(), angle.sin()
    rope_kernel[(9, 4)](x, cos, sin, out, 4, HALF=32)
    c, s = cos[:, None], sin[:, None]
    return [(out, torch.cat([left * c - right * s, right * c + left * s], -1))]


@triton.jit
def adam_kernel(
    p_ptr, g_ptr, m_ptr, v_ptr, n, rate, beta1, beta2, eps, decay, correction1, correction2, BLOCK: tl.constexpr
):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    p, g = tl.load(p_ptr + at, inside), tl.load(g_ptr + at, inside)
    m = beta1 * tl.load(m_ptr + at, inside) + (1 - beta1) * g
    v = beta2 * tl.load(v_ptr + at, inside) + (1 - beta2) * g * g
    step = (m / correction1) / (tl.sqrt(v / correction2) + eps)
    tl.store(p_ptr + at, p - rate * (step + decay * p), inside)
    tl.store(m_ptr + at, m, inside)
    tl.store(v_ptr + at, v, inside)


@case
def adam_with_decay():
    p, g = torch.randn(2, 3000)
    expected = p.clone().requires_grad_()
    expected.grad = g.clone()
    torch.optim.AdamW([expected], lr=0.1, weight_decay=0.01).step()
    m, v = torch.zeros(2, 3000)
    adam_kernel[blocks(3000, 1024)](p, g, m, v, 3000, 0.1, 0.9, 0.999, 1e-8, 0.01, 0.1, 0.001, BLOCK=1024)
    return [(p, expected.detach())]


@triton.jit
def momentum_kernel(p_ptr, g_ptr, m_ptr, n, rate, momentum, NESTEROV: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    g = tl.load(g_ptr + at, inside)
    m = momentum * tl.load(m_ptr + at, inside) + g
    tl.store(m_ptr + at, m, inside)
    step = g + momentum * m if NESTEROV else m
    tl.store(p_ptr + at, tl.load(p_ptr + at, inside) - rate * step, inside)


@case
def sgd_with_momentum():
    p, g, m = torch.randn(3, 777)
    moved = 0.9 * m + g
    expected = p - 0.01 * (g + 0.9 * moved)
    momentum_kernel[blocks(777, 256)](p, g, m, 777, 0.01, 0.9, NESTEROV=True, BLOCK=256)
    return [(p, expected), (m, moved)]


@triton.jit
def quantise_rows_kernel(x_ptr, q_ptr, scale_ptr, width, BLOCK: tl.constexpr):
    row, at = tl.program_id(0), tl.arange(0, BLOCK)
    inside = at < width
    x = tl.load(x_ptr + row * width + at, inside, other=0.0)
    scale = tl.max(tl.abs(x)) / 127
    q = libdevice.rint(x / scale)
    tl.store(q_ptr + row * width + at, q.to(tl.int8), inside)
    tl.store(scale_ptr + row, scale)


@case
def quantise_rows_to_int8():
    x = torch.randn(11, 300)
    q, scale = torch.empty(11, 300, dtype=torch.int8), torch.empty(11)
    quantise_rows_kernel[(11,)](x, q, scale, 300, BLOCK=512)
    expected = x.abs().amax(1) / 127
    return [(scale, expected), (q, (x / expected[:, None]).round().to(torch.int8))]


@triton.jit
def unpack_int4_kernel(packed_ptr, scale_ptr, out_ptr, n, GROUP: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    packed = tl.load(packed_ptr + at, at < n, other=0)
    low = ((packed << 4).to(tl.int8) >> 4).to(tl.float32)
    high = (packed >> 4).to(tl.float32)
    both = tl.interleave(low, high)
    out_at = tl.program_id(0) * 2 * BLOCK + tl.arange(0, 2 * BLOCK)
    scale = tl.load(scale_ptr + out_at // GROUP, out_at < 2 * n)
    tl.store(out_ptr + out_at, both * scale, out_at < 2 * n)


@case
def unpack_int4():
    packed, scale = torch.randint(-128, 128, (640,), dtype=torch.int8), torch.rand(1280 // 32)
    out = torch.empty(1280)
    unpack_int4_kernel[blocks(640, 256)](packed, scale, out, 640, GROUP=32, BLOCK=256)
    low = ((packed.int() & 15) ^ 8) - 8
    both = torch.stack([low, packed.int() >> 4], 1).reshape(-1).float()
    return [(out, both * scale.repeat_interleave(32))]


@triton.jit
def mandelbrot_kernel(out_ptr, width, height, LIMIT: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    cx = (at % width).to(tl.float32) / width * 3 - 2
    cy = (at // width).to(tl.float32) / height * 2 - 1
    x, y = tl.zeros_like(cx), tl.zeros_like(cy)
    steps = tl.zeros_like(at)
    step = 0
    while (step < LIMIT) & (tl.sum((x * x + y * y < 4).to(tl.int32)) > 0):
        going = x * x + y * y < 4
        x, y = tl.where(going, x * x - y * y + cx, x), tl.where(going, 2 * x * y + cy, y)
        steps += going.to(tl.int32)
        step += 1
    tl.store(out_ptr + at, steps, at < width * height)


@case
def mandelbrot():
    out = torch.empty(24, 32, dtype=torch.int32)
    mandelbrot_kernel[(3,)](out, 32, 24, LIMIT=50, BLOCK=256)
    at = torch.arange(24 * 32)
    c = torch.complex((at % 32).float() / 32 * 3 - 2, (at // 32).float() / 24 * 2 - 1)
    z, steps = torch.zeros_like(c), torch.zeros(24 * 32, dtype=torch.int32)
    for _ in range(50):
        going = z.real**2 + z.imag**2 < 4
        z = torch.where(going, z * z + c, z)
        steps += going.int()
    agree = (out.reshape(-1) == steps).float().mean()
    return [(agree > 0.99, torch.tensor(True))]


@triton.jit
def collatz_kernel(out_ptr, BLOCK: tl.constexpr):
    n = (tl.program_id(0) * BLOCK + tl.arange(0, BLOCK) + 1).to(tl.int64)
    value, steps = n, tl.zeros_like(n)
    while tl.max(value) > 1:
        going = value > 1
        value = tl.where(going, tl.where(value % 2 == 0, value // 2, 3 * value + 1), value)
        steps += going.to(tl.int64)
    tl.store(out_ptr + n - 1, steps)


@case
def collatz_lengths():
    def length(n):
        steps = 0
        while n > 1:
            n, steps = (n // 2 if n % 2 == 0 else 3 * n + 1), steps + 1
        return steps

    out = torch.empty(256, dtype=torch.int64)
    collatz_kernel[(2,)](out, BLOCK=128)
    return [(out, torch.tensor([length(n) for n in range(1, 257)]))]


@triton.jit
def cast_chain_kernel(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at, at < n, other=0.0)
    small = x.to(tl.bfloat16).to(tl.float32) + x.to(tl.float16).to(tl.float32) + x.to(tl.float8e5).to(tl.float32)
    tl.store(out_ptr + at, small, at < n)


@case
def casts_there_and_back():
    x, out = torch.randn(1000), torch.empty(1000)
    cast_chain_kernel[blocks(1000, 256)](x, out, 1000, BLOCK=256)
    return [(out, x.bfloat16().float() + x.half().float() + x.to(torch.float8_e5m2).float())]


@triton.jit
def xorshift_kernel(state_ptr, out_ptr, n, STEPS: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    state = tl.load(state_ptr + at, at < n, other=1).to(tl.uint32, bitcast=True)
    for _ in tl.static_range(STEPS):
        state ^= state << 13
        state ^= state >> 17
        state ^= state << 5
    tl.store(out_ptr + at, state.to(tl.int32, bitcast=True), at < n)


@case
def xorshift():
    state, out = torch.randint(1, 2**31 - 1, (500,), dtype=torch.int32), torch.empty(500, dtype=torch.int32)
    xorshift_kernel[blocks(500, 128)](state, out, 500, STEPS=4, BLOCK=128)
    expected = state.long()
    for _ in range(4):
        expected ^= (expected << 13) & 0xFFFFFFFF
        expected ^= expected >> 17
        expected ^= (expected << 5) & 0xFFFFFFFF
    return [(out.long() & 0xFFFFFFFF, expected)]
