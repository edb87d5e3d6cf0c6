"""Power and energy of a chip: the board and its cap, idle draw, energy per event. Not here: throttling (`timing`).

Energies hold at the boost clock; at a clock `f` an event costs `(f / boost) ** voltage_exponent` of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from supa.arch.leaf import leaf


@dataclass(frozen=True, kw_only=True)
class Board:
    """What carries the chip. A module is a chip on another board."""

    form_factor: str = leaf(doc="shape of the module or card")
    power_cap_w: float = leaf("W", "board power that is not exceeded over time")


@dataclass(frozen=True, kw_only=True)
class Power:
    """What the board draws besides the energy of events."""

    idle_w: float = leaf("W", "board power with nothing to do")
    static_w: float = leaf("W", "board power under load that no event accounts for: leakage, clocks, fans, losses")
    response_ps: int = leaf("ps", "over which the governor averages before it lowers the clock", zero=True)
    voltage_exponent: float = leaf(doc="how an event's energy follows the core clock", zero=True, at_most=3)


@dataclass(frozen=True, kw_only=True)
class Energy:
    """Energy of one event. A byte that travels pays at every level that it crosses."""

    fp64_pj_per_mac: float = leaf("pJ/MAC", "matrix step, fp64 (0: not on the T-core)", zero=True)
    fp32_pj_per_mac: float = leaf("pJ/MAC", "matrix step, fp32 (0: not on the T-core)", zero=True)
    tf32_pj_per_mac: float = leaf("pJ/MAC", "matrix step, tf32", zero=True)
    bf16_pj_per_mac: float = leaf("pJ/MAC", "matrix step, bf16", zero=True)
    fp16_pj_per_mac: float = leaf("pJ/MAC", "matrix step, fp16", zero=True)
    fp8_pj_per_mac: float = leaf("pJ/MAC", "matrix step, fp8 (0: not on the T-core)", zero=True)
    int8_pj_per_mac: float = leaf("pJ/MAC", "matrix step, int8", zero=True)
    vector_pj_per_op: float = leaf("pJ/op", "one element of a fused multiply-add, fp32; its registers included")
    special_pj_per_op: float = leaf("pJ/op", "one element of a special function")
    register_pj_per_byte: float = leaf("pJ/B", "operand bytes between registers and T-core")
    lsc_pj_per_byte: float = leaf("pJ/B", "LSC or shared memory")
    l2_pj_per_byte: float = leaf("pJ/B", "L2 slice")
    noc_pj_per_byte: float = leaf("pJ/B", "network between SPC and L2")
    die_to_die_pj_per_byte: float = leaf("pJ/B", "between dies", zero=True)
    hbm_pj_per_byte: float = leaf("pJ/B", "stack, interface and controller")
    link_pj_per_byte: float = leaf("pJ/B", "a link to another chip", zero=True)
    host_bus_pj_per_byte: float = leaf("pJ/B", "the bus to the host", zero=True)

    def pj_per_mac(self, tensor_format: str) -> float:
        """Energy of one multiply-accumulate of a matrix step in a tensor format."""
        energy: float = getattr(self, f"{tensor_format}_pj_per_mac")
        return energy
