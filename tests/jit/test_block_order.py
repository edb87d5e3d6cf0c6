"""The order in which one thread runs a grid's blocks: by what they read, where that is not the grid's own."""

import numpy as np
import pytest
import torch
import triton
import triton.language as tl

from supa.base.errors import LaunchError
from supa.runtime import set_threads, threads

ROWS, COLUMNS, BLOCK = 6, 5, 32


@pytest.fixture
def one_thread():
    before = threads()
    set_threads(1)
    yield
    set_threads(before)


@triton.jit
def plane(x, out, places, next_place, stride_i, stride_j, BLOCK: tl.constexpr, COUNTS: tl.constexpr):
    """One block after another writes where it stood: a race, which one thread decides."""
    i, j = tl.program_id(0), tl.program_id(1)
    block = i + tl.num_programs(0) * j
    if COUNTS:
        place = tl.load(next_place)
        tl.store(places + block, place)
        tl.store(next_place, place + 1)
    p, q = i * BLOCK + tl.arange(0, BLOCK), j * BLOCK + tl.arange(0, BLOCK)
    v = tl.load(x + p[:, None] * stride_i + q[None, :] * stride_j)
    tl.store(
        out + block * BLOCK * BLOCK + tl.arange(0, BLOCK)[:, None] * BLOCK + tl.arange(0, BLOCK)[None, :], tl.exp(v)
    )


@triton.jit
def product(a, b, c, places, next_place, n, depth, BLOCK: tl.constexpr, K: tl.constexpr, COUNTS: tl.constexpr):
    across = tl.cdiv(n, BLOCK)
    i, j = tl.program_id(0) // across * BLOCK, tl.program_id(0) % across * BLOCK
    rows, columns = i + tl.arange(0, BLOCK), j + tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK, BLOCK), tl.float32)
    for start in range(0, depth, K):
        at = start + tl.arange(0, K)
        total = tl.dot(tl.load(a + rows[:, None] * depth + at), tl.load(b + at[:, None] * n + columns), total)
    if COUNTS:
        place = tl.load(next_place)
        tl.store(places + tl.program_id(0), place)
        tl.store(next_place, place + 1)
    tl.store(c + rows[:, None] * n + columns, total)


@triton.jit
def faulty(x, out, stride, bad_i, bad_j, far, BLOCK: tl.constexpr):
    i, j = tl.program_id(0), tl.program_id(1)
    p, q = i * BLOCK + tl.arange(0, BLOCK), j * BLOCK + tl.arange(0, BLOCK)
    v = tl.exp(tl.load(x + p[:, None] * stride + q[None, :]))
    off = tl.where((i == bad_i) & (j == bad_j), far, 0)
    tl.store(out + off + p[:, None] * stride + q[None, :], v)


@triton.jit
def counted(x, out, count, stride, BLOCK: tl.constexpr):
    p, q = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK), tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    v = tl.exp(tl.load(x + p[:, None] * stride + q[None, :]))
    tl.atomic_add(count, 1)
    tl.store(out + p[:, None] * stride + q[None, :], v)


def launches(launch, places, next_place):
    """The blocks in the order in which the third launch ran them: the first ones teach what a block takes."""
    for _ in range(3):
        next_place.zero_()
        launch()
    order = np.empty(len(places), int)
    order[places.numpy()] = np.arange(len(places))
    return order.tolist()


@pytest.mark.parametrize("strides", [(COLUMNS * BLOCK, 1), (1, ROWS * BLOCK), (COLUMNS * BLOCK * 2, 2)])
def test_blocks_of_a_plane_follow_its_memory(one_thread, on_device, strides):
    on_device(mode="execute")
    x = torch.randn(2 * ROWS * COLUMNS * BLOCK * BLOCK)
    count = ROWS * COLUMNS
    out, places, next_place = (
        torch.empty(count, BLOCK, BLOCK),
        torch.zeros(count, dtype=torch.int32),
        torch.zeros(1).int(),
    )
    launch = lambda: plane[(ROWS, COLUMNS)](x, out, places, next_place, *strides, BLOCK=BLOCK, COUNTS=True)  # noqa: E731
    found = launches(launch, places, next_place)
    starts = [(i * strides[0] + j * strides[1]) * BLOCK for j in range(COLUMNS) for i in range(ROWS)]
    assert [starts[block] for block in found] == sorted(starts)
    view = x.as_strided((ROWS * BLOCK, COLUMNS * BLOCK), strides).double().exp()
    expected = view.reshape(ROWS, BLOCK, COLUMNS, BLOCK).permute(2, 0, 1, 3).reshape(count, BLOCK, BLOCK)
    torch.testing.assert_close(out.double(), expected, rtol=1e-5, atol=0)


def test_blocks_of_a_product_take_two_columns_at_a_time(one_thread, on_device):
    on_device(mode="execute")
    m, n, depth, block = 256, 320, 128, 64
    a, b, c = torch.randn(m, depth), torch.randn(depth, n), torch.empty(m, n)
    down, across = m // block, n // block
    places, next_place = torch.zeros(down * across, dtype=torch.int32), torch.zeros(1).int()
    grid = (down * across,)
    launch = lambda: product[grid](a, b, c, places, next_place, n, depth, BLOCK=block, K=32, COUNTS=True)  # noqa: E731
    found = launches(launch, places, next_place)
    expected = sorted(range(down * across), key=lambda p: (p % across // 2, p // across, p % across))
    assert found == expected
    torch.testing.assert_close(c.double(), a.double() @ b.double(), rtol=1e-2, atol=1e-1)  # tf32


@pytest.mark.parametrize("count", [1, 2, 3])
def test_answers_do_not_depend_on_threads(on_device, count):
    """Threads take parts of the same order."""
    on_device(mode="execute")
    n, depth, block = 512, 256, 64
    a, b, c = torch.randn(n, depth), torch.randn(depth, n), torch.empty(n, n)
    unused, before = torch.zeros(1).int(), threads()
    set_threads(count)
    try:
        for _ in range(3):
            c.fill_(float("nan"))
            product[((n // block) ** 2,)](a, b, c, unused, unused, n, depth, BLOCK=block, K=32, COUNTS=False)
            torch.testing.assert_close(c.double(), a.double() @ b.double(), rtol=1e-2, atol=1e-1)
    finally:
        set_threads(before)


def test_a_fault_names_its_block(on_device):
    on_device(mode="execute")
    x, out = torch.randn(ROWS * BLOCK, COLUMNS * BLOCK), torch.empty(ROWS * BLOCK, COLUMNS * BLOCK)
    run = lambda i, j: faulty[(ROWS, COLUMNS)](x, out, COLUMNS * BLOCK, i, j, 1 << 44, BLOCK=BLOCK)  # noqa: E731
    for _ in range(2):
        run(-1, -1)
    torch.testing.assert_close(out.double(), x.double().exp(), rtol=1e-5, atol=0)
    for i, j in ((4, 1), (0, 3)):
        with pytest.raises(LaunchError, match=rf"block \({i}, {j}, 0\)"):
            run(i, j)


def test_kernels_whose_blocks_may_hear_of_each_other_keep_the_grids_order(monkeypatch, tmp_path, on_device):
    from supa.jit.triton_backend import lowering

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    on_device(mode="execute")
    seen, stock = {}, lowering.lower

    def lower(text, options):
        program = stock(text, options)
        seen[program.name] = program.order_symbol
        return program

    monkeypatch.setattr(lowering, "lower", lower)
    x = torch.randn(64, 64)
    out, count = torch.empty_like(x), torch.zeros(1).int()
    counted[(2, 2)](x, out, count, 64, BLOCK=32)
    faulty[(2, 2)](x, out, 64, -1, -1, 0, BLOCK=32)
    assert count.item() == 4
    assert seen == {"counted": "", "faulty": "faulty.order"}
