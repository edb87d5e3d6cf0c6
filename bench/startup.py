"""The time of `import supa` in a fresh interpreter, without torch and triton."""

import statistics
from collections.abc import Iterator

from bench.figure import Figure
from bench.process import last_line

IMPORT_BAR_SECONDS = 0.3
PROGRAM = """
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
    """The median of seven imports."""
    taken = statistics.median(float(last_line("-c", PROGRAM)) for _ in range(7))
    yield Figure(section="start", name="import supa", figure=taken, unit="s", bar=IMPORT_BAR_SECONDS)
