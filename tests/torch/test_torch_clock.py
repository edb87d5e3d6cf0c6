"""Streams, events and transfers on the simulated clock, and what the record says of work done on the host."""

import pytest
import torch

from supa.arch import load
from supa.frameworks.torch import traffic

BUS = load("bili100").chip.host_bus


def elapsed(work):
    start, end = torch.supa.Event(enable_timing=True), torch.supa.Event(enable_timing=True)
    torch.supa.synchronize()
    start.record()
    work()
    end.record()
    end.synchronize()
    return start.elapsed_time(end)


def test_a_transfer_takes_the_host_bus():
    size = 1 << 24
    pageable = elapsed(lambda: torch.empty(size, dtype=torch.uint8).to("supa"))
    expected_ms = BUS.latency_ps / 1e9 + size / (BUS.bandwidth_bytes_per_s * BUS.pageable_efficiency) * 1e3
    assert pageable == pytest.approx(expected_ms, rel=1e-3)
    pinned = torch.empty(size, dtype=torch.uint8).pin_memory()
    assert elapsed(lambda: pinned.to("supa")) < pageable


def test_an_operator_on_the_host_is_counted_and_costs_the_round_trip():
    values = torch.ones(1 << 20, device="supa")
    before = torch.supa.host_operators().get("aten::special_airy_ai", 0)
    took = elapsed(lambda: torch.special.airy_ai(values))
    assert torch.supa.host_operators()["aten::special_airy_ai"] == before + 1
    one_way_ms = BUS.latency_ps / 1e9 + (4 << 20) / (BUS.bandwidth_bytes_per_s * BUS.pageable_efficiency) * 1e3
    assert took == pytest.approx(2 * one_way_ms, rel=1e-3)


def test_strict_refuses_by_name():
    values = torch.ones(3, device="supa")
    torch.supa.set_strict()
    with pytest.raises(NotImplementedError, match=r"aten::special_airy_ai has no device kernel .* Strict mode"):
        torch.special.airy_ai(values)
    torch.supa.set_strict(False)
    assert torch.special.airy_ai(values).tolist() == pytest.approx([0.1352924] * 3)


def test_copies_on_two_streams_overlap():
    size = 1 << 24
    host = torch.empty(size, dtype=torch.uint8).pin_memory()
    target, source = torch.empty_like(host, device="supa"), torch.empty_like(host, device="supa")
    back = torch.empty(size, dtype=torch.uint8).pin_memory()
    side = torch.supa.Stream()

    def both(stream):
        target.copy_(host, non_blocking=True)
        with torch.supa.stream(stream):
            back.copy_(source, non_blocking=True)
        torch.supa.current_stream().wait_stream(stream)

    apart, together = elapsed(lambda: both(torch.supa.default_stream())), elapsed(lambda: both(side))
    assert together < 0.6 * apart


def test_the_streams_of_torch():
    side = torch.supa.Stream()
    assert torch.supa.current_stream() == torch.supa.default_stream() != side
    with torch.supa.stream(side):
        assert torch.supa.current_stream() == side
        torch.ones(4, device="supa")
        event = side.record_event()
    assert torch.supa.current_stream() == torch.supa.default_stream()
    event.synchronize()
    assert event.query() and side.query()
    generic = torch.Event("supa", enable_timing=True)
    generic.record(side)
    side.synchronize()
    assert event.elapsed_time(generic) >= 0


def test_an_event_never_recorded_has_no_time():
    with pytest.raises(RuntimeError, match="must be recorded"):
        torch.supa.Event(enable_timing=True).elapsed_time(torch.supa.Event(enable_timing=True))


def test_a_long_ledger_is_settled_without_being_asked():
    from supa.frameworks.torch.extension import library

    one = torch.ones(3, device="supa")
    for _ in range(6000):
        one.add(1)
        one.mul(2)
        one.relu()
    assert library().supa_torch_pending(0) <= (1 << 14) + 1


@pytest.mark.parametrize("kind", [traffic.DOWN_LATER, traffic.INSIDE])
def test_a_copy_takes_energy_as_its_board_draws_it(kind):
    described, moved = load("a100-sxm-80"), 1 << 30
    priced = traffic.cost(traffic.Entry(kind=kind, count=1, down_bytes=moved), described)
    chip = described.chip
    bus_pj = chip.energy.host_bus_pj_per_byte if kind == traffic.DOWN_LATER else 0
    assert priced.energy_pj == pytest.approx(
        moved * (bus_pj + chip.energy.hbm_pj_per_byte) + chip.power.static_w * priced.time_ps
    )
    assert chip.power.idle_w < priced.energy_pj / priced.time_ps <= described.power_cap_w
