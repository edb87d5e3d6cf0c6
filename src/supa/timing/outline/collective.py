"""Collectives inside one server: rings of links or a switch, three protocols, the best of them. Not here: networks.

Short messages go as words that carry their own flags, which costs most of the bandwidth and no waiting; medium ones as
lines of 128 bytes with a flag each; long ones in chunks behind a handshake. What a device keeps for itself it copies.
"""

from __future__ import annotations

from typing import Literal, get_args

from supa.timing.outline.estimate import Estimate
from supa.timing.outline.rates import Rates

Collective = Literal["all_reduce", "all_gather", "reduce_scatter", "alltoall"]
COLLECTIVES: tuple[str, ...] = get_args(Collective)

WORD_SHARE, LINE_SHARE = 0.07, 0.5  # of the long protocol's bandwidth
LINE_START = 0.25  # of a collective's start, that the medium protocol takes more
OWN_SHARE = 0.37  # of the links' time for a device's own part, which it copies while others travel
CHUNKS_S = 1.35e-6  # filling the pipeline of chunks, times the root of the megabytes
SWAP_START = 0.64  # of the long protocol's start, where every pair talks at once


def collective(rates: Rates, kind: Collective, devices: int, message_bytes: int) -> Estimate:
    """Time of one collective over `message_bytes`: of the whole result, or of what a device hands in to be reduced."""
    if kind not in COLLECTIVES:
        raise ValueError(f"unknown collective {kind!r}: expected one of {', '.join(COLLECTIVES)}")
    if devices < 2:
        return Estimate(time_s=rates.launch_s, energy_j=rates.static_w * rates.launch_s, bound_by="launch")
    passes = 2 if kind == "all_reduce" else 1
    hops = devices - 1 if kind == "alltoall" else passes * (devices - 1)
    carried = message_bytes * passes * (devices - 1) / devices
    links = carried / rates.link_bytes_per_s
    own = 0.0 if kind == "all_reduce" else message_bytes / devices * OWN_SHARE / rates.link_bytes_per_s
    handshake = rates.collective_bulk_s * (SWAP_START if kind == "alltoall" else 1.0)
    latency = hops * rates.link_latency_s
    ways = {
        "latency": latency + links / WORD_SHARE,
        "lines": rates.collective_start_s * LINE_START + 1.1 * latency + links / LINE_SHARE,
        "links": handshake + latency * (kind != "alltoall") + links + CHUNKS_S * (carried / 1e6) ** 0.5,
    }
    bound = min(ways, key=lambda name: ways[name])
    time = rates.collective_start_s + ways[bound] + own
    energy = devices * (carried * rates.link_j_per_byte + rates.static_w * time)
    return Estimate(time_s=time, energy_j=energy, bound_by="links" if links > time / 2 else "latency", schedule=bound)
