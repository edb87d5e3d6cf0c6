"""The sanitizer as its users meet it: whether it is on, what it learns of tensors, its findings in words.

Not here: the checks (`compiler.native.checks`, `runtime/core/sanitizer.cpp`).
"""
