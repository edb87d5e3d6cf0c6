"""The sanitizer raises no false alarm on the example programs."""

import importlib
from pathlib import Path

import pytest
import torch

from supa.arch import load
from supa.jit.sanitizer import process
from supa.jit.sanitizer.findings import Findings
from supa.runtime import Device, current_device, set_current_device

FOLDER = Path(__file__).parents[2] / "examples" / "triton"


@pytest.fixture
def findings(monkeypatch: pytest.MonkeyPatch) -> Findings:
    """What is found from now on; kernels are compiled with checks for a device of their own."""
    monkeypatch.setenv("SUPA_SANITIZE", "1")
    monkeypatch.setattr(process, "findings", Findings())
    before = current_device()
    set_current_device(Device(load("bili100"), mode="execute"))
    yield process.findings
    set_current_device(before)


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.py")))
def test_nothing_is_found(name: str, findings: Findings) -> None:
    torch.manual_seed(0)
    importlib.import_module(name).main()
    findings.finish()
    assert findings.launches > 0
    assert findings.all == {}
