"""Pointers without the accident of where the host put them, so that a predicted time is a property of the launch.

Not here: the prediction. Two launches that differ only in where their tensors lie get the same slots. Each allocation
gets its own terabyte of addresses, in the order of the arguments; offsets within one and sharing of one stay.
Host memory that no device allocated has no known bounds: equal pointers share, others count as separate tensors, and
only the offset below the host allocator's alignment stays, for on a device the tensor would begin aligned.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from supa.program.program import Program
from supa.program.work import Access
from supa.runtime.memory import locate

_SPACING_BITS = 40
_SKEW_BYTES = 17 * 4096  # allocations do not all begin in the same slice and channel
_HOST_ALIGNMENT_BYTES = 64


def pointer_indices(program: Program) -> tuple[int, ...]:
    """The slots that hold pointers."""
    return tuple(index for index, argument in enumerate(program.arguments) if argument.type == "ptr")


def reads_memory(program: Program) -> bool:
    """Whether the work entry may read the kernel's memory, so that the arguments alone do not determine its stream.

    It may where it guesses, where a scalar is loaded, and where addresses come out of tiles.
    """
    work = program.work
    return bool(work.data_dependent) or any(
        step.scattered or (not step.shape and step.kind != "store") for step in work.steps() if isinstance(step, Access)
    )


def neutral_slots(slots: bytes, pointers: Sequence[int]) -> bytes:
    """`slots` with every pointer that is not null moved to its neutral address."""
    moved = bytearray(slots)
    ordinals: dict[int, int] = {}
    for index in pointers:
        (address,) = struct.unpack_from("<Q", slots, 8 * index)
        if address == 0:
            continue
        place = locate(address)
        if place is not None and place.inside:
            origin, offset = place.start, address - place.start
        else:
            origin, offset = address, address % _HOST_ALIGNMENT_BYTES
        ordinal = ordinals.setdefault(origin, len(ordinals))
        neutral = ((ordinal + 1) << _SPACING_BITS) + ordinal * _SKEW_BYTES + offset
        struct.pack_into("<Q", moved, 8 * index, neutral)
    return bytes(moved)
