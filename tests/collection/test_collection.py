"""Every kernel of the collection against PyTorch."""

import pytest
import torch
from collection import CASES

from supa.arch import load
from supa.runtime import Device, current_device, set_current_device


@pytest.fixture(autouse=True)
def fresh_device(tmp_path_factory, monkeypatch):
    """A device that only executes, and a kernel cache of the run's own."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "kernels"))
    before = current_device()
    set_current_device(Device(load("bili100"), mode="execute"))
    yield
    set_current_device(before)


def test_there_are_sixty():
    assert len(CASES) >= 60


@pytest.mark.filterwarnings("ignore:tl.make_block_ptr is deprecated")
@pytest.mark.parametrize("name", CASES)
def test_a_kernel_of_the_collection(name):
    torch.manual_seed(0)
    for found, expected in CASES[name]():
        assert found.dtype == expected.dtype
        close = 2e-2 if found.dtype in (torch.float16, torch.bfloat16) else 2e-4
        torch.testing.assert_close(found, expected, rtol=close, atol=close)
