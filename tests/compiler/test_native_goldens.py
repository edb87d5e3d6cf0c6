"""Converted Triton kernels: native code against the oracle on ragged sizes, outputs filled with NaN before.

Bit for bit, but for special functions, sums of floats and products of tiles. Not run: `shapes`, whose last line stores
through a pointer that it reads from floats, and `block_pointers.raw`, which needs Triton's own passes first.
"""

from pathlib import Path

import numpy as np
import pytest
from native_calls import Area, Native, compare

from supa.compiler.native.generate import Rounding, generate
from supa.compiler.native.host import detect
from supa.compiler.passes import simplify
from supa.compiler.ttir import read
from supa.ir.verify import verify

FOLDER = Path(__file__).parent / "ttir"
RANDOM = np.random.default_rng(11)


def normal(*shape, dtype=np.float32):
    return RANDOM.standard_normal(shape).astype(dtype)


def whole(low, high, *shape, dtype=np.int32):
    return RANDOM.integers(low, high, shape, dtype=dtype)


def empty(*shape, dtype=np.float32):
    """Memory whose bytes are all ones: NaN in floats."""
    return np.full(shape, 0xFF, np.uint8).repeat(np.dtype(dtype).itemsize).view(dtype).reshape(shape)


def matmul(m, n, k):
    a, b = normal(m, k, dtype=np.float16), normal(k, n, dtype=np.float16)
    return (a, b, empty(m, n, dtype=np.float16), m, n, k, k, n, n)


def attention(n):
    tensors = (normal(2, n, 64, dtype=np.float16) for _ in range(3))
    return (*tensors, empty(2, n, 64, dtype=np.float16), empty(2, n), 0.125, n * 64, 64, n)


def layer_norm(rows, n, group=64):
    dy, x = (normal(rows, n, dtype=np.float16) for _ in range(2))
    numbers = (empty(group, n), empty(group, n), x, normal(n, dtype=np.float16), normal(rows), np.abs(normal(rows)))
    return (empty(rows, n, dtype=np.float16), dy, *numbers, np.zeros(2 * group, np.int32), n, n)


def scaled():
    codes, scales = whole(0, 256, 32 * 64, dtype=np.uint8), [whole(124, 131, 64, dtype=np.uint8) for _ in range(2)]
    codes[codes % 128 == 127] = 3  # no NaN
    return (codes, scales[0], whole(0, 256, 32 * 32, dtype=np.uint8), scales[1], empty(32, 32))


def descriptors(k):
    ids = np.arange(32, dtype=np.int32)[::-1].copy()
    a, b = normal(64, k, dtype=np.float16), normal(32, k, dtype=np.float16)
    return (a, b, empty(64, 32, dtype=np.float16), ids, 64, 32, k)


def atomics(n):
    unsigned = whole(0, 2**32, n, dtype=np.uint32)
    return (whole(-50, 200, n), unsigned, normal(n), normal(n, dtype=np.float16), n)


CASES = {
    "vector_add": [((2,), lambda: (normal(1500), normal(1500), empty(1500), 1500), 0)],
    "vector_add.raw": [((1,), lambda: (normal(7), normal(7), empty(7), 7), 0)],
    "softmax": [((3,), lambda n=n: (empty(3, n), normal(3, n), n, n), 1e-6) for n in (1, 777, 1024)],
    "matmul": [((4,), lambda: matmul(70, 90, 48), 2e-3), ((1,), lambda: matmul(3, 5, 7), 2e-3)],
    "attention": [((2, 2), lambda: attention(80), 2e-3)],
    "attention.raw": [((1, 2), lambda: attention(33), 2e-3)],
    "layer_norm_backward": [((5,), lambda: layer_norm(5, 500), 2e-3), ((3,), lambda: layer_norm(3, 17), 2e-3)],
    "atomics": [((1,), lambda: atomics(100), 0), ((1,), lambda: atomics(1), 0)],
    "argmax": [((1,), lambda: (whole(-5, 5, 4, 100).astype(np.float32), empty(4), empty(4, dtype=np.int32), 100), 0)],
    "scans": [((1,), lambda: (1 + 0.1 * normal(128), 0.01 * normal(128), empty(128)), 1e-4)],
    "descriptors": [((1, 1), lambda: descriptors(128), 2e-3), ((1, 1), lambda: descriptors(96), 2e-3)],
    "early_return": [((6,), lambda: (np.array([4.0, -1.0, 9.0, 2.25], np.float32), empty(4), 4), 0)],
    "collatz": [((4,), lambda: (np.array([1, 2, 27, 97], np.int64), empty(4, dtype=np.int32)), 0)],
    "sort": [((1,), lambda: (normal(16), empty(32)), 0)],
    "dropout": [((2,), lambda: (normal(300), empty(300), 300, 0.3, 1234), 0)],
    "scaled_dot": [((1,), scaled, 1e-4)],
    "elementwise_map": [((1,), lambda: (whole(-9, 9, 64), whole(-9, 9, 64), empty(64, dtype=np.int32)), 0)],
    "nested_calls": [((1,), lambda: (normal(65), empty(64)), 0)],
    "block_pointers": [((1,), lambda: (normal(13, 64), empty(13, 32), 13, 64), 0)],
    "inline_assembly": [((1,), lambda: (whole(-999, 999, 256), empty(256, dtype=np.int32)), 0)],
    "loop_hints": [((1,), lambda n=n: (normal(6 * 64), empty(64), n), 0) for n in (0, 5)],
    "nested_returns": [
        ((1,), lambda x=x, n=n: (np.array([x], np.int32), np.full(6, 99, np.int32), n), 0)
        for x in (0, 2, 7)
        for n in (0, 1, 3, 5, 6)
    ],
    "early_call": [((1,), lambda n=n: (empty(n + 1, dtype=np.int32), n), 0) for n in (3, 12)],
    "while_pointers": [((1,), lambda: (normal(4, 64), empty(64), 256), 0)],
    "host_descriptor": [
        ((1,), lambda padding=padding: (
            normal(20, 64, dtype=np.float16), padding, 20, 64, 64, 1,
            empty(16, 64, dtype=np.uint16), padding, 16, 64, 64, 1,
            whole(0, 2**32, 8, 8, dtype=np.uint32), False, 8, 8, 8, 1,
        ), 0)
        for padding in (False, True)
    ],
    "mathematics": [
        ((1,), lambda: (
            np.abs(normal(64)) + 0.1, empty(64), empty(64, dtype=np.uint16), whole(-1000, 1000, 64), 5,
        ), 1e-5),
    ],
}  # fmt: skip
NOT_RUN = {"shapes", "block_pointers.raw"}


@pytest.mark.parametrize("passes", [False, True], ids=["as read", "simplified"])
@pytest.mark.parametrize("name", CASES)
def test_native_code_does_as_the_oracle(name, passes):
    func = read((FOLDER / f"{name}.mlir").read_text())
    if passes:
        simplify(func)
    verify(func)
    native = Native(func)
    for grid, make, tolerance in CASES[name]:
        args = [Area(arg) if isinstance(arg, np.ndarray) else arg for arg in make()]
        difference = compare(func, native, grid, args, tolerance)
        assert difference is None, str(difference)


@pytest.mark.parametrize("bits", [128, 256])
@pytest.mark.parametrize("name", ["matmul", "attention", "softmax", "argmax", "scans", "dropout", "scaled_dot"])
def test_narrower_hosts_do_so_too(name, bits, monkeypatch):
    monkeypatch.setenv("SUPA_HOST_VECTOR_BITS", str(bits))
    func = simplify(read((FOLDER / f"{name}.mlir").read_text()))
    native = Native(func, detect.__wrapped__())
    grid, make, tolerance = CASES[name][0]
    args = [Area(arg) if isinstance(arg, np.ndarray) else arg for arg in make()]
    difference = compare(func, native, grid, args, tolerance)
    assert difference is None, str(difference)


def test_every_golden_is_run_or_named():
    found = {path.name.removesuffix(".mlir") for path in FOLDER.glob("*.mlir")}
    assert found == set(CASES) | NOT_RUN


@pytest.mark.parametrize(("name", "asks"), [("matmul", True), ("attention", False)])
def test_products_of_loops_ask_for_what_is_stored_behind_them(name, asks):
    """Where they are just added up: sums that are scaled in every turn are stored too seldom."""
    func = read((FOLDER / f"{name}.mlir").read_text())
    simplify(func)
    calls = [line for line in generate(func, detect(), Rounding()).text.splitlines() if "call void @supa.dot." in line]
    assert [".to2(" in line for line in calls] == [asks] * len(calls) != []
