"""From an access's dynamic values to the rows of bytes that it touches. Not here: caches, time.

A footprint is `rows` runs of `span` contiguous bytes each; dimensions whose elements lie side by side are merged.
"""

from __future__ import annotations

from supa.timing.machine.compiled import Words, compiled
from supa.timing.machine.layout import (
    ADDRESS,
    ELEMENT_BYTES,
    ELEMENTS,
    OUTER,
    RANK,
    ROW_COUNTS,
    ROW_INDICES,
    ROW_STRIDES,
    ROWS,
    SCATTERED,
    SECTOR_SHIFT,
    SHAPE,
    SPAN,
)


@compiled
def read_footprint(m: Words, step: int, stream: Words, base: int, delta: int, trip: int) -> int:
    """Fill the header's footprint; value x is `stream[base + x] + trip * stream[delta + x]` (no delta: -1).

    Returns the number of elements touched.
    """
    address = stream[base] + (trip * stream[delta] if delta >= 0 else 0)
    m[SPAN] = m[step + ELEMENT_BYTES]
    if m[step + SCATTERED]:
        return _read_scattered(m, step, stream, base, delta, trip)
    dims = 0
    elements = 1
    for d in range(m[step + RANK]):
        limit = stream[base + 1 + 2 * d] + (trip * stream[delta + 1 + 2 * d] if delta >= 0 else 0)
        stride = stream[base + 2 + 2 * d] + (trip * stream[delta + 2 + 2 * d] if delta >= 0 else 0)
        count = min(max(limit, 0), m[step + SHAPE + d])
        elements *= count
        if stride < 0:
            address += (count - 1) * stride
            stride = -stride
        if count > 1 and stride > 0:
            dims = _insert(m, dims, count, stride)
    m[ADDRESS] = address
    m[ELEMENTS] = elements
    if elements > 0:
        _merge(m, dims)
    return elements


@compiled
def _read_scattered(m: Words, step: int, stream: Words, base: int, delta: int, trip: int) -> int:
    """Elements at unknown addresses: each is taken to lie in a sector of its own, one after another."""
    m[ADDRESS] = stream[base] + (trip * stream[delta] if delta >= 0 else 0)
    elements = max(stream[base + 1] + (trip * stream[delta + 1] if delta >= 0 else 0), 0)
    m[ELEMENTS] = elements
    m[OUTER] = 1
    m[ROW_COUNTS] = elements
    m[ROW_STRIDES] = max(1 << m[SECTOR_SHIFT], m[step + ELEMENT_BYTES])
    m[ROWS] = elements
    return elements


@compiled
def _insert(m: Words, dims: int, count: int, stride: int) -> int:
    """Keep dimensions sorted by stride, smallest first."""
    place = dims
    while place > 0 and m[ROW_STRIDES + place - 1] > stride:
        m[ROW_STRIDES + place] = m[ROW_STRIDES + place - 1]
        m[ROW_COUNTS + place] = m[ROW_COUNTS + place - 1]
        place -= 1
    m[ROW_STRIDES + place] = stride
    m[ROW_COUNTS + place] = count
    return dims + 1


@compiled
def _merge(m: Words, dims: int) -> None:
    """Join inner dimensions into one run while the gaps between their elements are smaller than a sector."""
    merged = 0
    while merged < dims and m[ROW_STRIDES + merged] < m[SPAN] + (1 << m[SECTOR_SHIFT]):
        m[SPAN] += (m[ROW_COUNTS + merged] - 1) * m[ROW_STRIDES + merged]
        merged += 1
    rows = 1
    for d in range(merged, dims):
        m[ROW_COUNTS + d - merged] = m[ROW_COUNTS + d]
        m[ROW_STRIDES + d - merged] = m[ROW_STRIDES + d]
        rows *= m[ROW_COUNTS + d]
    m[OUTER] = dims - merged
    m[ROWS] = rows


@compiled
def next_run(m: Words, address: int) -> int:
    """From one run over the first outer dimension to the first row of the next run; `ROW_INDICES` start as zeros."""
    for d in range(1, m[OUTER]):
        m[ROW_INDICES + d] += 1
        address += m[ROW_STRIDES + d]
        if m[ROW_INDICES + d] < m[ROW_COUNTS + d]:
            return address
        m[ROW_INDICES + d] = 0
        address -= m[ROW_COUNTS + d] * m[ROW_STRIDES + d]
    return address
