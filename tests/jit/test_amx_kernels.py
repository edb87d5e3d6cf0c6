"""The code for hosts with AMX, in a process of its own where it runs on any host with vectors of 512 bits."""

import subprocess
import sys
from pathlib import Path

import pytest

from supa.compiler.native.host import detect

ROOT = Path(__file__).parents[2]
RUNS = {
    "products": ["tests/jit/amx_products.py"],
    "other tests' products": [
        "tests/jit/test_int8_products.py", "tests/jit/test_product_edges.py", "tests/jit/test_product_turns.py",
        "tests/jit/test_shared_panels.py", "-k", "int8 or bfloat16 or ends_of or turns_of_a_loop",
    ],
    "attention": ["tests/examples/test_example_flash_attention.py", "-k", "dtype2"],  # bf16
}  # fmt: skip


@pytest.mark.skipif(detect().vector_bits < 512, reason="this processor has no vectors of 512 bits")
@pytest.mark.parametrize("name", RUNS)
def test_kernels_on_amx(name):
    command = [sys.executable, "-m", "pytest", "--amx", "-p", "no:cacheprovider", *RUNS[name]]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stdout + run.stderr
    (told,) = (line for line in run.stdout.splitlines() if line.startswith("amx: "))
    assert "tdp" in told and told.endswith("; 0 configured")
