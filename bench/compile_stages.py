"""Compile time of the attention forward kernel, stage by stage, as Triton's own compilation listener reports it.

As a program, `python -m bench.compile_stages` compiles in its own process, with an empty cache, a first kernel (which
pays for what a process pays once) and then the attention kernel a few times over, and prints a JSON list of
{stage: seconds}.
"""

import json
import os
import statistics
import tempfile
from collections.abc import Iterator

from bench.figure import Figure
from bench.process import last_line

OURS_BAR_MS, LLVM_BAR_MS = 25.0, 150.0
FRONT_END_STAGES = {"ttir"}
LLVM_STAGES = {"llvm", "llir", "asm", "obj", "native"}
RUNS = 5


def compile_once() -> dict[str, float]:
    """Compile and launch the attention kernel anew, and return the seconds of each stage after Triton's front end."""
    import torch
    import triton
    from flash_attention import attention_forward, forward_kernel

    stages: dict[str, float] = {}

    def listen(*, times: triton.knobs.CompileTimes, cache_hit: bool, **_: object) -> None:
        if cache_hit:
            raise RuntimeError("the kernel came from the cache: there is nothing to time")
        stages.update({stage: microseconds * 1e-6 for stage, microseconds in times.lowering_stages})

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
    """Our stages (after TTIR, before LLVM) and LLVM's, medians."""
    runs = stage_seconds()
    medians_ms = {stage: statistics.median(run[stage] for run in runs) * 1e3 for stage in runs[0]}
    llvm = {stage: ms for stage, ms in medians_ms.items() if stage in LLVM_STAGES}
    ours = {stage: ms for stage, ms in medians_ms.items() if stage not in LLVM_STAGES | FRONT_END_STAGES}
    if not llvm or not ours:
        raise RuntimeError(f"expected our stages and one of {sorted(LLVM_STAGES)}, found {sorted(medians_ms)}")
    name = "attention forward"
    yield Figure(
        section="compile", name=f"{name}, our stages", figure=sum(ours.values()), unit="ms", bar=OURS_BAR_MS, parts=ours
    )
    yield Figure(
        section="compile", name=f"{name}, LLVM", figure=sum(llvm.values()), unit="ms", bar=LLVM_BAR_MS, parts=llvm
    )


if __name__ == "__main__":
    compile_once()
    print(json.dumps([compile_once() for _ in range(RUNS)]))
