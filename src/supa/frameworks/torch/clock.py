"""Streams and events of torch as those of the devices' clocks, by number: what the extension calls back for.

Not here: `torch.supa.Stream` (`module`), the clock itself (`runtime.stream`).
"""

from __future__ import annotations

import atexit
import ctypes
import itertools
import math
from typing import Any

from supa.frameworks.torch import ending
from supa.frameworks.torch.extension import CALLBACKS, ClockCalls
from supa.frameworks.torch.profiling import Profiling
from supa.frameworks.torch.traffic import Traffic, between_cards
from supa.runtime import Device, Event, Stream, set_current_device


class TorchClock:
    """The streams of every device and all events, by the numbers that torch's objects carry. 0: default stream."""

    def __init__(self, devices: tuple[Device, ...], library: Any) -> None:
        self.devices = devices
        self._streams: list[dict[int, Stream]] = [{0: device.default_stream} for device in devices]
        self._events: dict[int, Event] = {}
        self._numbers = itertools.count(1)
        self._library = library
        self._profiling = Profiling(devices, library)
        for index, device in enumerate(devices):
            device.clock.settle = Traffic(index, device, library, self._streams[index].__getitem__).settle
        self._calls = ClockCalls(*(kind(getattr(self, name)) for name, kind in CALLBACKS.items()))
        library.supa_torch_clock(ctypes.byref(self._calls))
        atexit.register(library.supa_torch_clock, None)
        ending.install(len(devices))  # what is registered last happens first

    def stream(self, device: int, number: int) -> Stream:
        """The clock's stream of a number."""
        return self._streams[device][number]

    def new_stream(self, device: int, priority: int) -> int:
        """A fresh stream's number."""
        number = next(self._numbers)
        self._streams[device][number] = self.devices[device].stream(f"stream {number}")
        return number

    def new_event(self, device: int) -> int:
        """A fresh event's number."""
        number = next(self._numbers)
        self._events[number] = Event()
        return number

    def forget_event(self, event: int) -> None:
        """The event's owner is gone."""
        self._events.pop(event, None)

    def record(self, device: int, stream: int, event: int) -> None:
        """Mark the stream's present end."""
        self._streams[device][stream].record(self._events[event])

    def wait(self, device: int, stream: int, event: int) -> None:
        """What follows in the stream begins after the event, which may be another card's."""
        self._streams[device][stream].wait(self._events[event])

    def event_passed(self, event: int) -> int:
        """Whether the host's time is past the event."""
        return int(self._events[event].query())

    def await_event(self, event: int) -> None:
        """The host waits."""
        self._events[event].synchronize()

    def elapsed_ms(self, start: int, end: int) -> float:
        """Milliseconds of the device's clock; NaN where there is no such time."""
        first, last = self._events[start], self._events[end]
        if first.time_ps is None or last.time_ps is None or first.clock is not last.clock:
            return math.nan
        return first.elapsed_time(last)

    def stream_passed(self, device: int, stream: int) -> int:
        """Whether everything in the stream has ended by the host's time."""
        return int(self._streams[device][stream].query())

    def await_stream(self, device: int, stream: int) -> None:
        """The host waits for a stream."""
        self._streams[device][stream].synchronize()

    def await_device(self, device: int) -> None:
        """The host waits for all streams of a device."""
        self.devices[device].synchronize()

    def chosen(self, device: int, stream: int) -> None:
        """The calling thread chose a device or a stream: launches of the runtime follow it."""
        set_current_device(self.devices[device])
        self.devices[device].choose(self._streams[device][stream] if stream else None)

    def profile(self, begins: int) -> None:
        """A recording of the profiler begins, or ends."""
        (self._profiling.start if begins else self._profiling.stop)()

    def peer(self, source: int, source_stream: int, target: int, target_stream: int, moved: int, host_ns: int) -> None:
        """A copy between two cards: after what either stream holds, and before what follows in either."""
        ours, theirs = self._streams[source][source_stream], self._streams[target][target_stream]
        ours.wait(theirs.record())
        between_cards(self.devices[source], ours, moved, host_ns)
        theirs.wait(ours.record())
