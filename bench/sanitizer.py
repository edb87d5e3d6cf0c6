"""How much slower kernels run under the sanitizer: each in one process without checks and in one with them."""

import json
import statistics
import time
from collections.abc import Callable, Iterator

from bench.figure import Figure
from bench.process import last_line
from bench.programs import EXAMPLES  # noqa: F401  (puts the examples on the path)

SLOWDOWN_BAR = 20.0
REPEATS = 9


def figures() -> Iterator[Figure]:
    """The ratio of a launch's median time with checks to the one without, on one thread."""
    plain, checked = (
        json.loads(last_line("-m", "bench.sanitizer", SUPA_SANITIZE=on, SUPA_NUM_THREADS="1")) for on in ("", "1")
    )
    for name, seconds in plain.items():
        yield Figure(
            section="sanitizer",
            name=f"slowdown, {name}",
            figure=checked[name] / seconds,
            unit="x",
            bar=SLOWDOWN_BAR,
            parts={"plain_us": seconds * 1e6, "checked_us": checked[name] * 1e6},
        )


def launches() -> dict[str, Callable[[], object]]:
    """The example kernels on tensors that are there already."""
    import fused_softmax
    import matmul
    import torch
    import triton
    import vector_add

    from bench import sanitizer_kernels as kernels

    torch.manual_seed(0)
    size, blocks = 1 << 20, (1 << 10,)
    x, y, z = torch.randn(3, size)
    index, bins = torch.randperm(size, dtype=torch.int32), torch.randint(0, 256, (size,), dtype=torch.int32)
    counts, small = torch.zeros(256, dtype=torch.int32), bins.to(torch.int8)
    square, turned, copied = x.view(1024, 1024), torch.zeros(1024, 1024), torch.zeros_like(small)
    rows, out = torch.randn(2048, 1000), torch.zeros(2048, 1000)
    left, right = torch.randn(512, 512).half(), torch.randn(512, 512).half()
    return {
        "vector add, 1M f32": lambda: vector_add.add_kernel[(triton.cdiv(1 << 20, 1024),)](
            x, y, z, 1 << 20, BLOCK_SIZE=1024
        ),
        "softmax, 2048x1000 f32": lambda: fused_softmax.softmax_kernel[(1024,)](
            out, rows, 1000, 1000, 2048, 1000, BLOCK_SIZE=1024, num_stages=2
        ),
        "matmul, 512^3 f16": lambda: matmul.matmul(left, right),
        "gather, 1M f32": lambda: kernels.gather_kernel[blocks](x, index, z, BLOCK=1024),
        "scatter, 1M f32": lambda: kernels.scatter_kernel[blocks](x, index, z, BLOCK=1024),
        "transpose, 1024^2 f32": lambda: kernels.transpose_kernel[(16, 16)](square, turned, 1024, BLOCK=64),
        "histogram by atomics, 1M": lambda: kernels.count_kernel[blocks](bins, counts, BLOCK=1024),
        "copy, 1M i8": lambda: kernels.copy_kernel[blocks](small, copied, size, BLOCK=1024),
    }


def processor_seconds(call: Callable[[], object]) -> float:
    """The time of one call on all threads of the process: a busy host disturbs it less than the wall's."""
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> None:
    """Print the seconds of each launch."""
    found = {}
    for name, launch in launches().items():
        launch()
        launch()
        found[name] = statistics.median(processor_seconds(launch) for _ in range(REPEATS))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
