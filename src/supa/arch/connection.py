"""What leaves the chip: links to other chips, the bus to the host. Not here: who is joined to whom (`server`)."""

from __future__ import annotations

from dataclasses import dataclass

from supa.arch.leaf import leaf


@dataclass(frozen=True, kw_only=True)
class Links:
    """Chip-to-chip links."""

    port_count: int = leaf(doc="ports", zero=True)
    port_bandwidth_bytes_per_s: int = leaf("B/s", "one port, each way", zero=True)
    latency_ps: int = leaf("ps", "one message from chip to chip", zero=True)
    efficiency: float = leaf(doc="share of the bandwidth left to data", at_most=1)

    @property
    def bandwidth_bytes_per_s(self) -> int:
        """All ports together, each way."""
        return self.port_count * self.port_bandwidth_bytes_per_s


@dataclass(frozen=True, kw_only=True)
class HostBus:
    """The bus to the host."""

    generation: int = leaf(doc="PCI Express generation")
    lane_count: int = leaf(doc="lanes")
    bandwidth_bytes_per_s: int = leaf("B/s", "each way")
    latency_ps: int = leaf("ps", "one transfer's fixed cost")
    efficiency: float = leaf(doc="share of the bandwidth left to data, pinned memory", at_most=1)
    pageable_efficiency: float = leaf(doc="the same for pageable memory", at_most=1)
