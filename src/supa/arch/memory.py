"""The memories of a chip and what joins them: LSC, shared memory, L2, NoC, die-to-die, HBM. Not here: links, host bus.

On-chip latencies are in cycles of the clock named in `control.Clocks`; off-chip ones in picoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from supa.arch.leaf import leaf


@dataclass(frozen=True, kw_only=True)
class Lsc:
    """Load-store cache: the first level, which also holds shared memory on most chips."""

    eu_count: int = leaf(doc="EUs that one LSC serves; a larger CU has several")
    capacity_bytes: int = leaf("B", "data of one LSC, the shared memory carved out of it included")
    shared_capacity_bytes: int = leaf("B", "shared memory that one LSC can give to its blocks")
    shared_per_block_bytes: int = leaf("B", "shared memory one block may use")
    shared_reserved_bytes: int = leaf("B", "shared memory that the system takes from every block", zero=True)
    shared_in_lsc: bool = leaf(doc="shared memory is carved out of the LSC's capacity")
    line_bytes: int = leaf("B", "cache line")
    bandwidth_bytes_per_clock: int = leaf("B/clk", "loads that hit one LSC, or shared memory")
    fill_bandwidth_bytes_per_clock: int = leaf("B/clk", "from L2 into one LSC")
    write_bandwidth_bytes_per_clock: int = leaf("B/clk", "from one LSC to L2 (write-through)")
    latency_cycles: int = leaf("cycles", "a load that hits")
    shared_latency_cycles: int = leaf("cycles", "a load from shared memory")
    outstanding_lines: int = leaf(doc="misses one LSC has under way")


@dataclass(frozen=True, kw_only=True)
class L2:
    """The last-level cache: figures are of the whole chip unless they say slice. Clocked by `clocks.l2_hz`."""

    capacity_bytes: int = leaf("B", "all slices together")
    slice_count: int = leaf(doc="slices of the whole chip")
    ways: int = leaf(doc="associativity")
    line_bytes: int = leaf("B", "cache line")
    sector_bytes: int = leaf("B", "the part of a line that is fetched alone")
    slice_bandwidth_bytes_per_clock: int = leaf("B/clk", "reads of one slice")
    slice_write_bandwidth_bytes_per_clock: int = leaf("B/clk", "writes of one slice")
    latency_cycles: int = leaf("cycles", "a load that misses the LSC and hits the near partition, all the way")
    partition_count: int = leaf(doc="parts between which a crossing costs extra")
    crossing_latency_cycles: int = leaf("cycles", "added to a hit in a far partition of the same die", zero=True)
    crossing_bandwidth_bytes_per_clock: int = leaf(
        "B/clk", "between a die's partitions, each way; 0: no limit", zero=True
    )
    replicates: bool = leaf(doc="a line read from a far partition is also kept in the near one")
    slice_atomics_ops_per_clock: int = leaf("op/clk", "32-bit atomics one slice finishes on distinct addresses")
    atomic_same_address_cycles: int = leaf("cycles", "between two atomics on one address")


@dataclass(frozen=True, kw_only=True)
class NearMemory:
    """Reductions computed at the memory side."""

    present: bool = leaf(doc="the chip has it")
    slice_reductions_ops_per_clock: int = leaf("op/clk", "32-bit elements one L2 slice reduces", zero=True)


@dataclass(frozen=True, kw_only=True)
class Noc:
    """The network on a die between SPCs and L2."""

    topology: str = leaf(doc="shape", choices=("mesh", "crossbar"))
    width: int = leaf(doc="columns of one die's mesh (as many rows as its SPCs fill); 1 for a crossbar")
    spc_bandwidth_bytes_per_clock: int = leaf("B/clk", "into one SPC, and the same out of it")
    hop_latency_cycles: int = leaf("cycles", "one hop of a mesh", zero=True)
    multicast: bool = leaf(doc="one read can feed several SPCs")


@dataclass(frozen=True, kw_only=True)
class DieToDie:
    """The bridge between the dies of a package; zeros on a chip of one die."""

    bandwidth_bytes_per_s: int = leaf("B/s", "each way", zero=True)
    latency_ps: int = leaf("ps", "added to an access that crosses", zero=True)


@dataclass(frozen=True, kw_only=True)
class Hbm:
    """The stacked memory: figures are of the whole chip."""

    stack_count: int = leaf(doc="stacks")
    bus_bits: int = leaf("bit", "width of all stacks together")
    channel_count: int = leaf(doc="channels that work independently (pseudo channels)")
    capacity_bytes: int = leaf("B", "all stacks")
    bandwidth_bytes_per_s: int = leaf("B/s", "printed peak of all stacks")
    peak_efficiency: float = leaf(doc="share of the peak that long reads in order reach", at_most=1)
    latency_ps: int = leaf("ps", "added to an L2 miss")
    turnaround_ps: int = leaf("ps", "a channel's switch from reads to writes or back", zero=True)
    page_bytes: int = leaf("B", "open row of one channel")
    row_miss_ps: int = leaf("ps", "a bank's time to change its open row", zero=True)
    bank_count: int = leaf(doc="banks of a channel that open rows side by side")
    write_batch_bytes: int = leaf("B", "what a channel gathers before it turns to writes and back")
    access_bytes: int = leaf("B", "smallest transfer")
