"""Repeated launches: always the kernel that Triton's own way would choose, and everything that it does besides."""

import ast
import random
import threading
import time

import numpy as np
import pytest
import quick_launch_kernels as kernels
import torch
import triton
import triton.language as tl
from triton import knobs

from supa.jit.triton_backend import quick_launch
from supa.jit.triton_backend.measuring import metered
from supa.runtime import current_device


@pytest.fixture(autouse=True)
def executing(on_device):
    on_device(mode="execute")


@pytest.fixture
def stock_launches(monkeypatch):
    """The launches that went Triton's own way."""
    seen = []

    def run(self, *args, **options):
        seen.append(self)
        return stock(self, *args, **options)

    assert triton.runtime.driver.active is not None  # it is made, and with it the quick way
    stock = quick_launch._stock_run
    monkeypatch.setattr(quick_launch, "_stock_run", run)
    return seen


def stock_choice(kernel, args, options, grid=(1,)):
    return quick_launch._stock_run(kernel, *args, grid=grid, warmup=False, **options)


def test_a_repeated_launch_is_quick(stock_launches):
    x, out = torch.arange(100.0), torch.zeros(100)
    for _ in range(5):
        kernels.scale[(1,)](out, x, 100, 2.0, BLOCK=128)
    assert torch.equal(out, x * 2)
    assert len(stock_launches) == 1
    kernels.scale[(1,)](out, x, 100, 3.0, BLOCK=128)  # another float
    kernels.scale[(2,)](out, x, 52, 3.0, BLOCK=128)  # another integer of the same kind
    kernels.scale[(1, 1, 1)](x, out, 100, 1.0, BLOCK=128)  # other tensors
    assert len(stock_launches) == 1
    kernels.scale[(1,)](out, x, 64, 3.0, BLOCK=128)  # a multiple of 16
    kernels.scale[(1,)](out[1:], x, 52, 3.0, BLOCK=128)
    kernels.scale[(1,)](out, x, 52, 3.0, BLOCK=64)
    kernels.scale[(1,)](out, x, 52, 3.0, BLOCK=64, num_warps=8)
    kernels.scale[(1,)](out, x.half(), 52, 3.0, BLOCK=64)
    assert len(stock_launches) == 6


def test_a_launcher_kept_from_before_the_first_launch_is_quick(stock_launches):
    x, out = torch.arange(100.0), torch.zeros(100)
    kept = kernels.scale[(1,)]
    for factor in (2.0, 3.0, 4.0):
        kept(out, x, 99, factor, BLOCK=128)
        assert torch.equal(out[:99], x[:99] * factor)
    before = len(stock_launches)
    kept(out[1:], x, 99, 5.0, BLOCK=128)  # learnt after it was kept, and quick from then on
    kept(out[1:], x, 99, 5.0, BLOCK=128)
    assert len(stock_launches) <= before + 1


def test_quick_launches_are_counted_and_take_the_clock_s_time():
    device, x, out = current_device(), torch.arange(100.0), torch.zeros(100)
    kernels.scale[(1,)](out, x, 98, 2.0, BLOCK=128)
    (record,) = device.session.records
    begun = record.launches, record.host_ns, device.synchronize()
    for _ in range(10):
        kernels.scale[(1,)](out, x, 98, 2.0, BLOCK=128)
    assert record.launches - begun[0] == 10
    assert (record.host_ns - begun[1]) * 1000 == device.synchronize() - begun[2] > 0
    assert device.synchronize() == device.clock.host_ps  # nothing is counted twice
    device.current_stream = chosen = device.stream()
    kernels.scale[(1,)](out, x, 98, 2.0, BLOCK=128)
    assert record.launches - begun[0] == 11
    assert chosen.ready_ps == device.synchronize() > device.default_stream.ready_ps


def test_every_kind_of_integer_gets_the_kernel_that_triton_chooses():
    values = [
        0,
        1,
        2,
        15,
        16,
        17,
        48,
        -1,
        -16,
        2**31 - 1,
        2**31,
        2**31 + 5,
        -(2**31),
        -(2**31) - 1,
        1 << 40,
        True,
        False,
    ]
    out, chance = torch.zeros(3, dtype=torch.int64), random.Random(0)
    for _ in range(300):
        a, b, c = (chance.choice(values) for _ in range(3))
        flag, options = chance.choice([True, False, 0, 1]), chance.choice([{}, {"LIMIT": 7}, {"num_warps": 2}])
        place = out[chance.choice([0, 2]) :]
        args = place, a, b, c, flag
        chosen = kernels.numbers[(1,)](*args, **options)
        limit = options.get("LIMIT", 5) if flag else 0
        assert place[0].item() == a + b + c + limit
        assert chosen is stock_choice(kernels.numbers, args, options)


def test_what_is_not_specialised():
    out, chance = torch.zeros(4, dtype=torch.int64), random.Random(1)
    for _ in range(100):
        args = out[chance.choice([0, 1]) :], chance.choice([1, 16, 17, 2**40]), chance.choice([1, 16, 17])
        chosen = kernels.unspecialised[(1,)](*args)
        assert args[0][0].item() == args[1] + args[2]
        assert chosen is stock_choice(kernels.unspecialised, args, {})


def test_tensors_and_none():
    out, x = torch.zeros(2), torch.full((8,), 4.0)
    for _ in range(3):
        for value, expected in ((None, 7), (x, 4), (x[1:], 4), (x.double(), 4)):
            chosen = kernels.optional[(1,)](out, value, 7)
            assert out[0].item() == expected
            assert chosen is stock_choice(kernels.optional, (out, value, 7), {})


def test_names_of_parameters_are_free():
    out = torch.zeros(16, dtype=torch.int32)
    for total in (3, 4):
        kernels.odd_names[(1,)](out, total, 6, bound=7, key=5, BLOCK=16)
        assert out.tolist() == [total + 18] * 16


def test_numbers_that_do_not_fit():
    out, x = torch.zeros(8), torch.ones(8)
    infinity = float("inf")
    for alpha, expected in ((1.0, 1.0), (1e300, infinity), (-1e300, -infinity), (float("nan"), float("nan"))):
        kernels.scale[(1,)](out, x, 8, alpha, BLOCK=8)
        np.testing.assert_array_equal(out.numpy(), np.full(8, expected))


def test_grids():
    out, x = torch.zeros(64), torch.ones(64)
    seen = []

    def grid(meta):
        seen.append(dict(meta))
        return (triton.cdiv(meta["n"], meta["BLOCK"]),)

    for _ in range(3):
        kernels.scale[grid](out, x, 64, 2.0, BLOCK=16)
    assert out.sum() == 128
    assert [list(one) for one in seen] == [["out_ptr", "x_ptr", "n", "alpha", "BLOCK"]] * 3
    for empty in ((0,), (1, 0), [1, 1, 0]):
        kernels.scale[empty](out, x, 64, 3.0, BLOCK=16)
    kernels.scale[[4]](out, x, 64, 5.0, BLOCK=16)
    assert out.sum() == 64 * 5
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'alpha'"):
        kernels.scale[(1,)](out, x, 64, BLOCK=16)


def test_hooks_and_debugging_are_heard():
    out, x, heard = torch.zeros(8), torch.ones(8), []

    def launch():
        kernels.scale[(1,)](out, x, 8, 2.0, BLOCK=8)

    def enter(metadata):
        heard.append(metadata.get()["name"])

    launch(), launch()
    knobs.runtime.launch_enter_hook.add(enter)
    try:
        launch()
    finally:
        knobs.runtime.launch_enter_hook.remove(enter)
    kernels.scale.add_pre_run_hook(lambda *args, **options: heard.append(options["BLOCK"]))
    try:
        launch()
    finally:
        kernels.scale.pre_run_hooks.clear()
    launch()
    assert heard == ["scale", 8]


def test_a_changed_global_is_refused(monkeypatch):
    out = torch.zeros(1, dtype=torch.int32)
    for _ in range(3):
        kernels.with_global[(1,)](out)
    assert out.item() == 2
    monkeypatch.setattr(kernels, "OFFSET", tl.constexpr(9))
    with pytest.raises(RuntimeError, match="Global variable OFFSET has changed"):
        kernels.with_global[(1,)](out)


def test_caches_that_were_cleared(stock_launches):
    out, x = torch.zeros(8), torch.ones(8)
    for _ in range(2):
        kernels.scale[(1,)](out, x, 8, 2.0, BLOCK=8)
    kernels.scale.device_caches.clear()
    before = len(stock_launches)
    kernels.scale[(1,)](out, x, 8, 2.0, BLOCK=8)
    assert len(stock_launches) == before + 1


def test_other_devices_and_modes(on_device, stock_launches):
    out, x = torch.zeros(8), torch.ones(8)

    def launch(alpha):
        kernels.scale[(1,)](out, x, 8, alpha, BLOCK=8)

    launch(2.0), launch(3.0)
    first = current_device()
    second = on_device("h100-sxm", mode="both")
    launch(4.0), launch(5.0)
    assert out.sum() == 40
    assert [record.launches for record in second.session.records] == [2]
    assert second.session.records[0].device_ps > 0
    second.mode = "time"
    launch(9.0)
    assert out.sum() == 40
    assert [record.launches for record in first.session.records] == [2]
    assert metered(lambda: launch(6.0)).launches == 1
    assert out.sum() == 40


def test_launches_of_several_threads():
    def work(out, x):
        for _ in range(200):
            kernels.scale[(1,)](out, x, 100, 2.0, BLOCK=128)

    pairs = [(torch.zeros(100), torch.randn(100)) for _ in range(4)]
    threads = [threading.Thread(target=work, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(out, x * 2) for out, x in pairs)


def test_zeros_of_both_signs_are_two_constants(stock_launches):
    out, one = torch.empty(1), torch.ones(1)
    for value in (0.0, -0.0, 0.0, -0.0, 1.5, 0.0):
        kernels.times_constant[(1,)](out, one, value)
        assert out.item() == value
    assert len(stock_launches) == 3  # as many as Triton compiles, though its constants lose the sign


def test_threads_parse_one_at_a_time(monkeypatch):
    inside, most = [], []

    def parse(source):
        inside.append(source)
        most.append(len(inside))
        time.sleep(0.01)
        inside.pop()
        return whole(source)

    whole = ast.parse
    monkeypatch.setattr(ast, "parse", parse)
    function = kernels.times_constant
    threads = [threading.Thread(target=function.parse) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]
