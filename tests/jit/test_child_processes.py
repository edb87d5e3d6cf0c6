"""Kernels in children of a process that has launched kernels: forked and spawned, new and known kernels, at once."""

import os
import subprocess
import sys
import textwrap

import pytest

PROGRAM = """
    import multiprocessing, os, sys, threading
    import torch, triton
    import triton.language as tl

    @triton.jit
    def scale(out_ptr, x_ptr, n, factor, BLOCK: tl.constexpr):
        at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        tl.store(out_ptr + at, tl.load(x_ptr + at, mask=at < n) * factor, mask=at < n)

    def work(factor, block):
        x, out = torch.arange(100_003.0), torch.zeros(100_003)
        for _ in range(5):
            scale[(triton.cdiv(100_003, block),)](out, x, 100_003, factor, BLOCK=block)
        sys.exit(0 if torch.equal(out, x * factor) else 1)

    def launch(factor, block):
        try:
            work(factor, block)
        except SystemExit as end:
            return end.code

    if __name__ == "__main__":
        torch.set_num_threads(1)  # torch's own threads do not live on in a child of fork
        assert launch(2.0, 256) == 0
        busy = threading.Event()
        keep = threading.Thread(target=lambda: [launch(3.0, 256) for _ in iter(lambda: busy.is_set(), True)])
        keep.start()
        context = multiprocessing.get_context(sys.argv[1])
        children = [context.Process(target=work, args=(4.0 + index, 256 << index)) for index in range(3)]
        for child in children:
            child.start()
        for child in children:
            child.join(100)
        busy.set()
        keep.join()
        print([child.exitcode for child in children], launch(5.0, 128))
"""


@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_children_launch(how, tmp_path):
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM))
    environment = {
        **os.environ,
        "SUPA_MODE": "execute",
        "SUPA_NUM_THREADS": "3",
        "TRITON_CACHE_DIR": str(tmp_path / "k"),
    }
    line = [sys.executable, "program.py", how]
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240)
    assert done.stdout == "[0, 0, 0] 0\n", done.stderr
