"""What a kernel's pointer arguments point to: any object with `data_ptr()`, or an address. Not here: torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from supa.runtime.checked import Extent
from supa.runtime.memory import locate

Written = Callable[[Any], tuple[int, int]]
"""Of a tensor: where its storage begins, and where the bits of what kernels wrote there are kept (0: they are not)."""


def extents(names: Sequence[str], values: Sequence[Any], written: Written) -> list[Extent]:
    """The memory of each argument that is known: a tensor's own part of its storage, or a device's allocation."""
    found = (_extent(name, value, written) for name, value in zip(names, values, strict=True))
    return [extent for extent in found if extent is not None]


def _extent(name: str, value: Any, written: Written) -> Extent | None:
    address = value if isinstance(value, int) else int(value.data_ptr())
    place = locate(address) if address else None
    if place is not None and not place.inside:
        return Extent(argument=name, base=address, bytes=0, freed=True)
    if not isinstance(value, int) and hasattr(value, "element_size") and hasattr(value, "shape"):
        return _tensor(name, address, value, *written(value))
    if place is not None:
        return Extent(argument=name, base=place.start, bytes=place.bytes)
    return None


def _tensor(name: str, address: int, tensor: Any, written_base: int, written: int) -> Extent:
    """From the first element to the last, as strides have it."""
    shape, element_bytes = tuple(int(extent) for extent in tensor.shape), int(tensor.element_size())
    strides = tuple(int(stride) for stride in tensor.stride()) if hasattr(tensor, "stride") else _row_major(shape)
    span = 1 + sum((extent - 1) * stride for extent, stride in zip(shape, strides, strict=True))
    return Extent(
        argument=name,
        base=address,
        bytes=0 if 0 in shape else span * element_bytes,
        type=str(getattr(tensor, "dtype", "")).removeprefix("torch."),
        element_bytes=element_bytes,
        shape=shape,
        written_base=written_base,
        written=written,
    )


def _row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides, stride = [], 1
    for extent in reversed(shape):
        strides.append(stride)
        stride *= extent
    return tuple(reversed(strides))
