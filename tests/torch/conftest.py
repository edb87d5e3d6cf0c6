"""The device for the tests of torch, and the rule that tests do not see each other's counts."""

import pytest
import torch

import supa.torch


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
