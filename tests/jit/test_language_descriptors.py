"""Tensor descriptors through Triton's front door, as values that control flow hands on."""

import pytest
import torch
import triton
import triton.language as tl
from triton.tools.tensor_descriptor import TensorDescriptor


@triton.jit
def alternating(a_ptr, b_ptr, out_ptr, count, M, N, SIZE: tl.constexpr):
    current = tl.make_tensor_descriptor(a_ptr, [M, N], [N, 1], [SIZE, SIZE])
    total = tl.zeros((SIZE, SIZE), tl.float32)
    for step in range(count):
        total += current.load([0, step * SIZE])
        if step % 2 == 0:
            current = tl.make_tensor_descriptor(b_ptr, [M, N], [N, 1], [SIZE, SIZE])
        else:
            current = tl.make_tensor_descriptor(a_ptr, [M, N], [N, 1], [SIZE, SIZE])
    step = 0
    while step < count:
        total += current.load([0, step * SIZE])
        current = tl.make_tensor_descriptor(b_ptr, [M, N], [N, 1], [SIZE, SIZE])
        step += 1
    tl.make_tensor_descriptor(out_ptr, [SIZE, SIZE], [SIZE, 1], [SIZE, SIZE]).store([0, 0], total)


def test_descriptors_that_loops_carry_and_branches_choose(on_device):
    on_device(mode="execute")
    a, b, out = torch.randn(13, 64), torch.randn(13, 64), torch.empty(16, 16)
    alternating[(1,)](a, b, out, 3, 13, 64, 16)
    expected = torch.zeros(16, 16)
    for index, source in enumerate([a, b, a, b, b, b]):
        expected[:13] += source[:, index % 3 * 16 : index % 3 * 16 + 16]
    torch.testing.assert_close(out, expected)


@triton.jit(noinline=True)
def fetched(tensor, row, column):
    return tensor.load([row, column])


@triton.jit
def through_a_call(a_ptr, out_ptr):
    tensor = tl.make_tensor_descriptor(a_ptr, [16, 64], [64, 1], [16, 16])
    tl.make_tensor_descriptor(out_ptr, [16, 16], [16, 1], [16, 16]).store([0, 0], fetched(tensor, 0, 16))


def test_a_descriptor_as_an_argument_of_a_function(on_device):
    on_device(mode="execute")
    a, out = torch.randn(16, 64), torch.empty(16, 16)
    through_a_call[(1,)](a, out)
    assert torch.equal(out, a[:, 16:32])


@triton.jit
def choosing(a_ptr, b_ptr, out_ptr, first, SIZE: tl.constexpr):
    a = tl.make_tensor_descriptor(a_ptr, [SIZE, SIZE], [SIZE, 1], [SIZE, SIZE])
    b = tl.make_tensor_descriptor(b_ptr, [SIZE, SIZE], [SIZE, 1], [SIZE, SIZE])
    if first:
        chosen = a
    else:
        chosen = b
    tl.make_tensor_descriptor(out_ptr, [SIZE, SIZE], [SIZE, 1], [SIZE, SIZE]).store([0, 0], chosen.load([0, 0]))


def test_a_branch_that_does_nothing_but_choose_a_descriptor(on_device):
    on_device(mode="both")
    a, b, out = torch.randn(16, 16), torch.randn(16, 16), torch.empty(16, 16)
    for first, expected in ((True, a), (False, b)):
        choosing[(1,)](a, b, out, first, 16)
        assert torch.equal(out, expected)


@triton.jit
def fetching(source, out_ptr):
    at = tl.arange(0, 16)
    tl.store(out_ptr + at[:, None] * 16 + at[None, :], source.load([0, 0]))


@pytest.mark.parametrize("dtype", [torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8])
def test_integers_of_a_host_descriptor_are_padded_with_zero(on_device, dtype):
    on_device(mode="both")
    x, out = torch.randint(1, 99, (13, 16), dtype=dtype), torch.full((16, 16), 5, dtype=dtype)
    fetching[(1,)](TensorDescriptor.from_tensor(x, [16, 16]), out)
    assert torch.equal(out, torch.cat([x, torch.zeros(3, 16, dtype=dtype)]))


@triton.jit
def padded(near_ptr, far_ptr, described, out_ptr, count, M, N, SIZE: tl.constexpr):
    zero = tl.make_tensor_descriptor(near_ptr, [M, N], [N, 1], [SIZE, SIZE])
    current = tl.make_tensor_descriptor(far_ptr, [M, N], [N, 1], [SIZE, SIZE], padding_option="nan")
    out = tl.make_tensor_descriptor(out_ptr, [5 * SIZE, SIZE], [SIZE, 1], [SIZE, SIZE])
    for step in range(count):
        out.store([step * SIZE, 0], current.load([0, 0]))
        if step % 2 == 0:
            current = zero
        else:
            current = described
    step = 0
    while step < 1:
        out.store([count * SIZE, 0], current.load([0, 0]))
        current = zero
        step += 1
    out.store([(count + 1) * SIZE, 0], described.load([0, 0]))


@pytest.mark.parametrize("padding", ["zero", "nan"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float8_e5m2])
def test_the_padding_of_descriptors_is_chosen_when_the_kernel_runs(on_device, padding, dtype):
    on_device(mode="both")
    near, far, last = (torch.randn(13, 16).to(dtype) for _ in range(3))
    out = torch.zeros(5 * 16, 16).to(dtype)
    described = TensorDescriptor.from_tensor(last, [16, 16], padding)
    padded[(1,)](near, far, described, out, 3, 13, 16, 16)
    fill = {"zero": 0.0, "nan": float("nan")}
    order = [(far, "nan"), (near, "zero"), (last, padding), (near, "zero"), (last, padding)]
    expected = torch.cat([torch.cat([x.float(), torch.full((3, 16), fill[how])]) for x, how in order])
    torch.testing.assert_close(out.float(), expected, equal_nan=True)
