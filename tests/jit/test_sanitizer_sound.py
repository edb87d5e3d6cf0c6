"""Well-known kernels without a mistake: right answers under the sanitizer, and nothing found."""

import sanitizer_sound_kernels as kernels
import torch
import triton


def check(sanitized, call, got, expected):
    assert sanitized(call) == []
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


def test_transpose(sanitized):
    x, out = torch.randn(70, 45), torch.empty(45, 70)
    check(sanitized, lambda: kernels.transpose[(3, 2)](x, out, 70, 45, BLOCK=32), out, x.T.contiguous())


def test_split_k(sanitized):
    a, b, c = torch.randn(50, 150), torch.randn(150, 40), torch.zeros(50, 40)
    check(sanitized, lambda: kernels.split_k[(4, 3, 3)](a, b, c, 50, 40, 150, BLOCK=16, SPLIT=3), c, a @ b)


def test_embedding(sanitized):
    table, indices = torch.randn(30, 100), torch.randint(0, 30, (17,))
    out = torch.empty(17, 100)
    check(sanitized, lambda: kernels.embedding[(17,)](indices, table, out, 100, BLOCK=128), out, table[indices])


def test_rms_norm_in_place(sanitized):
    x, weight = torch.randn(9, 100), torch.randn(100)
    expected = torch.nn.functional.rms_norm(x, (100,), weight, 1e-6)
    check(sanitized, lambda: kernels.rms_norm_in_place[(9,)](x, weight, 100, 1e-6, BLOCK=128), x, expected)


def test_persistent(sanitized):
    x, out = torch.randn(10_007), torch.empty(10_007)
    check(sanitized, lambda: kernels.persistent_scale[(6,)](x, out, 10_007, BLOCK=256), out, x * 2)


def test_stencil(sanitized):
    x, out = torch.randn(1000), torch.empty(1000)
    padded = torch.nn.functional.pad(x, (1, 1))
    check(sanitized, lambda: kernels.three_point[(8,)](x, out, 1000, BLOCK=128), out, padded[:-2] + padded[2:])


def test_chained_scan(sanitized):
    x, out = torch.rand(16 * 64), torch.empty(16 * 64)
    partial, flags = torch.empty(16), torch.zeros(16, dtype=torch.int32)
    check(sanitized, lambda: kernels.arrive_and_finish[(16,)](x, partial, flags, out, BLOCK=64), out, x.cumsum(0))


def test_hash(sanitized):
    x, out = torch.arange(512, dtype=torch.int32), torch.zeros(64, dtype=torch.int32)
    slots = ((x.long() * 1103515245 + 12345) & 63).bincount(minlength=64).int()
    check(sanitized, lambda: kernels.hashed[(8,)](x, out, 64, BLOCK=64), out, slots)


def test_arithmetic_in_64_bits(sanitized):
    x, out = torch.randn(64), torch.empty(4, 64)
    stride = 2**31 - 1
    check(sanitized, lambda: kernels.wide_rows[(4,)](x, out, stride, BLOCK=64), out, x.expand(4, 64))


def test_views_with_strides(sanitized):
    whole = torch.zeros(3, 40, 64)
    part = whole[1, :, 7:39].T
    source = torch.randn(32, 40)
    out = torch.empty(40, 32)
    check(sanitized, lambda: kernels.transpose[(1, 2)](source, out, 32, 40, BLOCK=32), out, source.T.contiguous())
    part.copy_(out.T)
    assert sanitized(lambda: kernels.persistent_scale[(1,)](part, torch.empty(8), 8, BLOCK=8)) == []
    assert triton.cdiv(part.numel(), 8) == 160
