"""Converted kernels in the oracle, against NumPy and torch in float64; passes must keep every bit of the answers."""

from pathlib import Path

import numpy as np
import pytest
import torch

from supa.compiler.passes import simplify
from supa.compiler.ttir import read
from supa.ir.oracle import Memory, Strict, run
from supa.ir.verify import verify

FOLDER = Path(__file__).parent / "ttir"
RANDOM = np.random.default_rng(7)


class Output:
    """A result: memory that was never written."""

    def __init__(self, dtype, shape):
        self.dtype, self.shape = np.dtype(dtype), shape
        self.nbytes = self.dtype.itemsize * int(np.prod(shape))


def answers(name, grid, *args, strict=None):
    """Every array argument after the launch, in order; first checks that the passes change no bit of them."""
    plain, simplified = (launch(name, grid, args, passes, strict) for passes in (False, True))
    for before, after in zip(plain, simplified, strict=True):
        assert before.tobytes() == after.tobytes()
    return plain[0] if len(plain) == 1 else plain


def launch(name, grid, args, passes, strict):
    func = read((FOLDER / f"{name}.mlir").read_text())
    if passes:
        simplify(func)
    verify(func)
    memory, bound, arrays = Memory(), [], []
    for index, arg in enumerate(args):
        if isinstance(arg, Output):
            region = memory.new(f"arg{index}", arg.nbytes)
        elif isinstance(arg, np.ndarray):
            region = memory.copy_of(f"arg{index}", arg)
        else:
            bound.append(arg)
            continue
        bound.append(region)
        arrays.append((region, arg))
    run(func, grid, bound, memory, strict=strict)
    return [region.array(arg.dtype, arg.shape) for region, arg in arrays]


def normal(*shape, dtype=np.float32):
    return RANDOM.standard_normal(shape).astype(dtype)


def close(found, expected, rtol=1e-6, atol=1e-6):
    np.testing.assert_allclose(found.astype(np.float64), expected, rtol=rtol, atol=atol)


@pytest.mark.parametrize("name", ["vector_add", "vector_add.raw"])
def test_vector_add_writes_the_sum_and_nothing_behind_it(name):
    x, y = normal(1500), normal(1500)
    *_, out = answers(name, (2,), x, y, Output(np.float32, 1500), 1500)
    assert np.array_equal(out, x + y)


def test_softmax():
    x = normal(3, 777)
    out, _ = answers("softmax", (3,), Output(np.float32, (3, 777)), x, 777, 777)
    close(out, torch.softmax(torch.from_numpy(x).double(), 1).numpy())


def test_matmul_with_ragged_edges_and_a_leaky_epilogue():
    m, n, k = 70, 90, 48
    a, b = normal(m, k, dtype=np.float16), normal(k, n, dtype=np.float16)
    *_, c = answers("matmul", (4,), a, b, Output(np.float16, (m, n)), m, n, k, k, n, n)
    product = a.astype(np.float64) @ b.astype(np.float64)
    close(c, np.where(product >= 0, product, 0.01 * product), rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("name", ["attention", "attention.raw"])
def test_causal_attention(name):
    heads, n, d = 2, 80, 64
    q, k, v = (normal(heads, n, d, dtype=np.float16) for _ in range(3))
    out, lse = Output(np.float16, (heads, n, d)), Output(np.float32, (heads, n))
    *_, out, lse = answers(name, (2, heads), q, k, v, out, lse, 0.125, n * d, d, n)
    scores = 0.125 * q.astype(np.float64) @ k.astype(np.float64).transpose(0, 2, 1)
    scores = np.where(np.tril(np.ones((n, n), bool)), scores, -np.inf)
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    close(out, powers / powers.sum(-1, keepdims=True) @ v.astype(np.float64), rtol=4e-3, atol=4e-3)
    # the kernel starts its sum at 1 with a peak of -inf, so that one is scaled to nothing by the first block
    close(lse, (np.log(powers.sum(-1)) + scores.max(-1)) / np.log(2), rtol=1e-3, atol=1e-3)


def test_argmax_gives_the_first_of_equal_values():
    x = RANDOM.integers(-5, 5, (4, 100)).astype(np.float32)
    _, values, indices = answers("argmax", (1,), x, Output(np.float32, 4), Output(np.int32, 4), 100)
    assert np.array_equal(values, x.max(1)) and np.array_equal(indices, x.argmax(1))


def test_scans_forwards_and_backwards():
    x, y = (1 + 0.1 * normal(128)), 0.01 * normal(128)
    *_, out = answers("scans", (1,), x, y, Output(np.float32, 128))
    a, b = np.zeros(128), np.zeros(128)
    a[127], b[127] = x[127], y[127]
    for i in range(126, -1, -1):
        a[i], b[i] = a[i + 1] * x[i], b[i + 1] * x[i] + y[i]
    expected = a + b + np.cumsum(a) * np.cumprod(b)
    close(out, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("k", [128, 96])
def test_descriptors_load_store_reduce_gather_and_scatter(k):
    m, n = 64, 32
    a, b = normal(m, k, dtype=np.float16), normal(n, k, dtype=np.float16)
    ids = np.arange(32, dtype=np.int32)[::-1].copy()
    _, _, c, _ = answers("descriptors", (1, 1), a, b, Output(np.float16, (m, n)), ids, m, n, k)
    if k % 64:  # the block of `b` that sticks out is padded with nan
        assert np.isnan(c).all()
    else:
        close(c, 2 * (a.astype(np.float64) @ b.astype(np.float64).T), rtol=2e-3, atol=2e-3)


def test_descriptors_of_the_host_are_pointer_padding_extents_and_strides():
    source, unsigned = normal(20, 64, dtype=np.float16), RANDOM.integers(0, 2**32, (8, 8), dtype=np.uint32)
    target = Output(np.uint16, (16, 64))
    numbers = (False, 20, 64, 64, 1), (False, 16, 64, 64, 1), (False, 8, 8, 8, 1)
    _, out, maxima = answers(
        "host_descriptor", (1,), source, *numbers[0], target, *numbers[1], unsigned, *numbers[2]
    )  # fmt: skip
    expected = torch.from_numpy(source[:16]).to(torch.bfloat16).view(torch.int16).numpy()
    assert np.array_equal(out.view(np.int16), expected) and np.array_equal(maxima, unsigned)


def test_early_returns():
    x = np.array([4.0, -1.0, 9.0, 2.25], np.float32)
    _, out = answers("early_return", (6,), x, Output(np.float32, 4), 4)
    assert np.array_equal(out, np.array([2.0, 0.0, 3.0, 1.5], np.float32))


def nested_returns(x, n):
    out = [99] * 6
    if x > 1:
        if n > 2:
            out[0] = 1
            return out
        out[1] = 2
    elif n > 5:
        return out
    elif n > 4:
        out[5] = 3
        return out
    else:
        x += 5
    out[2] = x
    if n == 1 and x == 7:
        return out
    if n == 1:
        out[3] = 4
    out[4] = 5
    return out


@pytest.mark.parametrize("n", range(8))
@pytest.mark.parametrize("x", [0, 2, 7])
def test_nested_returns_do_as_python_does(x, n):
    start = np.full(6, 99, np.int32)
    _, out = answers("nested_returns", (1,), np.array([x], np.int32), start, n)
    assert out.tolist() == nested_returns(x, n)


def test_a_called_function_that_returns_early():
    def hasty(x, y):
        return y + 1 if x > 3 else x if 2 * y > 20 else 2 * y - x

    for n in (3, 12):
        out = answers("early_call", (1,), Output(np.int32, n + 1), n)
        assert out.tolist() == [hasty(n, n + 1), *(hasty(i, n) for i in range(n))]


def test_pointers_carried_by_a_while_loop():
    x = normal(4, 64)
    _, out = answers("while_pointers", (1,), x, Output(np.float32, 64), 256)
    close(out, x.astype(np.float64).sum(0))


def test_a_while_loop():
    x = np.array([1, 2, 27, 97], np.int64)
    _, steps = answers("collatz", (4,), x, Output(np.int32, 4))
    assert steps.tolist() == [0, 1, 111, 118]  # OEIS A006577


def test_sort_and_flip():
    x = normal(16)
    _, out = answers("sort", (1,), x, Output(np.float32, 32))
    assert np.array_equal(out, np.concatenate([np.sort(x)[::-1], x[::-1]]))


def philox(seed, counters):
    """The first word of Philox 4x32-10 (Salmon et al., 2011, "Parallel random numbers: as easy as 1, 2, 3")."""
    key = [seed & 0xFFFFFFFF, seed >> 32]
    words = []
    for counter in counters:
        c, k = [counter, 0, 0, 0], list(key)
        for _ in range(10):
            left, right = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
            c = [right >> 32 ^ c[1] ^ k[0], right & 0xFFFFFFFF, left >> 32 ^ c[3] ^ k[1], left & 0xFFFFFFFF]
            k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
        words.append(c[0])
    return np.array(words, np.uint32)


def test_dropout_draws_the_philox_numbers():
    x = normal(300)
    _, out = answers("dropout", (2,), x, Output(np.float32, 300), 300, 0.3, 1234)
    bits = philox(1234, range(300)).view(np.int32).astype(np.int64)
    uniform = np.where(bits < 0, -bits - 1, bits) * 4.6566127342e-10
    close(out, np.where(uniform > 0.3, x / 0.7, 0.0))


def test_a_branch_inside_of_map_elementwise():
    x, y = (RANDOM.integers(-9, 9, 64).astype(np.int32) for _ in range(2))
    *_, out = answers("elementwise_map", (1,), x, y, Output(np.int32, 64))
    assert np.array_equal(out, np.where(x > y, (x - y) * x, y * (x + y)))


def test_calls():
    x = normal(65)
    _, out = answers("nested_calls", (1,), x, Output(np.float32, 64))
    close(out, x[:64].astype(np.float64) + sum(2.0 * v + v - 2.0 for v in x[[0, 64]].astype(np.float64)))


def test_block_pointers_pad_what_is_outside():
    x = normal(13, 64)
    _, out = answers("block_pointers", (1,), x, Output(np.float32, (13, 32)), 13, 64)
    close(out, x[:, :32].astype(np.float64) + x[:, 32:])


@pytest.mark.parametrize("n", [0, 5])
def test_loops_up_and_down(n):
    x = normal(6 * 64)
    rows = x.reshape(6, 64).astype(np.float64)
    _, out = answers("loop_hints", (1,), x, Output(np.float32, 64), n)
    close(out, rows[0:n:2].sum(0) + rows[1 : n + 1].sum(0) + n)


def test_the_shape_operations():
    x, n = normal(64), 50
    wild = Strict(on_finding="collect")  # the kernel's last line stores through a pointer that it read from floats
    _, out, wide = answers("shapes", (1, 2), x, Output(np.float32, 64), np.zeros(16, np.int32), n, strict=wild)
    picked = x.reshape(4, 16).astype(np.float64)[[0, 1, 0, 1]].reshape(64)
    close(out, picked + 6 * x.astype(np.float64).sum() + 2, rtol=1e-5, atol=1e-4)
    assert wide[:8].tolist() == [7, 7, 63 + 0 + 0 + 63, 6, 6, 6, 6, 6] and not wide[8:].any()


def test_mathematics_agrees_with_torch():
    """Compared are the integers, whose path holds no special function, and the last value of `out`."""
    n, offset = 64, 5
    x, ints = np.abs(normal(n)) + 0.1, RANDOM.integers(-1000, 1000, n).astype(np.int32)
    _, out, halves, _ = answers("mathematics", (1,), x, Output(np.float32, n), Output(np.uint16, n), ints, offset)
    close(out, 0.1 * x.astype(np.float64) + np.arange(n) + offset, rtol=1e-6)
    assert np.isnan(torch.from_numpy(halves.view(np.int16)).view(torch.bfloat16).float().numpy()).all()


def test_layer_norm_backward_with_a_lock():
    rows, n, group = 5, 500, 64
    x, dy = normal(rows, n, dtype=np.float16), normal(rows, n, dtype=np.float16)
    w = normal(n, dtype=np.float16)
    x64, dy64, w64 = (t.astype(np.float64) for t in (x, dy, w))
    mean, rstd = x64.mean(1), 1 / np.sqrt(x64.var(1) + 1e-5)
    dw, db = Output(np.float32, (group, n)), Output(np.float32, (group, n))
    found = answers(
        "layer_norm_backward", (rows,), Output(np.float16, (rows, n)), dy, dw, db, x, w,
        mean.astype(np.float32), rstd.astype(np.float32), np.zeros(2 * group, np.int32), n, n,
    )  # fmt: skip
    leaf = torch.from_numpy(x64).requires_grad_()
    weight, bias = torch.from_numpy(w64).requires_grad_(), torch.zeros(n, dtype=torch.float64, requires_grad=True)
    torch.nn.functional.layer_norm(leaf, (n,), weight, bias, 1e-5).backward(torch.from_numpy(dy64))
    close(found[0], leaf.grad.numpy(), rtol=1e-2, atol=1e-2)
    close(found[2][:rows].sum(0), weight.grad.numpy(), rtol=1e-3, atol=1e-3)
    close(found[3][:rows].sum(0), bias.grad.numpy(), rtol=1e-3, atol=1e-3)


def test_atomics():
    n = 100
    ints = RANDOM.integers(-50, 200, n).astype(np.int32)
    unsigned = RANDOM.integers(0, 2**32, n, dtype=np.uint32)
    floats, halves = normal(n), normal(n, dtype=np.float16)
    new_ints, new_unsigned, new_floats, new_halves = answers(
        "atomics", (1,), ints, unsigned, floats, halves, n, strict=Strict(races=False)
    )
    mixed = (np.maximum(ints + 1, np.arange(n)) & 3) | 4
    expected = mixed ^ -5
    assert np.array_equal(new_ints[1:], expected[1:])
    assert np.array_equal(new_unsigned, np.maximum(np.minimum(unsigned, 7), 7))
    assert np.array_equal(new_floats, mixed.astype(np.float32))
    assert np.array_equal(new_halves, (halves.astype(np.float64) + 0.5).astype(np.float16))


def test_scaled_dot_of_microscaling_formats():
    m = n = 32
    k = 64
    a = torch.from_numpy(normal(m, k)).to(torch.float8_e4m3fn)
    b_codes = RANDOM.integers(0, 16, (k, n)).astype(np.uint8)
    packed = b_codes[0::2] | b_codes[1::2] << 4
    scales = [RANDOM.integers(124, 131, (rows, k // 32)).astype(np.uint8) for rows in (m, n)]
    *_, out = answers(
        "scaled_dot", (1,), a.view(torch.uint8).numpy(), scales[0], packed, scales[1], Output(np.float32, (m, n))
    )
    magnitudes = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6])  # OCP Microscaling Formats 1.0, table 5
    b = np.where(b_codes & 8, -1.0, 1.0) * magnitudes[b_codes & 7]
    left = a.double().numpy() * np.repeat(2.0 ** (scales[0].astype(int) - 127), 32, 1)
    right = b * np.repeat(2.0 ** (scales[1].astype(int) - 127), 32, 1).T
    close(out, 2 * left @ right, rtol=1e-5, atol=1e-4)
