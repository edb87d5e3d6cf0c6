"""The published measurements in ../shared/measured, and their split by shape. Not here: predictions, errors."""

import csv
import hashlib
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "measured"
Row = dict[str, str]

NOT_SHAPE = ("latency_us", "median_us", "kernel_us", "avg_power_w", "max_power_w", "kernel")


def present() -> bool:
    return FOLDER.is_dir()


def rows(table: str, half: str = "") -> list[Row]:
    """Rows of a table; `half` is "fit" or "check", chosen by a hash of the shape alone: all devices together."""
    with open(FOLDER / f"{table}.csv", newline="") as file:
        found = list(csv.DictReader(file))
    return [row for row in found if not half or half_of(row) == half]


def half_of(row: Row) -> str:
    """Rows of one shape are in the same half, whatever device or library ran them."""
    shape = ",".join(f"{key}={value}" for key, value in sorted(row.items()) if key not in (*NOT_SHAPE, "device"))
    return "fit" if hashlib.sha256(shape.encode()).digest()[0] & 1 else "check"


def time_us(row: Row) -> float:
    return float(row.get("latency_us") or row.get("median_us") or row["kernel_us"])
