"""What a launch left behind, in words: asserts, prints, faults of kernel code. Not here: how the core catches them.

A print's text in `Program.messages` may hold one place `{type}` or `{type:extents}` that says how its values are read,
the shape of their tile, and where they go (`program.abi`); without one they are signed integers after the text.
"""

from __future__ import annotations

import ctypes
import re
import signal
import struct
from collections.abc import Iterator, Sequence

from supa.base.dtypes import DTYPES
from supa.base.errors import LaunchError
from supa.program.program import Program
from supa.runtime import native
from supa.runtime.memory import describe_bytes, locate
from supa.runtime.native import core

_PLACE = re.compile(r"\{(f16|bf16|f32|f64|hex\d*|ptr|[iu](?:1|8|16|32|64))(?:(:)((?:\d+(?:x\d+)*)?))?\}")
_FLOATS = {"f16": ("<e", 0xFFFF), "f32": ("<f", 0xFFFFFFFF), "f64": ("<d", (1 << 64) - 1)}
_FLOAT_BYTES = {"f16": 2, "f32": 4, "f64": 8}
_NEAR_BYTES = 1 << 20  # an address this close behind an allocation was probably meant to lie in it

Grid = tuple[int, int, int]


def block_ids(block: int, grid: Grid) -> Grid:
    """The program ids of a block's number, x fastest."""
    return block % grid[0], block // grid[0] % grid[1], block // (grid[0] * grid[1])


def reports(outcome_address: int, count: int) -> Iterator[native.Report]:
    """What the kernel reported, ordered by block."""
    for index in range(count):
        raw = native.Report()
        core.supa_report(outcome_address, index, ctypes.byref(raw))
        yield raw


def show_prints(program: Program, grid: Grid, outcome_address: int) -> None:
    """Write the kernel's prints to standard output, a line for each value, as the block's ids and the text."""
    outcome = native.Outcome.from_address(outcome_address)
    for report in reports(outcome_address, outcome.report_count):
        if report.kind != native.PRINT:
            continue
        text = program.messages[report.message]
        for line in print_lines(text, block_ids(report.block, grid), report.values[: report.count]):
            print(line)
    if outcome.reports_dropped:
        print(f"{program.name}: {outcome.reports_dropped} further prints were dropped (a launch keeps 65536)")


def print_lines(text: str, ids: Grid, values: Sequence[int]) -> Iterator[str]:
    """The lines of one print in one block, as Triton writes them: `pid (0, 0, 0) idx ( 3) x: 1.500000`."""
    place = _PLACE.search(text)
    kind = place[1] if place else "i64"
    before, after = (text[: place.start()], text[place.end() :]) if place else (f"{text} ", "")
    if before[:1] not in (" ", ":"):  # Triton begins a prefix with one of them
        before = f" {before}"
    if not values:
        yield f"pid {ids} {text.lstrip()}"
    extents = [len(values)] if len(values) > 1 else None
    if place and place[2]:
        extents = [int(extent) for extent in place[3].split("x") if extent]
    for index, slot in enumerate(values):
        where = "" if extents is None else f" idx ({_position(index, extents)})"
        yield f"pid {ids}{where}{before}{_shown(slot, kind)}{after}"


def _position(index: int, extents: Sequence[int]) -> str:
    """The coordinates of an element, row-major, each as wide as the largest of its dimension."""
    words = []
    for extent in reversed(extents):
        words.append(f"{index % extent:{len(str(extent - 1))}}")
        index //= extent
    return ", ".join(reversed(words))


def _shown(slot: int, kind: str) -> str:
    bits = slot & (1 << 64) - 1
    if kind in _FLOATS:
        code, mask = _FLOATS[kind]
        return f"{struct.unpack(code, (bits & mask).to_bytes(_FLOAT_BYTES[kind], 'little'))[0]:f}"
    if kind == "bf16":
        return f"{struct.unpack('<f', ((bits & 0xFFFF) << 16).to_bytes(4, 'little'))[0]:f}"
    if kind == "ptr":
        return hex(bits)
    if kind.startswith("hex"):
        return f"0x{bits:0{int(kind[3:] or 4) // 4}x}"
    if kind.startswith("u"):
        return str(bits & (1 << int(kind[1:])) - 1)
    width = DTYPES[kind].bits
    if width == 1:
        return str(bits & 1)
    low = bits & (1 << width) - 1
    return str(low - (1 << width) if low >> (width - 1) else low)


def failure(program: Program, grid: Grid, outcome_address: int, doing: str = "") -> LaunchError:
    """The error for a launch whose status is negative. `doing` tells what ran when it was not the kernel itself."""
    outcome = native.Outcome.from_address(outcome_address)
    if outcome.status == native.STOPPED:
        return _assert_failure(program, grid, outcome_address)
    if outcome.status == native.INTERRUPTED:
        return LaunchError(
            f"{program.name}: interrupted while it ran\n  what the launch wrote so far is not to be trusted"
        )
    if outcome.status == native.NO_HOST_MEMORY:
        return LaunchError(
            f"{program.name}: the host has no memory for its scratch "
            f"({describe_bytes(program.scratch_bytes)} for each thread)\n  use smaller tiles or fewer threads"
        )
    if outcome.status == native.WORK_CHANGED:
        return LaunchError(
            f"{program.name}: memory that decides on its work kept changing while {doing}\n"
            "  expected what it reads to stay as it is until the launch returns; launch after what writes it has ended"
        )
    what = _fault_in_words(outcome.signal, outcome.fault_address)
    where = _blocks(outcome.fault_first, outcome.fault_last, grid)
    return LaunchError(
        f"{program.name}: {what} in {where}{f' while {doing}' if doing else ''}\n"
        "  what the launch wrote so far is not to be trusted; check masks, strides and the lengths of its arguments"
    )


def _assert_failure(program: Program, grid: Grid, outcome_address: int) -> LaunchError:
    count = native.Outcome.from_address(outcome_address).report_count
    failed = [report for report in reports(outcome_address, count) if report.kind == native.ASSERT]
    if not failed:
        return LaunchError(f"{program.name}: the kernel stopped without saying why")
    first = failed[0]
    more = f" (and in {len(failed) - 1} more places)" if len(failed) > 1 else ""
    ids = block_ids(first.block, grid)
    return LaunchError(f"{program.name}: assertion failed in block {ids}{more}: {program.messages[first.message]}")


def _blocks(first: int, last: int, grid: Grid) -> str:
    if last - first == 1:
        return f"block {block_ids(first, grid)}"
    return f"one of the blocks {block_ids(first, grid)} to {block_ids(last - 1, grid)}"


def _fault_in_words(number: int, address: int) -> str:
    if number == signal.SIGFPE:
        return "division by zero, or an integer quotient that overflows,"
    return f"invalid access to address {address:#x}{_neighbourhood(address)}"


def _neighbourhood(address: int) -> str:
    if address < 1 << 16:
        return " (a null pointer, or an address that no pointer can have)"
    place = locate(address)
    if place is None or place.start == 0:
        return "" if place is None else " (in device memory, outside every allocation)"
    if place.inside:
        return f" (in the allocation {place.start:#x} of {describe_bytes(place.bytes)})"
    beyond = address - place.start - place.bytes
    if beyond < _NEAR_BYTES:
        return f" ({beyond} bytes past the end of the allocation {place.start:#x} of {describe_bytes(place.bytes)})"
    return " (in device memory, outside every allocation)"
