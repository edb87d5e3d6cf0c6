"""Products that hosts with AMX run on it: their machine code, with AMX carried out in software (`pytest --amx`).

Tests, of a process of their own: `test_amx_kernels` runs them.
"""

import re

import amx_trap
import pytest
import torch
import triton
import triton.language as tl

from supa.base.errors import SupaError
from supa.jit.triton_backend import lowering
from supa.runtime import native

FORMATS = {
    "bf16": torch.bfloat16, "int8": torch.int8, "e4m3": torch.float8_e4m3fn, "e5m2": torch.float8_e5m2,
}  # fmt: skip
AMX_PRODUCT = re.compile(rb"\xc4\xe2[\x00-\x7f][\x5c\x5e][\xc0-\xff]")  # VEX, map 0F38: TDPBF16PS, TDPB..D


@pytest.fixture(autouse=True)
def device(on_device):
    """A device that only executes; no thread keeps registers configured."""
    on_device(mode="execute")
    yield
    assert amx_trap.configured_threads() == 0


def ran(call):
    """How many products of registers `call` carries out."""
    before = amx_trap.executed()
    call()
    return sum(count - before[name] for name, count in amx_trap.executed().items() if name.startswith("tdp"))


def expected_count(m, n, units):
    """The products of registers that take m rows, n columns, `units` times 32 bits of k."""
    return m // 16 * (n // 16) * max(1, units // 16)


def small(*shape, dtype):
    """Whole numbers whose sums are exact in every format."""
    return torch.randint(-4, 5, shape).to(torch.int8 if dtype is torch.int8 else torch.float32).to(dtype)


@triton.jit
def one_product(a, b, c, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr, SUM: tl.constexpr):
    i, j, p = tl.arange(0, M), tl.arange(0, N), tl.arange(0, K)
    left, right = tl.load(a + i[:, None] * K + p[None, :]), tl.load(b + p[:, None] * N + j[None, :])
    at = c + i[:, None] * N + j[None, :]
    tl.store(at, tl.dot(left, right, tl.load(at), out_dtype=SUM))


SIZES = [(16, 16), (16, 256), (32, 16), (32, 32), (64, 128), (128, 64), (256, 32), (256, 256)]
CASES = [(kind, m, n, k) for kind in ("bf16", "int8") for m, n in SIZES for k in (16, 32, 64, 128)]
CASES += [(kind, m, n, k) for kind in ("e4m3", "e5m2") for m, n in SIZES[:5] for k in (16, 64)]  # enter as bf16


@pytest.mark.parametrize(("kind", "m", "n", "k"), CASES)
def test_tiles_of_every_size(kind, m, n, k):
    dtype = FORMATS[kind]
    a, b, c = small(m, k, dtype=dtype), small(k, n, dtype=dtype), torch.randint(-9, 10, (m, n))
    wanted = c + a.double() @ b.double()
    c = c.to(torch.int32 if kind == "int8" else torch.float32)
    count = ran(lambda: one_product[(1,)](a, b, c, m, n, k, tl.int32 if kind == "int8" else tl.float32))
    assert torch.equal(c.double(), wanted)
    assert count == expected_count(m, n, k // (4 if kind == "int8" else 2))


@triton.jit
def looped(a, b, c, m, n, depth, am, ak, bk, bn, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr, SUM: tl.constexpr):
    """Rows and columns past the edge wrap round."""
    i, j = tl.program_id(0) * M + tl.arange(0, M), tl.program_id(1) * N + tl.arange(0, N)
    p = tl.arange(0, K)
    lefts = a + (i % m)[:, None] * am + p[None, :] * ak
    rights = b + p[:, None] * bk + (j % n)[None, :] * bn
    total = tl.zeros((M, N), SUM)
    for turn in range(0, tl.cdiv(depth, K)):
        left = tl.load(lefts, mask=p[None, :] < depth - turn * K, other=0.0)
        right = tl.load(rights, mask=p[:, None] < depth - turn * K, other=0.0)
        total = tl.dot(left, right, total, out_dtype=SUM)
        lefts += K * ak
        rights += K * bk
    tl.store(c + i[:, None] * n + j[None, :], total, mask=(i[:, None] < m) & (j[None, :] < n))


def multiply(a, b, m, n, k):
    """By `looped`, in tiles of m, n, k."""
    whole = a.dtype is torch.int8
    c = torch.full((a.shape[0], b.shape[1]), -99, dtype=torch.int32 if whole else torch.float32)
    grid = triton.cdiv(a.shape[0], m), triton.cdiv(b.shape[1], n)
    sizes = (a.shape[0], b.shape[1], a.shape[1], *a.stride(), *b.stride())
    looped[grid](a, b, c, *sizes, M=m, N=n, K=k, SUM=tl.int32 if whole else tl.float32)
    return c


@pytest.mark.parametrize("kind", ["bf16", "int8", "e4m3"])
@pytest.mark.parametrize(("m", "n", "k"), [(64, 64, 64), (32, 128, 32), (128, 16, 128)])
@pytest.mark.parametrize("turned", ["neither", "left", "right", "strided"])
def test_ragged_products_any_way_round(kind, m, n, k, turned):
    rows, columns, depth, dtype = 131, 77, 333, FORMATS[kind]
    if turned == "strided":  # no dimension is contiguous
        a, b = small(rows, 2 * depth, dtype=dtype)[:, ::2], small(depth, 2 * columns, dtype=dtype)[:, ::2]
    else:
        a = small(depth, rows, dtype=dtype).t() if turned == "left" else small(rows, depth, dtype=dtype)
        b = small(columns, depth, dtype=dtype).t() if turned == "right" else small(depth, columns, dtype=dtype)
    found = {}
    assert ran(lambda: found.update(c=multiply(a, b, m, n, k))) > 0
    assert torch.equal(found["c"].double(), a.double() @ b.double())


@pytest.mark.parametrize(("low", "high"), [(-128, 128), (-128, -127), (127, 128)])
def test_int8_at_the_ends_of_its_range(low, high):
    a, b = (torch.randint(low, high, shape, dtype=torch.int8) for shape in ((70, 1024), (1024, 50)))
    assert torch.equal(multiply(a, b, 32, 32, 64).long(), a.long() @ b.long())
    assert torch.equal(multiply(a, -1 - b, 32, 32, 64).long(), a.long() @ (-1 - b).long())


@pytest.mark.parametrize("depth", [32, 500, 4096])
def test_sums_are_within_the_bound_of_their_rounding(depth):
    """Of any order of depth/2 + 2 additions in f32; products of two bf16 are exact."""
    a, b = torch.randn(64, depth).bfloat16(), torch.randn(depth, 64).bfloat16()
    bound = (depth / 2 + 2) * 2.0**-24 * (a.double().abs() @ b.double().abs())
    found = multiply(a, b, 32, 32, 64)
    assert ((found.double() - a.double() @ b.double()).abs() <= bound).all()
    assert torch.equal(found, multiply(a, b, 32, 32, 64))


def test_threads_do_not_change_the_sums():
    a, b = torch.randn(512, 256).bfloat16(), torch.randn(256, 128).bfloat16()
    before, found = native.threads(), []
    for threads in (1, 2):
        native.set_threads(threads)
        found += [multiply(a, b, 64, 64, 32) for _ in range(2)]  # the first launch finds how long a block takes
    native.set_threads(before)
    assert all(torch.equal(found[0], each) for each in found[1:])
    assert amx_trap.threads() >= 2


def test_subnormal_numbers_are_zeros_and_others_are_not():
    """As for the host's vectors of bf16: TDPBF16PS and VDPBF16PS flush alike."""
    least = 2.0**-126
    a = torch.full((16, 32), least / 2).bfloat16()
    assert (a.float() == least / 2).all()
    assert (multiply(a, torch.full((32, 16), 2.0**100).bfloat16(), 16, 16, 32) == 0).all()
    a, b = torch.full((16, 32), least).bfloat16(), torch.ones(32, 16).bfloat16()
    assert (multiply(a, b, 16, 16, 32) == 32 * least).all()
    assert (multiply(a, b / 128, 16, 16, 32) == 0).all()  # every partial sum is subnormal


@triton.jit
def gathered(a, places, b, c, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr):
    """Rows of the left operand lie where memory says."""
    i, j, p = tl.arange(0, M), tl.arange(0, N), tl.arange(0, K)
    left = tl.load(a + tl.load(places + i)[:, None] * K + p[None, :])
    right = tl.load(b + p[:, None] * N + j[None, :])
    tl.store(c + i[:, None] * N + j[None, :], tl.dot(left, right, out_dtype=c.dtype.element_ty))


@pytest.mark.parametrize("kind", ["bf16", "int8"])
@pytest.mark.parametrize("places", ["in order", "every third", "backwards", "the same", "last elsewhere", "anywhere"])
def test_rows_that_lie_anywhere(kind, places):
    m, n, k, dtype = 64, 32, 64, FORMATS[kind]
    order = {
        "in order": torch.arange(m), "every third": torch.arange(m) * 3, "backwards": torch.arange(m).flip(0),
        "the same": torch.full((m,), 5), "last elsewhere": torch.arange(m), "anywhere": torch.randperm(3 * m)[:m],
    }[places].clone()  # fmt: skip
    if places == "last elsewhere":
        order[-1] = 150
    a, b = small(3 * m, k, dtype=dtype), small(k, n, dtype=dtype)
    c = torch.empty(m, n, dtype=torch.int32 if kind == "int8" else torch.float32)
    count = ran(lambda: gathered[(1,)](a, order.int(), b, c, M=m, N=n, K=k))
    assert torch.equal(c.double(), a[order].double() @ b.double())
    assert count == expected_count(m, n, k // (4 if kind == "int8" else 2))


@triton.jit
def batched(a, b, c, B: tl.constexpr, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr):
    z, i, j, p = tl.arange(0, B), tl.arange(0, M), tl.arange(0, N), tl.arange(0, K)
    left = tl.load(a + z[:, None, None] * (M * K) + i[None, :, None] * K + p[None, None, :])
    right = tl.load(b + z[:, None, None] * (K * N) + p[None, :, None] * N + j[None, None, :])
    out = c + z[:, None, None] * (M * N) + i[None, :, None] * N + j[None, None, :]
    tl.store(out, tl.dot(left, right, out_dtype=c.dtype.element_ty))


@pytest.mark.parametrize("kind", ["bf16", "int8"])
def test_batches(kind):
    count, m, n, k, dtype = 4, 32, 16, 64, FORMATS[kind]
    a, b = small(count, m, k, dtype=dtype), small(count, k, n, dtype=dtype)
    c = torch.empty(count, m, n, dtype=torch.int32 if kind == "int8" else torch.float32)
    products = ran(lambda: batched[(1,)](a, b, c, B=count, M=m, N=n, K=k))
    assert torch.equal(c.double(), a.double() @ b.double())
    assert products == count * expected_count(m, n, k // (4 if kind == "int8" else 2))


@triton.jit
def turn_by_turn(a, b, c, arrived, M: tl.constexpr, COUNT: tl.constexpr):
    """Every block adds a product, waits until all have, and adds another: they take turns on their threads."""
    i = tl.arange(0, M)
    at = i[:, None] * M + i[None, :]
    left, right = tl.load(a + tl.program_id(0) * M * M + at), tl.load(b + at)
    total = tl.dot(left, right)
    tl.atomic_add(arrived, 1)
    while tl.atomic_add(arrived, 0) < COUNT:
        pass
    tl.store(c + tl.program_id(0) * M * M + at, tl.dot(left, right, total))


def test_blocks_that_wait_between_their_products():
    count, m = 7, 32
    a, b = small(count, m, m, dtype=torch.bfloat16), small(m, m, dtype=torch.bfloat16)
    c, arrived = torch.empty(count, m, m), torch.zeros(1, dtype=torch.int32)
    products = ran(lambda: turn_by_turn[(count,)](a, b, c, arrived, M=m, COUNT=count))
    assert torch.equal(c, 2 * (a.float() @ b.float()))
    assert products == 2 * count * expected_count(m, m, m // 2)


class Nowhere:
    """Memory that is not there."""

    dtype = torch.bfloat16

    def data_ptr(self):
        return 1 << 46


def test_a_fault_inside_leaves_everything_in_order():
    a, b, c = small(64, 64, dtype=torch.bfloat16), small(64, 64, dtype=torch.bfloat16), torch.zeros(64, 64)
    for _ in range(2):
        with pytest.raises(SupaError, match="one_product"):
            one_product[(1,)](Nowhere(), b, c, 64, 64, 64, tl.float32)
        c.zero_()
        one_product[(1,)](a, b, c, 64, 64, 64, tl.float32)
        assert torch.equal(c, a.float() @ b.float())


def test_the_sanitizer_sees_products_that_are_not_finite(sanitized):
    a, b, c = torch.ones(32, 32).bfloat16(), torch.ones(32, 32).bfloat16(), torch.zeros(32, 32)
    a[3], b[:, 5] = 3e38, 3.0
    findings = []
    count = ran(lambda: findings.extend(sanitized(lambda: one_product[(1,)](a, b, c, 32, 32, 32, tl.float32), "nan")))
    assert len(findings) == 1 and count == expected_count(32, 32, 16)


@pytest.mark.parametrize("kind", ["bf16", "int8"])
def test_the_code_has_no_other_way(kind, monkeypatch, tmp_path):
    """A decoder of nothing but VEX and opcode finds the six products of a kernel of 32 and 16 rows, and no others."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    seen, stock = [], lowering.lower
    monkeypatch.setattr(lowering, "lower", lambda text, options: seen.append(stock(text, options)) or seen[-1])
    dtype = FORMATS[kind]
    multiply(small(64, 64, dtype=dtype), small(64, 64, dtype=dtype), 64, 32, 64)
    (program,) = seen
    opcodes = [match[0][3] for match in AMX_PRODUCT.finditer(program.object_code)]
    assert opcodes == [0x5C if kind == "bf16" else 0x5E] * 6
