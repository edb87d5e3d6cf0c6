"""A program whose kernel never ends can be ended: by Ctrl-C, by SIGTERM, where a loop goes on by a second one.

Not here: long launches of many short blocks (`test_sanitizer_text`).
"""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

# The kernel says that it runs: a thread looks at the memory it writes.
PROGRAM = """
import threading, time
import torch, triton
import triton.language as tl

@triton.jit
def endless(x_ptr, begun_ptr, n):
    tl.store(begun_ptr, 1)
{body}

def tell():
    while not begun[0]:
        time.sleep(0.01)
    print("begins", flush=True)

x, begun = torch.zeros(10, dtype=torch.int32), torch.zeros(1, dtype=torch.int32)
threading.Thread(target=tell, daemon=True).start()
endless[(1,)](x, begun, 2_000_000_001)
"""

WHILE = """
turns = 1
while turns > 0:
    turns = turns % 1000 + 1 + tl.load(x_ptr)
tl.store(x_ptr, turns)
"""

SPIN = """
while tl.load(x_ptr, volatile=True) == 0:
    pass
"""

FOR = """
total = 0
for i in range(n):
    for j in range(n):
        total += tl.load(x_ptr + (i ^ j) % 7)
tl.store(x_ptr, total)
"""


def ended(folder, body, *signals):
    """The exit code and the output of a program under `supa run` that was sent the signals, one after the other."""
    (folder / "program.py").write_text(PROGRAM.format(body=textwrap.indent(body, "    ")))
    command = [sys.executable, "-m", "supa", "run", "--mode", "execute", "program.py"]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "cwd": folder}
    with subprocess.Popen(command, env={**os.environ, "SUPA_SANITIZE": ""}, **options) as process:
        try:
            assert process.stdout.readline() == "begins\n"
            for number in signals:
                process.send_signal(number)
                time.sleep(0.2)
            output, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    return process.returncode, output


@pytest.mark.parametrize("body", [WHILE, SPIN], ids=["while", "spin"])
def test_ctrl_c_ends_a_while_without_end(body, tmp_path):
    code, output = ended(tmp_path, body, signal.SIGINT)
    assert code == 130, output
    assert "interrupted" in output


def test_sigterm_ends_a_while_without_end_and_the_report_still_comes(tmp_path):
    code, output = ended(tmp_path, WHILE, signal.SIGTERM)
    assert code == 143, output
    assert "terminated" in output


def test_a_second_ctrl_c_ends_the_process_where_a_loop_goes_on(tmp_path):
    code, output = ended(tmp_path, FOR, signal.SIGINT, signal.SIGINT)
    assert code == 130, output
    assert "a kernel does not stop at this signal" in output
