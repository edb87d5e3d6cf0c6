"""`torch.supa.Stream` and `torch.supa.Event`: torch's own, on the simulated clock. Not here: the clock (`clock`)."""

from __future__ import annotations

import math
from typing import Any

import torch

from supa.frameworks.torch.device_index import NAME, DeviceLike, device_like
from supa.frameworks.torch.registration import clock


class Event(torch.Event):
    """A mark on the device's clock; the arguments are those of `torch.cuda.Event`."""

    def __new__(cls, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False) -> Event:
        """An event of the current device."""
        return super().__new__(cls, NAME, enable_timing=enable_timing, blocking=blocking, interprocess=interprocess)

    def elapsed_time(self, end_event: torch.Event) -> float:  # torch's own refuses subclasses
        """Milliseconds of the device's clock from here to `end_event`; `RuntimeError` where one is not recorded."""
        numbers = self.event_id, end_event.event_id
        found = clock.elapsed_ms(*numbers) if all(numbers) else math.nan
        if math.isnan(found):
            raise RuntimeError("Both events must be recorded, on one device, before calculating elapsed time.")
        return found


class Stream(torch.Stream):
    """A stream of the device; `priority` is accepted and has no meaning here."""

    def __new__(cls, device: DeviceLike = None, priority: int = 0, **torch_ids: Any) -> Stream:
        """A new stream of `device`, the current one by default; or the one of torch's ids."""
        if torch_ids:
            return super().__new__(cls, priority=priority, **torch_ids)
        return super().__new__(cls, device_like(device), priority=priority)

    def record_event(self, event: torch.Event | None = None) -> torch.Event:
        """Mark the stream's present end."""
        event = Event() if event is None else event
        event.record(self)
        return event


def _ours(found: torch.Stream) -> Stream:
    return Stream(stream_id=found.stream_id, device_index=found.device_index, device_type=found.device_type)


def current_stream(device: DeviceLike = None) -> Stream:
    """The stream that this thread's work on `device` goes to."""
    return _ours(torch.accelerator.current_stream(device_like(device)))


def default_stream(device: DeviceLike = None) -> Stream:
    """The stream that work goes to unless another was chosen."""
    index = device_like(device).index
    kind = torch._C._autograd.DeviceType.PrivateUse1.value
    return Stream(stream_id=0, device_index=index, device_type=kind)


def set_stream(stream: torch.Stream | None) -> None:
    """Make `stream` this thread's current one, and its device the current device; None changes nothing."""
    if stream is not None:
        torch.accelerator.set_stream(stream)


class StreamContext:
    """Within, work of this thread goes to a stream."""

    def __init__(self, stream: torch.Stream | None) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        if self.stream is not None:
            self._device = torch.accelerator.current_device_index()
            self._before = torch.accelerator.current_stream(self.stream.device)
            torch.accelerator.set_stream(self.stream)

    def __exit__(self, *_: object) -> None:
        if self.stream is not None:
            torch.accelerator.set_stream(self._before)
            torch.accelerator.set_device_index(self._device)


def stream(stream: torch.Stream | None) -> StreamContext:
    """`with torch.supa.stream(s):` work of this thread goes to `s`."""
    return StreamContext(stream)
