"""What `driver.get_device_interface()` gives: events and synchronisation on the device's clock, in the shape of
`torch.cuda`. Not here: tensors, memory, torch.
"""

from __future__ import annotations

from typing import Any

from supa.runtime import Event as ClockEvent
from supa.runtime import Stream, current_device


class Event:
    """A mark on the device's clock; the arguments are those of `torch.cuda.Event`."""

    def __init__(self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False) -> None:
        self._event = ClockEvent()

    def record(self, stream: Stream | None = None) -> None:
        """Mark the present end of `stream`, the current one by default."""
        (current_device().current_stream if stream is None else stream).record(self._event)

    def elapsed_time(self, end: Event) -> float:
        """Milliseconds of the device's clock from here to `end`."""
        return self._event.elapsed_time(end._event)

    def synchronize(self) -> None:
        """Let the host wait for the event."""
        self._event.synchronize()

    def query(self) -> bool:
        """Whether the event has passed."""
        return self._event.query()


class DeviceInterface:
    """The current device as benchmarks see it."""

    Event = Event

    @staticmethod
    def synchronize(device: Any = None) -> None:
        """Let the host wait for everything submitted."""
        current_device().synchronize()

    @staticmethod
    def current_stream(device: Any = None) -> Stream:
        """The stream that launches go to."""
        return current_device().current_stream

    @staticmethod
    def is_available() -> bool:
        """There is always a virtual device."""
        return True
