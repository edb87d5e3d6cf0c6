"""The report: aligned tables of at most 120 columns, and the documented JSON object."""

import json
from dataclasses import replace

import pytest

from supa.tools.bounds import BOUNDS
from supa.tools.quantities import duration, energy, power, rate, shortened, size
from supa.tools.report import Cost, Line, Report, as_json
from supa.tools.text import as_text


def cost(device_us=100.0, **changes):
    values = {
        "device_us": device_us, "energy_j": 0.025, "bound_by": "matrix", "flops": 10**9, "bytes": 2 * 10**7,
        "peak_flops": 1e14, "peak_bytes_per_s": 1e12,
    }  # fmt: skip
    return Cost(**(values | changes))


def report(**changes):
    values = {
        "devices": ("bili100", "h100-sxm"),
        "mode": "both",
        "lines": (
            Line(name="matmul_kernel", launches=3, host_us=4500.0, costs=(cost(), cost(50.0, bound_by="hbm"))),
            Line(name="softmax", launches=1, host_us=12.5, costs=(cost(10.0, bound_by="hbm", flops=0), cost(20.0))),
        ),
    }
    return Report(**(values | changes))


def test_the_json_object_is_the_documented_one():
    found = json.loads(json.dumps(as_json(report())))
    kernel = {
        "name",
        "launches",
        "host_us",
        "device_us",
        "device_us_range",
        "energy_j",
        "average_power_w",
        "bound_by",
        "flops",
        "bytes",
    }
    assert found.keys() == {
        "device", "cards", "mode", "clock_us", "ended", "notes", "kernels", "total", "host_operators", "predictions",
    }  # fmt: skip
    assert all(entry.keys() == kernel for entry in found["kernels"])
    assert found["total"] == {
        "launches": 4, "host_us": 4512.5, "device_us": 110.0, "device_us_range": [110.0, 110.0], "energy_j": 0.05,
        "average_power_w": pytest.approx(0.05 / 110e-6), "bound_by": "matrix",
        "flops": 10**9, "bytes": 4 * 10**7,
    }  # fmt: skip
    [other] = found["predictions"]
    assert other["device"] == "h100-sxm"
    assert [entry["device_us"] for entry in other["kernels"]] == [50.0, 20.0]
    assert other["total"]["device_us"] == 70.0
    assert "launches" not in other["total"]


def test_operators_on_the_host_are_listed_with_counts_and_cost():
    on_host = Line(
        name="host: aten::cumsum", launches=7, host_us=9.0, costs=(cost(40.0, bound_by="host_bus"), cost(1.0))
    )
    found = report(lines=(*report().lines, on_host), cards=2, clock_us=120.0)
    [entry] = as_json(found)["host_operators"]
    assert (entry["name"], entry["calls"], entry["device_us"]) == ("aten::cumsum", 7, 40.0)
    text = as_text(found)
    assert text.startswith("supa: 2 x bili100, mode both: 11 launches of 3 kernels; 120 us on the clock")
    table = text[text.index("ran on the host") :].splitlines()
    assert "--strict" in table[0] and table[3].split() == ["aten::cumsum", "7", "9.00", "us", "40.0", "us"]
    assert "ran on the host" not in as_text(report())


def test_execute_mode_predicts_nothing():
    line = Line(name="k", launches=2, host_us=3.0)
    bare = report(mode="execute", lines=(line,), devices=("bili100",))
    [entry] = as_json(bare)["kernels"]
    assert (entry["launches"], entry["host_us"]) == (2, 3.0)
    assert {entry[name] for name in ("device_us", "energy_j", "average_power_w", "bound_by", "bytes")} == {None}
    assert "predicted" not in as_text(bare)


def test_columns_are_aligned_and_narrow():
    names = ("bili100", "bili104", "a100-sxm-80", "h100-sxm")
    long = Line(name="a_kernel_with_a_name_longer_than_the_column", launches=10**6, host_us=9e9, costs=(cost(9e9),) * 4)
    text = as_text(report(devices=names, lines=(long, long)))
    assert max(map(len, text.splitlines())) <= 120
    head, rule, row, *_ = text.split("\n\n")[1].splitlines()
    assert len(rule) >= len(row)
    assert row.startswith("a_kernel_with...n_the_column ")  # shortened in the middle
    for column in ("host", "device", "energy"):
        end = head.index(column) + len(column)
        assert row[end - 1] != " " and row[end : end + 2] == "  "


def test_rates_are_shown_against_the_peak():
    text = as_text(report())
    matmul = next(line for line in text.splitlines() if line.startswith("matmul_kernel"))
    assert "10.0 ( 10 %)" in matmul  # 1e9 operations in 100 us are 10 TFLOPS of 100
    assert "200 ( 20 %)" in matmul  # 2e7 bytes in 100 us are 200 GB/s of 1000
    assert matmul.endswith("matrix")


def test_the_total_is_the_sum():
    total = as_text(report()).split("\n\n")[1].splitlines()[-1]
    assert total.split()[:12] == ["total", "4", "4.51", "ms", "110", "us", "100", "%", "50.0", "mJ", "455", "W"]


def test_wide_letters_keep_the_columns():
    wide = Line(name="核函数", launches=1, host_us=1.0, costs=(cost(), cost()))
    lines = as_text(report(lines=(wide, report().lines[0]))).split("\n\n")[1].splitlines()
    assert lines[2].index("matrix") == lines[3].index("matrix") - 3  # three letters of two columns each


def test_nothing_launched_and_early_ends():
    assert "nothing was launched" in as_text(report(lines=()))
    assert "ended by ValueError" in as_text(report(ended="ended by ValueError"))


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [(0.0, "0.00 us"), (1.234, "1.23 us"), (99.96, "100 us"), (999.4, "999 us"), (999.6, "1.00 ms"), (12345, "12.3 ms"),
     (999.6e3, "1.00 s"), (3.2e9, "3200 s")],
)  # fmt: skip
def test_durations_have_three_digits(microseconds, text):
    assert duration(microseconds) == text


@pytest.mark.parametrize(
    ("joules", "text"), [(0.0, "0.00 uJ"), (2.5e-5, "25.0 uJ"), (0.0123, "12.3 mJ"), (45.6, "45.6 J")]
)
def test_energies_have_three_digits(joules, text):
    assert energy(joules) == text


def test_kernels_with_most_time_come_first_and_the_rest_is_one_row():
    lines = tuple(Line(name=f"k{i}", launches=2, host_us=1.0, costs=(cost(float(i)),)) for i in range(1, 31))
    found = as_text(report(devices=("bili100",), lines=lines)).split("\n\n")[1].splitlines()[2:]
    assert [row.split()[0] for row in found[:3]] == ["k30", "k29", "k28"]
    [others] = [row for row in found if row.startswith("(10 others)")]
    assert others.split()[2:7] == ["20", "10.0", "us", "55.0", "us"]  # 1 + 2 + ... + 10


def test_what_bounds_the_kernels_is_said_in_words():
    text = as_text(report())
    assert "bound by matrix: the matrix engine" in text and "bound by hbm: the device memory" in text
    assert "bound by launch" not in text


def test_further_devices_show_their_ratio_to_the_first():
    rows = as_text(report()).split("predicted device time\n")[1].splitlines()
    assert rows[2].split() == ["matmul_kernel", "100", "us", "50.0", "us", "0.50x"]
    assert rows[5].split() == ["total", "110", "us", "70.0", "us", "0.64x"]


def test_devices_that_rest_on_assumptions_are_starred():
    text = as_text(report(assumed=frozenset({"bili100"}), notes=("* bili100: estimates",)))
    assert "supa: bili100*," in text and " bili100* " in text and "h100-sxm*" not in text
    assert text.endswith("* bili100: estimates\n")


def test_every_word_that_bounds_a_kernel_is_explained():
    from supa.timing.pricing import ENGINES

    servers = {"hbm", "l2", "noc", "fill", "crossing", "die", "power", "launch", "latency"}
    assert set(ENGINES) | servers <= set(BOUNDS)


@pytest.mark.parametrize(
    ("call", "text"),
    [(lambda: power(312.4), "312 W"), (lambda: power(None), "-"), (lambda: rate(1.024e15, "FLOPS"), "1.02 PFLOPS"),
     (lambda: rate(1638.4e9, "B/s"), "1.64 TB/s"), (lambda: size(3 << 30), "3.00 GiB"), (lambda: size(12), "12 B"),
     (lambda: shortened("abcdefghij", 7), "ab...ij"), (lambda: shortened("abc", 3), "abc")],
)  # fmt: skip
def test_quantities_are_short(call, text):
    assert call() == text


def test_a_total_is_as_uncertain_as_its_kernels_on_average() -> None:
    found = replace(report(), assumed=frozenset())
    wide = replace(
        found, lines=tuple(replace(line, costs=(cost(100.0, faster=0.1, slower=0.3),)) for line in found.lines)
    )
    entry = as_json(replace(wide, devices=wide.devices[:1]))["total"]
    assert entry["device_us_range"] == pytest.approx((0.9 * entry["device_us"], 1.3 * entry["device_us"]))


def test_times_on_assumed_devices_show_their_range() -> None:
    found = report()
    wide = replace(
        found, devices=found.devices[:1], assumed=frozenset(found.devices[:1]),
        lines=tuple(replace(line, costs=(cost(100.0, faster=0.1, slower=0.3),)) for line in found.lines),
    )  # fmt: skip
    assert "100 us -10 +30 %" in as_text(wide)
    assert "-10 +30 %" not in as_text(replace(wide, assumed=frozenset()))
