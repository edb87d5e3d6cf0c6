"""Benchmarks on the device's clock: launches that are priced and not run, for tuning and `triton.testing.do_bench`.

The simulated clock is deterministic, so one launch says all; every quantile is the same. Not here: events
(`interface`), the prices (`runtime`).
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from supa.runtime import Kernel, current_device

PS_PER_MS = 1_000_000_000


class Meter:
    """Stands in the place of a stream: launches on it are added up, not run. One thread at a time."""

    def __init__(self) -> None:
        self.time_ps = 0
        self.launches = 0

    def launch(self, kernel: Kernel, grid_x: int, grid_y: int, grid_z: int, slots: bytes) -> None:
        """Price one launch behind others, as events around it would see it."""
        prices = kernel.device.prices
        self.time_ps += prices.queued_ps(prices.of(kernel).predict(grid_x, grid_y, grid_z, slots))
        self.launches += 1


class _Current(threading.local):
    meter: Meter | None = None


_current = _Current()
DIVERSIONS: list[object] = []
"""Not empty while `current_meter` may be anything but None, on any thread: for launches, which ask the cheap way."""


def current_meter(number: int) -> Meter | None:
    """The meter that this thread's launches go to, None while they run; what Triton takes for the current stream."""
    return _current.meter


def launches_go_to(meter: Any) -> None:
    """From now on every thread's launches go to a meter of its own, or with None run, unless `metered` takes them."""
    if meter is not None:
        DIVERSIONS.append(_Current)
    _Current.meter = meter
    while meter is None and _Current in DIVERSIONS:
        DIVERSIONS.remove(_Current)


@contextmanager
def _taken_by(meter: Meter | None) -> Iterator[None]:
    own = vars(_current).get("meter", _current)  # itself: this thread has none of its own
    DIVERSIONS.append(_taken_by)
    _current.meter = meter
    try:
        yield
    finally:
        if own is _current:
            del _current.meter
        else:
            _current.meter = own
        DIVERSIONS.remove(_taken_by)


def running() -> AbstractContextManager[None]:
    """Within, this thread's launches run, whoever takes those of all threads."""
    return _taken_by(None)


def metered(call: Callable[[], Any]) -> Meter:
    """What `call` launches on this thread, priced and not run."""
    meter = Meter()
    with _taken_by(meter):
        call()
    return meter


def tuning_time(call: Callable[[], Any], quantiles: Sequence[float] | None = None, **_: Any) -> float | list[float]:
    """Milliseconds of the device for what `call` launches, once for each quantile: how `@triton.autotune` chooses."""
    return _summary(metered(call).time_ps / PS_PER_MS, quantiles, "mean")


def do_bench(
    fn: Callable[[], Any],
    warmup: float = 25,
    rep: float = 100,
    grad_to_none: Sequence[Any] | None = None,
    quantiles: Sequence[float] | None = None,
    return_mode: str = "mean",
) -> float | list[float]:
    """Milliseconds of the device for what `fn` launches, with the arguments and results of `triton.testing.do_bench`.

    `fn` runs once for its results and once to be priced; `warmup` and `rep` have no use here. A function that launches
    nothing on the device is timed on the host, with a warning.
    """
    if return_mode not in ("min", "max", "mean", "median", "all"):
        raise ValueError(f"return_mode must be min, max, mean, median or all, found {return_mode!r}")
    fn()
    for tensor in grad_to_none or ():
        tensor.grad = None
    device = current_device()
    begun_ps, start = device.synchronize(), time.perf_counter()
    meter = metered(fn)
    host_ms = (time.perf_counter() - start) * 1e3
    submitted_ps = device.synchronize() - begun_ps  # what came to the clock by itself: a framework's own operators
    if not meter.launches and not submitted_ps:
        warnings.warn("do_bench: nothing was launched on the device; this is the host's time", stacklevel=2)
        return _summary(host_ms, quantiles, return_mode)
    return _summary((meter.time_ps + submitted_ps) / PS_PER_MS, quantiles, return_mode)


def _summary(milliseconds: float, quantiles: Sequence[float] | None, return_mode: str) -> float | list[float]:
    if quantiles is not None:
        if any(not 0 <= quantile <= 1 for quantile in quantiles):
            raise ValueError("Quantiles must be in the range [0, 1]")
        return milliseconds if len(quantiles) == 1 else [milliseconds] * len(quantiles)
    return [milliseconds] if return_mode == "all" else milliseconds
