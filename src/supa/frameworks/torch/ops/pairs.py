"""Sums and products of complex tensors, by kernels over their pairs of real numbers. Not here: the other operators of
complex numbers, and these where the numbers do not lie side by side, which are composed of their parts (`complexes`).
"""

from __future__ import annotations

from typing import Any

import torch

from supa.frameworks.torch.ops.elementwise import broadcast, loops_of, strides_like, strides_over
from supa.frameworks.torch.recorder import Declined, Recorder
from supa.libs.elementwise import pairs
from supa.libs.elementwise.pointwise import COMPUTE, MOST_ROW_LOOPS
from supa.libs.sizes import cdiv, next_power_of_2

Tensor = torch.Tensor
_COMPUTED_IN = {torch.complex32: "f32", torch.complex64: "f32", torch.complex128: "f64"}
_BLOCK = 1024


def _is_complex(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.dtype in _COMPUTED_IN and value.device.type == "supa"


def _real(recorder: Recorder, x: Tensor) -> Tensor:
    """The pairs as they lie in memory; of a conjugated tensor those that it conjugates."""
    return recorder.view(torch.view_as_real(x.conj() if x.is_conj() else x), x)


def total(recorder: Recorder, x: Any, y: Any, alpha: Any = 1) -> Tensor:
    """x + alpha * y: a sum of real numbers. Raises `Declined` unless both are complex tensors."""
    if not (_is_complex(x) and _is_complex(y)) or x.is_conj() or y.is_conj() or isinstance(alpha, complex):
        raise Declined
    return torch.view_as_complex(torch.add(_real(recorder, x), _real(recorder, y), alpha=alpha))


def difference(recorder: Recorder, x: Any, y: Any, alpha: Any = 1) -> Tensor:
    """x - alpha * y."""
    return total(recorder, x, y, -alpha)


def product(recorder: Recorder, x: Any, y: Any) -> Tensor:
    """x * y. Raises `Declined` where a tensor is real, or lies so that neighbours are not side by side."""
    if not (_is_complex(x) and _is_complex(y)):
        raise Declined
    dtype = torch.promote_types(x.dtype, y.dtype)
    sizes = broadcast(x.shape, y.shape)
    out = recorder.new(sizes, dtype, strides_like([x, y], sizes))
    loops = loops_of(list(sizes), [strides_over(one, sizes) for one in (out, x, y)])
    beside = loops[-1][1]
    if beside[0] != 1 or max(beside) > 1 or len(loops) > MOST_ROW_LOOPS + 1:
        raise Declined
    if out.numel():
        _launch(recorder, [out, x, y], loops)
    return out


def _launch(recorder: Recorder, moving: list[Tensor], loops: list[tuple[int, list[int]]]) -> None:
    out, x, y = moving
    rows, (columns, beside) = loops[:-1], loops[-1]
    count = out.numel() // columns
    used = len(rows)
    rows = rows + [(1, [0] * len(moving))] * (MOST_ROW_LOOPS - used)
    strides = [2 * row[1][index] for index in range(len(moving)) for row in rows]
    block_c = min(_BLOCK, next_power_of_2(2 * columns))
    block_r = max(1, min(_BLOCK // block_c, next_power_of_2(count)))
    recorder.run(
        pairs.product, cdiv(count, block_r) * cdiv(2 * columns, block_c), *(_real(recorder, one) for one in moving),
        count, 2 * columns, *(row[0] for row in rows[1:]), *strides, BESIDE_X=beside[1] == 1, BESIDE_Y=beside[2] == 1,
        CONJUGATE_X=x.is_conj(), CONJUGATE_Y=y.is_conj(), LOOPS=used, COMPUTE=COMPUTE[_COMPUTED_IN[out.dtype]],
        BLOCK_R=block_r, BLOCK_C=block_c,
    )  # fmt: skip


KERNELS = {"add.Tensor": total, "sub.Tensor": difference, "mul.Tensor": product}
"""Torch's name -> what it does to two complex tensors."""
