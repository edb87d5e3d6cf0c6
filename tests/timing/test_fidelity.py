"""The clock against published measurements, where they lie beside this checkout: bars reached, so that a loss is seen.

Only the check half, which fixed no figure; a sample of it. `python -m bench.fidelity` prints all of it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from bench import fidelity, measured  # noqa: E402

pytestmark = pytest.mark.skipif(not measured.present(), reason="the measurements are not beside this checkout")

DEVICES = ("a100-sxm-80", "h100-sxm")
EVERY = 4


def sample(table: str, every: int = EVERY) -> list[tuple[str, str, float, float]]:
    """Op, device, microseconds measured, relative error."""
    return list(fidelity.errors(table))[::every]


def mean_of(errors: list[float]) -> float:
    assert len(errors) > 5
    return 100 * float(np.abs(errors).mean())


@pytest.fixture(scope="module")
def products() -> list[tuple[str, str, float, float]]:
    return sample("gemm_bf16")


@pytest.mark.parametrize("device", DEVICES)
def test_products(products: list[tuple[str, str, float, float]], device: str) -> None:
    found = [(truth, error) for _, where, truth, error in products if where == device]
    assert mean_of([error for truth, error in found if truth >= 20]) < 7.0
    assert mean_of([error for truth, error in found if truth < 20]) < 9.5


@pytest.mark.parametrize("device", DEVICES)
def test_products_have_no_bias_by_size(products: list[tuple[str, str, float, float]], device: str) -> None:
    for low, high in ((5, 20), (20, 100), (100, 1000)):
        errors = [error for _, where, truth, error in products if where == device and low <= truth < high]
        assert abs(np.median(errors)) < 0.045, (low, high)


@pytest.mark.parametrize(
    ("table", "bar"),
    [("attention_prefill_bf16", 9.5), ("attention_decode_bf16", 10.0), ("collectives_nccl", 10.0)],
)
@pytest.mark.parametrize("device", DEVICES)
def test_attention_and_collectives(table: str, bar: float, device: str) -> None:
    every = 1 if table == "collectives_nccl" else EVERY
    errors = [error for op, where, _, error in sample(table, every) if where == device and "up to" not in op]
    assert mean_of(errors) < bar


@pytest.mark.parametrize("device", DEVICES)
def test_row_kernels(device: str) -> None:
    errors = [e for op, where, _, e in sample("llm_layer_ops_fp16", 2) if where == device and "proj" not in op]
    assert mean_of(errors) < 10.0


def test_streams_of_an_a100_40() -> None:
    assert mean_of([error for _, _, _, error in sample("triton_and_native_ops_a100", 1)]) < 5.0


@pytest.mark.parametrize(
    ("table", "every", "bar"),
    [("gemm_bf16", 120, 14.0), ("attention_decode_bf16", 60, 14.0), ("llm_layer_ops_fp16", 90, 15.0)],
)
def test_the_machine_follows_the_measurements(
    table: str, every: int, bar: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Walked block by block, short rows alone: the same figures, no constant of its own."""
    monkeypatch.setattr(fidelity, "LONGEST_US", 200.0)
    found = np.concatenate(list(fidelity.walked(table, every).values()))
    assert mean_of(list(found[:, 2])) < bar
