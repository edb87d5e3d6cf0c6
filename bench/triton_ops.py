"""Ordinary Triton kernels of the operators in the measured table of an A100-40. Not here: what they are compared with.

Written as a library for any shape writes them: a block of one-dimensional tiles, reductions in two steps, products
with grouped tiles. Nothing in them knows of a device.
"""

from collections.abc import Callable

import torch
import triton
import triton.language as tl

TILE = 1024
REDUCED = 32768  # elements of a block in the first step of a whole reduction: about the root of their number


@triton.jit
def add(x, y):
    return x + y


@triton.jit
def subtract(x, y):
    return x - y


@triton.jit
def subtract_from(x, y):
    return y - x


@triton.jit
def greater_or_equal(x, y):
    return x >= y


@triton.jit
def greater(x, y):
    return x > y


@triton.jit
def less_or_equal(x, y):
    return x <= y


@triton.jit
def different(x, y):
    return x != y


@triton.jit
def relu_gradient(result, gradient):
    return tl.where(result > 0, gradient, 0.0)


@triton.jit
def sigmoid_gradient(result, gradient):
    wide = result.to(tl.float32)
    return gradient.to(tl.float32) * wide * (1.0 - wide)


@triton.jit
def scale(x):
    return x * 0.5


@triton.jit
def power(x):
    return tl.exp2(tl.log2(tl.abs(x.to(tl.float32))) * 3.5)


@triton.jit
def inverse_root(x):
    return tl.rsqrt(x.to(tl.float32))


@triton.jit
def is_nan(x):
    return x != x


@triton.jit
def relu(x):
    return tl.where(x > 0, x, 0.0)


@triton.jit
def sigmoid(x):
    return 1.0 / (1.0 + tl.exp(-x.to(tl.float32)))


@triton.jit
def unary_kernel(x_ptr, out_ptr, n, OPERATION: tl.constexpr, TILE: tl.constexpr):
    i = tl.program_id(0) * TILE + tl.arange(0, TILE)
    tl.store(out_ptr + i, OPERATION(tl.load(x_ptr + i, mask=i < n)), mask=i < n)


@triton.jit
def binary_kernel(x_ptr, y_ptr, out_ptr, n, OPERATION: tl.constexpr, TILE: tl.constexpr):
    i = tl.program_id(0) * TILE + tl.arange(0, TILE)
    x, y = tl.load(x_ptr + i, mask=i < n), tl.load(y_ptr + i, mask=i < n)
    tl.store(out_ptr + i, OPERATION(x, y), mask=i < n)


@triton.jit
def times(x, y):
    return x * y


@triton.jit
def reduce_kernel(x_ptr, out_ptr, n, OPERATION: tl.constexpr, START: tl.constexpr, TILE: tl.constexpr):
    i = tl.program_id(0) * TILE + tl.arange(0, TILE)
    x = tl.load(x_ptr + i, mask=i < n, other=START).to(tl.float32)
    if OPERATION == "max":
        result = tl.max(x, 0)
    elif OPERATION == "min":
        result = tl.min(x, 0)
    elif OPERATION == "prod":
        result = tl.reduce(x, 0, times)
    else:
        result = tl.sum(x, 0)
    tl.store(out_ptr + tl.program_id(0), result)


@triton.jit
def matrix_vector_kernel(a_ptr, x_ptr, out_ptr, m, n, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    sums = tl.zeros((ROWS, COLUMNS), tl.float32)
    for start in range(0, n, COLUMNS):
        columns = start + tl.arange(0, COLUMNS)[None, :]
        inside = (rows < m) & (columns < n)
        a = tl.load(a_ptr + rows * n + columns, mask=inside, other=0.0).to(tl.float32)
        sums += a * tl.load(x_ptr + columns, mask=columns < n, other=0.0).to(tl.float32)
    tl.store(out_ptr + rows, tl.sum(sums, 1)[:, None], mask=rows < m)


@triton.jit
def product_kernel(
    a_ptr, b_ptr, bias_ptr, c_ptr, m, n, k, batch_a, batch_b, batch_c,
    HAS_BIAS: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    pid, batch = tl.program_id(0), tl.program_id(1)
    across = tl.cdiv(n, COLUMNS)
    first = pid // (GROUP * across) * GROUP
    height = min(tl.cdiv(m, ROWS) - first, GROUP)
    row = (first + pid % (GROUP * across) % height) * ROWS + tl.arange(0, ROWS)
    column = pid % (GROUP * across) // height * COLUMNS + tl.arange(0, COLUMNS)
    depth = tl.arange(0, DEPTH)
    a = a_ptr + batch * batch_a + row[:, None] * k + depth[None, :]
    b = b_ptr + batch * batch_b + depth[:, None] * n + column[None, :]
    sums = tl.zeros((ROWS, COLUMNS), tl.float32)
    for _ in range(0, tl.cdiv(k, DEPTH)):
        sums = tl.dot(tl.load(a), tl.load(b), sums, input_precision="ieee")
        a += DEPTH
        b += DEPTH * n
    if HAS_BIAS:
        sums += tl.load(bias_ptr + column)[None, :].to(tl.float32)
    c = c_ptr + batch * batch_c + row[:, None] * n + column[None, :]
    tl.store(c, sums.to(c_ptr.dtype.element_ty), mask=(row[:, None] < m) & (column[None, :] < n))


UNARY = {"mul": scale, "pow": power, "rsqrt": inverse_root, "isnan": is_nan}
BINARY = {
    "add": add, "sub": subtract, "rsub": subtract_from, "ge": greater_or_equal, "gt": greater, "le": less_or_equal,
    "ne": different,
}  # fmt: skip
TRAINED = {"relu": (relu, relu_gradient), "sigmoid": (sigmoid, sigmoid_gradient)}
REDUCTIONS = {"sum": 0.0, "mean": 0.0, "prod": 1.0, "max": float("-inf"), "min": float("inf")}
COMPARED = {"isnan", "ge", "gt", "le", "ne"}  # a byte each


def unary(name: str, elements: int, dtype: torch.dtype) -> None:
    """One tensor in, one out."""
    x, out = torch.empty(elements, dtype=dtype), _result(name, elements, dtype)
    unary_kernel[(triton.cdiv(elements, TILE),)](x, out, elements, OPERATION=UNARY[name], TILE=TILE)


def binary(name: str, elements: int, dtype: torch.dtype) -> None:
    """Two tensors in, one out."""
    x, y, out = torch.empty(elements, dtype=dtype), torch.empty(elements, dtype=dtype), _result(name, elements, dtype)
    binary_kernel[(triton.cdiv(elements, TILE),)](x, y, out, elements, OPERATION=BINARY[name], TILE=TILE)


def trained(name: str, elements: int, dtype: torch.dtype) -> None:
    """Forward, then backward from the saved result."""
    forward, backward = TRAINED[name]
    x, y, out = (torch.empty(elements, dtype=dtype) for _ in range(3))
    grid = (triton.cdiv(elements, TILE),)
    unary_kernel[grid](x, y, elements, OPERATION=forward, TILE=TILE)
    binary_kernel[grid](y, x, out, elements, OPERATION=backward, TILE=TILE)


def reduction(name: str, elements: int, dtype: torch.dtype) -> None:
    """A whole tensor to one value: a partial result a block, then one block."""
    start = REDUCTIONS[name]
    x, parts = torch.empty(elements, dtype=dtype), triton.cdiv(elements, REDUCED)
    partial, out = torch.empty(parts, dtype=torch.float32), torch.empty(1, dtype=dtype)
    reduce_kernel[(parts,)](x, partial, elements, OPERATION=name, START=start, TILE=REDUCED, num_warps=8)
    reduce_kernel[(1,)](partial, out, parts, OPERATION=name, START=start, TILE=triton.next_power_of_2(parts))


def matrix_vector(m: int, n: int, dtype: torch.dtype) -> None:
    """A of (m, n) times a vector of n."""
    a, x, out = torch.empty(m, n, dtype=dtype), torch.empty(n, dtype=dtype), torch.empty(m, dtype=dtype)
    matrix_vector_kernel[(triton.cdiv(m, 4),)](a, x, out, m, n, ROWS=4, COLUMNS=512)


def product(m: int, n: int, k: int, dtype: torch.dtype, *, batch: int = 1, bias: bool = False) -> None:
    """Batches of A (m, k) times B (k, n), with a row added where `bias`; fp32 is multiplied as fp32."""
    a, b = torch.empty(batch, m, k, dtype=dtype), torch.empty(batch, k, n, dtype=dtype)
    c, row = torch.empty(batch, m, n, dtype=dtype), torch.empty(n, dtype=dtype)
    wide = dtype == torch.float32
    tile = {"ROWS": 128, "COLUMNS": 128 if wide else 256, "DEPTH": 16 if wide else 64, "GROUP": 8}
    grid = (triton.cdiv(m, tile["ROWS"]) * triton.cdiv(n, tile["COLUMNS"]), batch)
    product_kernel[grid](
        a, b, row, c, m, n, k, m * k, k * n, m * n,
        HAS_BIAS=bias, **tile, num_warps=8, num_stages=3,
    )  # fmt: skip


def _result(name: str, elements: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.empty(elements, dtype=torch.bool if name in COMPARED else dtype)


STREAMED: dict[str, Callable[[str, int, torch.dtype], None]] = {
    **dict.fromkeys(UNARY, unary),
    **dict.fromkeys(BINARY, binary),
    **dict.fromkeys(TRAINED, trained),
    **dict.fromkeys(REDUCTIONS, reduction),
}
"""Op on `Melements: N` -> how to run it."""
