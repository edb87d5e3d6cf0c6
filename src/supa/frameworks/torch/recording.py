"""What a graph's capture writes down, and how it runs again. Not here: the graph's face to programs (`graphs`).

Tensors are known by their memory: what was made during the capture has a number and is made anew by each replay, what
was there before is used in its place. Views need no node: a tensor is its memory's number, shape, strides and offset.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from supa.frameworks.torch.device_index import NAME
from supa.jit.triton_backend.measuring import running
from supa.runtime import Kernel

_UNFILLED = {"aten::empty.memory_format", "aten::empty_strided", "aten::new_empty", "aten::new_empty_strided",
             "aten::empty_like"}  # fmt: skip
_WRITES_UNSAID = {"aten::native_batch_norm": (3, 4), "aten::cudnn_batch_norm": (3, 4)}
"""Arguments that an operator writes without its schema saying so."""

_now: list[Recording] = []


def recording_now() -> Recording | None:
    """The capture that is going on."""
    return _now[-1] if _now else None


@dataclass(frozen=True)
class _Made:
    """A tensor over memory that the capture made."""

    number: int
    dtype: torch.dtype
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    conjugated: bool
    negated: bool

    def over(self, base: torch.Tensor) -> torch.Tensor:
        """This tensor over the memory of another one."""
        if base.dtype != self.dtype:
            whole = torch.empty(0, dtype=self.dtype, device=base.device)
            found = whole.set_(base.untyped_storage(), self.offset, self.shape, self.strides)
        elif (base.shape, base.stride(), base.storage_offset()) == (self.shape, self.strides, self.offset):
            found = base
        else:
            found = base.as_strided(self.shape, self.strides, self.offset)
        found = found.conj() if self.conjugated else found
        return torch._neg_view(found) if self.negated else found


@dataclass
class _Node:
    """One step. `made`: (position among the results, number of its memory); `uses`: numbers that it reads or writes."""

    text: str
    run: Callable[[dict[int, torch.Tensor]], list[Any]]
    uses: set[int]
    made: list[tuple[int, int]] = field(default_factory=list)
    unfilled: bool = False
    last: tuple[int, ...] = ()  # memory that no later step uses


class _Launches:
    """Stands in the place of a stream for Triton's launches, and writes them down."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def launch(self, kernel: Kernel, grid_x: int, grid_y: int, grid_z: int, slots: bytes) -> None:
        self._recording.add_launch(kernel, (grid_x, grid_y, grid_z), slots)


class Recording(TorchDispatchMode):
    """A capture, while it is entered, and its nodes afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.launches = _Launches(self)
        self.refused = ""
        self._nodes: list[_Node] = []
        self._numbers: dict[int, int] = {}
        self._memory: dict[int, StorageWeakRef] = {}
        self._lock = threading.RLock()

    def __enter__(self) -> Recording:
        _now.append(self)
        super().__enter__()
        return self

    def __exit__(self, *of_error: Any) -> None:
        super().__exit__(*of_error)
        _now.remove(self)

    def refuse(self, why: str) -> None:
        """End the capture by an error."""
        self.refused = self.refused or why
        raise RuntimeError(
            f"operation not permitted while a graph is captured: {why}\n"
            "  do it before the capture or after a replay, and let the graph read and write tensors that stay"
        )

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One operator: refused, run for its results' shapes and written down, or (on the host alone) only run."""
        kwargs = kwargs or {}
        with self._lock, running():
            leaves, spec = pytree.tree_flatten((args, kwargs))
            inside = [one for one in leaves if isinstance(one, torch.Tensor)]
            concerned = any(one.device.type == NAME for one in inside)
            if concerned and ({torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape} & set(function.tags)):
                self.refuse(f"{function.name()} reads values on the host")
            written = _written(function, args, kwargs)
            returned = self._shaped(function, args, kwargs, written)
            results = [one for one in pytree.tree_leaves(returned) if isinstance(one, torch.Tensor)]
            if concerned or any(one.device.type == NAME for one in results):
                self._check_copies(function, inside, results, written)
                self._add(function, leaves, spec, results, written)
            return returned

    def _shaped(self, function: Any, args: Any, kwargs: Any, written: list[torch.Tensor]) -> Any:
        """What the operator returns, with memory from before the capture left as it is."""
        standing = [one for one in written if one.device.type == NAME and self._number(one) is None]
        if not standing or torch.Tag.inplace_view in function.tags:
            return function(*args, **kwargs)
        returns = function._schema.returns
        if all(one.alias_info is not None and one.alias_info.is_write for one in returns) and "resize" not in str(
            function
        ):
            return None if not returns else written[0] if len(returns) == 1 else tuple(written[: len(returns)])
        copies = {id(one): one.clone() for one in standing}
        back = {id(copy): one for one in standing for copy in (copies[id(one)],)}
        other_args, other_kwargs = pytree.tree_map(lambda one: copies.get(id(one), one), (args, kwargs))
        returned = function(*other_args, **other_kwargs)
        return pytree.tree_map(lambda one: back.get(id(one), one), returned)

    def _check_copies(self, function: Any, inside: list[Any], results: list[Any], written: list[torch.Tensor]) -> None:
        """Only copies between the device and pinned memory can be part of a graph."""
        packet = function.name().partition(".")[0]
        if packet not in ("aten::_to_copy", "aten::copy_", "aten::_copy_from"):
            return
        sides = {*inside, *results, *written}
        for one in sides:
            if one.device.type == "cpu" and one.dim() + one.numel() > 1 and not one.is_pinned():
                self.refuse(f"{packet} copies from or to host memory that is not pinned")

    def _number(self, tensor: torch.Tensor) -> int | None:
        return self._numbers.get(tensor.untyped_storage()._cdata) if tensor.layout == torch.strided else None

    def _described(self, tensor: torch.Tensor) -> Any:
        """A tensor as a node keeps it."""
        number = self._number(tensor)
        if number is None:
            return tensor.detach()
        shape, strides = tuple(tensor.shape), tuple(tensor.stride())
        return _Made(
            number, tensor.dtype, shape, strides, int(tensor.storage_offset()), tensor.is_conj(), tensor.is_neg()
        )

    def _add(
        self, function: Any, leaves: list[Any], spec: Any, results: list[Any], written: list[torch.Tensor]
    ) -> None:
        known = {
            one.untyped_storage()._cdata
            for one in leaves
            if isinstance(one, torch.Tensor) and one.layout == torch.strided
        }
        kept = [self._described(one) if isinstance(one, torch.Tensor) else one for one in leaves]
        made: list[tuple[int, int]] = []
        fresh: dict[int, int] = {}
        for index, one in enumerate(results):
            if one.device.type != NAME or one.layout != torch.strided:
                continue
            storage = one.untyped_storage()
            if storage._cdata not in known and storage._cdata not in self._numbers and storage._cdata not in fresh:
                number = len(self._memory)
                fresh[storage._cdata], self._memory[number] = number, StorageWeakRef(storage)
                made.append((index, number))
        self._numbers |= fresh
        if not made and not written:
            return  # a view

        def run(memory: dict[int, torch.Tensor]) -> list[Any]:
            given = [one.over(memory[one.number]) if isinstance(one, _Made) else one for one in kept]
            args, kwargs = pytree.tree_unflatten(given, spec)
            return [one for one in pytree.tree_leaves(function(*args, **kwargs)) if isinstance(one, torch.Tensor)]

        name = function.name()
        uses = {one.number for one in kept if isinstance(one, _Made)}
        self._nodes.append(_Node(name, run, uses, made, name in _UNFILLED))

    def add_launch(self, kernel: Kernel, grid: tuple[int, int, int], slots: bytes) -> None:
        """Write down a launch; its pointers into memory that the capture made follow that memory."""
        with self._lock:
            places = []
            for index, argument in enumerate(kernel.program.arguments):
                address = int.from_bytes(slots[8 * index : 8 * index + 8], "little")
                if argument.type == "ptr":
                    places += [(index, number, past) for number, past in self._holding(address)]

        def run(memory: dict[int, torch.Tensor]) -> list[Any]:
            patched = bytearray(slots)
            for index, number, past in places:
                address = memory[number].untyped_storage().data_ptr() + past
                patched[8 * index : 8 * index + 8] = address.to_bytes(8, "little")
            kernel(*grid, bytes(patched))
            return []

        self._nodes.append(_Node(f"{kernel.program.name} {grid}", run, {number for _, number, _ in places}))

    def _holding(self, address: int) -> Iterator[tuple[int, int]]:
        for number, reference in reversed(self._memory.items()):
            storage = _alive(reference)
            if storage is not None and 0 <= address - storage.data_ptr() < max(storage.nbytes(), 1):
                yield number, address - storage.data_ptr()
                return

    def finish(self) -> None:
        """After the capture: when each step's memory can go, and what somebody still holds."""
        later: set[int] = set()
        held = {number for number, reference in self._memory.items() if not reference.expired()}
        for node in reversed(self._nodes):
            mine = node.uses | {number for _, number in node.made}
            node.last = tuple(mine - later - held)
            later |= mine
        self._held = held

    def replay(self) -> None:
        """Run all steps, and give what is still held from the capture its new values."""
        memory: dict[int, torch.Tensor] = {}
        standing = {number: _alive(self._memory[number]) for number in self._held}
        with torch.no_grad(), torch._C._AutoDispatchBelowAutograd():
            for node in self._nodes:
                if node.unfilled and (place := standing.get(node.made[0][1])) is not None:
                    memory[node.made[0][1]] = _bytes_of(place)
                    continue
                results = node.run(memory)
                for index, number in node.made:
                    memory[number] = results[index]
                for number in node.last:
                    memory.pop(number, None)
            for number, place in standing.items():
                if place is not None and number in memory:
                    fresh = memory[number].untyped_storage()
                    if fresh.data_ptr() != place.data_ptr():
                        _bytes_of(place).copy_(_bytes_of(fresh))

    def lines(self) -> list[str]:
        """The nodes, for a person."""
        return [
            f"{index} {node.text} <- {sorted(node.uses)} -> {[number for _, number in node.made]}"
            for index, node in enumerate(self._nodes)
        ]


def _alive(reference: StorageWeakRef) -> torch.UntypedStorage | None:
    """The memory, if anybody holds it."""
    found: torch.UntypedStorage | None = torch.UntypedStorage._new_with_weak_ptr(reference.cdata)
    return found


def _bytes_of(storage: torch.UntypedStorage) -> torch.Tensor:
    whole = torch.empty(0, dtype=torch.uint8, device=storage.device)
    return whole.set_(storage, 0, (storage.nbytes(),), (1,))


def _written(function: Any, args: Any, kwargs: Any) -> list[torch.Tensor]:
    """The tensors that the operator writes, those of lists included, in the schema's order."""
    found: list[torch.Tensor] = []
    unsaid = _WRITES_UNSAID.get(function.name(), ())
    for index, argument in enumerate(function._schema.arguments):
        value = args[index] if index < len(args) else kwargs.get(argument.name)
        says = argument.alias_info is not None and argument.alias_info.is_write
        if says or index in unsaid:
            found += [one for one in pytree.tree_leaves(value) if isinstance(one, torch.Tensor)]
    return found
