"""What launches cost on a described machine, predicted once and kept. Not here: the model that predicts (`timing`).

A prediction is found in three steps, each slower and more general: the very same launch; the same launch with its
tensors elsewhere; the same work stream (for kernels whose work depends on what memory holds, this is the only one).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from supa.arch import Device as Description
from supa.program.program import Program
from supa.runtime.peaks import peak_flops
from supa.runtime.placement import neutral_slots, pointer_indices, reads_memory

if TYPE_CHECKING:
    from supa.runtime.kernel import Kernel

_MAX_LAUNCHES = 4096  # exact launches kept for each kernel; loops repeat few


class Prediction(Protocol):
    """What `timing` says of one launch from an idle stream: time, the launch's own cost in it, energy, the resource
    that bounds it, operations, bytes moved.
    """

    @property
    def time_ps(self) -> int: ...  # noqa: D102
    @property
    def launch_ps(self) -> int: ...  # noqa: D102
    @property
    def energy_pj(self) -> float: ...  # noqa: D102
    @property
    def bound_by(self) -> str: ...  # noqa: D102
    @property
    def flops(self) -> float: ...  # noqa: D102
    @property
    def bytes(self) -> int: ...  # noqa: D102


class Pricer(Protocol):
    """Predicts one launch of `program` with `grid` and the work `stream` of all its blocks, in order."""

    def __call__(  # noqa: D102
        self, device: Description, program: Program, grid: tuple[int, int, int], stream: NDArray[np.int64]
    ) -> Prediction: ...


class Prices:
    """Predictions for one described machine. Any number of machines may price the same launches."""

    def __init__(self, description: Description, pricer: Pricer | None = None) -> None:
        self.description = description
        self._pricer = pricer
        self._kernels: dict[int, KernelPrices] = {}
        self._neutral: dict[tuple[object, ...], dict[tuple[int, int, int, bytes], Prediction]] = {}

    def twin(self) -> Prices:
        """Prices for another device of the same description: what one has predicted, the other knows."""
        other = Prices(self.description, self._pricer)
        other._neutral = self._neutral
        return other

    def neutral(self, program: Program) -> dict[tuple[int, int, int, bytes], Prediction]:
        """Predictions of equal programs, wherever their tensors lie."""
        return self._neutral.setdefault(program.content, {})

    @property
    def pricer(self) -> Pricer:
        """The timing plane, imported when first asked for: who only executes never loads it."""
        if self._pricer is None:
            from supa.timing import fitted, price

            self._pricer = lambda device, program, grid, stream: price(
                device, *fitted(program.work, program.resources, device), grid, stream
            )
        return self._pricer

    def queued_ps(self, prediction: Prediction) -> int:
        """What the launch takes behind another one: the chip's gap between kernels in place of the launch's cost."""
        return prediction.time_ps - prediction.launch_ps + self.description.chip.launch.gap_ps

    def of(self, kernel: Kernel) -> KernelPrices:
        """The predictions of one kernel."""
        known = self._kernels.get(id(kernel))
        if known is None:
            known = self._kernels[id(kernel)] = KernelPrices(self, kernel)
        return known


class KernelPrices:
    """The predictions of one kernel on one machine."""

    def __init__(self, prices: Prices, kernel: Kernel) -> None:
        self._prices, self._kernel = prices, kernel  # the kernel is kept alive: its identity is a key
        self.peak_flops = peak_flops(prices.description, kernel.program.work)
        self._reads_memory = reads_memory(kernel.program)
        self._pointers = pointer_indices(kernel.program)
        self._exact: dict[tuple[int, int, int, bytes], Prediction] = {}
        self._neutral = prices.neutral(kernel.program)

    def predict(self, grid_x: int, grid_y: int, grid_z: int, slots: bytes) -> Prediction:
        """The prediction for one launch. Raises what the work entry or the pricer raise."""
        found = self._exact.get((grid_x, grid_y, grid_z, slots))
        if found is not None:
            return found
        if self._reads_memory:
            return self._by_stream(grid_x, grid_y, grid_z, slots)
        neutral = (grid_x, grid_y, grid_z, neutral_slots(slots, self._pointers))
        found = self._neutral.get(neutral)
        if found is None:
            found = self._neutral[neutral] = self._price((grid_x, grid_y, grid_z), self._kernel.work_stream(*neutral))
        if len(self._exact) >= _MAX_LAUNCHES:
            self._exact.clear()
        self._exact[grid_x, grid_y, grid_z, slots] = found
        return found

    def _by_stream(self, grid_x: int, grid_y: int, grid_z: int, slots: bytes) -> Prediction:
        stream = self._kernel.work_stream(grid_x, grid_y, grid_z, slots)
        key = (grid_x, grid_y, grid_z, hashlib.blake2b(stream.data, digest_size=16).digest())
        found = self._neutral.get(key)
        if found is None:
            found = self._neutral[key] = self._price((grid_x, grid_y, grid_z), stream)
        return found

    def _price(self, grid: tuple[int, int, int], stream: NDArray[np.int64]) -> Prediction:
        return self._prices.pricer(self._prices.description, self._kernel.program, grid, stream)
