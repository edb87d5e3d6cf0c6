"""A measurement in a process of its own: its last printed line, or its own complaint. Not what is measured."""

import os
import subprocess
import sys

from bench.programs import ROOT


def last_line(*arguments: str, **environment: str) -> str:
    """Run Python with these arguments in the repository's root, the environment added to ours; return its last line."""
    command, merged = [sys.executable, *arguments], {**os.environ, **environment}
    done = subprocess.run(command, cwd=ROOT, env=merged, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"python {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout.splitlines()[-1]
