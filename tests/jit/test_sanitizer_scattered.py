"""Lanes anywhere: gathers and atomics of tiles, whose bounds native code and the core look at many lanes at a time."""

import pytest
import torch
import triton
import triton.language as tl

from supa.runtime import native

_PROGRAMS, _BLOCK = 64, 64


@triton.jit
def gather(x_ptr, index_ptr, out_ptr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out_ptr + at, tl.load(x_ptr + tl.load(index_ptr + at)))


@triton.jit
def count(index_ptr, out_ptr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.atomic_add(out_ptr + tl.load(index_ptr + at), 1)


@triton.jit
def gather_whole_words(x_ptr, index_ptr, out_ptr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    address = x_ptr.to(tl.pointer_type(tl.int8), bitcast=True) + tl.load(index_ptr + at)
    tl.store(out_ptr + at, tl.load(address.to(tl.pointer_type(tl.float32), bitcast=True)))


def an_index(last, seed=0):
    seeded = torch.Generator().manual_seed(seed)
    return torch.randint(0, last, (_PROGRAMS * _BLOCK,), dtype=torch.int32, generator=seeded)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.int8, torch.float64])
@pytest.mark.parametrize("bad", [1000, -1, 2**30, -(2**30)])
def test_one_lane_of_a_gather_outside(sanitized, dtype, bad):
    """The window of the load is open by then: many programs before it found nothing wrong."""
    x, index = torch.arange(1000).to(dtype), an_index(1000)
    index[50 * _BLOCK + 21] = bad
    out = torch.zeros(_PROGRAMS * _BLOCK, dtype=dtype)
    [finding] = sanitized(lambda: gather[(_PROGRAMS,)](x, index, out, BLOCK=_BLOCK))
    assert (finding.kind, finding.program_id, finding.element, finding.count) == ("outside", (50, 0, 0), (21,), 1)
    expected = x[index.clamp(0, 999).long()]
    expected[50 * _BLOCK + 21] = 0
    assert torch.equal(out, expected)


@pytest.mark.parametrize("bits", [16, 32, 64])
def test_one_lane_of_a_gather_reads_what_nobody_wrote(sanitized, bits):
    dtype = {16: torch.int16, 32: torch.int32, 64: torch.int64}[bits]
    out = torch.zeros(_PROGRAMS * _BLOCK, dtype=dtype)

    def launch():
        x, index = torch.empty(1000, dtype=dtype), an_index(999)
        x[:992] = 7
        index.clamp_(max=991)
        index[40 * _BLOCK + 5] = 996
        gather[(_PROGRAMS,)](x, index, out, BLOCK=_BLOCK)

    [finding] = sanitized(launch)
    assert (finding.kind, finding.program_id, finding.element, finding.count) == ("unwritten", (40, 0, 0), (5,), 1)


def test_one_lane_of_a_gather_misaligned(sanitized):
    x, index = torch.arange(1000.0), an_index(1000) * 4
    index[60 * _BLOCK + 63] += 2
    out = torch.zeros(_PROGRAMS * _BLOCK)
    [finding] = sanitized(lambda: gather_whole_words[(_PROGRAMS,)](x, index, out, BLOCK=_BLOCK))
    assert (finding.kind, finding.program_id, finding.element) == ("misaligned", (60, 0, 0), (63,))


def test_the_last_word_that_is_only_partly_inside(sanitized):
    """A tensor of 4 * 250 + 3 bytes, read as words."""
    x, index = torch.zeros(1003, dtype=torch.int8), an_index(250) * 4
    index[7 * _BLOCK + 1] = 1000
    out = torch.zeros(_PROGRAMS * _BLOCK)
    [finding] = sanitized(lambda: gather_whole_words[(_PROGRAMS,)](x, index, out, BLOCK=_BLOCK))
    assert (finding.kind, finding.program_id, finding.element) == ("outside", (7, 0, 0), (1,))


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("block", [1, 2, 64])
def test_atomics_of_a_tile_leave_out_lanes_outside(sanitized, threads, block):
    """One that is alone and one of several threads: both count right, and neither touches what is not theirs."""
    both = torch.zeros(300, dtype=torch.int32)
    counts, neighbour = both[:256], both[256:]
    index = an_index(256)
    index[3 * 64 + 9] = 260
    before = native.core.supa_threads()
    native.core.supa_set_threads(threads)
    try:
        [finding] = sanitized(lambda: count[(index.numel() // block,)](index, counts, BLOCK=block))
    finally:
        native.core.supa_set_threads(before)
    assert (finding.kind, finding.access, finding.count) == ("outside", "atomic", 1)
    assert neighbour.count_nonzero() == 0
    expected = torch.bincount(index.clamp(max=256), minlength=257)[:256]
    assert torch.equal(counts.long(), expected)
