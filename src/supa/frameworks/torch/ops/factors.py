"""Cholesky's and Gauss's factors, and what is solved, inverted or measured with them: blocked, so that most of the work
is products. Real matrices. Not here: the blocks' kernels (`libs.blas`), orthogonal factors and eigenvalues (host).
"""

from __future__ import annotations

import math
from typing import Any

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.masks import reads_values
from supa.frameworks.torch.ops.moves import copy_into, filled
from supa.frameworks.torch.ops.products import product
from supa.frameworks.torch.recorder import Declined, Recorder
from supa.libs.blas import factors
from supa.libs.elementwise.pointwise import COMPUTE
from supa.libs.sizes import cdiv, next_power_of_2

Tensor = torch.Tensor
_SIDE, _PANEL, _MOST_ROWS, _COLUMNS = 32, 16, 2048, 256


def _flat(recorder: Recorder, x: Tensor, *, square: bool = True) -> Tensor:
    """A contiguous copy as (batch, rows, columns). Raises `Declined` for what has no kernel."""
    if x.dtype not in (torch.float32, torch.float64) or x.dim() < 2 or not x.numel():
        raise Declined
    if square and x.shape[-1] != x.shape[-2]:
        raise Declined
    made = copy_into(recorder, x, recorder.new(x.shape, x.dtype))
    return recorder.view(made.view(math.prod(x.shape[:-2]), *x.shape[-2:]), made)


def _compute(x: Tensor) -> Any:
    return COMPUTE["f64" if x.dtype == torch.float64 else "f32"]


def _info(recorder: Recorder, x: Tensor) -> Tensor:
    return filled(recorder, recorder.new(x.shape[:-2], torch.int32), 0)


def _part(recorder: Recorder, x: Tensor, rows: slice, columns: slice) -> Tensor:
    return recorder.view(x[:, rows, columns], x)


def _lower_factor(recorder: Recorder, x: Tensor, info: Tensor) -> None:
    """Each of x (batch, n, n) becomes L of L @ L.T, of its lower triangle; what is above the blocks stays."""
    batch, n, _ = x.shape
    for first in range(0, n, _SIDE):
        size = min(_SIDE, n - first)
        inverse = recorder.new((batch, size, size), x.dtype)
        recorder.run(factors.cholesky_block, batch, x, inverse, info, size, first, *x.stride(), COMPUTE=_compute(x),
                     BLOCK=next_power_of_2(size))  # fmt: skip
        rest = slice(first + size, n)
        if first + size < n:
            below = _part(recorder, x, rest, slice(first, first + size))
            column = recorder.new(below.shape, x.dtype)
            product(recorder, below, recorder.view(inverse.mT, inverse), column, exact=True)
            copy_into(recorder, column, below)
            left = _part(recorder, x, rest, rest)
            product(recorder, column, recorder.view(column.mT, column), left, added=left, alpha=-1.0, exact=True)


@device_op("linalg_cholesky_ex")
def _cholesky_ex(recorder: Recorder, x: Tensor, upper: bool, checks: bool) -> tuple[Tensor, Tensor]:
    if checks:
        raise Declined
    made = _flat(recorder, x.mT if upper else x)
    info = _info(recorder, x)
    _lower_factor(recorder, made, info)
    found = recorder.view(made.view(x.shape), made).tril()
    return (recorder.view(found.mT, found) if upper else found), info


def _checked(recorder: Recorder, info: Tensor) -> None:
    """Raises `Declined` where a factor failed: the host words the error."""
    reads_values(recorder)
    if bool(info.any()):
        raise Declined


@device_op("cholesky")
def _cholesky(recorder: Recorder, x: Tensor, upper: bool) -> Tensor:
    made: tuple[Tensor, Tensor] = torch.linalg.cholesky_ex(x, upper=upper)
    _checked(recorder, made[1])
    return made[0]


def _solved(recorder: Recorder, a: Tensor, b: Tensor, *, upper: bool, unit: bool) -> None:
    """b (batch, n, m) becomes x of a @ x = b, of a triangle of a (batch, n, n)."""
    batch, n, _ = a.shape
    steps = range(0, n, _SIDE)
    for first in reversed(steps) if upper else steps:
        size = min(_SIDE, n - first)
        own = slice(first, first + size)
        inverse = recorder.new((batch, size, size), a.dtype)
        turned = (a.stride(0), a.stride(2), a.stride(1), 1, size) if upper else (*a.stride(), size, 1)
        recorder.run(factors.inverse_of_triangle, batch, inverse, a, size, first, *turned, UNIT=unit,
                     COMPUTE=_compute(a), BLOCK=next_power_of_2(size))  # fmt: skip
        rows = _part(recorder, b, own, slice(None))
        found = recorder.new(rows.shape, b.dtype)
        product(recorder, inverse, rows, found, exact=True)
        copy_into(recorder, found, rows)
        others = slice(0, first) if upper else slice(first + size, n)
        if len(range(n)[others]):
            left = _part(recorder, b, others, slice(None))
            product(recorder, _part(recorder, a, others, own), found, left, added=left, alpha=-1.0, exact=True)


def _pair(recorder: Recorder, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, tuple[int, ...]]:
    """Copies of both, flat, over their broadcast batch, and the second one's broadcast shape."""
    if a.dtype != b.dtype or a.dim() < 2 or b.dim() < 2 or a.shape[-1] != b.shape[-2]:
        raise Declined
    lead = torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    shape = (*lead, *b.shape[-2:])
    return _flat(recorder, a.expand(*lead, *a.shape[-2:])), _flat(recorder, b.expand(shape), square=False), shape


@device_op("linalg_solve_triangular")
def _solve_triangular(recorder: Recorder, a: Tensor, b: Tensor, upper: bool, left: bool, unit: bool) -> Tensor:
    if not left:
        a, b, upper = a.mT, b.mT, not upper
    flat_a, flat_b, shape = _pair(recorder, a, b)
    _solved(recorder, flat_a, flat_b, upper=upper, unit=unit)
    found = recorder.view(flat_b.view(shape), flat_b)
    return found if left else recorder.view(found.mT, found)


@device_op("triangular_solve")
def _triangular_solve(
    recorder: Recorder, b: Tensor, a: Tensor, upper: bool, turned: bool, unit: bool
) -> tuple[Tensor, Tensor]:
    matrix = a.mT if turned else a
    found = torch.linalg.solve_triangular(matrix, b, upper=upper != turned, unitriangular=unit)
    return found, a.expand(*found.shape[:-2], *a.shape[-2:]).clone(memory_format=torch.contiguous_format)


@device_op("_cholesky_solve_helper")
def _cholesky_solve(recorder: Recorder, b: Tensor, factor: Tensor, upper: bool) -> Tensor:
    first, second = (factor.mT, factor) if upper else (factor, factor.mT)
    middle = torch.linalg.solve_triangular(first, b, upper=False)
    found: Tensor = torch.linalg.solve_triangular(second, middle, upper=True)
    return found


@device_op("cholesky_inverse")
def _cholesky_inverse(recorder: Recorder, factor: Tensor, upper: bool) -> Tensor:
    if factor.dim() < 2 or factor.shape[-1] != factor.shape[-2]:
        raise Declined
    one = torch.eye(factor.shape[-1], dtype=factor.dtype, device=factor.device).expand(factor.shape)
    return torch.cholesky_solve(one, factor, upper=upper)


def _eliminated(recorder: Recorder, x: Tensor, pivots: Tensor, info: Tensor, pivoting: bool) -> None:
    """Each of x (batch, m, n) becomes its L and U; `pivots` (batch, min(m, n))."""
    batch, m, n = x.shape
    if m > _MOST_ROWS:
        raise Declined
    last = min(m, n)
    for first in range(0, last, _PANEL):
        width = min(_PANEL, last - first)
        end = first + width
        recorder.run(
            factors.lu_panel, batch, x, pivots, info, m - first, width, first, last, *x.stride(), PIVOTS=pivoting,
            COMPUTE=_compute(x), BLOCK_R=next_power_of_2(m - first), BLOCK_C=next_power_of_2(width),
        )  # fmt: skip
        if pivoting:
            for columns in (slice(0, first), slice(end, n)):
                _change_rows(recorder, _part(recorder, x, slice(None), columns), pivots, first, end)
        if end < n:
            right = _part(recorder, x, slice(first, end), slice(end, n))
            diagonal = _part(recorder, x, slice(first, end), slice(first, end))
            _solved(recorder, diagonal, right, upper=False, unit=True)
            if end < m:
                rest = _part(recorder, x, slice(end, m), slice(end, n))
                down = _part(recorder, x, slice(end, m), slice(first, end))
                product(recorder, down, right, rest, added=rest, alpha=-1.0, exact=True)


def _change_rows(recorder: Recorder, x: Tensor, pivots: Tensor, begin: int, end: int, *, back: bool = False) -> None:
    """The rows of x (batch, m, n) change places as pivots [begin, end) of its batch say."""
    batch, _, columns = x.shape
    if columns:
        block = min(_COLUMNS, next_power_of_2(columns))
        recorder.run(factors.change_rows, (cdiv(columns, block), batch), x, pivots, columns, begin, end,
                     pivots.shape[-1], *x.stride(), BACK=back, BLOCK=block)  # fmt: skip


def _factored(recorder: Recorder, x: Tensor, pivoting: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """(L and U in one, pivots, info) in x's own shape."""
    made = _flat(recorder, x, square=False)
    count = min(x.shape[-2:])
    pivots = recorder.new((*x.shape[:-2], count), torch.int32)
    info = _info(recorder, x)
    _eliminated(recorder, made, pivots, info, pivoting)
    return recorder.view(made.view(x.shape), made), pivots, info


@device_op("linalg_lu_factor_ex")
def _lu_factor(recorder: Recorder, x: Tensor, pivoting: bool, checks: bool) -> tuple[Tensor, Tensor, Tensor]:
    if checks:
        raise Declined
    return _factored(recorder, x, pivoting)


@device_op("lu_unpack")
def _lu_unpack(
    recorder: Recorder, lu: Tensor, pivots: Tensor, data: bool, places: bool
) -> tuple[Tensor, Tensor, Tensor]:
    if lu.dtype not in (torch.float32, torch.float64) or not lu.numel() or pivots.dtype != torch.int32:
        raise Declined
    m, n = lu.shape[-2:]
    nothing = torch.empty(0, dtype=lu.dtype, device=lu.device)
    lower = upper = order = nothing
    if data:
        count = min(m, n)
        one = torch.eye(m, count, dtype=lu.dtype, device=lu.device)
        lower, upper = lu[..., :count].tril(-1) + one, lu[..., :count, :].triu()
    if places:
        order = _flat(recorder, torch.eye(m, dtype=lu.dtype, device=lu.device).expand(*lu.shape[:-1], m))
        _change_rows(recorder, order, pivots.contiguous(), 0, pivots.shape[-1])
        order = order.mT.reshape(*lu.shape[:-1], m)
    return order, lower, upper


@device_op("linalg_lu")
def _lu(recorder: Recorder, x: Tensor, pivoting: bool) -> tuple[Tensor, Tensor, Tensor]:
    if not pivoting:
        raise Declined
    found, pivots, _ = torch.ops.aten.linalg_lu_factor_ex(x)
    return torch.ops.aten.lu_unpack(found, pivots)  # type: ignore[no-any-return]


def _solve(recorder: Recorder, lu: Tensor, pivots: Tensor, b: Tensor, turned: bool) -> Tensor:
    """x of A @ x = b, or of A.T @ x = b."""
    flat_lu, flat_b, shape = _pair(recorder, lu, b)
    lead = shape[:-2]
    if tuple(pivots.shape[:-1]) != tuple(lead):
        pivots = pivots.expand(*lead, pivots.shape[-1])
    pivots, count = pivots.contiguous(), pivots.shape[-1]
    if turned:
        across = recorder.view(flat_lu.mT, flat_lu)
        _solved(recorder, across, flat_b, upper=False, unit=False)
        _solved(recorder, across, flat_b, upper=True, unit=True)
        _change_rows(recorder, flat_b, pivots, 0, count, back=True)
    else:
        _change_rows(recorder, flat_b, pivots, 0, count)
        _solved(recorder, flat_lu, flat_b, upper=False, unit=True)
        _solved(recorder, flat_lu, flat_b, upper=True, unit=False)
    return recorder.view(flat_b.view(shape), flat_b)


@device_op("linalg_lu_solve")
def _lu_solve(recorder: Recorder, lu: Tensor, pivots: Tensor, b: Tensor, left: bool, adjoint: bool) -> Tensor:
    if pivots.dtype != torch.int32 or lu.shape[-1] != lu.shape[-2]:
        raise Declined
    if left:
        return _solve(recorder, lu, pivots, b, adjoint)
    found = _solve(recorder, lu, pivots, b.mT, not adjoint)
    return recorder.view(found.mT, found)


@device_op("_linalg_solve_ex")
def _solve_ex(
    recorder: Recorder, a: Tensor, b: Tensor, left: bool, checks: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    if checks or a.dim() < 2 or a.shape[-1] != a.shape[-2]:
        raise Declined
    column = b.dim() == 1 or (b.dim() == a.dim() - 1 and b.shape == a.shape[:-1])
    right = b.unsqueeze(-1) if column else b
    if column and not left:
        raise Declined
    lu, pivots, info = torch.ops.aten.linalg_lu_factor_ex(a)
    found = torch.linalg.lu_solve(lu, pivots, right, left=left)
    return (found.squeeze(-1) if column else found), lu, pivots, info


@device_op("linalg_inv_ex")
def _inverse(recorder: Recorder, x: Tensor, checks: bool) -> tuple[Tensor, Tensor]:
    if checks or x.dim() < 2 or x.shape[-1] != x.shape[-2]:
        raise Declined
    lu, pivots, info = torch.ops.aten.linalg_lu_factor_ex(x)
    one = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device).expand(x.shape)
    return torch.linalg.lu_solve(lu, pivots, one), info


def _sign_of_places(pivots: Tensor, like: Tensor) -> Tensor:
    """1 or -1 for an even or odd number of changes."""
    own = torch.arange(1, pivots.shape[-1] + 1, dtype=pivots.dtype, device=pivots.device)
    odd = (pivots != own).sum(-1).remainder(2)
    return (1 - 2 * odd).to(like.dtype)


def _kept_factors(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Factors as the gradients of determinants count on them: a contiguous matrix's are those of its transpose."""
    return torch.ops.aten.linalg_lu_factor_ex(x.mT if x.is_contiguous() else x)  # type: ignore[no-any-return]


@device_op("_linalg_det")
def _determinant(recorder: Recorder, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    if x.dim() < 2 or x.shape[-1] != x.shape[-2]:
        raise Declined
    lu, pivots, _ = _kept_factors(x)
    return lu.diagonal(dim1=-2, dim2=-1).prod(-1) * _sign_of_places(pivots, x), lu, pivots


@device_op("_linalg_slogdet")
def _log_determinant(recorder: Recorder, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    if x.dim() < 2 or x.shape[-1] != x.shape[-2]:
        raise Declined
    lu, pivots, _ = _kept_factors(x)
    diagonal = lu.diagonal(dim1=-2, dim2=-1)
    sign = diagonal.sgn().prod(-1) * _sign_of_places(pivots, x)
    return sign, diagonal.abs().log().sum(-1), lu, pivots
