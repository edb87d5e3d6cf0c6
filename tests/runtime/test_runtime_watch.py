"""What a session keeps for pages and traces: bounded, counted, and only what has changed."""

import native_kernels as kernels
import numpy as np
import pytest

from supa.runtime import Device, Session, Span, Watch
from supa.runtime import watch as module


class Price:
    time_ps, launch_ps, energy_pj, bound_by, flops, bytes = 1000, 10, 5.0, "hbm", 1.0, 2


def span(start_ps=0):
    return Span(name="k", stream="default", engine="compute", start_ps=start_ps, end_ps=start_ps + 1)


def test_spans_beyond_the_limit_are_counted():
    watch = Watch(max_spans=3)
    for start_ps in range(5):
        watch.add(span(start_ps))
    assert [kept.start_ps for kept in watch.spans] == [0, 1, 2]
    assert watch.dropped_spans == 2


def test_memory_is_kept_where_it_changes():
    watch = Watch()
    for time_ps, allocated in enumerate([0, 0, 512, 512, 0]):
        watch.allocated(time_ps, allocated)
    assert [(point.time_ps, point.allocated_bytes) for point in watch.memory] == [(0, 0), (2, 512), (4, 0)]


def test_equal_predictions_are_counted_together_and_the_longest_comes_first(monkeypatch):
    monkeypatch.setattr(module, "MAX_SEEN", 2)
    watch, prices = Watch(), [Price(), Price(), Price()]
    for index in (0, 1, 1, 2, 0):
        watch.predicted("k", "m", 10 + index * 100, prices[index])
    first, second = watch.predictions("k", "m")
    assert (first.prediction, first.launches, first.device_ps) == (prices[1], 2, 220)
    assert (second.prediction, second.launches, second.device_ps) == (prices[0], 2, 20)
    assert watch.unseen_launches == 1
    assert watch.predictions("other", "m") == ()


def test_streams_without_a_name_get_a_number_each():
    watch, one, other = Watch(), object(), object()
    assert [watch.number(stream) for stream in (one, other, one)] == [1, 2, 1]


@pytest.mark.parametrize("mode", ["execute", "both", "time"])
def test_a_launch_leaves_its_span(small_description, pricer, mode):
    device = Device(small_description, mode=mode, pricer=pricer, session=Session(watch=Watch()))
    x, y, z = (np.zeros(150, np.float32) for _ in range(3))
    device.launch(kernels.vector_add(), (3, 1, 1), x.ctypes.data, y.ctypes.data, z.ctypes.data, 150)
    [found] = device.session.watch.spans
    assert (found.name, found.stream, found.grid) == ("vector_add", "default", (3, 1, 1))
    assert found.end_ps == device.synchronize() > found.start_ps
    if mode == "execute":
        assert found.prediction is None
    else:
        assert found.end_ps - found.start_ps == 5 * 10**6  # the known price: a microsecond a block and 2
        [seen] = device.session.watch.predictions("vector_add", "bili100")
        assert (seen.prediction, seen.launches) == (found.prediction, 1)


def test_allocated_bytes_follow_the_allocator(device):
    assert device.allocated_bytes == 0
    address = device.memory.allocate(1000)
    assert device.allocated_bytes == 1024  # rounded up to 512
    device.memory.free(address)
    assert device.allocated_bytes == 0
