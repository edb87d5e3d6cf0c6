"""`python -m bench.host [--threads 1 2] [--full] [--json FILE]`: the functional plane against PyTorch's CPU build.

Each row is torch time / our time, medians of interleaved calls with the same number of threads; larger is better. The
host's own limits (copy bandwidth, multiply-add rate) come first. Not the device's clock.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.process import ROOT

Pair = tuple[Callable[[], object], Callable[[], object]]
BARS = {
    "elementwise": 1.0, "norm": 1.2, "reduction": 1.0, "matmul": 0.85, "matmul narrow": 0.8, "attention": 1.2,
    "fused": 1.0, "index": 0.7, "chain": 2.5,
}  # fmt: skip


def rows(full: bool) -> Iterator[tuple[str, str, float, Pair]]:
    """(kind, name, work, (ours, torch's)): work in bytes moved or floating-point operations."""
    yield from elementwise(full)
    yield from row_wise(full)
    yield from products(full)
    yield from attention(full)
    yield from indexing()


def elementwise(full: bool) -> Iterator[tuple[str, str, float, Pair]]:
    import torch
    import triton

    from bench import host_kernels as k

    for n in (1 << 20, 1 << 22, 1 << 26) if full else (1 << 20, 1 << 22):
        for dtype in (torch.float32, torch.bfloat16):
            x, y = torch.randn(n).to(dtype), torch.randn(n).to(dtype)
            out, grid, size = torch.empty_like(x), (triton.cdiv(n, 1024),), x.element_size()
            name = f"{n >> 20}M {str(dtype).removeprefix('torch.')}"
            functional = torch.nn.functional
            cases: list[tuple[str, str, int, Pair]] = [
                ("elementwise", "add", 3, (lambda: k.add_kernel[grid](x, y, out, n, BLOCK=1024), lambda: torch.add(x, y, out=out))),
                ("elementwise", "gelu", 2, (lambda: k.gelu_kernel[grid](x, out, n, BLOCK=1024), lambda: functional.gelu(x))),
                ("elementwise", "silu*mul", 3, (lambda: k.silu_mul_kernel[grid](x, y, out, n, BLOCK=1024), lambda: functional.silu(x) * y)),
                ("chain", "chain of 6", 3, (lambda: k.chain_kernel[grid](x, y, out, n, BLOCK=1024), lambda: torch.relu((x * y + x) * 0.5 - y) + x)),
            ]  # fmt: skip
            for kind, what, passes, pair in cases:
                yield kind, f"{what} {name}", passes * n * size, pair


def row_wise(full: bool) -> Iterator[tuple[str, str, float, Pair]]:
    import torch
    import triton
    from fused_softmax import softmax
    from layer_norm import layer_norm_forward

    from bench import host_kernels as k
    from bench.programs import EXAMPLES  # noqa: F401  (makes the examples importable)

    functional = torch.nn.functional
    for columns in (128, 1024, 8192, 65536) if full else (1024, 16384):
        count = (1 << 22) // columns
        x = torch.randn(count, columns)
        weight, bias, out = torch.randn(columns), torch.randn(columns), torch.empty(count, columns)
        sums, labels = torch.empty(count), torch.randint(columns, (count,))
        block, size, name = triton.next_power_of_2(columns), x.numel() * 4, f"{count}x{columns} fp32"
        yield "norm", f"softmax {name}", 2 * size, (lambda: softmax(x), lambda: torch.softmax(x, 1))
        yield (
            "norm", f"layer norm {name}", 2 * size,
            (lambda: layer_norm_forward(x, weight, bias, 1e-5), lambda: functional.layer_norm(x, (columns,), weight, bias)),
        )  # fmt: skip
        yield (
            "norm", f"rms norm {name}", 2 * size,
            (lambda: k.rms_norm_kernel[(count,)](x, weight, out, columns, 1e-5, BLOCK=block), lambda: functional.rms_norm(x, (columns,), weight, 1e-5)),
        )  # fmt: skip
        yield (
            "norm", f"cross entropy {name}", size,
            (lambda: k.cross_entropy_kernel[(count,)](x, labels, sums, columns, BLOCK=block), lambda: functional.cross_entropy(x, labels, reduction="none")),
        )  # fmt: skip
        yield (
            "reduction",
            f"row sum {name}",
            size,
            (lambda: k.row_sum_kernel[(count,)](x, sums, columns, BLOCK=block), lambda: x.sum(1)),
        )
        yield (
            "reduction",
            f"row max {name}",
            size,
            (lambda: k.row_max_kernel[(count,)](x, sums, columns, BLOCK=block), lambda: x.amax(1)),
        )
        totals = torch.empty(columns)
        yield (
            "reduction", f"column sum {name}", size,
            (lambda: k.column_sum_kernel[(triton.cdiv(columns, 128),)](x, totals, count, columns, BLOCK_R=32, BLOCK_C=128), lambda: x.sum(0)),
        )  # fmt: skip


def products(full: bool) -> Iterator[tuple[str, str, float, Pair]]:
    import torch
    import triton
    from matmul import matmul_kernel

    from bench.programs import EXAMPLES  # noqa: F401

    def multiply(a: torch.Tensor, b: torch.Tensor, activation: str) -> torch.Tensor:
        (m, kk), n = a.shape, b.shape[1]
        c = torch.empty((m, n), dtype=a.dtype)
        grid = (triton.cdiv(m, 128) * triton.cdiv(n, 128),)
        matmul_kernel.fn[grid](
            a, b, c, m, n, kk, *a.stride(), *b.stride(), *c.stride(),
            ACTIVATION=activation, PRECISION="ieee", BLOCK_M=128, BLOCK_N=128, BLOCK_K=64, GROUP_M=8,
        )  # fmt: skip
        return c

    for dtype in (torch.float32, torch.bfloat16):
        for n in (512, 1024, 2048, 4096) if full else (512, 1024):
            a, b = torch.randn(n, n).to(dtype), torch.randn(n, n).to(dtype)
            kind, name = "matmul" if dtype is torch.float32 else "matmul narrow", str(dtype).removeprefix("torch.")
            yield kind, f"matmul {n}^3 {name}", 2.0 * n**3, (lambda: multiply(a, b, ""), lambda: a @ b)
            if n == 1024:
                gelu = torch.nn.functional.gelu
                yield (
                    "fused",
                    f"matmul + gelu {n}^3 {name}",
                    2.0 * n**3,
                    (lambda: multiply(a, b, "gelu"), lambda: gelu(a @ b)),
                )


def attention(full: bool) -> Iterator[tuple[str, str, float, Pair]]:
    import torch
    from flash_attention import attention_forward

    from bench.programs import EXAMPLES  # noqa: F401

    theirs = torch.nn.functional.scaled_dot_product_attention
    for dtype in (torch.float32, torch.bfloat16):
        for head in (64, 128):
            for context in (1024, 4096) if full else (1024,):
                q, k, v = (torch.randn(1, 4, context, head).to(dtype) for _ in range(3))
                for causal in (False, True):
                    name = (
                        f"attention {context}x{head} {'causal ' if causal else ''}{str(dtype).removeprefix('torch.')}"
                    )
                    work = 16.0 * context**2 * head / (2 if causal else 1)
                    yield (
                        "attention", name, work,
                        (lambda: attention_forward(q, k, v, causal, head**-0.5), lambda: theirs(q, k, v, is_causal=causal)),
                    )  # fmt: skip


def indexing() -> Iterator[tuple[str, str, float, Pair]]:
    import torch
    import triton
    from histogram import histogram
    from top_k import top_k

    from bench import host_kernels as k
    from bench.programs import EXAMPLES  # noqa: F401

    table, ids = torch.randn(50257, 768), torch.randint(50257, (4096,))
    out = torch.empty(4096, 768)
    yield (
        "index", "embedding 4096x768 fp32", 8.0 * out.numel(),
        (lambda: k.embedding_kernel[(4096,)](table, ids, out, 768, BLOCK=1024), lambda: torch.nn.functional.embedding(ids, table)),
    )  # fmt: skip
    n = 1 << 20
    x, index, taken = torch.randn(n), torch.randint(n, (n,)), torch.empty(n)
    grid = (triton.cdiv(n, 1024),)
    yield (
        "index",
        "gather 1M fp32",
        16.0 * n,
        (lambda: k.gather_kernel[grid](x, index, taken, n, BLOCK=1024), lambda: x[index]),
    )
    small = torch.randint(256, (n,), dtype=torch.int32)
    yield (
        "index",
        "histogram 1M",
        4.0 * n,
        (lambda: histogram(small, 256), lambda: torch.bincount(small, minlength=256)),
    )
    scores = torch.randn(256, 1024)
    yield (
        "index",
        "top 16 of 256x1024",
        4.0 * scores.numel(),
        (lambda: top_k(scores, 16), lambda: torch.topk(scores, 16)),
    )


def limits(threads: int) -> dict[str, float]:
    """What this host can do at most, by PyTorch: copy bandwidth in GB/s, fp32 and bf16 products in GFLOP/s."""
    import torch

    from bench.clock import median_seconds

    big = torch.randn(1 << 26)
    target = torch.empty_like(big)
    found = {"copy_gb_per_s": 2 * big.numel() * 4 / median_seconds(lambda: target.copy_(big)) / 1e9}
    for dtype in (torch.float32, torch.bfloat16):
        a = torch.randn(2048, 2048).to(dtype)
        name = f"{str(dtype).removeprefix('torch.')}_gflops"
        found[name] = 2 * 2048.0**3 / median_seconds(lambda: a @ a) / 1e9
    return found


def measure(threads: int, full: bool) -> dict[str, object]:
    """All rows with this number of threads, in this process."""
    import torch

    from bench.clock import side_by_side

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    record: dict[str, object] = {"threads": threads, "limits": limits(threads)}
    print(f"{threads} thread(s); host limits: " + ", ".join(f"{k} {v:.4g}" for k, v in record["limits"].items()))  # type: ignore[attr-defined]
    lines = []
    for kind, name, work, (ours, theirs) in rows(full):
        medians = side_by_side({"ours": ours, "torch": theirs}, rounds=9)
        ratio = medians["torch"] / medians["ours"]
        lines.append(
            {"kind": kind, "name": name, "ratio": ratio, "bar": BARS[kind], **{f"{k}_s": v for k, v in medians.items()}}
        )
        verdict = "met" if ratio >= BARS[kind] else "MISSED"
        unit = "GFLOP/s" if kind in ("matmul", "matmul narrow", "attention", "fused") else "GB/s"
        print(
            f"  {name:<38} {ratio:6.2f}  bar {BARS[kind]:4.2f} {verdict:<7} {work / medians['ours'] / 1e9:8.1f} {unit}",
            flush=True,
        )
    record["rows"] = lines
    return record


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.host", description=__doc__)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--full", action="store_true", help="all sizes of the table: minutes")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument(
        "--here", action="store_true", help=argparse.SUPPRESS
    )  # measure in this process, print JSON last
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(measure(arguments.threads[0], arguments.full)))
        return 0
    records = []
    for threads in arguments.threads:  # a process each: thread pools keep their size
        command = [
            sys.executable,
            "-m",
            "bench.host",
            "--here",
            "--threads",
            str(threads),
            *(["--full"] if arguments.full else []),
        ]
        environment = {
            **os.environ,
            "SUPA_MODE": "execute",
            "SUPA_NUM_THREADS": str(threads),
            "OMP_NUM_THREADS": str(threads),
        }
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            last = ""
            for line in process.stdout:
                if last:
                    print(last, end="", flush=True)
                last = line
        if process.returncode:
            return process.returncode
        records.append(json.loads(last))
    if arguments.json:
        arguments.json.write_text(json.dumps(records, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
