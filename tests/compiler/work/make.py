"""Writes `*.mlir` beside it from `kernels.py` with Triton's own front end (no GPU): `python make.py [name ...]`.

Not a test. The recipe is the one of the TTIR golden texts.
"""

import importlib.util
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
TYPES = {
    "interior": ("*fp32:16 *fp32:16 i32 i32 i32 i32 i32 i32", {"BM": 16, "BN": 32}),
    "persistent": ("*fp32:16 *fp32:16 *fp32:16 i32 i32 i32", {"BM": 32, "BN": 16, "BK": 16}),
    "ragged_rows": ("*i32 *fp32 *fp32", {"BLOCK": 32}),
    "embedding": ("*fp16 *i64 *fp16 i32 i32", {"ROWS": 8, "WIDTH": 64}),
    "wrapped": ("*fp32 *fp32 i32 i32", {"BLOCK": 16}),
    "grid_stride": ("*fp32 *fp32 i32", {"BLOCK": 64}),
    "chosen": ("*fp32 *fp32 *fp32 i32", {"BLOCK": 32}),
    "doubling": ("*fp32 *fp32", {"BLOCK": 16}),
    "backwards": ("*fp32 *fp32 i32 i32", {"BLOCK": 32}),
    "cursor": ("*fp32 *fp32 i32 i32", {"BLOCK": 32}),
    "nothing": ("*fp32 i32", {}),
    "maze": ("*fp32 i32 i32 fp32", {"DEPTH": 3}),
    "unrolled": ("*fp32 *fp32 i32 i32", {"DEPTH": 3, "BLOCK": 16}),
    "indirect": ("*i32 *i64 *fp32", {"BLOCK": 16}),
    "queue": ("*i32 *fp32 *fp32 i32", {"BLOCK": 32}),
}


def recipe():
    """The golden texts' recipe, with our kernels in place of its own."""
    ttir = FOLDER.parent / "ttir"
    spec = importlib.util.spec_from_file_location("ttir_make", ttir / "make.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["ttir_make"] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.path.insert(0, str(FOLDER))
    make = recipe()
    make.FOLDER = FOLDER
    for name in sys.argv[1:] or TYPES:
        types, constants = TYPES[name]
        (FOLDER / f"{name}.mlir").write_text(make.text_of(make.golden(name, types, **constants)))
        print(name)
