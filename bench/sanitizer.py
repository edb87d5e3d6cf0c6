"""How much slower kernels run under the sanitizer: each in one process without checks and in one with them."""

import json
import statistics
from collections.abc import Callable, Iterator

from bench.clock import seconds_of
from bench.figure import Figure
from bench.process import last_line
from bench.programs import EXAMPLES  # noqa: F401  (puts the examples on the path)

SLOWDOWN_BAR = 20.0
REPEATS = 7


def figures() -> Iterator[Figure]:
    """The ratio of a launch's median time with checks to the one without."""
    plain, checked = (json.loads(last_line("-m", "bench.sanitizer", SUPA_SANITIZE=on)) for on in ("", "1"))
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

    torch.manual_seed(0)
    x, y, z = torch.randn(3, 1 << 20)
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
    }


def main() -> None:
    """Print the seconds of each launch."""
    found = {}
    for name, launch in launches().items():
        launch()
        launch()
        found[name] = statistics.median(seconds_of(launch) for _ in range(REPEATS))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
