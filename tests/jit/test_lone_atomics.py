"""Atomic operations of launches that have the process's kernels to themselves, and of launches that do not."""

import threading

import numpy as np
import pytest
import torch
import triton
import triton.language as tl

from supa.base.errors import LaunchError
from supa.runtime import set_threads, threads


@pytest.fixture(autouse=True)
def one_thread():
    before = threads()
    set_threads(1)
    yield
    set_threads(before)


@triton.jit
def scatter(x, index, out, old, n, KIND: tl.constexpr, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < n
    places, v = out + tl.load(index + i, mask=inside, other=0), tl.load(x + i, mask=inside, other=0)
    if KIND == "add":
        before = tl.atomic_add(places, v, mask=inside)
    elif KIND == "max":
        before = tl.atomic_max(places, v, mask=inside)
    elif KIND == "min":
        before = tl.atomic_min(places, v, mask=inside)
    elif KIND == "xor":
        before = tl.atomic_xor(places, v, mask=inside)
    else:
        before = tl.atomic_add(places, v, mask=inside, scope="sys")
    tl.store(old + i, before, mask=inside)


COMBINE = {"add": np.add, "sys": np.add, "max": np.maximum, "min": np.minimum, "xor": np.bitwise_xor}


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [(kind, torch.int32) for kind in COMBINE]
    + [("add", dtype) for dtype in (torch.int64, torch.float32, torch.float64, torch.float16, torch.bfloat16)],
)
def test_lanes_act_one_after_another(kind, dtype):
    """Small whole numbers, of which all sums are exact: old values tell the order."""
    n, places = 1037, 5
    generator = np.random.default_rng(3)
    x, index = generator.integers(-3, 4, n), generator.integers(0, places, n)
    total, seen = np.zeros(places, np.int64), []
    for value, at in zip(x, index, strict=True):
        seen.append(total[at])
        total[at] = COMBINE[kind](total[at], value)
    out, old = torch.zeros(places, dtype=dtype), torch.full((n,), 99).to(dtype)
    scatter[(triton.cdiv(n, 128),)](torch.from_numpy(x).to(dtype), torch.from_numpy(index), out, old, n, kind, 128)
    assert out.tolist() == total.tolist()
    assert old.tolist() == seen


@triton.jit
def rows(x, out, old, m, n, KIND: tl.constexpr, M: tl.constexpr, N: tl.constexpr):
    """All programs at the same rows, which lie side by side."""
    i, j = tl.arange(0, M)[:, None], tl.arange(0, N)[None, :]
    inside, start = (i < m) & (j < n), tl.program_id(0) * M * N
    v = tl.load(x + start + i * N + j)
    if KIND == "add":
        before = tl.atomic_add(out + i * n + j, v, mask=inside)
    elif KIND == "max":
        before = tl.atomic_max(out + i * n + j, v, mask=inside)
    elif KIND == "min":
        before = tl.atomic_min(out + i * n + j, v, mask=inside)
    else:
        before = tl.atomic_xor(out + i * n + j, v, mask=inside)
    tl.store(old + start + i * N + j, before, mask=inside)


@pytest.mark.parametrize(("m", "n"), [(8, 64), (5, 37), (1, 1)])
@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize(
    ("kind", "dtype"),
    [(kind, torch.int32) for kind in ("add", "max", "min", "xor")]
    + [("add", dtype) for dtype in (torch.int64, torch.float32, torch.float64, torch.float16, torch.bfloat16)],
)
def test_rows_act_as_single_elements(kind, dtype, m, n, several):
    """Old values too, by one thread (in vectors) and by two (one after another)."""
    if several:
        set_threads(2)
    generator, blocks = np.random.default_rng(m), 3
    x = generator.integers(-3, 4, (blocks, 8, 64))
    total, steps = np.zeros((m, n), np.int64), []
    for block in x:
        steps.append(total)
        total = COMBINE[kind](total, block[:m, :n])
    out, old = torch.zeros(m, n, dtype=dtype), torch.full(x.shape, 99).to(dtype)
    rows[(blocks,)](torch.from_numpy(x).to(dtype), out, old, m, n, kind, M=8, N=64)
    assert out.tolist() == total.tolist()
    seen = np.array(old.tolist())
    if not several:
        assert seen[:, :m, :n].tolist() == np.array(steps).tolist()
    assert (seen[:, m:] == 99).all() and (seen[:, :, n:] == 99).all()


@triton.jit
def count(out, n, BLOCK: tl.constexpr):
    places = (tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)) % n
    tl.atomic_add(out + places, 1)


def test_threads_that_launch_at_once_lose_nothing():
    """Each runs its blocks on one thread: whoever is alone gives way, and no two of them add without atomics."""
    out, blocks, launches, callers = torch.zeros(7, dtype=torch.int32), 2000, 12, 4
    count[(blocks,)](out, 7, BLOCK=64)

    def launch():
        for _ in range(launches):
            count[(blocks,)](out, 7, BLOCK=64)

    workers = [threading.Thread(target=launch) for _ in range(callers)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert out.sum() == (1 + launches * callers) * blocks * 64


@triton.jit
def fail(out, n, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    tl.atomic_add(out + i + n, 1)


def test_a_launch_that_faults_is_alone_no_longer():
    out = torch.zeros(64, dtype=torch.int32)
    with pytest.raises(LaunchError):
        fail[(1,)](out, 1 << 50, BLOCK=64)
    done = threading.Thread(target=lambda: count[(100,)](out, 64, BLOCK=64))
    done.start()
    done.join(timeout=60)
    assert not done.is_alive() and out.tolist() == [100] * 64
