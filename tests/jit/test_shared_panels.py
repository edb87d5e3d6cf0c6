"""Packed operands that blocks of one thread share: what they share is what each of them would have read itself."""

import pytest
import torch
import triton
import triton.language as tl


@triton.jit
def grouped_product(a, b, c, m, n, depth, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr):
    """Columns of blocks: neighbours share the right operand."""
    down = tl.cdiv(m, M)
    i = tl.program_id(0) % down * M + tl.arange(0, M)
    j = tl.program_id(0) // down * N + tl.arange(0, N)
    total = tl.zeros((M, N), tl.float32)
    for start in range(0, depth, K):
        p = start + tl.arange(0, K)
        left = tl.load(a + i[:, None] * depth + p[None, :], mask=(i[:, None] < m) & (p[None, :] < depth), other=0.0)
        right = tl.load(b + p[:, None] * n + j[None, :], mask=(p[:, None] < depth) & (j[None, :] < n), other=0.0)
        total = tl.dot(left, right, total, input_precision="ieee")
    tl.store(c + i[:, None] * n + j[None, :], total, mask=(i[:, None] < m) & (j[None, :] < n))


@triton.jit
def powers(x, out, turns, N: tl.constexpr, K: tl.constexpr):
    """In one block: x becomes x @ x, again and again, in place; every turn must see what the last one stored."""
    i, j = tl.arange(0, N), tl.arange(0, K)
    at = i[:, None] * N + i[None, :]
    for _ in range(turns):
        total = tl.zeros((N, N), tl.float32)
        for start in range(0, N, K):
            left = tl.load(x + i[:, None] * N + start + j[None, :])
            right = tl.load(x + (start + j[:, None]) * N + i[None, :])
            total = tl.dot(left, right, total, input_precision="ieee")
        tl.debug_barrier()
        tl.store(x + at, total)
        tl.debug_barrier()
    tl.store(out + at, tl.load(x + at))


@triton.jit
def before_and_after(x, y, out, N: tl.constexpr):
    """Multiplies by y, overwrites it, multiplies by it again."""
    i = tl.arange(0, N)
    at = i[:, None] * N + i[None, :]
    left = tl.load(x + at)
    tl.store(out + at, tl.dot(left, tl.load(y + at), input_precision="ieee"))
    tl.store(y + at, left)
    tl.debug_barrier()
    tl.store(out + N * N + at, tl.dot(left, tl.load(y + at), input_precision="ieee"))


@triton.jit
def scaled_operand(a, b, c, which, N: tl.constexpr):
    """What is read depends on a number from memory, block by block."""
    i = tl.arange(0, N)
    at = i[:, None] * N + i[None, :]
    chosen = tl.load(which + tl.program_id(0))
    right = tl.load(b + chosen * N * N + at, mask=i[None, :] < N - chosen, other=1.0)
    left = tl.load(a + at)
    tl.store(c + tl.program_id(0) * N * N + at, tl.dot(left, right, input_precision="ieee"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("m", "n", "depth"), [(70, 45, 67), (200, 130, 16), (64, 64, 1040)])
def test_neighbours_share_the_right_operand(on_device, dtype, m, n, depth):
    on_device(mode="execute")
    torch.manual_seed(m)
    a, b, c = torch.randn(m, depth).to(dtype), torch.randn(depth, n).to(dtype), torch.full((m, n), float("nan"))
    grouped_product[(triton.cdiv(m, 32) * triton.cdiv(n, 32),)](a, b, c, m, n, depth, M=32, N=32, K=16)
    torch.testing.assert_close(c.double(), a.double() @ b.double(), rtol=1e-4, atol=1e-3)


def test_more_turns_than_slots(on_device):
    on_device(mode="execute")
    m, n, depth = 96, 32, 16 * 150
    a, b, c = torch.randn(m, depth), torch.randn(depth, n), torch.full((m, n), float("nan"))
    grouped_product[(3,)](a, b, c, m, n, depth, M=32, N=32, K=16)
    torch.testing.assert_close(c.double(), a.double() @ b.double(), rtol=1e-4, atol=1e-3)


def test_the_next_launch_reads_anew(on_device):
    on_device(mode="execute")
    a, b, c = torch.randn(64, 64), torch.randn(64, 32), torch.empty(64, 32)
    for _ in range(2):
        grouped_product[(2,)](a, b, c, 64, 32, 64, M=32, N=32, K=16)
        torch.testing.assert_close(c.double(), a.double() @ b.double(), rtol=1e-4, atol=1e-4)
        b.neg_().add_(1)


def test_an_operand_that_the_loop_writes_is_read_anew(on_device):
    on_device(mode="execute")
    x, out = torch.randn(32, 32) / 6, torch.empty(32, 32)
    expected = torch.linalg.matrix_power(x.double(), 8)
    powers[(1,)](x, out, 3, N=32, K=16)
    torch.testing.assert_close(out.double(), expected, rtol=1e-4, atol=1e-6)


def test_an_operand_that_the_block_wrote_is_read_anew(on_device):
    on_device(mode="execute")
    x, y, out = torch.randn(16, 16), torch.randn(16, 16), torch.empty(2, 16, 16)
    expected = torch.stack([x.double() @ y.double(), x.double() @ x.double()])
    before_and_after[(1,)](x, y, out, N=16)
    torch.testing.assert_close(out.double(), expected, rtol=1e-4, atol=1e-4)


def test_what_decides_the_load_is_compared(on_device):
    on_device(mode="execute")
    a, b, c = torch.randn(16, 16), torch.randn(3, 16, 16), torch.empty(6, 16, 16)
    which = torch.tensor([0, 0, 2, 1, 1, 0], dtype=torch.int32)
    scaled_operand[(6,)](a, b, c, which, N=16)
    for block, chosen in enumerate(which.tolist()):
        right = b[chosen].double()
        right[:, 16 - chosen :] = 1
        torch.testing.assert_close(c[block].double(), a.double() @ right, rtol=1e-4, atol=1e-4)
