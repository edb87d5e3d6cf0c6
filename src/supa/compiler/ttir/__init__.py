"""Front end 1: Triton's TTIR. Takes text in MLIR's generic form; does not import triton."""
