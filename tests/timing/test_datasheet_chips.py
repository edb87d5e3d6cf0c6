"""Chips known by their datasheets alone, with what they inherit from a generation: priced, and plausibly so."""

from __future__ import annotations

from pathlib import Path

import pytest

from supa.arch import Device, load
from supa.timing.library import Library
from supa.timing.outline import Heads, Outline, rates

H200 = {"hbm": {"capacity": "141 GB", "bandwidth": "4.8 TB/s"}}
H20 = {
    "die": {"disabled_eu_count": 264}, "hbm": {"capacity": "96 GB", "bandwidth": "4.0 TB/s"},
    "board": {"power_cap": "400 W"},
}  # fmt: skip
CARD = {"board": {"form_factor": "PCIe", "power_cap": "250 W"}}
SMALL = {
    "die": {"spc_count": 7, "disabled_eu_count": 0}, "spc": {"eu_count": 48},
    "tcore": {"bf16": "128 MAC/clk", "fp16": "128 MAC/clk"},
    "l2": {"capacity": "6 MiB", "partition_count": 1, "slice_count": 48},
    "hbm": {"capacity": "48 GB", "bandwidth": "696 GB/s"},
    "clocks": {"boost": "1740 MHz", "nominal": "1305 MHz", "matrix": "1740 MHz"}, "sustained": {"matrix": "1740 MHz"},
    "board": {"power_cap": "300 W"},
}  # fmt: skip
TOKEN = Heads(batch=64, new_tokens=1, past_tokens=4095, heads=32, kv_heads=8, head_dim=128)


def described(folder: Path, base: str, tables: dict[str, dict[str, object]]) -> Device:
    lines = ['name = "known"', 'kind = "chip"', 'title = "x"', f'inherit = "{base}"', 'source = ["published", "x"]']
    for table, figures in tables.items():
        lines.append(f"[{table}]")
        lines += [f"{key} = {value!r}".replace("'", '"') for key, value in figures.items()]
    path = folder / "known.toml"
    path.write_text("\n".join(lines) + "\n")
    return load(str(path))


def test_more_bandwidth_speeds_up_decode_and_leaves_large_products(tmp_path: Path) -> None:
    """H200 beside H100: 4.8 against 3.35 TB/s, the same compute."""
    base, wider = (Outline(rates=rates(one)) for one in (load("h100-sxm"), described(tmp_path, "h100-sxm", H200)))
    assert 1.25 < base.attention(TOKEN).time_s / wider.attention(TOKEN).time_s < 1.45
    assert base.gemm(8192, 8192, 8192).time_s == pytest.approx(wider.gemm(8192, 8192, 8192).time_s, rel=0.03)


def test_fewer_units_slow_down_products_alone(tmp_path: Path) -> None:
    """H20: 78 of 132 multiprocessors, 4.0 TB/s; its datasheet prints 148 TFLOPS at a lower clock."""
    base, fewer = (Outline(rates=rates(one)) for one in (load("h100-sxm"), described(tmp_path, "h100-sxm", H20)))
    assert fewer.gemm(8192, 8192, 8192).time_s > 1.5 * base.gemm(8192, 8192, 8192).time_s
    assert fewer.attention(TOKEN).time_s < base.attention(TOKEN).time_s


def test_a_lower_cap_slows_large_products(tmp_path: Path) -> None:
    base, capped = (
        Outline(rates=rates(one)) for one in (load("a100-sxm-40"), described(tmp_path, "a100-sxm-40", CARD))
    )
    assert 1.1 < capped.gemm(8192, 8192, 8192).time_s / base.gemm(8192, 8192, 8192).time_s < 1.8


@pytest.mark.parametrize("name", ["a100-pcie-40", "a100-pcie-80", "h100-pcie", "h20-sxm", "h200-sxm"])
def test_no_entry_of_the_catalogue_beats_its_peaks(name: str) -> None:
    device = load(name)
    outline = Outline(rates=rates(device))
    assert 4096**3 / outline.gemm(4096, 4096, 4096).time_s <= device.peak_flops("bf16") / 2 * 1.05
    read = TOKEN.batch * (TOKEN.past_tokens + 1) * TOKEN.kv_heads * TOKEN.head_dim * 2 * 2
    reached = read / outline.attention(TOKEN).time_s / device.hbm_bandwidth_bytes_per_s
    assert 0.4 < reached <= 1  # an H20's matrix engine is the bound: four query heads fill a sixteenth of its tiles


@pytest.mark.parametrize("case", [("h100-sxm", H200), ("h100-sxm", H20), ("a100-sxm-40", CARD), ("a100-sxm-80", SMALL)])
def test_both_models_price_it_alike(tmp_path: Path, case: tuple[str, dict[str, dict[str, object]]]) -> None:
    device = described(tmp_path, *case)
    library, outline = Library.of(device), Outline(rates=rates(device))
    small = Heads(batch=8, new_tokens=1, past_tokens=500, heads=16, kv_heads=4, head_dim=128)
    for price in (
        lambda one: one.gemm(128, 2048, 1024),
        lambda one: one.attention(small),
        lambda one: one.norm(300, 4096),
    ):
        assert price(library).time_s == pytest.approx(price(outline).time_s, rel=0.4)
    macs = device.peak_flops("bf16") / 2
    assert 4096**3 / outline.gemm(4096, 4096, 4096).time_s <= macs * 1.1
