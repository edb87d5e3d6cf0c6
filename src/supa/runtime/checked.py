"""Launches of kernels with checks: what the core's sanitizer is told of memory, and what it found, as facts.

Not here: words for people (`jit.sanitizer`), the checks themselves (`core/sanitizer.cpp`).
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from supa.base.errors import LaunchError
from supa.program.program import Program, Site
from supa.runtime import native
from supa.runtime.failures import Grid, block_ids
from supa.runtime.kernel import Kernel
from supa.runtime.native import core

PROBLEMS = (
    "outside", "freed", "misaligned", "unwritten", "write-write", "read-after-write", "write-after-read", "wrong value",
    "waits",
)  # fmt: skip
"""What a finding may be, in the order of `supa_core.h`."""

_KINDS = {"load": 0, "store": 1, "atomic": 2, "overflow": 3, "not_finite": 4}
_VOLATILE, _ACQUIRES, _RELEASES = 1, 2, 4
_MOST_CELL_BYTES = 8


@dataclass(frozen=True, kw_only=True)
class Extent:
    """The memory that an argument gives: [base, base + bytes), of elements of `type` in this shape (None: not known).

    `freed`: no one owns it any more. `written`: the address of a bit for each byte from `written_base` on that kernels
    wrote since it was marked, 0: not kept.
    """

    argument: str
    base: int
    bytes: int
    type: str = ""
    element_bytes: int = 1
    shape: tuple[int, ...] | None = None
    freed: bool = False
    written_base: int = 0
    written: int = 0


@dataclass(frozen=True, kw_only=True)
class Found:
    """One problem at one site: the first program and tile element that had it, and how many elements did.

    `other`: the other program of a race, None where it is not known. `extent`: the memory that was meant.
    """

    site: Site
    problem: str
    program_id: Grid
    other: Grid | None
    element: int
    address: int
    count: int
    extent: Extent | None = None


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a launch did. `reached` and `active`, for every site: some lane got there, some lane was not masked off."""

    found: tuple[Found, ...]
    reached: tuple[bool, ...]
    active: tuple[bool, ...]
    error: LaunchError | None


def launch_checked(
    kernel: Kernel,
    grid: Grid,
    slots: bytes,
    extents: Sequence[Extent],
    others: Sequence[Extent] = (),
    *,
    wait_s: float,
) -> Checked:
    """Run all blocks of `grid` under the sanitizer; `extents` say what the arguments' memory is, `others` what else
    addresses may lead to. Blocks that have done nothing but wait for `wait_s` seconds are stopped.

    A kernel that fails (an assert, a fault) leaves its error in the result.
    """
    program = kernel.program
    told = (*extents, *sorted(others, key=lambda one: one.base))
    facts = _facts(program, told, len(extents))
    sites, known, groups = facts.sites, facts.extents, facts.groups
    sanitizer = core.supa_sanitizer_open(
        sites, len(sites), known, len(known), len(extents), groups, len(groups), prod(grid), int(wait_s * 1e9)
    )
    try:
        error = kernel.launch_checked(*grid, slots, sanitizer)
        return _result(sanitizer, program, grid, told, error)
    finally:
        core.supa_sanitizer_close(sanitizer)


@dataclass(frozen=True, kw_only=True)
class _Facts:
    """What the core is told of one program on some memory, as C arrays."""

    program: Program  # kept alive: its identity is the key
    sites: Any
    extents: Any
    groups: Any


_MOST_FACTS = 256
_known_facts: dict[tuple[int, tuple[Extent, ...], int], _Facts] = {}


def _facts(program: Program, extents: tuple[Extent, ...], arguments: int) -> _Facts:
    """The same program is launched on the same memory again and again. The first extents are those of `arguments`."""
    key = (id(program), extents, arguments)
    found = _known_facts.get(key)
    if found is None:
        if len(_known_facts) >= _MOST_FACTS:
            _known_facts.clear()
        groups, group_of = _groups(program.sites, extents)
        rows = [
            (one.base, one.bytes, group, one.freed, one.written_base, one.written)
            for one, group in zip(extents, group_of, strict=True)
        ]
        found = _known_facts[key] = _Facts(
            program=program,
            sites=_array(native.Site, _core_sites(program, extents[:arguments])),
            extents=_array(native.Extent, rows),
            groups=_array(native.Group, groups),
        )
    return found


def _array(type_: type[ctypes.Structure], rows: Sequence[tuple[Any, ...]]) -> Any:
    return (type_ * len(rows))(*(type_(*row) for row in rows))


def _core_sites(program: Program, extents: Sequence[Extent]) -> list[tuple[int, int, int, int]]:
    position = {extent.argument: index for index, extent in enumerate(extents)}
    return [
        (
            _KINDS[site.kind],
            max(site.element_bytes, 1),
            position.get(site.argument, -1),
            _VOLATILE * site.volatile | _ACQUIRES * site.acquires | _RELEASES * site.releases,
        )
        for site in program.sites
    ]


def _groups(sites: Sequence[Site], extents: Sequence[Extent]) -> tuple[list[tuple[int, int, int]], list[int]]:
    """Memory that is written: base, bytes and cell bytes of each stretch of overlapping extents; each one's group."""
    accesses = [site for site in sites if site.kind in ("load", "store", "atomic")]
    groups: list[tuple[int, int, int]] = []
    group_of = [-1] * len(extents)
    for members in _overlapping(extents):
        names = {extents[index].argument for index in members}
        unknown = {""} | {site.argument for site in accesses} - {extent.argument for extent in extents}
        touching = [site for site in accesses if site.argument in names | unknown]
        if all(site.kind == "load" for site in touching):
            continue
        cell_bytes = min(_MOST_CELL_BYTES, *(site.element_bytes for site in touching))
        base = min(extents[index].base for index in members) // _MOST_CELL_BYTES * _MOST_CELL_BYTES
        end = max(extents[index].base + extents[index].bytes for index in members)
        for index in members:
            group_of[index] = len(groups)
        groups.append((base, end - base, cell_bytes))
    return groups, group_of


def _overlapping(extents: Sequence[Extent]) -> list[list[int]]:
    """The indices of extents, those that overlap together."""
    found: list[list[int]] = []
    end = 0
    for index in sorted(range(len(extents)), key=lambda index: extents[index].base):
        extent = extents[index]
        if found and extent.base < end:
            found[-1].append(index)
        else:
            found.append([index])
        end = max(end, extent.base + extent.bytes)
    return found


def _result(
    sanitizer: int, program: Program, grid: Grid, extents: Sequence[Extent], error: LaunchError | None
) -> Checked:
    states = (ctypes.c_uint8 * len(program.sites))()
    count = core.supa_sanitizer_result(sanitizer, states)
    found = []
    for index in range(count):
        raw = native.Finding()
        core.supa_sanitizer_finding(sanitizer, index, ctypes.byref(raw))
        found.append(
            Found(
                site=program.sites[raw.site],
                problem=PROBLEMS[raw.problem],
                program_id=block_ids(raw.block, grid),
                other=None if raw.other < 0 else block_ids(raw.other, grid),
                element=raw.element,
                address=raw.address,
                count=raw.count,
                extent=extents[raw.extent] if raw.extent >= 0 else None,
            )
        )
    return Checked(
        found=tuple(found),
        reached=tuple(bool(state & 1) for state in states),
        active=tuple(bool(state & 2) for state in states),
        error=error,
    )
