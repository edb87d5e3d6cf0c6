"""Fourier transforms of any size as products with small matrices: sizes are split into factors (Cooley and Tukey,
1965), large primes become convolutions (Bluestein, 1970). Not here: other operators of complex numbers (`complexes`).

A signal is a pair of real tensors, the transformed axis last; the imaginary one is None for real signals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.complexes import joined, parts
from supa.frameworks.torch.ops.products import exact_product
from supa.frameworks.torch.recorder import Declined, Recorder

Tensor = torch.Tensor
Signal = tuple[Tensor, Tensor | None]
_DIRECT = 64  # the largest matrix
_LARGEST_PRIME = 256  # beyond it a convolution is less work


def _wave(turns: Tensor, size: int, sign: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and signed sine of whole numbers of turns / size, exact before they are rounded to a type."""
    angle = (turns % size).to(torch.float64) * (2 * math.pi / size)
    return angle.cos().to(like.dtype), (sign * angle.sin()).to(like.dtype)


def _number(size: int, like: Tensor) -> Tensor:
    return torch.arange(size, device=like.device)


def _times(x: Signal, wave: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    (a, b), (c, d) = x, wave
    return (a * c, a * d) if b is None else (a * c - b * d, a * d + b * c)


def _by_matrix(recorder: Recorder, x: Signal, sign: int) -> tuple[Tensor, Tensor]:
    a, b = x
    size = a.shape[-1]
    number = _number(size, a)
    cosine, sine = _wave(number.unsqueeze(1) * number, size, sign, a)
    real, imaginary = exact_product(recorder, a, cosine), exact_product(recorder, a, sine)
    if b is None:
        return real, imaginary
    return real - exact_product(recorder, b, sine), imaginary + exact_product(recorder, b, cosine)


def _factor(size: int) -> int:
    """The largest factor for a matrix, or the smallest prime one; the size itself where it is prime."""
    for factor in range(_DIRECT, 1, -1):
        if size % factor == 0:
            return factor
    return next((factor for factor in range(_DIRECT + 1, math.isqrt(size) + 1) if size % factor == 0), size)


def transform(recorder: Recorder, x: Signal, sign: int) -> tuple[Tensor, Tensor]:
    """The sum over j of x[j] exp(sign 2 pi i j k / n) for each k."""
    size = x[0].shape[-1]
    first = _factor(size) if size > _DIRECT else size
    if first == size:
        return _by_matrix(recorder, x, sign) if size <= _LARGEST_PRIME else _by_convolution(recorder, x, sign)
    second = size // first
    split = _each(x, lambda one: one.reshape(*one.shape[:-1], first, second).transpose(-1, -2))
    inner = transform(recorder, split, sign)  # (.., second, first)
    number = _number(second, x[0]).unsqueeze(1) * _number(first, x[0])
    turned = _times(inner, _wave(number, size, sign, x[0]))
    a, b = transform(recorder, (turned[0].transpose(-1, -2), turned[1].transpose(-1, -2)), sign)  # (.., first, second)
    shape = (*x[0].shape[:-1], size)
    return a.transpose(-1, -2).reshape(shape), b.transpose(-1, -2).reshape(shape)


def _each(x: Signal, change: object) -> Signal:
    assert callable(change)
    return change(x[0]), None if x[1] is None else change(x[1])


def _by_convolution(recorder: Recorder, x: Signal, sign: int) -> tuple[Tensor, Tensor]:
    size = x[0].shape[-1]
    padded = 1 << (2 * size - 1).bit_length()
    number = _number(size, x[0])
    chirp = _wave(number * number, 2 * size, sign, x[0])
    signal = _times(x, chirp)
    left = tuple(torch.nn.functional.pad(one, (0, padded - size)) for one in signal)
    away = torch.minimum(_number(padded, x[0]), padded - _number(padded, x[0]))
    inside = (away < size).to(x[0].dtype)
    cosine, sine = _wave(away * away, 2 * size, -sign, x[0])
    filtered = transform(recorder, (cosine * inside, sine * inside), -1)
    spectrum = _times(transform(recorder, (left[0], left[1]), -1), filtered)
    a, b = transform(recorder, spectrum, 1)
    a, b = a[..., :size] / padded, b[..., :size] / padded
    return _times((a, b), chirp)


def _along(recorder: Recorder, x: Signal, dims: Sequence[int], sign: int) -> Signal:
    for dim in dims:
        a, b = transform(recorder, _each(x, lambda one, dim=dim: one.movedim(dim, -1)), sign)
        x = a.movedim(-1, dim), b.movedim(-1, dim)
    return x


def _scale(mode: int, count: int) -> float:
    return (1.0, 1 / math.sqrt(count), 1 / count)[mode]


def _result(x: Signal, scale: float) -> Tensor:
    a, b = x
    assert b is not None
    return joined(a * scale, b * scale) if scale != 1.0 else joined(a, b)


def _count(x: Tensor, dims: Sequence[int]) -> int:
    return math.prod(x.shape[dim] for dim in dims)


@device_op("_fft_c2c")
def _complex(recorder: Recorder, x: Tensor, dims: Sequence[int], mode: int, forward: bool) -> Tensor:
    if not dims or not x.numel():
        raise Declined
    return _result(_along(recorder, parts(x), dims, -1 if forward else 1), _scale(mode, _count(x, dims)))


@device_op("_fft_r2c")
def _of_real(recorder: Recorder, x: Tensor, dims: Sequence[int], mode: int, one_sided: bool) -> Tensor:
    if not dims or not x.numel() or x.dtype not in (torch.float32, torch.float64):
        raise Declined
    last, scale = dims[-1], _scale(mode, _count(x, dims))
    found = _along(recorder, (x, None), [last], -1)
    if one_sided:
        kept = x.shape[last] // 2 + 1
        found = _each(found, lambda one: one.narrow(last, 0, kept))
    return _result(_along(recorder, found, dims[:-1], -1), scale)


@device_op("_fft_c2r")
def _to_real(recorder: Recorder, x: Tensor, dims: Sequence[int], mode: int, size: int) -> Tensor:
    last = dims[-1] if dims else 0
    if not dims or not x.numel() or x.shape[last] != size // 2 + 1:
        raise Declined
    a, b = _along(recorder, parts(x), dims[:-1], 1)
    assert b is not None
    mirrored = size - x.shape[last]
    a = torch.cat((a, a.narrow(last, 1, mirrored).flip(last)), last)
    b = torch.cat((b, -b.narrow(last, 1, mirrored).flip(last)), last)
    found = _along(recorder, (a, b), [last], 1)[0]
    return found * _scale(mode, _count(x, dims[:-1]) * size)
