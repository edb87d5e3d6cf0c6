"""The host's cost of one warm launch in execute mode: a kernel of five arguments that stores one number."""

import statistics
from collections.abc import Iterator

import torch
import triton
import triton.language as tl

from bench.clock import seconds_of
from bench.figure import Figure

LAUNCH_BAR_US = 12.0
LAUNCHES, BATCH = 10_000, 500


@triton.jit
def store_one_kernel(out_ptr, x_ptr, y_ptr, n_elements, scale):
    tl.store(out_ptr, scale)


def figures() -> Iterator[Figure]:
    """The median over batches of the time of a launch."""
    out, x, y = torch.zeros(3, 16)
    launch = store_one_kernel[(1,)]

    def batch() -> None:
        for _ in range(BATCH):
            launch(out, x, y, 16, 2.5)

    batch()
    if out[0] != 2.5:
        raise RuntimeError("the kernel did not run")
    batches = [seconds_of(batch) / BATCH * 1e6 for _ in range(LAUNCHES // BATCH)]
    yield Figure(
        section="launch",
        name="warm launch, 5 arguments, execute mode",
        figure=statistics.median(batches),
        unit="us",
        bar=LAUNCH_BAR_US,
        parts={"fastest_us": min(batches), "slowest_us": max(batches)},
    )
