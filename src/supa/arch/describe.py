"""Lists what is known about a device or server: figures with sources, and peaks that follow from them. Not here:
how it is laid out for a reader (`supa show`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from supa.arch.assembly import components
from supa.arch.device import Device
from supa.arch.leaf import Leaf, leaves
from supa.arch.server import Layout, Server
from supa.arch.source import Figure
from supa.base.units import format_rounded


@dataclass(frozen=True, kw_only=True)
class Described:
    """One line of a description: key path, value with unit, meaning, kind of source, note, origin if inherited."""

    path: str
    value: str
    meaning: str
    kind: str
    note: str
    inherited_from: str = ""


def describe(thing: Device | Server) -> Iterator[Described]:
    """Every figure of a device, or of a server and its devices, in the order of its tables."""
    if isinstance(thing, Server):
        for one in leaves(Layout):
            yield _line("server", one, thing.figures[f"server.{one.key}"])
        yield from describe(thing.device)
        return
    for table, kind in components().items():
        for one in leaves(kind):
            yield _line(table, one, thing.figures[f"{table}.{one.key}"])


def derive(thing: Device | Server) -> Iterator[Described]:
    """Counts, peaks and bandwidths that follow from the figures."""
    if isinstance(thing, Server):
        yield from _server_totals(thing)
        return
    chip = thing.chip
    for path, count, note in (
        ("SPCs", chip.spc_count, "die.count x die.spc_count"),
        ("CUs", chip.cu_count, "working EUs / cu.eu_count"),
        ("EUs", chip.eu_count, "SPCs x spc.eu_count, less die.disabled_eu_count of each die"),
        ("T-cores", chip.tcore_count, "EUs x eu.tcore_count"),
        ("V-core lanes", chip.lane_count, "EUs x eu.lane_count"),
        ("threads of a CU", chip.max_threads_per_cu, "cu.eu_count x eu.max_warps x warp.size"),
    ):
        yield Described(path=path, value=str(count), meaning="", kind="derived", note=note)
    for name, peak in thing.peaks.items():
        yield _peak(thing, name, peak)
    yield _rate("vector fp32", thing.vector_flops(), "FLOPS", "2 x EUs x vector.fp32 x clocks.boost", _unit("fp32"))
    for path, rate, note in (
        ("LSC bandwidth", thing.lsc_bandwidth_bytes_per_s, "LSCs x lsc.bandwidth x clocks.boost"),
        ("L2 bandwidth", thing.l2_bandwidth_bytes_per_s, "l2.slice_count x l2.slice_bandwidth x clocks.l2"),
        ("link bandwidth", chip.links.bandwidth_bytes_per_s, "each way: links.port_count x links.port_bandwidth"),
        ("off-chip", thing.off_chip_bandwidth_bytes_per_s, "HBM, links and host bus, both ways together"),
    ):
        yield _rate(path, rate, "B/s", note)


def _line(table: str, one: Leaf, figure: Figure) -> Described:
    return Described(
        path=f"{table}.{one.key}",
        value=figure.text,
        meaning=one.doc,
        kind=figure.kind,
        note=figure.note,
        inherited_from=figure.inherited_from,
    )


def _rate(path: str, value: int | float, canonical: str, note: str, unit: str = "") -> Described:
    return Described(path=path, value=format_rounded(value, canonical, unit), meaning="", kind="derived", note=note)


def _peak(device: Device, name: str, peak: int) -> Described:
    clock = "clocks.boost" if name == "fp64" else "clocks.matrix"
    matrix = peak == device.matrix_flops(name)
    note = f"2 x T-cores x tcore.{name} x {clock}" if matrix else f"2 x EUs x vector.{name} x clocks.boost"
    return _rate(f"peak {name}", peak, "FLOPS", note, _unit(name))


def _unit(tensor_format: str) -> str:
    """The unit in which makers print a peak."""
    return "TOPS" if tensor_format.startswith("int") else "TFLOPS"


def _server_totals(server: Server) -> Iterator[Described]:
    count = f"{server.layout.device_count} x"
    for name in server.device.peaks:
        peak = server.peak_flops(name)
        yield _rate(f"peak {name}", peak, "FLOPS", f"{count} {server.device.name}", _unit(name))
    memory = f"{server.hbm_capacity_bytes // 2**30} GiB"
    yield Described(path="HBM", value=memory, meaning="", kind="derived", note=f"{count} {server.device.name}")
    yield _rate("devices' power", server.devices_power_cap_w, "W", f"{count} board.power_cap")
    pair = server.pair_bandwidth_bytes_per_s
    yield _rate("bandwidth of a pair", pair, "B/s", "each way: server.ports_per_pair x links.port_bandwidth")
