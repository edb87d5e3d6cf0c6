"""Loss of all alignments of a short sequence of labels with a long one of steps (CTC; Graves et al., 2006), and its
gradient. Not here: the softmax before it.

States of a sample are its labels with blanks before, between and behind them. Log probabilities are (steps, samples,
classes), contiguous; `begins`, `steps` and `lengths` are each sample's, int64. A program takes one sample.
"""

from __future__ import annotations

import triton
import triton.language as tl

_NEVER: tl.constexpr = tl.constexpr(float("-inf"))


@triton.jit
def _labels(target_ptr, state, length, blank, classes):
    """(label of each state, whether the state two before it leads to it)."""
    odd = (state % 2 == 1) & (state < 2 * length + 1)
    label = tl.load(target_ptr + state // 2, mask=odd, other=blank).to(tl.int32)
    tl.device_assert((label >= 0) & (label < classes), "label out of bounds")
    before = tl.load(target_ptr + state // 2 - 1, mask=odd & (state >= 3), other=blank).to(tl.int32)
    return label, odd & (state >= 3) & (label != before)


@triton.jit
def _sum_of_three(a, b, c):
    """log(exp(a) + exp(b) + exp(c))."""
    top = tl.maximum(tl.maximum(a, b), c)
    top = tl.where(top == _NEVER, 0.0, top)
    return tl.log(tl.exp(a - top) + tl.exp(b - top) + tl.exp(c - top)) + top


@triton.jit
def forward(
    loss_ptr, alpha_ptr, x_ptr, target_ptr, begin_ptr, steps_ptr, length_ptr, samples, classes, most_steps, most_states,
    blank, STATES: tl.constexpr,
):  # fmt: skip
    """alpha (samples, steps, states): log probability of the first steps that end in a state; loss: of all of them."""
    sample = tl.program_id(0)
    steps, length = tl.load(steps_ptr + sample).to(tl.int32), tl.load(length_ptr + sample).to(tl.int32)
    state = tl.arange(0, STATES)
    within = state < 2 * length + 1
    label, skips = _labels(target_ptr + tl.load(begin_ptr + sample), state, length, blank, classes)
    x = x_ptr + sample * classes + label
    alpha = alpha_ptr + sample.to(tl.int64) * most_steps * most_states
    now = tl.load(x, mask=within & (state < 2) & (steps > 0), other=_NEVER)
    tl.store(alpha + state, now, mask=state < most_states)
    for step in range(1, steps):
        tl.debug_barrier()
        before = alpha + (step - 1) * most_states + state
        one = tl.load(before - 1, mask=within & (state >= 1), other=_NEVER)
        two = tl.load(before - 2, mask=within & skips, other=_NEVER)
        now = _sum_of_three(now, one, two) + tl.load(x + step * samples * classes, mask=within, other=_NEVER)
        tl.store(alpha + step * most_states + state, now, mask=state < most_states)
    last = tl.where((state == 2 * length) | (state == 2 * length - 1), now, _NEVER)
    top = tl.max(last, 0)
    top = tl.where(top == _NEVER, 0.0, top)
    loss = -(tl.log(tl.sum(tl.exp(last - top), 0)) + top)
    tl.store(loss_ptr + sample, tl.where((steps == 0) & (length == 0), 0.0, loss))


@triton.jit
def backward(
    grad_x_ptr, beta_ptr, grad_ptr, loss_ptr, alpha_ptr, x_ptr, target_ptr, begin_ptr, steps_ptr, length_ptr, samples,
    classes, most_steps, most_states, blank, STATES: tl.constexpr,
):  # fmt: skip
    """grad_x loses each class' share of the alignments, times the sample's gradient; beta is room for (samples, 2,
    states).
    """
    sample = tl.program_id(0)
    steps, length = tl.load(steps_ptr + sample).to(tl.int32), tl.load(length_ptr + sample).to(tl.int32)
    grad, loss = tl.load(grad_ptr + sample), tl.load(loss_ptr + sample)
    state = tl.arange(0, STATES)
    within = state < 2 * length + 1
    target = target_ptr + tl.load(begin_ptr + sample)
    label, _ = _labels(target, state, length, blank, classes)
    _, skips = _labels(target, state + 2, length, blank, classes)
    beta = beta_ptr + sample * 2 * most_states
    now = tl.where(within & (state >= 2 * length - 1), 0.0, _NEVER) + tl.zeros((STATES,), x_ptr.dtype.element_ty)
    for back in range(0, steps):
        step = steps - 1 - back
        row = (step * samples + sample).to(tl.int64) * classes + label
        x = tl.load(x_ptr + row, mask=within, other=_NEVER)
        if back > 0:
            tl.debug_barrier()
            after = beta + ((back - 1) % 2) * most_states + state
            one = tl.load(after + 1, mask=state + 1 < 2 * length + 1, other=_NEVER)
            two = tl.load(after + 2, mask=skips, other=_NEVER)
            now = _sum_of_three(now, one, two)
        alpha = tl.load(alpha_ptr + (sample.to(tl.int64) * most_steps + step) * most_states + state, mask=within,
                        other=_NEVER)  # fmt: skip
        share = tl.where((alpha == _NEVER) | (now == _NEVER), 0.0, tl.exp(alpha + now + loss))
        tl.atomic_add(grad_x_ptr + row, -share * grad, mask=within & (loss != float("inf")))
        now += x
        tl.store(beta + (back % 2) * most_states + state, now, mask=within)
