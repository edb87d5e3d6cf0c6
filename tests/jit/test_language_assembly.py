"""Inline PTX on several elements at a time, and memory orders, through Triton's front door."""

import pytest
import torch
import triton
import triton.language as tl

from supa.base.errors import LaunchError


@triton.jit
def assembled(x_ptr, y_ptr, z_ptr, N: tl.constexpr, text: tl.constexpr, form: tl.constexpr, PACK: tl.constexpr):
    at = tl.arange(0, N)
    operands = [tl.load(x_ptr + at), tl.load(y_ptr + at)]
    z = tl.inline_asm_elementwise(text, form, operands, dtype=z_ptr.dtype.element_ty, is_pure=True, pack=PACK)
    tl.store(z_ptr + at, z)


def _run(x, y, z, text, form, pack):
    assembled[(1,)](x, y, z, x.numel(), text, form, pack)
    return z


def test_bytes_are_packed_into_one_register(on_device):
    on_device(mode="execute")
    x = torch.randint(0, 256, (64,), dtype=torch.uint8)
    z = _run(x, x, x.clone(), "and.b32 $0, $1, 0x1F1F1F1F; \n shl.b32 $0, $0, 3;", "=r,r,r", 4)
    assert torch.equal(z, x << 3)


def test_results_wider_than_the_operands_take_more_registers(on_device):
    on_device(mode="execute")
    text = """
    { .reg .b8 part<4>;
      mov.b32 {part0, part1, part2, part3}, $4;
      cvt.u32.u8 $0, part0; cvt.u32.u8 $1, part1; cvt.u32.u8 $2, part2; cvt.u32.u8 $3, part3; }
    cvt.rn.f32.s32 $0, $0; cvt.rn.f32.s32 $1, $1; cvt.rn.f32.s32 $2, $2; cvt.rn.f32.s32 $3, $3;
    """
    x = torch.randint(0, 256, (64,), dtype=torch.uint8)
    z = _run(x, x, torch.zeros(64), text, "=r,=r,=r,=r,r,r", 4)
    assert torch.equal(z, x.float())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fma.rn.bf16x2 $0, $1, $2, $2;", lambda x, y: x * y + y),
        ("mul.bf16x2 $0, $1, $2;", lambda x, y: x * y),
        ("max.bf16x2 $0, $1, $2;", torch.maximum),
    ],
)
def test_pairs_of_bfloat16(on_device, text, expected):
    on_device(mode="execute")
    x, y = torch.randn(32).bfloat16(), torch.randn(32).bfloat16()
    z = _run(x, y, torch.zeros_like(x), text, "=r,r,r", 2)
    torch.testing.assert_close(z, expected(x.float(), y.float()).bfloat16())


def test_two_floats_become_the_halves_of_a_register(on_device):
    on_device(mode="execute")
    x, y = torch.randn(32), torch.randn(32)
    z = _run(x, y, torch.zeros(32, dtype=torch.int32), "cvt.rn.bf16x2.f32 $0, $1, $2;", "=r,r,r", 1)
    halves = z.view(torch.bfloat16).reshape(32, 2)
    assert torch.equal(halves[:, 0], y.bfloat16())
    assert torch.equal(halves[:, 1], x.bfloat16())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shf.l.wrap.b32 $0, $1, $2, 17;", lambda x, y: (y << 17) | (x >> 15)),
        ("shf.r.wrap.b32 $0, $1, $2, 5;", lambda x, y: (x >> 5) | (y << 27)),
    ],
)
def test_funnel_shifts(on_device, text, expected):
    on_device(mode="execute")
    x, y = (torch.randint(0, 2**32, (32,)) for _ in range(2))
    z = _run(x.to(torch.uint32), y.to(torch.uint32), torch.zeros(32, dtype=torch.uint32), text, "=r,r,r", 1)
    assert torch.equal(z.long(), expected(x, y) & 0xFFFFFFFF)


@triton.jit
def fenced(flag_ptr, out_ptr):
    tl.inline_asm_elementwise("fence.acq_rel.gpu; mov.u32 $0, 0;", "=r", [], dtype=tl.int32, is_pure=False, pack=1)
    text: tl.constexpr = "ld.global.acquire.gpu.b32 $0, [$1];"
    tl.store(out_ptr, tl.inline_asm_elementwise(text, "=r,l", [flag_ptr], dtype=tl.int32, is_pure=False, pack=1))


def test_fences_and_ordered_loads(on_device):
    on_device(mode="execute")
    out = torch.zeros(1, dtype=torch.int32)
    fenced[(1,)](torch.tensor([7], dtype=torch.int32), out)
    assert out.item() == 7


@triton.jit
def through_fp8e4b15(x_ptr, half_ptr, back_ptr):
    at = tl.arange(0, 256)
    half = tl.load(x_ptr + at).to(tl.float8e4b15, bitcast=True).to(tl.float16)
    tl.store(half_ptr + at, half)
    tl.store(back_ptr + at, half.to(tl.float8e4b15).to(tl.uint8, bitcast=True))


def test_fp8e4b15_is_half_precision_without_its_low_bits(on_device):
    on_device(mode="execute")
    codes = torch.arange(256)
    half, back = torch.empty(256, dtype=torch.float16), torch.empty(256, dtype=torch.uint8)
    through_fp8e4b15[(1,)](codes.to(torch.uint8), half, back)
    bits = (codes & 0x7F) << 7 | (codes & 0x80) << 8
    assert torch.equal(half.view(torch.int16).long() & 0xFFFF, bits)
    saturated = torch.where((codes & 0x7F) == 0x7F, codes - 1, codes)
    assert torch.equal(back.long(), saturated)


@triton.jit
def timed(out_ptr, ids_ptr):
    start = tl.extra.cuda.globaltimer()
    pid = tl.program_id(0)
    while tl.extra.cuda.globaltimer() - start < 20000:
        pass
    tl.store(out_ptr + pid, tl.extra.cuda.globaltimer() - start)
    clock = tl.inline_asm_elementwise("mov.u32 $0, %clock;", "=r", [], dtype=tl.uint32, is_pure=False, pack=1)
    count = tl.inline_asm_elementwise("mov.u32 $0, %nsmid;", "=r", [], dtype=tl.int32, is_pure=True, pack=1)
    place = tl.inline_asm_elementwise("mov.u32 $0, %ctaid.x;", "=r", [], dtype=tl.int32, is_pure=True, pack=1)
    tl.store(ids_ptr + 4 * pid, tl.extra.cuda.smid())
    tl.store(ids_ptr + 4 * pid + 1, count)
    tl.store(ids_ptr + 4 * pid + 2, place)
    tl.store(ids_ptr + 4 * pid + 3, (clock > 0).to(tl.int32))


def test_clocks_go_on_and_processors_have_numbers(on_device):
    on_device(mode="both")
    spent, ids = torch.zeros(8, dtype=torch.int64), torch.full((8, 4), -1, dtype=torch.int32)
    timed[(8,)](spent, ids)
    assert (spent >= 20000).all()
    assert (ids[:, 0] >= 0).all() and (ids[:, 0] < ids[:, 1]).all()
    assert ids[:, 2].tolist() == list(range(8)) and ids[:, 3].tolist() == [1] * 8


@triton.jit
def copied(x_ptr, out_ptr, count_ptr, N: tl.constexpr):
    rows = tl.arange(0, N)
    a, b, c, d = tl.inline_asm_elementwise(
        "ld.global.nc.L1::no_allocate.v4.b32 {$0, $1, $2, $3}, [$4 + 16];",
        "=r,=r,=r,=r,l",
        [x_ptr + 4 * rows],
        dtype=(tl.int32, tl.int32, tl.int32, tl.int32),
        is_pure=False,
        pack=1,
    )
    text: tl.constexpr = """{
        .reg .pred p;
        setp.gt.s32 p, $3, 9;
        @p st.global.v2.b32 [$1], {$2, $3};
        @p red.global.add.s32 [$4], 1;
        mov.u32 $0, 0;
    }"""
    where = out_ptr + 2 * rows
    tl.inline_asm_elementwise(
        text, "=r,l,r,r,l", [where, a + d, b - c + 10, count_ptr], tl.int32, is_pure=False, pack=1
    )


def test_vectors_are_read_and_written_under_predicates(on_device):
    on_device(mode="execute")
    x = torch.randint(-50, 50, (33, 4), dtype=torch.int32)
    out, count = torch.zeros(32, 2, dtype=torch.int32), torch.zeros(1, dtype=torch.int32)
    copied[(1,)](x, out, count, N=32)
    rows = x[1:]
    pairs = torch.stack([rows[:, 0] + rows[:, 3], rows[:, 1] - rows[:, 2] + 10], 1)
    chosen = pairs[:, 1] > 9
    assert torch.equal(out, torch.where(chosen[:, None], pairs, 0)) and count.item() == chosen.sum()


@triton.jit
def swapped(lock_ptr, out_ptr):
    text: tl.constexpr = "atom.global.acquire.gpu.cas.b32 $0, [$1], 0, 7;"
    old = tl.inline_asm_elementwise(text, "=r,l", [lock_ptr], dtype=tl.int32, is_pure=False, pack=1)
    tl.store(out_ptr, old)


def test_words_are_swapped_atomically(on_device):
    on_device(mode="execute")
    lock, out = torch.zeros(1, dtype=torch.int32), torch.full((1,), -1, dtype=torch.int32)
    swapped[(1,)](lock, out)
    assert lock.item() == 7 and out.item() == 0
    swapped[(1,)](lock, out)
    assert lock.item() == 7 and out.item() == 7


@triton.jit
def trapped(x_ptr, N: tl.constexpr):
    x = tl.load(x_ptr + tl.arange(0, N))
    text: tl.constexpr = "{ .reg .pred p; setp.lt.s32 p, $1, 0; @p trap; mov.b32 $0, $1; }"
    tl.inline_asm_elementwise(text, "=r,r", [x], dtype=tl.int32, is_pure=False, pack=1)


def test_a_trap_stops_the_launch(on_device):
    on_device(mode="execute")
    x = torch.arange(16, dtype=torch.int32)
    trapped[(1,)](x, N=16)
    x[3] = -1
    with pytest.raises(LaunchError, match="trap in inline assembly"):
        trapped[(1,)](x, N=16)
