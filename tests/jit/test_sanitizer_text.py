"""What the sanitizer says, word for word, and how a process ends."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from supa.base.errors import DeviceError
from supa.base.location import Location
from supa.jit.sanitizer.findings import Finding
from supa.jit.sanitizer.settings import kinds, wait_s
from supa.jit.sanitizer.text import describe, summary

SOURCE = "def f():\n    x = tl.load(p + o)\n"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A line of a file that exists, under a short name."""
    (tmp_path / "kernel.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    return Location("kernel.py", 2, 17)


def facts(place, **more):
    return Finding(**{
        "access": "load", "location": place, "kernel": "f", "program_id": (3, 0, 1), "element": (2, 5),
        "argument": "p", "type": "float32", "shape": (10, 20), "element_bytes": 4, **more,
    })  # fmt: skip


HEAD = """  kernel.py:2:17, in kernel f
    | x = tl.load(p + o)
    |             ^
  program (3, 0, 1), element (2, 5) of the tile: """

TEXTS = [
    (
        {"kind": "outside", "past_bytes": 24, "offset_bytes": 824, "neighbour": "q"},
        "supa sanitizer: out-of-bounds load\n" + HEAD
        + "reads 24 bytes (6 elements) past the end of p (float32, shape (10, 20), 200 elements)\n"
        "  it hits q, another argument of this launch\n"
        "  hint: mask the load, as in mask=offsets < n; if it has a mask, look at the bound that its mask compares"
        " with, and at the strides\n",
    ),
    (
        {"kind": "outside", "access": "store", "past_bytes": -2, "offset_bytes": -2, "shape": ()},
        "supa sanitizer: out-of-bounds store\n" + HEAD
        + "writes 2 bytes before the start of p (float32, a scalar, 1 element)\n"
        "  hint: mask the store, as in mask=offsets < n; if it has a mask, look at the bound that its mask compares"
        " with, and at the strides\n",
    ),
    (
        {"kind": "freed", "address": 4096, "argument": "", "shape": None},
        "supa sanitizer: load of memory that is not allocated\n" + HEAD
        + "reads address 0x1000\n"
        "  hint: the tensor was freed, or its address is wrong: keep it alive until the launch has ended\n",
    ),
    (
        {"kind": "misaligned", "offset_bytes": 6},
        "supa sanitizer: misaligned load\n" + HEAD
        + "reads byte 6 of p (float32, shape (10, 20), 200 elements), an address that is no multiple of its size\n"
        "  hint: addresses must be multiples of the element's size: look for byte offsets and pointer casts\n",
    ),
    (
        {"kind": "unwritten", "offset_bytes": 8},
        "supa sanitizer: load of memory that was never written\n" + HEAD
        + "reads element 2 of p (float32, shape (10, 20), 200 elements)\n"
        "  hint: initialise the tensor (torch.zeros instead of torch.empty), or mask the load\n",
    ),
    (
        {"kind": "write-write", "access": "store", "other": (2, 0, 1), "offset_bytes": 40},
        "supa sanitizer: data race: two programs write the same place\n" + HEAD
        + "writes element 10 of p (float32, shape (10, 20), 200 elements), as program (2, 0, 1) writes it\n"
        "  hint: let each program write its own part, or use tl.atomic_*\n",
    ),
    (
        {"kind": "read-after-write", "other": (2, 0, 1), "offset_bytes": 40},
        "supa sanitizer: data race: a program reads what another one writes\n" + HEAD
        + "reads element 10 of p (float32, shape (10, 20), 200 elements), as program (2, 0, 1) writes it\n"
        "  hint: split the kernel in two launches, or order the programs by atomics with acquire and release\n",
    ),
    (
        {"kind": "write-after-read", "access": "store", "offset_bytes": 40},
        "supa sanitizer: data race: a program writes what another one reads\n" + HEAD
        + "writes element 10 of p (float32, shape (10, 20), 200 elements), as program (another one) reads it\n"
        "  hint: split the kernel in two launches, or order the programs by atomics with acquire and release\n",
    ),
    (
        {"kind": "overflow", "access": "mul"},
        "supa sanitizer: integer overflow in address arithmetic\n" + HEAD
        + "the exact result of 'mul' does not fit 32 bits, and the address is made of what is left\n"
        "  hint: compute in 64 bits: tl.program_id(0).to(tl.int64), or annotate strides as tl.int64\n",
    ),
    (
        {"kind": "not finite", "access": "fdiv"},
        "supa sanitizer: NaN or infinity from finite operands\n" + HEAD
        + "'fdiv' gives NaN or infinity in float32\n"
        "  hint: look for a division by zero, log or sqrt of a value out of range, or an exp that is too large\n",
    ),
    (
        {"kind": "assertion", "message": "x is too large", "element": ()},
        "supa sanitizer: device_assert failed\n" + HEAD.replace(", element (2, 5) of the tile", "")
        + "x is too large\n",
    ),
    (
        {"kind": "waits", "access": "atomic", "element": (), "offset_bytes": 8},
        "supa sanitizer: programs that wait for ever\n" + HEAD.replace(", element (2, 5) of the tile", "")
        + "waits for a change of element 2 of p (float32, shape (10, 20), 200 elements); the launch was stopped\n"
        "  hint: nobody does any more what they wait for: a release that was taken out or masked off, or a wrong"
        " count\n",
    ),
    (
        {"kind": "dead mask", "program_id": None},
        "supa sanitizer: mask that is always false\n" + HEAD[: HEAD.index("  program")]
        + "  in every program of every launch, for p\n"
        "  hint: nothing was ever accessed here: compare the mask with what it should let through\n",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("finding", "text"), TEXTS, ids=[finding["kind"] for finding, _ in TEXTS])
def test_the_text_of_a_finding(finding, text, place):
    assert describe(facts(place, **finding)) == text


def test_the_summary(place):
    found = [facts(place, kind="outside", count=24), facts(place, kind="misaligned")]
    assert summary(found, 3) == (
        "supa sanitizer: 2 findings, 3 launches checked\n"
        "  kernel.py:2:17: out-of-bounds load (f, 24 elements)\n"
        "  kernel.py:2:17: misaligned load (f)\n"
    )
    assert summary([], 1) == "supa sanitizer: nothing found, 1 launch checked\n"


def test_what_the_variable_may_say(monkeypatch):
    monkeypatch.delenv("SUPA_SANITIZE", raising=False)
    assert kinds() == ()
    for text, wanted in (("0", ()), ("1", ("memory",)), ("nan", ("memory", "nan"))):
        monkeypatch.setenv("SUPA_SANITIZE", text)
        assert kinds() == wanted
    monkeypatch.setenv("SUPA_SANITIZE", "yes")
    with pytest.raises(DeviceError, match="SUPA_SANITIZE: expected 1, nan, or 0 for no checks, found 'yes'"):
        kinds()


def test_how_long_to_wait(monkeypatch):
    monkeypatch.delenv("SUPA_SANITIZE_WAIT", raising=False)
    assert wait_s() == 10
    monkeypatch.setenv("SUPA_SANITIZE_WAIT", "0.5")
    assert wait_s() == 0.5
    for text in ("0", "-1", "soon", "inf"):
        monkeypatch.setenv("SUPA_SANITIZE_WAIT", text)
        with pytest.raises(
            DeviceError, match=f"SUPA_SANITIZE_WAIT: expected seconds, a number above 0, found '{text}'"
        ):
            wait_s()


PROGRAM = """
    import sys
    import torch, triton
    import triton.language as tl

    @triton.jit
    def fill(x_ptr, BLOCK: tl.constexpr):
        tl.store(x_ptr + tl.arange(0, BLOCK), 1.0)

    x = torch.empty(int(sys.argv[1]))
    fill[(1,)](x, BLOCK=64)
    print("sum", x.sum().item())
"""


@pytest.mark.parametrize("command", [["-m", "supa.tools.cli", "run", "--sanitize"], []], ids=["option", "variable"])
def test_a_process_ends_with_status_1_where_something_was_found(command, tmp_path):
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM))
    environment = {key: value for key, value in os.environ.items() if key != "SUPA_SANITIZE"}
    if not command:
        environment["SUPA_SANITIZE"] = "1"

    def run(size):
        line = [sys.executable, *command, "program.py", size]
        return subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)

    sound, wrong = run("64"), run("60")
    assert (sound.returncode, wrong.returncode) == (0, 1), sound.stderr + wrong.stderr
    assert sound.stdout.startswith("sum 64.0\n")
    assert wrong.stdout.startswith("sum 60.0\n")
    assert sound.stderr == "supa sanitizer: nothing found, 1 launch checked\n"
    assert "program.py:8:43, in kernel fill\n    | tl.store(x_ptr + tl.arange(0, BLOCK), 1.0)\n" in wrong.stderr
    assert "writes just past the end of x_ptr (float32, shape (60,), 60 elements)\n" in wrong.stderr
    assert "supa sanitizer: 1 finding, 1 launch checked\n" in wrong.stderr


OPERATORS = """
    import torch, supa.torch

    x = torch.linspace(-1, 1, 1000).to("supa")
    for _ in range(5):
        y = torch.relu(x)
    assert torch.equal(y.cpu(), torch.relu(x.cpu()))
"""


def test_operators_are_looked_at_each_time(tmp_path):
    (tmp_path / "program.py").write_text(textwrap.dedent(OPERATORS))
    line = [sys.executable, "-m", "supa.tools.cli", "run", "--sanitize", "program.py"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("supa sanitizer: nothing found, 5 launches checked\n")


ENDLESS = """
    import torch, triton
    import triton.language as tl

    @triton.jit
    def endless(x_ptr, n):
        total = 0.0
        for i in range(0, n):
            total += tl.load(x_ptr + i % 10)
        tl.store(x_ptr + 10 + tl.program_id(0), total)

    x = torch.ones(100_010)
    endless[(1,)](x, 2)
    print("begins", flush=True)
    endless[(100_000,)](x, 100_000_000)
"""


@pytest.mark.parametrize("sanitize", ["", "1"])
def test_an_interrupt_ends_a_long_launch(sanitize, tmp_path):
    (tmp_path / "program.py").write_text(textwrap.dedent(ENDLESS))
    environment = {**os.environ, "SUPA_SANITIZE": sanitize, "SUPA_MODE": "execute"}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment, "cwd": tmp_path}
    with subprocess.Popen([sys.executable, "program.py"], **options) as process:
        assert process.stdout.readline() == "begins\n"
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode in (-signal.SIGINT, 130), errors
    assert "KeyboardInterrupt" in errors
