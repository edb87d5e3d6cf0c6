"""Programs on chips with less shared memory: shallower loops, nothing refused, nothing changed where they fit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from supa.arch import Device, load
from supa.program.program import Program, Resources
from supa.program.work import Access, Branch, Count, Loop, Matrix, Repeat, Vector, Work
from supa.runtime.fitting import fitted
from supa.runtime.peaks import peak_flops
from supa.timing import occupancy

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


def program(shared_bytes: int) -> Program:
    return Program(
        name="k", arguments=(), object_code=b"", entry_symbol="e", work_symbol="w", scratch_bytes=0, work=WORK,
        resources=Resources(threads=128, registers_per_thread=32, shared_bytes=shared_bytes),
    )  # fmt: skip


def test_what_fits_stays(small: Device) -> None:
    limit = small.chip.lsc.shared_per_block_bytes
    assert fitted(program(limit), small) == (WORK, program(limit).resources)


@pytest.mark.parametrize(("times", "stages"), [(2, (2, 1, 1)), (3, (1, 1, 1)), (100, (1, 1, 1))])
def test_what_does_not_fit_is_pipelined_less_deeply(small: Device, times: int, stages: tuple[int, ...]) -> None:
    limit = small.chip.lsc.shared_per_block_bytes
    work, resources = fitted(program(times * limit), small)
    repeat, loop = work.body
    assert isinstance(repeat, Repeat) and isinstance(loop, Loop) and isinstance(loop.body[0], Branch)
    inner = loop.body[0].then[0]
    assert isinstance(inner, Repeat)
    assert (repeat.stages, loop.stages, inner.stages) == stages
    assert resources.shared_bytes == limit
    assert [step.id for step in work.steps()] == [0, 1]


@pytest.mark.parametrize("name", ["bili100", "a100-sxm-80", "h100-sxm"])
@pytest.mark.parametrize("threads", [32, 128, 256, 512, 1024])
def test_every_block_fits_a_cu_after_all(name: str, threads: int) -> None:
    device = load(name)
    greedy = replace(
        program(1 << 20), resources=Resources(threads=threads, registers_per_thread=255, shared_bytes=1 << 20)
    )
    _, resources = fitted(greedy, device)
    assert occupancy(device.chip, resources).blocks_per_cu >= 1
    assert resources.registers_per_thread >= 16


def test_the_peak_is_of_the_fastest_matrix_format_else_of_the_lanes(small: Device) -> None:
    vector = Vector(
        id=1, counts=(Count(kind="fma", format="f32", elements=8), Count(kind="add", format="i32", elements=99))
    )
    matrix = [Matrix(id=2, m=16, n=16, k=16, format=name) for name in ("tf32", "bf16")]
    assert peak_flops(small, Work(body=(vector, *matrix))) == 1024 * 10**12  # published for bf16
    assert peak_flops(small, Work(body=(vector,))) == small.vector_flops("fp32")
    assert peak_flops(small, Work(body=())) == small.vector_flops("fp32")
