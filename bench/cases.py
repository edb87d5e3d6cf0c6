"""The two kernels timed against Triton's interpreter and PyTorch, from the same source files, in either world.

As a program, `python -m bench.cases NAME` prints the median seconds of a call in its own process: the way to time
Triton's interpreter (TRITON_INTERPRET=1), which must be chosen before triton is imported.
"""

import sys
from collections.abc import Callable

import torch

from bench import programs  # noqa: F401  (puts the examples on the path)
from bench.clock import median_seconds

SIZE, MATMUL_SIZE = 1024, 512
BLOCKS = {"BLOCK_M": 128, "BLOCK_N": 128, "BLOCK_K": 32, "GROUP_M": 8}


def softmax_call() -> Callable[[], object]:
    """Softmax of 1024 x 1024, float32."""
    from fused_softmax import softmax

    x = torch.randn(SIZE, SIZE)
    return lambda: softmax(x)


def matmul_call() -> Callable[[], object]:
    """512 x 512 x 512, float32, with one fixed block shape: Triton's interpreter cannot tune."""
    from matmul import matmul_kernel

    a, b = torch.randn(2, MATMUL_SIZE, MATMUL_SIZE)
    c = torch.empty(MATMUL_SIZE, MATMUL_SIZE)
    grid = ((MATMUL_SIZE // BLOCKS["BLOCK_M"]) * (MATMUL_SIZE // BLOCKS["BLOCK_N"]),)
    strides = (*a.stride(), *b.stride(), *c.stride())
    sizes = (MATMUL_SIZE,) * 3
    meta = {"ACTIVATION": "", "PRECISION": "ieee", **BLOCKS, "num_warps": 4, "num_stages": 3}
    return lambda: matmul_kernel.fn[grid](a, b, c, *sizes, *strides, **meta)


def torch_softmax_call() -> Callable[[], object]:
    """The same softmax by PyTorch."""
    x = torch.randn(SIZE, SIZE)
    return lambda: torch.softmax(x, -1)


def torch_matmul_call() -> Callable[[], object]:
    """The same product by PyTorch."""
    a, b = torch.randn(2, MATMUL_SIZE, MATMUL_SIZE)
    c = torch.empty(MATMUL_SIZE, MATMUL_SIZE)
    return lambda: torch.mm(a, b, out=c)


OURS = {"softmax 1024x1024 fp32": softmax_call, "matmul 512x512x512 fp32": matmul_call}
TORCHS = {"softmax 1024x1024 fp32": torch_softmax_call, "matmul 512x512x512 fp32": torch_matmul_call}


if __name__ == "__main__":
    print(median_seconds(OURS[sys.argv[1]](), budget_seconds=3.0))
