"""Runs an operator's kernels and writes down its recipe, which the extension replays from then on (`csrc/replay.h`).

A recipe is what was allocated, launched and returned, by position among the operator's tensors. It holds for every
call with the same key: sizes, strides, types, numbers. Not here: the operators (`ops`), their kernels (`libs`).
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from supa.frameworks.torch.extension import library
from supa.frameworks.torch.launches import enter
from supa.jit.sanitizer.settings import kinds
from supa.jit.triton_backend.packing import pack_slowly, slots

INPUT, MADE, NOTHING = range(3)
_DTYPE_NUMBERS = {
    torch.uint8: 0, torch.int8: 1, torch.int16: 2, torch.int32: 3, torch.int64: 4, torch.float16: 5, torch.float32: 6,
    torch.float64: 7, torch.complex64: 9, torch.complex128: 10, torch.bool: 11, torch.bfloat16: 15,
}  # fmt: skip


class Declined(Exception):  # noqa: N818 (it is an answer, not an error)
    """The operator has no kernel for these arguments: it runs on the host."""


@dataclass(frozen=True)
class Number:
    """An operator's number as a kernel's argument. `argument`: its position among the operator's arguments, where each
    call brings its own; -1 where it is fixed.
    """

    value: float | int
    argument: int = -1


class Recorder:
    """One call of an operator: `new` allocates, `run` launches, `finish` teaches. `tensors` are the operator's, in
    order, each a distinct object.
    """

    def __init__(self, tensors: Sequence[torch.Tensor]) -> None:
        self._tensors = list(tensors)
        self.device = tensors[0].device
        self._made: list[torch.Tensor] = []
        self._views: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._launches: list[int] = []
        self._count = 0
        self._repeats = not kinds()  # the sanitizer looks at every launch

    def never(self) -> None:
        """This call's recipe holds for no other."""
        self._repeats = False

    def new(self, sizes: Sequence[int], dtype: torch.dtype, strides: Sequence[int] | None = None) -> torch.Tensor:
        """Device memory for a tensor, with any bytes in it."""
        if strides is None:
            made = torch.empty(tuple(sizes), dtype=dtype, device=self.device)
        else:
            made = torch.empty_strided(tuple(sizes), tuple(strides), dtype=dtype, device=self.device)
        self._made.append(made)
        return made

    def view(self, view: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
        """`view`, remembered as one of `base`: other tensors of the operator may share its memory."""
        self._views.append((view, base))
        return view

    def run(self, kernel: Any, grid: int | tuple[int, ...], *arguments: Any, **constants: Any) -> None:
        """Launch a Triton kernel: `arguments` are its leading parameters, `constants` the constexprs and options."""
        shape = (grid,) if isinstance(grid, int) else grid
        values = [float(one.value) if isinstance(one, Number) else one for one in arguments]
        with torch.supa.device(self.device.index):  # type: ignore[attr-defined]
            compiled = kernel[shape](*values, **constants)
        if not library().supa_torch_may_learn() or not self._repeats:
            return
        sizes = (*shape, 1, 1)[:3]
        self._count += 1
        self._launches += self._launch(compiled, sizes, [*zip(kernel.arg_names, arguments, strict=False)], constants)

    def _launch(
        self, compiled: Any, grid: tuple[int, ...], given: list[tuple[str, Any]], constants: dict[str, Any]
    ) -> list[int]:
        by_name = {**dict(given), **constants}
        signature = compiled.src.signature
        plain = tuple(
            float(one.value) if isinstance(one, Number) else one for one in (by_name[name] for name in signature)
        )
        needed = slots(signature)
        packed = pack_slowly(needed, plain)
        pointers, holes = [], []
        for index, slot in enumerate(needed):
            value = by_name[slot.parameter]
            if isinstance(value, torch.Tensor):
                pointers.append((index, *self._source(value)))
            elif isinstance(value, Number) and value.argument >= 0:
                holes.append((index, value.argument, 1))
        number = enter(compiled.function, grid, packed)
        words = [compiled.function.handle, *grid, number, len(needed), *struct.unpack(f"<{len(needed)}q", packed)]
        words += [len(pointers), *(word for pointer in pointers for word in pointer)]
        return [*words, len(holes), *(word for hole in holes for word in hole)]

    def _source(self, tensor: torch.Tensor) -> tuple[int, int, int]:
        """Whose memory a kernel's tensor is: kind, position, bytes from its start."""
        for kind, pool in ((INPUT, self._tensors), (MADE, self._made)):
            for index, one in enumerate(pool):
                if one is tensor:
                    return kind, index, 0
        for view, base in self._views:
            if view is tensor:
                kind, index, offset = self._source(base)
                return kind, index, offset + tensor.data_ptr() - base.data_ptr()
        storage = tensor.untyped_storage().data_ptr()
        for index, one in enumerate(self._made):
            if one.untyped_storage().data_ptr() == storage:
                return MADE, index, tensor.data_ptr() - storage
        found = [index for index, one in enumerate(self._tensors) if one.untyped_storage().data_ptr() == storage]
        if len(found) != 1:
            self._repeats = False
            return INPUT, 0, 0
        return INPUT, found[0], tensor.data_ptr() - self._tensors[found[0]].data_ptr()

    def finish(self, returned: Any) -> None:
        """Teach the recipe of a call that returned a tensor, None, or a tuple of them."""
        results = returned if isinstance(returned, (tuple, list)) else (returned,)
        words: list[int] = []
        for one in results:
            words += self._result(one)
        if self._repeats and library().supa_torch_may_learn():
            made = [word for one in self._made for word in (_DTYPE_NUMBERS[one.dtype], one.untyped_storage().nbytes())]
            teach([0, len(self._made), *made, self._count, *self._launches, len(results), *words])

    def _result(self, one: torch.Tensor | None) -> list[int]:
        if one is None:
            return [NOTHING, 0, 0, 0, 0]
        for index, tensor in enumerate(self._tensors):
            if tensor is one:
                return [INPUT, index, 0, 0, 0]
        kind, index, _ = self._source(one)
        if kind != MADE:
            self._repeats = False
        shape = [one.storage_offset(), one.dim(), *one.shape, *one.stride()]
        return [kind, index, _DTYPE_NUMBERS[one.dtype], *shape]


def teach(words: list[int]) -> None:
    """Hand a recipe to the extension."""
    library().supa_torch_learn((ctypes.c_int64 * len(words))(*words))
