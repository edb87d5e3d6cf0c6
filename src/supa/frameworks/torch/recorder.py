"""Runs an operator's kernels and writes down its recipe, which the extension replays from then on (`csrc/replay.h`).

A recipe is what was allocated, launched and returned, by position among the operator's tensors. It holds for every
call with the same key: sizes, strides, types, numbers. Operators called inside another one write their launches into
its recipe too. Not here: the operators (`ops`), their kernels (`libs`).
"""

from __future__ import annotations

import ctypes
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from supa.base.errors import LaunchError
from supa.frameworks.torch.extension import library
from supa.frameworks.torch.launches import enter
from supa.jit.sanitizer.settings import kinds
from supa.jit.triton_backend.packing import pack_slowly, slots

INPUT, MADE, NOTHING, COUNT = range(4)
_FP32_HOLE, _, _SEED_HOLE, _OFFSET_HOLE = range(1, 5)
_DTYPE_NUMBERS = {
    torch.uint8: 0, torch.int8: 1, torch.int16: 2, torch.int32: 3, torch.int64: 4, torch.float16: 5, torch.float32: 6,
    torch.float64: 7, torch.complex32: 8, torch.complex64: 9, torch.complex128: 10, torch.bool: 11, torch.bfloat16: 15,
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


@dataclass(frozen=True)
class Seed:
    """The seed of the device's generator as a kernel's argument, anew in each call."""

    value: int


@dataclass(frozen=True)
class Offset:
    """The offset of the device's generator as a kernel's argument; each call draws `count` numbers from there on."""

    value: int
    count: int


@dataclass(frozen=True)
class _Source:
    """Whose memory a pointer is: a tensor of the operator or one that was made, and bytes from its start."""

    kind: int
    index: int
    offset_bytes: int


@dataclass(frozen=True)
class _Launch:
    """One launch: `head` is kernel, grid and number; `holes` are (slot, argument or count, form)."""

    head: tuple[int, ...]
    slots: tuple[int, ...]
    pointers: tuple[tuple[int, _Source], ...]
    holes: tuple[tuple[int, int, int], ...]


class OutOfBoundsError(IndexError, RuntimeError):
    """An operator's index lies outside of what it indexes: torch raises the one on the host, the other on GPUs."""


@dataclass(frozen=True, kw_only=True)
class _Bounds:
    """What an operator's indices must lie in: [0, size), or [-size, size) with `wraps`; `ignored` is allowed too."""

    index: torch.Tensor
    size: int
    axis: int
    wraps: bool
    ignored: int | None

    def first_outside(self) -> int | None:
        values = self.index.cpu().long().flatten()
        outside = (values < (-self.size if self.wraps else 0)) | (values >= self.size)
        if self.ignored is not None:
            outside &= values != self.ignored
        found = values[outside]
        return int(found[0]) if found.numel() else None


class _Open(threading.local):
    """The recorders of this thread's calls, the innermost last."""

    def __init__(self) -> None:
        self.recorders: list[Recorder] = []


_open = _Open()


def recording() -> bool:
    """Whether this thread is inside an operator's call."""
    return bool(_open.recorders)


class Recorder:
    """One call of an operator: `new` allocates, `run` launches, `finish` teaches. `tensors` are the operator's, in
    order, each a distinct object. A context: calls made inside it are part of it.
    """

    def __init__(self, name: str, tensors: Sequence[torch.Tensor]) -> None:
        self.name = name
        self._tensors = list(tensors)
        self._shapes = [tuple(one.shape) for one in tensors]
        self.device = tensors[0].device
        self._made: list[torch.Tensor] = []
        self._views: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._launches: list[_Launch] = []
        self._bounds: list[_Bounds] = []
        self._repeats = not kinds()  # the sanitizer looks at every launch
        self._outer = _open.recorders[-1] if _open.recorders else None
        self._taught = bool(library().supa_torch_may_learn())  # asked now: it speaks of the innermost call

    def __enter__(self) -> Recorder:
        if any(one.name == self.name for one in _open.recorders):
            raise Declined  # composed of itself
        _open.recorders.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _open.recorders.pop()

    def never(self) -> None:
        """This call's recipe holds for no other."""
        self._repeats = False

    @property
    def _writes(self) -> bool:
        return self._repeats and (self._outer is not None or self._taught)

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
        if view is not base:
            self._views.append((view, base))
        return view

    def seed(self) -> Seed:
        """The generator's seed."""
        return Seed(int(library().supa_torch_seed(self.device.index)))

    def offset(self, count: int) -> Offset:
        """Draws `count` numbers: kernels may use the generator's next `count` places."""
        return Offset(int(library().supa_torch_draw(self.device.index, count)), count)

    def indexed(
        self, index: torch.Tensor, size: int, axis: int, *, wraps: bool = False, ignored: int | None = None
    ) -> None:
        """The kernels that follow assert that `index` lies in an axis of that size; where one stops, the error says
        which does not.
        """
        self._bounds.append(_Bounds(index=index, size=size, axis=axis, wraps=wraps, ignored=ignored))

    def _stopped(self, error: LaunchError) -> Exception:
        """A stopped launch as torch's users know it."""
        for bounds in self._bounds:
            index = bounds.first_outside()
            if index is not None:
                raised = f"index {index} is out of bounds for dimension {bounds.axis} with size {bounds.size}"
                return OutOfBoundsError(f"aten::{self.name}: {raised} (device-side assert triggered on {self.device})")
        return RuntimeError(f"aten::{self.name}: {error}")

    def run(self, kernel: Any, grid: int | tuple[int, ...], *arguments: Any, **constants: Any) -> None:
        """Launch a Triton kernel: `arguments` are its leading parameters, `constants` the constexprs and options."""
        shape = (grid,) if isinstance(grid, int) else grid
        if any(isinstance(one, torch.Tensor) and one.dtype.is_complex for one in arguments):
            raise Declined  # kernels know pairs of real numbers (`ops.complexes`)
        values = [_plain(one) for one in arguments]
        with torch.supa.device(self.device.index):  # type: ignore[attr-defined]
            try:
                compiled = kernel[shape](*values, **constants)
            except LaunchError as error:
                raise self._stopped(error) from error
        if self._writes:
            sizes = (*shape, 1, 1)[:3]
            self._launches.append(
                self._launch(compiled, sizes, dict(zip(kernel.arg_names, arguments, strict=False)), constants)
            )

    def _launch(
        self, compiled: Any, grid: tuple[int, ...], given: dict[str, Any], constants: dict[str, Any]
    ) -> _Launch:
        by_name = {**given, **constants}
        signature = compiled.src.signature
        needed = slots(signature)
        packed = pack_slowly(needed, tuple(_plain(by_name[name]) for name in signature))
        pointers, holes = [], []
        for index, slot in enumerate(needed):
            value = by_name[slot.parameter]
            if isinstance(value, torch.Tensor):
                pointers.append((index, self._source(value)))
            elif isinstance(value, Number) and value.argument >= 0:
                holes.append((index, value.argument, _FP32_HOLE))
            elif isinstance(value, Seed):
                holes.append((index, 0, _SEED_HOLE))
            elif isinstance(value, Offset):
                holes.append((index, value.count, _OFFSET_HOLE))
        number = enter(compiled.function, grid, packed)
        head = (compiled.function.handle, *grid, number)
        words = struct.unpack(f"<{len(needed)}q", packed)
        return _Launch(head=head, slots=words, pointers=tuple(pointers), holes=tuple(holes))

    def _source(self, tensor: torch.Tensor) -> _Source:
        for kind, pool in ((INPUT, self._tensors), (MADE, self._made)):
            for index, one in enumerate(pool):
                if one is tensor:
                    return _Source(kind, index, int(tensor.storage_offset()) * tensor.element_size() if kind else 0)
        for view, base in self._views:
            if view is tensor:
                found = self._source(base)
                return _Source(found.kind, found.index, found.offset_bytes + tensor.data_ptr() - base.data_ptr())
        return self._source_of_memory(tensor)

    def _source_of_memory(self, tensor: torch.Tensor) -> _Source:
        storage = tensor.untyped_storage().data_ptr()
        for index, one in enumerate(self._made):
            if one.untyped_storage().data_ptr() == storage:
                return _Source(MADE, index, tensor.data_ptr() - storage)
        found = [index for index, one in enumerate(self._tensors) if one.untyped_storage().data_ptr() == storage]
        if len(found) == 1:
            return _Source(INPUT, found[0], tensor.data_ptr() - self._tensors[found[0]].data_ptr())
        if found:
            self._repeats = False  # which of them is meant can not be seen
            return _Source(INPUT, 0, 0)
        self._made.append(tensor)  # made by an operator inside this one; kept, so that its memory is not given anew
        return _Source(MADE, len(self._made) - 1, tensor.data_ptr() - storage)

    def finish(self, returned: Any) -> None:
        """Teach the recipe of a call that returned a tensor, None, a count, or a tuple of them."""
        results = returned if isinstance(returned, (tuple, list)) else (returned,)
        words = [word for one in results for word in self._result(one)]
        if self._outer is not None:
            self._outer.absorb(self)
        if self._repeats and self._taught:
            made = [word for one in self._made for word in (_DTYPE_NUMBERS[one.dtype], one.untyped_storage().nbytes())]
            launches = [word for one in self._launches for word in _words(one)]
            teach([0, *self._resized(), len(self._made), *made, len(self._launches), *launches, len(results), *words])

    def _resized(self) -> list[int]:
        """The operator's tensors that were given another size (`out`): how many, then index, rank and sizes of each."""
        words, count = [], 0
        for index, (before, one) in enumerate(zip(self._shapes, self._tensors, strict=True)):
            if before != tuple(one.shape):
                words += [index, one.dim(), *one.shape]
                count += 1
        return [count, *words]

    def absorb(self, inner: Recorder) -> None:
        """Take over the launches of a call that was made inside this one."""
        if not inner._repeats:
            self._repeats = False
        if not self._writes:
            return
        inputs = [self._source(one) for one in inner._tensors]
        made = [self._source(one) for one in inner._made]
        made = [_Source(one.kind, one.index, 0) for one in made]
        for launch in inner._launches:
            pointers = []
            for slot, source in launch.pointers:
                own = (inputs if source.kind == INPUT else made)[source.index]
                pointers.append((slot, _Source(own.kind, own.index, own.offset_bytes + source.offset_bytes)))
            holes = tuple(hole for hole in launch.holes if hole[2] != _FP32_HOLE)
            self._launches.append(_Launch(head=launch.head, slots=launch.slots, pointers=tuple(pointers), holes=holes))

    def _result(self, one: torch.Tensor | int | None) -> list[int]:
        if one is None:
            return [NOTHING, 0, 0, 0, 0]
        if isinstance(one, int):
            return [COUNT, one, 0, 0, 0]
        for index, tensor in enumerate(self._tensors):
            if tensor is one:
                return [INPUT, index, 0, 0, 0]
        found = self._source(one)
        if found.kind != MADE:
            self._repeats = False
        shape = [one.storage_offset(), one.dim(), *one.shape, *one.stride()]
        return [MADE, found.index, _DTYPE_NUMBERS[one.dtype], *shape]


def _plain(value: Any) -> Any:
    if isinstance(value, Number):
        return float(value.value)
    return value.value if isinstance(value, (Seed, Offset)) else value


def _words(launch: _Launch) -> list[int]:
    pointers = [word for slot, one in launch.pointers for word in (slot, one.kind, one.index, one.offset_bytes)]
    holes = [word for hole in launch.holes for word in hole]
    return [*launch.head, len(launch.slots), *launch.slots, len(launch.pointers), *pointers, len(launch.holes), *holes]


def teach(words: list[int]) -> None:
    """Hand a recipe to the extension."""
    library().supa_torch_learn((ctypes.c_int64 * len(words))(*words))
