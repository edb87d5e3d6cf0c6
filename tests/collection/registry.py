"""The collection: ordinary kernels as people write them, each with a run against PyTorch. Not tests, not the kernels.

A case is a function that launches its kernels on the current device and gives pairs of what came and what should. The
tests compare; the bench (`bench/collection.py`) measures how long each kernel takes to compile.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

Pairs = list[tuple[torch.Tensor, torch.Tensor]]
CASES: dict[str, Callable[[], Pairs]] = {}


def case(run: Callable[[], Pairs]) -> Callable[[], Pairs]:
    """Register a case under its name."""
    assert run.__name__ not in CASES
    CASES[run.__name__] = run
    return run


def blocks(n: int, size: int) -> tuple[int]:
    """A grid that covers `n` elements."""
    return (-(-n // size),)
