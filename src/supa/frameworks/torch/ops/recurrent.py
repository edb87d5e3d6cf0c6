"""The cells of LSTMs and GRUs, forward and backward. Not here: their products (`products`), their loops (torch's)."""

from __future__ import annotations

from typing import Any

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.elementwise import FLOATS
from supa.frameworks.torch.ops.indexing import grid_of
from supa.frameworks.torch.ops.moves import contiguous
from supa.frameworks.torch.ops.reductions import reduce
from supa.frameworks.torch.recorder import Declined, Recorder
from supa.libs.dnn import cells

Tensor = torch.Tensor
_KINDS = (*FLOATS, torch.float64)


def _check(*tensors: Tensor | None) -> None:
    given = [one for one in tensors if one is not None]
    if any(one.dtype not in _KINDS or one.dtype != given[0].dtype for one in given):
        raise Declined


def _biases(a: Tensor, a_bias: Tensor | None, b_bias: Tensor | None) -> tuple[Tensor, Tensor, bool]:
    if (a_bias is None) != (b_bias is None):
        raise Declined
    if a_bias is None or b_bias is None:
        return a, a, False
    return a_bias, b_bias, True


@device_op("_thnn_fused_lstm_cell")
def _lstm(
    recorder: Recorder, a: Tensor, b: Tensor, before: Tensor, a_bias: Tensor | None, b_bias: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    _check(a, b, before, a_bias, b_bias)
    first, second, biased = _biases(a, a_bias, b_bias)
    a, b, before = (contiguous(recorder, one) for one in (a, b, before))
    h, c = recorder.new(before.shape, a.dtype), recorder.new(before.shape, a.dtype)
    kept = recorder.new(a.shape, a.dtype)
    block, blocks = grid_of(max(before.numel(), 1))
    recorder.run(cells.lstm, blocks, h, c, kept, a, b, before, first, second, before.numel(), before.shape[-1],
                 BIASED=biased, BLOCK=block)  # fmt: skip
    return h, c, kept


@device_op("_thnn_fused_lstm_cell_backward_impl")
def _lstm_backward(
    recorder: Recorder, h_grad: Tensor | None, c_grad: Tensor | None, before: Tensor, c: Tensor, kept: Tensor,
    has_bias: bool,
) -> tuple[Tensor, Tensor, Tensor | None]:  # fmt: skip
    _check(before, c, kept, h_grad, c_grad)
    before, c, kept = (contiguous(recorder, one) for one in (before, c, kept))
    h_given = before if h_grad is None else contiguous(recorder, h_grad)
    c_given = before if c_grad is None else contiguous(recorder, c_grad)
    gates, of_before = recorder.new(kept.shape, kept.dtype), recorder.new(before.shape, before.dtype)
    block, blocks = grid_of(max(before.numel(), 1))
    recorder.run(
        cells.lstm_backward, blocks, gates, of_before, h_given, c_given, before, c, kept, before.numel(),
        before.shape[-1], HAS_H=h_grad is not None, HAS_C=c_grad is not None, BLOCK=block,
    )  # fmt: skip
    return gates, of_before, reduce(recorder, gates, [0], False, "sum", None) if has_bias else None


@device_op("_thnn_fused_gru_cell")
def _gru(
    recorder: Recorder, a: Tensor, b: Tensor, before: Tensor, a_bias: Tensor | None, b_bias: Tensor | None
) -> tuple[Tensor, Tensor]:
    _check(a, b, before, a_bias, b_bias)
    first, second, biased = _biases(a, a_bias, b_bias)
    a, b, before = (contiguous(recorder, one) for one in (a, b, before))
    h = recorder.new(before.shape, a.dtype)
    kept = recorder.new((before.shape[0], 5 * before.shape[1]), a.dtype)
    block, blocks = grid_of(max(before.numel(), 1))
    recorder.run(cells.gru, blocks, h, kept, a, b, before, first, second, before.numel(), before.shape[-1],
                 BIASED=biased, BLOCK=block)  # fmt: skip
    return h, kept


@device_op("_thnn_fused_gru_cell_backward")
def _gru_backward(recorder: Recorder, h_grad: Tensor, kept: Tensor, has_bias: bool) -> tuple[Any, ...]:
    _check(h_grad, kept)
    h_grad, kept = contiguous(recorder, h_grad), contiguous(recorder, kept)
    rows, width = h_grad.shape
    of_a, of_b = recorder.new((rows, 3 * width), kept.dtype), recorder.new((rows, 3 * width), kept.dtype)
    of_before = recorder.new(h_grad.shape, kept.dtype)
    block, blocks = grid_of(max(h_grad.numel(), 1))
    recorder.run(cells.gru_backward, blocks, of_a, of_b, of_before, h_grad, kept, h_grad.numel(), width, BLOCK=block)
    if not has_bias:
        return of_a, of_b, of_before, None, None
    biases = [reduce(recorder, one, [0], False, "sum", None) for one in (of_a, of_b)]
    return of_a, of_b, of_before, *biases
