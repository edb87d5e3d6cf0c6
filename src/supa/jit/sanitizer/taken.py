"""Host memory whose address the program asked for: what a table of pointers may lead to. Not here: torch, launches.

The memory of a tensor that the program has dropped is kept for a while, so that no other tensor gets it and a kernel
that still uses it is found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from supa.runtime.checked import Extent

NAME = "a host tensor whose address was taken"
MOST_FREED_BYTES = 64 << 20
MOST_FREED = 1024


class Storage(Protocol):
    """A tensor's memory."""

    def data_ptr(self) -> int:
        """Its address."""

    def nbytes(self) -> int:
        """Its size."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """One storage. `shape` and `type` are of the first tensor that was seen on it, if that covers all of it."""

    storage: Storage
    type: str
    element_bytes: int
    shape: tuple[int, ...] | None

    def extent(self, freed: bool) -> Extent:
        """The whole storage."""
        return Extent(
            argument=NAME,
            base=self.storage.data_ptr(),
            bytes=self.storage.nbytes(),
            type=self.type,
            element_bytes=self.element_bytes,
            shape=self.shape,
            freed=freed,
        )


class TakenTensors:
    """Holds storages; `uses` counts the holders of one, this object among them."""

    def __init__(self, uses: Callable[[Storage], int]) -> None:
        self._uses = uses
        self._taken: dict[int, Taken] = {}

    def add(self, taken: Taken) -> None:
        """Remember a storage; one that has been remembered stays as it is."""
        self._taken.setdefault(taken.storage.data_ptr(), taken)
        if len(self._taken) % MOST_FREED == 0:
            self._forget_oldest()

    def extents(self) -> list[Extent]:
        """All of them, those that the program has dropped as freed."""
        self._forget_oldest()
        return [taken.extent(self._is_dropped(taken)) for taken in self._taken.values() if taken.storage.nbytes()]

    def _is_dropped(self, taken: Taken) -> bool:
        return self._uses(taken.storage) == 1

    def _forget_oldest(self) -> None:
        dropped = [key for key, taken in self._taken.items() if self._is_dropped(taken)]
        count, size = len(dropped), sum(self._taken[key].storage.nbytes() for key in dropped)
        for key in dropped:
            if size <= MOST_FREED_BYTES and count <= MOST_FREED:
                return
            count, size = count - 1, size - self._taken.pop(key).storage.nbytes()
