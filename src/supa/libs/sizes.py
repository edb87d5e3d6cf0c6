"""Arithmetic of grids and blocks. Not here: which blocks a kernel takes."""

from __future__ import annotations


def cdiv(count: int, block: int) -> int:
    """How many blocks hold `count`."""
    return -(-count // block)


def next_power_of_2(count: int) -> int:
    """The smallest power of 2 that is not below `count`; 1 for 0."""
    return 1 << max(count - 1, 0).bit_length()
