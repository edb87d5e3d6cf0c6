"""Peaks that achieved rates are compared with: of the fastest matrix format that a work uses, else of the lanes."""

from __future__ import annotations

from supa.arch import load
from supa.program.work import Count, Matrix, Vector, Work
from supa.runtime.peaks import peak_flops


def test_the_peak_is_of_the_fastest_matrix_format_else_of_the_lanes() -> None:
    small = load("bili100")
    vector = Vector(
        id=1, counts=(Count(kind="fma", format="f32", elements=8), Count(kind="add", format="i32", elements=99))
    )
    matrix = [Matrix(id=2, m=16, n=16, k=16, format=name) for name in ("tf32", "bf16")]
    assert peak_flops(small, Work(body=(vector, *matrix))) == 1024 * 10**12  # published for bf16
    assert peak_flops(small, Work(body=(vector,))) == small.vector_flops("fp32")
    assert peak_flops(small, Work(body=())) == small.vector_flops("fp32")
