"""Elementwise operations and reductions. Not here: products (`blas`), layers (`dnn`)."""
