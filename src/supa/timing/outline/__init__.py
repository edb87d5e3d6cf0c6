"""The machine in outline: closed forms of the same parts, for searching schedules and pricing tables quickly.

Where `timing.machine` walks every block, this states what the walk amounts to for regular kernels: blocks per CU,
turns of a pipelined loop, the slowest engine, waves and their tail, traffic at each level, the power cap. It reads the
chip's figures and nothing else: no kernel's name, no chip's name, no table of shapes. Not here: irregular work.
"""

from supa.timing.outline.attention import Heads, attention
from supa.timing.outline.collective import COLLECTIVES, collective
from supa.timing.outline.estimate import Estimate
from supa.timing.outline.gemm import gemm
from supa.timing.outline.operations import Outline
from supa.timing.outline.rates import ELEMENT_BYTES, Rates, half_format, rates
from supa.timing.outline.rows import gated, norm, rotary, stream

__all__ = [
    "COLLECTIVES",
    "ELEMENT_BYTES",
    "Estimate",
    "Heads",
    "Outline",
    "Rates",
    "attention",
    "collective",
    "gated",
    "gemm",
    "half_format",
    "norm",
    "rates",
    "rotary",
    "stream",
]
