"""Launches that the extension replays: by their number, what each costs on every machine of the session.

Not here: running them (`csrc/replay.h`), when they are put on the clock (`traffic`).
"""

from __future__ import annotations

from dataclasses import dataclass

from supa.runtime import Device, Kernel, Prediction, Watch
from supa.runtime.prices import KernelPrices
from supa.runtime.stream import COMPUTE, Stream


@dataclass(frozen=True, kw_only=True)
class PricedLaunch:
    """A launch of a recipe: the kernel, kept alive for the extension, and its predictions (none in mode execute)."""

    kernel: Kernel
    grid: tuple[int, int, int]
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
        PricedLaunch(
            kernel=kernel, grid=shape, prediction=prediction, queued_ps=queued_ps, peak_flops=peak, others=others
        )
    )
    return len(_launches) - 1


def submit(number: int, count: int, host_ns: int, stream: Stream, asked_by: int = 0) -> None:
    """Put `count` repetitions of a launch, one after the other, on a stream and into the record and the watch."""
    launch = _launches[number]
    device, name = launch.kernel.device, launch.kernel.program.name
    record = device.session.record(name)
    prediction = launch.prediction
    if prediction is None:
        start_ps, end_ps, _ = stream.submit(host_ns * 1000)
        record.count(host_ns, count)
        if device.session.watch is not None:
            watched(device, stream, name, (start_ps, end_ps), COMPUTE, asked_by, launch.grid)
        return
    for repetition in range(count):
        start_ps, end_ps, _ = stream.submit(prediction.time_ps, queued_ps=launch.queued_ps)
        record.add(host_ns if repetition == 0 else 0, end_ps - start_ps, prediction, launch.peak_flops)
        for machine, prices, other in launch.others:
            record.compare(machine, other.time_ps, other, float(prices.peak_flops))
        if device.session.watch is not None:
            watched(device, stream, name, (start_ps, end_ps), COMPUTE, asked_by, launch.grid, prediction)
            _predicted(device.session.watch, launch, end_ps - start_ps)


def watched(
    device: Device,
    stream: Stream,
    name: str,
    span_ps: tuple[int, int],
    engine: str,
    asked_by: int = 0,
    grid: tuple[int, int, int] = (0, 0, 0),
    prediction: Prediction | None = None,
) -> None:
    """Show one operation to whoever watches the session; there is someone."""
    watch = device.session.watch
    assert watch is not None
    watch.operation(
        name,
        stream,
        engine,
        span_ps,
        card=device.index,
        allocated_bytes=device.allocated_bytes,
        grid=grid,
        prediction=prediction,
        asked_by=asked_by,
    )


def _predicted(watch: Watch, launch: PricedLaunch, device_ps: int) -> None:
    name = launch.kernel.program.name
    assert launch.prediction is not None
    watch.predicted(name, launch.kernel.device.description.name, device_ps, launch.prediction)
    for machine, _, other in launch.others:
        watch.predicted(name, machine, other.time_ps, other)
