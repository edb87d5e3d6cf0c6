"""A device's limits and sizes under the names that Triton and its programs look for. Not here: the figures (`arch`)."""

from __future__ import annotations

from supa.arch import Device

_BITS_PER_BYTE = 8
_KHZ = 1000


def properties(device: Device) -> dict[str, int]:
    """Of `device`: bytes of shared memory, 32-bit registers of a CU ("multiprocessor"), clocks in kHz, bus in bits."""
    chip = device.chip
    register_bytes = 4
    return {
        "max_shared_mem": chip.lsc.shared_per_block_bytes,
        "max_num_regs": chip.registers_bytes_per_cu // register_bytes,
        "max_threads_per_block": chip.cu.max_threads_per_block,
        "multiprocessor_count": chip.cu_count,
        "warpSize": chip.warp.size,
        "sm_clock_rate": chip.clocks.boost_hz // _KHZ,
        "mem_clock_rate": chip.hbm.bandwidth_bytes_per_s * _BITS_PER_BYTE // (2 * chip.hbm.bus_bits) // _KHZ,
        "mem_bus_width": chip.hbm.bus_bits,
    }
