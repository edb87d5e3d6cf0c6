"""`python -m bench.torch_laws`: what PyTorch's samples of operators (OpInfo) say beyond plain results and gradients.

Each law of `operator_laws` (reference inputs, views, `out`, in place, errors, mixed types) and of `program_laws`
(modules, optimizers, foreach, function transforms) gives the device and the host the same work. Prints what differs or
crashes, and writes one JSON line for each subject and type. Not here: plain samples (`opinfo`), the rule of equality
(`opinfo_rule`).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

from bench import operator_laws, program_laws
from bench import opinfo_workers as workers
from bench.opinfo_rule import TYPES, first_lines

_MOST = 1 << 20
"""More than any law has subjects: a worker ends with the last."""
LAWS: dict[str, Any] = {**operator_laws.LAWS, **program_laws.LAWS}


def work(begin: int, end: int, law: str, dtypes: list[str], only: str, step: int) -> None:
    """Check some of a law's subjects, one line each; first a line that says which begins."""
    warnings.simplefilter("ignore")
    import torch

    import supa.torch  # noqa: F401

    torch.set_num_threads(1)
    subjects = LAWS[law].subjects()[::step]
    for number in range(begin, min(end, len(subjects) * len(dtypes))):
        subject, dtype = subjects[number // len(dtypes)], dtypes[number % len(dtypes)]
        name = LAWS[law].name(subject)
        if only and only not in name:
            continue
        row = {"law": law, "subject": name, "dtype": dtype}
        print(json.dumps({"begins": number, **row}), flush=True)
        try:
            count, failures = LAWS[law].check(subject, getattr(torch, dtype))
        except Exception as error:
            count, failures = 1, [f"not checked: {type(error).__name__}: {first_lines(error)}"]
        print(json.dumps({**row, "count": count, "failures": failures}), flush=True)


def supervise(arguments: argparse.Namespace, law: str) -> Counter[str]:
    """Run workers over a law's subjects; what was counted."""
    counted: Counter[str] = Counter()
    with arguments.out.open("a") as out:

        def keep(row: dict[str, Any]) -> None:
            failures = [row["crash"]] if "crash" in row else row["failures"]
            counted["cases"] += row.get("count", 1)
            counted["failures"] += len(failures)
            out.write(json.dumps(row) + "\n")
            out.flush()
            for failure in failures:
                print(f"{row['law']:12s} {row['subject']:36s} {row['dtype']:9s} {failure[:240]}", flush=True)

        options = ["--law", law, "--dtype", *arguments.dtype, "--only", arguments.only, "--step", str(arguments.step)]
        types = len(arguments.dtype)
        begin, end = arguments.first // arguments.step * types, arguments.last // arguments.step * types
        workers.supervise("bench.torch_laws", options, begin, end or _MOST * types, keep)
    return counted


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.torch_laws", description=__doc__.splitlines()[0])
    parser.add_argument("--law", nargs="+", choices=sorted(LAWS), default=sorted(LAWS))
    parser.add_argument("--dtype", nargs="+", choices=TYPES, default=["float32"])
    parser.add_argument("--first", type=int, default=0, help="subjects from this one on")
    parser.add_argument("--last", type=int, default=0, help="up to before this one")
    parser.add_argument("--step", type=int, default=1, help="every so many subjects")
    parser.add_argument("--only", default="", help="subjects whose name contains this")
    parser.add_argument("--out", type=Path, default=Path("laws.jsonl"), help="rows are added there")
    parser.add_argument("--worker", nargs=2, type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(*arguments.worker, arguments.law[0], arguments.dtype, arguments.only, arguments.step)
        return 0
    for law in arguments.law:
        started = time.monotonic()
        counted = supervise(arguments, law)
        print(f"{law}: {counted['cases']} cases, {counted['failures']} differ; {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
