"""Programs written for NVIDIA GPUs run on the device with `SUPA_AS_CUDA=1`, compiled ones too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("cuda_program.py")

COMPILED = """
import supa.torch
import torch

@torch.compile
def step(x):
    scale = torch.full((1,), 2.0, device="cuda") + torch.arange(4, device=torch.device("cuda:0"))
    return torch.nn.functional.gelu(x.to("cuda") * scale).cuda()

x = torch.randn(3, 4)
found = step(x.cuda())
assert found.is_cuda
expected = torch.nn.functional.gelu(x.double() * (2 + torch.arange(4)))
torch.testing.assert_close(found.cpu().double(), expected, rtol=1e-5, atol=1e-6)
print("fine")
"""

TRITON = """
import supa.torch
import torch, triton
import triton.language as tl

driver = triton.runtime.driver.active
DEVICE = driver.get_active_torch_device()
assert driver.utils.get_device_properties(DEVICE.index)["multiprocessor_count"] > 0  # before anything is launched
target = driver.get_current_target()
assert (target.backend, target.warp_size) == ("cuda", 32)
assert divmod(target.arch, 10) == torch.cuda.get_device_capability()
assert triton.compiler.make_backend(target).parse_options({}).backend_name == "supa"

@triton.jit
def add(x_ptr, y_ptr, out_ptr, n, BLOCK: tl.constexpr):
    tl.static_assert(tl.target_info.is_cuda() and tl.target_info.cuda_capability_geq(8, 0))
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out_ptr + i, tl.load(x_ptr + i, mask=i < n) + tl.load(y_ptr + i, mask=i < n), mask=i < n)

x, y = torch.rand(1000, device=DEVICE), torch.rand(1000, device="cuda")
assert x.device == DEVICE and y.device == DEVICE == torch.device("cuda", 0)
out = torch.empty_like(x)
kernel = add[(triton.cdiv(1000, 256),)](x, y, out, 1000, BLOCK=256)
assert torch.equal(out, x + y)
assert kernel.metadata.target.backend == "cuda"
print("fine")
"""


def run(*words, code=None, **environment):
    command = [sys.executable, "-c", code] if code else [sys.executable, *words]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, env={**os.environ, "SUPA_AS_CUDA": "1", **environment}
    )


def test_a_program_for_nvidia_gpus_runs_unmodified():
    done = run(code=f"import supa.torch, runpy; runpy.run_path({str(PROGRAM)!r}, run_name='__main__')")
    assert done.stdout == "fine\n", done.stderr


def test_compiled_graphs_may_say_cuda():
    done = run(code=COMPILED)
    assert done.stdout == "fine\n", done.stderr


def test_triton_s_device_is_the_program_s(tmp_path):
    file = tmp_path / "kernel.py"  # Triton reads the kernel's source
    file.write_text(TRITON)
    done = run(str(file))
    assert done.stdout == "fine\n", done.stderr


KINDS = """
import supa.torch
import torch, triton
import triton.language as tl

@triton.jit
def which(out_ptr):
    if tl.target_info.is_cuda():
        tl.store(out_ptr, 1)
    else:
        tl.store(out_ptr, 2)

out = torch.zeros(1, dtype=torch.int32, device="supa")
which[(1,)](out)
print(out.item())
"""


def test_what_is_compiled_for_one_kind_is_not_taken_for_the_other(tmp_path):
    file = tmp_path / "which.py"
    file.write_text(KINDS)
    folder = {"TRITON_CACHE_DIR": str(tmp_path / "cache")}
    found = [run(str(file), SUPA_AS_CUDA=kind, **folder) for kind in ("1", "0", "1")]
    assert [done.stdout for done in found] == ["1\n", "2\n", "1\n"], found[1].stderr


FIRST_USE = """
import sys
from supa.frameworks.torch import build
assert "torch" not in sys.modules
build.built_extension = lambda *_: None  # as before the extension is built: torch only promises the device
import torch, triton
assert type(torch.supa).__name__ == "_Promise"
driver = triton.runtime.driver.active
asked = [driver.get_current_target, driver.get_active_torch_device][::int(sys.argv[1])]
found = {ask.__name__: ask() for ask in asked}
assert found["get_current_target"].backend == "cuda", found
assert found["get_active_torch_device"] == torch.device("cuda", 0), found
print("fine")
"""


@pytest.mark.parametrize("order", ["1", "-1"])
def test_the_first_question_brings_the_device(tmp_path, order):
    file = tmp_path / "first.py"
    file.write_text(FIRST_USE)
    done = run(str(file), order)
    assert done.stdout == "fine\n", done.stderr


def test_without_the_word_cuda_stays_torch_s_own():
    done = run(code="import supa.torch, torch; torch.ones(1, device='cuda')", SUPA_AS_CUDA="0")
    assert "not compiled with CUDA" in done.stderr
