"""Programs that wait for one another: they make progress as they would on a device that holds all of them at once."""

import pytest
import torch
import triton
import triton.language as tl

from supa.base.errors import LaunchError
from supa.runtime import native


@pytest.fixture(params=[1, 2])
def threads(request):
    """The number of host threads that run blocks."""
    before = native.threads()
    native.set_threads(request.param)
    yield request.param
    native.set_threads(before)


@triton.jit
def locked_sum(total_ptr, lock_ptr):
    at = total_ptr + tl.arange(0, 64)
    while tl.atomic_cas(lock_ptr, 0, 1) == 1:
        pass
    tl.store(at, tl.load(at) + 1)
    tl.debug_barrier()
    tl.atomic_xchg(lock_ptr, 0)


def test_a_spin_lock(on_device, threads):
    on_device(mode="execute")
    total, lock = torch.zeros(64), torch.zeros(1, dtype=torch.int32)
    locked_sum[(500,)](total, lock)
    assert (total == 500).all()


@triton.jit
def first_waits_for_all(count_ptr, data_ptr, out_ptr, count):
    program = tl.program_id(0)
    if program == 0:
        while tl.atomic_add(count_ptr, 0) < count - 1:
            pass
        at = tl.arange(0, 128)
        tl.store(out_ptr, tl.sum(tl.load(data_ptr + at, mask=at < count, other=0)))
    else:
        tl.store(data_ptr + program, program)
        tl.atomic_add(count_ptr, 1, sem="release")


def test_the_first_block_waits_for_the_others(on_device, threads):
    on_device(mode="execute")
    arrived, data, out = torch.zeros(1, dtype=torch.int32), torch.zeros(128), torch.zeros(1)
    first_waits_for_all[(100,)](arrived, data, out, 100)
    assert out.item() == sum(range(100))


@triton.jit
def rounds(arrived_ptr, values_ptr, count, steps, SIZE: tl.constexpr):
    """Each step, every block writes the sum of what all wrote in the step before."""
    program, at = tl.program_id(0), tl.arange(0, SIZE)
    for step in range(steps):
        values = tl.load(values_ptr + step * SIZE + at, mask=at < count, other=0)
        tl.store(values_ptr + (step + 1) * SIZE + program, tl.sum(values) % 1000 + program)
        tl.debug_barrier()
        tl.atomic_add(arrived_ptr + step, 1)
        while tl.load(arrived_ptr + step, volatile=True) < count:
            pass


def test_barriers_across_the_grid(on_device, threads):
    on_device(mode="execute")
    steps, count = 5, 60
    values = torch.zeros(steps + 1, 64, dtype=torch.int32)
    values[0, :count] = torch.arange(count)
    expected = values[0, :count].long()
    rounds[(count,)](torch.zeros(steps, dtype=torch.int32), values, count, steps, 64)
    for _ in range(steps):
        expected = expected.sum() % 1000 + torch.arange(count)
    assert torch.equal(values[steps, :count].long(), expected)


@triton.jit(debug=True)
def one_fails(flag_ptr):
    if tl.program_id(0) == 3:
        tl.device_assert(tl.load(flag_ptr) == 1, "the flag")
    while tl.atomic_add(flag_ptr, 0) == 0:
        pass


def test_a_failed_assert_ends_the_blocks_that_wait(on_device, threads):
    on_device(mode="execute")
    with pytest.raises(LaunchError, match="the flag"):
        one_fails[(8,)](torch.zeros(1, dtype=torch.int32))


@triton.jit
def faulting(flag_ptr, nowhere):
    if tl.program_id(0) == 5:
        tl.store(nowhere.to(tl.int64).to(tl.pointer_type(tl.int32)), 1)
    while tl.atomic_add(flag_ptr, 0) == 0:
        pass


def test_a_fault_ends_the_blocks_that_wait(on_device, threads):
    on_device(mode="execute")
    with pytest.raises(LaunchError, match=r"block \(5, 0, 0\)"):
        faulting[(8,)](torch.zeros(1, dtype=torch.int32), 4096 + 8)
