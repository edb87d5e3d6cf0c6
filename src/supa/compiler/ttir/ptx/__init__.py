"""Inline assembly: the PTX that public kernels hold, as tile operations. Not here: other front ends."""
