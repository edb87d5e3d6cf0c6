"""The clock against published measurements: `python -m bench.fidelity [TABLE ...] [--model machine | --borrowed]`.

Only the check half is reported: errors by table (or op), device and size, mean absolute, median signed, 90th
percentile. The machine walks every block, so `--model machine` takes a sample of the rows (`--every`), leaves out
those that take longer than `LONGEST_US`, and prints the outline's errors on the same rows beside its own.
`--borrowed` prices each device by its datasheet: what was calibrated on it comes from the other generation.
"""

import argparse
import itertools
import sys
from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from bench import measured
from supa.arch import Device, load, with_overrides
from supa.timing.outline import Outline, rates
from supa.tools.price import estimate
from supa.tools.workload_rows import ELEMENTWISE, WORKLOADS, format_of

TABLES = {
    "gemm_bf16": "gemm",
    "attention_prefill_bf16": "attention_prefill",
    "attention_decode_bf16": "attention_decode",
    "llm_layer_ops_fp16": "llm_layer_ops",
    "collectives_nccl": "collectives",
    "triton_and_native_ops_a100": "elementwise",
}
EDGES_US = (0.0, 5.0, 20.0, 100.0, 1000.0, float("inf"))
STEADY_W = 20.0  # the meter's average is of a run long enough when its maximum is this near
MESSAGE_BYTES = 64 << 10  # shorter collectives are reported apart
LONGEST_US = 3000.0  # of the rows that the machine walks here: longer ones take it minutes
LENDERS = {"a100-sxm-80": "h100-sxm", "h100-sxm": "a100-sxm-80"}
WALKED = ("gemm_bf16", "attention_prefill_bf16", "attention_decode_bf16", "llm_layer_ops_fp16")


def errors(table: str, half: str = "check") -> Iterator[tuple[str, str, float, float]]:
    """Op, device, measured microseconds, relative error of every row."""
    for row in _priced_rows(table, half):
        truth = measured.time_us(row)
        found = estimate(TABLES[table], row).time_us
        yield _kind(table, row), row["device"], truth, found / truth - 1


def _priced_rows(table: str, half: str) -> list[measured.Row]:
    """Rows that the workload knows; of the operators only those that stream whole tensors."""
    rows = measured.rows(table, half)
    if table != "triton_and_native_ops_a100":
        return rows
    return [row for row in rows if row["op"] in ELEMENTWISE and row["implementation"] == "triton"]


def power(half: str = "check") -> None:
    """Average board power of long runs of streaming Triton kernels."""
    found: list[float] = []
    for row in _priced_rows("triton_and_native_ops_a100", half):
        if float(row["max_power_w"]) - float(row["avg_power_w"]) < STEADY_W:
            priced = estimate("elementwise", row)
            found.append(priced.energy_j / priced.time_s / float(row["avg_power_w"]) - 1)
    line("board power", "a100-sxm-40", "all", np.array(found))


def _kind(table: str, row: measured.Row) -> str:
    if table == "collectives_nccl":
        return "collectives over 64 KB" if int(row["bytes"]) > MESSAGE_BYTES else "collectives up to 64 KB"
    return row.get("op") or table.removesuffix("_bf16").replace("_", " ")


def report(table: str, half: str = "check") -> None:
    groups: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for op, device, truth, error in errors(table, half):
        groups[op, device].append((truth, error))
        if table == "triton_and_native_ops_a100":
            groups["all element-wise", device].append((truth, error))
        if table == "llm_layer_ops_fp16":
            groups["all products" if "proj" in op else "all row kernels", device].append((truth, error))
    for (op, device), found in sorted(groups.items()):
        truth, error = np.array(found).T
        line(op, device, "all", error)
        for low, high in itertools.pairwise(EDGES_US):
            inside = error[(truth >= low) & (truth < high)]
            if len(inside):
                line(op, device, f"{low:g}-{high:g} us", inside)
        if table == "gemm_bf16":
            line(op, device, "under 20 us", error[truth < 20])
            line(op, device, "over 20 us", error[truth >= 20])


def line(op: str, device: str, size: str, error: np.ndarray) -> None:
    print(
        f"{op:32}{device:13}{size:14}{len(error):6}{100 * np.abs(error).mean():7.1f} %"
        f"{100 * np.median(error):+8.1f} %{100 * np.quantile(np.abs(error), 0.9):8.1f} %"
    )


def walked(table: str, every: int, half: str = "check") -> dict[tuple[str, str], np.ndarray]:
    """Op and device -> float64[rows, 3]: microseconds measured, errors of the outline and of the machine."""
    found: dict[tuple[str, str], list[tuple[float, float, float]]] = defaultdict(list)
    rows = [row for row in measured.rows(table, half) if measured.time_us(row) < LONGEST_US]
    for row in [row for row in rows if "proj" not in row.get("op", "")][::every]:
        truth = measured.time_us(row)
        outline, machine = (
            estimate(TABLES[table], row, model=model).time_us / truth - 1 for model in ("outline", "machine")
        )
        found[_kind(table, row), row["device"]].append((truth, outline, machine))
    return {key: np.array(errors) for key, errors in found.items()}


def borrowed(name: str) -> Device:
    """A device that nobody has measured: what the catalogue calls calibrated on it is its lender's figure."""
    device, lender = load(name), load(LENDERS[name])
    figures = {
        path: lender.figures[path].text
        for path, figure in device.figures.items()
        if figure.kind == "calibrated" and not path.startswith(("uncertainty.", "sustained.matrix"))
    }
    return with_overrides(device, figures)


def report_borrowed(table: str, half: str = "check") -> None:
    """Errors of both devices, each with the other's calibrated figures, by op."""
    for name in LENDERS:
        device, groups = borrowed(name), defaultdict(list)
        workload = TABLES[table]
        for row in [row for row in measured.rows(table, half) if row["device"] == name]:
            found = WORKLOADS[workload](Outline(rates=rates(device, format_of(workload, row, device))), row)
            groups[_group(table, row)].append(found.time_us / measured.time_us(row) - 1)
        for op, errors in sorted(groups.items()):
            line(f"{op}: borrowed", name, "all", np.array(errors))


def _group(table: str, row: measured.Row) -> str:
    """Ops of a layer as products or row kernels, other tables as they are reported."""
    if table == "llm_layer_ops_fp16":
        return "all products" if "proj" in row["op"] else "all row kernels"
    return _kind(table, row)


def report_walked(table: str, every: int) -> None:
    """The machine's errors, and the outline's on the same rows."""
    found = walked(table, every)
    if table == "llm_layer_ops_fp16":
        for device in sorted({device for _, device in found}):
            found["all row kernels", device] = np.concatenate([e for (_, where), e in found.items() if where == device])
    for (op, device), errors in sorted(found.items()):
        line(f"{op}: outline", device, "sample", errors[:, 1])
        line(f"{op}: machine", device, "sample", errors[:, 2])
        if table == "gemm_bf16":
            for size, inside in (("under 20 us", errors[:, 0] < 20), ("over 20 us", errors[:, 0] >= 20)):
                line(f"{op}: machine", device, size, errors[inside, 2])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.fidelity", description="Predictions beside measurements.")
    parser.add_argument("tables", nargs="*", choices=[[], *TABLES], metavar="TABLE", help="default: all")
    parser.add_argument("--model", choices=("outline", "machine"), default="outline")
    parser.add_argument("--every", type=int, default=20, help="rows from one that the machine walks to the next")
    parser.add_argument("--borrowed", action="store_true", help="each device with the other's calibrated figures")
    chosen = parser.parse_args()
    if not measured.present():
        print(f"no measurements at {measured.FOLDER}: nothing to compare")
        return 1
    print(f"{'what':32}{'device':13}{'measured':14}{'rows':>6}{'mean':>9}{'median':>10}{'90th':>10}")
    if chosen.borrowed:
        for table in chosen.tables or [name for name in TABLES if name != "triton_and_native_ops_a100"]:
            report_borrowed(table)
        return 0
    if chosen.model == "machine":
        for table in chosen.tables or WALKED:
            report_walked(table, chosen.every)
        return 0
    for table in chosen.tables or list(TABLES):
        report(table)
    if not chosen.tables:
        power()
    return 0


if __name__ == "__main__":
    sys.exit(main())
