"""What the figures of a chip must fulfil together. Not here: the bounds of a single figure (`leaf`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from supa.arch.chip import Chip
from supa.arch.compute import TENSOR_FORMATS

Complaint = tuple[tuple[str, ...], str]
"""Key paths of the figures that disagree, the likeliest culprit first, and what is wrong."""


def complaints(chip: Chip) -> Iterator[Complaint]:
    """Everything that is impossible about a chip, in the order of its tables."""
    for check in _CHECKS:
        yield from check(chip)


def _compute(chip: Chip) -> Iterator[Complaint]:
    cu, spc, die = chip.cu.eu_count, chip.spc.eu_count, chip.die
    if spc % cu:
        yield ("cu.eu_count", "spc.eu_count"), f"an SPC's {spc} EUs can not be divided into CUs of {cu}"
    if cu not in chip.cu.eu_choices:
        yield (
            ("cu.eu_count", "cu.eu_choices"),
            f"expected one of cu.eu_choices ({_list(chip.cu.eu_choices)}), found {cu}",
        )
    if die.disabled_eu_count % cu:
        yield (
            ("die.disabled_eu_count", "cu.eu_count"),
            f"{die.disabled_eu_count} EUs are no whole number of CUs of {cu}",
        )
    if die.disabled_eu_count >= die.spc_count * spc:
        yield (
            ("die.disabled_eu_count", "die.spc_count", "spc.eu_count"),
            f"leaves none of the die's {die.spc_count * spc} EUs",
        )
    if chip.max_threads_per_cu < chip.cu.max_threads_per_block:
        yield (
            ("cu.max_threads_per_block", "eu.max_warps", "cu.eu_count"),
            f"more than the {chip.max_threads_per_cu} threads that a CU holds",
        )
    if chip.eu.registers_bytes % chip.eu.register_granule_bytes:
        yield ("eu.register_granule", "eu.registers"), "does not divide eu.registers"


def _lsc(chip: Chip) -> Iterator[Complaint]:
    lsc = chip.lsc
    if chip.cu.eu_count % lsc.eu_count:
        yield (
            ("lsc.eu_count", "cu.eu_count"),
            f"a CU's {chip.cu.eu_count} EUs can not be served by LSCs of {lsc.eu_count}",
        )
    if lsc.shared_in_lsc and lsc.shared_capacity_bytes > lsc.capacity_bytes:
        yield ("lsc.shared_capacity", "lsc.capacity"), "more than lsc.capacity, of which it is a part"
    if lsc.shared_per_block_bytes > chip.shared_bytes_per_cu:
        yield (
            ("lsc.shared_per_block", "lsc.shared_capacity"),
            f"more than the {chip.shared_bytes_per_cu} B that a CU has",
        )


def _l2(chip: Chip) -> Iterator[Complaint]:
    l2 = chip.l2
    if l2.capacity_bytes < l2.slice_count * l2.ways * l2.line_bytes:
        sets = f"{l2.slice_count} slices, {l2.ways} ways, lines of {l2.line_bytes} B"
        yield ("l2.capacity", "l2.slice_count", "l2.ways", "l2.line"), f"less than one set of every slice: {sets}"
    if l2.slice_count % l2.partition_count:
        yield ("l2.partition_count", "l2.slice_count"), f"does not divide the {l2.slice_count} slices"
    if l2.partition_count % chip.die.count:
        yield ("l2.partition_count", "die.count"), f"expected the same number on each of the {chip.die.count} dies"
    if l2.line_bytes % l2.sector_bytes:
        yield ("l2.sector", "l2.line"), "does not divide l2.line"


def _off_chip(chip: Chip) -> Iterator[Complaint]:
    if chip.die.count > 1 and not chip.die_to_die.bandwidth_bytes_per_s:
        yield ("die_to_die.bandwidth", "die.count"), f"a chip of {chip.die.count} dies needs one"
    if chip.hbm.channel_count % chip.die.count:
        yield ("hbm.channel_count", "die.count"), f"can not be spread over {chip.die.count} dies"
    if chip.near_memory.present and not chip.near_memory.slice_reductions_ops_per_clock:
        yield ("near_memory.slice_reductions", "near_memory.present"), "must be more than zero when near_memory.present"


def _clocks(chip: Chip) -> Iterator[Complaint]:
    clocks = chip.clocks
    if not clocks.min_hz <= clocks.nominal_hz <= clocks.boost_hz:
        yield ("clocks.nominal", "clocks.boost", "clocks.min"), "expected clocks.min <= clocks.nominal <= clocks.boost"
    if clocks.matrix_hz > clocks.boost_hz:
        yield ("clocks.matrix", "clocks.boost"), "more than clocks.boost"


def _power(chip: Chip) -> Iterator[Complaint]:
    if chip.power.static_w >= chip.board.power_cap_w:
        yield ("power.static", "board.power_cap"), f"leaves nothing of the board's {chip.board.power_cap_w:g} W"
    if chip.power.idle_w >= chip.board.power_cap_w:
        yield ("power.idle", "board.power_cap"), f"more than the board's {chip.board.power_cap_w:g} W"
    for tensor_format in TENSOR_FORMATS:
        if chip.tcore.mac_per_clock(tensor_format) and not chip.energy.pj_per_mac(tensor_format):
            yield (
                (f"energy.{tensor_format}", f"tcore.{tensor_format}"),
                f"the T-core computes {tensor_format}, so it must cost energy",
            )


def _numerics(chip: Chip) -> Iterator[Complaint]:
    if chip.numerics.fp64 == "native" and not chip.vector.fp64_ops_per_clock:
        yield ("numerics.fp64", "vector.fp64"), "native, but vector.fp64 is 0"
    if chip.numerics.fp64 == "emulated" and not chip.numerics.fp64_emulation_ops:
        yield ("numerics.fp64_emulation_ops", "numerics.fp64"), "must be more than zero when fp64 is emulated"
    if chip.numerics.tf32_mantissa_bits > 23:
        yield ("numerics.tf32_mantissa",), "more than fp32's 23 bits"


def _list(values: tuple[int, ...]) -> str:
    return ", ".join(str(value) for value in values)


_CHECKS: tuple[Callable[[Chip], Iterator[Complaint]], ...] = (
    _compute,
    _lsc,
    _l2,
    _off_chip,
    _clocks,
    _power,
    _numerics,
)
