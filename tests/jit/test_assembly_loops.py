"""Loops in inline PTX, element by element, against the same loop in Python."""

import math

import pytest
import torch
import triton
import triton.language as tl

COUNT_BITS = """
{ .reg .pred p; .reg .b32 rest, count, less;
  mov.b32 rest, $1; mov.b32 count, 0;
  turn: setp.eq.u32 p, rest, 0; @p bra end;
  sub.u32 less, rest, 1; and.b32 rest, rest, less; add.u32 count, count, 1; bra turn;
  end: mov.b32 $0, count; }
"""
PAIRS = """
{ .reg .pred p, q; .reg .u32 i, j, count;
  mov.u32 i, 0; mov.u32 count, 0;
  outer: setp.ge.u32 p, i, $1; @p bra out;
  mov.u32 j, 0;
  inner: setp.ge.u32 q, j, i; @q bra next;
  add.u32 count, count, 1; add.u32 j, j, 1; bra inner;
  next: add.u32 i, i, 1; bra outer;
  out: mov.u32 $0, count; }
"""
ODD_SUM_ABOVE = """
{ .reg .pred p; .reg .u32 i, bit, sum;
  mov.u32 i, 0; mov.u32 sum, 0;
  turn: add.u32 i, i, 1; and.b32 bit, i, 1; setp.eq.u32 p, bit, 0; @p bra turn;
  add.u32 sum, sum, i; setp.gt.u32 p, sum, $1; @p bra done;
  bra turn;
  done: mov.u32 $0, sum; }
"""
ROOT = """
{ .reg .pred p; .reg .f32 x, y, q; .reg .s32 turn;
  cvt.rn.f32.s32 x, $1; mov.f32 y, x; mov.s32 turn, 0;
  again: div.rn.f32 q, x, y; add.f32 y, y, q; mul.f32 y, y, 0f3F000000;
  add.s32 turn, turn, 1; setp.lt.s32 p, turn, 20; @p bra again;
  cvt.rni.s32.f32 $0, y; }
"""
ONLY_THE_OTHERS = """
{ .reg .pred p; .reg .s32 left;
  mov.s32 $0, -1; setp.lt.s32 p, $1, 10; @p bra past;
  mov.s32 left, $1;
  turn: sub.s32 left, left, 7; setp.ge.s32 p, left, 7; @p bra turn;
  mov.s32 $0, left;
  past: add.s32 $0, $0, 1; }
"""


@triton.jit
def assembled(x_ptr, y_ptr, N: tl.constexpr, TEXT: tl.constexpr):
    at = tl.arange(0, N)
    y = tl.inline_asm_elementwise(TEXT, "=r,r", [tl.load(x_ptr + at)], dtype=tl.int32, is_pure=True, pack=1)
    tl.store(y_ptr + at, y)


@triton.jit
def one_value(x_ptr, y_ptr, TEXT: tl.constexpr):
    tl.store(y_ptr, tl.inline_asm_elementwise(TEXT, "=r,r", [tl.load(x_ptr)], dtype=tl.int32, is_pure=True, pack=1))


@triton.jit
def walked(list_ptr, first_ptr, sum_ptr, N: tl.constexpr):
    """Follows lists of (value, place of the next element), each to its end."""
    at = tl.arange(0, N)
    text: tl.constexpr = """
    { .reg .pred p; .reg .b64 place; .reg .s32 next, value, sum;
      mov.s32 next, $2; mov.s32 sum, 0;
      turn: setp.lt.s32 p, next, 0; @p bra end;
      mul.wide.s32 place, next, 8; add.s64 place, place, $1;
      ld.global.s32 value, [place]; ld.global.s32 next, [place+4];
      add.s32 sum, sum, value; bra turn;
      end: mov.s32 $0, sum; }
    """
    base = tl.zeros((N,), tl.int64) + list_ptr.to(tl.int64)
    found = tl.inline_asm_elementwise(
        text, "=r,l,r", [base, tl.load(first_ptr + at)], dtype=tl.int32, is_pure=False, pack=1
    )
    tl.store(sum_ptr + at, found)


CASES = {
    "bits": (COUNT_BITS, lambda x: bin(x).count("1")),
    "nested": (PAIRS, lambda x: x * (x - 1) // 2),
    "two ways back, one out": (ODD_SUM_ABOVE, lambda x: (math.isqrt(x) + 1) ** 2),
    "floats": (ROOT, lambda x: round(math.sqrt(x))),
    "some elements never enter": (ONLY_THE_OTHERS, lambda x: 0 if x < 10 else x % 7 + 1),
}


@pytest.mark.parametrize("name", CASES)
def test_loops(on_device, name):
    on_device(mode="execute")
    text, expected = CASES[name]
    x, y = torch.arange(1, 65, dtype=torch.int32), torch.zeros(64, dtype=torch.int32)
    assembled[(1,)](x, y, N=64, TEXT=text)
    assert y.tolist() == [expected(value) for value in x.tolist()]


def test_a_scalar_loops(on_device):
    on_device(mode="execute")
    x, y = torch.tensor([0x1234567], dtype=torch.int32), torch.zeros(1, dtype=torch.int32)
    one_value[(1,)](x, y, TEXT=COUNT_BITS)
    assert y.item() == 0x1234567.bit_count()


def test_memory_is_read_by_the_elements_that_run(on_device):
    """Elements at the end of their list would read in front of it."""
    on_device(mode="execute")
    lists = torch.tensor([[1, 2], [10, -1], [100, 3], [1000, -1]], dtype=torch.int32)
    first, sums = torch.tensor([0, 1, -1, 3] * 8, dtype=torch.int32), torch.zeros(32, dtype=torch.int32)
    walked[(1,)](lists, first, sums, N=32)
    assert sums.tolist() == [1101, 10, 0, 1000] * 8
