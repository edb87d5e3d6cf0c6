"""Benchmarks and tuning on the device's clock."""

import time

import jit_kernels as kernels
import pytest
import torch
import triton


@pytest.fixture
def add(on_device):
    on_device(mode="both")
    n = 1 << 16
    x, y, out = torch.randn(n), torch.randn(n), torch.zeros(n)
    return lambda: kernels.add_kernel[(n // 256,)](x, y, out, n, BLOCK=256)


def test_do_bench_is_the_devices_time_and_deterministic(add, on_device):
    first, second = triton.testing.do_bench(add), triton.testing.do_bench(add)
    assert first == second
    assert 1e-4 < first < 1
    on_device("h100-sxm")
    assert triton.testing.do_bench(add) != first


def test_do_bench_agrees_with_events_around_the_launch(add, driver):
    interface = driver.get_device_interface()
    add()
    start, end = interface.Event(enable_timing=True), interface.Event(enable_timing=True)
    add()
    start.record()
    add()
    end.record()
    interface.synchronize()
    assert start.elapsed_time(end) == pytest.approx(triton.testing.do_bench(add))


def test_measuring_by_graphs_gives_the_same_time_and_launches_as_rarely(add, on_device):
    expected = triton.testing.do_bench(add)
    calls = []
    found = triton.testing.do_bench_cudagraph(lambda: (calls.append(1), add()), quantiles=[0.5])
    assert found == pytest.approx(expected)
    assert len(calls) < 20


def test_do_bench_agrees_with_tritons_own_loop(add):
    stock = triton.testing.stock_do_bench(add, warmup=0.01, rep=0.05, quantiles=[0.5])
    assert triton.testing.do_bench(add, quantiles=[0.5]) == pytest.approx(stock, rel=0.05)


@pytest.mark.parametrize(
    ("asked", "count"),
    [({}, 0), ({"quantiles": [0.5]}, 0), ({"quantiles": [0.5, 0.2, 0.8]}, 3), ({"return_mode": "all"}, 1)],
)
def test_results_have_tritons_shapes(add, asked, count):
    found = triton.testing.do_bench(add, **asked)
    assert len(found) == count if count else isinstance(found, float)


def test_wrong_requests_are_refused(add):
    with pytest.raises(ValueError, match=r"range \[0, 1\]"):
        triton.testing.do_bench(add, quantiles=[2.0])
    with pytest.raises(ValueError, match="return_mode"):
        triton.testing.do_bench(add, return_mode="best")


def test_a_function_of_the_host_is_timed_on_the_host_with_a_warning(on_device):
    on_device()
    with pytest.warns(UserWarning, match="host's time"):
        assert triton.testing.do_bench(lambda: time.sleep(0.002)) >= 2


def test_do_bench_runs_the_function_for_its_results(on_device):
    on_device(mode="execute")
    x, out = torch.ones(16), torch.zeros(16)
    triton.testing.do_bench(lambda: kernels.add_kernel[(1,)](x, x, out, 16, BLOCK=16))
    assert (out == 2).all()


@pytest.mark.parametrize("mode", ["execute", "both", "time"])
def test_tuning_chooses_by_the_devices_time(on_device, mode):
    device = on_device(mode=mode)
    n = 1 << 16
    x, y, out = torch.randn(n), torch.randn(n), torch.zeros(n)
    kernels.tuned_add_kernel.cache.clear()
    kernels.tuned_add_kernel[lambda meta: (triton.cdiv(n, meta["BLOCK"]),)](x, y, out, n)
    best = kernels.tuned_add_kernel.best_config
    timings = {config.kwargs["BLOCK"]: found[0] for config, found in kernels.tuned_add_kernel.configs_timings.items()}
    assert timings[1024] < timings[16]
    assert best.kwargs["BLOCK"] == 1024
    assert [record.launches for record in device.session.records] == [1]  # trials are not the program's launches
    assert mode == "time" or torch.equal(out, x + y)
