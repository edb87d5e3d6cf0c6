"""Triton kernels on an A100-40, through our own front end in `time` mode, against published times and board power.

As a program with SUPA_MODE=time and SUPA_DEVICE=a100-sxm-40, `python -m bench.triton_rows` prints the errors. The
kernels are `bench.triton_ops`; those of the table are another library's, so only operators are compared whose traffic
the name settles. `OTHER` says why the rest is left out. Memory is reserved and never touched.
"""

import json
import os
import sys
from collections.abc import Iterator

import numpy as np

from bench import measured

TABLE = "triton_and_native_ops_a100"
STEADY_W = 20.0  # the meter's average is of a run long enough when its maximum is this near
OTHER = {
    "all": "the same time for 2 and 4 bytes an element: bound by instructions that the table does not tell",
    "cross_entropy_loss": "how often it passes over its input is not told",
    "log_softmax": "its shape is not told in full",
    "native_dropout": "how its mask is kept is not told",
    "outer": "its shape is not told in full",
    "softmax": "which dimension, and how often it passes over its input, is not told",
    "triu": "how its rows are cut is not told",
}


def sizes(row: measured.Row) -> dict[str, int]:
    """`M: 4096;N: 4096` as a mapping."""
    return {name.strip(): int(size) for name, size in (part.split(":") for part in row["shape"].split(";"))}


def run(row: measured.Row) -> None:
    """Launch a row's operator."""
    import torch

    from bench import triton_ops as ops

    dtype = {"FP32": torch.float32, "FP16": torch.float16, "BF16": torch.bfloat16}[row["dtype"]]
    size, name = sizes(row), row["op"]
    if name in ops.STREAMED:
        ops.STREAMED[name](name, (size.get("Melements") or size["M"]) << 20, dtype)
    elif name == "mv":
        ops.matrix_vector(size["M"], size["N"], dtype)
    else:
        batch = size.get("BS", 1)
        ops.product(size["M"], size["N"], size["K"], dtype, batch=batch, bias=name == "addmm")


def priced(rows: list[measured.Row]) -> Iterator[dict[str, float | str]]:
    """Every row with what the device's clock says of it."""
    from supa.runtime import current_device
    from supa.runtime.session import Session

    device = current_device()
    assert device.mode == "time", "reserve memory, do not touch it: SUPA_MODE=time"
    for row in rows:
        device.session = Session()
        run(row)
        device.synchronize()
        total = device.session.total()
        yield {
            "op": row["op"],
            "dtype": row["dtype"],
            "measured_us": measured.time_us(row),
            "predicted_us": total["device_us"],
            "measured_w": float(row["avg_power_w"]),
            "steady": float(row["max_power_w"]) - float(row["avg_power_w"]) < STEADY_W,
            "predicted_w": total["energy_j"] / total["device_us"] * 1e6,
        }


def rows(half: str = "") -> list[measured.Row]:
    """The table's Triton kernels whose traffic is known; `half` as in `measured`."""
    found = measured.rows(TABLE, half)
    return [row for row in found if row["implementation"] == "triton" and row["op"] not in OTHER]


def errors(found: list[dict[str, float | str]]) -> tuple[np.ndarray, np.ndarray]:
    """Relative errors of time, and of power where the meter saw a long run."""
    time = [float(one["predicted_us"]) / float(one["measured_us"]) - 1 for one in found]
    power = [float(one["predicted_w"]) / float(one["measured_w"]) - 1 for one in found if one["steady"]]
    return np.array(time), np.array(power)


def main(half: str = "") -> int:
    """A line a row, the errors, and everything as JSON for other processes."""
    found = []
    for one in priced(rows(half)):
        found.append(one)
        print(
            f"{one['op']:8} {one['dtype']:5} {one['measured_us']:10.1f} us {one['predicted_us']:10.1f} us"
            f" {100 * (one['predicted_us'] / one['measured_us'] - 1):+6.1f} %"  # type: ignore[operator]
            f" {one['measured_w']:7.1f} W {one['predicted_w']:7.1f} W"
            f" {100 * (one['predicted_w'] / one['measured_w'] - 1):+6.1f} %",  # type: ignore[operator]
            flush=True,
        )
    for what, error in zip(("time", "board power"), errors(found), strict=True):
        print(
            f"{what}: {len(error)} rows, mean {100 * np.abs(error).mean():.1f} %,"
            f" median {100 * np.median(error):+.1f} %"
        )
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    if "SUPA_MODE" not in os.environ:
        os.execve(
            sys.executable, [sys.executable, "-m", "bench.triton_rows", *sys.argv[1:]],
            os.environ | {"SUPA_MODE": "time", "SUPA_DEVICE": "a100-sxm-40"},
        )  # fmt: skip
    sys.exit(main(*sys.argv[1:]))
