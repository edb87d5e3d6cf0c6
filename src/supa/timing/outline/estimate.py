"""Times of parallel resources joined to one, under the power cap. Not here: what loads the resources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from supa.timing import mechanisms
from supa.timing.outline.rates import Rates

SHARPNESS = 5.0  # of the corner where two resources are equally busy; infinity would be perfect overlap
Times = Any  # float or float64[...]; shapes broadcast


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The price of one operation: seconds, joules, what bounds it, and the schedule that was chosen."""

    time_s: float
    energy_j: float
    bound_by: str
    schedule: str = ""

    @property
    def time_us(self) -> float:
        """Microseconds."""
        return self.time_s * 1e6


def joined(*times: Times, sharpness: float = SHARPNESS) -> Times:
    """Time of resources that work at the same time: the longest, and more where several are nearly as long."""
    return sum(np.asarray(one) ** sharpness for one in times) ** (1 / sharpness)


def capped(rates: Rates, time: Times, core_share: Times, energy_j: Times) -> Times:
    """Time of a kernel under the board's cap.

    The core's clock falls until dynamic power, which follows clock ** (1 + voltage_exponent), fits under the cap as
    far as the governor sees it (`mechanisms.seen_share`); only the share of the time that follows the core's clock
    gets longer.
    """
    room_w = max(rates.cap_w - rates.static_w, 1e-3)
    seen = mechanisms.seen_share(time, rates.response_s)
    excess = np.maximum(energy_j * seen / np.maximum(time, 1e-12) / room_w, 1.0)
    return time * (1 + (excess ** (1 / (1 + rates.voltage_exponent)) - 1) * core_share)
