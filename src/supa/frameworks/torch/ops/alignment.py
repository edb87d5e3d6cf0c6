"""The loss of all alignments of two sequences (CTC), forward and backward. Not here: its kernels (`libs`)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from supa.frameworks.torch.kernels import device_op
from supa.frameworks.torch.ops.moves import contiguous
from supa.frameworks.torch.recorder import Declined, Recorder
from supa.libs.dnn import alignment
from supa.libs.sizes import next_power_of_2

Tensor = torch.Tensor
_MOST_STATES = 4096


def _check(x: Tensor, target: Tensor, steps: Sequence[int], lengths: Sequence[int], blank: int) -> None:
    """`Declined` for what the kernels do not serve and for what does not fit: the host words the error."""
    if x.dtype not in (torch.float32, torch.float64) or x.dim() != 3 or not x.numel() or target.device != x.device:
        raise Declined
    samples = x.shape[1]
    if target.dtype not in (torch.int64, torch.int32) or target.dim() not in (1, 2) or not 0 <= blank < x.shape[2]:
        raise Declined
    if (
        len(steps) != samples
        or len(lengths) != samples
        or min(lengths) < 0
        or min(steps) < 0
        or max(steps) > x.shape[0]
    ):
        raise Declined
    fits = target.numel() == sum(lengths) if target.dim() == 1 else (
        target.shape[0] == samples and target.shape[1] >= max(lengths))  # fmt: skip
    if not fits or 2 * max(lengths) + 1 > _MOST_STATES:
        raise Declined


def _facts(x: Tensor, target: Tensor, steps: Sequence[int], lengths: Sequence[int]) -> list[Tensor]:
    """Where each sample's labels begin, its steps and its labels' number."""
    begins = [0] * len(lengths)
    for number in range(1, len(lengths)):
        begins[number] = begins[number - 1] + (lengths[number - 1] if target.dim() == 1 else target.shape[1])
    return [torch.tensor(list(one), dtype=torch.int64).to(x.device) for one in (begins, steps, lengths)]


@device_op("_ctc_loss")
def _loss(
    recorder: Recorder, x: Tensor, target: Tensor, steps: Sequence[int], lengths: Sequence[int], blank: int, _: bool
) -> tuple[Tensor, Tensor]:
    _check(x, target, steps, lengths, blank)
    recorder.never()  # the lengths travel to the device
    x, target = contiguous(recorder, x), contiguous(recorder, target)
    states = 2 * max(lengths) + 1
    loss, alpha = recorder.new((x.shape[1],), x.dtype), recorder.new((x.shape[1], x.shape[0], states), x.dtype)
    recorder.indexed(target, x.shape[2], target.dim() - 1)
    recorder.run(alignment.forward, x.shape[1], loss, alpha, x, target, *_facts(x, target, steps, lengths), x.shape[1],
                 x.shape[2], x.shape[0], states, blank, STATES=next_power_of_2(states), debug=True)  # fmt: skip
    return loss, alpha


@device_op("_ctc_loss_backward")
def _loss_backward(
    recorder: Recorder, grad: Tensor, x: Tensor, target: Tensor, steps: Sequence[int], lengths: Sequence[int],
    loss: Tensor, alpha: Tensor, blank: int, zero_infinity: bool,
) -> Tensor:  # fmt: skip
    _check(x, target, steps, lengths, blank)
    recorder.never()
    x, target, loss, alpha = (contiguous(recorder, one) for one in (x, target, loss, alpha))
    begins, counts, sizes = _facts(x, target, steps, lengths)
    grad = torch.where(loss == float("inf"), 0.0 if zero_infinity else float("nan"), grad)
    reached = torch.arange(x.shape[0], device=x.device).unsqueeze(1) < counts
    found = torch.where(reached.unsqueeze(-1), x.exp() * grad.unsqueeze(-1), torch.zeros_like(x))
    states = alpha.shape[2]
    recorder.run(alignment.backward, x.shape[1], found, recorder.new((x.shape[1], 2, states), x.dtype),
                 contiguous(recorder, grad), loss, alpha, x, target, begins, counts, sizes, x.shape[1], x.shape[2],
                 x.shape[0], states, blank, STATES=next_power_of_2(states), debug=True)  # fmt: skip
    return found
