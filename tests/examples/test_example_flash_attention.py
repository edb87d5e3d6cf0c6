"""FlashAttention, forward and backward, against float64, at ragged contexts and head sizes.

The bounds follow the probabilities: their scores are float32 sums over the head, and they are rounded to the inputs'
dtype, with u its roundoff, before they multiply V; the same for the gradients of the scores.
"""

import math

import pytest
import torch
from flash_attention import FlashAttention, attention_forward
from float64_bounds import ACCUMULATOR_ROUNDOFF, FLOATS, assert_within, roundoff

CASES = [(1, 1, 1, 16), (2, 3, 67, 40), (1, 2, 128, 64), (1, 1, 257, 128)]


def inputs(case: tuple[int, ...], dtype: torch.dtype, count: int) -> list[torch.Tensor]:
    return [torch.randn(case).to(dtype) for _ in range(count)]


def exact(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool, scale: float) -> dict[str, torch.Tensor]:
    """Scores, probabilities and output in float64, and the relative error that a float32 score brings."""
    scores = scale * (q @ k.mT)
    if causal:
        scores = scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), -math.inf)
    p = torch.softmax(scores, -1)
    score_error = (q.shape[-1] + 4) * ACCUMULATOR_ROUNDOFF * scale * (q.abs() @ k.abs().mT).max()
    return {"p": p, "out": p @ v, "lse": torch.logsumexp(scores, -1), "score_error": score_error}


def relative_error(facts: dict[str, torch.Tensor], context: int) -> float:
    """Of one probability, before its rounding to the inputs' dtype: its own score, and the row's maximum and sum."""
    return 4 * facts["score_error"].item() + (context + 32) * ACCUMULATOR_ROUNDOFF


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("case", CASES)
def test_forward(case: tuple[int, ...], dtype: torch.dtype, causal: bool) -> None:
    q, k, v = inputs(case, dtype, 3)
    scale = case[-1] ** -0.5
    out, lse = attention_forward(q, k, v, causal, scale)
    q64, k64, v64 = q.double(), k.double(), v.double()
    facts, u = exact(q64, k64, v64, causal, scale), roundoff(dtype)
    relative = relative_error(facts, case[2])
    subnormal = torch.finfo(dtype).tiny * torch.finfo(dtype).eps
    bound = (u + relative) * (facts["p"] @ v64.abs()) + u * facts["out"].abs() + case[2] * subnormal * v64.abs().max()
    assert_within(out, facts["out"], bound)
    lse_bound = relative + 8 * ACCUMULATOR_ROUNDOFF * (1 + facts["lse"].abs())
    assert_within(lse * math.log(2), facts["lse"], lse_bound)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("case", CASES)
def test_backward(case: tuple[int, ...], dtype: torch.dtype, causal: bool) -> None:
    *leaves, dout = inputs(case, dtype, 4)
    scale = case[-1] ** -0.5
    ours = [leaf.clone().requires_grad_() for leaf in leaves]
    got = torch.autograd.grad(FlashAttention.apply(*ours, causal, scale), ours, dout)

    wide = [leaf.double().requires_grad_() for leaf in leaves]
    facts, u = exact(*wide, causal, scale), roundoff(dtype)
    expected = torch.autograd.grad(facts["out"], wide, dout.double())
    q, k, v = (leaf.detach() for leaf in wide)
    p, do = facts["p"].detach(), dout.double()
    rounding = 4 * u + relative_error(facts, case[2]) + case[3] * ACCUMULATOR_ROUNDOFF
    terms = p * (do.abs() @ v.abs().mT + ((p @ v.abs()) * do.abs()).sum(-1, keepdim=True))
    magnitudes = [scale * terms @ k.abs(), scale * terms.mT @ q.abs(), p.mT @ do.abs()]
    subnormal = case[2] * torch.finfo(dtype).tiny * torch.finfo(dtype).eps
    largest = max(tensor.abs().max().item() for tensor in (q, k, do))
    for ours_grad, reference, magnitude in zip(got, expected, magnitudes, strict=True):
        assert_within(ours_grad, reference, rounding * magnitude + u * reference.abs() + subnormal * largest)


def test_strided_heads() -> None:
    batch, context, heads, size = 2, 70, 3, 32
    q, k, v = torch.randn(batch, context, 3, heads, size).unbind(2)
    q, k, v = (tensor.transpose(1, 2) for tensor in (q, k, v))
    out, _ = attention_forward(q, k, v, True, 0.2)
    dense, _ = attention_forward(q.contiguous(), k.contiguous(), v.contiguous(), True, 0.2)
    assert torch.equal(out, dense)


def test_the_future_is_not_seen() -> None:
    q, k, v = inputs((1, 1, 131, 32), torch.float32, 3)
    out, _ = attention_forward(q, k, v, True, 0.2)
    k[:, :, 100:], v[:, :, 100:] = 1e4, 1e4
    changed, _ = attention_forward(q, k, v, True, 0.2)
    assert torch.equal(out[:, :, :100], changed[:, :, :100])


def test_refuses_a_large_head() -> None:
    q = torch.ones(1, 1, 4, 129)
    with pytest.raises(ValueError, match="head size 129"):
        attention_forward(q, q, q, False, 1.0)
