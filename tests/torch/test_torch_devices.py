"""`torch.supa` and `torch.accelerator`: which devices there are, what they are, memory and its end."""

import gc
import subprocess
import sys
import textwrap

import pytest
import torch

from supa.arch import load


def test_one_device_of_the_catalogue():
    chip = load("bili100")
    assert torch.supa.is_available()
    assert torch.supa.device_count() == torch.accelerator.device_count() == 1
    assert torch.accelerator.current_accelerator() == torch.device("supa")
    assert torch.supa.get_device_name() == "bili100"
    assert torch.supa.get_device_properties().total_memory == chip.hbm_capacity_bytes
    assert torch.supa.get_device_properties(0).multi_processor_count == chip.chip.cu_count


def test_a_device_that_is_not_there():
    with pytest.raises(RuntimeError, match=r"invalid device supa:1: there is 1 device"):
        torch.ones(1, device="supa:1")
    with pytest.raises(ValueError, match="expected a supa device, found cpu"):
        torch.supa.get_device_name("cpu")


def test_memory_is_counted():
    gc.collect()
    before = torch.supa.memory_allocated()
    torch.supa.reset_peak_memory_stats()
    held = torch.empty(1000, device="supa")
    assert torch.supa.memory_allocated() - before == 4096
    assert torch.accelerator.memory_allocated() == torch.supa.memory_allocated()
    del held
    assert torch.supa.memory_allocated() == before
    assert torch.supa.max_memory_allocated() == before + 4096
    free, total = torch.supa.mem_get_info()
    assert total - free == before
    torch.supa.empty_cache()
    assert "allocated" in torch.supa.memory_summary()


def test_results_of_host_operators_lie_in_device_memory():
    values = torch.ones(1024, device="supa")
    before = torch.supa.memory_allocated()
    found = torch.special.airy_ai(values)
    assert torch.supa.memory_allocated() - before == 4096
    assert found.untyped_storage().device.type == "supa"


def test_out_of_memory_says_what_and_where():
    capacity = torch.supa.mem_get_info()[1]
    with pytest.raises(torch.OutOfMemoryError, match=r"Tried to allocate .* GiB\. supa:0 \(bili100\) has a total"):
        torch.empty(capacity, dtype=torch.float32, device="supa")
    assert torch.ones(1, device="supa").item() == 1


def test_mixed_devices_are_refused_as_users_know_it():
    ours, host = torch.ones(3, device="supa"), torch.ones(3)
    message = "Expected all tensors to be on the same device, but found at least two devices, supa:0 and cpu!"
    for call in (lambda: ours + host, lambda: host.add_(ours), lambda: torch.mm(ours[None], host[:, None])):
        with pytest.raises(RuntimeError, match=message):
            call()
    assert (ours + torch.tensor(2.0)).tolist() == [3, 3, 3]  # a host scalar is fine
    assert ours[torch.tensor([0, 2])].tolist() == [1, 1]  # so are host indices


def test_pinned_memory():
    pinned = torch.ones(4).pin_memory()
    assert pinned.is_pinned()
    assert not torch.ones(4).is_pinned()
    assert torch.equal(pinned.to("supa", non_blocking=True).cpu(), pinned)


SERVER = """
    import torch, supa.torch
    assert torch.supa.device_count() == 8
    a = torch.ones(2, device="supa:3")
    b = a.to("supa:5")
    assert b.device.index == 5 and b.tolist() == [1, 1]
    with torch.supa.device(2):
        assert torch.empty(1, device="supa").device.index == 2
    assert torch.supa.current_device() == 0
    try:
        a + b
    except RuntimeError as error:
        assert "found at least two devices, supa:3 and supa:5" in str(error), error
    else:
        raise SystemExit("mixed devices were added")
    print("fine")
"""


def run(code, **environment):
    import os

    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, env={**os.environ, **environment}
    )


def test_a_server_is_many_devices():
    done = run(SERVER, SUPA_DEVICE="hearten")
    assert done.stdout == "fine\n", done.stderr


TIME = """
    import torch, supa.torch
    huge = torch.empty(4 << 30, device="supa", dtype=torch.bfloat16)
    huge.zero_()
    half = huge.view(2, -1).cumsum(0)
    assert half.shape == (2, 2 << 30) and half.device.type == "supa"
    torch.supa.synchronize()
    assert torch.supa.host_operators() == {}
    assert half[0, 0].item() != half[0, 0].item(), "there was a value"
    print("fine")
"""


def test_mode_time_touches_no_memory():
    done = run(TIME, SUPA_MODE="time")
    assert done.stdout == "fine\n", done.stderr
