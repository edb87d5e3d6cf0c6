"""Runs kernels under the sanitizer in this process. Not tests."""

import inspect

import pytest
import torch

from supa.jit.sanitizer import process
from supa.jit.sanitizer.findings import Findings
from supa.runtime import current_device
from supa.runtime.memory import mark_fresh_memory


def bug_lines(kernel):
    """Where a kernel's planted mistakes are."""
    lines, first = inspect.getsourcelines(kernel.fn)
    return {first + number for number, line in enumerate(lines) if line.rstrip().endswith("# BUG")}


class RawTensor:
    """Device memory without torch: what Triton needs to take it for a tensor."""

    def __init__(self, address, dtype=torch.float32):
        self.address, self.dtype = address, dtype

    def data_ptr(self):
        return self.address


@pytest.fixture
def sanitized(monkeypatch, on_device):
    """`sanitized(call)` gives the findings of what `call` launches; with `kinds="nan"` of arithmetic too."""

    def run(call, what="1"):
        monkeypatch.setenv("SUPA_SANITIZE", what)
        monkeypatch.setattr(process, "findings", Findings())
        call()
        process.findings.finish()
        return list(process.findings.all.values())

    for name in ("empty", "empty_like", "empty_strided", "empty_permuted"):
        monkeypatch.setattr(torch, name, getattr(torch, name))
    for name in ("new_empty", "new_empty_strided", "data_ptr"):
        monkeypatch.setattr(torch.Tensor, name, getattr(torch.Tensor, name))
    monkeypatch.setattr(process, "_taken", [])
    process.watch_tensors()
    mark_fresh_memory(True)
    on_device(mode="execute")
    yield run
    mark_fresh_memory(False)
    current_device().close()
