"""`python -m bench.host [--threads 1 2] [--full] [--only TEXT ...] [--rounds N] [--json FILE]`: beside PyTorch's CPU.

Each row is torch time / our time, medians of interleaved calls with the same number of threads; larger is better. The
host's own limits (copy bandwidth, multiply-add rate) come first, unless `--only` chooses rows by parts of their names.
Not the device's clock.
"""

import argparse
import functools
import json
import os
import subprocess
import sys
from pathlib import Path

from bench.process import ROOT

BARS = {
    "elementwise": 1.0, "norm": 1.2, "reduction": 1.0, "matmul": 0.85, "matmul narrow": 0.8, "attention": 1.2,
    "fused": 1.0, "index": 0.7, "chain": 2.5,
}  # fmt: skip


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
        found[name] = 2 * 2048.0**3 / median_seconds(functools.partial(torch.matmul, a, a)) / 1e9
    return found


def measure(threads: int, full: bool, only: list[str], rounds: int) -> dict[str, object]:
    """All rows with this number of threads, in this process; with `only`, those whose names hold one of its texts."""
    import torch

    from bench.clock import side_by_side
    from bench.host_rows import cases
    from bench.programs import EXAMPLES  # noqa: F401  (makes the examples importable)

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    found = {} if only else limits(threads)
    record: dict[str, object] = {"threads": threads, "limits": found}
    print(f"{threads} thread(s); host limits: " + ", ".join(f"{name} {value:.4g}" for name, value in found.items()))
    lines = []
    for kind, name, work, (ours, theirs) in cases(full):
        if only and not any(text in name for text in only):
            continue
        medians = side_by_side({"ours": ours, "torch": theirs}, rounds=rounds)
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
    parser.add_argument("--only", nargs="+", default=[], metavar="TEXT", help="rows whose names hold one of these")
    parser.add_argument("--rounds", type=int, default=21, help="calls of each, in bursts of 7")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument(
        "--here", action="store_true", help=argparse.SUPPRESS
    )  # measure in this process, print JSON last
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(measure(arguments.threads[0], arguments.full, arguments.only, arguments.rounds)))
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
            *(["--only", *arguments.only] if arguments.only else []),
            "--rounds",
            str(arguments.rounds),
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
