"""Puts on the clock, and into the session's record, what the extension counted: transfers over the host bus, copies and
fills inside a device, operators run on the host. Not here: counting it (`csrc/ledger.h`), printing it (`tools`).

The record's names say what it was: "copy: host to device", "fill", "host: aten::cumsum". An operator on the host costs
the way down of its inputs, for which the host waits, and the way up of its results.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from supa.arch import Device as Description
from supa.frameworks.torch.extension import DeviceFacts, Entry
from supa.frameworks.torch.launches import submit, watched
from supa.runtime import Device, Stream
from supa.runtime.stream import COMPUTE, COPY_FROM_DEVICE, COPY_TO_DEVICE, LINK

HOST_OPERATOR, DOWN, DOWN_LATER, UP, UP_LATER, INSIDE, KERNEL = range(7)
"""Kinds of entries, as in `csrc/ledger.h`."""

_MIB = 1 << 20
_AT_ONCE = 256
_PS_PER_S = 10**12


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One kind of traffic, priced, in the shape of a prediction."""

    time_ps: int
    energy_pj: float
    bound_by: str
    bytes: int
    launch_ps: int = 0
    flops: float = 0.0


def facts_of(device: Device) -> DeviceFacts:
    """What the extension needs to know of a device."""
    chip, memory = device.description.chip, device.memory
    bus = chip.host_bus
    return DeviceFacts(
        region=memory.region,
        base=memory.base,
        capacity_bytes=memory.capacity_bytes,
        bus_latency_ps=bus.latency_ps,
        bus_ps_per_mib=_ps_per_mib(bus.bandwidth_bytes_per_s * bus.efficiency),
        bus_pageable_ps_per_mib=_ps_per_mib(bus.bandwidth_bytes_per_s * bus.pageable_efficiency),
        device_latency_ps=chip.launch.latency_ps,
        device_ps_per_mib=_ps_per_mib(chip.hbm.bandwidth_bytes_per_s),
        name=device.name.encode()[:63],
    )


def _ps_per_mib(bytes_per_s: float) -> int:
    return round(_MIB * _PS_PER_S / bytes_per_s)


class Traffic:
    """The way of one device's ledger onto its clock. `stream_of` finds a stream by its number. Thread-safe."""

    def __init__(self, index: int, device: Device, library: Any, stream_of: Callable[[int], Stream]) -> None:
        self._index, self._device, self._library, self._stream_of = index, device, library, stream_of
        self._entries = (Entry * _AT_ONCE)()
        self._names: dict[int, str] = {}
        self._lock = threading.RLock()
        self._settling = False

    def settle(self) -> None:
        """Submit everything counted so far, in order."""
        if not self._library.supa_torch_pending(self._index) or self._settling:
            return
        with self._lock:
            self._settling = True
            try:
                while count := self._library.supa_torch_take(self._index, ctypes.byref(self._entries), _AT_ONCE):
                    for entry in self._entries[:count]:
                        self._submit(entry)
            finally:
                self._settling = False

    def _submit(self, entry: Entry) -> None:
        if entry.kind == KERNEL:
            submit(entry.name, entry.count, entry.host_ns, self._stream_of(entry.stream), entry.asked_by)
            return
        if self._device.mode == "execute":
            self._count(entry)
            return
        stream = self._stream_of(entry.stream)
        if entry.down_ps:
            self._move(stream, entry, entry.down_ps, COPY_FROM_DEVICE)
            if entry.kind != DOWN_LATER:
                stream.synchronize()
        if entry.up_ps:
            self._move(stream, entry, entry.up_ps, COMPUTE if entry.kind == INSIDE else COPY_TO_DEVICE)
            if entry.kind == UP:
                stream.synchronize()
        self._price(entry)

    def _move(self, stream: Stream, entry: Entry, time_ps: int, engine: str) -> None:
        start_ps, end_ps, _ = stream.submit(time_ps, engine)
        if self._device.session.watch is not None:
            watched(self._device, stream, self._name(entry.name), (start_ps, end_ps), engine, entry.asked_by)

    def _name(self, number: int) -> str:
        if number not in self._names:
            self._names[number] = self._library.supa_torch_name(number).decode()
        return self._names[number]

    def _count(self, entry: Entry) -> None:
        record = self._device.session.record(self._name(entry.name))
        record.count(entry.host_ns, entry.count)

    def _price(self, entry: Entry) -> None:
        record = self._device.session.record(self._name(entry.name))
        own = cost(entry, self._device.description)
        others = [(prices.description.name, cost(entry, prices.description)) for prices in self._device.session.compare]
        self._count(entry)
        with record.lock:
            record.price(own.time_ps, own, 0.0)
        for machine, priced in others:
            record.compare(machine, priced.time_ps, priced, 0.0)


def between_cards(source: Device, stream: Stream, moved: int, host_ns: int) -> None:
    """Put a copy of `moved` bytes from `source` to another card on its stream and into the record."""
    record = source.session.record("copy: between devices")
    if source.mode == "execute":
        stream.submit(host_ns * 1000)
        record.count(host_ns)
        return
    own = peer_cost(moved, source.description, source.pair_bytes_per_s)
    start_ps, end_ps, _ = stream.submit(own.time_ps, LINK)
    if source.session.watch is not None:
        watched(source, stream, record.name, (start_ps, end_ps), LINK)
    record.add(host_ns, own.time_ps, own, 0.0)
    for prices in source.session.compare:
        other = prices.description
        priced = peer_cost(moved, other, other.chip.links.bandwidth_bytes_per_s)
        record.compare(other.name, priced.time_ps, priced, 0.0)


def peer_cost(moved: int, description: Description, pair_bytes_per_s: int) -> Cost:
    """What bytes from card to card take: over the links of the pair, without such over the host bus twice."""
    chip = description.chip
    if pair_bytes_per_s:
        links = chip.links
        time_ps = links.latency_ps + round(moved * _PS_PER_S / (pair_bytes_per_s * links.efficiency))
        energy_pj = _energy_pj(description, chip.energy.link_pj_per_byte + chip.energy.hbm_pj_per_byte, moved, time_ps)
        return Cost(time_ps=time_ps, energy_pj=energy_pj, bound_by="link", bytes=0)
    bus = chip.host_bus
    once_ps = bus.latency_ps + round(moved * _PS_PER_S / (bus.bandwidth_bytes_per_s * bus.efficiency))
    energy_pj = _energy_pj(
        description, 2 * chip.energy.host_bus_pj_per_byte + chip.energy.hbm_pj_per_byte, moved, 2 * once_ps
    )
    return Cost(time_ps=2 * once_ps, energy_pj=energy_pj, bound_by="host_bus", bytes=0)


def _energy_pj(description: Description, way_pj_per_byte: float, moved: int, time_ps: int) -> float:
    """The way itself, the device's own memory, and what its board takes meanwhile, as of a kernel."""
    chip = description.chip
    return moved * (way_pj_per_byte + chip.energy.hbm_pj_per_byte) + chip.power.static_w * time_ps


def cost(entry: Entry, description: Description) -> Cost:
    """What an entry's transfers take on a described machine: time as the host bus or the device memory has it."""
    chip = description.chip
    moved = entry.down_bytes + entry.up_bytes
    if entry.kind == INSIDE:
        time_ps = entry.count * chip.launch.latency_ps + moved * _PS_PER_S // chip.hbm.bandwidth_bytes_per_s
        return Cost(
            time_ps=time_ps, energy_pj=_energy_pj(description, 0.0, moved, time_ps), bound_by="hbm", bytes=moved
        )
    bus = chip.host_bus
    pinned = entry.kind in (DOWN_LATER, UP_LATER)
    rate = bus.bandwidth_bytes_per_s * (bus.efficiency if pinned else bus.pageable_efficiency)
    ways = entry.count * (bool(entry.down_bytes) + bool(entry.up_bytes))
    time_ps = ways * bus.latency_ps + round(moved * _PS_PER_S / rate)
    energy_pj = _energy_pj(description, chip.energy.host_bus_pj_per_byte, moved, time_ps)
    return Cost(time_ps=time_ps, energy_pj=energy_pj, bound_by="host_bus", bytes=0)
