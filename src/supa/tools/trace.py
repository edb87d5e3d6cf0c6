"""The timeline of a run in the trace event format that Perfetto and chrome://tracing open. Not here: keeping it
(`runtime.watch`).

Process 1 is the device: a thread for each stream, a slice for each launch with its prediction as arguments, counters
for power, device memory and the traffic with it. Times are microseconds of the device's clock.
Format: "Trace Event Format", Google, 2016 (JSON object form).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from supa.runtime import Device, Span, Watch

PROCESS = 1
Event = dict[str, Any]


def as_trace(device: Device) -> dict[str, Any]:
    """The JSON object; the device's session must have a watch."""
    watch = device.session.watch
    assert watch is not None
    streams = list(dict.fromkeys(span.stream for span in watch.spans))
    events = [*_names(device, streams)]
    for span in watch.spans:
        events.append(_slice(span, streams.index(span.stream) + 1))
    events += sorted(_counters(device, watch), key=lambda event: event["ts"])
    return {
        "traceEvents": events,
        "displayTimeUnit": "ns",
        "otherData": {"device": device.name, "mode": device.mode, "dropped_launches": watch.dropped_spans},
    }


def _names(device: Device, streams: list[str]) -> Iterator[Event]:
    yield _metadata("process_name", {"name": device.name}, 0)
    for number, stream in enumerate(streams, 1):
        yield _metadata("thread_name", {"name": stream}, number)
        yield _metadata("thread_sort_index", {"sort_index": number}, number)


def _metadata(name: str, arguments: Event, thread: int) -> Event:
    return {"ph": "M", "name": name, "pid": PROCESS, "tid": thread, "ts": 0, "args": arguments}


def _slice(span: Span, thread: int) -> Event:
    return {
        "ph": "X",
        "name": span.name,
        "cat": span.engine,
        "pid": PROCESS,
        "tid": thread,
        "ts": span.start_ps / 1e6,
        "dur": (span.end_ps - span.start_ps) / 1e6,
        "args": span_arguments(span),
    }


def span_arguments(span: Span) -> Event:
    """What is known of one launch, under names with units."""
    found: Event = {"grid": list(span.grid)} if any(span.grid) else {}
    prediction = span.prediction
    if prediction is None:
        return found
    time_s = (span.end_ps - span.start_ps) / 1e12
    found |= {
        "bound_by": prediction.bound_by,
        "energy_j": prediction.energy_pj / 1e12,
        "average_power_w": prediction.energy_pj / 1e12 / time_s if time_s else 0.0,
        "flops": prediction.flops,
        "hbm_bytes": prediction.bytes,
    }
    for name in ("blocks", "waves", "l2_hit_rate", "clock_hz"):
        value = getattr(prediction, name, None)  # a pricer of one's own may say less
        if value is not None:
            found[name] = value
    return found


def _counters(device: Device, watch: Watch) -> Iterator[Event]:
    idle_w = device.description.chip.power.idle_w
    for span in watch.spans:
        arguments = span_arguments(span)
        if "average_power_w" in arguments:
            time_s = (span.end_ps - span.start_ps) / 1e12
            traffic = arguments["hbm_bytes"] / time_s / 1e9 if time_s else 0.0
            yield _counter("power", "W", span.start_ps, arguments["average_power_w"])
            yield _counter("HBM traffic", "GB/s", span.start_ps, traffic)
    ends = {span.end_ps for span in watch.spans if span.prediction} - {span.start_ps for span in watch.spans}
    for end_ps in ends:
        yield _counter("power", "W", end_ps, idle_w)
        yield _counter("HBM traffic", "GB/s", end_ps, 0.0)
    for point in watch.memory:
        yield _counter("device memory", "MiB", point.time_ps, point.allocated_bytes / 2**20)


def _counter(name: str, unit: str, time_ps: int, value: float) -> Event:
    return {"ph": "C", "name": name, "pid": PROCESS, "tid": 0, "ts": time_ps / 1e6, "args": {unit: value}}
