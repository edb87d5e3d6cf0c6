"""How many host threads launches use beside torch: as many as torch takes, unless somebody chose for supa alone."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys
import torch
import triton
import triton.language as tl
from supa.runtime import set_threads, threads

@triton.jit
def kernel(out):
    tl.store(out, 1)

{before}
kernel[(1,)](torch.zeros(1))
first = threads()
torch.set_num_threads(3)
print(first, threads(), torch.get_num_threads())
"""


@pytest.mark.parametrize(
    ("before", "setting", "expected"),
    [
        ("torch.set_num_threads(1)", "", "1 3 3"),
        ("torch.set_num_threads(1); set_threads(2)", "", "2 3 3"),
        ("torch.set_num_threads(1)", "2", "2 2 3"),
    ],
)
def test_launches_follow_torch(tmp_path, before, setting, expected):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM.format(before=before))
    environment = {name: value for name, value in os.environ.items() if name != "SUPA_NUM_THREADS"}
    environment |= {"SUPA_NUM_THREADS": setting} if setting else {}
    made = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=False)
    assert made.stdout.strip() == expected, made.stderr
