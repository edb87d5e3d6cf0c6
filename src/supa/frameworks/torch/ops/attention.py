"""Scaled dot product attention, forward and backward. Not here: which calls come here (`csrc/attention.h`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.elementwise import FLOATS, broadcast
from supa.frameworks.torch.recorder import Declined, Recorder
from supa.libs.dnn import attention
from supa.libs.sizes import cdiv, next_power_of_2

Tensor = torch.Tensor
_PRECISIONS = {"highest": "ieee", "high": "tf32", "medium": "bf16x3"}
_WIDEST = 256
_SMALLEST = 16  # of a product's blocks


def _check(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> None:
    if not q.dim() == k.dim() == v.dim() == 4 or q.dtype not in FLOATS or not q.dtype == k.dtype == v.dtype:
        raise Declined
    if q.shape[3] != k.shape[3] or k.shape != v.shape or q.shape[1] % k.shape[1] or q.shape[3] > _WIDEST:
        raise Declined
    if 0 in (*q.shape, *k.shape) or q.shape[0] != k.shape[0]:
        raise Declined
    if bias is not None and bias.dtype not in FLOATS:
        raise Declined


def _blocks(q: Tensor, k: Tensor) -> dict[str, Any]:
    wide = max(_SMALLEST, next_power_of_2(q.shape[3]))
    most = 64 if wide <= 128 else 32
    precision = _PRECISIONS[torch.get_float32_matmul_precision()] if q.dtype == torch.float32 else "ieee"
    return {
        "BLOCK_M": min(most, max(_SMALLEST, next_power_of_2(q.shape[2]))),
        "BLOCK_N": min(most, max(_SMALLEST, next_power_of_2(k.shape[2]))),
        "BLOCK_D": wide,
        "PRECISION": "tf32" if precision == "bf16x3" else precision,
        "num_warps": 4,
    }


def _spread(recorder: Recorder, bias: Tensor | None, q: Tensor, k: Tensor) -> tuple[Tensor, list[int]]:
    if bias is None:
        return q, [0, 0, 0, 0]
    shape = (q.shape[0], q.shape[1], q.shape[2], k.shape[2])
    if broadcast(bias.shape, shape) != torch.Size(shape):
        raise Declined
    spread = recorder.view(bias.expand(shape), bias)
    return spread, list(spread.stride())


def _numbers(q: Tensor, k: Tensor, scale: float | None, share: float) -> list[Any]:
    factor = 1.0 / math.sqrt(q.shape[3]) if scale is None else float(scale)
    return [factor, float(share), q.shape[1], q.shape[1] // k.shape[1], q.shape[2], k.shape[2], q.shape[3]]


@device_op("_scaled_dot_product_fused_attention_overrideable")
def _forward(
    recorder: Recorder, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, share: float, causal: bool, _: bool,
    scale: float | None,
) -> tuple[Any, ...]:  # fmt: skip
    _check(q, k, v, bias)
    batch, heads, queries, width = q.shape
    held, strides = _spread(recorder, bias, q, k)
    out = recorder.new((batch, queries, heads, width), q.dtype).transpose(1, 2)
    sums = recorder.new((batch, heads, queries), torch.float32)
    seed, offset = recorder.new((), torch.int64), recorder.new((), torch.int64)
    blocks = _blocks(q, k)
    drops = share > 0
    drawn = batch * heads * queries * k.shape[2] if drops else 0
    recorder.run(
        attention.forward, (cdiv(queries, blocks["BLOCK_M"]), batch * heads), out, sums, seed, offset, q, k, v, held,
        *_numbers(q, k, scale, share), *out.stride()[:3], *q.stride(), *k.stride(), *v.stride(), *strides,
        recorder.seed() if drops else 0, recorder.offset(drawn) if drops else 0, CAUSAL=causal,
        BIASED=bias is not None, DROPS=drops, **blocks,
    )  # fmt: skip
    nothing = recorder.new((0,), torch.int32), recorder.new((0,), torch.int32)
    return out, sums, *nothing, queries, k.shape[2], seed, offset, recorder.new((0,), q.dtype)


@device_op("_scaled_dot_product_fused_attention_overrideable_backward")
def _backward(
    recorder: Recorder, grad: Tensor, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, mask: Sequence[bool],
    out: Tensor, sums: Tensor, _: Any, __: Any, ___: int, ____: int, share: float, causal: bool, seed: Tensor,
    offset: Tensor, scale: float | None,
) -> tuple[Tensor | None, ...]:  # fmt: skip
    _check(q, k, v, bias)
    if out.stride(3) != 1 or (mask[3] and bias is not None):
        raise Declined
    batch, heads, queries, width = q.shape
    held, strides = _spread(recorder, bias, q, k)
    blocks = _blocks(q, k)
    along = recorder.new((batch, heads, queries), torch.float32)
    rows = batch * heads * queries
    recorder.run(
        attention.row_products, cdiv(rows, 32), along, grad, out, rows, queries, heads, width, *grad.stride(),
        *out.stride()[:3], BLOCK_M=32, BLOCK_D=blocks["BLOCK_D"],
    )  # fmt: skip
    given = (grad, q, k, v, held, sums, along, seed, offset, *_numbers(q, k, scale, share), *grad.stride(), *q.stride(),
             *k.stride(), *v.stride(), *strides)  # fmt: skip
    options = {"CAUSAL": causal, "BIASED": bias is not None, "DROPS": share > 0, **blocks}
    dq, dk, dv = (_like(recorder, one) for one in (q, k, v))
    recorder.run(attention.backward_queries, (cdiv(queries, blocks["BLOCK_M"]), batch * heads), dq, *given,
                 *dq.stride(), **options)  # fmt: skip
    recorder.run(attention.backward_keys, (cdiv(k.shape[2], blocks["BLOCK_N"]), batch * k.shape[1]), dk, dv, *given,
                 *dk.stride(), *dv.stride(), **options)  # fmt: skip
    return dq, dk, dv, None


def _like(recorder: Recorder, tensor: Tensor) -> Tensor:
    """A tensor's gradient, laid out as `empty_like` does: torch's compiler counts on it."""
    return recorder.new(tensor.shape, tensor.dtype, torch.empty_like(tensor, device="meta").stride())
