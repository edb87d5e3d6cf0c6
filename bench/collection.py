"""Cold compile times of the collection's kernels (tests/collection): Triton's front end, our stages, LLVM.

Every kernel is compiled anew, in a process that has compiled one other kernel before (what a process pays once is the
section `start`), with an empty disk cache; writing the cache is part of it. As a program, `python -m bench.collection`
prints a JSON list of {kernel: milliseconds of each stage}.
"""

import json
import os
import statistics
import sys
import tempfile
import warnings
from collections.abc import Iterator
from typing import Any

from bench.figure import Figure
from bench.process import last_line
from bench.programs import ROOT

MEDIAN_BAR_MS = 120.0
FRONT, OURS, LLVM, STORE = "triton", "supa", "llvm", "store"


def compile_all() -> list[dict[str, Any]]:
    """The milliseconds of each stage of every kernel that the cases launch."""
    import torch
    import triton

    sys.path.insert(0, str(ROOT / "tests" / "collection"))
    warnings.filterwarnings("ignore", message="tl.make_block_ptr is deprecated")
    from collection import CASES

    found: list[dict[str, Any]] = []

    def listen(
        *, src: Any, metadata: dict[str, Any], times: triton.knobs.CompileTimes, cache_hit: bool, **_: object
    ) -> None:
        if cache_hit:
            raise RuntimeError(f"{src.name} came from the cache: there is nothing to time")
        stages = dict(times.lowering_stages)
        llvm = sum(seconds for name, seconds in metadata["compile_seconds"].items() if name.startswith("llvm"))
        front = times.ir_initialization + stages["ttir"]
        found.append(
            {
                "kernel": src.name,
                FRONT: front * 1e-3,
                OURS: stages["supa"] * 1e-3 - llvm * 1e3,
                LLVM: llvm * 1e3,
                STORE: times.store_results * 1e-3,
            }
        )

    with tempfile.TemporaryDirectory() as folder:
        os.environ["TRITON_CACHE_DIR"] = folder
        CASES["row_sums"]()
        triton.knobs.compilation.listener = listen
        for name, run in CASES.items():
            if name != "row_sums":
                torch.manual_seed(0)
                run()
    return found


def figures() -> Iterator[Figure]:
    """Median and 90th percentile of the kernels, each with what its stages took."""
    kernels = json.loads(last_line("-m", "bench.collection"))
    stages = (FRONT, OURS, LLVM, STORE)
    totals = [sum(kernel[stage] for stage in stages) for kernel in kernels]
    medians = {f"{stage}_ms": statistics.median(kernel[stage] for kernel in kernels) for stage in stages}
    parts = {"kernels": float(len(kernels)), **medians}
    yield Figure(
        section="collection", name="cold compile, median", figure=statistics.median(totals), unit="ms",
        bar=MEDIAN_BAR_MS, parts=parts,
    )  # fmt: skip
    slowest = {f"{kernel['kernel']}_ms": total for total, kernel in sorted(
        zip(totals, kernels, strict=True), key=lambda pair: -pair[0])[:3]}  # fmt: skip
    yield Figure(
        section="collection", name="cold compile, 90th percentile", figure=statistics.quantiles(totals, n=10)[-1],
        unit="ms", parts=slowest,
    )  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(compile_all()))
