"""What a fresh process takes: `import supa`, and its first kernel, compiled or out of the disk cache.

torch's own import is measured beside them and is not part of the figures: programs that launch on their own memory do
without it. Bytecode is kept in a folder of the measurement, as an installed package has it.
"""

import json
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure
from bench.process import last_line

IMPORT_BAR_SECONDS = 0.3
COLD_BAR_SECONDS, CACHED_BAR_SECONDS = 1.5, 0.5
RUNS = 5
IMPORTS = """
import sys, time
start = time.perf_counter()
import supa
taken = time.perf_counter() - start
unwanted = {"torch", "triton"} & set(sys.modules)
if unwanted:
    raise SystemExit(f"import supa brought {unwanted}")
print(taken)
"""


def figures() -> Iterator[Figure]:
    """Medians over processes."""
    taken = statistics.median(float(last_line("-c", IMPORTS)) for _ in range(7))
    yield Figure(section="start", name="import supa", figure=taken, unit="s", bar=IMPORT_BAR_SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        first_kernel(Path(folder), "warm")  # writes bytecode
        runs = [
            (first_kernel(Path(folder), f"cache{run}"), first_kernel(Path(folder), f"cache{run}"))
            for run in range(RUNS)
        ]
    for index, (name, bar) in enumerate((("compiled", COLD_BAR_SECONDS), ("from disk cache", CACHED_BAR_SECONDS))):
        own = [pair[index] for pair in runs]
        parts = {key: statistics.median(one[key] for one in own) for key in own[0]}
        yield Figure(
            section="start",
            name=f"triton's import and a first kernel, {name}",
            figure=parts["processor_s"],
            unit="s",
            bar=bar,
            parts=parts,
        )


def first_kernel(folder: Path, cache: str) -> dict[str, float]:
    """Seconds of a process of `bench.first_kernel` by what they went into."""
    told = last_line(
        "-m", "bench.first_kernel",
        SUPA_MODE="execute", TRITON_CACHE_DIR=str(folder / cache), PYTHONPYCACHEPREFIX=str(folder / "bytecode"),
        PYTHONDONTWRITEBYTECODE="",
    )  # fmt: skip
    return dict(json.loads(told))
