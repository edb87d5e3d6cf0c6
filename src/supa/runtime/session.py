"""The record of launches that reports are made of. Not here: printing it (`tools`).

A device writes into one session at a time. Host time is what the native run took, without Python's part.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from supa.runtime.native import Tally
from supa.runtime.prices import Prediction, Prices
from supa.runtime.watch import Watch


@dataclass(kw_only=True)
class Priced:
    """What a kernel's launches take on one machine. `flops_at_peak` are those it could have done in that time."""

    device_ps: int = 0
    energy_pj: float = 0
    flops: float = 0
    bytes: int = 0
    flops_at_peak: float = 0
    bound_ps: dict[str, int] = field(default_factory=dict)  # resource -> device time of the launches it bounds

    @property
    def bound_by(self) -> str:
        """The resource that bounds most of the device time; "" where nothing was predicted."""
        return max(sorted(self.bound_ps), key=lambda name: self.bound_ps[name], default="")

    def price(self, device_ps: int, prediction: Prediction, peak_flops: float) -> None:
        """Count one launch that took `device_ps` of its stream; the kernel's operations have this peak per second."""
        bound_by = prediction.bound_by
        self.device_ps += device_ps
        self.energy_pj += prediction.energy_pj
        self.flops += prediction.flops
        self.bytes += prediction.bytes
        self.flops_at_peak += device_ps * peak_flops / 1e12
        self.bound_ps[bound_by] = self.bound_ps.get(bound_by, 0) + device_ps


@dataclass(kw_only=True)
class KernelRecord(Priced):
    """All launches of the kernels of one name. `counted` are those that the core counts by itself."""

    name: str
    counted: Tally = field(default_factory=Tally, repr=False, compare=False)
    compared: dict[str, Priced] = field(default_factory=dict)  # by the other machine's name
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._launches, self._host_ns = 0, 0

    @property
    def launches(self) -> int:
        """How many there were."""
        return self._launches + int(self.counted.launches)

    @property
    def host_ns(self) -> int:
        """The host's time of all of them."""
        return self._host_ns + int(self.counted.host_ns)

    def count(self, host_ns: int, launches: int = 1) -> None:
        """Count launches of which nothing is predicted, by their time together."""
        with self.lock:
            self._launches += launches
            self._host_ns += host_ns

    def add(self, host_ns: int, device_ps: int, prediction: Prediction, peak_flops: float) -> None:
        """Count one launch that was predicted and took `device_ps` of its stream."""
        with self.lock:
            self._launches += 1
            self._host_ns += host_ns
            self.price(device_ps, prediction, peak_flops)

    def compare(self, machine: str, device_ps: int, prediction: Prediction, peak_flops: float) -> None:
        """Count the same launch on another machine."""
        with self.lock:
            self.compared.setdefault(machine, Priced()).price(device_ps, prediction, peak_flops)

    def row(self) -> dict[str, Any]:
        """The record under the names and units of the JSON report."""
        return {
            "name": self.name,
            "launches": self.launches,
            "host_us": self.host_ns / 1e3,
            "device_us": self.device_ps / 1e6,
            "energy_j": self.energy_pj / 1e12,
            "bound_by": self.bound_by,
            "flops": self.flops,
            "bytes": self.bytes,
        }


class Session:
    """Records by kernel name, in order of first launches. `compare`: machines on which every launch is priced too;
    `watch` keeps single launches as well.
    """

    def __init__(self, compare: Sequence[Prices] = (), watch: Watch | None = None) -> None:
        self.compare, self.watch = tuple(compare), watch
        self._records: dict[str, KernelRecord] = {}
        self._lock = threading.Lock()

    def record(self, name: str) -> KernelRecord:
        """The record of the kernels called `name`."""
        with self._lock:
            return self._records.setdefault(name, KernelRecord(name=name))

    @property
    def records(self) -> tuple[KernelRecord, ...]:
        """All records with at least one launch."""
        with self._lock:
            return tuple(record for record in self._records.values() if record.launches)

    def total(self) -> dict[str, Any]:
        """The sums over all kernels, under the JSON report's names."""
        rows = [record.row() for record in self.records]
        names = ("launches", "host_us", "device_us", "energy_j", "flops", "bytes")
        return {name: sum(row[name] for row in rows) for name in names}
