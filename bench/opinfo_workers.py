"""Tasks in a process that may crash or hang: what it was doing is then a row, and the next process goes on behind it.

A worker writes a line `{"begins": number, ...}` before each task and one line for each row. Not here: the tasks.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

LONGEST_S = 300


def _lines(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    """The worker's lines; it is ended where none comes for long."""
    assert process.stdout is not None
    while True:
        ready, _, _ = select.select([process.stdout], [], [], LONGEST_S)
        if not ready:
            process.kill()
            return
        line = process.stdout.readline()
        if not line:
            return
        if line.startswith("{"):
            yield json.loads(line)


def supervise(module: str, options: list[str], begin: int, end: int, keep: Callable[[dict[str, Any]], None]) -> None:
    """Run `python -m module --worker BEGIN END options` until all tasks are done.

    `keep` gets each row; for a task that ended its process the line that said it begins, with `crash` (what is known).
    """
    while begin < end:
        command = [sys.executable, "-m", module, "--worker", str(begin), str(end), *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1)
        current: dict[str, Any] | None = None
        for row in _lines(process):
            current = row if "begins" in row else current
            if "begins" not in row:
                keep(row)
        code = process.wait()
        if code == 0:
            return
        if current is None:
            raise SystemExit(f"the worker did not start (exit {code}): {' '.join(command)}")
        keep({**current, "crash": f"the process crashed or hung (exit {code})"})
        begin = current["begins"] + 1
