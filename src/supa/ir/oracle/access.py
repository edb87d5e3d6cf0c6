"""Checked accesses of one program to memory: bounds, alignment, initialisation, races. Not: `oracle.transfers`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from supa.ir.core import Op
from supa.ir.oracle.findings import Finding, FindingKind, Report, Strict
from supa.ir.oracle.memory import Memory, Region
from supa.ir.oracle.races import RaceDetector

Bytes = NDArray[np.uint8]
Addresses = NDArray[np.int64]


@dataclass(kw_only=True)
class Place:
    """Where an access comes from: the operation, the program, and the shape of its tile."""

    op: Op
    program_id: tuple[int, int, int]
    program: int
    shape: tuple[int, ...]


class Access:
    """The one way to memory. Lanes are flat positions in the tile of a `Place`."""

    def __init__(self, memory: Memory, strict: Strict, report: Report) -> None:
        self.memory, self.strict, self.report = memory, strict, report
        self.races = RaceDetector() if strict.races else None

    def load(
        self, place: Place, addresses: Addresses, lanes: Addresses, size: int, data: Bytes, *, atomic: bool
    ) -> None:
        """Fill the rows `lanes` of `data` (n, size) with the bytes at `addresses[lanes]`; bad lanes stay."""
        for region, good in self._good(place, addresses, lanes, size):
            offsets = addresses[good] - region.base
            spread = offsets[:, None] + np.arange(size)
            if self.strict.uninitialised and region.written is not None:
                self._check_written(place, region, spread, addresses, good)
            if self.races is not None:
                race = self.races.read(place.program, region, spread.reshape(-1), atomic=atomic)
                self._report_race(place, region, race, addresses, good, size, "reads")
            data[good] = region.data[spread]

    def store(self, place: Place, addresses: Addresses, lanes: Addresses, data: Bytes, *, atomic: bool) -> None:
        """Write the rows `lanes` of `data` (n, size) to `addresses[lanes]`; later lanes win."""
        size = data.shape[1]
        for region, good in self._good(place, addresses, lanes, size):
            spread = (addresses[good] - region.base)[:, None] + np.arange(size)
            before, after = region.data[spread], data[good]
            if self.races is not None:
                flat = spread.reshape(-1)
                benign = None if self.strict.equal_writes_race else (before == after).reshape(-1)
                race = self.races.write(place.program, region, flat, atomic=atomic, benign=benign)
                self._report_race(place, region, race, addresses, good, size, "writes")
            if (before != after).any() or (region.written is not None and not region.written[spread].all()):
                self.memory.version += 1
            region.data[spread] = after
            if region.written is not None:
                region.written[spread] = True

    def synchronise(self, place: Place, addresses: Addresses, lanes: Addresses, order: str, scope: str) -> None:
        """The ordering that an atomic gives: acquire before, release after what the program did so far."""
        if self.races is None or scope == "cta":
            return
        touched = [int(address) for address in addresses[lanes]]
        if order in ("acquire", "acq_rel"):
            for address in touched:
                self.races.acquire(place.program, address)
        if order in ("release", "acq_rel"):
            self.races.release(place.program, touched)

    def find(self, place: Place, kind: FindingKind, message: str, lane: int | None = None, address: int = 0,
             region: str = "", other: int | None = None) -> None:  # fmt: skip
        """Report one finding at an element of the place."""
        element = () if lane is None or not place.shape else tuple(int(i) for i in np.unravel_index(lane, place.shape))
        finding = Finding(
            kind=kind, message=message, location=place.op.location, operation=place.op.name, element=element,
            program_id=place.program_id, address=address, region=region, other_program=other,
        )  # fmt: skip
        self.report.add(self.strict, place.op, kind, lambda: finding)

    def _good(
        self, place: Place, addresses: Addresses, lanes: Addresses, size: int
    ) -> Iterator[tuple[Region, Addresses]]:
        """Regions and the lanes that access them rightly; reports the others."""
        if not lanes.size:
            return
        active = addresses[lanes]
        if self.strict.alignment and (active % size).any():
            lane = int(lanes[np.argmax(active % size != 0)])
            address = int(addresses[lane])
            self.find(place, "misaligned", f"{size}-byte access at address {address:#x}", lane, address)
        found = self.memory.locate(active, size)
        if (found < 0).any():
            lane = int(lanes[np.argmax(found < 0)])
            self._report_outside(place, int(addresses[lane]), lane, size)
        for index in np.unique(found[found >= 0]):
            yield self.memory.regions[index], lanes[found == index]

    def _report_outside(self, place: Place, address: int, lane: int, size: int) -> None:
        region = self.memory.nearest(address)
        if region is None:
            self.find(place, "out of bounds", f"{size} bytes at {address:#x}: no memory is known", lane, address)
        elif not region.is_live and region.base <= address < region.end:
            message = f"{size} bytes at offset {address - region.base} of {region.name}, which was freed"
            self.find(place, "use after free", message, lane, address, region.name)
        else:
            offset = address - region.base
            message = f"{size} bytes at offset {offset} of {region.name}, which has {region.data.size} bytes"
            self.find(place, "out of bounds", message, lane, address, region.name)

    def _check_written(
        self, place: Place, region: Region, spread: Addresses, addresses: Addresses, good: Addresses
    ) -> None:
        assert region.written is not None
        known = region.written[spread].all(axis=1)
        if not known.all():
            lane = int(good[np.argmin(known)])
            address = int(addresses[lane])
            message = f"offset {address - region.base} of {region.name} was never written"
            self.find(place, "uninitialised", message, lane, address, region.name)

    def _report_race(self, place: Place, region: Region, race: tuple[int, int] | None, addresses: Addresses,
                     good: Addresses, size: int, verb: str) -> None:  # fmt: skip
        if race is None:
            return
        lane = int(good[race[0] // size])
        address = int(addresses[lane])
        message = f"{verb} offset {address - region.base} of {region.name}, which program {race[1]} accessed unordered"
        self.find(place, "race", message, lane, address, region.name, race[1])
