"""What the words of "bound by" and of the engines mean. Not here: how a bound is found (`timing`)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

BOUNDS: Mapping[str, str] = MappingProxyType(
    {
        "matrix": "the matrix engine (T-cores) is busy",
        "vector": "the vector lanes (V-cores) are busy",
        "special": "the special-function units (exp, log, sin, rsqrt, ...) are busy",
        "lsc": "shared memory and L1 (LSC) deliver operands at their full rate",
        "exchange": "exchanges between threads (reductions, transposes) take the time",
        "tensor_data": "the tensor data accelerator issues copies at its full rate",
        "hbm": "the device memory (HBM) is at its bandwidth",
        "l2": "the L2 slices are at their bandwidth",
        "noc": "the network between compute units and L2 is full",
        "fill": "lines arrive at the compute units at their full rate",
        "crossing": "traffic between the L2's partitions is at its limit",
        "die": "the link between the dies is full",
        "link": "the links between devices are full",
        "host_bus": "the bus to the host is full",
        "latency": "no resource is busy: blocks wait for memory, for results, or there are too few of them",
        "launch": "starting the kernel takes longer than running it",
        "power": "the power cap has lowered the clock",
    }
)
"""Resource -> what it means that it bounds a kernel."""


def explained(bounds: list[str]) -> list[str]:
    """One line for each word, in this table's order; a word that it does not have gets none."""
    return [f"{word}: {BOUNDS[word]}" for word in BOUNDS if word in bounds]
