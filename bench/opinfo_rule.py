"""When a result of the device counts as right. Fixed tolerances, the same for every operator.

A number passes if it is within the tolerance of the host's result in float64 (complex128) for the same inputs, or of
the host's own result in the same type: the first says right, the second says no other than torch's users get today;
rows that needed the second are counted. Why these tolerances: a half type's is four times its spacing at 1, eight
roundings on the way; fp32's is a tenth of what PyTorch's own comparison of a GPU with the host allows (test_ops.py,
`test_compare_cpu`: 1e-3); fp64's is `torch.testing.assert_close`'s. Whole numbers and conditions are equal.
Not here: the samples (`opinfo`).
"""

from __future__ import annotations

from typing import Any

TYPES = ("float32", "bfloat16", "float16", "float64", "complex64", "int64", "int32", "bool")
TOLERANCES = {
    "float64": 1e-7, "complex128": 1e-7, "float32": 1e-4, "complex64": 1e-4, "bfloat16": 4 * 2.0**-7,
    "float16": 4 * 2.0**-10, "complex32": 4 * 2.0**-10,
}  # fmt: skip
"""Relative and absolute, by the result's type."""


def compared(found: list[Any], exact: list[Any], plain: list[Any], kept: int, what: str) -> bool:
    """Whether any of the first `kept` results passed only by the host's own in the same type; `exact` may be empty.

    Raises AssertionError where one passes by neither, or has another shape or type.
    """
    if len(found) != len(plain):
        raise AssertionError(f"{what}: {len(found)} results, the host has {len(plain)}")
    by_host = False
    for number, (ours, host) in enumerate(zip(found, plain, strict=True)):
        if (ours.shape, ours.dtype) != (host.shape, host.dtype):
            shapes = f"{ours.dtype} {tuple(ours.shape)}, the host has {host.dtype} {tuple(host.shape)}"
            raise AssertionError(f"{what} {number}: {shapes}")
        if number < kept:
            ours = ours.cpu().to_dense() if ours.is_sparse else ours.cpu()
            by_host |= _passes_by_host(ours, exact[number] if exact else None, host, f"{what} {number}")
    return by_host


def _passes_by_host(ours: Any, exact: Any, host: Any, what: str) -> bool:
    if exact is not None:
        try:
            _close(ours, exact)
            return False
        except AssertionError:
            pass
    try:
        _close(ours, host)
    except AssertionError as error:
        raise AssertionError(f"{what}: {first_lines(error)}") from None
    return exact is not None


def _close(ours: Any, reference: Any) -> None:
    import torch

    tolerance = TOLERANCES.get(str(ours.dtype).removeprefix("torch."), 0.0)
    if tolerance and reference.dtype != ours.dtype:
        ours = ours.to(reference.dtype)
    torch.testing.assert_close(ours, reference, rtol=tolerance, atol=tolerance, equal_nan=True, check_stride=False)


def first_lines(error: BaseException) -> str:
    """An error in one line."""
    return " ".join(str(error).split())[:220]
