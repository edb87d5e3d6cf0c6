"""A device's figures as rates and times in SI units, at its boost clock. Not here: what kernels make of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from supa.arch import Device
from supa.timing import mechanisms


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Bytes, multiply-accumulates, operations and seconds; `cu_` figures are of one CU."""

    element_bytes: int  # of a product's operands
    result_bytes: int
    cus: int
    core_hz: float
    cu_mac_per_s: float  # bf16
    cu_lanes_per_s: float  # fp32 operations
    cu_special_per_s: float
    cu_issues_per_s: float  # threads' instructions
    cu_threads: int
    cu_registers: int
    cu_lsc_bytes_per_s: float
    cu_fill_bytes_per_s: float
    cu_sums_bytes_per_s: float
    shared_bytes: int
    shared_per_block_bytes: int
    shared_reserved_bytes: int
    direct: bool  # the matrix engine reads shared memory itself
    multicast: bool
    step_m: int
    chain_s: float  # one matrix step to the next that needs it
    l2_bytes: int
    l2_copies: int  # of a line that all CUs read
    l2_bytes_per_s: float  # all slices, peak
    l2_latency_s: float
    hbm_bytes_per_s: float  # printed
    hbm_stream_bytes_per_s: float
    written_factor: float  # what a written byte costs, with turnarounds
    hbm_latency_s: float
    miss_latency_s: float  # of a tile whose rows lie apart
    page_bytes: int
    opening_bytes: float  # what opening a row costs, in bytes of long reads
    l2_share: float
    kept: float
    block_start_s: float
    turn_s: float
    handover_s: float
    overlap: float
    launch_s: float
    notice_s: float
    gap_s: float
    link_bytes_per_s: float
    link_latency_s: float
    collective_start_s: float
    collective_bulk_s: float
    cap_w: float
    static_w: float
    response_s: float
    voltage_exponent: float
    mac_j: float
    vector_j: float
    special_j: float
    lsc_j_per_byte: float
    l2_j_per_byte: float
    hbm_j_per_byte: float
    link_j_per_byte: float

    def hbm_in_runs(self, run_bytes: Any) -> Any:
        """Bytes a second that reads reach in runs of so many neighbouring bytes (`mechanisms.hbm_share`)."""
        run = np.minimum(run_bytes, self.page_bytes)
        return self.hbm_stream_bytes_per_s * run / (run + self.opening_bytes * (1 - run / self.page_bytes))


ELEMENT_BYTES = {"fp64": 8, "fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2, "fp8": 1, "int8": 1}
"""Formats of products' operands. Results have as many, and two at least."""


def half_format(device: Device) -> str:
    """The format in which a device multiplies elements of 16 bits: bf16 where it has both."""
    return "bf16" if device.chip.tcore.mac_per_clock("bf16") else "fp16"


def rates(device: Device, tensor_format: str = "bf16") -> Rates:
    """The rates of a device; matrix rates are of one format, at lanes' speed where the T-core lacks it.

    `ValueError` where the device does not compute the format at all.
    """
    chip = device.chip
    core, lscs, eus = chip.clocks.boost_hz, chip.lscs_per_cu, chip.cu.eu_count
    sustained, energy = chip.sustained, chip.energy
    l2_cycles = chip.l2.latency_cycles + chip.l2.crossing_latency_cycles * (1 - 1 / chip.l2.partition_count)
    mac_per_s, mac_pj = _products(device, tensor_format)
    width = ELEMENT_BYTES[tensor_format]
    far = chip.die_to_die.latency_ps * (1 - 1 / chip.die.count)
    return Rates(
        element_bytes=width,
        result_bytes=max(width, 2),
        cus=chip.cu_count,
        core_hz=core,
        cu_mac_per_s=mac_per_s,
        cu_lanes_per_s=chip.vector.fp32_ops_per_clock * eus * core,
        cu_special_per_s=chip.vector.special_ops_per_clock * eus * core,
        cu_issues_per_s=chip.eu.issue_ops_per_clock * chip.warp.size * eus * core,
        cu_threads=chip.max_threads_per_cu,
        cu_registers=chip.eu.registers_bytes * eus // 4,
        cu_lsc_bytes_per_s=chip.lsc.bandwidth_bytes_per_clock * lscs * core,
        cu_fill_bytes_per_s=chip.lsc.fill_bandwidth_bytes_per_clock * lscs * core,
        cu_sums_bytes_per_s=sustained.sums_bytes_per_clock * core,
        shared_bytes=chip.shared_bytes_per_cu,
        shared_per_block_bytes=chip.lsc.shared_per_block_bytes,
        shared_reserved_bytes=chip.lsc.shared_reserved_bytes,
        direct=chip.tcore.reads_shared_memory,
        multicast=chip.tda.multicast and chip.tda.present,
        step_m=chip.tcore.step_m,
        chain_s=chip.tcore.latency_cycles / core,
        l2_bytes=chip.l2.capacity_bytes,
        l2_copies=chip.l2.partition_count if chip.l2.replicates else 1,
        l2_bytes_per_s=chip.l2.slice_count * chip.l2.slice_bandwidth_bytes_per_clock * chip.clocks.l2_hz,
        l2_latency_s=l2_cycles / chip.clocks.l2_hz + far * 1e-12,
        hbm_bytes_per_s=chip.hbm.bandwidth_bytes_per_s,
        hbm_stream_bytes_per_s=chip.hbm.bandwidth_bytes_per_s * chip.hbm.peak_efficiency,
        written_factor=mechanisms.written_factor(chip),
        hbm_latency_s=chip.hbm.latency_ps * 1e-12,
        miss_latency_s=mechanisms.miss_latency_ps(chip) * 1e-12,
        page_bytes=chip.hbm.page_bytes,
        opening_bytes=mechanisms.opening_bytes(chip),
        l2_share=sustained.l2,
        kept=sustained.kept,
        block_start_s=sustained.block_start_ps * 1e-12,
        turn_s=mechanisms.product_latency_cycles(chip) / core,
        handover_s=sustained.handover_ps * 1e-12,
        overlap=sustained.overlap,
        launch_s=chip.launch.latency_ps * 1e-12,
        notice_s=chip.launch.notice_ps * 1e-12,
        gap_s=chip.launch.gap_ps * 1e-12,
        link_bytes_per_s=chip.links.bandwidth_bytes_per_s * chip.links.efficiency,
        link_latency_s=chip.links.latency_ps * 1e-12,
        collective_start_s=sustained.collective_start_ps * 1e-12,
        collective_bulk_s=sustained.collective_bulk_ps * 1e-12,
        cap_w=device.power_cap_w,
        static_w=chip.power.static_w,
        response_s=chip.power.response_ps * 1e-12,
        voltage_exponent=chip.power.voltage_exponent,
        mac_j=mac_pj * 1e-12,
        vector_j=energy.vector_pj_per_op * 1e-12,
        special_j=energy.special_pj_per_op * 1e-12,
        lsc_j_per_byte=energy.lsc_pj_per_byte * 1e-12,
        l2_j_per_byte=(energy.l2_pj_per_byte + energy.noc_pj_per_byte) * 1e-12,
        hbm_j_per_byte=energy.hbm_pj_per_byte * 1e-12,
        link_j_per_byte=energy.link_pj_per_byte * 1e-12,
    )


def _products(device: Device, tensor_format: str) -> tuple[float, float]:
    """Multiply-accumulates a second of one CU, and pJ of each: on the T-core, else on the lanes."""
    chip = device.chip
    eus = chip.cu.eu_count
    matrix = chip.tcore.mac_per_clock(tensor_format) * chip.eu.tcore_count * eus * chip.sustained.matrix_hz
    if matrix:
        return matrix, chip.energy.pj_per_mac(tensor_format)
    lanes = {"fp64": chip.vector.fp64_ops_per_clock, "fp32": chip.vector.fp32_ops_per_clock}.get(tensor_format, 0)
    if not lanes:
        raise ValueError(f"{device.name} multiplies no {tensor_format}: tcore.{tensor_format} is 0")
    return lanes * eus * chip.clocks.boost_hz, chip.energy.vector_pj_per_op
