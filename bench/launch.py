"""The host's cost of warm launches in execute mode: kernels that store one number, in the forms in which people launch.

The figure is processor time of the launching thread, which a busy host disturbs less than the wall's beside it.
"""

import statistics
import time
from collections.abc import Callable, Iterator

import torch
import triton
import triton.language as tl

from bench.clock import seconds_of
from bench.figure import Figure

LAUNCH_BAR_US = 8.0
LAUNCHES, BATCH = 10_000, 500


@triton.jit
def store_one_kernel(out_ptr, x_ptr, y_ptr, n_elements, scale):
    tl.store(out_ptr, scale)


@triton.jit
def ten_arguments_kernel(out_ptr, x_ptr, y_ptr, z_ptr, rows, columns, stride, width, scale, BLOCK: tl.constexpr):
    tl.store(out_ptr, scale)


def figures() -> Iterator[Figure]:
    """The median over batches of the time of a launch."""
    out, x, y, z = torch.zeros(4, 32)
    five = store_one_kernel[(1,)]
    forms: dict[str, Callable[[], object]] = {
        "5 arguments": lambda: five(out, x, y, 16, 2.5),
        "10 arguments": lambda: ten_arguments_kernel[(1,)](out, x, y, z, 33, 64, 128, 7, 2.5, BLOCK=128),
        "10 arguments, num_warps": lambda: ten_arguments_kernel[(1,)](
            out, x, y, z, 33, 64, 128, 7, 2.5, BLOCK=128, num_warps=8
        ),
        "10 arguments, grid from a function": lambda: ten_arguments_kernel[lambda meta: (meta["rows"] // 33,)](
            out, x, y, z, 33, 64, 128, 7, 2.5, BLOCK=128
        ),
    }
    for name, launch in forms.items():
        yield _figure(name, launch)
    if out[0] != 2.5:
        raise RuntimeError("the kernel did not run")


def _figure(name: str, launch: Callable[[], object]) -> Figure:
    def batch() -> None:
        for _ in range(BATCH):
            launch()

    def of_this_thread() -> float:
        start = time.thread_time()
        batch()
        return time.thread_time() - start

    batch()
    own = [of_this_thread() / BATCH * 1e6 for _ in range(LAUNCHES // BATCH)]
    wall = [seconds_of(batch) / BATCH * 1e6 for _ in range(LAUNCHES // BATCH)]
    return Figure(
        section="launch",
        name=f"warm launch, {name}",
        figure=statistics.median(own),
        unit="us",
        bar=LAUNCH_BAR_US,
        parts={"fastest_us": min(own), "wall_us": statistics.median(wall), "fastest_wall_us": min(wall)},
    )
