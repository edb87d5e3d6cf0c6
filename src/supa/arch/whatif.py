"""Devices that differ from a described one: overridden figures, virtual instances. Not here: running on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from supa.arch.assembly import build_chip, chip_keys
from supa.arch.device import Device
from supa.arch.following import following
from supa.arch.refusal import unknown
from supa.arch.source import Figure
from supa.base.errors import DescriptionError


def with_overrides(device: Device, overrides: Mapping[str, str]) -> Device:
    """The device with some figures changed: `{"die.spc_count": "20", "hbm.bandwidth": "2 TB/s"}`.

    Keys and values are written as in a TOML description; what hangs on them follows (`following`).
    `DescriptionError` for an unknown key, a missing unit or figures that can not go together.
    """
    changed = {path: _overridden(device, path, text) for path, text in overrides.items()}
    return _rebuilt(device, {**following(device.figures, changed), **changed})


def virtual_instance(device: Device, parts: int) -> Device:
    """One of `parts` equal secure virtual instances: its share of SPCs, L2, memory, links and power.

    `DescriptionError` when the device can not be divided so.
    """
    choices = device.chip.instances.choices
    if device.instance or parts not in choices:
        what = "an instance" if device.instance else f"one of {', '.join(str(choice) for choice in choices)} parts"
        raise DescriptionError(f"{device.name}: can not be divided into {parts}: expected {what} of the whole device")
    if parts == 1:
        return device
    note = f"1/{parts} of {device.name}"
    changed = {
        path: Figure(text=text, kind="derived", note=note, inherited_from=device.name)
        for path, text in _share(device, parts).items()
    }
    return replace(_rebuilt(device, changed), instance=f"1/{parts}")


def _share(device: Device, parts: int) -> dict[str, str]:
    chip = device.chip
    dies = max(1, chip.die.count // parts)
    per_die = parts * dies // chip.die.count
    bandwidth = chip.hbm.bandwidth_bytes_per_s // parts
    return {
        "die.count": str(dies),
        "die.spc_count": str(chip.die.spc_count // per_die),
        "die.disabled_eu_count": str(chip.die.disabled_eu_count // per_die),
        "l2.capacity": f"{chip.l2.capacity_bytes // parts} B",
        "l2.slice_count": str(chip.l2.slice_count // parts),
        "l2.partition_count": str(max(dies, chip.l2.partition_count // parts)),
        "hbm.stack_count": str(max(1, chip.hbm.stack_count // parts)),
        "hbm.bus": f"{chip.hbm.bus_bits // parts} bit",
        "hbm.channel_count": str(chip.hbm.channel_count // parts),
        "hbm.capacity": f"{chip.hbm.capacity_bytes // parts} B",
        "hbm.bandwidth": f"{bandwidth} B/s",
        "links.port_count": str(chip.links.port_count // parts),
        "board.power_cap": f"{chip.board.power_cap_w / parts} W",
        "power.idle": f"{chip.power.idle_w / parts} W",
        "power.static": f"{chip.power.static_w / parts} W",
    }


def _overridden(device: Device, path: str, text: str) -> Figure:
    before = device.figures.get(path)
    if before is None:
        raise DescriptionError(f"override of {path}: {_unknown_path(path)}")
    return Figure(text=text, kind="assumed", note=f"what-if: overridden, was {before.text}")


def _unknown_path(path: str) -> str:
    table, _, key = path.partition(".")
    if table not in chip_keys():
        return unknown("table", table, chip_keys())
    return unknown("key", key, sorted(chip_keys()[table]))


def _rebuilt(device: Device, changed: Mapping[str, Figure]) -> Device:
    chip = build_chip(name=device.chip.name, title=device.chip.title, figures={**device.figures, **changed}, file="")
    return replace(device, chip=chip)
