"""Which program touched which byte, and whether atomics ordered it: the oracle's race detector for one launch.

Programs have no order but the one that atomics give: an acquire sees what the releases of its address had seen. Each
program counts its releases (its epoch); an access of program q at epoch e is ordered before p if p has seen q's e.
Of the readers of a byte only the last two programs are kept: a race may be missed, none is reported falsely.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from supa.ir.oracle.memory import Region

_FIELDS = np.dtype(
    [("writer", "i4"), ("write_epoch", "i4"), ("atomic", "?"), ("reader", "i4"), ("read_epoch", "i4"),
     ("reader2", "i4"), ("read_epoch2", "i4")]
)  # fmt: skip
Clock = dict[int, int]


class RaceDetector:
    """Shadow of every touched region, and what each program has seen of the others."""

    def __init__(self) -> None:
        self._shadows: dict[Region, NDArray[Any]] = {}
        self._seen: dict[int, Clock] = {}
        self._epochs: dict[int, int] = {}
        self._released: dict[int, Clock] = {}

    def read(self, program: int, region: Region, offsets: NDArray[np.int64], *, atomic: bool) -> tuple[int, int] | None:
        """Note a read of bytes; (position in offsets, other program) of the first race, or None."""
        shadow = self._shadow(region)[offsets]
        race = self._conflict(program, shadow["writer"], shadow["write_epoch"], skip=shadow["atomic"] & atomic)
        if not atomic:
            self._note_reader(program, region, offsets, shadow)
        return race

    def write(
        self,
        program: int,
        region: Region,
        offsets: NDArray[np.int64],
        *,
        atomic: bool,
        benign: NDArray[np.bool_] | None = None,
    ) -> tuple[int, int] | None:
        """Note a write; `benign` marks bytes that keep their value and race with readers and writers of no other."""
        whole = self._shadow(region)
        shadow = whole[offsets]
        skip = shadow["atomic"] & atomic
        if benign is not None:
            skip = skip | benign
        race = self._conflict(program, shadow["writer"], shadow["write_epoch"], skip=skip)
        for reader, epoch in (("reader", "read_epoch"), ("reader2", "read_epoch2")):
            none = np.zeros(offsets.shape, np.bool_) if benign is None else benign
            race = race or self._conflict(program, shadow[reader], shadow[epoch], skip=none)
        whole["writer"][offsets] = program
        whole["write_epoch"][offsets] = self._epoch(program)
        whole["atomic"][offsets] = atomic
        return race

    def acquire(self, program: int, address: int) -> None:
        """The program sees what releases of the address had seen."""
        released = self._released.get(address)
        if released:
            seen = self._seen.setdefault(program, {})
            for other, epoch in released.items():
                seen[other] = max(epoch, seen.get(other, 0))

    def release(self, program: int, addresses: list[int]) -> None:
        """What the program did and saw so far is published at the addresses."""
        clock = {**self._seen.get(program, {}), program: self._epoch(program)}
        for address in addresses:
            before = self._released.get(address)
            if before:
                merged = dict(before)
                for other, epoch in clock.items():
                    merged[other] = max(epoch, merged.get(other, 0))
                self._released[address] = merged
            else:
                self._released[address] = clock
        self._epochs[program] = self._epoch(program) + 1

    def _epoch(self, program: int) -> int:
        return self._epochs.get(program, 1)

    def _shadow(self, region: Region) -> NDArray[Any]:
        if region not in self._shadows:
            shadow = np.zeros(region.data.size, _FIELDS)
            for name in ("writer", "reader", "reader2"):
                shadow[name] = -1
            self._shadows[region] = shadow
        return self._shadows[region]

    def _conflict(
        self, program: int, others: NDArray[np.int32], epochs: NDArray[np.int32], skip: NDArray[np.bool_]
    ) -> tuple[int, int] | None:
        candidates = (others >= 0) & (others != program) & ~skip
        if not candidates.any():
            return None
        seen = self._seen.get(program, {})
        for other in np.unique(others[candidates]):
            racing = candidates & (others == other) & (epochs > seen.get(int(other), 0))
            if racing.any():
                return int(np.argmax(racing)), int(other)
        return None

    def _note_reader(self, program: int, region: Region, offsets: NDArray[np.int64], shadow: NDArray[Any]) -> None:
        whole = self._shadows[region]
        moved = (shadow["reader"] >= 0) & (shadow["reader"] != program)
        whole["reader2"][offsets[moved]] = shadow["reader"][moved]
        whole["read_epoch2"][offsets[moved]] = shadow["read_epoch"][moved]
        whole["reader"][offsets] = program
        whole["read_epoch"][offsets] = self._epoch(program)
