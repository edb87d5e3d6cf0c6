"""Laws that hold on every machine and kernel: peaks, monotony, conservation, spans, determinism, linear cost."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from dataclasses import replace
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from timing_kernels import BASE, attention, copy, kernel, load, product, softmax, store, suite, walks_everything

from supa.arch import Device, with_overrides
from supa.arch import load as device_of
from supa.program.work import Work
from supa.timing import Prediction, price
from supa.timing.figures import Setting, machine_figures
from supa.timing.mechanisms import hbm_share
from supa.timing.steady import find_gap
from supa.timing.workloads import Kernel, elementwise, gemm
from supa.timing.workloads.gemm import Tiling

DEVICES = ("bili100", "bili104", "a100-sxm-40", "a100-sxm-80", "h100-sxm")
SMALL = Tiling(m=64, n=64, k=64, stages=2)


def run(device: str | Device, one: Kernel, **options: str) -> Prediction:
    described = device_of(device) if isinstance(device, str) else device
    return price(described, one.work, one.resources, one.grid, one.stream, warm=one.warm, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", suite())
def test_peaks_are_not_exceeded_and_spans_fit(device: str, name: str) -> None:
    described, found = device_of(device), run(device, suite()[name])
    assert found.time_ps > found.launch_ps > 0
    assert found.bytes_per_s <= described.hbm_bandwidth_bytes_per_s
    assert found.flops_per_s <= described.peak_flops("bf16") or name == "everything"
    assert all(0 <= share <= 1.000001 for share in found.utilisation.values()), found.utilisation
    assert found.average_power_w <= described.power_cap_w * 1.02
    assert found.energy_pj == pytest.approx(sum(found.energy_by_part_pj.values()))
    assert 0 <= found.l2_hit_rate <= 1


@pytest.mark.parametrize("device", DEVICES)
def test_bytes_are_conserved_by_a_copy(device: str) -> None:
    found = run(device, copy(500))
    compulsory = 500 * 1024 * 4
    assert found.requested_bytes == found.l2_bytes == 2 * compulsory
    assert found.read_bytes == compulsory
    assert found.written_bytes + found.dirty_bytes == compulsory


@pytest.mark.parametrize("device", DEVICES)
def test_a_product_reads_its_operands_once_when_the_cache_holds_them(device: str) -> None:
    found = run(device, gemm(1024, 1024, 512, tiling=SMALL))
    assert found.flops == 2 * 1024 * 1024 * 512
    assert found.read_bytes == 2 * 1024 * 512 * 2
    assert found.written_bytes + found.dirty_bytes == 1024 * 1024 * 2


def test_a_footprint_larger_than_the_cache_is_read_again_and_a_smaller_one_is_not() -> None:
    device = device_of("a100-sxm-40")
    capacity = device.chip.l2.capacity_bytes
    small, large = elementwise(capacity // 16), elementwise(capacity)
    assert run(device, small, caches="warm").read_bytes == 0
    assert run(device, large, caches="warm").read_bytes >= 0.9 * capacity * 2


def test_masked_elements_cost_nothing() -> None:
    assert run("bili100", copy(300, limit=0)).bytes == 0
    assert run("bili100", copy(300, limit=100)).requested_bytes == 300 * 100 * 8


FASTER = {
    "clock": {"clocks.boost": "1.2 GHz", "clocks.matrix": "1171.875 MHz", "clocks.l2": "1.2 GHz"},
    "hbm": {"hbm.bandwidth": "3.2 TB/s"},
    "die to die": {"die_to_die.bandwidth": "2 TB/s"},
    "lsc": {"lsc.bandwidth": "256 B/clk"},
    "slices": {"l2.slice_bandwidth": "256 B/clk"},
    "matrix": {"tcore.bf16": "2048 MAC/clk"},
    "latency": {"hbm.latency": "50 ns", "sustained.loaded_latency": "50 ns"},
    "launch": {"launch.latency": "1 us"},
}


@pytest.mark.parametrize("change", FASTER)
@pytest.mark.parametrize("name", suite())
def test_better_hardware_is_not_slower(change: str, name: str) -> None:
    """In a machine of queues a change can swap two blocks' turns: that is worth at most a fiftieth here."""
    device = device_of("bili100")
    better = with_overrides(device, FASTER[change])
    one = suite()[name]
    assert run(better, one).time_ps <= run(device, one).time_ps * 1.02


@pytest.mark.parametrize(
    ("change", "name", "one"),
    [
        ("hbm", "bili104", elementwise(1 << 24, inputs=2)),
        ("die to die", "bili100", elementwise(1 << 24, inputs=2)),
        ("clock", "bili100", gemm(2048, 2048, 1024, tiling=SMALL)),
        ("latency", "bili100", copy(1)),
    ],
)
def test_what_bounds_a_kernel_speeds_it_up(change: str, name: str, one: Kernel) -> None:
    device = device_of(name)
    before, after = run(device, one), run(with_overrides(device, FASTER[change]), one)
    assert after.time_ps - after.launch_ps < 0.95 * (before.time_ps - before.launch_ps)


def test_more_compute_units_are_not_slower() -> None:
    """Save that more of them, in step, meet more often at the L2."""
    one = gemm(1024, 1024, 256, tiling=SMALL)
    times = [
        run(with_overrides(device_of("a100-sxm-80"), {"die.disabled_eu_count": str(off)}), one).time_ps
        for off in (400, 320, 240, 160, 80, 0)
    ]
    assert all(after <= before * 1.03 for before, after in itertools.pairwise(times)), times


@pytest.mark.parametrize("name", suite())
def test_br100_is_not_slower_than_br104(name: str) -> None:
    """Save that a kernel of a few blocks can wait for memory of the other die."""
    one = suite()[name]
    assert (
        run("bili100", one).time_ps <= run("bili104", one).time_ps + 8 * device_of("bili100").chip.die_to_die.latency_ps
    )


def test_cost_and_time_are_linear_in_blocks() -> None:
    one, two, four = (run("a100-sxm-40", elementwise(n << 23, inputs=1)) for n in (2, 4, 8))
    first, second = two.time_ps - one.time_ps, (four.time_ps - two.time_ps) / 2
    assert first == pytest.approx(second, rel=0.1)


@given(rows=st.integers(1, 300), more=st.integers(1, 200), columns=st.integers(1, 2000))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_more_work_is_not_faster(rows: int, more: int, columns: int) -> None:
    less, much = run("h100-sxm", softmax(rows, columns)), run("h100-sxm", softmax(rows + more, columns))
    assert less.time_ps <= much.time_ps * 1.005
    assert less.energy_pj <= much.energy_pj * 1.005


@given(trips=st.integers(0, 5), side=st.integers(0, 1))
@settings(max_examples=10, deadline=None)
def test_every_form_of_control_is_walked_to_the_end(trips: int, side: int) -> None:
    found = run("h100-sxm", walks_everything(trips, side))
    count = {step.id: step.count for step in found.steps}
    inner = trips * (trips - 1) // 2
    taken = (trips, trips, 0) if side else (0, 0, trips)
    expected = {0: inner, 1: inner, 2: taken[0], 3: taken[1], 4: taken[2], 5: trips, 6: trips, 7: 1, 8: 1}
    assert count == {step: 5 * times for step, times in expected.items()}


def test_an_empty_grid_costs_its_launch() -> None:
    found = run("bili100", kernel(load(0, 64), rows=[]))
    assert found.time_ps == found.launch_ps
    assert found.flops == found.bytes == 0


def test_pipelining_hides_latency() -> None:
    shallow, deep = (run("a100-sxm-80", gemm(128, 128, 8192, tiling=Tiling(stages=stages))) for stages in (1, 4))
    assert deep.time_ps < 0.7 * shallow.time_ps


def test_a_second_resident_block_overlaps_matrix_and_vector_work() -> None:
    alone, beside = attention(108, 1, 64), attention(108, 2, 64)
    assert run("a100-sxm-80", beside).time_ps < 1.9 * run("a100-sxm-80", alone).time_ps


def test_a_lone_product_takes_its_cycles() -> None:
    """128 x 128 x 64 on an A100's SM: 1024 multiply-accumulates a clock at 1410 MHz, and the turn to the next one."""
    chip = device_of("a100-sxm-80").chip
    one, two = (kernel(*(product(i, waits=(i - 1,) if i else ()) for i in range(n)), rows=[[]]) for n in (1, 2))
    extra_ps = run("a100-sxm-80", two).time_ps - run("a100-sxm-80", one).time_ps
    cycles = 128 * 128 * 64 / 1024 + max(chip.tcore.latency_cycles, chip.sustained.turn_cycles)
    assert extra_ps == pytest.approx(cycles / 1.41e9 * 1e12, rel=0.01)


def test_a_power_cap_lowers_clock_and_speed() -> None:
    device = with_overrides(device_of("h100-sxm"), {"power.response": "1 us"})
    capped = with_overrides(device, {"board.power_cap": "350 W"})
    one = gemm(4096, 2048, 1024)
    free, held = run(device, one), run(capped, one)
    assert held.clock_hz < free.clock_hz
    assert held.time_ps > free.time_ps
    assert held.average_power_w <= 350 * 1.02


def test_a_burst_ends_before_the_governor_acts() -> None:
    device = with_overrides(device_of("h100-sxm"), {"board.power_cap": "350 W"})
    slow, quick = (with_overrides(device, {"power.response": time}) for time in ("10 ms", "1 us"))
    one = gemm(2048, 2048, 1024)
    assert run(slow, one).time_ps < run(quick, one).time_ps


def test_two_runs_are_equal_and_so_are_other_processes() -> None:
    one = attention(8, 4, 6)
    assert run("bili100", one) == run("bili100", one)
    code = (
        "from timing_kernels import attention; from supa.arch import load; from supa.timing import price;"
        "k = attention(8, 4, 6); print(price(load('bili100'), k.work, k.resources, k.grid, k.stream).time_ps)"
    )
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": seed}
        out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert int(out.stdout) == run("bili100", one).time_ps


def test_sampled_tags_agree_with_all_of_them() -> None:
    one = gemm(2048, 2048, 1024)
    with mock.patch("supa.timing.pricing.SAMPLED_LINES", 10_000_000):
        whole = run("a100-sxm-80", one)
    with mock.patch("supa.timing.pricing.SAMPLED_LINES", 100_000):
        sampled = run("a100-sxm-80", one)
    assert not sampled.exact
    assert whole.exact
    assert sampled.time_ps == pytest.approx(whole.time_ps, rel=0.03)
    assert sampled.bytes == pytest.approx(whole.bytes, rel=0.05)


def test_a_skipped_stretch_takes_what_it_would_have_taken() -> None:
    one = elementwise(1 << 26, inputs=2)
    skipped = run("a100-sxm-40", one)
    with mock.patch("supa.timing.steady.find_gap", return_value=None):
        whole = run("a100-sxm-40", one)
    assert skipped.time_ps != whole.time_ps
    assert (skipped.flops, skipped.requested_bytes) == (whole.flops, pytest.approx(whole.requested_bytes, rel=0.01))
    assert skipped.time_ps == pytest.approx(whole.time_ps, rel=0.01)
    assert skipped.bytes == pytest.approx(whole.bytes, rel=0.01)
    assert skipped.energy_pj == pytest.approx(whole.energy_pj, rel=0.01)


def test_a_grid_that_changes_on_the_way_is_not_skipped() -> None:
    """One block in the middle does not touch memory: no gap may hold it."""
    blocks, odd = 40_000, 30_000
    rows = [[BASE + b * 512, 128 * (b != odd), 4, 2 * BASE + b * 512, 128, 4] for b in range(blocks)]
    one = kernel(load(0, 128), store(1, 128, waits=(0,)), rows=rows)
    gap = find_gap(one.work, one.stream, blocks, 500, 1000)
    assert gap is not None
    assert gap.begin + gap.blocks <= odd


def test_a_tile_that_two_blocks_receive_passes_the_l2_once() -> None:
    device = device_of("h100-sxm")
    alone, pairs = (gemm(1024, 1024, 512, tiling=Tiling(engine="tensor_data", cluster=one)) for one in (1, 2))
    both, single = run(device, pairs), run(device, alone)
    operands = 2 * 8 * 1024 * 512 * 2  # each of 8 x 8 tiles reads its rows and columns, of 2 bytes
    assert single.l2_bytes == operands + 1024 * 1024 * 2
    assert both.l2_bytes == operands * 3 / 4 + 1024 * 1024 * 2
    assert both.read_bytes == single.read_bytes


def test_split_products_pay_a_handover_and_move_their_sums() -> None:
    device = device_of("a100-sxm-80")
    one = gemm(128, 128, 8192, tiling=Tiling(parts=8))
    found = run(device, one)
    assert found.flops == 2 * 128 * 128 * 8192 + 12 * 128 * 128  # and additions of eight parts, six at once
    assert found.time_ps > device.chip.sustained.handover_ps
    assert found.time_ps < 0.5 * run(device, gemm(128, 128, 8192)).time_ps


def test_a_warm_operand_is_not_read_again() -> None:
    cold, warm = (run("a100-sxm-80", gemm(512, 512, 1024, tiling=SMALL, warm_share=share)) for share in (0.0, 1.0))
    assert cold.read_bytes - warm.read_bytes == 512 * 1024 * 2
    assert warm.time_ps <= 1.01 * cold.time_ps


def test_short_runs_open_more_rows_of_the_memory() -> None:
    device = device_of("a100-sxm-80")
    whole = copy(20_000)
    pieces = replace(whole, work=Work(body=tuple(replace(step, piece_bytes=64) for step in whole.work.steps())))
    share = hbm_share(device.chip, 64) / hbm_share(device.chip, 1 << 20)
    assert share < 0.7
    times = [run(device, one).time_ps for one in (whole, pieces)]
    assert times[0] < times[1] < times[0] / share


def test_vector_work_beside_products_holds_the_matrix_engine_up() -> None:
    """Where the L2 does not bound both."""
    hidden, exposed = (
        with_overrides(device_of("a100-sxm-80"), {"sustained.overlap": at, "sustained.l2": "1"}) for at in ("1", "0")
    )
    one = attention(108, 4, 32)
    assert run(hidden, one).time_ps < 0.97 * run(exposed, one).time_ps


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("lines", [100, 5_000])
def test_tags_take_room_for_the_lines_of_the_kernel_alone(device: str, lines: int) -> None:
    chip = device_of(device).chip
    found = machine_figures(device_of(device), Setting(core_hz=chip.clocks.boost_hz, lines=lines))
    entries = found["sets"] * found["ways"]
    assert lines <= entries <= 2 * lines + 2 * chip.l2.ways
