"""The closed forms against published check points and the laws that any machine obeys."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supa.arch import load, with_overrides
from supa.timing import price
from supa.timing.library import Library
from supa.timing.outline import (
    COLLECTIVES,
    Heads,
    Rates,
    attention,
    collective,
    gated,
    gemm,
    norm,
    rates,
    rotary,
    stream,
)
from supa.timing.outline.gemm import one_row
from supa.timing.workloads.gemm import Tiling, dots
from supa.timing.workloads.gemm import gemm as gemm_kernel

SIZES = st.integers(1, 20_000)


def of(name: str, **overrides: str) -> Rates:
    device = load(name)
    changed = {key.replace("__", "."): value for key, value in overrides.items()}
    return rates(with_overrides(device, changed) if changed else device)


A100, H100, BR100 = of("a100-sxm-80"), of("h100-sxm"), of("bili100")


@pytest.mark.parametrize(
    ("device", "size", "measured_us"),
    [(A100, 4096, 539.5), (H100, 4096, 166.0), (H100, 8192, 1541.7)],
)
def test_published_check_points(device: Rates, size: int, measured_us: float) -> None:
    assert gemm(device, size, size, size).time_us == pytest.approx(measured_us, rel=0.15)


@given(m=SIZES, n=SIZES, k=SIZES)
@settings(max_examples=40, deadline=None)
def test_a_product_exceeds_no_peak(m: int, n: int, k: int) -> None:
    for device in (A100, H100, BR100):
        found = gemm(device, m, n, k)
        seconds = found.time_s - device.launch_s
        assert m * n * k / seconds <= device.cu_mac_per_s * device.cus * 1.0001
        assert n * k * 2 / seconds <= device.hbm_bytes_per_s * 1.0001
        assert found.energy_j > 0


@given(m=st.integers(1, 4096), n=st.integers(1, 4096), k=st.integers(64, 8192))
@settings(max_examples=40, deadline=None)
def test_more_depth_is_hardly_faster(m: int, n: int, k: int) -> None:
    """A search over splits may find a rounder split for the longer product: that is worth at most a tenth."""
    for device in (A100, H100):
        assert gemm(device, m, n, k).time_s <= gemm(device, m, n, 2 * k).time_s * 1.1


@pytest.mark.parametrize(
    "better",
    [
        {"hbm__bandwidth": "4 TB/s"},
        {"sustained__l2": "0.9"},
        {"sustained__loaded_latency": "200 ns"},
        {"tcore__bf16": "512 MAC/clk"},
        {"launch__latency": "1 us"},
        {"board__power_cap": "800 W"},
        {"links__port_bandwidth": "50 GB/s"},
    ],
)
def test_better_hardware_is_not_slower(better: dict[str, str]) -> None:
    before, after = A100, of("a100-sxm-80", **better)
    heads = Heads(batch=4, new_tokens=1, past_tokens=3000, heads=32, kv_heads=8, head_dim=128)
    many = Heads(batch=2, new_tokens=700, past_tokens=0, heads=32, kv_heads=8, head_dim=128)
    for priced in (
        lambda r: gemm(r, 777, 4096, 1024),
        lambda r: attention(r, heads),
        lambda r: attention(r, many),
        lambda r: norm(r, 3000, 4096),
        lambda r: stream(r, 1 << 24, inputs=2),
        lambda r: collective(r, "all_gather", 8, 1 << 24),
    ):
        assert priced(after).time_s <= priced(before).time_s * (1 + 1e-9)


def test_a_cap_slows_a_product_that_it_binds() -> None:
    assert (
        gemm(of("h100-sxm", board__power_cap="350 W"), 8192, 8192, 8192).time_s
        > 1.2 * gemm(H100, 8192, 8192, 8192).time_s
    )


@pytest.mark.parametrize("size", [(4096, 4096, 4096), (2048, 2048, 2048), (64, 4096, 4096)])
def test_the_outline_follows_the_machine_that_walks_every_block(size: tuple[int, int, int]) -> None:
    device = load("a100-sxm-80")
    tilings = (
        Tiling(m=256, n=128, k=64, stages=3, warps=8),
        Tiling(m=128, n=128, k=64),
        Tiling(m=64, n=64, k=64, stages=4),
    )
    walked = []
    for tiling in tilings:
        kernel = gemm_kernel(*size, tiling=tiling)
        walked.append(price(device, kernel.work, kernel.resources, kernel.grid, kernel.stream).time_us)
    assert gemm(A100, *size).time_us == pytest.approx(min(walked), rel=0.12)


@pytest.mark.parametrize("kind", COLLECTIVES)
def test_collectives_grow_with_bytes_and_keep_the_links_peak(kind: str) -> None:
    times = [collective(H100, kind, 8, 1 << power).time_s for power in range(9, 31)]  # type: ignore[arg-type]
    assert times == sorted(times)
    assert (1 << 30) * 7 / 8 / times[-1] < H100.link_bytes_per_s


def test_an_unknown_collective_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of all_reduce"):
        collective(H100, "gossip", 8, 1024)  # type: ignore[arg-type]


def test_row_kernels_keep_the_memory_peak_and_grow() -> None:
    for device in (A100, H100, BR100):
        assert norm(device, 30_000, 8192).time_s > 30_000 * 8192 * 4 / device.hbm_bytes_per_s
        assert norm(device, 100, 8192).time_s < norm(device, 3000, 8192).time_s
        assert gated(device, 100, 8192).time_s < gated(device, 3000, 8192).time_s
        assert rotary(device, 100, 32, 8, 128).time_s < rotary(device, 5000, 32, 8, 128).time_s


def test_parts_of_the_keys_help_a_lone_sequence() -> None:
    lone = Heads(batch=1, new_tokens=1, past_tokens=65535, heads=32, kv_heads=4, head_dim=128)
    found = attention(A100, lone)
    assert "parts" in found.schedule
    assert found.time_us < 300  # one block a head would walk 512 tiles of keys, each about 2.6 us


def test_memory_is_idle_at_the_ends_of_a_kernel() -> None:
    """10 MB of weights take 12.8 us on an A100, 100 MB take 73 (measured): not in proportion."""
    small, large = (gemm(A100, 8, n, 4096).time_us for n in (1280, 12800))
    bytes_a_us = (12800 - 1280) * 4096 * 2 / (large - small)
    assert bytes_a_us == pytest.approx(1_500_000, rel=0.1)
    assert small > 1280 * 4096 * 2 / bytes_a_us + 3.0


def test_a_lone_block_waits_for_its_keys() -> None:
    """A block walks 256 tiles of 128 keys in 750 us on an A100 (measured), more than its products and softmax take."""
    shape = Heads(batch=1, new_tokens=1, past_tokens=32767, heads=1, kv_heads=1, head_dim=128)
    assert attention(A100, shape).time_us == pytest.approx(750.0, rel=0.1)


@pytest.mark.parametrize(
    ("batch", "kv_heads", "past_tokens", "parts"),
    [(1, 1, 16383, 128), (1, 8, 511, 4), (64, 8, 4095, 1), (1, 8, 4095, 16), (8, 2, 8191, 13)],
)
def test_the_second_generation_cuts_keys_by_its_published_rule(
    batch: int, kv_heads: int, past_tokens: int, parts: int
) -> None:
    """The fewest parts that fill two blocks on each of 108 CUs to 85 % of the best filling, worked out by hand."""
    heads = 4 * kv_heads
    shape = Heads(
        batch=batch, new_tokens=1, past_tokens=past_tokens, heads=heads, kv_heads=kv_heads, head_dim=128
    )  # fmt: skip
    assert attention(A100, shape).schedule.startswith(f"keys in {parts} parts")


def test_many_parts_of_keys_are_added_one_after_the_other() -> None:
    """128 parts of a lone sequence on an A100: 47 us, of which the tiles take a few (measured)."""
    shape = Heads(batch=1, new_tokens=1, past_tokens=16383, heads=32, kv_heads=1, head_dim=128)
    assert attention(A100, shape).time_us == pytest.approx(47.1, rel=0.15)


def test_small_results_stay_in_the_l2() -> None:
    """768 x 4096 results of k = 32 take 7.4 us on an A100 (measured); written to its memory they would take 10."""
    assert gemm(A100, 768, 4096, 32).time_us == pytest.approx(7.4, rel=0.15)


def test_what_bounds_a_product_is_busy() -> None:
    assert gemm(A100, 8192, 8192, 8192).bound_by == "matrix"
    assert gemm(A100, 8, 8192, 8192).bound_by == "hbm"
    assert gemm(A100, 64, 64, 64).bound_by == "launch"
    assert gemm(A100, 128, 128, 512).bound_by == "latency"


@pytest.mark.parametrize("name", ["a100-sxm-80", "h100-sxm"])
@pytest.mark.parametrize(("n", "k"), [(1024, 1024), (768, 1536), (4096, 4096)])
def test_one_row_takes_the_same_time_walked(name: str, n: int, k: int) -> None:
    walked = Library.of(load(name)).chained([dots(n, k)], "dots").time_us
    found = float(one_row(rates(load(name)), *(np.array([[float(size)]]) for size in (1, n, k)))[0, 0]) * 1e6
    assert walked == pytest.approx(found, rel=0.15)


def test_keys_that_stay_in_the_cache_are_read_faster_than_memory_allows() -> None:
    for device, keys, stay in ((H100, 4096, True), (H100, 32768, False), (A100, 32768, False)):
        shape = Heads(batch=8, new_tokens=1, past_tokens=keys - 1, heads=16, kv_heads=2, head_dim=128)
        from_memory = shape.key_bytes / float(device.hbm_in_runs(256))
        assert (attention(device, shape).time_s - attention(device, one_key(shape)).time_s < from_memory) == stay


def one_key(shape: Heads) -> Heads:
    return replace(shape, past_tokens=0)


def test_a_row_s_last_turn_issues_only_for_the_elements_that_are_left() -> None:
    tokens = 8 * A100.cus
    whole, more = gated(A100, tokens, 4096).time_s, gated(A100, tokens, 4096 + 32).time_s
    issued = gated(A100, tokens, 5120).time_s
    assert whole < more < issued
