"""How a tile is dealt out to warps and lanes: the compiler's usual blocked layout and that of a matrix product.

The rule is the one of Triton's default blocked encoding: the last dimension first, each dimension takes as many lanes
and warps as its extent allows. A matrix product's result gives each row to four lanes and the warps to the rows, as
the published fragment layout of 16-bit matrix instructions does. Only counts come out: lanes and warps along an axis.
"""

from __future__ import annotations

from dataclasses import dataclass

ELEMENTS_PER_LANE = 4  # neighbours that one lane holds: 16 bytes of f32
FRAGMENT_LANES = 4  # lanes that share one row of a matrix result


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Lanes of a warp and warps of a block that share one line of elements along an axis."""

    lanes: int
    warps: int


def _power(value: int) -> int:
    return 1 << max(0, value.bit_length() - 1)


def spread(shape: tuple[int, ...], axis: int, warps: int, lanes: int, *, fragment: bool) -> Spread:
    """How many lanes and warps share a line of a tile of `shape` along `axis`."""
    if fragment and len(shape) == 2:
        if axis == 1:
            return Spread(lanes=min(FRAGMENT_LANES, shape[1]), warps=1)
        return Spread(lanes=max(1, lanes // FRAGMENT_LANES), warps=max(1, min(warps, shape[0] // 16)))
    left_lanes, left_warps = lanes, warps
    for dim in reversed(range(len(shape))):
        held = ELEMENTS_PER_LANE if dim == len(shape) - 1 else 1
        threads = max(1, _power(shape[dim] // held))
        here = min(threads, left_lanes)
        warps_here = min(max(1, threads // here), left_warps)
        if dim == axis:
            return Spread(lanes=here, warps=warps_here)
        left_lanes, left_warps = max(1, left_lanes // here), max(1, left_warps // warps_here)
    raise AssertionError(f"axis {axis} of {shape}")
