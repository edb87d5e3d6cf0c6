"""Which of torch's operators have device kernels. Not here: the kernels."""

from __future__ import annotations


def registered() -> tuple[str, ...]:
    """Registers them; their names as torch writes them ("add.Tensor")."""
    return ()
