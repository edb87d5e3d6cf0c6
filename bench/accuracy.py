"""Errors against float64: element-wise and reductions beside PyTorch in the same dtype, sums within their bounds."""

from collections.abc import Callable, Iterator

import torch

from bench import programs  # noqa: F401  (puts the examples on the path)
from bench.figure import Figure

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
TWICE = 2.0
ACCUMULATOR_ROUNDOFF = 2.0**-24

Call = Callable[..., torch.Tensor]


def largest_error(result: torch.Tensor, reference: torch.Tensor) -> float:
    """The largest absolute difference."""
    return (result.double() - reference).abs().max().item()


def quotient(ours: float, theirs: float) -> float:
    """How many times larger; nothing over nothing is nothing."""
    if theirs:
        return ours / theirs
    return float("inf") if ours else 0.0


def weight_gradient(layer_norm: Call, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """The gradient of the weight for one constant gradient of the output: a reduction over rows."""
    weight = weight.clone().requires_grad_()
    y = layer_norm(x, weight, bias)
    return torch.autograd.grad(y, weight, torch.full_like(y, 0.125))[0]


def beside_torch() -> dict[str, tuple[Call, Call, tuple[torch.Tensor, ...]]]:
    """By name: our function, PyTorch's, and float32 inputs, which each dtype rounds for itself."""
    from fused_softmax import softmax
    from layer_norm import LayerNorm
    from vector_add import add

    def our_norm(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return LayerNorm.apply(x, weight, bias, 1e-5)

    def torch_norm(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.layer_norm(x, weight.shape, weight, bias, 1e-5)

    wide = torch.randn(509, 1021)
    norm_inputs = (wide, torch.rand(1021), torch.randn(1021))
    return {
        "vector add": (add, torch.add, (wide, torch.randn(509, 1021))),
        "softmax": (softmax, lambda x: torch.softmax(x, -1), (wide,)),
        "layer norm": (our_norm, torch_norm, norm_inputs),
        "layer norm's dweight": (
            lambda *inputs: weight_gradient(our_norm, *inputs),
            lambda *inputs: weight_gradient(torch_norm, *inputs),
            norm_inputs,
        ),
    }


def torch_figures() -> Iterator[Figure]:
    """Our largest error as a multiple of PyTorch's."""
    for name, (ours, theirs, inputs) in beside_torch().items():
        for dtype_name, dtype in DTYPES.items():
            narrow = [tensor.to(dtype) for tensor in inputs]
            reference = theirs(*(tensor.double() for tensor in narrow))
            our_error = largest_error(ours(*narrow), reference)
            torch_error = largest_error(theirs(*narrow), reference)
            yield Figure(
                section="error",
                name=f"{name} {dtype_name}, ours / torch CPU",
                figure=quotient(our_error, torch_error),
                unit="times",
                bar=TWICE,
                parts={"ours": our_error, "torch": torch_error},
            )


def sums(dtype: torch.dtype) -> Iterator[tuple[str, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]]:
    """What is a float32 sum of 509 terms, rounded once: name, ours, PyTorch's, the reference, the sum of magnitudes."""
    from cumulative_sum import cumulative_sum
    from matmul import matmul

    a, b = torch.randn(131, 509).to(dtype), torch.randn(509, 257).to(dtype)
    wide_a, wide_b = a.double(), b.double()
    yield "dot 131x257x509", matmul(a, b), a @ b, wide_a @ wide_b, wide_a.abs() @ wide_b.abs()
    cumulative, magnitudes = wide_a.cumsum(-1), wide_a.abs().cumsum(-1)
    yield "cumulative sum of 509", cumulative_sum(a), a.cumsum(-1), cumulative, magnitudes


def bound_figures() -> Iterator[Figure]:
    """Our largest error as a part of the accumulated-rounding bound of the format."""
    for dtype_name, dtype in DTYPES.items():
        for name, ours, theirs, reference, magnitudes in sums(dtype):
            bound = 509 * ACCUMULATOR_ROUNDOFF * magnitudes + torch.finfo(dtype).eps / 2 * reference.abs()
            yield Figure(
                section="error",
                name=f"{name} {dtype_name}, ours / bound",
                figure=((ours.double() - reference).abs() / bound).max().item(),
                unit="times",
                bar=1.0,
                parts={"ours": largest_error(ours, reference), "torch": largest_error(theirs, reference)},
            )


def figures() -> Iterator[Figure]:
    """All errors."""
    torch.manual_seed(0)
    yield from torch_figures()
    yield from bound_figures()
