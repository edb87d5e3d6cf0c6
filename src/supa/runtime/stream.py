"""Streams and events on a device's simulated clock, in integer picoseconds. Not here: how long things take.

The device's clock starts at 0. An operation begins when its stream's earlier operations have ended, when the engine it
needs is free, and not before the host knew it wanted it. Engines do one operation at a time, so that two streams
never get twice the device. The host submits in no time; waiting for the device brings its clock up to the device's.
An operation submitted while others are under way may cost less than one that finds the device idle.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from supa.base.errors import DeviceError
from supa.runtime.native import Tally

COMPUTE = "compute"
COPY_TO_DEVICE = "copy to device"
COPY_FROM_DEVICE = "copy from device"
LINK = "link to another card"
PS_PER_MS = 1_000_000_000
_PS_PER_NS = 1000


class HostTime:
    """The time of the host that drives one device, or all cards of a machine, in picoseconds."""

    __slots__ = ("ps",)

    def __init__(self) -> None:
        self.ps = 0


class Clock:
    """The time of one device: of the host that drives it, and when each engine is free."""

    def __init__(self, host: HostTime | None = None) -> None:
        self.host = HostTime() if host is None else host
        self.lock = threading.Lock()
        self.free_ps: dict[str, int] = {}
        self.streams: list[Stream] = []
        self.default_stream = Stream(self, "default")
        self.settle: Callable[[], None] | None = None
        """Submits what others keep for later (a framework's transfers), before what follows it on the clock."""
        self.counted = Tally()
        """Launches of the default stream that the core counted and nobody submitted: see `caught_up`."""
        self._settled_ns = 0

    @property
    def host_ps(self) -> int:
        """The host's time."""
        return self.host.ps

    def caught_up(self) -> None:
        """Let whoever keeps work back submit it now.

        Launches that ran one after the other on one stream end where one launch of their sum would.
        """
        if self.counted.host_ns != self._settled_ns:
            with self.lock:
                counted_ns = self.counted.host_ns
                self.default_stream.place((counted_ns - self._settled_ns) * _PS_PER_NS, COMPUTE)
                self._settled_ns = counted_ns
        if self.settle is not None:
            self.settle()

    def synchronize(self) -> int:
        """Let the host wait for everything submitted; returns the time in picoseconds."""
        self.caught_up()
        with self.lock:
            self.host.ps = max([self.host.ps, *(stream.ready_ps for stream in self.streams)])
            return self.host.ps


class Stream:
    """Operations of one device in order. `ready_ps` is when the last one submitted ends."""

    def __init__(self, clock: Clock, name: str = "") -> None:
        self.clock, self.name = clock, name
        self.ready_ps = 0
        with clock.lock:
            clock.streams.append(self)

    def submit(self, duration_ps: int, engine: str = COMPUTE, *, queued_ps: int | None = None) -> tuple[int, int, bool]:
        """Add an operation on `engine`, of `duration_ps` from idle, of `queued_ps` behind work not yet finished.

        Returns the picoseconds at which it begins and ends, and whether it found stream and engine idle.
        """
        self.clock.caught_up()
        with self.clock.lock:
            return self.place(duration_ps, engine, queued_ps)

    def place(self, duration_ps: int, engine: str, queued_ps: int | None = None) -> tuple[int, int, bool]:
        """`submit` for whoever holds the clock's lock."""
        clock = self.clock
        start_ps = self.ready_ps
        free_ps = clock.free_ps.get(engine, 0)
        if free_ps > start_ps:
            start_ps = free_ps
        idle = clock.host.ps >= start_ps
        if idle:
            start_ps = clock.host.ps
        elif queued_ps is not None:
            duration_ps = queued_ps
        end_ps = self.ready_ps = clock.free_ps[engine] = start_ps + duration_ps
        return start_ps, end_ps, idle

    def record(self, event: Event | None = None) -> Event:
        """Mark this place in the stream; returns the event."""
        event = Event() if event is None else event
        self.clock.caught_up()
        with self.clock.lock:
            event.clock, event.time_ps = self.clock, max(self.ready_ps, self.clock.host_ps)
        return event

    def wait(self, event: Event) -> None:
        """What follows in this stream begins after the event; an event never recorded delays nothing."""
        if event.time_ps is None:
            return
        if event.clock is None or event.clock.host is not self.clock.host:
            raise DeviceError("a stream can only wait for events of its own device and of cards of the same machine")
        self.clock.caught_up()
        with self.clock.lock:
            self.ready_ps = max(self.ready_ps, event.time_ps)

    def synchronize(self) -> int:
        """Let the host wait for this stream; returns the time in picoseconds."""
        self.clock.caught_up()
        with self.clock.lock:
            self.clock.host.ps = max(self.clock.host.ps, self.ready_ps)
            return self.clock.host.ps

    def query(self) -> bool:
        """Whether everything submitted has ended by the host's time."""
        self.clock.caught_up()
        return self.ready_ps <= self.clock.host_ps

    def close(self) -> None:
        """Wait for the stream and forget it."""
        self.synchronize()
        with self.clock.lock:
            self.clock.streams = [stream for stream in self.clock.streams if stream is not self]


class Event:
    """A place in a stream. `time_ps` is its time on the device's clock, None until recorded."""

    def __init__(self) -> None:
        self.clock: Clock | None = None
        self.time_ps: int | None = None

    def record(self, stream: Stream) -> None:
        """Mark the present end of `stream`; a second call moves the mark."""
        stream.record(self)

    def wait(self, stream: Stream) -> None:
        """Let `stream` wait for this event."""
        stream.wait(self)

    def query(self) -> bool:
        """Whether the event has passed by the host's time; one never recorded has."""
        return self.clock is None or self.time_ps is None or self.time_ps <= self.clock.host_ps

    def synchronize(self) -> None:
        """Let the host wait for the event."""
        if self.clock is not None and self.time_ps is not None:
            with self.clock.lock:
                self.clock.host.ps = max(self.clock.host.ps, self.time_ps)

    def elapsed_ps(self, end: Event) -> int:
        """Picoseconds of the device's clock from this event to `end`.

        Raises `DeviceError` when one was never recorded or they are of different devices.
        """
        if self.time_ps is None or end.time_ps is None:
            raise DeviceError("elapsed time needs two recorded events; record both on a stream first")
        if self.clock is not end.clock:
            raise DeviceError("elapsed time needs two events of one device")
        return end.time_ps - self.time_ps

    def elapsed_time(self, end: Event) -> float:
        """Milliseconds of the device's clock from this event to `end`."""
        return self.elapsed_ps(end) / PS_PER_MS
