"""Sorts, top-k and flips: pairs change places inside vectors or between them, alone and among other operations."""

import numpy as np
import pytest
import torch
import triton
import triton.language as tl


@triton.jit
def sort_rows(x, out, tops, ROWS: tl.constexpr, COLUMNS: tl.constexpr, K: tl.constexpr, DESCENDING: tl.constexpr):
    places = tl.arange(0, ROWS)[:, None] * COLUMNS + tl.arange(0, COLUMNS)[None, :]
    v = tl.load(x + places)
    tl.store(out + places, tl.sort(v, descending=DESCENDING))
    kept = tl.arange(0, ROWS)[:, None] * K + tl.arange(0, K)[None, :]
    tl.store(tops + kept, tl.topk(v, K))


SHAPES = [(1, 2, 2), (1, 16, 4), (4, 8, 2), (8, 64, 64), (32, 4, 2)]
DTYPES = [torch.int8, torch.int16, torch.int64, torch.float16, torch.float32]


@pytest.mark.parametrize(
    "rows, columns, k, dtype",
    [*((*shape, torch.int32) for shape in SHAPES), *((2, 32, 4, dtype) for dtype in DTYPES)],
)
def test_sorted_rows(rows, columns, k, dtype):
    x = torch.randint(-100, 100, (rows, columns)).to(dtype)
    for descending in (False, True):
        out, tops = torch.empty_like(x), torch.empty(rows, k, dtype=dtype)
        sort_rows[(1,)](x, out, tops, rows, columns, k, descending)
        assert torch.equal(out, x.sort(1, descending=descending).values)
        assert torch.equal(tops, x.topk(k, 1).values)


@triton.jit
def flip_and_mix(x, out, sums, A: tl.constexpr, B: tl.constexpr, C: tl.constexpr, DIM: tl.constexpr):
    i, j, k = tl.arange(0, A)[:, None, None], tl.arange(0, B)[None, :, None], tl.arange(0, C)[None, None, :]
    places = (i * B + j) * C + k
    v = tl.load(x + places)
    flipped = tl.flip(v * 2, DIM)
    tl.store(out + places, flipped + v + tl.flip(flipped, DIM))
    tl.store(sums + tl.arange(0, A)[:, None] * C + tl.arange(0, C)[None, :], tl.sum(flipped, 1))


@pytest.mark.parametrize(
    "dim, shape, dtype",
    [(0, (2, 2, 2), torch.int32), (1, (1, 4, 16), torch.int64), (2, (4, 2, 8), torch.uint8),
     (0, (16, 2, 1), torch.int32), (2, (8, 32, 4), torch.int32), (1, (2, 4, 64), torch.int64),
     (1, (4, 2, 8), torch.int32)],
)  # fmt: skip
def test_flips(dim, shape, dtype):
    x = torch.randint(0, 20, shape).to(dtype)
    out, sums = torch.empty_like(x), torch.empty(shape[0], shape[2], dtype=dtype)
    flip_and_mix[(1,)](x, out, sums, *shape, dim)
    flipped = (x * 2).flip(dim)
    assert torch.equal(out, flipped + x + flipped.flip(dim))
    assert torch.equal(sums, flipped.sum(1).to(dtype))


@triton.jit
def sort_in_a_loop(x, out, n, BLOCK: tl.constexpr):
    kept = tl.load(x + tl.arange(0, BLOCK))
    for start in range(BLOCK, n, BLOCK):
        more = tl.sort(tl.load(x + start + tl.arange(0, BLOCK)), descending=True)
        kept = tl.maximum(tl.sort(kept), more)
    tl.store(out + tl.arange(0, BLOCK), tl.sort(kept, descending=True))


@pytest.mark.parametrize("block", [4, 32, 128])
def test_the_largest_of_a_stream(block):
    x = torch.randn(8 * block)
    out = torch.empty(block)
    sort_in_a_loop[(1,)](x, out, x.numel(), BLOCK=block)
    torch.testing.assert_close(out, x.sort(descending=True).values[:block])


def network(x: np.ndarray, descending: bool) -> np.ndarray:
    """Triton's bitonic network over the last axis, comparison by comparison: what is not ordered takes its own way."""
    index = np.arange(x.shape[-1])
    stages = int(index.size).bit_length() - 1
    for stage in range(1, stages + 1):
        flip = (index >> stage & 1) == 1 if stage < stages else np.full(index.size, descending)
        for bit in reversed(range(stage)):
            other = x[..., index ^ 1 << bit]
            x = np.where((x > other) != (flip ^ (index >> bit & 1 == 1)), other, x)
    return x


@pytest.mark.parametrize("columns", [4, 32, 128])
@pytest.mark.parametrize("element", ["float16", "float32", "float64"])
def test_nans_zeros_and_infinities_keep_their_bits(element, columns):
    bits = np.dtype(f"i{np.dtype(element).itemsize}")
    special = np.array([np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 2.0], element)
    special = np.concatenate([special, np.array([1, -1, 77], bits).view(element), -special[:1]])
    special = np.append(special, (special[2:3].view(bits) + 1).view(element))  # a signalling NaN
    x = np.random.default_rng(columns).choice(special, (8, columns))
    for descending in (False, True):
        out, tops = torch.empty(8, columns, dtype=getattr(torch, element)), torch.empty(8, 2)
        sort_rows[(1,)](torch.from_numpy(x), out, tops, 8, columns, 2, descending)
        assert (out.numpy().view(bits) == network(x, descending).view(bits)).all()
