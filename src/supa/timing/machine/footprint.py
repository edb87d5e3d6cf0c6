"""From an access's dynamic values to the rows of bytes that it touches. Not here: caches, time.

A footprint is `rows` runs of `span` contiguous bytes each; dimensions whose elements lie side by side are merged.
"""

from __future__ import annotations

from typing import Any

from supa.timing.machine.compiled import compiled

# Places in the scratch array.
ADDRESS, SPAN, OUTER, ELEMENTS, ROWS = 0, 1, 2, 3, 4
COUNTS, STRIDES, INDICES = 8, 14, 20


@compiled
def read_footprint(tape: Any, step: int, stream: Any, base: int, delta: int, trip: int, sector: int, out: Any) -> int:
    """Fill `out` from the stream; value x is `stream[base + x] + trip * stream[delta + x]` (no delta: -1).

    Returns the number of elements touched.
    """
    address = stream[base] + (trip * stream[delta] if delta >= 0 else 0)
    out[SPAN] = tape.element_bytes[step]
    if tape.scattered[step]:
        return _read_scattered(tape, step, stream, base, delta, trip, sector, out)
    dims = 0
    elements = 1
    for d in range(tape.rank[step]):
        limit = stream[base + 1 + 2 * d] + (trip * stream[delta + 1 + 2 * d] if delta >= 0 else 0)
        stride = stream[base + 2 + 2 * d] + (trip * stream[delta + 2 + 2 * d] if delta >= 0 else 0)
        count = min(max(limit, 0), tape.shape[step, d])
        elements *= count
        if stride < 0:
            address += (count - 1) * stride
            stride = -stride
        if count > 1 and stride > 0:
            dims = _insert(out, dims, count, stride)
    out[ADDRESS] = address
    out[ELEMENTS] = elements
    if elements > 0:
        _merge(out, dims, sector)
    return elements


@compiled
def _read_scattered(
    tape: Any, step: int, stream: Any, base: int, delta: int, trip: int, sector: int, out: Any
) -> int:
    """Elements at unknown addresses: each is taken to lie in a sector of its own, one after another."""
    out[ADDRESS] = stream[base] + (trip * stream[delta] if delta >= 0 else 0)
    elements = max(stream[base + 1] + (trip * stream[delta + 1] if delta >= 0 else 0), 0)
    out[ELEMENTS] = elements
    out[OUTER] = 1
    out[COUNTS] = elements
    out[STRIDES] = max(sector, tape.element_bytes[step])
    out[ROWS] = elements
    return elements


@compiled
def _insert(out: Any, dims: int, count: int, stride: int) -> int:
    """Keep dimensions sorted by stride, smallest first."""
    place = dims
    while place > 0 and out[STRIDES + place - 1] > stride:
        out[STRIDES + place] = out[STRIDES + place - 1]
        out[COUNTS + place] = out[COUNTS + place - 1]
        place -= 1
    out[STRIDES + place] = stride
    out[COUNTS + place] = count
    return dims + 1


@compiled
def _merge(out: Any, dims: int, sector: int) -> None:
    """Join inner dimensions into one run while the gaps between their elements are smaller than a sector."""
    merged = 0
    while merged < dims and out[STRIDES + merged] < max(out[SPAN], 1) + sector:
        out[SPAN] += (out[COUNTS + merged] - 1) * out[STRIDES + merged]
        merged += 1
    rows = 1
    for d in range(merged, dims):
        out[COUNTS + d - merged] = out[COUNTS + d]
        out[STRIDES + d - merged] = out[STRIDES + d]
        rows *= out[COUNTS + d]
    out[OUTER] = dims - merged
    out[ROWS] = rows


@compiled
def next_row(out: Any, address: int) -> int:
    """The address of the row after the one at `address`; `out[INDICES...]` must start as zeros."""
    for d in range(out[OUTER]):
        out[INDICES + d] += 1
        address += out[STRIDES + d]
        if out[INDICES + d] < out[COUNTS + d]:
            return address
        out[INDICES + d] = 0
        address -= out[COUNTS + d] * out[STRIDES + d]
    return address
