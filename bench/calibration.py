"""Fits what a chip sustains on the fit half of the measurements: `python -m bench.calibration a100-sxm-80 [SAMPLE]`.

Coordinate descent from the catalogue's figures on the mean absolute log error of products, attention and row kernels
together, each weighted by its bar: no figure belongs to one of them. It prints figures; a person rounds them, asks
whether they mean something, and writes them into the catalogue with docs/calibration.
"""

import dataclasses
import sys
from collections.abc import Callable

import numpy as np

from bench import measured
from supa.arch import load
from supa.timing.outline import Outline
from supa.timing.outline.gemm import one_row, tilings, times_of
from supa.timing.outline.rates import Rates, rates
from supa.tools.workload_rows import WORKLOADS

Predict = Callable[[Rates], np.ndarray]
LARGEST = 0.6  # a row that is not understood counts no more than this
WEIGHTS = {"gemm_bf16": 1 / 6, "attention_prefill_bf16": 1 / 8, "attention_decode_bf16": 1 / 10,
           "llm_layer_ops_fp16": 1 / 10}  # fmt: skip
FREE = {
    "launch_s": 1, "notice_s": 1, "gap_s": 1, "l2_share": 1, "block_start_s": 1, "cu_sums_bytes_per_s": 1e12,
    "turn_s": 1, "miss_latency_s": 1, "handover_s": 1, "kept": 1, "mac_j": 1, "overlap": 1, "response_s": 1,
    "opening_bytes": 1e3,
}  # fmt: skip
"""Figure -> its upper bound."""


def descend(start: Rates, free: dict[str, float], score: Callable[[Rates], float], rounds: int = 12) -> Rates:
    """The best figures found; what it does is printed."""
    best, least = start, score(start)
    print(f"start {least:.4f}", errors_of(start), flush=True)
    steps = dict.fromkeys(free, 1.25)
    for _ in range(rounds):
        for name, bound in free.items():
            for factor in (steps[name], 1 / steps[name]):
                tried = dataclasses.replace(best, **{name: min(getattr(best, name) * factor, bound)})
                if (found := score(tried)) < least - 1e-5:
                    best, least = tried, found
                    break
            else:
                steps[name] = steps[name] ** 0.5
    print(f"end {least:.4f}", errors_of(best), {name: float(f"{getattr(best, name):.4g}") for name in free})
    return best


def gemm_predictor(found: list[measured.Row], device: str) -> Predict:
    """All products at once."""
    m, n, k = (np.array([[float(row[name])] for row in found]) for name in "mnk")
    space = tilings(rates(load(device)))

    def predict(tried: Rates) -> np.ndarray:
        times, _ = times_of(tried, m, n, k, space)
        single = np.where(np.minimum(m, n) == 1, one_row(tried, m, n, k), np.inf)
        return np.minimum(times.min(axis=1), single[:, 0]) * 1e6

    return predict


def row_predictor(found: list[measured.Row], table: str) -> Predict:
    """One row after the other."""
    rule = next(rule for name, rule in WORKLOADS.items() if table.startswith(name))
    return lambda tried: np.array([rule(Outline(rates=tried), row).time_us for row in found])


def predictors(device: str, sample: int) -> dict[str, tuple[Predict, np.ndarray]]:
    """By table: what predicts a sample of the fit half, and what was measured; products of layers are left out."""
    made = {}
    for table in WEIGHTS:
        found = [
            row for row in measured.rows(table, "fit") if row["device"] == device and "proj" not in row.get("op", "")
        ]
        found = found[::sample]
        predict = gemm_predictor(found, device) if table == "gemm_bf16" else row_predictor(found, table)
        made[table] = predict, np.array([measured.time_us(row) for row in found])
    return made


def errors_of(tried: Rates) -> dict[str, float]:
    """Mean error of each table, per cent."""
    found = {}
    for table, (predict, truth) in PREDICTORS.items():
        found[table] = round(100 * float(np.minimum(np.abs(np.log(predict(tried) / truth)), LARGEST).mean()), 2)
    return found


def score(tried: Rates) -> float:
    """Errors in units of their bars, added."""
    return sum(WEIGHTS[table] * error for table, error in errors_of(tried).items())


if __name__ == "__main__":
    PREDICTORS = predictors(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3)
    descend(rates(load(sys.argv[1])), FREE, score)
