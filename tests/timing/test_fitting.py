"""Kernels on chips with less room for a block: shallower loops and traffic for the rest; nothing changed that fits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from timing_kernels import product

from supa.arch import Device, load
from supa.program.program import Resources
from supa.program.work import Access, Branch, Exchange, Loop, Matrix, Repeat, Work
from supa.timing import fitted, occupancy, price
from supa.timing.workloads.gemm import Tiling, gemm

STEP = Access(id=0, kind="load", element_bytes=2, shape=(64, 64), asynchronous=True)
WORK = Work(
    body=(
        Repeat(body=(STEP,), stages=4),
        Loop(body=(Branch(then=(Repeat(body=(replace(STEP, id=1),), stages=3),)),), stages=2),
    )
)


@pytest.fixture(scope="module")
def small() -> Device:
    return load("bili100")


def asked(shared_bytes: int, registers: int = 32, threads: int = 128) -> Resources:
    return Resources(threads=threads, registers_per_thread=registers, shared_bytes=shared_bytes)


def moved(work: Work) -> list[int]:
    return [step.bytes for step in work.steps() if isinstance(step, Exchange)]


def test_what_fits_stays(small: Device) -> None:
    resources = asked(small.chip.lsc.shared_per_block_bytes)
    assert fitted(WORK, resources, small) == (WORK, resources)


@pytest.mark.parametrize(("times", "stages"), [(2, (2, 1, 1)), (3, (1, 1, 1)), (100, (1, 1, 1))])
def test_what_does_not_fit_is_pipelined_less_deeply(small: Device, times: int, stages: tuple[int, ...]) -> None:
    limit = small.chip.lsc.shared_per_block_bytes
    work, resources = fitted(WORK, asked(times * limit), small)
    repeat, loop = work.body
    assert isinstance(repeat, Repeat) and isinstance(loop, Loop) and isinstance(loop.body[0], Branch)
    inner = loop.body[0].then[0]
    assert isinstance(inner, Repeat)
    assert (repeat.stages, loop.stages, inner.stages) == stages
    assert resources.shared_bytes == limit
    assert moved(work) == ([] if times <= 4 else [21 * limit + 3 * limit] * 2)  # a quarter of 100, less what fits


def test_registers_beyond_the_chips_are_stored_and_loaded_each_turn(small: Device) -> None:
    body = Work(body=(Repeat(body=(STEP, product(1, waits=(0,)))),))
    work, resources = fitted(body, asked(0, registers=200, threads=1024), small)
    assert resources.registers_per_thread == 40  # 40 KiB of an EU for 8 warps of 32 threads (hardwareluxx 59314)
    assert moved(work) == [160 * 1024 * 4]
    assert [type(step) for step in work.steps()] == [Access, Matrix, Exchange]


def test_without_a_loop_the_rest_moves_once(small: Device) -> None:
    work, _ = fitted(Work(body=(product(0),)), asked(0, registers=200, threads=1024), small)
    assert moved(work) == [160 * 1024 * 4]


def test_spilling_costs_time(small: Device) -> None:
    one = gemm(1024, 1024, 1024, tiling=Tiling(m=64, n=64, k=64, stages=2))
    greedy = replace(one.resources, threads=1024, registers_per_thread=200)
    modest = replace(greedy, registers_per_thread=40)
    times = []
    for resources in (modest, greedy):
        work, within = fitted(one.work, resources, small)
        times.append(price(small, work, within, one.grid, one.stream).time_ps)
    assert times[1] > 1.5 * times[0]


@pytest.mark.parametrize("name", ["bili100", "a100-sxm-80", "h100-sxm"])
@pytest.mark.parametrize("threads", [32, 128, 256, 512, 1024])
def test_every_block_fits_a_cu_after_all(name: str, threads: int) -> None:
    device = load(name)
    _, resources = fitted(WORK, asked(1 << 20, registers=255, threads=threads), device)
    assert occupancy(device.chip, resources).blocks_per_cu >= 1
    assert resources.registers_per_thread >= 16
