"""How far a result may lie from its float64 reference: as PyTorch in the same dtype, or by a rounding analysis.

Not a table of tolerances that happened to pass: u below is the unit roundoff of a format, and the bounds are those of
Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., chapters 2 and 3.
"""

import torch

FLOATS = [torch.float32, torch.float16, torch.bfloat16]
ACCUMULATOR_ROUNDOFF = 2.0**-24
TF32_INPUT_ERROR = 2.0**-10  # ten bits of mantissa, truncated


def roundoff(dtype: torch.dtype) -> float:
    """Half the distance from 1 to the next number."""
    return torch.finfo(dtype).eps / 2


def ulps(error: torch.Tensor, reference: torch.Tensor, dtype: torch.dtype) -> float:
    """The largest error in units of the last place of the reference, in dtype."""
    smallest = torch.finfo(dtype).tiny
    exponent = torch.floor(torch.log2(reference.abs().clamp(min=smallest)))
    return (error / (torch.finfo(dtype).eps * torch.exp2(exponent))).max().item()


def assert_elementwise(got: torch.Tensor, theirs: torch.Tensor, reference: torch.Tensor) -> None:
    """At most twice PyTorch's error in the same dtype, in units of the last place, and one more for its exact ones."""
    assert got.dtype == theirs.dtype and got.shape == reference.shape and not got.isnan().any()
    ours_ulps = ulps((got.double() - reference).abs(), reference, got.dtype)
    theirs_ulps = ulps((theirs.double() - reference).abs(), reference, got.dtype)
    assert ours_ulps <= 2 * theirs_ulps + 1, f"{ours_ulps:.2f} ulp, PyTorch {theirs_ulps:.2f}"


def assert_reduction(got: torch.Tensor, theirs: torch.Tensor, reference: torch.Tensor) -> None:
    """As assert_elementwise, in absolute terms: where sums cancel, the last place of a small result means nothing."""
    assert got.dtype == theirs.dtype and got.shape == reference.shape and not got.isnan().any()
    ours = (got.double() - reference).abs().max().item()
    torchs = (theirs.double() - reference).abs().max().item()
    slack = torch.finfo(got.dtype).eps * reference.abs().max().item()
    assert ours <= 2 * torchs + slack, f"error {ours:.3e}, PyTorch {torchs:.3e}, one ulp {slack:.3e}"


def assert_within(got: torch.Tensor, reference: torch.Tensor, bound: torch.Tensor) -> None:
    """Every element within its own bound."""
    assert got.shape == reference.shape and not got.isnan().any()
    excess = ((got.double() - reference).abs() / bound.clamp(min=1e-300)).max().item()
    assert excess <= 1, f"{excess:.2f} times the rounding bound"


def dot_bound(a: torch.Tensor, b: torch.Tensor, dtype: torch.dtype, input_error: float = 0.0) -> torch.Tensor:
    """The bound of a @ b accumulated in float32 in any order and rounded to dtype; a and b in float64."""
    accumulated = (a.shape[-1] * ACCUMULATOR_ROUNDOFF + 2 * input_error) * (a.abs() @ b.abs())
    return accumulated + roundoff(dtype) * (a @ b).abs() + torch.finfo(dtype).tiny
