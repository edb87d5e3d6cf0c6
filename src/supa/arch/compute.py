"""The computing parts of a chip: dies, SPCs, CUs, EUs, T-cores, V-core lanes, warps. Not here: memories, clocks, power.

A CU is the unit that receives thread blocks. On other makers' chips an SPC is their processor cluster, a CU their
multiprocessor and an EU one of its partitions.
"""

from __future__ import annotations

from dataclasses import dataclass

from supa.arch.leaf import leaf


@dataclass(frozen=True, kw_only=True)
class Die:
    """The silicon: how many dies, and what is on each."""

    count: int = leaf(doc="dies in the package")
    spc_count: int = leaf(doc="SPCs on one die")
    disabled_eu_count: int = leaf(doc="EUs of one die that are switched off", zero=True)
    area_mm2: int = leaf("mm2", "area of one die")
    transistor_count: int = leaf(doc="transistors of one die")


@dataclass(frozen=True, kw_only=True)
class Spc:
    """A processing cluster."""

    eu_count: int = leaf(doc="EUs of one SPC, working or not")


@dataclass(frozen=True, kw_only=True)
class Cu:
    """A compute unit: some EUs of an SPC that run one thread block together."""

    eu_count: int = leaf(doc="EUs of one CU")
    eu_choices: tuple[int, ...] = leaf(doc="EUs of a CU that software may choose")
    max_blocks: int = leaf(doc="thread blocks resident on one CU")
    max_threads_per_block: int = leaf(doc="threads of one block")


@dataclass(frozen=True, kw_only=True)
class Eu:
    """An execution unit: lanes, a matrix engine, registers, resident warps."""

    lane_count: int = leaf(doc="V-core lanes of one EU")
    tcore_count: int = leaf(doc="T-cores of one EU")
    registers_bytes: int = leaf("B", "register file of one EU")
    register_granule_bytes: int = leaf("B", "a warp's registers are given out in steps of this")
    max_registers_per_thread: int = leaf(doc="32-bit registers one thread may use")
    register_bandwidth_bytes_per_clock: int = leaf("B/clk", "operand bytes one EU reads from its registers")
    max_warps: int = leaf(doc="warps resident on one EU")
    issue_ops_per_clock: int = leaf("op/clk", "warp instructions one EU starts")


@dataclass(frozen=True, kw_only=True)
class Warp:
    """Threads that step together."""

    size: int = leaf(doc="threads of a warp")


@dataclass(frozen=True, kw_only=True)
class Tcore:
    """The matrix engine: multiply-accumulates per clock of one T-core by format, 0 where it lacks the format."""

    fp64_mac_per_clock: int = leaf("MAC/clk", "fp64 on one T-core", zero=True)
    fp32_mac_per_clock: int = leaf("MAC/clk", "fp32 on one T-core", zero=True)
    tf32_mac_per_clock: int = leaf("MAC/clk", "tf32 (or TF32+) on one T-core", zero=True)
    bf16_mac_per_clock: int = leaf("MAC/clk", "bf16 on one T-core", zero=True)
    fp16_mac_per_clock: int = leaf("MAC/clk", "fp16 on one T-core", zero=True)
    fp8_mac_per_clock: int = leaf("MAC/clk", "fp8 (e4m3, e5m2) on one T-core", zero=True)
    int8_mac_per_clock: int = leaf("MAC/clk", "int8 on one T-core", zero=True)
    step_m: int = leaf(doc="rows of the smallest matrix step; smaller tiles waste the rest")
    step_n: int = leaf(doc="columns of the smallest matrix step")
    step_k_bytes: int = leaf("B", "depth of the smallest matrix step, in bytes of an operand's row")
    latency_cycles: int = leaf("cycles", "from a step's start to its result")
    reads_shared_memory: bool = leaf(doc="operands come straight from shared memory, not through registers")

    def mac_per_clock(self, tensor_format: str) -> int:
        """Multiply-accumulates per clock of one T-core; 0 where it lacks the format; `KeyError` for an unknown one."""
        if tensor_format not in TENSOR_FORMATS:
            raise KeyError(f"unknown tensor format {tensor_format!r}: expected one of {', '.join(TENSOR_FORMATS)}")
        rate: int = getattr(self, f"{tensor_format}_mac_per_clock")
        return rate


@dataclass(frozen=True, kw_only=True)
class Vector:
    """The V-core: operations per clock of one EU by class, one per element; a fused multiply-add is one operation."""

    fp64_ops_per_clock: int = leaf("op/clk", "fp64 add, multiply, fused multiply-add", zero=True)
    fp32_ops_per_clock: int = leaf("op/clk", "fp32 add, multiply, fused multiply-add, compare, select")
    fp16_ops_per_clock: int = leaf("op/clk", "fp16 and bf16 arithmetic")
    int32_ops_per_clock: int = leaf("op/clk", "32-bit integer arithmetic, logic, compare, address arithmetic")
    int16_ops_per_clock: int = leaf("op/clk", "16-bit and narrower integer arithmetic")
    special_ops_per_clock: int = leaf("op/clk", "special functions: exp2, log2, rcp, rsqrt, sin, cos, tanh")
    convert_ops_per_clock: int = leaf("op/clk", "conversions between element types")
    exchange_ops_per_clock: int = leaf("op/clk", "elements exchanged within a warp")
    latency_cycles: int = leaf("cycles", "from a vector operation to one that depends on it")
    special_latency_cycles: int = leaf("cycles", "from a special function to an operation that depends on it")

    def ops_per_clock(self, vector_class: str) -> int:
        """Operations per clock of one EU; `KeyError` for an unknown class."""
        if vector_class not in VECTOR_CLASSES:
            raise KeyError(f"unknown vector class {vector_class!r}: expected one of {', '.join(VECTOR_CLASSES)}")
        rate: int = getattr(self, f"{vector_class}_ops_per_clock")
        return rate


TENSOR_FORMATS = ("fp64", "fp32", "tf32", "bf16", "fp16", "fp8", "int8")
"""The matrix engine's formats, on every chip under the same names (`tf32` is TF32+ on a BR chip)."""

VECTOR_CLASSES = ("fp64", "fp32", "fp16", "int32", "int16", "special", "convert", "exchange")
"""The V-core's classes of operations."""
