"""Functions of triton.language that no table of the tests holds: random numbers, shapes, merges, descriptors."""

import names_kernels as kernels
import numpy as np
import pytest
import torch

N = 256
BOTH, WORD = np.uint64(0xFFFFFFFF), np.uint64(32)


def philox(seed, offsets):
    """Philox 4x32-10 of Salmon et al., as `tl.randint4x` counts: the offset is the counter's first word."""
    zero = np.zeros(len(offsets), np.uint64)
    words = [offsets.astype(np.uint64) & BOTH, zero, zero, zero]
    keys = [np.uint64(seed & 0xFFFFFFFF), np.uint64(seed >> 32 & 0xFFFFFFFF)]
    for _ in range(10):
        first, second = words[0] * np.uint64(0xD2511F53), words[2] * np.uint64(0xCD9E8D57)
        words = [second >> WORD ^ words[1] ^ keys[0], second & BOTH, first >> WORD ^ words[3] ^ keys[1], first & BOTH]
        keys = [keys[0] + np.uint64(0x9E3779B9) & BOTH, keys[1] + np.uint64(0xBB67AE85) & BOTH]
    return [word.astype(np.uint32) for word in words]


def uniform(bits):
    signed = bits.view(np.int32)
    return np.where(signed < 0, ~signed, signed).astype(np.float32) * np.float32(4.6566127342e-10)


def normal(first, second):
    radius = np.sqrt(-2 * np.log(np.maximum(first, 1e-7).astype(np.float64)))
    return radius * np.cos(2 * np.pi * second), radius * np.sin(2 * np.pi * second)


@pytest.mark.parametrize("seed", [0, 7, -5, 2**40 + 3])
def test_random_numbers_are_philoxs(on_device, seed):
    out = torch.zeros(15, N)
    on_device(mode="execute")
    kernels.random_kernel[(1,)](out, seed, N=N)
    rows, words = out.numpy(), philox(seed, np.arange(N))
    for row, word in zip((0, 3, 4, 5, 6), (words[0], *words), strict=True):
        assert np.array_equal(rows[row].view(np.uint32), word)
    uniforms = [uniform(word) for word in words]
    for row, expected in zip((1, 7, 8, 9, 10), (uniforms[0], *uniforms), strict=True):
        assert np.array_equal(rows[row], expected)
    normals = [*normal(*uniforms[:2]), *normal(*uniforms[2:])]
    for row, expected in zip((2, 11, 12, 13, 14), (normals[0], *normals), strict=True):
        np.testing.assert_allclose(rows[row], expected, rtol=2e-6, atol=2e-6)


def test_shapes(on_device):
    x, out = torch.randn(8, 32, generator=torch.Generator().manual_seed(1)), torch.zeros(6, 8, 32)
    on_device(mode="execute")
    kernels.shapes_kernel[(1,)](x, out, R=8, C=32)
    softmax, same, flat, columns, sums, chosen = out
    torch.testing.assert_close(softmax, x.softmax(1), rtol=2e-6, atol=2e-7)
    assert torch.equal(same, x) and torch.equal(flat, x)
    assert torch.equal(columns, torch.arange(32.0).expand(8, 32))
    torch.testing.assert_close(sums, 3 * x - 1, rtol=1e-6, atol=1e-6)
    assert torch.equal(chosen.bool(), (x > 0) & (x < 1) | (x < -1))


def grouped(rows, columns, group):
    """`tl.swizzle2d`'s order: columns within groups of rows."""
    order = np.zeros(rows * columns, np.int32)
    for place in range(rows * columns):
        start = place // (group * columns) * group
        height = min(rows - start, group)
        inside = place % (group * columns)
        order[place] = (start + inside % height) * columns + inside // height
    return order


def test_merges_and_the_order_of_groups(on_device):
    x = torch.randperm(N, generator=torch.Generator().manual_seed(2)).to(torch.int32)
    out, swizzled = torch.zeros(3, N, dtype=torch.int32), torch.zeros(64, dtype=torch.int32)
    on_device(mode="execute")
    kernels.order_kernel[(1,)](x, out, swizzled, N=N, R=8, C=8, G=4)
    bitonic, upward, downward = out
    assert torch.equal(upward, bitonic.sort().values) and torch.equal(downward, upward.flip(0))
    assert np.array_equal(swizzled.numpy(), grouped(8, 8, 4))


def test_descriptors_by_their_functions(on_device):
    x, out = torch.randn(40, 24), torch.zeros(40, 24)
    on_device(mode="execute")
    kernels.descriptor_kernel[(3, 2)](x, out, 40, 24, B=16)
    assert torch.equal(out, 2 * x)
