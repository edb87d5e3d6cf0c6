"""Vectorised mathematics as LLVM IR. Placeholder of the interface until the library lands."""
