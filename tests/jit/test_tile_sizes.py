"""Code and scratch: code does not grow with a kernel's tiles, scratch holds the live tiles and what blocks share."""

import tile_size_kernels as kernels
import torch

from supa.compiler.native.panels import BUDGET_BYTES
from supa.jit.triton_backend import lowering


def compiled(launch, monkeypatch):
    """The program of the one kernel that `launch` compiles."""
    seen = []
    stock = lowering.lower

    def lower(text, options):
        seen.append(stock(text, options))
        return seen[-1]

    monkeypatch.setattr(lowering, "lower", lower)
    launch()
    assert len(seen) == 1, "the kernel came out of the cache"
    return seen[0]


def fresh_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))


def sizes(programs):
    return [len(program.object_code) for program in programs]


def test_code_does_not_grow_with_a_row(monkeypatch, tmp_path, on_device):
    fresh_cache(monkeypatch, tmp_path)
    on_device(mode="execute")
    x, out = torch.randn(1 << 20), torch.zeros(1 << 20)
    programs = []
    for block in (1 << 10, 1 << 14, 1 << 20):
        size = block - 3
        programs.append(compiled(lambda b=block, n=size: kernels.softmax[(1,)](x, out, n, BLOCK=b), monkeypatch))
        torch.testing.assert_close(out[:size], torch.softmax(x[:size].double(), 0).float(), rtol=1e-4, atol=1e-9)
    assert max(sizes(programs)) < 1.5 * min(sizes(programs))
    # one live tile: the exponentials between their sum and the division
    assert [program.scratch_bytes for program in programs] == [4 << 10, 4 << 14, 4 << 20]


def test_code_does_not_grow_with_a_tile(monkeypatch, tmp_path, on_device):
    fresh_cache(monkeypatch, tmp_path)
    on_device(mode="execute")
    programs, k, step = [], 64, 32
    for size in (64, 128, 256):
        a, b, out = torch.randn(size, k), torch.randn(k, size), torch.zeros(size, size)
        launch = lambda s=size, a=a, b=b, o=out: kernels.product[(1,)](a, b, o, k, M=s, N=s, K=step)  # noqa: E731
        programs.append(compiled(launch, monkeypatch))
        torch.testing.assert_close(out, a @ b, rtol=1e-4, atol=1e-4)
        operands = 2 * size * step * 4 * 4  # of four turns, which are multiplied at once
        shared = BUDGET_BYTES + 256 * 64  # packed operands that blocks share, and what tells them apart
        assert programs[-1].scratch_bytes <= size * size * 4 + operands + shared
    assert max(sizes(programs)) < 1.5 * min(sizes(programs))
