"""A server: how many devices of which kind, joined how. Not here: collectives over it (`timing`, `distributed`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from supa.arch.device import Device
from supa.arch.leaf import leaf
from supa.arch.source import Figure


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The devices of a server and their links."""

    device_count: int = leaf(doc="modules")
    topology: str = leaf(doc="how the links join them", choices=("mesh", "switch", "ring"))
    ports_per_pair: int = leaf(doc="link ports between two modules of a mesh or ring; 0 through a switch", zero=True)
    power_besides_devices_w: float = leaf("W", "host, fans, network; 0: not known, left out", zero=True)


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server of equal devices."""

    name: str
    title: str
    device: Device
    layout: Layout
    figures: Mapping[str, Figure] = field(repr=False, compare=False)

    def peak_flops(self, tensor_format: str) -> int:
        """Peak of all devices together."""
        return self.layout.device_count * self.device.peak_flops(tensor_format)

    @property
    def hbm_capacity_bytes(self) -> int:
        """Device memory of all devices together."""
        return self.layout.device_count * self.device.hbm_capacity_bytes

    @property
    def devices_power_cap_w(self) -> float:
        """Power caps of all devices together."""
        return self.layout.device_count * self.device.power_cap_w

    @property
    def pair_bandwidth_bytes_per_s(self) -> int:
        """Link bandwidth each way between two neighbouring devices; through a switch, all ports of one device."""
        links = self.device.chip.links
        ports = links.port_count if self.layout.topology == "switch" else self.layout.ports_per_pair
        return ports * links.port_bandwidth_bytes_per_s
