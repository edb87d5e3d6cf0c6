"""What each calibrated figure is worth: `python -m bench.ablation a100-sxm-80` prints a table in Markdown.

Each figure is put back to what a datasheet would have suggested; the mean error on the check half says what it removes.
"""

import dataclasses
import sys
from collections.abc import Callable

import numpy as np

from bench import measured
from supa.arch import load
from supa.timing.outline import Outline
from supa.timing.outline.rates import Rates, rates
from supa.tools.workload_rows import WORKLOADS

TABLES = {
    "gemm": "gemm_bf16",
    "attention_prefill": "attention_prefill_bf16",
    "attention_decode": "attention_decode_bf16",
    "llm_layer_ops": "llm_layer_ops_fp16",
    "collectives": "collectives_nccl",
}
SAMPLE = 5
UNCALIBRATED: dict[str, Callable[[Rates], float]] = {
    "opening_bytes": lambda r: 0.0,
    "l2_share": lambda r: 1.0,
    "kept": lambda r: 0.0,
    "miss_latency_s": lambda r: r.hbm_latency_s,
    "block_start_s": lambda r: 0.0,
    "turn_s": lambda r: 0.0,
    "cu_sums_bytes_per_s": lambda r: 32 * r.core_hz,
    "handover_s": lambda r: r.l2_latency_s,
    "overlap": lambda r: 1.0,
    "response_s": lambda r: 0.0,
    "mac_j": lambda r: 0.8e-12,
    "launch_s": lambda r: 1e-6,
    "collective_start_s": lambda r: r.launch_s,
    "collective_bulk_s": lambda r: 0.0,
}


def errors(device: str, priced: Rates) -> list[float]:
    """Mean absolute error in per cent of each table's sample; products of the layer table are left to gemm's."""
    found = []
    for workload, table in TABLES.items():
        rows = [
            row for row in measured.rows(table, "check") if row["device"] == device and "proj" not in row.get("op", "")
        ]
        rule = WORKLOADS[workload]
        each = [abs(rule(Outline(rates=priced), row).time_us / measured.time_us(row) - 1) for row in rows[::SAMPLE]]
        found.append(100 * float(np.mean(each)))
    return found


def main(device: str) -> int:
    base = rates(load(device))
    print("| figure | calibrated | without | " + " | ".join(TABLES) + " |")
    print("|---|---|---|" + "---|" * len(TABLES))
    print("| all as calibrated | | | " + " | ".join(f"{error:.1f}" for error in errors(device, base)) + " |")
    for name, without in UNCALIBRATED.items():
        changed = dataclasses.replace(base, **{name: without(base)})
        cells = " | ".join(f"{error:.1f}" for error in errors(device, changed))
        print(f"| `{name}` | {getattr(base, name):.3g} | {without(base):.3g} | {cells} |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
