"""The rows of bench.host: kernels as their authors write them, each beside what PyTorch offers for the same work.

A case is (kind, name, work, (ours, PyTorch's)); work is in bytes moved or floating-point operations. Not here: timing.
"""

from collections.abc import Callable, Iterator

import torch
import triton
from argmax import argmax
from cumulative_sum import cumulative_sum
from dropout import dropout
from flash_attention import attention_backward, attention_forward
from fused_softmax import softmax
from histogram import histogram
from layer_norm import layer_norm_forward
from matmul import matmul_kernel
from top_k import top_k
from torch.nn import functional

from bench import host_kernels as k

Pair = tuple[Callable[[], object], Callable[[], object]]
Case = tuple[str, str, float, Pair]
MILLION = 1 << 20


def cases(full: bool) -> Iterator[Case]:
    """All rows; `full`: all sizes."""
    yield from elementwise(full)
    yield from row_wise(full)
    yield from scans(full)
    yield from products(full)
    yield from other_products(full)
    yield from attention(full)
    yield from indexing()
    yield from shapes(full)


def dtype_name(dtype: torch.dtype) -> str:
    """Without `torch.`."""
    return str(dtype).removeprefix("torch.")


def elementwise(full: bool) -> Iterator[Case]:
    """Blocks of 1024, masked at the edge."""
    for n in (MILLION, 4 * MILLION, 64 * MILLION) if full else (MILLION, 4 * MILLION):
        for dtype in (torch.float32, torch.bfloat16):
            x, y = torch.randn(n).to(dtype), torch.randn(n).to(dtype)
            out, grid, size = torch.empty_like(x), (triton.cdiv(n, 1024),), x.element_size()
            made: list[tuple[str, str, int, Pair]] = [
                ("elementwise", "add", 3, (lambda: k.add_kernel[grid](x, y, out, n, BLOCK=1024), lambda: torch.add(x, y, out=out))),
                ("elementwise", "gelu", 2, (lambda: k.gelu_kernel[grid](x, out, n, BLOCK=1024), lambda: functional.gelu(x))),
                ("elementwise", "silu*mul", 3, (lambda: k.silu_mul_kernel[grid](x, y, out, n, BLOCK=1024), lambda: functional.silu(x) * y)),
                ("elementwise", "dropout", 2, (lambda: dropout(x, 0.1, 7), lambda: functional.dropout(x, 0.1))),
                ("chain", "chain of 6", 3, (lambda: k.chain_kernel[grid](x, y, out, n, BLOCK=1024), lambda: torch.relu((x * y + x) * 0.5 - y) + x)),
            ]  # fmt: skip
            for kind, what, passes, pair in made:
                yield kind, f"{what} {n // MILLION}M {dtype_name(dtype)}", passes * n * size, pair


def row_wise(full: bool) -> Iterator[Case]:
    """A program a row; columns in stripes of 128."""
    for columns in (128, 1000, 1024, 8192, 16385, 65536) if full else (1024, 16384):
        count = 4 * MILLION // columns
        x = torch.randn(count, columns)
        weight, bias, out = torch.randn(columns), torch.randn(columns), torch.empty(count, columns)
        sums, labels, totals = torch.empty(count), torch.randint(columns, (count,)), torch.empty(columns)
        block, size = triton.next_power_of_2(columns), 4 * x.numel()
        grid, stripes = (count,), (triton.cdiv(columns, 128),)
        made: list[tuple[str, str, int, Pair]] = [
            ("norm", "softmax", 2, (lambda: softmax(x), lambda: torch.softmax(x, 1))),
            ("norm", "layer norm", 2, (lambda: layer_norm_forward(x, weight, bias, 1e-5), lambda: functional.layer_norm(x, (columns,), weight, bias))),
            ("norm", "rms norm", 2, (lambda: k.rms_norm_kernel[grid](x, weight, out, columns, 1e-5, BLOCK=block), lambda: functional.rms_norm(x, (columns,), weight, 1e-5))),
            ("norm", "cross entropy", 1, (lambda: k.cross_entropy_kernel[grid](x, labels, sums, columns, BLOCK=block), lambda: functional.cross_entropy(x, labels, reduction="none"))),
            ("reduction", "row sum", 1, (lambda: k.row_sum_kernel[grid](x, sums, columns, BLOCK=block), lambda: x.sum(1))),
            ("reduction", "row max", 1, (lambda: k.row_max_kernel[grid](x, sums, columns, BLOCK=block), lambda: x.amax(1))),
            ("reduction", "row argmax", 1, (lambda: argmax(x), lambda: x.max(1))),
            ("reduction", "column sum", 1, (lambda: k.column_sum_kernel[stripes](x, totals, count, columns, BLOCK_R=32, BLOCK_C=128), lambda: x.sum(0))),
        ]  # fmt: skip
        for kind, what, passes, pair in made:
            yield kind, f"{what} {count}x{columns} fp32", passes * size, pair


def scans(full: bool) -> Iterator[Case]:
    """Cumulative sums over either axis."""
    for columns in (128, 1000, 1024, 8192, 16385) if full else (1024,):
        count = 4 * MILLION // columns
        x = torch.randn(count, columns)
        out, stripes = torch.empty_like(x), (triton.cdiv(columns, 128),)
        yield (
            "reduction",
            f"row cumsum {count}x{columns} fp32",
            8.0 * x.numel(),
            (lambda: cumulative_sum(x), lambda: x.cumsum(1)),
        )
        yield "reduction", f"column cumsum {count}x{columns} fp32", 8.0 * x.numel(), (lambda: k.column_cumsum_kernel[stripes](x, out, count, columns, BLOCK_R=32, BLOCK_C=128), lambda: x.cumsum(0))  # fmt: skip


def multiply(
    a: torch.Tensor, b: torch.Tensor, activation: str, blocks: tuple[int, int, int] = (128, 128, 64)
) -> torch.Tensor:
    """a @ b by the example's kernel; int8 gives int32."""
    (m, depth), n = a.shape, b.shape[1]
    block_m, block_n, block_k = blocks
    c = torch.empty((m, n), dtype=torch.int32 if a.dtype is torch.int8 else a.dtype)
    grid = (triton.cdiv(m, block_m) * triton.cdiv(n, block_n),)
    if a.dtype is torch.int8:
        k.int8_matmul_kernel[grid](a, b, c, m, n, depth, BLOCK_M=block_m, BLOCK_N=block_n, BLOCK_K=block_k)
        return c
    matmul_kernel.fn[grid](
        a, b, c, m, n, depth, *a.stride(), *b.stride(), *c.stride(), ACTIVATION=activation, PRECISION="ieee",
        BLOCK_M=block_m, BLOCK_N=block_n, BLOCK_K=block_k, GROUP_M=8,
    )  # fmt: skip
    return c


def products(full: bool) -> Iterator[Case]:
    """Square products, and one with an activation in its epilogue."""
    for n in (512, 1024, 2048, 4096) if full else (512, 1024):
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            a, b = torch.randn(n, n).to(dtype), torch.randn(n, n).to(dtype)
            kind, name = "matmul" if dtype is torch.float32 else "matmul narrow", dtype_name(dtype)
            yield kind, f"matmul {n}^3 {name}", 2.0 * n**3, (lambda: multiply(a, b, ""), lambda: a @ b)
            if n == 1024 and dtype is not torch.float16:
                pair = (lambda: multiply(a, b, "gelu"), lambda: functional.gelu(a @ b))
                yield "fused", f"matmul + gelu {n}^3 {name}", 2.0 * n**3, pair
        left, right = (torch.randint(-128, 128, (n, n), dtype=torch.int8) for _ in range(2))
        pair = (lambda: multiply(left, right, ""), lambda: torch._int_mm(left, right))
        yield "matmul narrow", f"matmul {n}^3 int8", 2.0 * n**3, pair


def other_products(full: bool) -> Iterator[Case]:
    """Operands that lie the other way round, sizes that fit no block, other blocks, many small products, other grids."""
    n = 1024
    for dtype in (torch.float32, torch.bfloat16):
        kind, name = "matmul" if dtype is torch.float32 else "matmul narrow", dtype_name(dtype)
        a, b = torch.randn(n, n).to(dtype), torch.randn(n, n).to(dtype)
        for layout, left, right in (("NT", a, b.t()), ("TN", a.t(), b), ("TT", a.t(), b.t())):
            pair = (lambda: multiply(left, right, ""), lambda: left @ right)
            yield kind, f"matmul {n}^3 {layout} {name}", 2.0 * n**3, pair
        for m, columns, depth in ((513, 777, 2049), (1000, 1000, 1000)):
            odd, odd_right = torch.randn(m, depth).to(dtype), torch.randn(depth, columns).to(dtype)
            pair = (lambda: multiply(odd, odd_right, ""), lambda: odd @ odd_right)
            yield kind, f"matmul {m}x{columns}x{depth} {name}", 2.0 * m * columns * depth, pair
        for blocks in ((64, 64, 32), (128, 256, 64)) if full else ():
            pair = (lambda: multiply(a, b, "", blocks), lambda: a @ b)
            yield kind, f"matmul {n}^3 blocks {'x'.join(map(str, blocks))} {name}", 2.0 * n**3, pair
        count = 10_000 if full else 1000
        smalls, out = [torch.randn(count, 64, 64).to(dtype) for _ in range(2)], torch.empty(count, 64, 64, dtype=dtype)
        pair = (
            lambda: k.small_products_kernel[(count,)](*smalls, out, N=64, PRECISION="ieee"),
            lambda: torch.bmm(*smalls, out=out),
        )
        yield kind, f"{count} products 64^3 {name}", 2.0 * count * 64**3, pair
        yield from other_grids(a, b, kind, name) if full else ()


def other_grids(a: torch.Tensor, b: torch.Tensor, kind: str, name: str) -> Iterator[Case]:
    """Split k with atomics, persistent programs, descriptors: against PyTorch's product."""
    n, tiles = a.shape[0], triton.cdiv(a.shape[0], 128) ** 2
    c, sums, meta = torch.empty_like(a), torch.zeros(n, n), {"BLOCK_M": 128, "BLOCK_N": 128, "BLOCK_K": 64}
    made: list[tuple[str, Callable[[], object]]] = [
        ("split k", lambda: k.split_k_kernel[(tiles, 4)](a, b, sums.zero_(), n, n, n, **meta)),
        ("persistent", lambda: k.persistent_kernel[(16,)](a, b, c, n, n, n, **meta)),
        ("descriptors", lambda: k.descriptor_kernel[(tiles,)](a, b, c, n, n, n, **meta)),
    ]
    for what, ours in made:
        yield kind, f"matmul {n}^3 {what} {name}", 2.0 * n**3, (ours, lambda: a @ b)


def attention(full: bool) -> Iterator[Case]:
    """Forward, and backward alone against PyTorch's forward and backward less its forward."""
    theirs = functional.scaled_dot_product_attention
    for dtype in (torch.float32, torch.bfloat16):
        for head in (64, 128):
            for context in (1024, 4096, 8192) if full else (1024,):
                q, key, v = (torch.randn(1, 4, context, head).to(dtype) for _ in range(3))
                for causal in (False, True):
                    name = f"{context}x{head} {'causal ' if causal else ''}{dtype_name(dtype)}"
                    work = 16.0 * context**2 * head / (2 if causal else 1)
                    yield (
                        "attention", f"attention {name}", work,
                        (lambda: attention_forward(q, key, v, causal, head**-0.5), lambda: theirs(q, key, v, is_causal=causal)),
                    )  # fmt: skip
                    yield "attention", f"attention backward {name}", 2.5 * work, backward(q, key, v, causal)


def backward(q: torch.Tensor, key: torch.Tensor, v: torch.Tensor, causal: bool) -> Pair:
    """The gradients alone: both have their forward pass behind them."""
    scale = q.shape[-1] ** -0.5
    out, lse = attention_forward(q, key, v, causal, scale)
    gradient = torch.randn_like(out)
    leaves = [tensor.clone().requires_grad_() for tensor in (q, key, v)]
    theirs = functional.scaled_dot_product_attention(*leaves, is_causal=causal)
    return (
        lambda: attention_backward(gradient, q, key, v, out, lse, causal, scale),
        lambda: torch.autograd.grad(theirs, leaves, gradient, retain_graph=True),
    )


def indexing() -> Iterator[Case]:
    """Rows and elements picked, counted, ordered."""
    table, ids, out = torch.randn(50257, 768), torch.randint(50257, (4096,)), torch.empty(4096, 768)
    n = MILLION
    x, index, taken = torch.randn(n), torch.randint(n, (n,)), torch.empty(n)
    places, grid = torch.randperm(n), (triton.cdiv(n, 1024),)
    small, scores = torch.randint(256, (n,), dtype=torch.int32), torch.randn(256, 1024)
    made: list[tuple[str, float, Pair]] = [
        ("embedding 4096x768 fp32", 8.0 * out.numel(), (lambda: k.embedding_kernel[(4096,)](table, ids, out, 768, BLOCK=1024), lambda: functional.embedding(ids, table))),
        ("gather 1M fp32", 16.0 * n, (lambda: k.gather_kernel[grid](x, index, taken, n, BLOCK=1024), lambda: x[index])),
        ("scatter 1M fp32", 16.0 * n, (lambda: k.scatter_kernel[grid](x, places, taken, n, BLOCK=1024), lambda: taken.scatter_(0, places, x))),
        ("scatter-add 1M fp32", 16.0 * n, (lambda: k.scatter_add_kernel[grid](x, index, taken, n, BLOCK=1024), lambda: taken.scatter_add_(0, index, x))),
        ("histogram 1M", 4.0 * n, (lambda: histogram(small, 256), lambda: torch.bincount(small, minlength=256))),
        ("top 16 of 256x1024", 4.0 * scores.numel(), (lambda: top_k(scores, 16), lambda: torch.topk(scores, 16))),
        ("sort 256x1024", 8.0 * scores.numel(), (lambda: top_k(scores, 1024), lambda: torch.sort(scores, descending=True))),
    ]  # fmt: skip
    for name, work, pair in made:
        yield "index", name, work, pair


def shapes(full: bool) -> Iterator[Case]:
    """Grids and operands that nobody tuned: views with strides, many small programs, one program for everything."""
    n = MILLION
    wide, out = torch.randn(1024, 2048), torch.empty(1024, 1024)
    grid = (triton.cdiv(1024, 32), triton.cdiv(1024, 32))
    small, sums = torch.randn(100_000, 16), torch.empty(100_000, 16)
    x, y, total = torch.randn(n), torch.randn(n), torch.empty(n)
    few, ends = torch.randn(n // 16), torch.empty(n // 16)
    every = (
        lambda: k.strided_copy_kernel[grid](wide, out, 1024, 1024, 2048, 2, BLOCK=32),
        lambda: out.copy_(wide[:, ::2]),
    )
    turned = (
        lambda: k.strided_copy_kernel[grid](wide, out, 1024, 1024, 1, 2048, BLOCK=32),
        lambda: out.copy_(wide[:, :1024].T),
    )
    programs = (
        lambda: k.add_kernel[(100_000,)](small, small, sums, small.numel(), BLOCK=16),
        lambda: torch.add(small, small, out=sums),
    )
    yield "elementwise", "every second column 1024x1024 fp32", 12.0 * n, every
    yield "elementwise", "transposed copy 1024x1024 fp32", 8.0 * n, turned
    yield "elementwise", "100,000 programs of 16, add fp32", 12.0 * small.numel(), programs
    if full:
        yield (
            "elementwise",
            "one program, add 1M fp32",
            12.0 * n,
            (lambda: k.add_kernel[(1,)](x, y, total, n, BLOCK=n), lambda: torch.add(x, y, out=total)),
        )
        yield (
            "norm",
            "one program, softmax of 1M fp32",
            8.0 * n,
            (lambda: k.one_softmax_kernel[(1,)](x, total, n, BLOCK=n), lambda: torch.softmax(x, 0)),
        )
        yield (
            "reduction",
            "one program, cumsum of 64k fp32",
            8.0 * few.numel(),
            (lambda: k.one_cumsum_kernel[(1,)](few, ends, few.numel(), BLOCK=few.numel()), lambda: few.cumsum(0)),
        )
