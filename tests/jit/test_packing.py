"""Arguments as slots: every Triton type against an independent encoder (NumPy, torch), and what is refused."""

import struct
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from triton.tools.tensor_descriptor import TensorDescriptor

from supa.jit.triton_backend.launching import make_launcher
from supa.jit.triton_backend.packing import bf16_bits


def launch(signature, *arguments, grid=(1, 1, 1), hooks=(None, None)):
    """What a kernel of this signature is called with."""
    calls = []
    launcher = make_launcher(SimpleNamespace(signature=signature), None)
    launcher(*grid, None, lambda *call: calls.append(call), None, "metadata", *hooks, *arguments)
    return calls


def words(signature, *arguments):
    [(_, _, _, slots)] = launch(signature, *arguments)
    return [slots[start : start + 8] for start in range(0, len(slots), 8)]


def word(type_, value):
    [only] = words({"x": type_}, value)
    return only


@pytest.mark.parametrize("bits", [8, 16, 32, 64])
@given(data=st.data())
def test_signed_integers_fill_the_slot(bits, data):
    value = data.draw(st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1))
    assert word(f"i{bits}", value) == np.int64(value).tobytes()


@pytest.mark.parametrize("bits", [8, 16, 32, 64])
@given(data=st.data())
def test_unsigned_integers_fill_the_slot(bits, data):
    value = data.draw(st.integers(0, 2**bits - 1))
    assert word(f"u{bits}", value) == np.uint64(value).tobytes()


def test_a_negative_value_for_an_unsigned_argument_wraps():
    assert word("u64", -1) == b"\xff" * 8
    assert word("u32", -2)[:4] == struct.pack("<i", -2)


def test_booleans():
    assert word("u1", True) == (1).to_bytes(8, "little")
    assert word("i1", False) == bytes(8)


@given(st.floats(width=32))
def test_fp32_is_its_own_bits(value):
    assert word("fp32", value) == np.float32(value).tobytes() + bytes(4)


@given(st.floats())
def test_fp64_is_its_own_bits(value):
    assert word("fp64", value) == np.float64(value).tobytes()


@given(st.floats(width=16))
def test_fp16_is_its_own_bits(value):
    assert word("fp16", value)[:2] == np.float16(value).tobytes()


@given(st.floats(width=32, allow_nan=False))
def test_bf16_rounds_to_nearest_even_as_torch_does(value):
    expected = torch.tensor(value, dtype=torch.float32).to(torch.bfloat16).view(torch.int16).item()
    assert bf16_bits(value) == expected & 0xFFFF
    assert word("bf16", value)[:2] == struct.pack("<H", expected & 0xFFFF)


def test_bf16_nan_stays_nan():
    assert np.isnan(
        torch.tensor(bf16_bits(float("nan")), dtype=torch.int32).to(torch.int16).view(torch.bfloat16).item()
    )


@pytest.mark.parametrize("type_", ["fp32", "fp16", "bf16"])
def test_a_float_too_large_for_its_format_is_infinity(type_):
    assert word(type_, 1e300) == word(type_, float("inf"))
    assert word(type_, -1e300) == word(type_, float("-inf"))


def test_tensors_addresses_and_constants():
    tensor = torch.empty(8)
    signature = {"x": "*fp32", "BLOCK": "constexpr", "n": "i32", "y": "*fp16"}
    expected = [tensor.data_ptr(), 5, 4096]
    assert words(signature, tensor, 128, 5, 4096) == [number.to_bytes(8, "little") for number in expected]


def test_an_empty_tensor_is_accepted():
    assert word("*fp32", torch.empty(0)) == bytes(8)


def test_no_arguments_at_all():
    assert launch({}, grid=(3, 2, 1)) == [(3, 2, 1, b"")]
    assert launch({"N": "constexpr"}, 4) == [(1, 1, 1, b"")]


def test_tuples_are_flattened_without_their_constants():
    tensor = torch.empty(4)
    found = words({"t": ("*fp32", ("i32", "constexpr"), "i64"), "n": "i32"}, (tensor, (7, 1), -3), 9)
    assert found == [np.int64(number).tobytes() for number in (tensor.data_ptr(), 7, -3, 9)]


@pytest.mark.parametrize("padding", ["zero", "nan"])
def test_a_host_descriptor_becomes_base_padding_shape_and_strides(padding):
    tensor = torch.empty(32, 64, dtype=torch.float16)
    descriptor = TensorDescriptor.from_tensor(tensor, [16, 64], padding)
    found = words({"d": "tensordesc<fp16[16, 64]>", "n": "i32"}, descriptor, 3)
    expected = (tensor.data_ptr(), padding == "nan", 32, 64, 64, 1, 3)
    assert found == [np.int64(number).tobytes() for number in expected]


@pytest.mark.parametrize(
    ("type_", "value", "told"),
    [
        ("*fp32", [1.0], "'x'.*fp32.* can not be list"),
        ("i32", "seven", "'x'.*i32.* can not be str"),
        ("i32", 1.5, "'x'.*i32.* can not be float"),
        ("fp32", "one", "'x'.*fp32.* can not be str"),
    ],
)
def test_a_value_that_does_not_fit_names_the_argument(type_, value, told):
    with pytest.raises(TypeError, match=told):
        word(type_, value)


def test_a_type_without_a_slot_is_refused_before_any_launch():
    with pytest.raises(TypeError, match=r"'x'.*nvTmaDesc"):
        make_launcher(SimpleNamespace(signature={"x": "nvTmaDesc"}), None)


def test_hooks_surround_the_launch():
    order = []
    launcher = make_launcher(SimpleNamespace(signature={}), None)
    enter, leave = (lambda name: lambda metadata: order.append((name, metadata)))("enter"), order.append
    launcher(1, 1, 1, None, lambda *call: order.append("run"), None, "facts", enter, leave)
    assert order == [("enter", "facts"), "run", "facts"]


@pytest.mark.parametrize("grid", [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_an_empty_grid_runs_nothing(grid):
    assert launch({}, grid=grid) == []
