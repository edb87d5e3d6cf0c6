"""Triton's profiler, and the product library that its programs compare with, on the virtual device."""

import json
import os
import subprocess
import sys

import pytest

PROFILED = """
import sys
import supa.torch
import torch, triton
import triton.language as tl
import triton.profiler as proton

KIND, path = sys.argv[1:]

def facts(grid, kernel, args):
    return {"name": f"{kernel.name} of {args['n']}", "bytes": 8 * args["n"]}

@triton.jit(launch_metadata=facts)
def twice(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out_ptr + i, tl.load(x_ptr + i, mask=i < n) * 2, mask=i < n)

def launch(n):
    x = torch.empty(n, device=KIND)
    twice[(triton.cdiv(n, 256),)](x, x, n, BLOCK=256)
    return x

launch(1000)
session = proton.start(path, hook="triton")
with proton.scope("outer", {"rows": 3}):
    for _ in range(2):
        launch(1000)
    launch(100000).exp()
proton.deactivate(session)
launch(1000)
proton.activate(session)
launch(1000)
proton.finalize()
launch(1000)
"""

PRODUCTS = """
import supa.torch
import torch
from triton._C.libtriton import nvidia

library = nvidia.cublas.CublasLt(torch.empty(1024, device="cuda", dtype=torch.uint8))
for dtype, rounding in ((torch.float16, 2**-11), (torch.float8_e4m3fn, 2**-4)):
    a, b = (torch.randn(rows, 40, device="cuda").to(dtype) for rows in (33, 17))
    c, d = torch.empty(33, 17, device="cuda", dtype=dtype), torch.empty(33, 17, device="cuda", dtype=dtype)
    expected = a.cpu().double() @ b.cpu().double().T
    library.matmul(a, b, c)
    torch.testing.assert_close(c.cpu().double(), expected, rtol=2 * rounding, atol=0.02)
    library.gemm(a, b, c, d, 0.5, 2.0)
    torch.testing.assert_close(d.cpu().double(), 0.5 * expected + 2 * c.cpu().double(), rtol=2 * rounding, atol=0.02)
print("fine")
"""


def run(code, folder, *words, as_cuda):
    file = folder / "program.py"  # Triton reads the kernel's source
    file.write_text(code)
    environment = {**os.environ, "SUPA_AS_CUDA": str(int(as_cuda)), "SUPA_MODE": "both"}
    return subprocess.run(
        [sys.executable, str(file), *words], capture_output=True, text=True, timeout=300, env=environment
    )


def children(node):
    return {one["frame"]["name"]: one for one in node["children"] if one["metrics"] or one["children"]}


@pytest.mark.parametrize("kind", ["supa", "cuda"])
def test_a_session_has_the_device_s_times(tmp_path, kind):
    done = run(PROFILED, tmp_path, kind, str(tmp_path / "profile"), as_cuda=kind == "cuda")
    assert not done.returncode, done.stderr
    root = json.loads((tmp_path / "profile.hatchet").read_text())[0]
    assert root["metrics"] == {"time (ns)": 0, "count": 0}
    assert children(root).keys() == {"outer", "twice of 1000"}
    alone, outer = children(root)["twice of 1000"]["metrics"], children(root)["outer"]
    assert (alone["count"], alone["bytes"]) == (1, 8000)
    assert outer["metrics"]["rows"] == 3
    inside = children(outer)
    assert inside.keys() == {"twice of 1000", "twice of 100000", "elementwise_exp"}
    both = inside["twice of 1000"]["metrics"]
    assert (both["count"], both["bytes"]) == (2, 16000)
    assert both["time (ns)"] == pytest.approx(2 * alone["time (ns)"], rel=0.5)  # the device's clock, not the host's
    assert inside["twice of 100000"]["metrics"]["time (ns)"] > alone["time (ns)"]


def test_products_of_nvidia_s_library_are_the_device_s(tmp_path):
    done = run(PRODUCTS, tmp_path, as_cuda=True)
    assert done.stdout == "fine\n", done.stderr
