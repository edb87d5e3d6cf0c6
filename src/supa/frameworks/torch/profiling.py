"""A recording of torch.profiler: what happens on the devices' clocks while it lasts, as the profiler takes it.

The device's time has no place on the host's clock; a recording's first moment is put on the host's, and what follows
keeps the device's own distances. Not here: the profiler (`csrc/profiler.h`), the clock.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from supa.runtime import Device, Span, Watch
from supa.runtime.stream import COMPUTE

_PS_PER_NS = 1000


class Recording(Watch):
    """A watch that keeps every span, with the operator that asked for it, and hands it on to another watch."""

    def __init__(self, library: Any, inner: Watch | None) -> None:
        super().__init__(max_spans=1 << 62)
        self.inner, self._library = inner, library
        self.asked: list[int] = []

    def add(self, span: Span) -> None:
        """Keep a span; one that says nothing of who asked for it is this thread's present operator's."""
        with self._lock:
            self.spans.append(span)
            self.asked.append(span.asked_by or int(self._library.supa_torch_correlation()))
        if self.inner is not None:
            self.inner.add(span)

    def allocated(self, time_ps: int, allocated_bytes: int) -> None:
        """The inner watch's."""
        if self.inner is not None:
            self.inner.allocated(time_ps, allocated_bytes)

    def predicted(self, kernel: str, machine: str, device_ps: int, prediction: Any) -> None:
        """The inner watch's."""
        if self.inner is not None:
            self.inner.predicted(kernel, machine, device_ps, prediction)


class Profiling:
    """Starts and ends recordings over the cards of a process, which share one session."""

    def __init__(self, devices: Sequence[Device], library: Any) -> None:
        self._devices, self._library, self._session = devices, library, devices[0].session
        self._began_ns = self._began_ps = 0

    def start(self) -> None:
        """From now on every operation is kept."""
        self._began_ps = max(device.synchronize() for device in self._devices)
        self._began_ns = time.time_ns()
        if not isinstance(self._session.watch, Recording):
            self._session.watch = Recording(self._library, self._session.watch)

    def stop(self) -> None:
        """Hand over what was kept."""
        for device in self._devices:
            device.clock.caught_up()
        watch = self._session.watch
        if not isinstance(watch, Recording):
            return
        self._session.watch = watch.inner
        streams: dict[tuple[int, str], int] = {}
        for span, asked_by in zip(watch.spans, watch.asked, strict=True):
            self._library.supa_torch_span(
                span.card, streams.setdefault((span.card, span.stream), len(streams)), self._host_ns(span.start_ps),
                self._host_ns(span.end_ps), asked_by, span.engine != COMPUTE, span.name.encode(),
            )  # fmt: skip

    def _host_ns(self, time_ps: int) -> int:
        return self._began_ns + (time_ps - self._began_ps) // _PS_PER_NS
