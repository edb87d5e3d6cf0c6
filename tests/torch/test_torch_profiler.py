"""torch.profiler sees the device: its clock's time by operator and kernel, linked; do_bench and Timer see it too."""

import json
import time

import pytest
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.benchmark import Timer

from supa.frameworks.torch.registration import clock


@pytest.fixture(scope="module")
def linear():
    model = torch.nn.Linear(64, 8).to("supa")
    x = torch.randn(32, 64, device="supa")
    model(x).sum().backward()
    return model, x


def elapsed(work):
    start, end = torch.supa.Event(enable_timing=True), torch.supa.Event(enable_timing=True)
    torch.supa.synchronize()
    start.record()
    work()
    end.record()
    torch.supa.synchronize()
    return start.elapsed_time(end)


def test_device_time_by_operator_adds_up_to_the_clock_s(linear, tmp_path):
    model, x = linear
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.PrivateUse1]) as found:
        took_ms = elapsed(lambda: model(x))
        host = x.cpu()
    rows = {row.key: row for row in found.key_averages()}
    assert host.shape == x.shape and rows["aten::addmm"].self_device_time_total > 0
    assert rows["aten::addmm"].self_device_time_total == pytest.approx(took_ms * 1e3, rel=0.01)
    assert rows["copy: device to host"].self_device_time_total > 0
    assert "Self SUPA" in found.key_averages().table()
    file = tmp_path / "trace.json"
    found.export_chrome_trace(str(file))
    events = json.loads(file.read_text())["traceEvents"]
    kernels = [event for event in events if event.get("cat") == "kernel"]
    asked = {event["args"]["External id"] for event in events if event.get("name") == "aten::addmm"}
    assert kernels and asked & {event["args"]["External id"] for event in kernels}
    assert [event for event in events if event.get("cat") == "gpu_memcpy"]


def test_without_a_recording_nothing_is_kept(linear):
    session = clock.devices[0].session
    with profile(activities=[ProfilerActivity.PrivateUse1]):
        assert session.watch is not None
    assert session.watch is None


def test_do_bench_gives_the_device_s_time(linear):
    import triton

    model, x = linear
    with torch.inference_mode():
        model(x)
        launched = elapsed(lambda: model(x))
        assert triton.testing.do_bench(lambda: model(x)) == pytest.approx(launched, rel=1e-6)


def test_the_benchmark_s_timer_counts_the_device_s_time_and_else_the_host_s(linear):
    model, x = linear
    with torch.inference_mode():
        model(x)
        launched = elapsed(lambda: [model(x) for _ in range(20)])
        measured = Timer("model(x)", globals={"model": model, "x": x}).timeit(20)
    assert measured.mean * 20 * 1e3 == pytest.approx(launched, rel=0.01)
    assert Timer("time.sleep(0.02)", globals={"time": time}).timeit(1).mean >= 0.02
