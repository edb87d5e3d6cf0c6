"""Matrix products: mm, bmm, addmm, baddbmm, those of vectors, sums of products. Not here: the kernels (`libs.blas`),
convolutions (`spatial`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.elementwise import FLOATS, INTEGERS, broadcast, strides_over, wide
from supa.frameworks.torch.ops.moves import filled
from supa.frameworks.torch.ops.reductions import reduce
from supa.frameworks.torch.recorder import Declined, Number, Recorder
from supa.frameworks.torch.registration import clock
from supa.libs.blas.plain import plain_product
from supa.libs.blas.product import HOST_TILES, TILES, Tile, choose, matrix_product, summed_product
from supa.libs.elementwise.pointwise import COMPUTE
from supa.libs.sizes import cdiv, next_power_of_2
from supa.runtime import Device
from supa.runtime.native import core

Tensor = torch.Tensor
_PRECISIONS = {"highest": "ieee", "high": "tf32", "medium": "bf16"}
_GROUP = 8
_SHORT = 256
_LEAST_DEPTH = 16


def product(
    recorder: Recorder, a: Tensor, b: Tensor, out: Tensor, *, added: Tensor | None = None, alpha: float = 1.0,
    beta: float = 1.0, exact: bool = False,
) -> None:  # fmt: skip
    """out = alpha * a @ b + beta * added for a (B, M, K), b (B, K, N), out (B, M, N); `added` broadcasts to out.

    fp32 is multiplied as `torch.set_float32_matmul_precision` has it, or with `exact` as fp32.
    """
    if a.dtype not in FLOATS:
        return _plain_product(recorder, a, b, out, added, alpha, beta)
    batch, m, n = out.shape
    depth = a.shape[2]
    tile = _tile(clock.devices[out.device.index], m, n, batch, depth)
    adds = added is not None and beta != 0
    d = added if added is not None and adds else out
    d_strides = strides_over(d, out.shape)
    precision = "ieee" if exact else precision_of(a.dtype)
    grid = (cdiv(m, tile.m) * cdiv(n, tile.n), batch)
    recorder.run(
        matrix_product, grid, a, b, d, out, float(alpha), float(beta), m, n, depth, *a.stride(), *b.stride(),
        *d_strides, *out.stride(), ADDS=adds, PRECISION=precision, BLOCK_M=tile.m, BLOCK_N=tile.n, BLOCK_K=tile.k,
        GROUP_M=_GROUP, num_warps=tile.num_warps, num_stages=tile.num_stages,
    )  # fmt: skip


def product_sum(recorder: Recorder, a: Tensor, b: Tensor, dtype: torch.dtype) -> Tensor:
    """The sum over images of a @ b for a (images, M, K), b (images, K, N) of floats, as `dtype`: (M, N).

    Short products are added up by the block that makes them, the images split where there are too few blocks for the
    device's units; of long ones each is a launch's own, whose blocks share more of what they read.
    """
    images, m, depth = a.shape
    n = b.shape[2]
    if depth > _SHORT or a.dtype not in FLOATS:
        each = recorder.new((images, m, n), torch.float32 if a.dtype in FLOATS else a.dtype)
        product(recorder, a, b, each)
        return reduce(recorder, each, [0], False, "sum", dtype)
    device = clock.devices[a.device.index]
    tile = _tile(device, m, n, images, depth)
    blocks = cdiv(m, tile.m) * cdiv(n, tile.n)
    chunk = cdiv(images, min(images, cdiv(_units(device), blocks)))
    splits = cdiv(images, chunk)
    out = recorder.new((splits, m, n), dtype if splits == 1 else torch.float32)
    recorder.run(
        summed_product, (blocks, splits), a, b, out, m, n, depth, images, chunk, *a.stride(), *b.stride(),
        *out.stride(), PRECISION=precision_of(a.dtype), BLOCK_M=tile.m, BLOCK_N=tile.n, BLOCK_K=tile.k,
        num_warps=tile.num_warps, num_stages=tile.num_stages,
    )  # fmt: skip
    return out[0] if splits == 1 else reduce(recorder, out, [0], False, "sum", dtype)


def precision_of(dtype: torch.dtype) -> str:
    """How kernels multiply operands of `dtype`: fp32 as `torch.set_float32_matmul_precision` has it."""
    return _PRECISIONS[torch.get_float32_matmul_precision()] if dtype == torch.float32 else "ieee"


def exact_product(recorder: Recorder, x: Tensor, matrix: Tensor) -> Tensor:
    """x (.., K) @ matrix (K, N) in fp32 or fp64, whatever precision is chosen for a program's own products."""
    rows = x.reshape(1, -1, x.shape[-1])
    out = recorder.new((1, rows.shape[1], matrix.shape[1]), x.dtype)
    if out.numel():
        product(recorder, rows, matrix.unsqueeze(0), out, exact=True)
    return out.view(*x.shape[:-1], matrix.shape[1])


def _plain_product(
    recorder: Recorder, a: Tensor, b: Tensor, out: Tensor, added: Tensor | None, alpha: float, beta: float
) -> None:
    """The same in fp64 and whole numbers."""
    batch, m, n = out.shape
    adds = added is not None and beta != 0
    d = added if added is not None and adds else out
    compute = "f64" if a.dtype == torch.float64 else "i64"
    block_m, block_n = min(16, next_power_of_2(m)), min(64, next_power_of_2(n))
    recorder.run(
        plain_product, (cdiv(m, block_m), cdiv(n, block_n), batch), a, b, d, out, *wide(Number(alpha), compute),
        *wide(Number(beta), compute), m, n, a.shape[2], *a.stride(), *b.stride(), *strides_over(d, out.shape),
        *out.stride(), ADDS=adds, COMPUTE=COMPUTE[compute], BLOCK_M=block_m, BLOCK_N=block_n,
    )  # fmt: skip


def _tile(device: Device, m: int, n: int, batch: int, depth: int) -> Tile:
    """The device's, or where nothing is priced (mode execute) the host's; less deep where half of its last step would
    be padding.
    """
    tile = choose(m, n, batch, _units(device), HOST_TILES if device.mode == "execute" else TILES)
    k = tile.k
    while k > _LEAST_DEPTH and -depth % k >= k // 2:
        k //= 2
    return replace(tile, k=k)


def _units(device: Device) -> int:
    return core.supa_threads() if device.mode == "execute" else device.description.chip.cu_count


def _check(a: Tensor, b: Tensor, rank: int, *more: Tensor) -> None:
    """The kernel's own cases; the host words the errors of the others."""
    same = all(one.dtype == a.dtype and one.device == a.device for one in (b, *more))
    served = a.dtype in FLOATS or a.dtype == torch.float64 or (a.dtype in INTEGERS and a.dtype != torch.bool)
    if not served or any(one.is_neg() for one in (a, b, *more)):
        raise Declined
    if not same or a.dim() != rank or b.dim() != rank or a.shape[-1] != b.shape[-2]:
        raise Declined
    if rank == 3 and a.shape[0] != b.shape[0]:
        raise Declined


def _is_empty(recorder: Recorder, target: Tensor, depth: int, added: Tensor | None) -> bool:
    """Whether there is nothing to multiply; what the products add up to is then written."""
    if target.numel() and depth:
        return False
    if target.numel():
        if added is not None:
            raise Declined
        filled(recorder, target, 0)
    return True


def _target(recorder: Recorder, out: Tensor | None, shape: tuple[int, ...], a: Tensor) -> Tensor:
    if out is None:
        return recorder.new(shape, a.dtype)
    if tuple(out.shape) != shape or out.dtype != a.dtype:
        raise Declined
    return out


def _single(
    recorder: Recorder, a: Tensor, b: Tensor, out: Tensor | None, added: Tensor | None = None, beta: float = 1.0,
    alpha: float = 1.0,
) -> Tensor:  # fmt: skip
    _check(a, b, 2, *([] if added is None else [added]))
    shape = (a.shape[0], b.shape[1])
    if added is not None and broadcast(added.shape, shape) != shape:
        raise Declined
    target = _target(recorder, out, shape, a)
    if _is_empty(recorder, target, a.shape[1], added):
        return target
    first, second = recorder.view(a[None], a), recorder.view(b[None], b)
    product(recorder, first, second, recorder.view(target[None], target), added=added, alpha=alpha, beta=beta)
    return target


def _batched(
    recorder: Recorder, a: Tensor, b: Tensor, out: Tensor | None, added: Tensor | None = None, beta: float = 1.0,
    alpha: float = 1.0,
) -> Tensor:  # fmt: skip
    _check(a, b, 3, *([] if added is None else [added]))
    shape = (a.shape[0], a.shape[1], b.shape[2])
    if added is not None and broadcast(added.shape, shape) != shape:
        raise Declined
    target = _target(recorder, out, shape, a)
    if _is_empty(recorder, target, a.shape[2], added):
        return target
    product(recorder, a, b, target, added=added, alpha=alpha, beta=beta)
    return target


def _enter(name: str, run: Callable[..., Tensor], adds: bool) -> None:
    """`name` and `name.out`; with `adds`, torch's arguments begin with what is added and end with beta and alpha."""

    @device_op(name)
    def plain(recorder: Recorder, *values: Any) -> Tensor:
        found: Tensor = with_out(recorder, *values, None)
        return found

    @device_op(f"{name}.out")
    def with_out(recorder: Recorder, *values: Any) -> Tensor:
        if adds:
            added, a, b, beta, alpha, out = values
            return run(recorder, a, b, out, added, beta, alpha)
        return run(recorder, *values)


_enter("mm", _single, False)
_enter("bmm", _batched, False)
_enter("addmm", _single, True)
_enter("baddbmm", _batched, True)


def _with_vector(recorder: Recorder, x: Tensor, a: Tensor, v: Tensor, beta: float, alpha: float) -> Tensor:
    if a.dim() != 2 or v.dim() != 1 or x.dim() > 1:
        raise Declined
    found = torch.addmm(x.unsqueeze(-1) if x.dim() else x, a, v.unsqueeze(-1), beta=beta, alpha=alpha)
    return recorder.view(found.squeeze(-1), found)


def _sum_of_products(recorder: Recorder, x: Tensor, a: Tensor, b: Tensor, beta: float, alpha: float) -> Tensor:
    """The products of a batch, added up: one product of the matrices side by side."""
    if a.dim() != 3 or b.dim() != 3 or a.shape[0] != b.shape[0]:
        raise Declined
    side_by_side = a.transpose(0, 1).reshape(a.shape[1], -1)
    return torch.addmm(x, side_by_side, b.reshape(-1, b.shape[2]), beta=beta, alpha=alpha)


def _enter_sums(name: str, run: Callable[..., Tensor]) -> None:
    @device_op(name)
    def plain(recorder: Recorder, *values: Any) -> Tensor:
        return run(recorder, *values)

    @device_op(f"{name}_")
    def in_place(recorder: Recorder, x: Tensor, *values: Any) -> Tensor:
        return x.copy_(run(recorder, x, *values))

    @device_op(f"{name}.out")
    def with_out(recorder: Recorder, *values: Any) -> Tensor:
        found, out = run(recorder, *values[:-1]), values[-1]
        if out.shape != found.shape or out.dtype != found.dtype:
            raise Declined
        return out.copy_(found)  # type: ignore[no-any-return]


_enter_sums("addmv", _with_vector)
_enter_sums("addbmm", _sum_of_products)
