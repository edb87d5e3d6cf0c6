"""The elementwise part of LSTM and GRU cells, forward and backward. Not here: their products (`blas`).

Gates are (rows, gates * width), those of a width beside one another: input, forget, cell, output of an LSTM; reset,
input, new of a GRU. A program takes BLOCK elements of (rows, width).
"""

from __future__ import annotations

import triton
import triton.language as tl
from triton.language.extra import libdevice


@triton.constexpr_function
def _computing(dtype):
    """What a cell computes in: fp64 for fp64, fp32 for the others."""
    return dtype if dtype == tl.float64 else tl.float32


@triton.jit
def _sigmoid(x):
    return 1.0 / (1.0 + tl.exp(-x))


@triton.jit
def _gate(
    a_ptr, b_ptr, a_bias_ptr, b_bias_ptr, row, column, number, width, GATES: tl.constexpr, BIASED: tl.constexpr, mask
):
    """What comes from the input and from the hidden state for a gate."""
    wide: tl.constexpr = _computing(a_ptr.dtype.element_ty)
    at = row * (GATES * width) + number * width + column
    a = tl.load(a_ptr + at, mask=mask, other=0.0).to(wide)
    b = tl.load(b_ptr + at, mask=mask, other=0.0).to(wide)
    if BIASED:
        a += tl.load(a_bias_ptr + number * width + column, mask=mask, other=0.0).to(wide)
        b += tl.load(b_bias_ptr + number * width + column, mask=mask, other=0.0).to(wide)
    return a, b


@triton.jit
def lstm(
    h_ptr, c_ptr, kept_ptr, a_ptr, b_ptr, before_ptr, a_bias_ptr, b_bias_ptr, n, width, BIASED: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """New state h and c (rows, width) from the old c; kept: the gates after their functions, (rows, 4 * width)."""
    wide: tl.constexpr = _computing(kept_ptr.dtype.element_ty)
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = index < n
    row, column = index // width, index % width
    a, b = _gate(a_ptr, b_ptr, a_bias_ptr, b_bias_ptr, row, column, 0, width, 4, BIASED, mask)
    enters = _sigmoid(a + b)
    a, b = _gate(a_ptr, b_ptr, a_bias_ptr, b_bias_ptr, row, column, 1, width, 4, BIASED, mask)
    forgets = _sigmoid(a + b)
    a, b = _gate(a_ptr, b_ptr, a_bias_ptr, b_bias_ptr, row, column, 2, width, 4, BIASED, mask)
    fresh = libdevice.tanh(a + b)
    a, b = _gate(a_ptr, b_ptr, a_bias_ptr, b_bias_ptr, row, column, 3, width, 4, BIASED, mask)
    leaves = _sigmoid(a + b)
    c = forgets * tl.load(before_ptr + index, mask=mask, other=0.0).to(wide) + enters * fresh
    h = leaves * libdevice.tanh(c)
    tl.store(c_ptr + index, c.to(c_ptr.dtype.element_ty), mask=mask)
    tl.store(h_ptr + index, h.to(h_ptr.dtype.element_ty), mask=mask)
    at = kept_ptr + row * (4 * width) + column
    tl.store(at, enters.to(kept_ptr.dtype.element_ty), mask=mask)
    tl.store(at + width, forgets.to(kept_ptr.dtype.element_ty), mask=mask)
    tl.store(at + 2 * width, fresh.to(kept_ptr.dtype.element_ty), mask=mask)
    tl.store(at + 3 * width, leaves.to(kept_ptr.dtype.element_ty), mask=mask)


@triton.jit
def lstm_backward(
    gates_ptr, before_grad_ptr, h_grad_ptr, c_grad_ptr, before_ptr, c_ptr, kept_ptr, n, width, HAS_H: tl.constexpr,
    HAS_C: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Gradients of the gates before their functions, and of the old c, from those of h and c."""
    wide: tl.constexpr = _computing(kept_ptr.dtype.element_ty)
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = index < n
    row, column = index // width, index % width
    at = row * (4 * width) + column
    enters = tl.load(kept_ptr + at, mask=mask, other=0.0).to(wide)
    forgets = tl.load(kept_ptr + at + width, mask=mask, other=0.0).to(wide)
    fresh = tl.load(kept_ptr + at + 2 * width, mask=mask, other=0.0).to(wide)
    leaves = tl.load(kept_ptr + at + 3 * width, mask=mask, other=0.0).to(wide)
    before = tl.load(before_ptr + index, mask=mask, other=0.0).to(wide)
    bent = libdevice.tanh(tl.load(c_ptr + index, mask=mask, other=0.0).to(wide))
    h_grad = tl.load(h_grad_ptr + index, mask=mask, other=0.0).to(wide) if HAS_H else tl.zeros((BLOCK,), wide)
    total = h_grad * leaves * (1.0 - bent * bent)
    if HAS_C:
        total += tl.load(c_grad_ptr + index, mask=mask, other=0.0).to(wide)
    kind = gates_ptr.dtype.element_ty
    tl.store(gates_ptr + at, (total * fresh * enters * (1.0 - enters)).to(kind), mask=mask)
    tl.store(gates_ptr + at + width, (total * before * forgets * (1.0 - forgets)).to(kind), mask=mask)
    tl.store(gates_ptr + at + 2 * width, (total * enters * (1.0 - fresh * fresh)).to(kind), mask=mask)
    tl.store(gates_ptr + at + 3 * width, (h_grad * bent * leaves * (1.0 - leaves)).to(kind), mask=mask)
    tl.store(before_grad_ptr + index, (total * forgets).to(before_grad_ptr.dtype.element_ty), mask=mask)


@triton.jit
def gru(
    h_ptr, kept_ptr, a_ptr, b_ptr, before_ptr, a_bias_ptr, b_bias_ptr, n, width, BIASED: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """New state h (rows, width); kept (rows, 5 * width): reset, input, new, the old state, the hidden part of new."""
    wide: tl.constexpr = _computing(kept_ptr.dtype.element_ty)
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = index < n
    row, column = index // width, index % width
    a, b = _gate(a_ptr, b_ptr, a_bias_ptr, b_bias_ptr, row, column, 0, width, 3, BIASED, mask)
    resets = _sigmoid(a + b)
    a, b = _gate(a_ptr, b_ptr, a_bias_ptr, b_bias_ptr, row, column, 1, width, 3, BIASED, mask)
    keeps = _sigmoid(a + b)
    a, b = _gate(a_ptr, b_ptr, a_bias_ptr, b_bias_ptr, row, column, 2, width, 3, BIASED, mask)
    fresh = libdevice.tanh(a + resets * b)
    before = tl.load(before_ptr + index, mask=mask, other=0.0).to(wide)
    h = fresh + keeps * (before - fresh)
    tl.store(h_ptr + index, h.to(h_ptr.dtype.element_ty), mask=mask)
    at = kept_ptr + row * (5 * width) + column
    kind = kept_ptr.dtype.element_ty
    tl.store(at, resets.to(kind), mask=mask)
    tl.store(at + width, keeps.to(kind), mask=mask)
    tl.store(at + 2 * width, fresh.to(kind), mask=mask)
    tl.store(at + 3 * width, before.to(kind), mask=mask)
    tl.store(at + 4 * width, b.to(kind), mask=mask)


@triton.jit
def gru_backward(a_grad_ptr, b_grad_ptr, before_grad_ptr, h_grad_ptr, kept_ptr, n, width, BLOCK: tl.constexpr):
    """Gradients of both gates' parts before their functions, and of the old state, from that of h."""
    wide: tl.constexpr = _computing(kept_ptr.dtype.element_ty)
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = index < n
    row, column = index // width, index % width
    at = kept_ptr + row * (5 * width) + column
    resets = tl.load(at, mask=mask, other=0.0).to(wide)
    keeps = tl.load(at + width, mask=mask, other=0.0).to(wide)
    fresh = tl.load(at + 2 * width, mask=mask, other=0.0).to(wide)
    before = tl.load(at + 3 * width, mask=mask, other=0.0).to(wide)
    hidden = tl.load(at + 4 * width, mask=mask, other=0.0).to(wide)
    grad = tl.load(h_grad_ptr + index, mask=mask, other=0.0).to(wide)
    of_fresh = grad * (1.0 - keeps) * (1.0 - fresh * fresh)
    of_keeps = grad * (before - fresh) * keeps * (1.0 - keeps)
    of_resets = of_fresh * hidden * resets * (1.0 - resets)
    to = row * (3 * width) + column
    kind = a_grad_ptr.dtype.element_ty
    tl.store(a_grad_ptr + to, of_resets.to(kind), mask=mask)
    tl.store(a_grad_ptr + to + width, of_keeps.to(kind), mask=mask)
    tl.store(a_grad_ptr + to + 2 * width, of_fresh.to(kind), mask=mask)
    tl.store(b_grad_ptr + to, of_resets.to(kind), mask=mask)
    tl.store(b_grad_ptr + to + width, of_keeps.to(kind), mask=mask)
    tl.store(b_grad_ptr + to + 2 * width, (of_fresh * resets).to(kind), mask=mask)
    tl.store(before_grad_ptr + index, (grad * keeps).to(before_grad_ptr.dtype.element_ty), mask=mask)
