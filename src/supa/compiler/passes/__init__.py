"""Passes on the tile IR that no target asks for: simpler kernels with the same results, bit for bit."""

from supa.compiler.passes.pipeline import PIPELINE, Pass, simplify

__all__ = ["PIPELINE", "Pass", "simplify"]
