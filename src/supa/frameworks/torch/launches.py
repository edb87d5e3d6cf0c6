"""Launches that the extension replays: by their number, what each costs on every machine of the session.

Not here: running them (`csrc/replay.h`), when they are put on the clock (`traffic`).
"""

from __future__ import annotations

from dataclasses import dataclass

from supa.runtime import Kernel, Prediction
from supa.runtime.prices import KernelPrices
from supa.runtime.stream import Stream


@dataclass(frozen=True, kw_only=True)
class PricedLaunch:
    """A launch of a recipe: the kernel, kept alive for the extension, and its predictions (none in mode execute)."""

    kernel: Kernel
    prediction: Prediction | None
    queued_ps: int
    peak_flops: float
    others: tuple[tuple[str, KernelPrices, Prediction], ...]


_launches: list[PricedLaunch] = []


def enter(kernel: Kernel, grid: tuple[int, ...], slots: bytes) -> int:
    """The number of a launch that just ran, priced for its repetitions."""
    device = kernel.device
    shape = grid[0], grid[1], grid[2]
    prediction, peak, queued_ps = None, 0.0, 0
    if device.mode != "execute":
        own = device.prices.of(kernel)
        prediction, peak = own.predict(*shape, slots), float(own.peak_flops)
        queued_ps = device.prices.queued_ps(prediction)
    machines = [(one.description.name, one.of(kernel)) for one in device.session.compare]
    others = tuple((name, prices, prices.predict(*shape, slots)) for name, prices in machines)
    _launches.append(
        PricedLaunch(kernel=kernel, prediction=prediction, queued_ps=queued_ps, peak_flops=peak, others=others)
    )
    return len(_launches) - 1


def submit(number: int, count: int, host_ns: int, stream: Stream) -> None:
    """Put `count` repetitions of a launch, one after the other, on a stream and into the record."""
    launch = _launches[number]
    record = launch.kernel.device.session.record(launch.kernel.program.name)
    prediction = launch.prediction
    if prediction is None:
        stream.submit(host_ns * 1000)
        with record.lock:
            record.launches += count
            record.host_ns += host_ns
        return
    for repetition in range(count):
        start_ps, end_ps, _ = stream.submit(prediction.time_ps, queued_ps=launch.queued_ps)
        record.add(host_ns if repetition == 0 else 0, end_ps - start_ps, prediction, launch.peak_flops)
        for name, prices, other in launch.others:
            record.compare(name, other.time_ps, other, float(prices.peak_flops))
