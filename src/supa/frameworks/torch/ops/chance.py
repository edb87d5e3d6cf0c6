"""Operators that draw random numbers from a generator of the device. Not here: its state (`random`, `csrc`)."""

from __future__ import annotations

import struct
from typing import Any

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.elementwise import FLOATS, INTEGERS, apply, broadcast, operand, wide
from supa.frameworks.torch.ops.indexing import grid_of
from supa.frameworks.torch.ops.masks import reads_values
from supa.frameworks.torch.ops.moves import contiguous, copy_into
from supa.frameworks.torch.recorder import Declined, Number, Offset, Recorder, Seed
from supa.libs.rand import draws

Tensor = torch.Tensor
_REAL = (*FLOATS, torch.float64)
_WIDEST = 1 << 62
_EXACT = {
    torch.float64: 53,
    torch.float32: 24,
    torch.float16: 11,
    torch.bfloat16: 8,
}  # bits of whole numbers that a float holds


def check_generator(generator: Any) -> None:
    """Raises RuntimeError, as on GPUs, for another device's generator."""
    if generator is not None and generator.device.type != "supa":
        raise RuntimeError(f"Expected a 'supa' device type for generator but found '{generator.device.type}'")


def _drawn(recorder: Recorder, generator: Any, count: int) -> tuple[Seed | int, Offset | int]:
    """Seed and offset for `count` numbers, of the device's generator or of one of the program's own."""
    check_generator(generator)
    if generator is None:
        return recorder.seed(), recorder.offset(count)
    recorder.never()  # a recipe knows the device's generator only
    seed, offset = struct.unpack("<QQ", generator.get_state().numpy().tobytes())
    after = struct.pack("<QQ", seed, offset + -(-count // 4) * 4)
    generator.set_state(torch.frombuffer(bytearray(after), dtype=torch.uint8))
    return seed, offset


def _target(recorder: Recorder, x: Tensor) -> Tensor:
    return x if x.is_contiguous() else recorder.new(x.shape, x.dtype)


def _settled(recorder: Recorder, made: Tensor, x: Tensor) -> Tensor:
    return x if made is x else copy_into(recorder, made, x)


def _draw(recorder: Recorder, x: Tensor, kind: str, a: float, b: float, generator: Any) -> Tensor:
    whole = kind in ("bernoulli", "geometric")
    if not (x.dtype in _REAL or (whole and x.dtype in INTEGERS)):
        raise Declined
    if not x.numel():
        return x
    made = _target(recorder, x)
    block, blocks = grid_of(made.numel())
    if x.dtype == torch.float64:
        numbers = (*wide(Number(float(a)), "f64"), *wide(Number(float(b)), "f64"))
        recorder.run(draws.draw_wide, blocks, made, made.numel(), *numbers,
                     *_drawn(recorder, generator, made.numel()), KIND=kind, BLOCK=block)  # fmt: skip
        return _settled(recorder, made, x)
    recorder.run(draws.draw, blocks, made, made.numel(), float(a), float(b),
                 *_drawn(recorder, generator, made.numel()), KIND=kind, BLOCK=block)  # fmt: skip
    return _settled(recorder, made, x)


@device_op("uniform_")
def _uniform(recorder: Recorder, x: Tensor, low: float, high: float, generator: Any) -> Tensor:
    if not low <= high:
        raise Declined
    return _draw(recorder, x, "uniform", low, high, generator)


@device_op("normal.Tensor_Tensor", "normal.Tensor_float", "normal.float_Tensor")
def _normal(recorder: Recorder, mean: Any, deviation: Any, generator: Any) -> Tensor:
    first, second = (one if isinstance(one, torch.Tensor) else None for one in (mean, deviation))
    like = first if first is not None else second
    assert like is not None
    if any(one is not None and (one.dtype not in _REAL or one.device != like.device) for one in (first, second)):
        raise Declined
    if second is None and deviation < 0:
        raise Declined  # the host words the error
    if second is not None and second.numel():
        reads_values(recorder)
        if float(second.min()) < 0:
            raise Declined
    shape = broadcast(*(one.shape for one in (first, second) if one is not None))
    dtype = like.dtype if first is None or second is None else torch.promote_types(first.dtype, second.dtype)
    noise = torch.empty(shape, dtype=dtype, device=like.device).normal_(generator=generator)
    drawn: torch.Tensor = noise * deviation + mean
    return drawn


def _enter(name: str, kind: str) -> None:
    @device_op(name)
    def draw(recorder: Recorder, x: Tensor, a: float, b: float, generator: Any) -> Tensor:
        if b < 0 or (b == 0 and kind != "normal"):
            raise Declined  # the host words the error
        return _draw(recorder, x, kind, a, b, generator)


for _name in ("normal", "log_normal", "cauchy"):
    _enter(f"{_name}_", _name)


@device_op("exponential_")
def _exponential(recorder: Recorder, x: Tensor, rate: float, generator: Any) -> Tensor:
    if not rate > 0:
        raise Declined
    return _draw(recorder, x, "exponential", rate, 0.0, generator)


@device_op("geometric_")
def _geometric(recorder: Recorder, x: Tensor, p: float, generator: Any) -> Tensor:
    if not 0 < p < 1:
        raise Declined
    return _draw(recorder, x, "geometric", p, 0.0, generator)


@device_op("bernoulli_.float")
def _bernoulli_in_place(recorder: Recorder, x: Tensor, p: float, generator: Any) -> Tensor:
    if not 0 <= p <= 1:
        raise Declined
    return _draw(recorder, x, "bernoulli", p, 0.0, generator)


@device_op("bernoulli")
def _bernoulli(recorder: Recorder, p: Tensor, generator: Any) -> Tensor:
    return _chances(recorder, recorder.new(p.shape, p.dtype), p, generator)


@device_op("bernoulli_.Tensor")
def _bernoulli_of(recorder: Recorder, x: Tensor, p: Tensor, generator: Any) -> Tensor:
    if not x.is_contiguous():
        raise Declined
    if p.shape != x.shape:
        p = copy_into(recorder, p, recorder.new(x.shape, p.dtype))
    return _chances(recorder, x, p, generator)


def _chances(recorder: Recorder, out: Tensor, p: Tensor, generator: Any) -> Tensor:
    if p.dtype not in _REAL or out.dtype not in (*_REAL, *INTEGERS):
        raise Declined
    if out.numel():
        p = contiguous(recorder, p)
        block, blocks = grid_of(out.numel())
        recorder.run(draws.chances, blocks, out, p, out.numel(), *_drawn(recorder, generator, out.numel()),
                     BLOCK=block)  # fmt: skip
    return out


def _integers(recorder: Recorder, x: Tensor, low: int, high: int, generator: Any) -> Tensor:
    if x.dtype not in (*_REAL, *INTEGERS) or not 0 < high - low < _WIDEST:
        raise Declined
    if not x.numel():
        return x
    made = _target(recorder, x)
    block, blocks = grid_of(made.numel())
    recorder.run(draws.integers, blocks, made, made.numel(), low, high - low,
                 *_drawn(recorder, generator, made.numel()), BLOCK=block)  # fmt: skip
    return _settled(recorder, made, x)


@device_op("random_.from")
def _random_from(recorder: Recorder, x: Tensor, low: int, high: int | None, generator: Any) -> Tensor:
    if high is None:
        raise Declined
    return _integers(recorder, x, low, high, generator)


@device_op("random_.to")
def _random_to(recorder: Recorder, x: Tensor, high: int, generator: Any) -> Tensor:
    return _integers(recorder, x, 0, high, generator)


@device_op("random_")
def _random(recorder: Recorder, x: Tensor, generator: Any) -> Tensor:
    if x.dtype in _EXACT:
        high = (1 << _EXACT[x.dtype]) + 1
    elif x.dtype == torch.bool:
        high = 2
    elif x.dtype in INTEGERS:
        high = min(torch.iinfo(x.dtype).max + 1, _WIDEST - 1)
    else:
        raise Declined
    return _integers(recorder, x, 0, high, generator)


@device_op("native_dropout")
def _dropout(recorder: Recorder, x: Tensor, share: float, train: bool | None) -> tuple[Tensor, Tensor]:
    if train is False or not 0 < share < 1 or x.dtype not in _REAL or x.numel() == 0:
        raise Declined
    x = contiguous(recorder, x)
    out, kept = recorder.new(x.shape, x.dtype), recorder.new(x.shape, torch.bool)
    block, blocks = grid_of(x.numel())
    recorder.run(draws.dropout, blocks, out, kept, x, float(share), x.numel(), recorder.seed(),
                 recorder.offset(x.numel()), BLOCK=block)  # fmt: skip
    return out, kept


@device_op("native_dropout_backward")
def _dropout_backward(recorder: Recorder, grad: Tensor, kept: Tensor, scale: float) -> Tensor:
    if grad.dtype not in _REAL:
        raise Declined
    return apply(recorder, "kept", [operand(grad, 0), operand(kept, 1)], [Number(scale)], dtype=grad.dtype)
