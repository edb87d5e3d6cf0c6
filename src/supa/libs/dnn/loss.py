"""Negative log likelihood of classes, forward and backward. Not here: the logarithms (`softmax`).

x is (rows, classes), contiguous; target (rows,); weight (classes,), read with WEIGHS. Rows whose target is `ignored`
do not count. MODE: 0, each row's loss; 1, their weighted mean; 2, their sum.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _weighed(target_ptr, weight_ptr, row, rows, classes, ignored, WEIGHS: tl.constexpr):
    """Each row's class and its weight, 0 for those that do not count."""
    target = tl.load(target_ptr + row, mask=row < rows, other=0).to(tl.int64)
    counts = (row < rows) & (target != ignored)
    tl.device_assert((target >= 0) & (target < classes), "target out of bounds", mask=counts)
    weight = tl.load(weight_ptr + target, mask=counts, other=0.0).to(tl.float32) if WEIGHS else 1.0
    return target, tl.where(counts, weight, 0.0)


@triton.jit
def nll(
    out_ptr, total_ptr, x_ptr, target_ptr, weight_ptr, rows, classes, ignored, WEIGHS: tl.constexpr,
    MODE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """out (rows,) or one value, and the total weight. One program."""
    loss = tl.zeros((BLOCK,), tl.float32)
    total = tl.zeros((BLOCK,), tl.float32)
    for begin in range(0, rows, BLOCK):
        row = begin + tl.arange(0, BLOCK)
        target, weight = _weighed(target_ptr, weight_ptr, row, rows, classes, ignored, WEIGHS)
        x = tl.load(x_ptr + row.to(tl.int64) * classes + target, mask=weight != 0, other=0.0).to(tl.float32)
        own = -x * weight
        if MODE == 0:
            tl.store(out_ptr + row, own.to(out_ptr.dtype.element_ty), mask=row < rows)
        loss += own
        total += weight
    whole = tl.sum(total, axis=0)
    if MODE != 0:
        found = tl.sum(loss, axis=0)
        found = found / whole if MODE == 1 else found
        tl.store(out_ptr, found.to(out_ptr.dtype.element_ty))
        tl.store(total_ptr, whole.to(total_ptr.dtype.element_ty))
    else:
        tl.store(total_ptr, tl.zeros((), tl.float32).to(total_ptr.dtype.element_ty))


@triton.jit
def nll_backward(
    out_ptr, grad_ptr, target_ptr, weight_ptr, total_ptr, rows, classes, ignored, WEIGHS: tl.constexpr,
    MODE: tl.constexpr, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """The gradient of x: one entry a row."""
    row = tl.program_id(0) * BLOCK_R + tl.arange(0, BLOCK_R)
    column = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    target, weight = _weighed(target_ptr, weight_ptr, row, rows, classes, ignored, WEIGHS)
    if MODE == 0:
        grad = tl.load(grad_ptr + row, mask=row < rows, other=0.0).to(tl.float32)
    else:
        grad = tl.load(grad_ptr).to(tl.float32)
        if MODE == 1:
            grad = grad / tl.load(total_ptr).to(tl.float32)
    value = tl.where(weight == 0, 0.0, -weight * grad)
    result = tl.where(column[None, :] == target[:, None], tl.broadcast_to(value[:, None], (BLOCK_R, BLOCK_C)), 0.0)
    mask = (row < rows)[:, None] & (column < classes)[None, :]
    at = row.to(tl.int64)[:, None] * classes + column[None, :]
    tl.store(out_ptr + at, result.to(out_ptr.dtype.element_ty), mask=mask)
