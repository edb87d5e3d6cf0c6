"""Stencils, images and simulations of the collection."""

import torch
import triton
import triton.language as tl
from registry import blocks, case


@triton.jit
def sobel_kernel(x_ptr, out_ptr, height, width, BLOCK: tl.constexpr):
    y = tl.program_id(0) + 1
    x = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK) + 1
    inside = x < width - 1
    across, down = tl.zeros([BLOCK], tl.float32), tl.zeros([BLOCK], tl.float32)
    for dy in tl.static_range(-1, 2):
        for dx in tl.static_range(-1, 2):
            value = tl.load(x_ptr + (y + dy) * width + x + dx, inside, other=0.0)
            across += value * (dx * (2 - dy * dy))
            down += value * (dy * (2 - dx * dx))
    tl.store(out_ptr + (y - 1) * (width - 2) + x - 1, tl.sqrt(across * across + down * down), inside)


@case
def sobel_edges():
    x, out = torch.rand(20, 70), torch.empty(18, 68)
    sobel_kernel[(18, 2)](x, out, 20, 70, BLOCK=64)
    kernel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    both = torch.nn.functional.conv2d(x[None, None], torch.stack([kernel, kernel.T])[:, None])[0]
    return [(out, both.square().sum(0).sqrt())]


@triton.jit
def resize_kernel(x_ptr, out_ptr, height, width, out_height, out_width, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < out_height * out_width
    y = ((at // out_width).to(tl.float32) + 0.5) * height / out_height - 0.5
    x = ((at % out_width).to(tl.float32) + 0.5) * width / out_width - 0.5
    y, x = tl.maximum(y, 0.0), tl.maximum(x, 0.0)
    top, left = tl.floor(y).to(tl.int32), tl.floor(x).to(tl.int32)
    bottom, right = tl.minimum(top + 1, height - 1), tl.minimum(left + 1, width - 1)
    fy, fx = y - top, x - left
    upper = tl.load(x_ptr + top * width + left, inside) * (1 - fx) + tl.load(x_ptr + top * width + right, inside) * fx
    lower = tl.load(x_ptr + bottom * width + left, inside) * (1 - fx)
    lower += tl.load(x_ptr + bottom * width + right, inside) * fx
    tl.store(out_ptr + at, upper * (1 - fy) + lower * fy, inside)


@case
def bilinear_resize():
    x, out = torch.rand(13, 17), torch.empty(25, 40)
    resize_kernel[blocks(1000, 256)](x, out, 13, 17, 25, 40, BLOCK=256)
    expected = torch.nn.functional.interpolate(x[None, None], (25, 40), mode="bilinear")[0, 0]
    return [(out, expected)]


@triton.jit
def grey_kernel(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    red = tl.load(x_ptr + 3 * at, at < n).to(tl.float32)
    green = tl.load(x_ptr + 3 * at + 1, at < n).to(tl.float32)
    blue = tl.load(x_ptr + 3 * at + 2, at < n).to(tl.float32)
    tl.store(out_ptr + at, (0.299 * red + 0.587 * green + 0.114 * blue).to(tl.uint8), at < n)


@case
def grey_of_interleaved_colours():
    x, out = torch.randint(0, 256, (500, 3), dtype=torch.uint8), torch.empty(500, dtype=torch.uint8)
    grey_kernel[blocks(500, 128)](x, out, 500, BLOCK=128)
    wanted = x.float() @ torch.tensor([0.299, 0.587, 0.114])
    return [((out.float() - wanted).abs().max() < 1.01, torch.tensor(True))]


@triton.jit
def life_kernel(x_ptr, out_ptr, SIZE: tl.constexpr):
    y, x = tl.arange(0, SIZE)[:, None], tl.arange(0, SIZE)[None, :]
    neighbours = tl.zeros([SIZE, SIZE], tl.int32)
    for dy in tl.static_range(-1, 2):
        for dx in tl.static_range(-1, 2):
            if dy != 0 or dx != 0:
                at = ((y + dy) & (SIZE - 1)) * SIZE + ((x + dx) & (SIZE - 1))
                neighbours += tl.load(x_ptr + at).to(tl.int32)
    alive = tl.load(x_ptr + y * SIZE + x) != 0
    tl.store(out_ptr + y * SIZE + x, (neighbours == 3) | (alive & (neighbours == 2)))


@case
def game_of_life():
    x, out = torch.rand(32, 32) < 0.4, torch.empty(32, 32, dtype=torch.bool)
    life_kernel[(1,)](x, out, SIZE=32)
    around = sum(torch.roll(x.int(), (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0))
    return [(out, (around == 3) | (x & (around == 2)))]


@triton.jit
def gravity_kernel(position_ptr, mass_ptr, out_ptr, n, softening, BLOCK: tl.constexpr):
    body = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x, y = tl.load(position_ptr + 2 * body, body < n), tl.load(position_ptr + 2 * body + 1, body < n)
    ax, ay = tl.zeros([BLOCK], tl.float32), tl.zeros([BLOCK], tl.float32)
    for start in range(0, n, BLOCK):
        other = start + tl.arange(0, BLOCK)
        mass = tl.load(mass_ptr + other, other < n, other=0.0)
        dx = tl.load(position_ptr + 2 * other, other < n, other=0.0)[None, :] - x[:, None]
        dy = tl.load(position_ptr + 2 * other + 1, other < n, other=0.0)[None, :] - y[:, None]
        inverse = tl.rsqrt(dx * dx + dy * dy + softening)
        pull = mass[None, :] * inverse * inverse * inverse
        ax += tl.sum(pull * dx, 1)
        ay += tl.sum(pull * dy, 1)
    tl.store(out_ptr + 2 * body, ax, body < n)
    tl.store(out_ptr + 2 * body + 1, ay, body < n)


@case
def gravity_of_all_pairs():
    position, mass, out = torch.randn(50, 2), torch.rand(50), torch.empty(50, 2)
    gravity_kernel[(2,)](position, mass, out, 50, 0.1, BLOCK=32)
    difference = (position[None] - position[:, None]).double()
    pull = mass.double()[None] * (difference.square().sum(-1) + 0.1) ** -1.5
    return [(out, (pull[..., None] * difference).sum(1).float())]


@triton.jit
def heat_kernel(x_ptr, out_ptr, height, width, rate, BH: tl.constexpr, BW: tl.constexpr):
    y = tl.program_id(0) * BH + tl.arange(0, BH)[:, None]
    x = tl.program_id(1) * BW + tl.arange(0, BW)[None, :]
    inside = (y > 0) & (y < height - 1) & (x > 0) & (x < width - 1)
    centre = x_ptr + y * width + x
    around = tl.load(centre - 1, inside) + tl.load(centre + 1, inside)
    around += tl.load(centre - width, inside) + tl.load(centre + width, inside)
    value = tl.load(centre, (y < height) & (x < width))
    made = tl.where(inside, value + rate * (around - 4 * value), value)
    tl.store(out_ptr + y * width + x, made, (y < height) & (x < width))


@case
def heat_equation():
    x, out = torch.rand(30, 45), torch.empty(30, 45)
    heat_kernel[(2, 2)](x, out, 30, 45, 0.2, BH=16, BW=32)
    expected = x.clone()
    around = x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:]
    expected[1:-1, 1:-1] += 0.2 * (around - 4 * x[1:-1, 1:-1])
    return [(out, expected)]


@triton.jit
def monte_carlo_kernel(out_ptr, seed, ROUNDS: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    hits = tl.zeros([BLOCK], tl.int32)
    for step in range(ROUNDS):
        x = tl.rand(seed, at * 2 * ROUNDS + 2 * step)
        y = tl.rand(seed, at * 2 * ROUNDS + 2 * step + 1)
        hits += (x * x + y * y < 1).to(tl.int32)
    tl.atomic_add(out_ptr, tl.sum(hits))


@case
def monte_carlo_pi():
    out = torch.zeros(1, dtype=torch.int32)
    monte_carlo_kernel[(4,)](out, 7, ROUNDS=16, BLOCK=256)
    return [((out / (16 * 1024) * 4 - torch.pi).abs() < 0.05, torch.tensor([True]))]


@triton.jit
def butterflies_kernel(x_ptr, out_ptr, LOG: tl.constexpr):
    N: tl.constexpr = 2**LOG
    at = tl.arange(0, N)
    x = tl.load(x_ptr + at)
    for stage in tl.static_range(LOG):
        pairs = tl.reshape(x, (N // 2 ** (stage + 1), 2, 2**stage))
        left, right = tl.split(tl.permute(pairs, (0, 2, 1)))
        x = tl.reshape(tl.permute(tl.join(left + right, left - right), (0, 2, 1)), (N,))
    tl.store(out_ptr + at, x)


@case
def walsh_hadamard_transform():
    x, out = torch.randn(64), torch.empty(64)
    butterflies_kernel[(1,)](x, out, LOG=6)
    matrix = torch.ones(1, 1)
    for _ in range(6):
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
    return [(out, matrix @ x)]
