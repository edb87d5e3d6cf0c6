"""Compile time of the attention forward kernel: our stages, after Triton's front end and before LLVM, and LLVM's.

Triton's compilation listener gives the time of the whole `supa` stage and the kernel's metadata, which holds the
seconds of each named stage within; what is not LLVM's counts as ours. As a program, `python -m bench.compile_stages`
compiles in its own process, with an empty cache, once (which pays for what a process pays once) and then a few times
over, and prints a JSON list of {stage: seconds}.
"""

import json
import os
import statistics
import tempfile
from collections.abc import Iterator
from typing import Any

from bench.figure import Figure
from bench.process import last_line

OURS_BAR_MS, LLVM_BAR_MS = 25.0, 150.0
WHOLE = "supa"
LLVM_PREFIX = "llvm"
RUNS = 5


def compile_once() -> dict[str, float]:
    """Compile and launch the attention kernel anew; return the seconds of each stage after TTIR, and of the whole."""
    import torch
    import triton
    from flash_attention import attention_forward, forward_kernel

    stages: dict[str, float] = {}

    def listen(*, metadata: dict[str, Any], times: triton.knobs.CompileTimes, cache_hit: bool, **_: object) -> None:
        if cache_hit:
            raise RuntimeError("the kernel came from the cache: there is nothing to time")
        stages.update(metadata["compile_seconds"])
        stages[WHOLE] = dict(times.lowering_stages)[WHOLE] * 1e-6

    q = torch.randn(1, 1, 64, 64, dtype=torch.float16)
    forward_kernel.device_caches.clear()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TRITON_CACHE_DIR"] = folder
        triton.knobs.compilation.listener = listen
        attention_forward(q, q, q, True, 0.125)
        triton.knobs.compilation.listener = None
    return stages


def stage_seconds() -> list[dict[str, float]]:
    """The stages of RUNS compilations, in a process of its own."""
    return list(json.loads(last_line("-m", "bench.compile_stages")))


def figures() -> Iterator[Figure]:
    """Our stages and LLVM's, medians; within each run what is not LLVM's is ours."""
    runs = stage_seconds()
    names = [stage for stage in runs[0] if stage != WHOLE]
    llvm = [stage for stage in names if stage.startswith(LLVM_PREFIX)]
    if not llvm:
        raise RuntimeError(f"expected a stage named {LLVM_PREFIX}..., found {names}")
    llvm_seconds = [sum(run[stage] for stage in llvm) for run in runs]
    ours_seconds = [run[WHOLE] - seconds for run, seconds in zip(runs, llvm_seconds, strict=True)]
    medians_ms = {stage: statistics.median(run[stage] for run in runs) * 1e3 for stage in names}
    for name, seconds, bar, stages in (
        ("our stages", ours_seconds, OURS_BAR_MS, [stage for stage in names if stage not in llvm]),
        ("LLVM", llvm_seconds, LLVM_BAR_MS, llvm),
    ):
        yield Figure(
            section="compile",
            name=f"attention forward, {name}",
            figure=statistics.median(seconds) * 1e3,
            unit="ms",
            bar=bar,
            parts={stage: medians_ms[stage] for stage in stages},
        )


if __name__ == "__main__":
    compile_once()
    print(json.dumps([compile_once() for _ in range(RUNS)]))
