"""Operators of complex numbers, composed of real ones over their parts. Not here: Fourier transforms (`fourier`).

A complex tensor is seen as pairs of real numbers; which operators have a form here: `FORMS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.pairs import KERNELS
from supa.frameworks.torch.recorder import Declined, Recorder

Tensor = torch.Tensor
Parts = tuple[Tensor, Tensor]
_ATEN = torch.ops.aten
_SERVED = (torch.complex32, torch.complex64, torch.complex128)


def parts(value: Any) -> Any:
    """(real, imaginary) of a tensor or number; views where it is complex."""
    if isinstance(value, torch.Tensor):
        if not value.dtype.is_complex:
            return value, 0.0
        if value.dtype not in _SERVED:
            raise Declined
        if value.is_conj():
            pairs = torch.view_as_real(value.conj())
            return pairs[..., 0], -pairs[..., 1]
        pairs = torch.view_as_real(value)
        return pairs[..., 0], pairs[..., 1]
    if isinstance(value, complex):
        return value.real, value.imag
    return float(value), 0.0


def joined(real: Tensor, imaginary: Tensor | float) -> Tensor:
    """A complex tensor of two real ones of the same type."""
    other = imaginary if isinstance(imaginary, torch.Tensor) else torch.full_like(real, imaginary)
    return torch.view_as_complex(torch.stack(torch.broadcast_tensors(real, other), -1))


def _add(x: Any, y: Any, alpha: Any = 1) -> Tensor:
    (a, b), (c, d) = parts(x), parts(y)
    if isinstance(alpha, complex):
        raise Declined
    return joined(a + c * alpha, b + d * alpha)


def _sub(x: Any, y: Any, alpha: Any = 1) -> Tensor:
    return _add(x, y, -alpha)


def _mul(x: Any, y: Any) -> Tensor:
    (a, b), (c, d) = parts(x), parts(y)
    if isinstance(b, float) and b == 0.0:
        return joined(a * c, a * d)
    if isinstance(d, float) and d == 0.0:
        return joined(a * c, b * c)
    return joined(a * c - b * d, a * d + b * c)


def _div(x: Any, y: Any) -> Tensor:
    (a, b), (c, d) = parts(x), parts(y)
    if isinstance(d, float) and d == 0.0:
        return joined(a / c, b / c)
    # By the larger part, so that squares do not overflow (Smith, 1962).
    if not isinstance(c, torch.Tensor):
        raise Declined
    wide = c.abs() >= d.abs()
    ratio = torch.where(wide, d / torch.where(wide, c, 1), c / torch.where(wide, 1, d))
    length = torch.where(wide, c + d * ratio, d + c * ratio)
    real = torch.where(wide, a + b * ratio, a * ratio + b) / length
    return joined(real, torch.where(wide, b - a * ratio, b * ratio - a) / length)


def _promoting(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """An operator whose result has the type that its first two arguments are promoted to."""

    def run(x: Any, y: Any, *rest: Any) -> Tensor:
        found, dtype = function(x, y, *rest), torch.result_type(x, y)
        return found if found.dtype == dtype else found.to(dtype)

    return run


def _abs(x: Tensor) -> Tensor:
    a, b = parts(x)
    return torch.hypot(a, b)


def _angle(x: Tensor) -> Tensor:
    a, b = parts(x)
    return torch.atan2(b, a)


def _exp(x: Tensor) -> Tensor:
    a, b = parts(x)
    length = a.exp()
    return joined(length * b.cos(), length * b.sin())


def _log(x: Tensor) -> Tensor:
    a, b = parts(x)
    return joined(torch.hypot(a, b).log(), torch.atan2(b, a))


def _sin(x: Tensor) -> Tensor:
    a, b = parts(x)
    return joined(a.sin() * b.cosh(), a.cos() * b.sinh())


def _cos(x: Tensor) -> Tensor:
    a, b = parts(x)
    return joined(a.cos() * b.cosh(), -(a.sin() * b.sinh()))


def _sinh(x: Tensor) -> Tensor:
    a, b = parts(x)
    return joined(a.sinh() * b.cos(), a.cosh() * b.sin())


def _cosh(x: Tensor) -> Tensor:
    a, b = parts(x)
    return joined(a.cosh() * b.cos(), a.sinh() * b.sin())


def _sgn(x: Tensor) -> Tensor:
    a, b = parts(x)
    length = torch.hypot(a, b)
    whole = torch.where(length == 0, torch.ones_like(length), length)
    return joined(a / whole, b / whole)


def _reciprocal(x: Tensor) -> Tensor:
    a, b = parts(x)
    return _div(joined(torch.ones_like(a), torch.zeros_like(b)), x)


def _by_part(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """An operator that does the same to both parts."""

    def run(x: Tensor, *rest: Any) -> Tensor:
        a, b = parts(x)
        return joined(function(a, *rest), function(b, *rest))

    return run


def _conj_physical(x: Tensor) -> Tensor:
    a, b = parts(x)
    return joined(a, -b)


def _sqrt(x: Tensor) -> Tensor:
    """The root with the larger part first, so that nothing cancels."""
    a, b = parts(x)
    large = ((torch.hypot(a, b) + a.abs()) * 0.5).sqrt()
    small = torch.where(large == 0, torch.zeros_like(b), b.abs() / (2 * torch.where(large == 0, 1, large)))
    right = a >= 0
    return joined(torch.where(right, large, small), torch.copysign(torch.where(right, small, large), b))


def _tanh(x: Tensor) -> Tensor:
    a, b = parts(x)
    along, across = a.tanh(), b.tan()
    whole = 1 + (along * across).square()
    return joined(along * (1 + across.square()) / whole, across * (1 - along.square()) / whole)


def _tan(x: Tensor) -> Tensor:
    a, b = parts(x)
    found = parts(_tanh(joined(-b, a)))
    return joined(found[1], -found[0])


def _log1p(x: Tensor) -> Tensor:
    a, b = parts(x)
    return joined(0.5 * (a * (2 + a) + b * b).log1p(), torch.atan2(b, 1 + a))


def _expm1(x: Tensor) -> Tensor:
    a, b = parts(x)
    return joined(a.expm1() * b.cos() - 2 * (0.5 * b).sin().square(), a.exp() * b.sin())


def _times(function: Callable[[Tensor], Tensor], before: float = 1.0, after: float = 1.0) -> Callable[[Tensor], Tensor]:
    """A function of a multiple, and a multiple of what it gives."""
    return lambda x: _mul(function(_mul(x, before) if before != 1 else x), after)


def _each_part(function: Callable[..., Any], *, writes: bool = False) -> Callable[..., Tensor]:
    """An operator that moves numbers and does the same to both parts of every complex tensor it is given; one that
    `writes` does so into its first one.
    """

    def run(*values: Any) -> Tensor:
        if any(isinstance(one, complex) for one in values):
            raise Declined
        given = [parts(one) if isinstance(one, torch.Tensor) and one.dtype.is_complex else (one, one) for one in values]
        if writes and (not values[0].dtype.is_complex or values[0].is_conj()):
            raise Declined
        found = [function(*(one[number] for one in given)) for number in range(2)]
        return values[0] if writes else joined(*found)

    return run


def _index_add(x: Tensor, dim: int, index: Tensor, source: Tensor, alpha: Any) -> Tensor:
    return x.index_add(dim, index, source, alpha=alpha)


def _index_add_(x: Tensor, dim: int, index: Tensor, source: Tensor, alpha: Any) -> Tensor:
    return x.index_add_(dim, index, source, alpha=alpha)


def _variance(x: Tensor, *rest: Any) -> Tensor:
    real, imaginary = (_ATEN.var.correction(one, rest[0], correction=rest[1], keepdim=rest[2]) for one in parts(x))
    found: Tensor = real + imaginary
    return found


def _variance_and_mean(x: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    return _variance(x, *rest), _mean_dims(x, rest[0], rest[2])


def _sum(x: Tensor, dtype: Any = None) -> Tensor:
    return _sum_dims(x, None, False, dtype)


def _sum_dims(x: Tensor, dims: Any, keep: bool, dtype: Any = None) -> Tensor:
    a, b = parts(x)
    if dtype is not None and dtype != x.dtype:
        raise Declined
    return joined(a.sum(dims, keepdim=keep), b.sum(dims, keepdim=keep))


def _mean(x: Tensor, dtype: Any = None) -> Tensor:
    return _mean_dims(x, None, False, dtype)


def _mean_dims(x: Tensor, dims: Any, keep: bool, dtype: Any = None) -> Tensor:
    a, b = parts(x)
    if dtype is not None and dtype != x.dtype:
        raise Declined
    return joined(a.mean(dims, keepdim=keep), b.mean(dims, keepdim=keep))


def _cumsum(x: Tensor, dim: int, dtype: Any = None) -> Tensor:
    if dtype is not None and dtype != x.dtype:
        raise Declined
    return _by_part(torch.cumsum)(x, dim)


def _cat(tensors: Sequence[Tensor], dim: int) -> Tensor:
    dtype = tensors[0].dtype
    if any(one.dtype != dtype for one in tensors) or tensors[0].dim() == 0:
        raise Declined
    pairs = [torch.view_as_real(one.resolve_conj()) for one in tensors if one.dim() > 1 or one.shape[0]]
    return torch.view_as_complex(torch.cat(pairs, dim % tensors[0].dim()))


def _where(mask: Tensor, x: Tensor, y: Tensor) -> Tensor:
    if not isinstance(x, torch.Tensor) and not isinstance(y, torch.Tensor):
        raise Declined
    (a, b), (c, d) = parts(x), parts(y)
    dtype = torch.result_type(x, y).to_real()
    return joined(torch.where(mask, a, c).to(dtype), torch.where(mask, b, d).to(dtype))


def _masked_fill(x: Tensor, mask: Tensor, value: Any) -> Tensor:
    if not x.dtype.is_complex:
        raise Declined
    (a, b), (c, d) = parts(x), parts(value)
    return joined(a.masked_fill(mask, c), b.masked_fill(mask, d))


def _eq(x: Any, y: Any) -> Tensor:
    (a, b), (c, d) = parts(x), parts(y)
    return torch.logical_and(a == c, b == d)


def _ne(x: Any, y: Any) -> Tensor:
    return torch.logical_not(_eq(x, y))


def _product(x: Tensor, y: Tensor, multiply: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    if x.dtype != y.dtype:
        raise Declined
    (a, b), (c, d) = parts(x), parts(y)
    return joined(multiply(a, c) - multiply(b, d), multiply(a, d) + multiply(b, c))


def _mm(x: Tensor, y: Tensor) -> Tensor:
    return _product(x, y, torch.mm)


def _bmm(x: Tensor, y: Tensor) -> Tensor:
    return _product(x, y, torch.bmm)


def _dot(x: Tensor, y: Tensor) -> Tensor:
    return _product(x, y, lambda a, b: (a * b).sum())


def _vdot(x: Tensor, y: Tensor) -> Tensor:
    return _dot(_conj_physical(x), y)


def _addmm(x: Tensor, a: Tensor, b: Tensor, beta: Any = 1, alpha: Any = 1) -> Tensor:
    found = _mul(_mm(a, b), alpha)
    return found if beta == 0 else _add(found, _mul(x, beta))


def _any(x: Tensor, *rest: Any) -> Tensor:
    return torch.any(_ne(x, 0), *rest)


def _all(x: Tensor, *rest: Any) -> Tensor:
    return torch.all(_ne(x, 0), *rest)


def _isnan(x: Tensor) -> Tensor:
    a, b = parts(x)
    return torch.logical_or(a.isnan(), b.isnan())


def _pow(x: Any, y: Any) -> Tensor:
    """By logarithms; 0 to any power but 0 is 0."""
    if not isinstance(y, torch.Tensor) and y == 2:
        return _mul(x, x)
    given = x if isinstance(x, torch.Tensor) else y
    base = x if isinstance(x, torch.Tensor) else torch.full_like(y, x)
    if not base.dtype.is_complex:
        base = base.to(given.dtype if given.dtype.is_complex else given.dtype.to_complex())
    found = _exp(_mul(y, _log(base)))
    empty = _eq(base, 0)
    at_zero = _eq(y, 0).to(found.dtype) if isinstance(y, torch.Tensor) else complex(y == 0)
    whole = at_zero if isinstance(at_zero, torch.Tensor) else torch.full_like(found, at_zero)
    return _where(empty, whole, found)


def _vector_norm(x: Tensor, *rest: Any) -> Tensor:
    found: Tensor = torch.linalg.vector_norm(_abs(x), *rest[:3])
    return found


def _logical(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda *values: function(*(_ne(one, 0) for one in values))


FORMS: dict[str, Callable[..., Any]] = {
    "add.Tensor": _promoting(_add), "sub.Tensor": _promoting(_sub), "mul.Tensor": _promoting(_mul),
    "div.Tensor": _promoting(_div), "abs": _abs, "angle": _angle,
    "exp": _exp, "log": _log, "sin": _sin, "cos": _cos, "sinh": _sinh, "cosh": _cosh, "sgn": _sgn,
    "reciprocal": _reciprocal, "neg": _by_part(torch.neg), "conj_physical": _conj_physical, "sum": _sum,
    "sum.dim_IntList": _sum_dims, "mean": _mean, "mean.dim": _mean_dims, "cumsum": _cumsum, "cat": _cat,
    "where.self": _where, "masked_fill.Scalar": _masked_fill, "eq.Tensor": _eq, "eq.Scalar": _eq, "ne.Tensor": _ne,
    "ne.Scalar": _ne, "mm": _mm, "bmm": _bmm, "dot": _dot, "vdot": _vdot, "addmm": _addmm, "any": _any, "all": _all,
    "any.dim": _any, "all.dim": _all, "any.dims": _any, "all.dims": _all, "tril": _by_part(torch.tril),
    "triu": _by_part(torch.triu), "flip": _by_part(torch.flip), "roll": _by_part(torch.roll),
    "index_select": _by_part(torch.index_select), "gather": _by_part(torch.ops.aten.gather),
    "index.Tensor": _by_part(torch.ops.aten.index), "isnan": _isnan,
    "pow.Tensor_Scalar": _promoting(_pow), "pow.Tensor_Tensor": _promoting(_pow), "pow.Scalar": _promoting(_pow),
    "linalg_vector_norm": _vector_norm,
    "sqrt": _sqrt, "rsqrt": lambda x: _reciprocal(_sqrt(x)), "tan": _tan, "tanh": _tanh, "log1p": _log1p,
    "expm1": _expm1, "log2": _times(_log, after=1 / math.log(2)), "log10": _times(_log, after=1 / math.log(10)),
    "exp2": _times(_exp, math.log(2)), "scatter.src": _each_part(_ATEN.scatter.src),
    "scatter_add": _each_part(_ATEN.scatter_add), "index_add": _each_part(_index_add),
    "index_copy": _each_part(_ATEN.index_copy), "_unsafe_index.Tensor": _each_part(_ATEN._unsafe_index),
    "reflection_pad1d": _each_part(_ATEN.reflection_pad1d), "replication_pad1d": _each_part(_ATEN.replication_pad1d),
    "replication_pad2d": _each_part(_ATEN.replication_pad2d),
    "reflection_pad1d_backward": _each_part(_ATEN.reflection_pad1d_backward),
    "replication_pad1d_backward": _each_part(_ATEN.replication_pad1d_backward),
    "replication_pad2d_backward": _each_part(_ATEN.replication_pad2d_backward), "var.correction": _variance,
    "std.correction": lambda *values: _variance(*values).sqrt(), "var_mean.correction": _variance_and_mean,
    "logical_and": _logical(torch.logical_and), "logical_or": _logical(torch.logical_or),
    "logical_xor": _logical(torch.logical_xor), "logical_not": _logical(torch.logical_not),
}  # fmt: skip
"""Torch's name -> what it does to complex tensors."""

_IN_PLACE = ("add.Tensor", "sub.Tensor", "mul.Tensor", "div.Tensor", "masked_fill.Scalar", "neg", "cumsum", "sgn")
_WITH_OUT = ("add", "sub", "mul", "div", "abs", "angle", "neg", "conj_physical", "mm", "bmm", "sgn", "reciprocal")


def form_of(name: str) -> Callable[..., Any] | None:
    """What an operator of torch's name does to complex tensors; None where it has no form here."""
    if name in _WHOLE:
        return _WHOLE[name]
    if name in FORMS:
        return FORMS[name]
    packet, _, overload = name.partition(".")
    own = packet.removesuffix("_") + (f".{overload}" if overload else "")
    if packet.endswith("_") and own in _IN_PLACE:
        return _into_first(_of_tensors(own) if own in KERNELS else FORMS[own])
    if overload == "out" and packet in _WITH_OUT:
        return _into_last(FORMS.get(packet) or FORMS[f"{packet}.Tensor"])
    return None


def settle(found: Tensor, target: Tensor) -> Tensor:
    """A result written where it was asked for; `Declined` where it does not fit."""
    if target.shape != found.shape or not torch.can_cast(found.dtype, target.dtype):
        raise Declined
    return target.copy_(found)


def _of_tensors(name: str) -> Callable[..., Tensor]:
    """An operator with a kernel as an operator of its own; with numbers its form."""
    packet = getattr(_ATEN, name.partition(".")[0])

    def run(x: Tensor, y: Any, *alpha: Any) -> Tensor:
        if not isinstance(y, torch.Tensor):
            composed: Tensor = FORMS[name](x, y, *alpha)
            return composed
        found: Tensor = packet.Tensor(x, y, **({"alpha": alpha[0]} if alpha else {}))
        return found

    return run


def _into_first(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda x, *rest: settle(function(x, *rest), x)


def _into_last(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def run(*values: Any) -> Tensor:
        found, target = function(*values[:-1]), values[-1]
        if target.shape != found.shape:
            target.resize_(found.shape)
        return settle(found, target)

    return run


def _copy(source: Tensor, target: Tensor, _: bool) -> Tensor:
    a, b = parts(source)
    if not target.dtype.is_complex:
        return target.copy_(a)
    if target.is_conj() or target.dtype not in _SERVED:
        raise Declined
    pairs = torch.view_as_real(target)
    if source.dtype.is_complex and not source.is_conj():
        pairs.copy_(torch.view_as_real(source))
        return target
    pairs[..., 0].copy_(a)
    if isinstance(b, torch.Tensor):
        pairs[..., 1].copy_(b)
    else:
        pairs[..., 1].fill_(b)
    return target


def _fill(target: Tensor, value: Any) -> Tensor:
    if target.is_conj() or target.dtype not in _SERVED:
        raise Declined
    pairs = torch.view_as_real(target)
    for part, one in enumerate(parts(value)):
        pairs[..., part].fill_(one)
    return target


_WHOLE: dict[str, Callable[..., Tensor]] = {
    "_copy_from": _copy,
    "fill_.Scalar": _fill,
    "index_put_": _each_part(_ATEN.index_put_, writes=True),
    "_index_put_impl_": _each_part(_ATEN._index_put_impl_, writes=True),
    "scatter_add_": _each_part(_ATEN.scatter_add_, writes=True),
    "index_copy_": _each_part(_ATEN.index_copy_, writes=True),
    "index_add_": _each_part(_index_add_, writes=True),
}


def concerns(value: Any) -> bool:
    """Whether an operator's argument is complex."""
    if isinstance(value, torch.Tensor):
        return bool(value.dtype.is_complex)
    if isinstance(value, (list, tuple)):
        return any(concerns(one) for one in value)
    return isinstance(value, complex)


def plain(value: Any) -> Any:
    """A host tensor of one value as a number."""
    if isinstance(value, torch.Tensor) and value.device.type == "cpu" and not value.dim():
        return value.item()
    return value


def run(recorder: Recorder, name: str, values: Sequence[Any]) -> Any:
    """An operator of torch's with complex arguments, if it has a form: by its kernel, else composed. Raises `Declined`
    where it refuses them.
    """
    function = form_of(name)
    assert function is not None
    try:
        if name in KERNELS:
            with suppress(Declined):
                return KERNELS[name](recorder, *values)
        return function(*(plain(value) for value in values))
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise Declined from error  # the host's form words the error, if it is one


@device_op("angle")
def _angle_of_real(recorder: Recorder, x: Tensor) -> Tensor:
    if not x.is_floating_point():
        x = x.to(torch.get_default_dtype())
    turned = torch.where(x < 0, torch.full_like(x, math.pi), torch.zeros_like(x))
    return torch.where(x.isnan(), x, turned)


@device_op("complex.out", "polar.out", "conj_physical", "conj_physical.out", "vdot")
def _of_complex_only(recorder: Recorder, *_: Any) -> Tensor:
    raise Declined
