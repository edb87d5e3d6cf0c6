"""Tensors on the device: making, copying, viewing, filling, resizing, single values, dtypes."""

import pytest
import torch

DTYPES = [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int8, torch.bool,
          torch.complex64]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
def test_there_and_back(dtype):
    values = torch.randn(5, 3).mul(3).to(dtype)
    found = values.to("supa")
    assert found.device == torch.device("supa", 0)
    assert found.dtype == dtype
    assert torch.equal(found.cpu(), values)


def test_copies_between_layouts_and_dtypes():
    values = torch.randn(7, 11)
    on_device = values.to("supa")
    assert torch.equal(on_device.t().contiguous().cpu(), values.t().contiguous())
    assert torch.equal(on_device.to(torch.float16).cpu(), values.to(torch.float16))
    target = torch.zeros(11, 7, device="supa")
    target.t().copy_(values[:1])
    assert torch.equal(target.cpu(), values[:1].expand(7, 11).t())
    assert torch.equal(on_device[::2, 1:5:2].cpu(), values[::2, 1:5:2])


def test_large_copies_use_the_general_way():
    values = torch.randn(1 << 18)
    assert torch.equal(values.to("supa").clone().cpu(), values)


def test_views_share_memory():
    base = torch.zeros(4, 6, device="supa")
    base.view(2, 12)[1].fill_(3)
    base.unfold(1, 2, 2)[0, 0].fill_(5)
    torch.as_strided(base, (2,), (6,), 5).fill_(7)
    expected = torch.zeros(4, 6)
    expected[2:] = 3
    expected[0, :2] = 5
    expected[0, 5] = expected[1, 5] = 7
    assert torch.equal(base.cpu(), expected)
    assert base.view(torch.int32).data_ptr() == base.data_ptr()


def test_complex_views_and_conjugates():
    values = torch.randn(4, dtype=torch.complex64)
    found = values.to("supa")
    assert torch.equal(found.conj().cpu(), values.conj())
    assert torch.equal(found.conj().imag.cpu(), values.conj().imag)
    assert torch.equal(torch.view_as_real(found).cpu(), torch.view_as_real(values))
    torch.testing.assert_close((found.conj() * found).cpu(), values.conj() * values)


def test_single_values_and_conditions():
    one = torch.tensor([2.5], device="supa")
    assert one.item() == 2.5
    assert (one > 2).item() is True
    assert bool(one) and int(one) == 2
    with pytest.raises(RuntimeError, match="a Tensor with 2 elements"):
        torch.ones(2, device="supa").item()


def test_resizing_and_setting():
    grown = torch.arange(4, device="supa").resize_(2, 3)
    assert grown.shape == (2, 3)
    assert grown.flatten()[:4].tolist() == [0, 1, 2, 3]
    other = torch.empty(0, device="supa")
    other.set_(torch.ones(2, 2, device="supa"))
    assert other.tolist() == [[1, 1], [1, 1]]
    other.set_()
    assert other.numel() == 0
    storage = torch.ones(3, device="supa").untyped_storage()
    storage.resize_(32)
    assert storage.nbytes() == 32


def test_out_arguments_are_resized_on_the_device():
    out = torch.empty(0, device="supa")
    torch.cumsum(torch.ones(5, device="supa"), 0, out=out)
    assert out.device.type == "supa"
    assert out.tolist() == [1, 2, 3, 4, 5]


def test_empty_and_scalar_tensors():
    assert torch.empty(0, 3, device="supa").cpu().shape == (0, 3)
    assert torch.zeros(0, device="supa").sum().item() == 0
    assert torch.tensor(3, device="supa").add(1).item() == 4


def test_printing_and_numpy():
    assert "device='supa:0'" in repr(torch.ones(2, device="supa"))
    with pytest.raises(TypeError, match="can't convert supa:0 device type tensor to numpy"):
        torch.ones(2, device="supa").numpy()


def test_device_methods():
    module = torch.nn.Linear(2, 2).supa()
    assert all(parameter.is_supa for parameter in module.parameters())
    assert torch.ones(2).supa().device.type == "supa"
    with torch.device("supa"):
        assert torch.ones(1).device.type == "supa"
