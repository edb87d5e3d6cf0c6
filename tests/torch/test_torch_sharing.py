"""Tensors handed to other libraries by DLPack share memory; to other processes they are refused with what to do."""

from multiprocessing.reduction import ForkingPickler

import pytest
import torch


def test_dlpack_shares_memory():
    values = torch.arange(6.0, device="supa").view(2, 3)
    other = torch.from_dlpack(values)
    assert other.device == values.device and other.data_ptr() == values.data_ptr()
    other[0, 0] = 7
    assert values[0, 0].item() == 7
    host = torch.ones(3)
    assert torch.from_dlpack(host).data_ptr() == host.data_ptr()


def test_another_process_can_not_have_device_memory():
    with pytest.raises(RuntimeError, match=r"supa:0 can not be shared with another process: send tensor\.cpu\(\)"):
        ForkingPickler.dumps(torch.ones(2, device="supa"))
    assert len(ForkingPickler.dumps(torch.ones(2))) > 0
