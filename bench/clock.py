"""The host's clock: medians of repeated calls, alone or side by side. Not the device's simulated time."""

import statistics
import time
from collections.abc import Callable


def seconds_of(call: Callable[[], object]) -> float:
    """The time of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def median_seconds(call: Callable[[], object], budget_seconds: float = 1.0, most: int = 200) -> float:
    """The median of at least three calls, after one that is not counted, within about budget_seconds."""
    call()
    times = [seconds_of(call) for _ in range(3)]
    while len(times) < most and sum(times) < budget_seconds:
        times.append(seconds_of(call))
    return statistics.median(times)


PAUSE_SECONDS = 0.02
BURST = 7


def side_by_side(calls: dict[str, Callable[[], object]], rounds: int = 21) -> dict[str, float]:
    """The median seconds of each call, taken in bursts in turns, so that a busy moment of the host falls on all.

    Between bursts is a pause: threads of one that spin for more work would take the other's cores. The first call of a
    burst is not counted.
    """
    for call in calls.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(max(1, rounds // BURST)):
        for name, call in calls.items():
            time.sleep(PAUSE_SECONDS)
            call()
            times[name].extend(seconds_of(call) for _ in range(BURST))
    return {name: statistics.median(taken) for name, taken in times.items()}
