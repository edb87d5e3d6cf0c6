"""Values of a plane or a volume at the places of a grid, and their gradients. Not here: resizing (`pooling`).

A grid's last axis is (x, y) or (x, y, z), -1 to 1 from edge to edge. Along each axis a place has TAPS elements around
it: one (nearest), two (linear) or four (cubic). PADDING: 0 zeros, 1 the edge's element, 2 mirrored. All is contiguous.
"""

from __future__ import annotations

import triton
import triton.language as tl

_SHARP: tl.constexpr = tl.constexpr(-0.75)
"""The free number of cubic convolution (Keys, 1981), as image libraries have it."""


@triton.jit
def _mirrored(place, slope, size, ALIGNED: tl.constexpr):
    """A place beyond the edges mirrored at them (at the elements' centres if ALIGNED), and its slope turned."""
    low = 0.0 if ALIGNED else -0.5
    span = size - 1.0 if ALIGNED else size
    away = place - low
    slope = tl.where(away < 0, -slope, slope)
    away = tl.abs(away)
    turns = tl.floor(away / tl.where(span > 0, span, 1.0))
    left = away - turns * span
    odd = turns - 2.0 * tl.floor(turns * 0.5) > 0.5
    place = tl.where(span > 0, tl.where(odd, span - left, left) + low, 0.0)
    return place, tl.where(odd, -slope, slope)


@triton.jit
def _inner(place, slope, size):
    """A place moved to the nearest one inside; it has no slope there."""
    inside = (place > 0) & (place < size - 1.0)
    return tl.minimum(tl.maximum(place, 0.0), size - 1.0), tl.where(inside, slope, 0.0)


@triton.jit
def _padded(place, slope, size, PADDING: tl.constexpr, ALIGNED: tl.constexpr):
    if PADDING == 2:
        place, slope = _mirrored(place, slope, size, ALIGNED)
    if PADDING != 0:
        place, slope = _inner(place, slope, size)
    return place, slope


@triton.jit
def _along(
    grid_ptr, inside, count, TAPS: tl.constexpr, PADDING: tl.constexpr, ALIGNED: tl.constexpr, COMPUTE: tl.constexpr
):
    """(first element, the place's distance from its lower neighbour, elements it moves for 1 of the grid, size)."""
    number = tl.load(grid_ptr, mask=inside, other=0.0).to(COMPUTE)
    size = tl.zeros_like(number) + count
    slope = tl.zeros_like(number) + ((size - 1.0) * 0.5 if ALIGNED else size * 0.5)
    place = (number + 1.0) * 0.5 * (size - 1.0) if ALIGNED else ((number + 1.0) * size - 1.0) * 0.5
    if TAPS != 4:
        place, slope = _padded(place, slope, size, PADDING, ALIGNED)
    if TAPS == 1:
        first = tl.floor(place + 0.5)
        first = tl.where((first - place == 0.5) & (first - 2.0 * tl.floor(first * 0.5) > 0.5), first - 1.0, first)
        return first, tl.zeros_like(place), tl.zeros_like(place), size
    first = tl.floor(place)
    return (first - 1.0 if TAPS == 4 else first), place - first, slope, size


@triton.jit
def _tap(first, part, size, tap, TAPS: tl.constexpr, PADDING: tl.constexpr, ALIGNED: tl.constexpr):
    """(element, whether there is one, its weight, how its weight changes with the place)."""
    element = first + tap
    if TAPS == 4:
        element, _ = _padded(element, part, size, PADDING, ALIGNED)
        away = part + 1.0 - tap
        far = tl.abs(away)
        near = far <= 1.0
        weight = tl.where(near, ((_SHARP + 2.0) * far - (_SHARP + 3.0)) * far * far + 1.0,
                          ((_SHARP * far - 5.0 * _SHARP) * far + 8.0 * _SHARP) * far - 4.0 * _SHARP)  # fmt: skip
        change = tl.where(near, (3.0 * (_SHARP + 2.0) * far - 2.0 * (_SHARP + 3.0)) * far,
                          (3.0 * _SHARP * far - 10.0 * _SHARP) * far + 8.0 * _SHARP)  # fmt: skip
        change = tl.where(away < 0, -change, change)
    elif TAPS == 2:
        weight = tl.where(tap == 1, part, 1.0 - part)
        change = tl.zeros_like(part) + tl.where(tap == 1, 1.0, -1.0)
    else:
        weight, change = tl.zeros_like(part) + 1.0, tl.zeros_like(part)
    inside = (element >= 0.0) & (element < size)
    return tl.where(inside, element, 0.0).to(tl.int32), inside, weight, change


@triton.jit
def sample(
    out_ptr, x_ptr, grid_ptr, channels, places, depth, height, width, TAPS: tl.constexpr, PADDING: tl.constexpr,
    ALIGNED: tl.constexpr, VOLUME: tl.constexpr, COMPUTE: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """out (images, channels, places) from x (images, channels, depth, height, width), grid (images, places, axes)."""
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    channel = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    image = tl.program_id(2)
    there = place < places
    point = grid_ptr + (image * places + place) * (3 if VOLUME else 2)
    first_x, part_x, _, wide = _along(point, there, width, TAPS, PADDING, ALIGNED, COMPUTE)
    first_y, part_y, _, high = _along(point + 1, there, height, TAPS, PADDING, ALIGNED, COMPUTE)
    first_z, part_z, deep = first_x, part_x, wide
    if VOLUME:
        first_z, part_z, _, deep = _along(point + 2, there, depth, TAPS, PADDING, ALIGNED, COMPUTE)
    plane = ((image * channels + channel) * depth * height * width)[:, None]
    total = tl.zeros((BLOCK_C, BLOCK), COMPUTE)
    for tap in range(TAPS * TAPS * (TAPS if VOLUME else 1)):
        column, inside, weight, _ = _tap(first_x, part_x, wide, tap % TAPS, TAPS, PADDING, ALIGNED)
        row, below, weight_y, _ = _tap(first_y, part_y, high, tap // TAPS % TAPS, TAPS, PADDING, ALIGNED)
        at, inside, weight = row * width + column, there & inside & below, weight * weight_y
        if VOLUME:
            front, ahead, weight_z, _ = _tap(first_z, part_z, deep, tap // (TAPS * TAPS), TAPS, PADDING, ALIGNED)
            at, inside, weight = at + front * height * width, inside & ahead, weight * weight_z
        present = inside[None, :] & (channel < channels)[:, None]
        total += tl.load(x_ptr + plane + at[None, :], mask=present, other=0.0).to(COMPUTE) * weight[None, :]
    out = out_ptr + (image * channels + channel)[:, None] * places + place[None, :]
    tl.store(out, total.to(out_ptr.dtype.element_ty), mask=there[None, :] & (channel < channels)[:, None])


@triton.jit
def sample_backward(
    grad_x_ptr, grad_grid_ptr, grad_ptr, x_ptr, grid_ptr, channels, places, depth, height, width, TAPS: tl.constexpr,
    PADDING: tl.constexpr, ALIGNED: tl.constexpr, VOLUME: tl.constexpr, OF_X: tl.constexpr, COMPUTE: tl.constexpr,
    BLOCK_C: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """grad_x, zero before, gets the weighted `grad` (images, channels, places) if OF_X; grad_grid its own."""
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    image = tl.program_id(1)
    there = place < places
    point = (image * places + place) * (3 if VOLUME else 2)
    first_x, part_x, slope_x, wide = _along(grid_ptr + point, there, width, TAPS, PADDING, ALIGNED, COMPUTE)
    first_y, part_y, slope_y, high = _along(grid_ptr + point + 1, there, height, TAPS, PADDING, ALIGNED, COMPUTE)
    first_z, part_z, slope_z, deep = first_x, part_x, slope_x, wide
    if VOLUME:
        first_z, part_z, slope_z, deep = _along(grid_ptr + point + 2, there, depth, TAPS, PADDING, ALIGNED, COMPUTE)
    by_x, by_y, by_z = tl.zeros((BLOCK,), COMPUTE), tl.zeros((BLOCK,), COMPUTE), tl.zeros((BLOCK,), COMPUTE)
    for begin in range(0, channels, BLOCK_C):
        channel = begin + tl.arange(0, BLOCK_C)
        plane = ((image * channels + channel) * depth * height * width)[:, None]
        present = there[None, :] & (channel < channels)[:, None]
        grad = tl.load(
            grad_ptr + (image * channels + channel)[:, None] * places + place[None, :], mask=present, other=0.0
        )
        grad = grad.to(COMPUTE)
        for tap in range(TAPS * TAPS * (TAPS if VOLUME else 1)):
            column, inside, weight_x, change_x = _tap(first_x, part_x, wide, tap % TAPS, TAPS, PADDING, ALIGNED)
            row, below, weight_y, change_y = _tap(first_y, part_y, high, tap // TAPS % TAPS, TAPS, PADDING, ALIGNED)
            at, inside, weight_z, change_z = row * width + column, inside & below, tl.zeros_like(part_x) + 1.0, part_x
            if VOLUME:
                front, ahead, weight_z, change_z = _tap(
                    first_z, part_z, deep, tap // (TAPS * TAPS), TAPS, PADDING, ALIGNED
                )
                at, inside = at + front * height * width, inside & ahead
            held, at = present & inside[None, :], plane + at[None, :]
            if OF_X:
                tl.atomic_add(grad_x_ptr + at, grad * (weight_x * weight_y * weight_z)[None, :], mask=held)
            if TAPS != 1:
                each = tl.sum(tl.load(x_ptr + at, mask=held, other=0.0).to(COMPUTE) * grad, 0)
                by_x += each * change_x * weight_y * weight_z
                by_y += each * weight_x * change_y * weight_z
                by_z += each * weight_x * weight_y * change_z
    tl.store(grad_grid_ptr + point, (by_x * slope_x).to(grad_grid_ptr.dtype.element_ty), mask=there)
    tl.store(grad_grid_ptr + point + 1, (by_y * slope_y).to(grad_grid_ptr.dtype.element_ty), mask=there)
    if VOLUME:
        tl.store(grad_grid_ptr + point + 2, (by_z * slope_z).to(grad_grid_ptr.dtype.element_ty), mask=there)
