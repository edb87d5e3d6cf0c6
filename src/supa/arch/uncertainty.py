"""How far predictions for a chip may be off, by what bounds a kernel. Not here: how it is found (docs/calibration).

Shares of the predicted time: where hardware was measured, the errors of nine kernels in ten; where figures are assumed,
what a factor of the root of two on each assumption amounts to.
"""

from __future__ import annotations

from dataclasses import dataclass

from supa.arch.leaf import leaf


@dataclass(frozen=True, kw_only=True)
class Uncertainty:
    """Faster and slower than predicted."""

    engines_faster: float = leaf(doc="bound by a CU's engines or by power", zero=True, at_most=1)
    engines_slower: float = leaf(doc="bound by a CU's engines or by power", zero=True)
    on_chip_faster: float = leaf(doc="bound by L2, NoC, crossings or the bridge between dies", zero=True, at_most=1)
    on_chip_slower: float = leaf(doc="bound by L2, NoC, crossings or the bridge between dies", zero=True)
    hbm_faster: float = leaf(doc="bound by the HBM", zero=True, at_most=1)
    hbm_slower: float = leaf(doc="bound by the HBM", zero=True)
    latency_faster: float = leaf(doc="bound by latencies or the launch", zero=True, at_most=1)
    latency_slower: float = leaf(doc="bound by latencies or the launch", zero=True)
    links_faster: float = leaf(doc="bound by links or the host bus", zero=True, at_most=1)
    links_slower: float = leaf(doc="bound by links or the host bus", zero=True)
