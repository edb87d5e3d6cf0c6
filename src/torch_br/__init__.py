"""The import name of the vendor's PyTorch plug-in for BR1xx: programs written for it start on the virtual device.

As there, fp32 products are computed in TF32+ by default; `torch.set_float32_matmul_precision("highest")` undoes it.
`torch_br.supa` is `torch.supa`. Where users of the real stack met defects (wrong 2-D FFTs, missing operators), this one
is right. Not here: the vendor's fused operators and layout controls; asking for one says so.
"""

from __future__ import annotations

import sys
from typing import Any

import torch

import supa.torch

supa: Any = torch.supa  # type: ignore[attr-defined, no-redef]
sys.modules[f"{__name__}.supa"] = supa
sys.modules[f"{__name__}.supa.amp"] = supa.amp
torch.set_float32_matmul_precision("high")


def __getattr__(name: str) -> Any:
    raise AttributeError(
        f"torch_br has no {name!r} on the virtual device: it offers torch_br.supa and "
        "torch_br.contrib.transfer_to_supa; write the operation with torch's own operators"
    )
