"""The addresses that the work streams are those that the program touches: every access of every block, element by
element, against the NumPy oracle's execution, and for a few kernels against sets enumerated from their source.
"""

import numpy as np
import pytest
from work_calls import executed, kernel, streamed

F32, F16, I32, I64 = np.float32, np.float16, np.int32, np.int64


def zeros(*shape, dtype=F32):
    return np.zeros(shape, dtype)


def matmul_arguments(rows, columns, depth):
    a, b, c = zeros(rows * depth, dtype=F16), zeros(depth * columns, dtype=F16), zeros(rows * columns, dtype=F16)
    return [a, b, c, rows, columns, depth, depth, columns, columns]


def attention_arguments(length, heads):
    size = heads * length * 64
    tensors = [zeros(size, dtype=F16) for _ in range(4)]
    return [*tensors, zeros(heads * length), 0.125, length * 64, 64, length]


def norm_arguments(columns):
    data = [zeros(3 * columns, dtype=F16) for _ in range(5)]
    dx, dy, x, w, _ = data
    return [dx, dy, zeros(64 * columns), zeros(64 * columns), x, w, zeros(3), zeros(3), zeros(128, dtype=I32),
            columns, columns]  # fmt: skip


def indirect_arguments():
    """Two vectors of 40 and 5 elements, 3 and 7 apart, whose addresses lie in memory."""
    out = zeros(32 + 120 + 35)
    start = out.ctypes.data + 4 * 32
    return [np.array([40, 3, 5, 7], I32), np.array([start, start + 4 * 120], I64), out]


EXACT = {
    "vector_add": ([4], lambda: [zeros(3500), zeros(3500), zeros(3500), 3500]),
    "softmax": ([3], lambda: [zeros(3 * 700), zeros(3 * 700), 700, 690]),
    "matmul": ([6], lambda: matmul_arguments(192, 128, 75)),
    "attention": ([3, 2], lambda: attention_arguments(150, 2)),
    "block_pointers": ([1], lambda: [zeros(13 * 70), zeros(13 * 32), 13, 70]),
    "layer_norm_backward": ([1], lambda: norm_arguments(300)),
    "atomics": ([1], lambda: [zeros(100, dtype=I32), zeros(100, dtype=np.uint32), zeros(100), zeros(100, dtype=F16),
                              100]),
    "argmax": ([1], lambda: [zeros(4 * 90), zeros(4), zeros(4, dtype=I32), 90]),
    "scans": ([1], lambda: [zeros(128), zeros(128), zeros(128)]),
    "early_return": ([4], lambda: [np.array([1, -1, 2], F32), zeros(3), 3]),
    "collatz": ([2], lambda: [np.array([6, 7], I64), zeros(2, dtype=I32)]),
    "dropout": ([2], lambda: [zeros(300), zeros(300), 300, 0.5, 7]),
    "sort": ([1], lambda: [zeros(16), zeros(32)]),
    "nested_calls": ([1], lambda: [zeros(65), zeros(64)]),
    "loop_hints": ([1], lambda: [zeros(64 * 8), zeros(64), 7]),
    "host_descriptor": ([2], lambda: [zeros(20 * 70, dtype=F16), False, 20, 70, 70, 1,
                                      zeros(20 * 70, dtype=np.uint16), False, 20, 70, 70, 1,
                                      zeros(50, dtype=np.uint32), False, 5, 10, 10, 1]),
    "interior": ([3, 2], lambda: [zeros(40 * 50), zeros(40 * 50), 40, 50, 50, 1, 1, 40]),
    "persistent": ([3], lambda: [zeros(70 * 37), zeros(37 * 40), zeros(70 * 40), 70, 40, 37]),
    "ragged_rows": ([4], lambda: [np.array([0, 70, 70, 75, 200], I32), zeros(200), zeros(4)]),
    "wrapped": ([1], lambda: [zeros(16 * 8), zeros(16), 7, 3]),
    "grid_stride": ([3], lambda: [zeros(500), zeros(510), 500]),
    "chosen": ([6], lambda: [zeros(200), zeros(500), zeros(200), 170]),
    "backwards": ([1], lambda: [zeros(300), zeros(32), 100, 3]),
    "cursor": ([2], lambda: [zeros(600), zeros(600), 11, 40]),
    "nothing": ([1], lambda: [zeros(1), 7]),
    "maze": ([9], lambda: [zeros(256), 11, -6, 1.75]),
    "unrolled": ([1], lambda: [zeros(400), zeros(16), 5, 4]),
    "indirect": ([2], indirect_arguments),
    "queue": ([1], lambda: [zeros(1, dtype=I32), zeros(40), zeros(40), 20]),
}  # fmt: skip


@pytest.mark.parametrize("simplified", [False, True], ids=["read", "simplified"])
@pytest.mark.parametrize("name", EXACT)
def test_every_access_touches_what_the_program_touches(name, simplified, monkeypatch):
    grid, make = EXACT[name]
    func, args = kernel(name, simplified=simplified), make()
    blocks = streamed(func, grid, args)
    seen = executed(func, grid, args, monkeypatch)
    assert seen.keys() == blocks.keys()
    assert sum(map(len, seen.values())) > 0 or name == "nothing"
    for block, accesses in blocks.items():
        assert [str(step.location) for step, _ in accesses] == [one.place for one in seen[block]]
        for (_, touched), one in zip(accesses, seen[block], strict=True):
            assert sorted(touched.addresses()) == sorted(set(one.addresses)), one.place


SCATTERED = {
    "embedding": ([3], lambda: [zeros(90 * 50, dtype=F16), np.arange(0, 60, 3, dtype=I64),
                                zeros(20 * 50, dtype=F16), 20, 50]),
    "doubling": ([1], lambda: [zeros(16 * 8 + 8), zeros(16)]),
}  # fmt: skip


@pytest.mark.parametrize("name", SCATTERED)
def test_scattered_accesses_have_the_argument_and_the_number_of_elements(name, monkeypatch):
    grid, make = SCATTERED[name]
    func, args = kernel(name), make()
    blocks = streamed(func, grid, args)
    seen = executed(func, grid, args, monkeypatch)
    scattered = 0
    for block, accesses in blocks.items():
        assert [str(step.location) for step, _ in accesses] == [one.place for one in seen[block]]
        for (step, touched), one in zip(accesses, seen[block], strict=True):
            assert touched.elements == len(one.addresses)
            if step.scattered:
                scattered += 1
                assert touched.address == args[step.argument].ctypes.data
    assert scattered


def test_a_wrapped_tile_keeps_its_number_of_elements(monkeypatch):
    """Rows taken modulo M: the tile is streamed unwrapped from its first element, with the right size."""
    args, grid = matmul_arguments(100, 70, 64), [4]
    func = kernel("matmul")
    blocks = streamed(func, grid, args)
    seen = executed(func, grid, args, monkeypatch)
    for block, accesses in blocks.items():
        for (step, touched), one in zip(accesses, seen[block], strict=True):
            assert touched.elements == len(one.addresses)
            assert touched.address == one.addresses[0]
            if step.kind == "store":
                assert sorted(touched.addresses()) == sorted(one.addresses)


def test_descriptors_stream_blocks_cut_at_the_tensor(monkeypatch):
    rows, columns, depth = 100, 50, 130
    args = [zeros(rows * depth, dtype=F16), zeros(columns * depth, dtype=F16), zeros(rows * columns, dtype=F16),
            np.arange(32, dtype=I32), rows, columns, depth]  # fmt: skip
    func, grid = kernel("descriptors"), [2, 2]
    blocks = streamed(func, grid, args)
    seen = executed(func, grid, args, monkeypatch)
    for block, accesses in blocks.items():
        assert len(accesses) == len(seen[block])
        for (step, touched), one in zip(accesses, seen[block], strict=True):
            assert touched.elements == len(one.addresses)
            if not step.scattered:
                assert sorted(touched.addresses()) == sorted(one.addresses)
            assert step.engine == "tensor_data" or step.argument == 3


# ---- enumerated from the source, without the oracle


def test_vector_add_by_hand():
    x, y, out, n = zeros(2500), zeros(2500), zeros(2500), 2500
    blocks = streamed(kernel("vector_add"), [3], [x, y, out, n])
    for block, accesses in blocks.items():
        index = block * 1024 + np.arange(1024)
        index = index[index < n]
        for array, (_, touched) in zip((x, y, out), accesses, strict=True):
            assert touched.addresses() == list(array.ctypes.data + 4 * index)


def test_grouped_matmul_by_hand():
    """Tile of each block by enumerating the groups; every operand tile of every step of k."""
    rows, columns, depth = 9 * 64, 2 * 64, 80
    args = matmul_arguments(rows, columns, depth)
    blocks = streamed(kernel("matmul"), [18], args)
    order = [(row, column) for first in (0, 8) for column in range(2) for row in range(first, min(first + 8, 9))]
    a, b, c = (array.ctypes.data for array in args[:3])
    for block, (row, column) in enumerate(order):
        i, j = row * 64 + np.arange(64)[:, None], column * 64 + np.arange(64)[None, :]
        expected = []
        for k in range(0, depth, 32):
            inner = k + np.arange(32)
            inner = inner[inner < depth]
            expected.append(a + 2 * (i * depth + inner[None, :]))
            expected.append(b + 2 * (inner[:, None] * columns + j))
        expected.append(c + 2 * (i * columns + j))
        assert [set(t.addresses()) for _, t in blocks[block]] == [set(e.ravel().tolist()) for e in expected]


def test_causal_attention_by_hand():
    length, heads = 150, 2
    args = attention_arguments(length, heads)
    blocks = streamed(kernel("attention"), [3, heads], args)
    for block, accesses in blocks.items():
        first, head = block % 3 * 64, block // 3
        trips = -(-min(first + 64, length) // 64)
        loads = [t for s, t in accesses if s.argument in (1, 2)]
        assert len(loads) == 2 * trips
        for trip in range(trips):
            here = trip * 64 + np.arange(64)
            here = here[here < length]
            cells = 2 * (head * length * 64 + here[:, None] * 64 + np.arange(64)[None, :])
            for base, touched in ((args[1], loads[2 * trip]), (args[2], loads[2 * trip + 1])):
                assert set(touched.addresses()) == set((base.ctypes.data + cells).ravel().tolist())
