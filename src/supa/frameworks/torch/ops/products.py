"""Matrix products: mm, bmm, addmm, baddbmm. Not here: the kernel (`libs.blas`), convolutions (`spatial`)."""

from __future__ import annotations

import torch
import triton

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.elementwise import FLOATS, strides_over
from supa.frameworks.torch.recorder import Declined, Recorder
from supa.frameworks.torch.registration import clock
from supa.libs.blas.product import choose, matrix_product

Tensor = torch.Tensor
_PRECISIONS = {"highest": "ieee", "high": "tf32", "medium": "bf16"}
_GROUP = 8


def product(
    recorder: Recorder, a: Tensor, b: Tensor, out: Tensor, *, added: Tensor | None = None, alpha: float = 1.0,
    beta: float = 1.0,
) -> None:  # fmt: skip
    """out = alpha * a @ b + beta * added for a (B, M, K), b (B, K, N), out (B, M, N); `added` broadcasts to out.

    fp32 is multiplied as `torch.set_float32_matmul_precision` has it.
    """
    batch, m, n = out.shape
    depth = a.shape[2]
    description = clock.devices[out.device.index].description
    tile = choose(m, n, batch, description.chip.cu_count)
    adds = added is not None and beta != 0
    d = added if added is not None and adds else out
    d_strides = strides_over(d, out.shape)
    precision = _PRECISIONS[torch.get_float32_matmul_precision()] if a.dtype == torch.float32 else "ieee"
    grid = (triton.cdiv(m, tile.m) * triton.cdiv(n, tile.n), batch)
    recorder.run(
        matrix_product, grid, a, b, d, out, float(alpha), float(beta), m, n, depth, *a.stride(), *b.stride(),
        *d_strides, *out.stride(), ADDS=adds, PRECISION=precision, BLOCK_M=tile.m, BLOCK_N=tile.n, BLOCK_K=tile.k,
        GROUP_M=_GROUP, num_warps=tile.num_warps, num_stages=tile.num_stages,
    )  # fmt: skip


def _check(a: Tensor, b: Tensor, rank: int, *more: Tensor) -> None:
    """The kernel's own cases; the host words the errors of the others."""
    same = all(one.dtype == a.dtype and one.device == a.device for one in (b, *more))
    if a.dtype not in FLOATS or not same or a.dim() != rank or b.dim() != rank or a.shape[-1] != b.shape[-2]:
        raise Declined
    if 0 in (*a.shape, *b.shape) or (rank == 3 and a.shape[0] != b.shape[0]):
        raise Declined


@device_op("mm")
def _mm(recorder: Recorder, a: Tensor, b: Tensor) -> Tensor:
    _check(a, b, 2)
    out = recorder.new((a.shape[0], b.shape[1]), a.dtype)
    product(recorder, recorder.view(a[None], a), recorder.view(b[None], b), out[None])
    return out


@device_op("bmm")
def _bmm(recorder: Recorder, a: Tensor, b: Tensor) -> Tensor:
    _check(a, b, 3)
    out = recorder.new((a.shape[0], a.shape[1], b.shape[2]), a.dtype)
    product(recorder, a, b, out)
    return out


@device_op("addmm")
def _addmm(recorder: Recorder, added: Tensor, a: Tensor, b: Tensor, beta: float, alpha: float) -> Tensor:
    _check(a, b, 2, added)
    shape = (a.shape[0], b.shape[1])
    if torch.broadcast_shapes(added.shape, shape) != shape:
        raise Declined
    out = recorder.new(shape, a.dtype)
    first, second = recorder.view(a[None], a), recorder.view(b[None], b)
    product(recorder, first, second, out[None], added=added, alpha=alpha, beta=beta)
    return out


@device_op("baddbmm")
def _baddbmm(recorder: Recorder, added: Tensor, a: Tensor, b: Tensor, beta: float, alpha: float) -> Tensor:
    _check(a, b, 3, added)
    shape = (a.shape[0], a.shape[1], b.shape[2])
    if torch.broadcast_shapes(added.shape, shape) != shape:
        raise Declined
    out = recorder.new(shape, a.dtype)
    product(recorder, a, b, out, added=added, alpha=alpha, beta=beta)
    return out
