"""Fits what a chip sustains on the fit half of the measurements: `python -m bench.calibration gemm a100-sxm-80`.

Coordinate descent from the catalogue's figures on the mean absolute log error. It prints figures; a person rounds
them, asks whether they mean something, and writes them into the catalogue with docs/calibration.
"""

import dataclasses
import sys
from collections.abc import Callable

import numpy as np

from bench import measured
from supa.arch import load
from supa.timing.outline.gemm import one_row, tilings, times_of
from supa.timing.outline.rates import Rates, rates

Predict = Callable[[Rates], np.ndarray]


def descend(start: Rates, free: dict[str, float], predict: Predict, truth: np.ndarray, rounds: int = 12) -> Rates:
    """`free` gives each figure's upper bound."""

    def error(tried: Rates) -> float:
        return float(np.minimum(np.abs(np.log(predict(tried) / truth)), 0.6).mean())

    best, least = start, error(start)
    print(f"start {100 * least:.2f} %")
    steps = dict.fromkeys(free, 1.3)
    for _ in range(rounds):
        for name, bound in free.items():
            for factor in (steps[name], 1 / steps[name]):
                tried = dataclasses.replace(best, **{name: min(getattr(best, name) * factor, bound)})
                if (found := error(tried)) < least - 1e-6:
                    best, least = tried, found
                    break
            else:
                steps[name] = steps[name] ** 0.5
    print(f"end {100 * least:.2f} %", {name: float(f"{getattr(best, name):.4g}") for name in free})
    return best


def gemm_predictor(sample: int, device: str) -> tuple[Predict, np.ndarray]:
    found = [row for row in measured.rows("gemm_bf16", "fit") if row["device"] == device][::sample]
    m, n, k = (np.array([[float(row[name])] for row in found]) for name in "mnk")

    def predict(tried: Rates) -> np.ndarray:
        times, _ = times_of(tried, m, n, k, tilings(space_of))
        single = np.where(np.minimum(m, n) == 1, one_row(tried, m, n, k), np.inf)
        return np.minimum(times.min(axis=1), single[:, 0]) * 1e6

    space_of = rates(load(device))
    return predict, np.array([measured.time_us(row) for row in found])


GEMM_FREE = {
    "launch_s": 1, "tile_hbm": 0.95, "l2_share": 1, "block_start_s": 1, "cu_sums_bytes_per_s": 1e12, "turn_s": 1,
    "loaded_latency_s": 1, "handover_s": 1, "kept": 1, "mac_j": 1,
}  # fmt: skip

if __name__ == "__main__":
    predict, truth = gemm_predictor(int(sys.argv[2]) if len(sys.argv) > 2 else 3, sys.argv[1])
    descend(rates(load(sys.argv[1])), GEMM_FREE, predict, truth)
