"""One run of a small program with everything that can be written of it, shared by the tests of pages and traces."""

import contextlib
import io
import json
import os
from types import SimpleNamespace

import pytest

from supa.runtime import current_device, set_current_device
from supa.tools.cli import main

PROGRAM = """
import torch, triton
import triton.language as tl
from supa.runtime import current_device

@triton.jit
def scaled_product_kernel(x_ptr, y_ptr, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    tile = tl.load(x_ptr + i[:, None] * BLOCK + i[None, :])  # <b>&
    product = tl.dot(tile, tile)
    tl.store(y_ptr + i[:, None] * BLOCK + i[None, :], product)

@triton.jit
def count_kernel(n_ptr, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(n_ptr + i, tl.load(n_ptr + i) + 1)

device = current_device()
x, y = torch.ones(32, 32), torch.empty(32, 32)
n = torch.zeros(4096, dtype=torch.int32)
held = device.memory.allocate(3 << 20)
scaled_product_kernel[(1,)](x, y, BLOCK=32)
device.current_stream = device.stream()
for _ in range(3):
    count_kernel[(4,)](n, BLOCK=1024)
device.memory.free(held)
count_kernel[(4,)](n, BLOCK=1024)
device.current_stream = device.default_stream
print("sums", y.sum().item(), n.sum().item())
"""


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """A folder for programs, with a kernel cache of its own and `two.py`, which launches two kernels."""
    folder = tmp_path_factory.mktemp("watched")
    (folder / "two.py").write_text(PROGRAM)
    before = current_device(), os.environ.get("TRITON_CACHE_DIR"), os.getcwd()
    os.environ["TRITON_CACHE_DIR"] = str(folder / "kernels")
    os.chdir(folder)
    yield folder
    os.chdir(before[2])
    set_current_device(before[0])
    if before[1] is None:
        del os.environ["TRITON_CACHE_DIR"]
    else:
        os.environ["TRITON_CACHE_DIR"] = before[1]


@pytest.fixture(scope="session")
def written(programs):
    """The page, the trace and the JSON report of `two.py` on two devices, and what was printed."""
    line = [
        "run",
        "--devices",
        "bili100,h100-sxm",
        "--report",
        "page.html",
        "--trace",
        "trace.json",
        "--json",
        "r.json",
    ]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert main([*line, "two.py"]) == 0
    return SimpleNamespace(
        path=programs / "page.html",
        page=(programs / "page.html").read_text(),
        trace=json.loads((programs / "trace.json").read_text()),
        report=json.loads((programs / "r.json").read_text()),
        printed=printed.getvalue(),
    )
