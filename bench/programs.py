"""The example programs that the benchmarks run, found from the repository's root. Not the programs themselves."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples" / "triton"

sys.path.insert(0, str(EXAMPLES))
