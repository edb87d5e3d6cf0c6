"""The device for the tests of torch, and the rule that tests do not see each other's counts."""

import pytest
import torch

import supa.torch
from supa.frameworks.torch.registration import clock
from supa.runtime import cards, set_cards


@pytest.fixture(autouse=True, scope="module")
def its_own_devices():
    """Torch's devices are the process's: tests of other floors that ran here before may have left theirs."""
    before = cards()
    set_cards(clock.devices)
    yield
    set_cards(before)


@pytest.fixture(autouse=True)
def kernel_cache(tmp_path_factory, monkeypatch):
    """One kernel cache for the run of the tests, not the user's."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "kernels"))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "inductor"))


@pytest.fixture(autouse=True)
def not_strict():
    yield
    supa.torch.set_strict(False)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)
