"""The hardware catalogue for a reader: `supa chips` and `supa show NAME`. Not here: the figures themselves (`arch`),
the command line (`cli`).
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from supa.arch import (
    Described,
    Device,
    Server,
    catalogue,
    derive,
    describe,
    kind_of,
    load,
    load_server,
)
from supa.base.units import format_rounded

WIDTH = 120
_ORDER = ("chip", "module", "server")
_HEAD = ("name", "kind", "CUs", "bf16 peak", "fp32 peak", "HBM", "HBM bandwidth", "L2", "power cap", "carries")


def chips_table() -> str:
    """All descriptions of the catalogue, one a line: chips, modules, servers (totals of all devices)."""
    names = sorted(catalogue(), key=lambda name: (_ORDER.index(kind_of(name)), name))
    rows = [_HEAD, *(_row(name) for name in names)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return "\n".join(_aligned(row, widths) for row in rows)


def show(name: str) -> str:
    """Everything known about one description: figures with units and sources, and what follows from them.

    `name` is a catalogue name or the path of a TOML file; `DescriptionError` for one that is neither or is wrong.
    """
    thing: Device | Server = load_server(name) if kind_of(name) == "server" else load(name)
    device = thing.device if isinstance(thing, Server) else thing
    own = {thing.name, device.name, device.chip.name}
    return "\n".join((*_heading(thing, device), "", *_derived(thing, device), *_sections(describe(thing), own)))


def _row(name: str) -> tuple[str, ...]:
    server = load_server(name) if kind_of(name) == "server" else None
    device = server.device if server else load(name)
    count = server.layout.device_count if server else 1
    chip = device.chip
    carried = f"{count} x {device.name}" if server else chip.name if chip.name != name else ""
    return (
        name,
        kind_of(name),
        str(count * chip.cu_count),
        format_rounded(count * device.peak_flops("bf16"), "FLOPS", "TFLOPS"),
        format_rounded(count * device.peak_flops("fp32"), "FLOPS", "TFLOPS"),
        f"{count * chip.hbm.capacity_bytes / 2**30:g} GiB",
        format_rounded(count * chip.hbm.bandwidth_bytes_per_s, "B/s"),
        f"{count * chip.l2.capacity_bytes / 2**20:g} MiB",
        f"{count * device.power_cap_w:g} W",
        carried,
    )


def _aligned(row: tuple[str, ...], widths: list[int]) -> str:
    """Words to the left, figures to the right."""
    words = {0, 1, len(row) - 1}
    cells = (
        cell.ljust(width) if column in words else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(cells).rstrip()


def _heading(thing: Device | Server, device: Device) -> Iterator[str]:
    yield f"{thing.name}: {thing.title}"
    if isinstance(thing, Server):
        yield f"a server of {thing.layout.device_count} x {device.name}; below, the server, then one {device.name}"
    elif device.kind == "module":
        yield f"a module that carries the chip {device.chip.name}"
    yield f"numerics: {device.numerics.key()}"
    yield "[name] after a note: the figure is inherited from that description."


def _derived(thing: Device | Server, device: Device) -> Iterator[str]:
    if isinstance(thing, Server):
        yield "derived, all devices"
        yield from _lines([(line.path, line) for line in derive(thing)], set())
        yield ""
        yield f"derived, one {device.name}"
    else:
        yield "derived"
    yield from _lines([(line.path, line) for line in derive(device)], set())


def _sections(described: Iterable[Described], own: set[str]) -> Iterator[str]:
    tables: dict[str, list[tuple[str, Described]]] = {}
    for line in described:
        table, _, key = line.path.partition(".")
        tables.setdefault(table, []).append((key, line))
    for table, lines in tables.items():
        yield ""
        yield table
        yield from _lines(lines, own)


def _lines(lines: list[tuple[str, Described]], own: set[str]) -> Iterator[str]:
    """key, value, kind of source and note in columns; long notes go on below."""
    key_width = max(19, *(len(key) for key, _ in lines))
    value_width = max(16, *(len(line.value) for _, line in lines))
    margin = key_width + value_width + 18
    for key, line in lines:
        origin = f" [{line.inherited_from}]" if line.inherited_from and line.inherited_from not in own else ""
        first, *more = textwrap.wrap(line.note + origin, WIDTH - margin)
        yield f"  {key:<{key_width}}  {line.value:>{value_width}}  {line.kind:<10}  {first}"
        yield from (" " * margin + part for part in more)
