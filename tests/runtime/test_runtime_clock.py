"""Streams, modes, predictions and the record: who advances which clock, and what is predicted how often."""

from __future__ import annotations

from typing import Any

import native_kernels as kernels
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_prices import FakePricer

from supa.arch import load_server
from supa.base.errors import DescriptionError, DeviceError
from supa.runtime import (
    Clock,
    Device,
    Event,
    Prices,
    Session,
    Stream,
    cards,
    current_device,
    open_cards,
    set_threads,
)  # fmt: skip
from supa.runtime.current import CURRENT


def arrays(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.ones(n, np.float32), np.full(n, 2, np.float32), np.full(n, np.nan, np.float32)


def addresses(tensors: tuple[np.ndarray, ...]) -> list[int]:
    return [tensor.ctypes.data for tensor in tensors]


def test_streams_run_in_order_and_engines_serve_one_at_a_time() -> None:
    clock = Clock()
    first, second = Stream(clock), Stream(clock)
    assert first.submit(100) == (0, 100, True)
    assert second.submit(50) == (100, 150, False), "two streams got the compute engine at once"
    assert second.submit(30, "copy to device") == (150, 180, False)
    assert first.submit(20, "copy to device") == (180, 200, False)
    start = first.record()
    second.wait(start)
    assert second.submit(10) == (200, 210, False)
    assert clock.synchronize() == 210
    assert first.submit(5, queued_ps=3) == (210, 215, True), "work began before the host asked for it"
    assert first.submit(5, queued_ps=3) == (215, 218, False)


def test_events_measure_the_device_clock() -> None:
    clock = Clock()
    stream = Stream(clock)
    start, end = Event(), Event()
    start.record(stream)
    stream.submit(1_500_000_000)
    end.record(stream)
    assert start.elapsed_time(end) == 1.5
    assert not end.query()
    end.synchronize()
    assert end.query() and stream.query()
    with pytest.raises(DeviceError, match="recorded"):
        start.elapsed_time(Event())
    other = Stream(Clock()).record()
    with pytest.raises(DeviceError, match="one device"):
        start.elapsed_time(other)
    with pytest.raises(DeviceError, match="own device"):
        stream.wait(other)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1000), st.sampled_from(["compute", "copy"])), max_size=40))
def test_time_never_goes_back_and_no_engine_does_two_things(steps: list[tuple[int, int, str]]) -> None:
    clock = Clock()
    streams = [Stream(clock) for _ in range(3)]
    busy: dict[str, int] = {"compute": 0, "copy": 0}
    for which, duration, engine in steps:
        before = streams[which].ready_ps
        start, end, _ = streams[which].submit(duration, engine)
        assert end == start + duration
        assert start >= before
        assert start >= busy[engine]
        busy[engine] = start + duration
    assert clock.synchronize() >= sum(duration for _, duration, engine in steps if engine == "compute")


def test_both_computes_and_predicts(device: Device, pricer: FakePricer) -> None:
    tensors = arrays(1000)
    device.launch(kernels.vector_add(), (16, 1, 1), *addresses(tensors), 1000)
    np.testing.assert_array_equal(tensors[2], 3)
    assert device.synchronize() == 18 * 10**6
    (record,) = device.session.records
    assert (record.launches, record.device_ps, record.energy_pj) == (1, 18 * 10**6, 80)
    assert record.host_ns > 0
    assert record.row() == {
        "name": "vector_add",
        "launches": 1,
        "host_us": record.host_ns / 1000,
        "device_us": 18.0,
        "energy_j": 80e-12,
        "bound_by": "hbm",
        "flops": 1024,
        "bytes": 12288,
    }
    assert device.session.total()["device_us"] == 18.0


def test_a_launch_behind_another_costs_the_gap_instead_of_the_launch(device: Device) -> None:
    gap_ps = device.description.chip.launch.gap_ps
    tensors = arrays(64)
    program = kernels.vector_add()
    for _ in range(3):
        device.launch(program, (1, 1, 1), *addresses(tensors), 64)
    assert device.synchronize() == 5 * 10**6 + 2 * gap_ps
    device.launch(program, (1, 1, 1), *addresses(tensors), 64)
    assert device.synchronize() == 8 * 10**6 + 2 * gap_ps
    assert device.session.records[0].device_ps == 8 * 10**6 + 2 * gap_ps, "records do not tile the stream"


def test_time_touches_nothing(small_description: Any, pricer: FakePricer) -> None:
    device = Device(small_description, mode="time", pricer=pricer)
    tensors = arrays(1000)
    device.launch(kernels.vector_add(), (16, 1, 1), *addresses(tensors), 1000)
    assert np.isnan(tensors[2]).all()
    assert device.synchronize() == 18 * 10**6
    assert device.session.records[0].host_ns == 0


def test_execute_predicts_nothing(small_description: Any) -> None:
    def refuse(*_: Any) -> Any:
        raise AssertionError("predicted in execute mode")

    device = Device(small_description, mode="execute", pricer=refuse)
    tensors = arrays(1000)
    device.launch(kernels.vector_add(), (16, 1, 1), *addresses(tensors), 1000)
    (record,) = device.session.records
    assert record.device_ps == 0 and record.bound_by == ""
    assert device.synchronize() == record.host_ns * 1000


def test_the_same_launch_is_predicted_once_wherever_its_tensors_lie(device: Device, pricer: FakePricer) -> None:
    program = kernels.vector_add()
    kernel = device.kernel(program)
    host = [np.zeros(1024, np.float32) for _ in range(6)]
    for tensors in (host[:3], host[:3], host[3:], host[::-1][:3]):
        shift = [-(tensor.ctypes.data) % 64 for tensor in tensors]
        kernel(2, 1, 1, kernel.pack(*(t.ctypes.data + s for t, s in zip(tensors, shift, strict=True)), 128))
    assert len(pricer.streams) == 1
    owned = [device.memory.allocate(4096) for _ in range(4)]
    for chosen in ((0, 1, 2), (3, 2, 1), (1, 0, 3)):
        kernel(2, 1, 1, kernel.pack(*(owned[index] for index in chosen), 128))
    assert len(pricer.streams) == 1
    kernel(2, 1, 1, kernel.pack(owned[0], owned[0], owned[1], 128))  # one tensor read twice: other traffic
    kernel(2, 1, 1, kernel.pack(owned[0], owned[1], owned[2] + 512, 128))  # an offset within a tensor
    kernel(2, 1, 1, kernel.pack(owned[0], owned[1], owned[2], 127))
    kernel(3, 1, 1, kernel.pack(owned[0], owned[1], owned[2], 128))
    assert len(pricer.streams) == 5


def test_a_work_that_reads_memory_is_predicted_from_what_it_reads(device: Device, pricer: FakePricer) -> None:
    kernel = device.kernel(kernels.reads_scalar())
    cell = np.array([7], np.int64)
    for value, expected in ((7, 1), (7, 1), (8, 2), (7, 2)):
        cell[0] = value
        kernel(1, 1, 1, kernel.pack(cell.ctypes.data))
        assert len(pricer.streams) == expected
    assert [int(stream[2]) for stream in pricer.streams] == [7, 8]


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("blocks", [1, 255, 256, 1000, 70_001])
def test_work_streams_hold_all_blocks_in_order(device: Device, blocks: int, count: int) -> None:
    set_threads(count)
    stream = device.kernel(kernels.growing_work(40)).work_stream(blocks, 1, 1, b"")
    np.testing.assert_array_equal(stream.reshape(blocks, 41), np.arange(blocks)[:, None].repeat(41, 1))


def test_a_work_that_changes_while_it_is_computed_is_computed_again(device: Device) -> None:
    calls = np.zeros(1, np.int64)
    kernel = device.kernel(kernels.restless_work(5))
    assert kernel.work_stream(1, 1, 1, kernel.pack(calls.ctypes.data)).tolist() == [5, 0, 0, 0, 0, 0]


def test_a_work_that_keeps_changing_is_an_error(device: Device) -> None:
    from supa.base.errors import LaunchError

    calls = np.zeros(1, np.int64)
    kernel = device.kernel(kernels.restless_work(1000))
    with pytest.raises(LaunchError, match="memory that decides on its work kept changing while its work was computed"):
        kernel.work_stream(1, 1, 1, kernel.pack(calls.ctypes.data))


def test_work_of_vector_add_is_what_the_contract_says(device: Device) -> None:
    kernel = device.kernel(kernels.vector_add())
    stream = kernel.work_stream(2, 1, 1, kernel.pack(1000, 2000, 3000, 100))
    assert stream.tolist() == [
        *(9, 1000, 100, 4, 2000, 100, 4, 3000, 100, 4),
        *(9, 1256, 36, 4, 2256, 36, 4, 3256, 36, 4),
    ]


def test_a_fault_in_the_work_entry_is_an_error(device: Device) -> None:
    from supa.base.errors import LaunchError

    kernel = device.kernel(kernels.reads_scalar())
    with pytest.raises(LaunchError, match="while its work was computed"):
        kernel(1, 1, 1, kernel.pack(16))
    assert device.session.records == ()


def test_other_machines_are_priced_beside(small_description: Any, pricer: FakePricer) -> None:
    from supa.arch import load

    others = [Prices(load(name), pricer) for name in ("br104", "a100-sxm-80")]
    device = Device(small_description, mode="both", pricer=pricer, session=Session(compare=others))
    tensors = arrays(64)
    for _ in range(2):
        device.launch(kernels.vector_add(), (1, 1, 1), *addresses(tensors), 64)
    (record,) = device.session.records
    assert {name: other.device_ps for name, other in record.compared.items()} == {
        other.description.name: 4 * 10**6 + other.description.chip.launch.gap_ps for other in others
    }
    assert len(pricer.streams) == 3


def test_a_new_session_counts_from_zero(device: Device) -> None:
    tensors = arrays(64)
    program = kernels.vector_add()
    device.launch(program, (1, 1, 1), *addresses(tensors), 64)
    first, device.session = device.session, Session()
    device.launch(program, (1, 1, 1), *addresses(tensors), 64)
    device.launch(program, (1, 1, 1), *addresses(tensors), 64)
    assert [session.records[0].launches for session in (first, device.session)] == [1, 2]


def test_threads_choose_their_own_streams(device: Device) -> None:
    import threading

    mine, seen = device.stream(), []
    device.current_stream = mine
    thread = threading.Thread(target=lambda: seen.append(device.current_stream))
    thread.start()
    thread.join()
    assert device.current_stream is mine and seen == [device.default_stream]
    device.launch(kernels.vector_add(), (1, 1, 1), *addresses(arrays(64)), 64)
    assert (mine.ready_ps, device.default_stream.ready_ps) == (3 * 10**6, 0)


def _no_devices_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supa.runtime.current.CURRENT", [])
    monkeypatch.setattr("supa.runtime.current._cards", [])


def test_a_server_s_name_gives_all_its_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    _no_devices_yet(monkeypatch)
    monkeypatch.setenv("SUPA_DEVICE", "hearten")
    eight = cards()
    assert [one.index for one in eight] == list(range(8)) and current_device() is eight[0]
    assert {one.name for one in eight} == {"bili100"} and len({one.session for one in eight}) == 1
    assert eight[0].pair_bytes_per_s == load_server("hearten").pair_bandwidth_bytes_per_s > 0


def test_a_number_of_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    _no_devices_yet(monkeypatch)
    monkeypatch.setenv("SUPA_CARDS", "3")
    assert len(cards()) == 3
    for wrong in ("0", "many", "65"):
        _no_devices_yet(monkeypatch)
        monkeypatch.setenv("SUPA_CARDS", wrong)
        with pytest.raises(DeviceError, match="SUPA_CARDS"):
            cards()


def test_cards_have_one_host_and_wait_for_each_other() -> None:
    first, second = open_cards("bili100", "both", count=2)
    first.default_stream.submit(1000)
    mark = first.default_stream.record()
    second.default_stream.wait(mark)
    second.default_stream.submit(500)
    assert second.synchronize() == 1500 == first.clock.host_ps


def test_what_one_card_predicted_the_other_knows() -> None:
    first, second = open_cards("bili100", "time", count=2)
    pricer = FakePricer()
    first.prices._pricer = second.prices._pricer = pricer
    first.launch(kernels.vector_add(), (1, 1, 1), 512, 1024, 1536, 64)
    second.launch(kernels.vector_add(), (1, 1, 1), 5120, 1024, 2048, 64)
    assert len(pricer.streams) == 1


def test_the_environment_names_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    _no_devices_yet(monkeypatch)
    monkeypatch.setenv("SUPA_DEVICE", "h100-sxm")
    monkeypatch.setenv("SUPA_MODE", "execute")
    chosen = current_device()
    assert (chosen.name, chosen.mode) == ("h100-sxm", "execute")
    assert current_device() is chosen
    assert chosen not in CURRENT
    for name, value, error in (("SUPA_MODE", "fast", DeviceError), ("SUPA_DEVICE", "tpu", DescriptionError)):
        _no_devices_yet(monkeypatch)
        monkeypatch.setenv(name, value)
        with pytest.raises(error, match=value):
            current_device()
