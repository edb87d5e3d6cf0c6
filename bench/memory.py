"""Host memory: what a program's tensors and kernels take beyond the device's own allocations, each mode in a process.

The peak of the process is reset once everything is imported and small launches have run, so that it counts tensors,
scratch and what launches keep. Time mode must touch no memory at all.
"""

import json
import os
from collections.abc import Callable, Iterator

from bench.figure import Figure
from bench.process import last_line
from bench.programs import EXAMPLES  # noqa: F401  (puts the examples on the path)

MORE_BAR_PERCENT = 5.0
TIME_BAR_PERCENT = 5.0
MIB = 1 << 20
ROWS, COLUMNS = 16384, 1024


def figures() -> Iterator[Figure]:
    """The host's peak above the device's peak in execute and both; the host's peak in time, of what is allocated."""
    for mode, bar in (("execute", MORE_BAR_PERCENT), ("both", MORE_BAR_PERCENT), ("time", TIME_BAR_PERCENT)):
        found = json.loads(last_line("-m", "bench.memory", SUPA_MODE=mode))
        own, host = found["device_bytes"], found["host_bytes"]
        yield Figure(
            section="memory",
            name=f"host memory {'of' if mode == 'time' else 'beyond'} the device's, mode {mode}",
            figure=max(0.0, 100 * (host if mode == "time" else host - own) / own),
            unit="%",
            bar=bar,
            parts={"device_mib": own / MIB, "host_mib": host / MIB},
        )


def launches(rows: int, columns: int) -> Callable[[], None]:
    """Softmax and a product on tensors of `rows` x `columns`, allocated on the device; each call makes its own."""
    import fused_softmax
    import matmul
    import torch

    import supa.torch  # noqa: F401

    def run() -> None:
        x = torch.empty(rows, columns, device="supa")
        out = torch.empty_like(x)
        x.fill_(0.5)
        fused_softmax.softmax_kernel[(rows,)](out, x, columns, columns, rows, columns, BLOCK_SIZE=columns, num_stages=2)
        half = torch.empty(rows // 16, columns, dtype=torch.float16, device="supa").fill_(0.25)
        product = torch.empty(rows // 16, rows // 16, dtype=torch.float16, device="supa")
        grid = ((rows // 16 // 64) ** 2,)
        matmul.matmul_kernel.fn[grid](
            half, half, product, rows // 16, rows // 16, columns, columns, 1, 1, columns, rows // 16, 1,
            ACTIVATION="", PRECISION="ieee", BLOCK_M=64, BLOCK_N=64, BLOCK_K=32, GROUP_M=8,
        )  # fmt: skip

    return run


def _status(name: str) -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(name))


def main() -> None:
    """Print the peaks above what small launches needed."""
    import torch

    launches(2048, COLUMNS)()
    torch.supa.empty_cache()
    torch.supa.reset_peak_memory_stats()
    with open("/proc/self/clear_refs", "w") as peak:
        peak.write("5")
    before = _status("VmRSS")
    own_before = torch.supa.memory_allocated()
    launches(ROWS * (8 if os.environ["SUPA_MODE"] == "time" else 1), COLUMNS)()
    own = torch.supa.max_memory_allocated() - own_before
    print(json.dumps({"device_bytes": own, "host_bytes": max(0, _status("VmHWM") - before)}))


if __name__ == "__main__":
    main()
