"""The findings of a process: the first of every line and kind, how many there were, masks that never held.

Not here: finding them (`runtime.checked`), their text (`text`).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import prod

from supa.base.errors import LaunchError
from supa.base.location import UNKNOWN, Location
from supa.program.program import Program, Site
from supa.runtime.checked import Checked, Extent, Found

Ids = tuple[int, int, int]

_ASSERTION = re.compile(
    r"assertion failed in block \((\d+), (\d+), (\d+)\)[^:]*: (?:(.+?):(\d+)(?::(\d+))?: )?(.*)", re.S
)
_INSTALLED = ("/site-packages/", "/dist-packages/")
_RACES = ("write-write", "read-after-write", "write-after-read")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One mistake in a kernel, at the user's line. `kind`: a problem of `runtime.checked`, or `overflow`, `not finite`,
    `assertion`, `dead mask`; of `waits` `count` are programs.

    `access`: load, store or atomic, or the operation's name. `element`: index in the tile of `tile_shape`, () for a
    scalar. `past_bytes`: of an access outside, how far behind the last byte of `argument` it begins (below 0: before
    its first). `neighbour`: the argument whose memory was hit instead. `count`: elements of all programs so far.
    """

    kind: str
    access: str
    location: Location
    kernel: str
    program_id: Ids | None = None
    other: Ids | None = None
    element: tuple[int, ...] = ()
    argument: str = ""
    type: str = ""
    shape: tuple[int, ...] | None = None
    element_bytes: int = 0
    past_bytes: int = 0
    offset_bytes: int = 0
    address: int = 0
    neighbour: str = ""
    message: str = ""
    count: int = 1

    @property
    def place(self) -> tuple[str, int, str]:
        """What makes two findings one: file, line and kind."""
        kind = "race" if self.kind in _RACES else self.kind
        return self.location.file, self.location.line, kind


@dataclass(kw_only=True)
class _Mask:
    site: Site
    kernel: str
    held: bool = False


@dataclass(kw_only=True)
class Findings:
    """Collects; thread-safe."""

    launches: int = 0
    all: dict[tuple[str, int, str], Finding] = field(default_factory=dict)
    _masks: dict[tuple[str, Location], _Mask] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add_launch(self, program: Program, extents: Sequence[Extent], checked: Checked) -> list[Finding]:
        """Take in what a launch did; returns the findings at places that had none of their kind before."""
        found = [_finding(program.name, one, extents) for one in checked.found]
        if checked.error is not None and (failed := _assertion(program.name, checked.error)) is not None:
            found.append(failed)
        with self._lock:
            self.launches += 1
            self._note_masks(program, checked)
            return [one for one in found if self._add(one)]

    def finish(self) -> list[Finding]:
        """Add the masks that were false in every lane of every launch; returns those."""
        with self._lock:
            dead = [
                Finding(
                    kind="dead mask",
                    access=mask.site.kind,
                    location=users_place(mask.site.location),
                    kernel=mask.kernel,
                    argument=mask.site.argument,
                )
                for mask in self._masks.values()
                if not mask.held
            ]
            return [one for one in dead if self._add(one)]

    def _add(self, finding: Finding) -> bool:
        known = self.all.get(finding.place)
        if known is None:
            self.all[finding.place] = finding
            return True
        self.all[finding.place] = replace(known, count=known.count + finding.count)
        return False

    def _note_masks(self, program: Program, checked: Checked) -> None:
        for site, reached, active in zip(program.sites, checked.reached, checked.active, strict=True):
            if site.masked and reached:
                mask = self._masks.setdefault((program.name, site.location), _Mask(site=site, kernel=program.name))
                mask.held = mask.held or active


def _finding(kernel: str, found: Found, extents: Sequence[Extent]) -> Finding:
    site = found.site
    extent = found.extent or next((one for one in extents if one.argument == site.argument), None)
    extent = extent or _around(found.address, extents)
    kind = {"overflow": "overflow", "not_finite": "not finite"}.get(site.kind, found.problem)
    finding = Finding(
        kind=kind,
        access=site.kind if site.kind in ("load", "store", "atomic") else site.what,
        location=users_place(site.location),
        kernel=kernel,
        program_id=found.program_id,
        other=found.other,
        element=_unravel(found.element, site.shape),
        argument=site.argument,
        type=site.type,
        element_bytes=site.element_bytes,
        address=found.address,
        count=found.count,
    )
    if extent is None:
        return finding
    end = extent.base + extent.bytes
    outside = _around(found.address, [one for one in extents if one is not extent])
    return replace(
        finding,
        argument=extent.argument,
        type=extent.type or site.type,
        shape=extent.shape,
        element_bytes=extent.element_bytes if extent.shape is not None else site.element_bytes,
        past_bytes=found.address - end if found.address >= end else min(0, found.address - extent.base),
        offset_bytes=found.address - extent.base,
        neighbour=outside.argument if outside is not None and found.problem == "outside" else "",
    )


def _around(address: int, extents: Iterable[Extent]) -> Extent | None:
    return next((one for one in extents if one.base <= address < one.base + one.bytes), None)


def _assertion(kernel: str, error: LaunchError) -> Finding | None:
    """The failed `device_assert` that stopped a launch; None for another failure."""
    told = _ASSERTION.search(str(error))
    if told is None:
        return None
    x, y, z, file, line, column, message = told.groups()
    location = Location(file or "", int(line or 0), int(column or 0)) if file else UNKNOWN
    return Finding(
        kind="assertion",
        access="device_assert",
        location=location,
        kernel=kernel,
        program_id=(int(x), int(y), int(z)),
        message=message,
    )


def _unravel(element: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    index = []
    element %= max(1, prod(shape))
    for extent in reversed(shape):
        index.append(element % extent)
        element //= extent
    return tuple(reversed(index))


def users_place(location: Location) -> Location:
    """The innermost place outside installed packages; without one the innermost of all."""
    place: Location | None = location
    while place is not None:
        if place.file and not any(folder in place.file for folder in _INSTALLED):
            return place
        place = place.caller
    return location
