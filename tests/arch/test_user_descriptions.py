"""A user's own chips, modules and servers; what-if overrides; virtual instances."""

import os
import re
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from supa.arch import catalogue, kind_of, load, load_server, virtual_instance, with_overrides
from supa.base.errors import DescriptionError

NEXT = """
name = "next"
kind = "chip"
title = "A chip known by its datasheet"
inherit = "h100-sxm"
source = ["published", "its datasheet"]

[hbm]
stack_count = 6
bus = "6144 bit"
channel_count = 192
capacity = "141 GB"
bandwidth = "4.8 TB/s"
peak_efficiency = [0.93, "calibrated", "ten rows of a stream benchmark"]
"""


def test_a_chip_known_by_its_datasheet_inherits_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "next.toml"
    path.write_text(NEXT)
    device, old = load(path), load("h100-sxm")
    assert (device.name, device.title) == ("next", "A chip known by its datasheet")
    assert device.hbm_bandwidth_bytes_per_s == 4_800_000_000_000
    assert device.hbm_capacity_bytes == 141_000_000_000
    assert device.chip.hbm.latency_ps == old.chip.hbm.latency_ps
    assert device.peaks == old.peaks
    figures = device.figures
    assert (figures["hbm.capacity"].kind, figures["hbm.capacity"].note) == ("published", "its datasheet")
    assert figures["hbm.peak_efficiency"].kind == "calibrated"
    assert figures["hbm.latency"].inherited_from == "h100-sxm"
    assert figures["hbm.latency"].note == old.figures["hbm.latency"].note


def test_modules_and_servers_of_a_users_chip(tmp_path: Path) -> None:
    (tmp_path / "next.toml").write_text(NEXT)
    (tmp_path / "card.toml").write_text(
        'name = "card"\nkind = "module"\nchip = "next"\n[board]\npower_cap = ["350 W", "assumed", "a guess"]\n'
    )
    (tmp_path / "box.toml").write_text(
        'name = "box"\nkind = "server"\nmodule = "card.toml"\nsource = ["assumed", "a guess"]\n[server]\n'
        'device_count = 4\ntopology = "switch"\nports_per_pair = 0\npower_besides_devices = "1 kW"\n'
    )
    server = load_server(tmp_path / "box.toml")
    assert (server.device.name, server.device.chip.name, server.device.power_cap_w) == ("card", "next", 350)
    assert server.devices_power_cap_w == 1400
    assert server.pair_bandwidth_bytes_per_s == 450 * 10**9
    assert kind_of(tmp_path / "card.toml") == "module"


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "next.toml"
    path.write_text(NEXT)
    before = load(path)
    path.write_text(NEXT.replace("4.8 TB/s", "5 TB/s"))
    stamp = path.stat().st_mtime_ns + 1_000_000
    os.utime(path, ns=(stamp, stamp))
    assert before.hbm_bandwidth_bytes_per_s < load(path).hbm_bandwidth_bytes_per_s == 5 * 10**12


def test_overrides_change_what_they_name_and_say_so() -> None:
    device = load("bili100")
    changed = with_overrides(device, {"die.spc_count": "20", "hbm.bandwidth": "2TB/s", "cu.eu_count": "16"})
    assert changed.chip.spc_count == 40
    assert changed.chip.cu_count == 40
    assert changed.chip.lsc_bytes_per_cu == 4 * device.chip.lsc_bytes_per_cu
    assert changed.peak_flops("bf16") == 1280 * 10**12
    assert changed.hbm_bandwidth_bytes_per_s == 2 * 10**12
    assert changed.figures["hbm.bandwidth"].kind == "assumed"
    assert "1638.4 GB/s" in changed.figures["hbm.bandwidth"].note
    assert device == load("bili100") != changed
    assert with_overrides(changed, {"die.spc_count": "16"}).peak_flops("bf16") == 1024 * 10**12


def test_every_figure_can_be_overridden_by_itself() -> None:
    for name in ("bili100", "h100-sxm"):
        device = load(name)
        same = with_overrides(device, {path: figure.text for path, figure in device.figures.items()})
        assert same == device


@pytest.mark.parametrize(("name", "parts"), [("bili100", 2), ("bili100", 4), ("bili100", 8), ("bili104", 4)])
def test_instances_are_equal_shares(name: str, parts: int) -> None:
    whole = load(name)
    part = virtual_instance(whole, parts)
    assert part.instance == f"1/{parts}"
    assert parts * part.chip.cu_count == whole.chip.cu_count
    assert parts * part.peak_flops("bf16") == whole.peak_flops("bf16")
    assert parts * part.hbm_capacity_bytes == whole.hbm_capacity_bytes
    assert parts * part.hbm_bandwidth_bytes_per_s == whole.hbm_bandwidth_bytes_per_s
    assert parts * part.chip.l2.capacity_bytes == whole.chip.l2.capacity_bytes
    assert parts * part.power_cap_w == whole.power_cap_w


def test_instances_that_do_not_exist() -> None:
    with pytest.raises(DescriptionError, match="bili104: can not be divided into 8: expected one of 1, 2, 4 parts"):
        virtual_instance(load("bili104"), 8)
    with pytest.raises(DescriptionError, match="expected one of 1 parts"):
        virtual_instance(load("h100-sxm"), 2)
    with pytest.raises(DescriptionError, match="can not be divided into 2: expected an instance of the whole device"):
        virtual_instance(virtual_instance(load("bili100"), 2), 2)
    assert virtual_instance(load("bili100"), 1) == load("bili100")


def test_facts_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        load("bili100").chip.hbm.bandwidth_bytes_per_s = 1  # type: ignore[misc]


def test_unknown_formats_are_refused() -> None:
    with pytest.raises(KeyError, match="unknown tensor format 'fp4'"):
        load("bili100").peak_flops("fp4")
    with pytest.raises(KeyError, match="unknown vector class 'fp4'"):
        load("bili100").vector_flops("fp4")


def test_every_description_loads() -> None:
    for name in catalogue():
        thing = load_server(name) if kind_of(name) == "server" else load(name)
        assert thing.name == name and thing.title


def test_the_documented_descriptions_load(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "hardware.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```toml[^\n]*\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    for name, text in zip(("next", "card", "box"), blocks, strict=True):
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    server = load_server(tmp_path / "box.toml")
    assert server.device.chip.hbm.bandwidth_bytes_per_s == 4_800_000_000_000
    assert server.devices_power_cap_w == 1400


def described(folder: Path, base: str, tables: str) -> Path:
    path = folder / "card.toml"
    head = 'name = "card"\nkind = "chip"\ntitle = "A card"\nsource = ["published", "datasheet"]\n'
    path.write_text(f'{head}inherit = "{base}"\n{tables}')
    return path


def test_clocks_follow_the_boost_that_a_datasheet_prints(tmp_path: Path) -> None:
    """A card of a generation runs its matrix engine and its L2 at the same shares of its core's clock."""
    base, slower = load("h100-sxm"), load(described(tmp_path, "h100-sxm", '[clocks]\nboost = "990 MHz"\n'))
    for clock in ("matrix_hz", "l2_hz"):
        was, found = (getattr(device.chip.clocks, clock) for device in (base, slower))
        assert found == pytest.approx(was / 2)
    assert slower.chip.sustained.matrix_hz == pytest.approx(base.chip.sustained.matrix_hz / 2)
    assert slower.peak_flops("bf16") == pytest.approx(base.peak_flops("bf16") / 2, rel=1e-6)
    assert slower.chip.clocks.nominal_hz == 990_000_000
    figure = slower.figures["clocks.matrix"]
    assert (figure.kind, figure.inherited_from) == ("derived", "")
    assert "follows clocks.boost" in figure.note


def test_what_is_stated_follows_nothing(tmp_path: Path) -> None:
    text = '[clocks]\nboost = "2520 MHz"\nmatrix = "2000 MHz"\n[sustained]\nmatrix = "2100 MHz"\n'
    chip = load(described(tmp_path, "a100-sxm-80", text)).chip
    assert (chip.clocks.matrix_hz, chip.sustained.matrix_hz) == (2_000_000_000, 2_100_000_000)


def test_more_stacks_are_more_channels(tmp_path: Path) -> None:
    hbm = load(described(tmp_path, "h100-sxm", "[hbm]\nstack_count = 6\n")).chip.hbm
    assert (hbm.bus_bits, hbm.channel_count) == (6144, 192)


def test_a_small_card_draws_little_with_nothing_to_do(tmp_path: Path) -> None:
    power = load(described(tmp_path, "a100-sxm-80", '[board]\npower_cap = "72 W"\n')).chip.power
    assert (power.static_w, power.idle_w) == (36, 36)


def test_an_overridden_clock_takes_its_followers_along() -> None:
    chip = with_overrides(load("a100-sxm-80"), {"clocks.boost": "1 GHz"}).chip
    assert (chip.clocks.matrix_hz, chip.clocks.nominal_hz) == (1_000_000_000, 1_000_000_000)
