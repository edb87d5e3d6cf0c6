"""From a device's session to the report of a run. Not here: the report's forms (`report`, `text`, `page`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from supa.arch import Device as Description
from supa.runtime import Device, KernelRecord, cards
from supa.runtime.session import Priced
from supa.tools.report import Cost, Line, Report

PS_PER_US = 1e6


def report_of(device: Device, ended: str = "") -> Report:
    """The report of everything that was launched on `device` and the other cards of its machine."""
    machine_cards = [card for card in cards() if card.session is device.session] or [device]
    for card in machine_cards:
        card.synchronize()
    session = device.session
    machines = (device.description, *(prices.description for prices in session.compare))
    predicts = device.mode != "execute"
    lines = tuple(
        Line(
            name=record.name,
            launches=record.launches,
            host_us=record.host_ns / 1e3,
            costs=tuple(_costs(record, machines)) if predicts else (),
        )
        for record in session.records
    )
    assumed = [machine for machine in machines if rests_on_assumptions(machine)] if predicts and lines else []
    return Report(
        devices=tuple(machine.name for machine in machines),
        mode=device.mode,
        lines=lines,
        ended=ended,
        notes=tuple(assumption_note(machine) for machine in assumed),
        assumed=frozenset(machine.name for machine in assumed),
        cards=len(machine_cards),
        clock_us=device.clock.host_ps / PS_PER_US if predicts else None,
    )


def rests_on_assumptions(machine: Description) -> bool:
    """Whether more of the machine's figures are assumed than published."""
    kinds = Counter(figure.kind for figure in machine.figures.values())
    return kinds["assumed"] > kinds["published"]


def assumption_note(machine: Description) -> str:
    """One line for the reader of a prediction."""
    kinds = Counter(figure.kind for figure in machine.figures.values())
    count = f"{kinds['assumed']} of {len(machine.figures)} figures are assumed, not published"
    return f"* {machine.name}: {count}: its times and energies are estimates (supa show {machine.name})"


def _costs(record: KernelRecord, machines: tuple[Description, ...]) -> Iterator[Cost]:
    yield _cost(record, machines[0])
    for machine in machines[1:]:
        yield _cost(record.compared.get(machine.name, Priced()), machine)


def _cost(priced: Priced, machine: Description) -> Cost:
    faster = slower = 0.0
    if priced.bound_by:
        from supa.timing.spread import spread

        faster, slower = spread(machine, priced.bound_by)
    return Cost(
        device_us=priced.device_ps / PS_PER_US,
        energy_j=priced.energy_pj / 1e12,
        bound_by=priced.bound_by,
        flops=round(priced.flops),
        bytes=priced.bytes,
        peak_flops=priced.flops_at_peak / priced.device_ps * 1e12 if priced.device_ps else 0.0,
        peak_bytes_per_s=machine.hbm_bandwidth_bytes_per_s,
        faster=faster,
        slower=slower,
    )
