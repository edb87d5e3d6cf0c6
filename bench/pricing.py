"""The host's cost of the simulated clock: a 4096 x 4096 x 4096 bfloat16 matmul in time mode, first and from the cache.

As a program, with SUPA_MODE=time, `python -m bench.pricing` prints the two as JSON. A small product of the same
specialisation runs before, so that compiling is not counted; the whole launch is, so the figures are upper limits.
"""

import json
import statistics
from collections.abc import Callable, Iterator

from bench.figure import Figure
from bench.process import last_line

FIRST_BAR_SECONDS, CACHED_BAR_US = 1.0, 50.0
SIZE, SMALL = 4096, 256


def launch_of(size: int) -> Callable[[], object]:
    """A launch of the product of two size x size matrices with one fixed block shape."""
    import torch
    from matmul import matmul_kernel

    a, b, c = (torch.empty(size, size, dtype=torch.bfloat16) for _ in range(3))
    grid = ((size // 128) * (size // 128),)
    strides = (*a.stride(), *b.stride(), *c.stride())
    blocks = {"BLOCK_M": 128, "BLOCK_N": 128, "BLOCK_K": 64, "GROUP_M": 8, "num_warps": 4, "num_stages": 3}
    return lambda: matmul_kernel.fn[grid](
        a, b, c, size, size, size, *strides, ACTIVATION="", PRECISION="ieee", **blocks
    )


def measure() -> dict[str, float]:
    """Seconds of the first and of a repeated launch."""
    from bench.clock import seconds_of

    launch_of(SMALL)()
    launch = launch_of(SIZE)
    first = seconds_of(launch)
    return {"first": first, "cached": statistics.median(seconds_of(launch) for _ in range(1000))}


def figures() -> Iterator[Figure]:
    """Both, measured in a process of its own in time mode."""
    seconds = json.loads(last_line("-m", "bench.pricing", SUPA_MODE="time"))
    name = "matmul 4096x4096x4096 bf16, time mode"
    yield Figure(section="pricing", name=f"{name}, first", figure=seconds["first"], unit="s", bar=FIRST_BAR_SECONDS)
    yield Figure(
        section="pricing", name=f"{name}, cached", figure=seconds["cached"] * 1e6, unit="us", bar=CACHED_BAR_US
    )


if __name__ == "__main__":
    print(json.dumps(measure()))
