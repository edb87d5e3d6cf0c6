"""A device as programs see it: a chip on its board, under a power cap, whole or a virtual instance; its peaks.

Not here: what a kernel reaches of the peaks (`timing`), memory and streams (`runtime`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from supa.arch.chip import Chip
from supa.arch.compute import TENSOR_FORMATS
from supa.arch.numerics import Numerics
from supa.arch.source import Figure


@dataclass(frozen=True, kw_only=True)
class Device:
    """A chip or module by its catalogue name. `instance` is "" for the whole chip, "1/4" for a quarter of it."""

    name: str
    kind: str
    title: str
    chip: Chip
    instance: str = ""

    @property
    def power_cap_w(self) -> float:
        """Board power that is not exceeded over time."""
        return self.chip.board.power_cap_w

    @property
    def numerics(self) -> Numerics:
        """What the device computes."""
        return self.chip.numerics

    @property
    def figures(self) -> Mapping[str, Figure]:
        """Key path -> figure with its source."""
        return self.chip.figures

    def matrix_clock_hz(self, tensor_format: str) -> int:
        """The clock at which a format's matrix peak holds; fp64 steps run at the boost clock."""
        clocks = self.chip.clocks
        return clocks.boost_hz if tensor_format == "fp64" else clocks.matrix_hz

    def matrix_flops(self, tensor_format: str) -> int:
        """Peak of the T-cores per second, a multiply-accumulate counted as two; 0 where they lack the format."""
        macs = self.chip.tcore_count * self.chip.tcore.mac_per_clock(tensor_format)
        return 2 * macs * self.matrix_clock_hz(tensor_format)

    def vector_flops(self, vector_class: str = "fp32") -> int:
        """Peak of the V-cores per second for `fp64`, `fp32` or `fp16`, a fused multiply-add counted as two."""
        return 2 * self.vector_ops_per_s(vector_class)

    def vector_ops_per_s(self, vector_class: str) -> int:
        """Operations of a class per second at the boost clock, all EUs together."""
        return self.chip.eu_count * self.chip.vector.ops_per_clock(vector_class) * self.chip.clocks.boost_hz

    def peak_flops(self, tensor_format: str) -> int:
        """The best peak of a format: of the T-cores, or of the V-cores where those are faster or alone."""
        matrix = self.matrix_flops(tensor_format)
        if tensor_format not in ("fp64", "fp32", "fp16"):
            return matrix
        return max(matrix, self.vector_flops(tensor_format))

    @property
    def peaks(self) -> Mapping[str, int]:
        """Tensor format -> peak, for the formats that the device computes itself."""
        return {name: peak for name in TENSOR_FORMATS if (peak := self.peak_flops(name))}

    @property
    def hbm_bandwidth_bytes_per_s(self) -> int:
        """Printed peak of the device memory."""
        return self.chip.hbm.bandwidth_bytes_per_s

    @property
    def hbm_capacity_bytes(self) -> int:
        """Device memory."""
        return self.chip.hbm.capacity_bytes

    @property
    def l2_bandwidth_bytes_per_s(self) -> int:
        """Reads of all L2 slices together."""
        return self.chip.l2.slice_count * self.chip.l2.slice_bandwidth_bytes_per_clock * self.chip.clocks.l2_hz

    @property
    def lsc_bandwidth_bytes_per_s(self) -> int:
        """Hits of all LSCs together at the boost clock."""
        lscs = self.chip.cu_count * self.chip.lscs_per_cu
        return lscs * self.chip.lsc.bandwidth_bytes_per_clock * self.chip.clocks.boost_hz

    @property
    def off_chip_bandwidth_bytes_per_s(self) -> int:
        """Everything that crosses the package: device memory, links and host bus, both ways together."""
        chip = self.chip
        return chip.hbm.bandwidth_bytes_per_s + 2 * (
            chip.links.bandwidth_bytes_per_s + chip.host_bus.bandwidth_bytes_per_s
        )
