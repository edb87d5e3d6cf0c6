"""`python -m bench [--json FILE] [--only SECTION ...]`: measure, print one table, write JSON. Nothing is remembered."""

import argparse
import importlib
import json
import os
import platform
import sys
from pathlib import Path

from bench.figure import HEADER, Figure

SECTIONS = {
    "host": "bench.host_speed",
    "error": "bench.accuracy",
    "compile": "bench.compile_stages",
    "collection": "bench.collection",
    "start": "bench.startup",
    "launch": "bench.launch",
    "memory": "bench.memory",
    "pricing": "bench.pricing",
    "maths": "bench.mathlib",
    "sanitizer": "bench.sanitizer",
}


def host_description() -> dict[str, object]:
    """What the figures were measured on."""
    import torch
    import triton

    return {
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "triton": triton.__version__,
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the bars, side by side in one run.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument(
        "--only", nargs="+", choices=list(SECTIONS), default=list(SECTIONS), help="these sections alone"
    )
    arguments = parser.parse_args()
    os.environ["SUPA_MODE"] = "execute"
    measured: list[Figure] = []
    print(HEADER)
    for section in arguments.only:
        for figure in importlib.import_module(SECTIONS[section]).figures():
            measured.append(figure)
            print(figure.row(), flush=True)
    missed = sum(figure.missed for figure in measured)
    print(f"{len(measured)} figures, {missed} bars missed")
    if arguments.json:
        record = {"host": host_description(), "figures": [figure.record() for figure in measured]}
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
