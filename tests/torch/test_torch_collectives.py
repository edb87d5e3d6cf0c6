"""`torch.distributed` between processes, each with a card of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("collectives_program.py")


@pytest.mark.parametrize(
    ("kind", "backend", "task", "as_cuda"), [("supa", "gloo", "exchange", "0"), ("cuda", "nccl", "train", "1")]
)
def test_processes_work_together(kind, backend, task, as_cuda):
    settings = {"SUPA_AS_CUDA": as_cuda, "SUPA_CARDS": "2", "SUPA_MODE": "execute", "SUPA_DEVICE": "bili100"}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), kind, backend, task],
        capture_output=True, text=True, timeout=200, env={**os.environ, **settings},
    )  # fmt: skip
    assert done.stdout == "fine\n", done.stderr
    assert "overrid" not in done.stderr and "nccl" not in done.stderr.lower(), done.stderr
