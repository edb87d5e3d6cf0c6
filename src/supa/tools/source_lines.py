"""Where kernels' time goes in the user's source: engine time and waiting of each line. Not here: drawing it (`page`).

Both are summed over blocks, as predictions have them, and over all launches. A line of an inlined function counts for
the innermost place that is not inside an installed package.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from supa.base.location import Location
from supa.runtime import Seen

CONTEXT = 2  # lines shown around those that take time
_INSTALLED = ("/site-packages/", "/dist-packages/")


@dataclass(frozen=True, kw_only=True)
class LineTime:
    """One line of a file: time of the engines on it, time that blocks waited for it, and what happens there."""

    file: str
    line: int
    busy_ps: int
    stall_ps: int
    kinds: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Excerpt:
    """Consecutive lines of a file with their times; `text` is "" where the file can not be read."""

    file: str
    lines: tuple[tuple[int, str, LineTime | None], ...]


def line_times(seen: Iterable[Seen]) -> tuple[LineTime, ...]:
    """The lines of one kernel in order of file and line; places without a file are left out."""
    sums: dict[tuple[str, int], tuple[int, int, dict[str, None]]] = {}
    for one in seen:
        for step in getattr(one.prediction, "steps", ()):
            place = users_place(step.location)
            if place.file:
                key = place.file, place.line
                busy, stall, kinds = sums.get(key, (0, 0, {}))
                kinds[step.kind] = None
                sums[key] = busy + one.launches * step.busy_ps, stall + one.launches * step.stall_ps, kinds
    return tuple(
        LineTime(file=file, line=line, busy_ps=busy, stall_ps=stall, kinds=tuple(kinds))
        for (file, line), (busy, stall, kinds) in sorted(sums.items())
    )


def users_place(location: Location) -> Location:
    """The innermost place outside installed packages; without one the innermost of all."""
    place: Location | None = location
    while place is not None:
        if place.file and not any(folder in place.file for folder in _INSTALLED):
            return place
        place = place.caller
    return location


def excerpts(times: Sequence[LineTime]) -> tuple[Excerpt, ...]:
    """The source around the lines of `times`, split where nothing happens for a while."""
    found = []
    for file in dict.fromkeys(time.file for time in times):
        by_line = {time.line: time for time in times if time.file == file}
        text = _read(file)
        for first, last in _ranges(sorted(by_line)):
            numbers = range(max(first, 1), min(last, max(len(text), max(by_line))) + 1)
            lines = tuple((n, text[n - 1] if n <= len(text) else "", by_line.get(n)) for n in numbers)
            found.append(Excerpt(file=file, lines=lines))
    return tuple(found)


def _ranges(lines: Sequence[int]) -> list[tuple[int, int]]:
    """(first, last) of stretches with context; stretches that nearly touch are one."""
    found: list[tuple[int, int]] = []
    for line in lines:
        if found and line - CONTEXT <= found[-1][1] + 3:
            found[-1] = found[-1][0], line + CONTEXT
        else:
            found.append((line - CONTEXT, line + CONTEXT))
    return found


def _read(file: str) -> list[str]:
    """The file's lines; none where it is no longer there or no text (a kernel typed into a prompt)."""
    try:
        return Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
