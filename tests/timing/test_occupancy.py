"""Resident blocks against the figures of published occupancy calculators, and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from supa.arch import load
from supa.base.errors import LaunchError
from supa.program.program import Resources
from supa.program.work import Access, Work
from supa.timing import occupancy, price


@pytest.mark.parametrize(
    ("threads", "registers", "shared", "blocks", "limiter"),
    [
        (256, 32, 0, 8, "warps"),  # 2048 threads of an SM
        (256, 64, 0, 4, "registers"),  # 65536 registers
        (128, 255, 0, 2, "registers"),
        (32, 16, 0, 32, "blocks"),
        (128, 32, 48 << 10, 3, "shared"),  # 164 KB, 1 KB of each block reserved
        (1024, 33, 0, 1, "registers"),
    ],
)
def test_compute_capability_8_0(threads: int, registers: int, shared: int, blocks: int, limiter: str) -> None:
    found = occupancy(
        load("a100-sxm-80").chip, Resources(threads=threads, registers_per_thread=registers, shared_bytes=shared)
    )
    assert (found.blocks_per_cu, found.limiter) == (blocks, limiter)


@pytest.mark.parametrize(
    ("threads", "shared", "words"),
    [(2048, 0, "2048 threads"), (128, 33 << 10, "33792 bytes of shared memory"), (0, 0, "at least 1 thread")],
)
def test_a_block_that_does_not_fit_is_refused(threads: int, shared: int, words: str) -> None:
    with pytest.raises(LaunchError, match=words):
        occupancy(load("bili100").chip, Resources(threads=threads, registers_per_thread=32, shared_bytes=shared))


def test_a_stream_that_is_too_short_is_refused() -> None:
    resources = Resources(threads=32, registers_per_thread=32, shared_bytes=0)
    with pytest.raises(ValueError, match="its 3 blocks say"):
        price(load("bili100"), Work(body=()), resources, (3, 1, 1), np.array([0, 0], np.int64))


def test_a_stream_that_does_not_fit_the_tree_is_refused() -> None:
    resources = Resources(threads=32, registers_per_thread=32, shared_bytes=0)
    work = Work(body=(Access(id=0, kind="load", element_bytes=4, shape=(64,)),))
    stream = np.array([3, 4096, 64, 4, 4, 4096, 64, 4, 9], np.int64)
    with pytest.raises(ValueError, match="block 1: the stream holds more or fewer values"):
        price(load("bili100"), work, resources, (2, 1, 1), stream)
