"""What one step costs on one chip: engine time and energy. Not here: memory traffic, which the machine finds out.

Engine times are for one CU at one core clock. A block with fewer warps than the CU has EUs can not use them all: it
gets its result later than the engine is free again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np

from supa.arch import TENSOR_FORMATS, Device
from supa.program.work import Barrier, Count, Exchange, Matrix, Step, Vector
from supa.timing import mechanisms
from supa.timing.machine import layout


class StepRule(Protocol):
    """Fills in what one step of a type costs."""

    def __call__(self, pricer: StepPricer, step: Step, cost: StepCost) -> None:
        """Add to `cost`."""


@dataclass
class StepCost:
    """Cycles of each engine (`busy`), cycles until a lone block has its result, latency behind; work and energy."""

    busy: np.ndarray
    own: np.ndarray
    latency: float = 0.0
    latency_ps: float = 0.0  # whatever the core's clock
    flops: float = 0.0
    energy_pj: float = 0.0


VECTOR_CLASS: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "f64": ("fp64", 1), "f32": ("fp32", 1), "f16": ("fp16", 1), "bf16": ("fp16", 1),
        "f8E4M3FN": ("fp16", 1), "f8E5M2": ("fp16", 1), "f8E4M3FNUZ": ("fp16", 1), "f8E5M2FNUZ": ("fp16", 1),
        "f8E4M3B11FNUZ": ("fp16", 1),
        "i64": ("int32", 2), "i32": ("int32", 1), "i16": ("int16", 1), "i8": ("int16", 1), "i1": ("int32", 1),
    }
)  # fmt: skip
"""Element type -> the V-core's class that works on it, and how many of its operations one operation takes."""

EXPANSION: Mapping[tuple[str, bool], tuple[int, int]] = MappingProxyType(
    {
        ("div", True): (8, 1),  # a reciprocal, two Newton steps, a last correction
        ("div", False): (16, 1),  # through a float reciprocal
        ("special", True): (1, 1),  # scaling before the table
        ("special2", True): (12, 2),  # a polynomial or two tables
    }
)
"""(kind, on floats) -> plain operations and special-function operations of one element; (1, 0) where not named."""

ENERGY_SHARE: Mapping[str, float] = MappingProxyType(
    {"fma": 1.0, "mul": 0.6, "add": 0.3, "div": 0.6, "special": 0.6, "special2": 0.6, "convert": 0.1}
)
"""Kind -> energy on floats beside a fused multiply-add's (Horowitz, ISSCC 2014: an addition is a quarter of a product
and a sum); comparisons, logic and whole numbers, whose carries are short, take `WHOLE_SHARE`."""

WHOLE_SHARE = 0.1

SUBSTITUTES: Mapping[str, str] = MappingProxyType({"fp8": "fp16", "int8": "fp16"})
"""The tensor format that does the work of one that the T-core lacks; the others run on the V-core."""

FORMAT_BYTES: Mapping[str, int] = MappingProxyType(
    {"fp64": 8, "fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2, "fp8": 1, "int8": 1}
)

LANE_TILE = 8  # without a T-core a thread multiplies an 8 x 8 tile from registers: 16 operands for 64 FMAs


class StepPricer:
    """Prices steps of kernels whose blocks have `warps` warps on one device."""

    def __init__(self, device: Device, warps: int) -> None:
        self.chip = device.chip
        self.eus = device.chip.cu.eu_count
        self.warps = warps
        self.lsc_bytes_per_clock = device.chip.lsc.bandwidth_bytes_per_clock * device.chip.lscs_per_cu
        self.exposed = 1 - device.chip.sustained.overlap
        self.matrix_per_core = device.chip.sustained.matrix_hz / device.chip.clocks.boost_hz

    def price(self, step: Step) -> StepCost:
        """Cycles of the core clock; accesses cost nothing here."""
        cost = StepCost(busy=np.zeros(layout.ENGINE_COUNT), own=np.zeros(layout.ENGINE_COUNT))
        rule = _RULES.get(type(step))
        if rule is not None:
            rule(self, step, cost)
        return cost

    def take(self, cost: StepCost, engine: int, cycles: float, at_least: float = 0.0) -> None:
        """Occupy an engine that all EUs share out among their warps."""
        cost.busy[engine] += cycles
        cost.own[engine] = max(cost.busy[engine] * self.eus / min(self.warps, self.eus), at_least)


def _matrix(pricer: StepPricer, step: Step, cost: StepCost) -> None:
    assert isinstance(step, Matrix)
    tcore = pricer.chip.tcore
    if step.format not in TENSOR_FORMATS:
        raise ValueError(f"step {step.id}: unknown matrix format {step.format!r}")
    cost.flops = 2.0 * step.m * step.n * step.k * step.batch
    used = step.format if tcore.mac_per_clock(step.format) else SUBSTITUTES.get(step.format, step.format)
    rate = tcore.mac_per_clock(used) * pricer.chip.eu.tcore_count * pricer.eus
    if rate == 0:
        _matrix_on_lanes(pricer, step, used, cost)
        return
    width = FORMAT_BYTES[used]
    step_k = max(tcore.step_k_bytes // width, 1)
    m, n, k = (
        -(-size // least) * least for size, least in ((step.m, tcore.step_m), (step.n, tcore.step_n), (step.k, step_k))
    )
    clock = 1.0 if used == "fp64" else pricer.matrix_per_core
    chain = k // step_k * tcore.latency_cycles
    pricer.take(cost, layout.ENGINE_MATRIX, m * n * k * step.batch / rate / clock, at_least=chain)
    operands = _operand_bytes(pricer, step, m, n, k, width) * step.batch
    if operands:
        pricer.take(cost, layout.ENGINE_LSC, operands / pricer.lsc_bytes_per_clock)
    cost.latency = mechanisms.product_latency_cycles(pricer.chip)
    energy = pricer.chip.energy
    held = (
        step.batch * (m * k * n / tcore.step_n + k * n * m / tcore.step_m) * width / 8 + 8 * m * n * (k // step_k) / 8
    )
    cost.energy_pj = (
        m * n * k * step.batch * energy.pj_per_mac(used)
        + operands * energy.lsc_pj_per_byte
        + held * energy.register_pj_per_byte
    )


def _operand_bytes(pricer: StepPricer, step: Matrix, m: int, n: int, k: int, width: int) -> float:
    """Bytes that one product reads from shared memory.

    Where the matrix engine reads shared memory itself, the left operand is read once and the right one once for each
    row of EUs' steps, or the product is turned and the operands change parts; where operands pass through registers,
    each warp of a grid of warps reads its rows and columns.
    """
    tcore = pricer.chip.tcore
    left, right = (m * k * width * step.left_shared, k * n * width * step.right_shared)
    if tcore.reads_shared_memory:
        rows = tcore.step_m * min(pricer.warps, pricer.eus)
        straight, turned = left + right * -(-m // rows), right + left * -(-n // rows)
        return min(straight, turned) if step.left_shared and step.right_shared else straight
    best = float("inf")
    for down in range(1, pricer.warps + 1):
        if pricer.warps % down == 0:
            across = pricer.warps // down
            used_down, used_across = min(down, -(-m // tcore.step_m)), min(across, -(-n // tcore.step_n))
            best = min(best, left * used_across + right * used_down)
    return best


def _matrix_on_lanes(pricer: StepPricer, step: Matrix, used: str, cost: StepCost) -> None:
    """A product in a format that the T-core lacks: fused multiply-adds on the V-core."""
    vector = pricer.chip.vector
    macs = float(step.m * step.n * step.k * step.batch)
    kind = used if used in ("fp64", "fp16") else "fp32"
    emulated = 1
    if vector.ops_per_clock(kind) == 0:
        kind, emulated = "fp32", pricer.chip.numerics.fp64_emulation_ops
    pricer.take(cost, layout.ENGINE_VECTOR, macs * emulated / (vector.ops_per_clock(kind) * pricer.eus))
    operands = macs * 2 / LANE_TILE * FORMAT_BYTES[used] / 4  # four threads of a warp read the same operand at once
    pricer.take(cost, layout.ENGINE_LSC, operands / pricer.lsc_bytes_per_clock)
    cost.latency = vector.latency_cycles
    energy = pricer.chip.energy
    cost.energy_pj = macs * emulated * energy.vector_pj_per_op + operands * energy.lsc_pj_per_byte


def _vector(pricer: StepPricer, step: Step, cost: StepCost) -> None:
    """Lanes of different classes work side by side; together they start no more than the issue rate."""
    assert isinstance(step, Vector)
    vector = pricer.chip.vector
    lanes: dict[str, float] = {}
    special = issued = chain = 0.0
    largest = max((count.elements for count in step.counts), default=1)
    for count in step.counts:
        kind, ops, specials = _operations(pricer, count)
        lanes[kind] = lanes.get(kind, 0.0) + ops
        special += specials
        packed = max(vector.ops_per_clock(kind) / vector.fp32_ops_per_clock, 1.0) if kind in ("fp16", "int16") else 1.0
        issued += (ops / packed + specials) / pricer.chip.warp.size
        chain += -(-count.elements // max(largest, 1)) * vector.latency_cycles
        cost.flops += _flops(count)
        share = ENERGY_SHARE.get(count.kind, WHOLE_SHARE) if _on_floats(count) else WHOLE_SHARE
        cost.energy_pj += ops / packed * share * pricer.chip.energy.vector_pj_per_op
        cost.energy_pj += specials * pricer.chip.energy.special_pj_per_op
    busy = max((ops / vector.ops_per_clock(kind) for kind, ops in lanes.items()), default=0.0)
    busy = max(busy, issued / pricer.chip.eu.issue_ops_per_clock) / pricer.eus
    if busy:
        pricer.take(cost, layout.ENGINE_VECTOR, busy, at_least=chain)
    if special:
        pricer.take(cost, layout.ENGINE_SPECIAL, special / (vector.special_ops_per_clock * pricer.eus))
    cost.latency = vector.special_latency_cycles if special else vector.latency_cycles


def _operations(pricer: StepPricer, count: Count) -> tuple[str, float, float]:
    """V-core class, plain operations and special-function operations of one count."""
    kind, factor = VECTOR_CLASS[count.format]
    on_floats = _on_floats(count)
    if count.kind == "convert":
        return "convert", float(count.elements), 0.0
    plain, special = EXPANSION.get((count.kind, on_floats), (1, 0))
    if kind == "fp64" and pricer.chip.vector.fp64_ops_per_clock == 0:
        kind, factor = "fp32", pricer.chip.numerics.fp64_emulation_ops
    return kind, float(count.elements * plain * factor), float(count.elements * special)


def _on_floats(count: Count) -> bool:
    return count.format.startswith(("f", "bf"))


def _flops(count: Count) -> float:
    """Floating-point operations that a user would count: a fused multiply-add is two, an exponential one."""
    if not _on_floats(count) or count.kind in ("convert", "compare", "logic"):
        return 0.0
    return count.elements * (2.0 if count.kind == "fma" else 1.0)


def _exchange(pricer: StepPricer, step: Step, cost: StepCost) -> None:
    """Inside warps by the V-core's exchange, between them through shared memory: once written, once read."""
    assert isinstance(step, Exchange)
    lsc, energy = pricer.chip.lsc, pricer.chip.energy
    if step.scope == "warp":
        rate = pricer.chip.vector.exchange_ops_per_clock * pricer.eus
        pricer.take(cost, layout.ENGINE_EXCHANGE, step.bytes / 4 / rate)
        cost.latency = step.rounds * lsc.shared_latency_cycles
        cost.energy_pj = step.bytes / 4 * energy.vector_pj_per_op
        return
    pricer.take(cost, layout.ENGINE_LSC, 2 * step.bytes / pricer.lsc_bytes_per_clock)
    cost.latency = (2 * lsc.shared_latency_cycles) * step.rounds
    cost.energy_pj = 2 * step.bytes * energy.lsc_pj_per_byte


def _barrier(pricer: StepPricer, step: Step, cost: StepCost) -> None:
    """The last warp's arrival must reach the others: one trip through the LSC; between blocks, a handover in memory."""
    assert isinstance(step, Barrier)
    if step.scope == "grid":
        cost.latency_ps = pricer.chip.sustained.handover_ps
    else:
        cost.latency = pricer.chip.lsc.shared_latency_cycles


_RULES: Mapping[type[Step], StepRule] = MappingProxyType(
    {Matrix: _matrix, Vector: _vector, Exchange: _exchange, Barrier: _barrier}
)


def price_steps(pricer: StepPricer, steps: Sequence[Step]) -> tuple[StepCost, ...]:
    """Every step's cost, in walking order.

    Beside products, a share of the vector work holds the matrix engine up: both take issue slots and register ports.
    """
    costs = tuple(pricer.price(step) for step in steps)
    if any(isinstance(step, Matrix) for step in steps):
        for step, cost in zip(steps, costs, strict=True):
            if isinstance(step, Vector):
                cost.busy[layout.ENGINE_MATRIX] += pricer.exposed * cost.busy[layout.ENGINE_VECTOR]
    return costs


@dataclass(frozen=True, kw_only=True)
class EngineTimes:
    """What steps take at one clock: int64[steps, engines] busy and own time, int64[steps] latency, picoseconds."""

    busy_ps: np.ndarray
    own_ps: np.ndarray
    latency_ps: np.ndarray


def at_clock(costs: Sequence[StepCost], core_hz: int) -> EngineTimes:
    """Costs at a core clock; times round up."""
    cycle_ps = 1e12 / core_hz
    engines = layout.ENGINE_COUNT
    busy = np.array([cost.busy for cost in costs]).reshape(-1, engines) * cycle_ps
    own = np.array([cost.own for cost in costs]).reshape(-1, engines) * cycle_ps
    latency = np.array([cost.latency * cycle_ps + cost.latency_ps for cost in costs])
    return EngineTimes(
        busy_ps=np.ceil(busy - 1e-6).astype(np.int64),
        own_ps=np.ceil(np.maximum(own, busy) - 1e-6).astype(np.int64),
        latency_ps=np.ceil(latency).astype(np.int64),
    )
