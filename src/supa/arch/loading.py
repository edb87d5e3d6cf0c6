"""From a name or a path to a device or a server. Not here: the TOML form (`document`) and its checks (`assembly`)."""

from __future__ import annotations

from pathlib import Path

from supa.arch.assembly import build_chip, build_component
from supa.arch.device import Device
from supa.arch.refusal import refuse
from supa.arch.server import Layout, Server
from supa.arch.shelf import find, open_document, resolve
from supa.base.errors import DescriptionError


def load(name_or_path: str | Path) -> Device:
    """The device of a catalogue name ("bili100", "h100-sxm") or of a chip's or module's own TOML file.

    Raises `DescriptionError` naming file and line for an unknown key, a missing unit, source or figure, an impossible
    value, and for a name that nobody has.
    """
    return _device(find(str(name_or_path)))


def load_server(name_or_path: str | Path) -> Server:
    """The server of a catalogue name ("hearten") or TOML file; errors as `load`."""
    path = find(str(name_or_path))
    document = open_document(path)
    if document.kind != "server":
        raise DescriptionError(f"{document.file}: is a {document.kind}, expected a server")
    layout: Layout = build_component("server", Layout, document.figures, document.file)
    try:
        module = find(document.base, beside=path)
    except DescriptionError as error:
        refuse(document.file, ("module",), str(error))
    device = _device(module)
    _check_ports(document.file, layout, device)
    return Server(name=document.name, title=document.title, device=device, layout=layout, figures=document.figures)


def kind_of(name_or_path: str | Path) -> str:
    """`chip`, `module` or `server`."""
    return open_document(find(str(name_or_path))).kind


def _device(path: Path) -> Device:
    resolved = resolve(path)
    document = resolved.document
    chip = build_chip(name=resolved.chip_name, title=resolved.title, figures=resolved.figures, file=document.file)
    return Device(name=document.name, kind=document.kind, title=resolved.title, chip=chip)


def _check_ports(file: str, layout: Layout, device: Device) -> None:
    """A full mesh needs a port to every other device, a ring to two, a switch takes what there is."""
    neighbours = {"mesh": layout.device_count - 1, "ring": min(2, layout.device_count - 1), "switch": 0}
    needed = neighbours[layout.topology] * layout.ports_per_pair
    ports = device.chip.links.port_count
    if needed > ports:
        joined = f"a {layout.topology} of {layout.device_count}"
        what = f"{joined} needs {needed} link ports of each {device.name}, it has {ports}"
        refuse(file, ("server", "ports_per_pair"), what)
