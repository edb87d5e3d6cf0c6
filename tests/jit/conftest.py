"""A device of its own for each test, and the plug-in in the place of Triton's active driver."""

import pytest
import triton
from sanitizer_runs import sanitized  # noqa: F401

from supa.arch import load
from supa.runtime import Device, current_device, set_current_device


@pytest.fixture(autouse=True)
def kernel_cache(tmp_path_factory, monkeypatch):
    """One kernel cache for the run of the tests, not the user's."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "kernels"))


@pytest.fixture
def on_device():
    """`on_device(name, mode)` makes a new device current until the test ends."""
    before = current_device()

    def make(name="bili100", mode="both", **more):
        set_current_device(Device(load(name), mode=mode, **more))
        return current_device()

    yield make
    set_current_device(before)


@pytest.fixture
def driver():
    """Triton's active driver."""
    return triton.runtime.driver.active
