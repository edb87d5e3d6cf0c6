"""Torch's operators on device kernels, one module for each family. Not here: the kernels (`libs`), the rest (host)."""

from supa.frameworks.torch.ops import (
    along,
    binary,
    indexing,
    lookup,
    moves,
    normal,
    products,
    reductions,
    spatial,
    unary,
    weighted,
)

__all__ = [
    "along",
    "binary",
    "indexing",
    "lookup",
    "moves",
    "normal",
    "products",
    "reductions",
    "spatial",
    "unary",
    "weighted",
]
