"""What a session keeps for pages and traces: a timeline, memory over time, predictions. Not here: drawing it (`tools`).

All of it is bounded in size; what no longer fits is counted. Sessions that only sum up have no watch.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from supa.runtime.prices import Prediction

if TYPE_CHECKING:
    from supa.runtime.stream import Stream

MAX_SPANS = 20_000
MAX_SEEN = 512  # different predictions of one kernel on one machine


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """An operation on the clock of a machine's card. `prediction` is None where none was made (mode `execute`, copies);
    `asked_by` is what a framework's profiler knows it by, or 0.
    """

    name: str
    stream: str
    engine: str
    start_ps: int
    end_ps: int
    grid: tuple[int, int, int] = (0, 0, 0)
    prediction: Prediction | None = None
    card: int = 0
    asked_by: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryPoint:
    """Bytes allocated on the device from `time_ps` on."""

    time_ps: int
    allocated_bytes: int


@dataclass(kw_only=True)
class Seen:
    """Launches of one kernel that have the same prediction, and their time on the device."""

    prediction: Prediction
    launches: int = 0
    device_ps: int = 0


@dataclass(kw_only=True)
class Watch:
    """Collects while a program runs. Thread-safe.

    `seen` is by kernel and machine; `unseen_launches` are those whose predictions it had no room for. `memory` is read
    at launches: what was allocated and freed between two of them is not in it.
    """

    max_spans: int = MAX_SPANS
    spans: list[Span] = field(default_factory=list)
    dropped_spans: int = 0
    memory: list[MemoryPoint] = field(default_factory=list)
    seen: dict[tuple[str, str], dict[int, Seen]] = field(default_factory=dict)
    unseen_launches: int = 0
    _streams: list[object] = field(default_factory=list, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def number(self, stream: object) -> int:
        """The place of a stream among those seen so far, from 1."""
        with self._lock:
            for place, known in enumerate(self._streams, 1):
                if known is stream:
                    return place
            self._streams.append(stream)
            return len(self._streams)

    def add(self, span: Span) -> None:
        """Keep one operation of a stream."""
        with self._lock:
            if len(self.spans) < self.max_spans:
                self.spans.append(span)
            else:
                self.dropped_spans += 1

    def operation(
        self,
        name: str,
        stream: Stream,
        engine: str,
        span_ps: tuple[int, int],
        *,
        card: int,
        allocated_bytes: int,
        grid: tuple[int, int, int] = (0, 0, 0),
        prediction: Prediction | None = None,
        asked_by: int = 0,
    ) -> None:
        """Keep one operation of a stream, and the memory in use when it began."""
        start_ps, end_ps = span_ps
        self.allocated(start_ps, allocated_bytes)
        self.add(
            Span(
                name=name,
                stream=stream.name or f"stream {self.number(stream)}",
                engine=engine,
                start_ps=start_ps,
                end_ps=end_ps,
                grid=grid,
                prediction=prediction,
                card=card,
                asked_by=asked_by,
            )
        )

    def allocated(self, time_ps: int, allocated_bytes: int) -> None:
        """Note the memory in use, where it has changed."""
        with self._lock:
            last = self.memory[-1] if self.memory else None
            if (last is None or last.allocated_bytes != allocated_bytes) and len(self.memory) < self.max_spans:
                self.memory.append(MemoryPoint(time_ps=time_ps, allocated_bytes=allocated_bytes))

    def predicted(self, kernel: str, machine: str, device_ps: int, prediction: Prediction) -> None:
        """Count one launch of `kernel` that takes `device_ps` on `machine`."""
        with self._lock:
            of_kernel = self.seen.setdefault((kernel, machine), {})
            known = of_kernel.get(id(prediction))
            if known is None:
                if len(of_kernel) >= MAX_SEEN:
                    self.unseen_launches += 1
                    return
                known = of_kernel[id(prediction)] = Seen(prediction=prediction)
            known.launches += 1
            known.device_ps += device_ps

    def predictions(self, kernel: str, machine: str) -> tuple[Seen, ...]:
        """The different predictions of a kernel on a machine, those with most device time first."""
        with self._lock:
            found = self.seen.get((kernel, machine), {})
            return tuple(sorted(found.values(), key=lambda seen: -seen.device_ps))
