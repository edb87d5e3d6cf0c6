"""The trace: valid by the format's schema, and the same times as the report."""

from itertools import pairwise

import pytest

from supa.runtime import Span
from supa.tools.trace import span_arguments

jsonschema = pytest.importorskip("jsonschema")

NUMBER = {"type": "number", "minimum": 0}
BASE = {"ph": {}, "name": {"type": "string", "minLength": 1}, "pid": {"type": "integer"}, "tid": {"type": "integer"}}
EVENTS = {
    "X": {"ts": NUMBER, "dur": NUMBER, "cat": {"type": "string"}, "args": {"type": "object"}},
    "C": {"ts": NUMBER, "args": {"type": "object", "minProperties": 1, "additionalProperties": {"type": "number"}}},
    "M": {"name": {"enum": ["process_name", "thread_name", "thread_sort_index"]}, "args": {"type": "object"}},
}
SCHEMA = {
    "type": "object",
    "required": ["traceEvents"],
    "properties": {
        "displayTimeUnit": {"enum": ["ms", "ns"]},
        "otherData": {"type": "object"},
        "traceEvents": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["ph", "name", "pid", "tid"],
                "oneOf": [
                    {"properties": {**BASE, "ph": {"const": kind}, **fields}, "required": list(fields)}
                    for kind, fields in EVENTS.items()
                ],
            },
        },
    },
}
"""After "Trace Event Format": complete events, counters and metadata, the three kinds that we write."""


def events(written, kind):
    return [event for event in written.trace["traceEvents"] if event["ph"] == kind]


def test_the_schema_holds_and_can_fail(written):
    jsonschema.validate(written.trace, SCHEMA)
    for wrong in ({"ph": "X", "name": "k", "pid": 1, "tid": 1, "ts": 0}, {"ph": "C", "name": "c", "pid": 1, "tid": 0}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"traceEvents": [wrong]}, SCHEMA)


def test_streams_are_threads_and_launches_slices(written):
    names = {event["tid"]: event["args"]["name"] for event in events(written, "M") if event["name"] == "thread_name"}
    slices = events(written, "X")
    assert [names[event["tid"]] for event in slices] == ["default", *["stream 1"] * 4]
    assert sum(event["dur"] for event in slices) == pytest.approx(written.report["total"]["device_us"])
    assert sum(event["args"]["energy_j"] for event in slices) == pytest.approx(written.report["total"]["energy_j"])
    assert {"grid", "bound_by", "energy_j", "average_power_w", "l2_hit_rate"} <= slices[0]["args"].keys()
    assert slices[1]["args"]["grid"] == [4, 1, 1]


def test_slices_of_one_engine_do_not_overlap(written):
    slices = sorted(events(written, "X"), key=lambda event: event["ts"])
    for before, after in pairwise(slices):
        assert before["ts"] + before["dur"] <= after["ts"] + 1e-9


def test_counters_follow_power_and_memory(written):
    counters = events(written, "C")
    assert [event["ts"] for event in counters] == sorted(event["ts"] for event in counters)
    power = [event for event in counters if event["name"] == "power"]
    assert power[-1]["args"]["W"] == 90  # idle again: what `supa show bili100` says
    memory = [event["args"]["MiB"] for event in counters if event["name"] == "device memory"]
    assert memory == [3, 0]


def test_a_span_without_prediction_says_what_is_known():
    copy = Span(name="copy", stream="default", engine="copy to device", start_ps=0, end_ps=10)
    assert span_arguments(copy) == {}
